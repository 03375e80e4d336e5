"""Training, and run folders, in PyTorch."""

import time

import numpy as np
import torch
from tqdm import tqdm

from llmrec_ref import runs
from llmrec_ref.pytorch import losses
from llmrec_ref.pytorch.bert4rec import BERT4Rec
from llmrec_ref.pytorch.gru4rec import GRU4Rec
from llmrec_ref.pytorch.sasrec import SASRec

MODELS = {model.__name__: model for model in (GRU4Rec, SASRec, BERT4Rec)}  # what a run folder may hold
EPSILON = 1e-12  # of AdamW: PyTorch and Keras add it at different places, so it must not matter


@runs.keep_memory()
def fit(
    model,
    split,
    *,
    epochs=30,
    lr=1e-3,
    batch_size=64,
    loss="cross_entropy",
    n_negatives=None,
    seed=0,
    weight_decay=0.01,
    warmup=0,
    windows="newest",
    patience=None,
    resume=None,
    device="cpu",
    progress=True,
    measure=None,
):
    """Train a model with AdamW and leave it with the weights of its best epoch.

    Args:
        model: From this folder, such as `sasrec.SASRec`; changed in place and moved to ``device``.
        split: `splits.Split`. With a validation part, the best epoch has the highest NDCG@10 there; else it
            is the last one.
        epochs: Passes over the training windows, those of a resumed run included.
        lr: Learning rate.
        batch_size: Windows a step.
        loss: One of ``runs.LOSSES``, or a function of hidden states, item table and targets.
        n_negatives: Of each target, for the losses in ``runs.SAMPLED``, which has their defaults: drawn in
            proportion to how often an item is in training for ``"sampled_softmax"``, uniformly for the
            others.
        seed: Of batch order and dropout (the model's own ``seed`` sets its initial weights).
        weight_decay: Of AdamW, on every weight.
        warmup: Steps over which the learning rate rises to ``lr``.
        windows: As in `sequences.training_windows`.
        patience: Stop after so many epochs without a better NDCG@10.
        resume: Run folder of the same model to go on from: the next loss is what it would have been.
        device: As PyTorch names it.
        progress: Print the number of targets and a progress bar, and one within an epoch of more than five
            seconds.
        measure: Called with the model after each epoch; the dict of numbers that it returns joins the epoch's
            row of the history.

    Returns:
        `runs.History`.

    Raises:
        ValueError: Nothing to train on; no such loss; a number out of its range; ``patience`` without
            validation; ``resume`` of another model.
        FileNotFoundError: ``resume`` is no run folder with a training state.
    """
    name = getattr(loss, "__name__", loss)
    n_negatives = runs.SAMPLED.get(name) if n_negatives is None else n_negatives
    settings = dict(epochs=epochs, lr=lr, batch_size=batch_size, loss=name, seed=seed)
    settings |= dict(
        n_negatives=n_negatives, weight_decay=weight_decay, warmup=warmup, windows=windows, patience=patience
    )
    runs.check_settings(settings)
    loss_function = runs.choose_loss(losses, loss)
    draw = runs.negative_sampler(loss, n_negatives, split)
    rows = model.windows(split.train.queries.histories, windows)
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=lr, weight_decay=weight_decay, eps=EPSILON, fused=True
    )
    if resume is not None:
        set_state(model, optimizer, runs.read_resume(resume, model, "pytorch"))
    recorder = runs.Recorder(split, patience, resume, measure)
    n_targets = runs.count_targets(model, rows, batch_size, seed, progress)

    bar = tqdm(range(len(recorder.rows), epochs), desc="epochs", disable=not progress)
    for epoch in bar:
        start, total = time.perf_counter(), 0.0
        rng = np.random.default_rng([seed, epoch])
        batches = model.batches(rows, batch_size, rng)
        torch.manual_seed(int(rng.integers(2**32)))  # dropout
        negatives_rng = np.random.default_rng([seed, epoch, 1])  # its own: the same in both frameworks
        model.train()
        steps = tqdm(batches, desc="steps", delay=5, leave=False, disable=not progress)
        for step, (item_ids, targets) in enumerate(steps, start=epoch * len(batches) + 1):
            optimizer.param_groups[0]["lr"] = lr * min(1, step / max(1, warmup))
            arrays = item_ids, targets, *draw(targets, negatives_rng)
            item_ids, targets, *drawn = (torch.from_numpy(array).to(device) for array in arrays)
            valid = targets > 0
            hidden = model.encode(item_ids)[valid]  # (N, D)
            drawn = (part[valid] for part in drawn)  # (N, k)
            batch_loss = loss_function(hidden, model.table, targets[valid], *drawn)
            optimizer.zero_grad()
            batch_loss.backward()
            optimizer.step()
            total += batch_loss.item()
        seconds = time.perf_counter() - start
        model.eval()
        stop = recorder.end_epoch(model, get_weights(model), total / len(batches), seconds)
        bar.set_postfix(recorder.rows[-1])
        if stop:
            break

    history = recorder.history(n_targets, settings, get_state(model, optimizer))
    set_weights(model, recorder.best_weights)
    return history


def get_weights(model):
    """Return a copy of a model's weights, dict of float32 arrays by name."""
    return {name: weight.detach().cpu().numpy().copy() for name, weight in model.state_dict().items()}


def set_weights(model, weights):
    """Give a model the weights of `get_weights`, of either framework; ValueError if they do not fit."""
    runs.check_weights(weights, model.state_dict())
    model.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})


def get_state(model, optimizer):
    """Return weights and AdamW's moments as one dict of arrays, all that the next epoch depends on."""
    moments = {
        f"optimizer.{number}.{name}": value.cpu().numpy().copy()
        for number, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    return {f"model.{name}": weight for name, weight in get_weights(model).items()} | moments


def set_state(model, optimizer, arrays):
    """Undo `get_state`."""
    set_weights(model, {name[6:]: array for name, array in arrays.items() if name.startswith("model.")})
    state = optimizer.state_dict()
    for key, array in arrays.items():
        if key.startswith("optimizer."):
            _, number, name = key.split(".")
            state["state"].setdefault(int(number), {})[name] = torch.from_numpy(array)
    optimizer.load_state_dict(state)


def save(model, split, folder, *, dataset=None, history=None, data=None, metrics=None, overwrite=False):
    """Write a run folder: all that is needed to score elsewhere, in either framework.

    Args:
        model: A trained model of this folder.
        split: The split it was trained on (for the item numbers).
        folder: Made if missing.
        dataset: `datasets.Dataset`, for the titles.
        history: What `fit` returned; its state goes to ``resume.safetensors``.
        data: dict for ``config.json``: how the data and the split were made.
        metrics: dict for ``metrics.json``: what the model reached.
        overwrite: Write into a folder that is not empty.

    Raises:
        FileExistsError: ``folder`` is not empty.
    """
    runs.write_run(
        folder, model, get_weights(model), "pytorch", split, dataset, history, data, metrics, overwrite
    )


def load(folder, device="cpu"):
    """Read a run folder written by either framework.

    Returns:
        (model, items): ``items`` is a DataFrame with index ``item`` (1..n_items) and columns ``item_id`` and
        ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: It holds another model, or was written by another version.
    """
    model, weights, items = runs.read_run(folder, MODELS)
    set_weights(model, weights)
    return model.to(device).eval(), items
