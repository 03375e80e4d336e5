"""What training leaves behind: its history, and run folders that either framework can load."""

import ctypes
import json
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from llmrec_ref.evaluate import evaluate
from llmrec_ref.sequences import sample_negatives
from llmrec_ref.splits import flatten

LOSSES = ("cross_entropy", "chunked_cross_entropy", "sampled_softmax", "bce", "gbce")
SAMPLED = dict(sampled_softmax=16, bce=1, gbce=16)  # these take negatives, and by default so many a target
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of glibc's malloc.h
FORMAT = 1  # of run folders; raise it when an old one can no longer be read


@dataclass
class History:
    """What happened in training.

    Attributes:
        epochs: DataFrame, one row an epoch: ``epoch`` (from 1), ``loss`` (nats a target: mean of the batches'
            losses), ``val_ndcg`` (NDCG@10 on validation, NaN without one; of fewer than ten items, NDCG of
            them all), ``seconds`` (of training alone; TensorFlow's first epoch includes making its graph)
            and what ``measure`` returned.
        best_epoch: The epoch whose weights the model now has: the one with the best ``val_ndcg``, or the
            last one without validation.
        n_targets: Training targets an epoch.
        settings: Arguments of ``fit``.
        state: Arrays from which training can go on: weights and optimiser after the last epoch.
    """

    epochs: pd.DataFrame
    best_epoch: int
    n_targets: int
    settings: dict
    state: dict = field(repr=False)


class Recorder:
    """Collects epochs, keeps the best weights, and says when to stop.

    Args:
        split: Its validation part is scored after each epoch.
        patience: Stop after so many epochs without a better NDCG@10; None = never.
        resume: Run folder to go on from, or None.
        measure: Function of the model that returns further numbers for the epoch's row, or None.
    """

    def __init__(self, split, patience, resume=None, measure=None):
        if patience is not None and not len(split.validation):
            raise ValueError(
                "patience needs a validation part: make the split with validation=True, of users with three "
                "interactions or more."
            )
        self.split, self.patience, self.measure, self.rows = split, patience, measure, []
        self.best_epoch, self.best_weights = 0, None
        if resume is not None:
            metrics = json.loads((Path(resume) / "metrics.json").read_text())
            self.rows, self.best_epoch = metrics["epochs"], metrics["best_epoch"]
            self.best_weights = load_file(Path(resume) / "model.safetensors")

    def end_epoch(self, model, weights, loss, seconds):
        """Record an epoch; return True where training should stop.

        Args:
            model: Anything with ``score``.
            weights: dict of its weights as arrays, copied.
            loss: The epoch's training loss.
            seconds: Its training time.
        """
        validation, val_ndcg = self.split.validation, None
        if len(validation):
            k = min(10, self.split.n_items)
            val_ndcg = float(evaluate(model, validation, ks=(k,))[f"NDCG@{k}"].iloc[0])
        best = self.rows[self.best_epoch - 1]["val_ndcg"] if self.best_epoch else None
        row = dict(epoch=len(self.rows) + 1, loss=loss, val_ndcg=val_ndcg, seconds=seconds)
        self.rows.append(row | (self.measure(model) if self.measure else {}))
        if val_ndcg is None or best is None or val_ndcg > best:
            self.best_epoch, self.best_weights = len(self.rows), weights
        return self.patience is not None and len(self.rows) - self.best_epoch >= self.patience

    def history(self, n_targets, settings, state):
        """Return the `History`."""
        epochs = pd.DataFrame(self.rows).astype({"val_ndcg": float})
        return History(epochs, self.best_epoch, n_targets, settings, state)


@contextmanager
def keep_memory():
    """While it lasts, freed memory stays in the process, for the next training step (Linux with glibc).

    Else the logits of each step go back to the system, and the next step gets them anew, page by page, each
    page cleared, which can cost a third of its time (``tests/benchmarks/step.py``).
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    libc.mallopt(M_MMAP_MAX, 0)
    libc.mallopt(M_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:  # the default, and the largest values that glibc reaches by itself
        libc.mallopt(M_MMAP_MAX, 2**16)
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)
        libc.mallopt(M_TRIM_THRESHOLD, 2**26)
        libc.malloc_trim(0)


def choose_loss(losses, loss):
    """Return the training loss of that name in a framework's ``losses``; ValueError if there is none."""
    if not callable(loss) and loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}: choose one of {', '.join(LOSSES)}.")
    return loss if callable(loss) else losses.TRAINING[loss]


