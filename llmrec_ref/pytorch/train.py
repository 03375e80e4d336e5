"""Training, and run folders, in PyTorch."""

import time
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from llmrec_ref import runs
from llmrec_ref.memory import keep_memory
from llmrec_ref.objectives import bind, note_counts
from llmrec_ref.pytorch import losses
from llmrec_ref.pytorch.bert4rec import BERT4Rec
from llmrec_ref.pytorch.gru4rec import GRU4Rec
from llmrec_ref.pytorch.sasrec import SASRec
from llmrec_ref.pytorch.weights import get_state, get_weights, set_state, set_weights
from llmrec_ref.training import Progress, Settings, check_catalogue

# what a run folder may hold
MODELS = {model.__name__: model for model in (GRU4Rec, SASRec, BERT4Rec)}
# of AdamW: PyTorch and Keras add it at different places, so it must not matter
EPSILON = 1e-12


@keep_memory()
def fit(
    model, split, *, objective=None, resume=None, run=None, device="cpu", progress=True,
    measure=None, **settings,
):  # fmt: skip
    """Train a model with AdamW and leave it with the weights of its best epoch.

    Args:
        model: Any ``torch.nn.Module`` that the objective knows, such as
            `sasrec.SASRec`; changed in place. Weights that need no gradient are not
            touched.
        split: `splits.Split`. With a validation part, the best epoch has the highest
            metric there; else it is the last one. None where the objective has its
            own data; such a training has no run folder.
        objective: From `objectives`, or of your own; default: the model's.
        resume: Run folder of the same model to go on from: the next loss is what it
            would have been.
        run: `runs.Run` to save in after each epoch that is the best so far, or each
            minute.
        device: As PyTorch names it.
        progress: Print the number of targets and a progress bar, and one within an
            epoch of more than five seconds.
        measure: Called with the model after each epoch; the dict of numbers that it
            returns joins the epoch's row of the history.
        **settings: Fields of `training.Settings`.

    Returns:
        `training.History`.

    Raises:
        ValueError: No such device; nothing to train on, or no objective; a setting out
            of its range; ``patience`` without validation; ``resume`` of another model;
            a loss or weight that is not finite; weights of half precision, or autocast
            to float16.
        FileNotFoundError: ``resume`` is no run folder with a training state.
        OSError: ``run`` cannot be saved.
    """
    settings = Settings(**settings)
    check_catalogue(model, split)
    objective = bind(objective or getattr(model, "objective", None), split, settings)
    note_counts(model, objective)
    batch_loss = losses.of_objective(objective, settings)
    _check_device(device)
    _check_precision(model, device)
    optimizer = _optimizer(model.to(device), settings)
    start = None if resume is None else _resume(resume, model, split, optimizer)
    done = Progress(objective, settings, get_weights(model), measure, start)
    run = run or runs.NoRun()
    run.begin(model, split, "pytorch")
    if progress and hasattr(objective, "n_targets"):
        print(f"{objective.n_targets:,} training targets an epoch")
    step = partial(_step, model, batch_loss, optimizer, settings)
    bar = tqdm(range(len(done.rows), settings.epochs), "epochs", disable=not progress)
    try:
        # seeding one device seeds all
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            for epoch in bar:
                if done.over:
                    break
                clock = time.perf_counter()
                rng = np.random.default_rng([settings.seed, epoch])
                batches = objective.batches(rng)
                torch.manual_seed(int(rng.integers(2**32)))  # dropout
                model.train()
                loss = _epoch(batches, step, epoch * len(batches), bar.disable)
                seconds = time.perf_counter() - clock
                done.end_epoch(model.eval(), get_weights(model), loss, seconds)
                bar.set_postfix(done.rows[-1] if done.rows else {})
                run.end_epoch(done, lambda: get_state(model, optimizer))
    finally:  # whatever ended training, the model has its best weights
        state = get_state(model, optimizer)
        set_weights(model.eval(), done.best_weights)
    run.end(done, state)
    return done.history(state)


def _optimizer(model, settings):
    """Make AdamW for the weights that need a gradient."""
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    options = dict(
        lr=settings.lr, weight_decay=settings.weight_decay, eps=EPSILON, fused=True
    )
    return torch.optim.AdamW(trained, **options)


def _resume(folder, model, split, optimizer):
    """Give model and optimiser a run folder's state; return `Progress`'s start."""
    arrays, start = runs.read_resume(folder, model, split, "pytorch")
    set_state(model, optimizer, arrays)
    return start


def _check_device(device):
    """Raise ValueError where PyTorch has no such device."""
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        message = str(error).splitlines()[0]
        raise ValueError(f"PyTorch has no device {device!r} here: {message}") from error


def _check_precision(model, device):
    """Raise ValueError where steps or gradients would be rounded to nothing."""
    half = torch.float16, torch.bfloat16
    if any(w.requires_grad and w.dtype in half for w in model.parameters()):
        raise ValueError(
            "half precision is too coarse to train weights in: keep them in float32, "
            "and train under torch.autocast with torch.bfloat16."
        )
    probe = torch.zeros(1, 1, device=device)
    if (probe @ probe).dtype == torch.float16:  # what autocast makes of products
        raise ValueError(
            "small gradients are 0 in float16: train under torch.autocast with "
            "torch.bfloat16."
        )


def _epoch(batches, step, n_before, quiet):
    """Take a step for each batch, and return the mean of their losses."""
    bar = tqdm(batches, desc="steps", delay=5, leave=False, disable=quiet)
    total = sum(step(batch, number) for number, batch in enumerate(bar, n_before + 1))
    return total / len(batches)


def _step(model, batch_loss, optimizer, settings, batch, number):
    """Take a step, numbered from 1 over all epochs, and return the batch's loss."""
    warm = min(1, number / max(1, settings.warmup))
    optimizer.param_groups[0]["lr"] = settings.lr * warm
    device = next(model.parameters()).device
    arrays = batch.items()
    batch = {name: torch.from_numpy(array).to(device) for name, array in arrays}
    torch.clear_autocast_cache()  # it holds the weights before the last step
    loss = batch_loss(model, batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def save(
    model, split, folder, *, dataset=None, history=None, data=None, metrics=None,
    overwrite=False,
):  # fmt: skip
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
        OSError: It cannot be written, or another training writes it.
        ValueError: The model was made for another split.
    """
    with runs.Run(
        folder, dataset=dataset, data=data, metrics=metrics, overwrite=overwrite
    ) as run:
        run.begin(model, split, "pytorch")
        run.write(get_weights(model), history)


def load(folder, device="cpu"):
    """Read a run folder written by either framework.

    Returns:
        (model, items): ``items`` is a DataFrame with index ``item`` (1..n_items) and
        columns ``item_id`` and ``title``.

    Raises:
        FileNotFoundError: Not a run folder.
        ValueError: It holds another model, is damaged, or was written by another
            version.
    """
    model, weights, items = runs.read_run(folder, MODELS)
    set_weights(model, weights)
    return model.to(device).eval(), items
