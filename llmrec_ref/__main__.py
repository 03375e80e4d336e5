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
from llmrec_ref.baselines import Markov, Popularity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.recommend import recommend, recommend_items

SIZES = ("dim", "n_layers", "n_heads", "max_len", "dropout", "seed")  # of a model
OPTIONS = ("lr", "batch_size", "loss", "n_negatives", "warmup", "seed", "device")  # of its training


def main(arguments=None):
    """Run one command and print a table, or with ``--json`` one JSON object as the last line.

    Args:
        arguments: List of words; default: those of the command line.

    Returns:
        int: 0, or 2 after an error, which is one line on stderr.
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
    option(
        "--loss",
        default="cross_entropy",
        choices=runs.LOSSES,
        help="what to minimise",
    )
    option("--negatives", type=_positive, default=None, dest="n_negatives", help="for a sampled loss")
    option("--warmup", type=int, default=0, help="steps over which the learning rate rises")
    option("--seed", type=int, default=0, help="of weights, dropout and batches")
    option("--device", default="cpu", help="where to train, as the framework names it")
    option("--min-user", type=_positive, default=1, help="keep users with at least so many interactions")
    option("--min-item", type=_positive, default=1, help="keep items with at least so many interactions")
    option("--min-rating", type=float, default=argparse.SUPPRESS, help="keep ratings from that on")

    option = add("evaluate", _evaluate, "Test a run again; needs the data it was trained on.")
    option("run", help="run folder")
    option("--framework", default=argparse.SUPPRESS, choices=frameworks, help="(default: the run's own)")

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


def _train(args):
    given = vars(args)
    stem = Path(args.data).name.split(".")[0]
    out = Path(given.get("out", f"runs/{stem}-{args.model}-{args.framework}-{args.seed}"))
    if out.exists() and any(out.iterdir()) and not args.overwrite:
        raise FileExistsError(f"{out} is not empty: give another --out, or add --overwrite")
    training = import_module(f"llmrec_ref.{args.framework}.train")
    models = {name.lower(): model for name, model in training.MODELS.items()}
    if args.model not in models:
        raise ValueError(f"unknown model {args.model!r}; choose one of {', '.join(models)}")

    data = {name: given[name] for name in ("min_user", "min_item", "min_rating") if name in given}
    data["name_or_path"] = args.data
    if args.data not in datasets.LOADERS:
        data["name_or_path"] = str(Path(args.data).expanduser().resolve())  # found again from another folder
    dataset = datasets.load(**data)
    split = _split(dataset, validation=not args.refit)
    rows = _test_baselines(split)  # before training: a test that cannot be made stops here

    def fit(split, **limits):
        sizes = {name: given[name] for name in SIZES if name in signature(models[args.model]).parameters}
        options = {name: given[name] for name in OPTIONS}
        model = models[args.model](split.n_items, **sizes)
        return model, training.fit(model, split, **options, **limits)

    start = time.perf_counter()
    model, history = fit(_split(dataset, validation=True), epochs=args.epochs, patience=args.patience)
    facts = {"epochs": history.best_epoch, "validation NDCG@10": round(history.epochs["val_ndcg"].max(), 4)}
    if args.refit:
        model, history = fit(split, epochs=history.best_epoch)
    facts |= {"seconds": round(time.perf_counter() - start, 1), "run": str(out)}
    rows.append(_test(model, split))
    made = {"load": data, "validation": not args.refit, "repeats": dataset.repeats}
    what = {"dataset": dataset, "history": history, "data": made, "metrics": {"test": rows}}
    training.save(model, split, out, **what, overwrite=args.overwrite)
    return pd.DataFrame(rows), facts


def _evaluate(args):
    model, items, made = _load_run(args)
    _, split = _load_data(items, made)
    return pd.DataFrame([*_test_baselines(split), _test(model, split)]), {}


def _recommend(args):
    if ("user" in args) == ("history" in args):
        raise ValueError("give either --user or --history")
    model, items, made = _load_run(args)
    if "user" in args:
        dataset, split = _load_data(items, made)
        return recommend(model, dataset, split, args.user, args.k), {}
    history = [item_id for row in csv.reader([args.history], skipinitialspace=True) for item_id in row]
    repeats = made is not None and made["repeats"]
    return recommend_items(model, items, history, args.k, repeats=repeats), {}


def _load_run(args):
    config = runs.read_config(args.run)
    framework = vars(args).get("framework", config["framework"])
    return *import_module(f"llmrec_ref.{framework}.train").load(args.run), config["data"]


def _load_data(items, made):
    if made is None:  # saved by a program
        raise ValueError("this run does not say what data it was trained on: train it with this command line")
    dataset = datasets.load(**made["load"])
    split = _split(dataset, made["validation"])
    if split.item_ids[1:].tolist() != items["item_id"].tolist():
        raise ValueError(f"the items of {dataset.name} are not those of this run: train it again")
    return dataset, split


def _split(dataset, validation):
    if dataset.repeats and dataset.time_unit == "seconds":  # baskets: no item is the last
        return splits.global_time(dataset, validation_from=0.8 if validation else 0.9, test_from=0.9)
    return splits.leave_one_out(dataset, validation, ties="source")


def _test_baselines(split):
    return [_test(baseline.fit(split), split) for baseline in (Popularity(), Markov())]


def _test(model, split):
    row = {"model": type(model).__name__}
    for label, filter_seen in (("filtered", True), ("unfiltered", False)):
        metrics = evaluate(model, split.test, ks=(10,), filter_seen=filter_seen)
        row |= {f"{name} {label}": metrics[name].item() for name in ("HR@10", "NDCG@10")}
    return row


if __name__ == "__main__":
    sys.exit(main())
