"""Tables of users, items and interactions: where they come from, and what they hold."""

import codecs
from dataclasses import replace
from pathlib import Path

import pandas as pd

from llmrec_ref.datasets.files import read_file, read_frame
from llmrec_ref.datasets.sources import DOWNLOADS, LOADERS, Download, cache_folder, download
from llmrec_ref.datasets.table import Dataset, keep
from llmrec_ref.datasets.times import UNITS

__all__ = ["DOWNLOADS", "LOADERS", "Dataset", "Download", "cache_folder", "download", "load"]


def load(
    name_or_path,
    columns=None,
    sep=None,
    encoding=None,
    dayfirst=None,
    time_unit=None,
    repeats=None,
    drop_missing=False,
    min_user=1,
    min_item=1,
    min_rating=None,
):
    """Load a data set by name, or from a reader's own file or DataFrame.

    Names: ``"ml-100k"``, ``"complete-journey"``, ``"beauty"``, ``"world"``; ``data/README.md``
    has a card for each. For MovieLens 100K every rating, high or low, is a row and counts as a positive
    interaction.

    A path ends in ``.csv``, ``.tsv``, ``.dat``, ``.data``, ``.inter`` (each may be followed by ``.gz``),
    ``.jsonl``, ``.parquet`` or ``.txt``. Tables need a user, an item and a timestamp column and may have a
    text; ``data/README.md`` lists the accepted names. A ``.txt`` file has one line a user: user id, then item
    ids, oldest first, all integers. What was guessed, changed or dropped stands in ``Dataset.notes``. All
    arguments from ``columns`` to ``drop_missing`` are for own files only.

    Args:
        name_or_path: A name, a path or a DataFrame.
        columns: Dict ``{"user": "CustomerID", ...}`` with keys user, item, timestamp, title, rating (None: no
            title, no rating); or the list of names for a file without header.
        sep: What stands between cells; default: found from the first line.
        encoding: Of the text; default: UTF-8.
        dayfirst: Whether 05/06/2024 is the 5th of June; default: found from all rows, or refused.
        time_unit: Of timestamps that are numbers: ``"s"``, ``"ms"``, ``"us"``, ``"ns"`` since 1970, or
            ``"steps"`` (an order and nothing more); default: found from all values, or refused.
        repeats: Whether a user meets the same item again and again; default: whether more than a tenth of
            the events repeat a user-item pair.
        drop_missing: Whether to drop rows without user, item or time; default: refuse them.
        min_user: Keep users with at least that many interactions.
        min_item: Keep items with at least that many interactions. Both are applied again and again until
            nothing changes (the k-core).
        min_rating: Keep interactions rated at least that, before the k-core is taken.

    Returns:
        A Dataset. If a filter is set, ``items`` and ``users`` keep only those that still have an
        interaction; otherwise they are whole.

    Raises:
        FileNotFoundError: Unknown name, no such file, or the package that carries the data is missing.
        ValueError: An argument or the file cannot be understood, the file has two readings, a wrong
            checksum, or the filters leave nothing.
    """
    own = dict(columns=columns, sep=sep, encoding=encoding, dayfirst=dayfirst, time_unit=time_unit)
    own |= dict(drop_missing=drop_missing)
    _check(**own, repeats=repeats, min_user=min_user, min_item=min_item, min_rating=min_rating)
    if isinstance(name_or_path, pd.DataFrame):
        if sep is not None or encoding is not None:
            raise ValueError("sep and encoding are for text tables, not for a DataFrame")
        del own["sep"], own["encoding"]
        dataset = read_frame(name_or_path, "the DataFrame", "data frame", **own)
    elif isinstance(name_or_path, str) and name_or_path in LOADERS:
        idle = dict.fromkeys(own) | {"drop_missing": False}
        given = [name for name in own if own[name] is not idle[name]] + ["repeats"] * (repeats is not None)
        if given:
            raise ValueError(f"{', '.join(given)}: only for your own files; {name_or_path} is read as it is")
        dataset = LOADERS[name_or_path]()
    else:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"{path.as_posix()!r} is neither a file nor one of the known names: {', '.join(LOADERS)}"
            )
        dataset = read_file(path, **own)
    if (min_user, min_item, min_rating) != (1, 1, None):
        kept = keep(dataset, min_user, min_item, min_rating)
        note = f"Filters kept {len(kept.interactions):,} of {len(dataset.interactions):,} events."
        dataset = replace(kept, notes=(*kept.notes, note))
    return dataset if dataset.name in LOADERS else _say_repeats(dataset, repeats)


def _say_repeats(dataset, said):
    """Set ``repeats`` of a reader's own data, as the reader or the events kept say."""
    share = dataset.interactions.duplicated(["user_id", "item_id"]).mean()
    repeats = bool(share > 0.1) if said is None else said
    note = (
        f"{share:.1%} of the events repeat a user-item pair: repeats is {repeats}"
        f"{'; repeats= says otherwise' if said is None else ' as you say'}. Items of the history "
        f"{'stay in' if repeats else 'are left out of'} rankings (filter_seen={not repeats})."
    )
    return replace(dataset, repeats=repeats, notes=(*dataset.notes, note))


def _check(
    columns, sep, encoding, dayfirst, time_unit, repeats, drop_missing, min_user, min_item, min_rating
):
    """Refuse values of `load`'s arguments that nobody could mean."""
    for name, value in dict(dayfirst=dayfirst, repeats=repeats, drop_missing=drop_missing).items():
        if value not in (None, True, False) or (name == "drop_missing" and value is None):
            raise ValueError(f"{name}={value!r}: say True or False")
    if time_unit not in (None, "steps", *UNITS):
        raise ValueError(f'time_unit={time_unit!r}: say "s", "ms", "us", "ns" or "steps"')
    if not (columns is None or isinstance(columns, dict) or (isinstance(columns, list) and columns)):
        raise ValueError(
            'columns= is a dict {"user": "CustomerID", ...}, or a list of names for a file without header'
        )
    if sep is not None and not (isinstance(sep, str) and sep):
        raise ValueError(f"sep={sep!r}: give the characters between two cells")
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError):
            raise ValueError(
                f'encoding={encoding!r} is unknown; common ones: "utf-8", "cp1252", "utf-16"'
            ) from None
    for name, value in dict(min_user=min_user, min_item=min_item).items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}={value!r}: a whole number from 1")
    if min_rating is not None and not isinstance(min_rating, (int, float)):
        raise ValueError(f"min_rating={min_rating!r}: a number")
