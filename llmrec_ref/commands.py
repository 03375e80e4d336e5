"""What the command line does: train, evaluate and recommend."""

import csv
import shlex
import sys
import time
from contextlib import contextmanager, redirect_stdout
from dataclasses import fields
from importlib import import_module
from inspect import signature
from pathlib import Path

import pandas as pd

from llmrec_ref import datasets, runs, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, PersonalFrequency, Popularity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.recommend import recommend, recommend_items
from llmrec_ref.training import Settings

DEFAULTS = dict(model="sasrec", framework="pytorch", device="cpu", refit=False, refitting=False)
SIZES = {  # of a model: default and what it is
    "dim": (64, "width"),
    "n_layers": (2, "layers or blocks"),
    "n_heads": (1, "attention heads, if it has any"),
    "max_len": (50, "newest items the model looks at"),
    "dropout": (0.2, "probability"),
}
FILE = ("columns", "sep", "encoding", "dayfirst", "time_unit", "repeats", "drop_missing")  # how to read it
FILTERS = ("min_user", "min_item", "min_rating")  # what to keep of the data
SPLITS = ("leave-one-out", "global-time")
SEEN = {True: " seen left out", False: " seen ranked too"}  # by filter_seen, where not the usual
EASE_ITEMS = 5000  # inverting its matrix takes a few seconds then, and eight times as long for twice as many


class Refusal(Exception):
    """What cannot be done, in a sentence that names the remedy."""


@contextmanager
def known(*errors):
    """Make a `Refusal` of errors that the called function documents."""
    try:
        yield
    except errors as error:
        # str() of a KeyError adds quotes
        raise Refusal(error.args[0] if isinstance(error, KeyError) else error) from error


def say(line):
    """Print to stderr: stdout is for results."""
    print(line, file=sys.stderr, flush=True)


def train(args):
    """Train a model, or go on with a run, and test it beside the baselines.

    Returns:
        (DataFrame, dict): A row a model, and facts.
    """
    asked = vars(args)
    resume = asked.get("resume")
    if resume is None and "data" not in asked:
        raise Refusal("give --data, or a run to go on with: --resume RUN")
    asked = DEFAULTS | (_recorded(resume) if resume else {}) | asked
    stem, seed = Path(asked["data"]).name.split(".")[0], asked.get("seed", 0)
    out = asked.get("out") or resume or f"runs/{stem}-{asked['model']}-{asked['framework']}-{seed}"
    own = resume is not None and Path(out).resolve() == Path(resume).resolve()
    with known(OSError):  # before anything that takes time
        run = runs.Run(out, overwrite=own or "overwrite" in asked)
    with run:
        again = f": go on with python -m llmrec_ref train --resume {shlex.quote(str(out))}"
        nothing = " before anything was saved"
        args.way_on = lambda: again if own or run.ever_saved else nothing
        return _train(args, asked, run, resume)


def _recorded(folder):
    """Return a run's options as if they had been given."""
    with known(OSError, ValueError):
        config = runs.read_config(folder)
    made = _made(config)
    options = dict(model=config["model"].lower(), framework=config["framework"])
    options |= dict(data=made["load"]["name_or_path"], split=made.get("split"))  # older runs name none
    options |= dict(device=made.get("device", "cpu"), refit=made.get("refit", not made["validation"]))
    refitting = {"refitting": not made["validation"]}
    return options | made["load"] | config["config"] | (config["training"] or {}) | refitting


