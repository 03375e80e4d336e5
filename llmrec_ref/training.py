"""How models are trained: the settings, what happened, and when to stop."""

import numbers
from dataclasses import dataclass, field, fields
from functools import partial

import numpy as np
import pandas as pd

from llmrec_ref.losses import LOSSES, SAMPLED


def _setting(default, text, least=None, choices=None):
    """A field of `Settings`: its default, what it is, and its range."""
    return field(default=default, metadata=dict(text=text, least=least, choices=choices))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What ``train.fit`` takes by name in both frameworks, and the command line.

    Raises:
        ValueError: A value outside its range.
    """

    epochs: int = _setting(30, "passes over the training data, those of a resumed run too", least=1)
    lr: float = _setting(1e-3, "learning rate of AdamW", least=0.0)
    batch_size: int = _setting(64, "windows a step", least=1)
    loss: object = _setting(
        "cross_entropy",
        "what to minimise: a name, or a function of hidden states, item table and targets",
        choices=LOSSES,
    )
    n_negatives: int = _setting(None, "of each target, for the losses that sample", least=1)
    seed: int = _setting(0, "of batches, negatives and dropout", least=0)
    weight_decay: float = _setting(0.01, "of AdamW, on every weight that is trained", least=0.0)
    warmup: int = _setting(0, "steps over which the learning rate rises", least=0)
    windows: str = _setting(
        "newest",
        "what of a long history is trained on: its newest items, or all",
        choices=("newest", "all"),
    )
    patience: int = _setting(None, "stop after so many epochs without a better one", least=1)

    def __post_init__(self):
        for f in fields(self):
            _check(f, getattr(self, f.name))
        if self.n_negatives is None:
            object.__setattr__(self, "n_negatives", SAMPLED.get(self.loss_name))

    @property
    def loss_name(self):
        """The loss as a word; of a function or a `functools.partial`, its name."""
        loss = self.loss
        while isinstance(loss, partial):
            loss = loss.func
        return loss if isinstance(loss, str) else getattr(loss, "__name__", type(loss).__name__)

    def as_dict(self):
        """Return the settings as a run folder holds them."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"loss": self.loss_name}


Settings.__doc__ = Settings.__doc__.replace(
    "    Raises:",
    "    Attributes:\n"
    + "".join(f"        {f.name}: {f.metadata['text']}.\n" for f in fields(Settings))
    + "\n    Raises:",
)


def _check(f, value):
    """Raise ValueError unless a value lies in the range of a field of `Settings`."""
    least, choices = f.metadata["least"], f.metadata["choices"]
    if value is None and f.default is None:
        return
    if choices and not (value in choices or (callable(value) and f.type is object)):
        raise ValueError(f"unknown {f.name} {value!r}: choose one of {', '.join(choices)}.")
    kind = numbers.Integral if isinstance(least, int) else numbers.Real
    if least is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        what = "a whole number" if isinstance(least, int) else "a number"
        raise ValueError(f"{f.name}={value!r}: it must be {what}.")
    if least is not None and not least <= value < np.inf:
        finite = "" if isinstance(least, int) else " and finite"
        raise ValueError(f"{f.name}={value}: it must be at least {least:g}{finite}.")


def check_catalogue(model, split):
    """Raise ValueError where an item model was made for another split."""
    if split is not None and hasattr(model, "objective") and model.config["n_items"] != split.n_items:
        raise ValueError(
            f"the model has {model.config['n_items']:,} items, but the split {split.n_items:,}: build "
            "the model with split.n_items."
        )


@dataclass
class History:
    """What happened in training.

    Attributes:
        epochs: DataFrame, one row an epoch: ``epoch`` (from 1), ``loss`` (mean of the batches'
            losses; of item models in nats a target), the objective's metric on validation, higher
            is better (of item models ``val_ndcg``: NDCG@10, or of all items where they are fewer;
            NaN without validation), ``seconds`` (of training alone; TensorFlow's first epoch
            includes making its graph) and what ``measure`` returned.
        best_epoch: The epoch whose weights the model now has: the one with the best metric, or the
            last one without validation.
        n_targets: Training targets an epoch; None if the objective does not say.
        settings: dict, `Settings.as_dict`.
        state: Arrays from which training can go on: weights and optimiser after the last epoch.
    """

    epochs: pd.DataFrame
    best_epoch: int
    n_targets: int | None
    settings: dict
    state: dict = field(repr=False)


class Progress:
    """Collects epochs, keeps the best weights, and says when to stop.

    Args:
        objective: Its ``validate`` scores the model after each epoch.
        settings: `Settings`.
        weights: dict of the model's weights before training, copied.
        measure: Function of the model that returns further numbers for the epoch's row, or None.
        start: ``(rows, best_epoch, best_weights)`` of a run to go on from, or None.
    """

    def __init__(self, objective, settings, weights, measure=None, start=None):
        self.objective, self.settings, self.measure = objective, settings, measure
        self.rows, self.best_epoch, self.best_weights = start or ([], 0, weights)
        # a mask among the weights may be infinite: no divergence
        self.infinite = _not_finite(weights)
        self.problem = None

    def end_epoch(self, model, weights, loss, seconds):
        """Record an epoch; return True where training should stop.

        Args:
            model: As ``objective.validate`` wants it.
            weights: dict of its weights, copied.
            loss: The epoch's training loss.
            seconds: Its training time.
        """
        epoch, metric = len(self.rows) + 1, self.objective.metric
        broken = [f"weight {name}" for name in _not_finite(weights) if name not in self.infinite]
        broken += [] if np.isfinite(loss) else ["loss"]
        value = None if broken else self.objective.validate(model)
        broken += [] if value is None or np.isfinite(value) else [metric]
        if broken:
            kept = f"of epoch {self.best_epoch}" if self.best_epoch else "it had before"
            self.problem = (
                f"training diverged: in epoch {epoch} the {broken[0]} is not finite. The model has the "
                f"weights {kept}; train with a smaller lr, or with warmup."
            )
            return True
        row = {"epoch": epoch, "loss": loss, metric: value, "seconds": seconds}
        self.rows.append(row | (self.measure(model) if self.measure else {}))
        best = self.rows[self.best_epoch - 1][metric] if self.best_epoch else None
        if value is None or best is None or np.isnan(best) or value > best:
            self.best_epoch, self.best_weights = epoch, weights
        return self.over

    @property
    def over(self):
        """Whether training has diverged, had its epochs, or lost its patience."""
        epoch, settings = len(self.rows), self.settings
        waited = settings.patience is not None and epoch - self.best_epoch >= settings.patience
        return self.problem is not None or epoch >= settings.epochs or waited

    def history(self, state):
        """Return the `History`; ValueError if training diverged."""
        if self.problem:
            raise ValueError(self.problem)
        epochs = pd.DataFrame(self.rows).astype({self.objective.metric: float})
        n_targets = getattr(self.objective, "n_targets", None)
        return History(epochs, self.best_epoch, n_targets, self.settings.as_dict(), state)


def _not_finite(weights):
    """Return the names of weights that hold NaN or infinity."""
    return [name for name, weight in weights.items() if not np.isfinite(weight).all()]