def check_settings(settings):
    """Refuse settings of ``train.fit`` with which nothing can be learned.

    Args:
        settings: dict of its arguments.

    Raises:
        ValueError: A number out of its range.
    """
    for name, least in dict(epochs=1, lr=0, warmup=0, n_negatives=1).items():
        if settings[name] is not None and settings[name] < least:
            raise ValueError(f"{name}={settings[name]}: it must be at least {least}.")


def negative_sampler(loss, n_negatives, split):
    """Return a function of targets (B, L) and a generator: what a loss takes beside them.

    That is nothing; or negatives int64 (B, L, k), drawn uniformly; or for ``"sampled_softmax"`` negatives
    drawn in proportion to how often an item is in training, and their log counts float32 (B, L, k).
    """
    if loss not in SAMPLED:
        return lambda targets, rng: ()
    if loss == "sampled_softmax":
        seen = np.bincount(flatten(split.train.queries.histories)[0], minlength=split.n_items + 1)
        return lambda targets, rng: sample_negatives((*targets.shape, n_negatives), seen, rng)
    return lambda targets, rng: (rng.integers(1, split.n_items + 1, size=(*targets.shape, n_negatives)),)


def count_targets(model, windows, batch_size, seed, progress):
    """Count the targets of the first epoch, and print them if ``progress``."""
    batches = model.batches(windows, batch_size, np.random.default_rng([seed, 0]))
    n_targets = int(sum(np.count_nonzero(targets) for _, targets in batches))
    if progress:
        print(f"{n_targets:,} training targets an epoch")
    return n_targets


def write_run(folder, model, weights, framework, split, dataset, history, data, metrics, overwrite):
    """Write a run folder; ``train.save`` documents the arguments."""
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()) and not overwrite:
        raise FileExistsError(f"{folder} is not empty: choose another folder, or pass overwrite=True.")
    config = dict(
        format=FORMAT,
        model=type(model).__name__,
        framework=framework,
        config=model.config,
        training=history.settings if history else None,
        data=data,
    )
    report = dict(metrics or {})
    if history:
        epochs = history.epochs.astype(object).where(history.epochs.notna(), None).to_dict("records")
        report |= dict(best_epoch=history.best_epoch, n_targets=history.n_targets, epochs=epochs)
    titles = {}
    if dataset is not None and "title" in dataset.items:
        titles = dict(zip(dataset.items["item_id"], dataset.items["title"], strict=True))
    items = [dict(item_id=item_id, title=titles.get(item_id)) for item_id in split.item_ids[1:]]
    files = {"config.json": config, "metrics.json": report, "items.json": items}
    texts = {name: json.dumps(content, indent=1, default=_plain) for name, content in files.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text + "\n", encoding="utf-8")
    save_file(weights, folder / "model.safetensors")
    if history:
        save_file(history.state, folder / "resume.safetensors")


def _plain(value):
    """Let json write NumPy scalars."""
    return value.item()


def read_config(folder):
    """Read ``config.json`` of a run folder.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: Written by another version.
    """
    path = Path(folder) / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is not a run folder (no config.json): train.save writes one.")
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("format") != FORMAT:
        raise ValueError(
            f"{folder} has run format {config.get('format')}, but this version of llmrec_ref reads {FORMAT}: "
            "train it again."
        )
    return config


def read_run(folder, models):
    """Read a run folder.

    Args:
        folder: Written by ``train.save`` of either framework.
        models: dict, class name -> class, of the models that the caller can build.

    Returns:
        (model with fresh weights, dict of the saved weights, items): ``items`` is a DataFrame with index
        ``item`` (1..n_items) and columns ``item_id`` and ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: Another model or another version.
    """
    config = read_config(folder)
    if config["model"] not in models:
        raise ValueError(f"{folder} holds a {config['model']}; only {', '.join(models)} can be loaded here.")
    items = pd.DataFrame(json.loads((Path(folder) / "items.json").read_text(encoding="utf-8")))
    items.index = pd.RangeIndex(1, len(items) + 1, name="item")
    return models[config["model"]](**config["config"]), load_file(Path(folder) / "model.safetensors"), items


def read_resume(folder, model, framework):
    """Return the arrays of ``resume.safetensors``; ValueError if of another model or framework."""
    config = read_config(folder)
    found = (config["framework"], config["model"], config["config"])
    if found != (framework, type(model).__name__, model.config):
        raise ValueError(
            f"{folder} holds the training state of {found}, not of this model: "
            "build the model with the same settings and framework, or start afresh with resume=None."
        )
    path = Path(folder) / "resume.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} has no resume.safetensors: save the run with history=history.")
    return load_file(path)


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
