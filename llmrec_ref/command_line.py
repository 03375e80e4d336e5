"""The words of the command line: what can be asked, with which options."""

import argparse
from dataclasses import fields

from llmrec_ref import commands, datasets
from llmrec_ref.training import Settings


def parse(arguments=None):
    """Read the words of a command; print help or say what is wrong with them, and exit.

    Options that are not given are not in the result, so that a resumed run's own ones can hold.

    Args:
        arguments: List of words; default: those of the command line.

    Returns:
        argparse.Namespace: The options, and ``command``, a function of it.
    """
    top = argparse.ArgumentParser("python -m llmrec_ref", description="Train, evaluate and ask recommenders.")
    kinds = top.add_subparsers(required=True, metavar="train | evaluate | recommend")

    def add(name, function, text):
        parser = kinds.add_parser(name, help=text, description=text, argument_default=argparse.SUPPRESS)
        parser.set_defaults(command=function, json=False, debug=False)
        parser.add_argument("--json", action="store_true", help="print one JSON object last")
        parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        return parser.add_argument

    _train(add("train", commands.train, "Train on data; the epoch is chosen on validation."))
    _evaluate(add("evaluate", commands.evaluate_run, "Test a run again; needs the data it was trained on."))
    text = "Recommend items to a user of the data, or to any history."
    _recommend(add("recommend", commands.recommend_to, text))
    return top.parse_args(arguments)


def _train(option):
    data = f"{', '.join(datasets.LOADERS)}, or a CSV, Parquet or text file"
    option("--model", help=f"such as sasrec (default: {commands.DEFAULTS['model']})")
    _framework(option, commands.DEFAULTS["framework"])
    option("--data", help=data)
    option("--resume", metavar="RUN", help="go on with a run, with its data and settings unless given anew")
    option("--out", metavar="RUN", help="run folder (default: that of --resume, or a new one below runs/)")
    option("--overwrite", action="store_true", help="write into a run folder that is not empty")
    option("--refit", action="store_true", help="then train again, as many epochs, with validation included")
    for name, (default, text) in commands.SIZES.items():
        kind = _positive if isinstance(default, int) else float
        option(_flag(name), dest=name, metavar="N", type=kind, help=f"{text} (default: {default})")
    for field in fields(Settings):
        _setting(option, field)
    option("--device", help=f"as the framework names it (default: {commands.DEFAULTS['device']})")
    option("--min-user", type=_positive, metavar="N", help="keep users with at least so many interactions")
    option("--min-item", type=_positive, metavar="N", help="keep items with at least so many interactions")
    option("--min-rating", type=float, metavar="X", help="keep ratings from that on")
    option("--split", choices=commands.SPLITS, help="(default: what the data ask for)")
    _tests(option)
    text = "user=CustomerID,item=StockCode,timestamp=InvoiceDate; or, without header: user,item,timestamp"
    option("--columns", type=_columns, help=f"of the file: {text}")
    option(
        "--sep",
        type=lambda text: text.replace("\\t", "\t"),
        help="what separates the columns; \\t is a tab",
    )
    option("--encoding", help="of the file, such as latin-1")
    option("--time-unit", help="of timestamps that are numbers")
    for name, text in (("dayfirst", "31/05 is in May"), ("repeats", "people meet an item again and again")):
        option(f"--{name}", action=argparse.BooleanOptionalAction, help=f"{text} (default: as found)")
    option("--drop-missing", action="store_true", help="leave out broken rows")


def _evaluate(option):
    option("run", help="run folder")
    _framework(option, "the run's own")
    option("--data", help="where the run's data lie now, if elsewhere")
    _tests(option)


def _recommend(option):
    option("run", help="run folder")
    _framework(option, "the run's own")
    option("--data", help="where the run's data lie now, if elsewhere")
    option("--user", help="id of a user of the data the run was trained on")
    option("--history", help='item ids or titles, oldest first: "id, id"; needs no data')
    option("-k", type=_positive, default=10, help="length of the list (default: 10)")


def _framework(option, default):
    option("--framework", choices=["pytorch", "tensorflow"], help=f"(default: {default})")


def _tests(option):
    option("--ci", action="store_true", default=False, help="add 95 %% intervals, a bootstrap over the users")
    option("--both", action="store_true", default=False, help="also with the opposite filter of seen items")


def _flag(name):
    """``--max-len`` for ``max_len``, ``--layers`` for ``n_layers``."""
    return f"--{name.removeprefix('n_').replace('_', '-')}"


def _setting(option, field):
    """Add the option of a field of `Settings`, which knows its meaning and range."""
    choices, kind = field.metadata["choices"], type(field.metadata["least"])

    def value(text):
        try:
            found = text if choices else kind(text)
        except ValueError:
            found = text
        try:
            Settings(**{field.name: found})
        except ValueError as error:
            raise argparse.ArgumentTypeError(error) from error
        return found

    default = "" if field.default is None else f" (default: {field.default})"
    metavar = None if choices else "N" if kind is int else "X"
    text = f"{field.metadata['text']}{default}"
    option(_flag(field.name), dest=field.name, type=value, choices=choices, metavar=metavar, help=text)


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