def _train(args, asked, run, resume):
    """Train as asked, and save in a run."""
    training, model_class = _model_class(asked)
    load = {name: asked[name] for name in FILE + FILTERS if name in asked}
    load["name_or_path"] = asked["data"]
    if asked["data"] not in datasets.LOADERS:
        load["name_or_path"] = str(Path(asked["data"]).expanduser().resolve())  # found from another folder
    dataset = _read(load)
    name, reason = _choose_split(dataset, asked.get("split"))
    split = _split(dataset, name, validation=not asked["refit"])
    # before training: a test that cannot be made stops here
    rows, facts = _test_baselines(dataset, split, name, reason, args)

    run.dataset = dataset
    made = {"load": load, "split": name, "repeats": dataset.repeats}
    made |= {option: asked[option] for option in ("refit", "device")}
    sizes = {name: asked.get(name, default) for name, (default, _) in SIZES.items()}
    sizes = {name: size for name, size in sizes.items() if name in signature(model_class).parameters}
    settings = {field.name: asked[field.name] for field in fields(Settings) if field.name in asked}

    def fit(validation, resume, **limits):
        run.data = made | {"validation": validation}
        part, how = _split(dataset, name, validation), settings | limits
        with known(OSError, ValueError), redirect_stdout(sys.stderr):
            model = model_class(part.n_items, **sizes, seed=asked.get("seed", 0))
            return model, training.fit(model, part, resume=resume, run=run, device=asked["device"], **how)

    start = time.perf_counter()
    model, told = _fit(fit, asked, run, resume, f"validation NDCG@{_list_length(split)}")
    facts |= told | {"seconds": round(time.perf_counter() - start, 1), "run": str(run.folder.path)}
    rows.append(_test(model, split, args))
    facts |= _winner(rows)
    with known(OSError):
        run.add_metrics(test=rows)
    return pd.DataFrame(rows), facts


def _fit(fit, asked, run, resume, metric):
    """Train, and once more on all data if asked to; return the model, and facts."""
    if asked["refitting"]:  # a run that was stopped there
        with known(OSError, ValueError):
            chosen, limits = runs.read_metrics(resume).get("chosen", {}), {}
    else:
        model, history = fit(True, resume)
        chosen = {metric: round(history.epochs["val_ndcg"].max(), 4)}
        resume, limits = None, {"epochs": history.best_epoch, "patience": None}
    if asked["refit"]:
        run.metrics = {"chosen": chosen}
        model, history = fit(False, resume, **limits)
    return model, {"epochs": history.best_epoch} | chosen


def _model_class(asked):
    """Return a framework's ``train``, and a model's class by its lower-case name."""
    training = _import_train(asked["framework"])
    models = {name.lower(): model for name, model in training.MODELS.items()}
    if asked["model"] not in models:
        raise Refusal(f"unknown model {asked['model']!r}; choose one of {', '.join(models)}")
    return training, models[asked["model"]]


def _import_train(framework):
    say(f"starting {framework}")
    with known(ImportError):
        return import_module(f"llmrec_ref.{framework}.train")


def evaluate_run(args):
    """Test a run beside the baselines, as `train` did."""
    model, _, config = _load_run(args)
    dataset, split, name = _load_data(args, config)
    rows, facts = _test_baselines(dataset, split, name, "as in training", args)
    rows.append(_test(model, split, args))
    return pd.DataFrame(rows), facts | _winner(rows)


def recommend_to(args):
    """Recommend items of a run to a user of its data, or to a history."""
    if ("user" in args) == ("history" in args):
        raise Refusal("give either --user or --history")
    model, items, config = _load_run(args)
    if "user" in args:
        dataset, split, _ = _load_data(args, config)
        with known(KeyError, ValueError):
            return recommend(model, dataset, split, args.user, args.k), {}
    history = [item for row in csv.reader([args.history], skipinitialspace=True) for item in row]
    repeats = config["data"] is not None and config["data"]["repeats"]
    with known(KeyError, ValueError):
        return recommend_items(model, items, history, args.k, repeats=repeats), {}


def _load_run(args):
    with known(OSError, ValueError):
        config = runs.read_config(args.run)
    training = _import_train(vars(args).get("framework", config["framework"]))
    with known(OSError, ValueError):
        return *training.load(args.run), config


def _made(config):
    """Return how a run's data were made."""
    if config["data"] is None:  # saved by a program
        raise Refusal("this run does not say what data it was trained on: train it with this command line")
    return config["data"]


def _load_data(args, config):
    """Read a run's data and split them; see that they are the same as in training."""
    made = _made(config)
    where = {"name_or_path": args.data} if "data" in args else {}
    dataset = _read(made["load"] | where)
    name, _ = _choose_split(dataset, made.get("split"))  # older runs name none
    split = _split(dataset, name, made["validation"])
    with known(OSError, ValueError):
        runs.check_split(args.run, split)
    return dataset, split, name


