"""Run folders, which either framework can load: what is in them, and whose they are."""

import json
import time
from hashlib import sha256

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load, save

from llmrec_ref import folders
from llmrec_ref.losses import LOSSES, SAMPLED  # noqa: F401
from llmrec_ref.memory import keep_memory  # noqa: F401
from llmrec_ref.splits import flatten
from llmrec_ref.training import History, check_catalogue  # noqa: F401

FORMAT = 2  # of run folders: 1 had the files in the folder itself, and no fingerprint
SAVE_AFTER = 60  # seconds, where no epoch improves


class Run:
    """A run folder, written while ``train.fit`` trains, whole or not at all.

    Use it in a ``with`` statement, and hand it to ``fit``. The folder is taken at once, so that one
    that cannot be written, or that another training writes, is found out before training.

    Args:
        folder: Made if missing.
        dataset: `datasets.Dataset`, for the titles.
        data: dict for ``config.json``: how the data and the split were made.
        metrics: dict for ``metrics.json``.
        overwrite: Take a folder that is not empty; an older run in it stays until the first save.

    Raises:
        FileExistsError: ``folder`` is not empty.
        BlockingIOError: Another training writes it.
        OSError: It cannot be written.
    """

    def __init__(self, folder, *, dataset=None, data=None, metrics=None, overwrite=False):
        self.folder = folders.Folder(folder, overwrite)
        self.dataset, self.data, self.metrics = dataset, data, dict(metrics or {})
        self.saved, self.ever_saved = None, False  # epochs in the last save; whether there is one

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.folder.close()

    def begin(self, model, split, framework):
        """Say what is trained, on what; ValueError if the catalogues differ, or without a split."""
        if split is None:
            raise ValueError("a run folder holds a split's items: pass the split, or train without run=.")
        check_catalogue(model, split)
        self.config = dict(
            format=FORMAT,
            model=type(model).__name__,
            framework=framework,
            config=model.config,
            data=self.data,
            fingerprint=fingerprint(split),
        )
        titles = {}
        if self.dataset is not None and "title" in self.dataset.items:
            titles = self.dataset.items.set_index("item_id")["title"].to_dict()
        self.items = [dict(item_id=item_id, title=titles.get(item_id)) for item_id in split.item_ids[1:]]
        self.saved, self.saved_at = None, time.monotonic()

    def end_epoch(self, progress, state):
        """Save if the epoch was the best one so far, or a minute after the last save.

        Args:
            progress: `training.Progress`; nothing is saved of a diverged training.
            state: Function that returns the arrays from which training can go on.
        """
        late = time.monotonic() - self.saved_at >= SAVE_AFTER
        if not progress.problem and (late or progress.best_epoch == len(progress.rows)):
            self.write(progress.best_weights, progress.history(state()))

    def end(self, progress, state):
        """Save unless the last epoch has been saved; ``state`` holds the arrays."""
        if not progress.problem and self.saved != len(progress.rows):
            self.write(progress.best_weights, progress.history(state))

    def write(self, weights, history=None):
        """Save weights, and the `History` behind them; OSError if that fails."""
        report = dict(self.metrics)
        if history:
            epochs = history.epochs.astype(object).where(history.epochs.notna(), None).to_dict("records")
            report |= dict(best_epoch=history.best_epoch, n_targets=history.n_targets, epochs=epochs)
        training = history.settings if history else None
        texts = {"config.json": self.config | {"training": training}, "items.json": self.items}
        files = {name: _dump(content) for name, content in texts.items()}
        files |= {"metrics.json": _dump(report), "model.safetensors": save(weights)}
        if history:
            files["resume.safetensors"] = save(history.state)
        self.folder.write(files)
        self.saved, self.ever_saved = len(history.epochs) if history else 0, True
        self.saved_at = time.monotonic()

    def add_metrics(self, **metrics):
        """Save again, with more in ``metrics.json``."""
        files = folders.read(self.folder.path, *folders.FILES)
        files["metrics.json"] = _dump(metrics | json.loads(files["metrics.json"]))
        self.folder.write({name: content for name, content in files.items() if content is not None})


class NoRun:
    """Stands for a `Run` where nothing is to be saved."""

    begin = end_epoch = end = staticmethod(lambda *anything: None)


def fingerprint(split):
    """Return the sha256 of a split: its items by number, histories and targets."""
    digest = sha256(json.dumps([str(item_id) for item_id in split.item_ids[1:]]).encode())
    for part in (split.train, split.validation, split.test):
        times = [] if part.queries.times is None else part.queries.times
        events = *flatten(part.queries.histories), *flatten(part.targets), part.queries.users, times
        for array in (*events, [part.repeats]):
            digest.update(len(array).to_bytes(8, "little"))
            digest.update(np.asarray(array, dtype="<i8").tobytes())
    return digest.hexdigest()


