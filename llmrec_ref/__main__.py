"""The command line: ``python -m llmrec_ref train``, ``evaluate`` and ``recommend``."""

import argparse
import csv
import json
import sys
import time
from importlib import import_module
from inspect import signature
from pathlib import Path

import pandas as pd

from llmrec_ref import datasets, runs, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, PersonalFrequency, Popularity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.recommend import recommend, recommend_items

SIZES = ("dim", "n_layers", "n_heads", "max_len", "dropout", "seed")  # of a model
FILE = ("columns", "sep", "encoding", "dayfirst", "time_unit", "repeats", "drop_missing")  # how to read it
FILTERS = ("min_user", "min_item", "min_rating")  # what to keep of the data
SPLITS = ("leave-one-out", "global-time")
SEEN = {True: " seen left out", False: " seen ranked too"}  # by filter_seen, where it is not the usual one
EASE_ITEMS = 5000  # inverting its matrix takes a few seconds then, and eight times as long for twice as many
OPTIONS = ("lr", "batch_size", "loss", "n_negatives", "warmup", "seed", "device")  # of its training


def main(arguments=None):
    """Run one command and print a table, or with ``--json`` one JSON object as the last line.

    What it reads, how it tests and where it stands go to stderr meanwhile.

    Args:
        arguments: List of words; default: those of the command line.

    Returns:
        int: 0, or 2 after an error, which is the last line on stderr.
    """
    args = _parser().parse_args(arguments)
    try:
        table, facts = args.command(args)
    # AssertionError and RuntimeError are how PyTorch says that there is no such device
    except (AssertionError, ImportError, LookupError, OSError, RuntimeError, ValueError) as error:
        message = error.args[0] if isinstance(error, KeyError) else error  # str() of a KeyError adds quotes
        print(f"error: {message}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(facts | {"rows": table.to_dict("records")}, default=lambda value: value.item()))
    else:
        print(table.to_string(index=False, float_format="{:.4f}".format))
        for name, value in facts.items():
            print(f"{name}: {value}")
    return 0


def _parser():
    top = argparse.ArgumentParser("python -m llmrec_ref", description="Train, evaluate and ask recommenders.")
    commands = top.add_subparsers(required=True, metavar="train | evaluate | recommend")

    def add(name, function, text):
        formatter = argparse.ArgumentDefaultsHelpFormatter
        command = commands.add_parser(name, help=text, description=text, formatter_class=formatter)
        command.set_defaults(command=function)
        command.add_argument("--json", action="store_true", help="print one JSON object last")
        return command.add_argument

    def add_test_options(option):
        option("--ci", action="store_true", help="add 95 %% intervals, a bootstrap over the users")
        option("--both", action="store_true", help="also with the opposite filter of seen items")

    frameworks = ["pytorch", "tensorflow"]
    option = add("train", _train, "Train on a data set or a file; the epoch is chosen on validation.")
    option("--model", default="sasrec", help="such as sasrec")
    option("--framework", default="pytorch", choices=frameworks, help="what to train in")
    option("--data", required=True, help=f"{', '.join(datasets.LOADERS)}, or a CSV, Parquet or text file")
    option("--out", default=argparse.SUPPRESS, help="run folder (default: a name of its own below runs/)")
    option("--overwrite", action="store_true", help="write into a run folder that is not empty")
    option("--refit", action="store_true", help="then train again, as many epochs, with validation included")
    option("--epochs", type=_positive, default=50, help="at most so many")
    option("--patience", type=_positive, default=5, help="stop after so many epochs without a better one")
    option("--dim", type=_positive, default=64, help="width")
    option("--layers", type=_positive, default=2, dest="n_layers", help="layers or blocks")
    option("--heads", type=_positive, default=1, dest="n_heads", help="attention heads, if it has any")
    option("--max-len", type=_positive, default=50, help="newest items the model looks at")
    option("--dropout", type=float, default=0.2, help="probability")
    option("--lr", type=float, default=1e-3, help="learning rate")
    option("--batch-size", type=_positive, default=64, help="users a step")
    option("--loss", default="cross_entropy", choices=runs.LOSSES, help="what to minimise")
    option("--negatives", type=_positive, default=None, dest="n_negatives", help="for a sampled loss")
    option("--warmup", type=int, default=0, help="steps over which the learning rate rises")
    option("--seed", type=int, default=0, help="of weights, dropout and batches")
    option("--device", default="cpu", help="where to train, as the framework names it")
    option("--min-user", type=_positive, default=1, help="keep users with at least so many interactions")
    option("--min-item", type=_positive, default=1, help="keep items with at least so many interactions")
    option("--min-rating", type=float, default=argparse.SUPPRESS, help="keep ratings from that on")
    option("--split", choices=SPLITS, default=argparse.SUPPRESS, help="(default: what the data ask for)")
    add_test_options(option)
    text = "user=CustomerID,item=StockCode,timestamp=InvoiceDate; or, without header: user,item,timestamp"
    option("--columns", type=_columns, default=argparse.SUPPRESS, help=f"of the file: {text}")
    option("--sep", type=lambda text: text.replace("\\t", "\t"), default=argparse.SUPPRESS,
           help="what separates the columns; \\t is a tab")  # fmt: skip
    option("--encoding", default=argparse.SUPPRESS, help="of the file, such as latin-1")
    option("--time-unit", default=argparse.SUPPRESS, help="of timestamps that are numbers")
    for name, text in (("dayfirst", "31/05 is in May"), ("repeats", "people meet an item again and again")):
        action = argparse.BooleanOptionalAction
        option(f"--{name}", action=action, default=argparse.SUPPRESS, help=f"{text} (default: as found)")
    option("--drop-missing", action="store_true", default=argparse.SUPPRESS, help="leave out broken rows")

    option = add("evaluate", _evaluate, "Test a run again; needs the data it was trained on.")
    option("run", help="run folder")
    option("--framework", default=argparse.SUPPRESS, choices=frameworks, help="(default: the run's own)")
    add_test_options(option)

    option = add("recommend", _recommend, "Recommend items to a user of the data, or to any history.")
    option("run", help="run folder")
    option("--framework", default=argparse.SUPPRESS, choices=frameworks, help="(default: the run's own)")
    option("--user", default=argparse.SUPPRESS, help="id of a user of the data the run was trained on")
    option("--history", default=argparse.SUPPRESS, help='item ids, oldest first: "id, id"; needs no data')
    option("-k", type=_positive, default=10, help="length of the list")
    return top


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _columns(text):
    names = [name.strip() for name in text.split(",")]
    pairs = [name.partition("=") for name in names]
    if not all(role for role, _, _ in pairs) or len({separator for _, separator, _ in pairs}) > 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither role=name,role=name nor a list of names")
    return {role: name or None for role, _, name in pairs} if "=" in text else names


def _say(line):
    print(line, file=sys.stderr, flush=True)  # stdout is for results


def _train(args):
    given = vars(args)
    stem = Path(args.data).name.split(".")[0]
    out = Path(given.get("out", f"runs/{stem}-{args.model}-{args.framework}-{args.seed}"))
    if out.exists() and any(out.iterdir()) and not args.overwrite:
        raise FileExistsError(f"{out} is not empty: give another --out, or add --overwrite")
    _say(f"starting {args.framework}")
    training = import_module(f"llmrec_ref.{args.framework}.train")
    models = {name.lower(): model for name, model in training.MODELS.items()}
    if args.model not in models:
        raise ValueError(f"unknown model {args.model!r}; choose one of {', '.join(models)}")

    data = {name: given[name] for name in FILE + FILTERS if name in given}
    data["name_or_path"] = args.data
    if args.data not in datasets.LOADERS:
        data["name_or_path"] = str(Path(args.data).expanduser().resolve())  # found again from another folder
    dataset = _read(data)
    name, reason = _choose_split(dataset, given.get("split"))
    split = _split(dataset, name, validation=not args.refit)
    # before training: a test that cannot be made stops here
    rows, facts = _test_baselines(dataset, split, name, reason, args)

    def fit(split, **limits):
        sizes = {name: given[name] for name in SIZES if name in signature(models[args.model]).parameters}
        options = {name: given[name] for name in OPTIONS}
        model = models[args.model](split.n_items, **sizes)
        return model, training.fit(model, split, **options, **limits)

    start = time.perf_counter()
    model, history = fit(_split(dataset, name, validation=True), epochs=args.epochs, patience=args.patience)
    k = _list_length(split)
    facts |= {"epochs": history.best_epoch}
    facts[f"validation NDCG@{k}"] = round(history.epochs["val_ndcg"].max(), 4)
    if args.refit:
        model, history = fit(split, epochs=history.best_epoch)
    facts |= {"seconds": round(time.perf_counter() - start, 1), "run": str(out)}
    rows.append(_test(model, split, args))
    facts |= _winner(rows)
    made = {"load": data, "split": name, "validation": not args.refit, "repeats": dataset.repeats}
    what = {"dataset": dataset, "history": history, "data": made, "metrics": {"test": rows}}
    training.save(model, split, out, **what, overwrite=args.overwrite)
    return pd.DataFrame(rows), facts


def _evaluate(args):
    model, items, made = _load_run(args)
    dataset, split, name = _load_data(items, made)
    rows, facts = _test_baselines(dataset, split, name, "as in training", args)
    rows.append(_test(model, split, args))
    return pd.DataFrame(rows), facts | _winner(rows)


def _recommend(args):
    if ("user" in args) == ("history" in args):
        raise ValueError("give either --user or --history")
    model, items, made = _load_run(args)
    if "user" in args:
        dataset, split, _ = _load_data(items, made)
        return recommend(model, dataset, split, args.user, args.k), {}
    history = [item_id for row in csv.reader([args.history], skipinitialspace=True) for item_id in row]
    repeats = made is not None and made["repeats"]
    return recommend_items(model, items, history, args.k, repeats=repeats), {}


def _load_run(args):
    config = runs.read_config(args.run)
    framework = vars(args).get("framework", config["framework"])
    _say(f"starting {framework}")
    return *import_module(f"llmrec_ref.{framework}.train").load(args.run), config["data"]


def _load_data(items, made):
    if made is None:  # saved by a program
        raise ValueError("this run does not say what data it was trained on: train it with this command line")
    dataset = _read(made["load"])
    name, _ = _choose_split(dataset, made.get("split"))  # older runs name none
    split = _split(dataset, name, made["validation"])
    if split.item_ids[1:].tolist() != items["item_id"].tolist():
        raise ValueError(f"the items of {dataset.name} are not those of this run: train it again")
    return dataset, split, name


def _read(options):
    _say(f"reading {options['name_or_path']}")
    dataset = datasets.load(**options)
    counts = (len(dataset.users), len(dataset.items), len(dataset.interactions))
    _say("read: {:,} users, {:,} items, {:,} interactions".format(*counts))
    for note in dataset.notes:
        _say(note)
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
    if name == "global-time":
        return splits.global_time(dataset, validation_from=0.8 if validation else 0.9, test_from=0.9)
    return splits.leave_one_out(dataset, validation, ties="source")


def _test_baselines(dataset, split, name, reason, args):
    """Say what the protocol is, and test what counts by it; return rows, and the protocol as facts."""
    _say(f"split: {name} ({reason}); {len(split.test):,} users tested, {split.test.n_left_out:,} left out")
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
    _say(f"ranked: {ranked}; targets dropped for it: {n_dropped:,}{left}")
    baselines = [Popularity(), Markov(), ItemKNN()]
    if split.n_items <= EASE_ITEMS:
        baselines.append(EASE())
    else:
        _say(f"EASE is left out: it inverts a matrix of all items, here done up to {EASE_ITEMS:,} of them")
    if dataset.repeats:
        baselines.append(PersonalFrequency())
    rows = []
    for baseline in baselines:
        _say(f"testing {type(baseline).__name__}")
        rows.append(_test(baseline.fit(split), split, args))
    return rows, facts


def _list_length(split):
    return min(10, split.n_items)


def _test(model, split, args):
    k, usual = _list_length(split), not split.test.repeats
    row = {"model": type(model).__name__}
    for filter_seen in [usual, not usual] if args.both else [usual]:
        label = "" if filter_seen == usual else SEEN[filter_seen]
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


if __name__ == "__main__":
    sys.exit(main())