def _read(options):
    say(f"reading {options['name_or_path']}")
    with known(ImportError, LookupError, OSError, ValueError):
        dataset = datasets.load(**options)
    counts = (len(dataset.users), len(dataset.items), len(dataset.interactions))
    say("read: {:,} users, {:,} items, {:,} interactions".format(*counts))
    for note in dataset.notes:
        say(note)
    return dataset


def _choose_split(dataset, name):
    """Return which split to use, and why."""
    if name:
        return name, "as asked"
    if dataset.time_unit != "seconds":
        return "leave-one-out", "the data give an order and no times"
    said = dataset.repeats != (dataset.interactions.duplicated(["user_id", "item_id"]).mean() > 0.1)
    if dataset.repeats:
        reason = "people repeat items, often several at once, so that none is the last"
        return "global-time", "repeats, as you say" if said else reason
    reason = "people hardly ever repeat an item, so their last one is a fair question"
    return "leave-one-out", "no repeats, as you say" if said else reason


def _split(dataset, name, validation):
    with known(ValueError):
        if name == "global-time":
            return splits.global_time(dataset, validation_from=0.8 if validation else 0.9, test_from=0.9)
        return splits.leave_one_out(dataset, validation, ties="source")


def _test_baselines(dataset, split, name, reason, args):
    """Say what the protocol is, and test what counts by it; return rows, and facts."""
    say(f"split: {name} ({reason}); {len(split.test):,} users tested, {split.test.n_left_out:,} left out")
    asked, other = split.test, splits.by_novelty(split.test)[0]
    if not dataset.repeats:
        asked, other = other, asked
    n_dropped = sum(map(len, split.test.targets)) - sum(map(len, asked.targets))
    facts = {"split": name, "filter_seen": not dataset.repeats}
    facts |= {"n_queries": len(asked), "n_dropped": n_dropped}
    if args.both:
        facts[f"n_queries{SEEN[dataset.repeats]}"] = len(other)
    ranked = "all items" if dataset.repeats else "all items but those that the person already has"
    left = f", which leaves {len(asked):,} users; --repeats ranks them too" if n_dropped else ""
    say(f"ranked: {ranked}; targets dropped for it: {n_dropped:,}{left}")
    baselines = [Popularity(), Markov(), ItemKNN()]
    if split.n_items <= EASE_ITEMS:
        baselines.append(EASE())
    else:
        say(f"EASE is left out: it inverts a matrix of all items, here done up to {EASE_ITEMS:,} of them")
    if dataset.repeats:
        baselines.append(PersonalFrequency())
    rows = []
    for baseline in baselines:
        say(f"testing {type(baseline).__name__}")
        rows.append(_test(baseline.fit(split), split, args))
    return rows, facts


def _list_length(split):
    return min(10, split.n_items)


def _test(model, split, args):
    k, usual = _list_length(split), not split.test.repeats
    row = {"model": type(model).__name__}
    for filter_seen in [usual, not usual] if args.both else [usual]:
        label = "" if filter_seen == usual else SEEN[filter_seen]
        with known(ValueError):
            metrics = evaluate(model, split.test, ks=(k,), filter_seen=filter_seen, ci=args.ci)
        for name in (f"HR@{k}", f"NDCG@{k}"):
            for column in [name, f"{name}_low", f"{name}_high"] if args.ci else [name]:
                row[column + label] = metrics[column].item()
    return row


def _winner(rows):
    """Name the best of all rows, the last of which is the model."""
    metric = next(name for name in rows[0] if name.startswith("NDCG"))
    most, model = max(row[metric] for row in rows), rows[-1]
    best = [row["model"] for row in rows if row[metric] == most]
    text = ", ".join(best) + " tie" * (len(best) > 1)
    if model[metric] < most:
        text += f"; {model['model']} loses to {'it' if len(best) == 1 else 'them'}"
    return {f"best {metric}": text}