def _dump(content):
    # NumPy scalars have an item
    return (json.dumps(content, indent=1, default=lambda value: value.item()) + "\n").encode()


def _read(folder, *names):
    """Return the contents of files of a run folder, parsed."""
    contents = []
    for name, content in folders.read(folder, *names).items():
        try:
            contents.append(json.loads(content) if name.endswith("json") else load(content))
        except (TypeError, ValueError, SafetensorError) as error:  # the first if it is None
            state = "is missing" if content is None else "cannot be read"
            raise ValueError(
                f"{folder} is damaged, its {name} {state}: copy the folder again, or train again."
            ) from error
        if name == "config.json":
            _check_config(folder, contents[-1])
    return contents


def _check_config(folder, config):
    known = config.get("format") if isinstance(config, dict) else None
    if known not in range(1, FORMAT + 1):
        raise ValueError(
            f"{folder} has run format {known}, but this version of llmrec_ref reads up to {FORMAT}: "
            "train it again."
        )
    missing = {"model", "framework", "config", "training", "data"} - config.keys()
    if missing:
        raise ValueError(f"{folder} is damaged, its config.json has no {min(missing)}: train it again.")


def read_config(folder):
    """Read ``config.json`` of a run folder.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: Damaged, or written by another version.
    """
    return _read(folder, "config.json")[0]


def read_metrics(folder):
    """Read ``metrics.json`` of a run folder; errors as in `read_config`."""
    return _read(folder, "metrics.json")[0]


def read_run(folder, models):
    """Read a run folder.

    Args:
        folder: Written by ``train.fit`` or ``train.save`` of either framework.
        models: dict, class name -> class, of the models that the caller can build.

    Returns:
        (model with fresh weights, dict of the saved weights, items): ``items`` is a DataFrame with index
        ``item`` (1..n_items) and columns ``item_id`` and ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: Damaged, another model or another version.
    """
    config, items, weights = _read(folder, "config.json", "items.json", "model.safetensors")
    if config["model"] not in models:
        raise ValueError(f"{folder} holds a {config['model']}; only {', '.join(models)} can be loaded here.")
    try:
        model = models[config["model"]](**config["config"])
        items = pd.DataFrame(items)[["item_id", "title"]]
        n_items = model.config["n_items"] if hasattr(model, "objective") else len(items)
        items.index = pd.RangeIndex(1, n_items + 1, name="item")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder} is damaged, its config.json or items.json was changed: {error}."
        ) from error
    return model, weights, items


def read_resume(folder, model, split, framework):
    """Return the arrays to go on from, and the start of `training.Progress`.

    Raises:
        FileNotFoundError: Not a run folder, or one without a training state.
        ValueError: Damaged, or of another model, framework, version or split.
    """
    if folders.read(folder, "resume.safetensors")["resume.safetensors"] is None:
        raise FileNotFoundError(f"{folder} has no resume.safetensors: save the run with history=history.")
    names = ("config.json", "items.json", "metrics.json", "model.safetensors", "resume.safetensors")
    config, items, metrics, weights, arrays = _read(folder, *names)
    found = (config["framework"], config["model"], config["config"])
    if found != (framework, type(model).__name__, model.config):
        raise ValueError(
            f"{folder} holds the training state of {found}, not of this model: "
            "build the model with the same settings and framework, or start afresh with resume=None."
        )
    if config["format"] == 1 and framework == "tensorflow" and config["training"]["warmup"]:
        raise ValueError(f"{folder} has a training state of an older version: train it again.")
    _check_split(folder, config, items, split)
    return arrays, (metrics["epochs"], metrics["best_epoch"], weights)


def check_split(folder, split):
    """Raise ValueError unless a run was trained on these items, numbers and events."""
    _check_split(folder, *_read(folder, "config.json", "items.json"), split)


def _check_split(folder, config, items, split):
    if [item["item_id"] for item in items] != split.item_ids[1:].tolist():
        raise ValueError(f"{folder} was trained on other items, or on other item numbers: train it again.")
    if config.get("fingerprint", fingerprint(split)) != fingerprint(split):
        raise ValueError(f"{folder} was trained on other events, or on another split: train it again.")


def check_weights(found, expected):
    """Raise ValueError unless two dicts of arrays have the same names and shapes."""
    wrong = [
        name
        for name in sorted(found.keys() | expected.keys())
        if np.shape(found.get(name)) != np.shape(expected.get(name)) or (name in found) != (name in expected)
    ]
    if wrong:
        raise ValueError(
            f"these weights belong to another model (first difference: {wrong[0]}): "
            "build the model with the settings it was trained with, as in its config.json."
        )
