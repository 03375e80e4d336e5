"""Run folders, which either framework can load."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from llmrec_ref.losses import LOSSES, SAMPLED  # noqa: F401
from llmrec_ref.memory import keep_memory  # noqa: F401
from llmrec_ref.training import History  # noqa: F401

FORMAT = 1  # of run folders; raise it when an old one can no longer be read


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


def read_progress(folder):
    """Return ``(rows, best_epoch, best_weights)`` of a run, from which `training.Progress` goes on."""
    metrics = json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))
    return metrics["epochs"], metrics["best_epoch"], load_file(Path(folder) / "model.safetensors")


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
