"""What a model is trained to do: what a batch holds, and how it is asked (NumPy).

The training loop knows an objective by these alone, whatever the network:

- ``batches(rng)``: an epoch, shuffled, as a sized iterable of dicts of arrays, always as many.
- ``loss``: what to minimise: a function of the model and of a batch of the framework's tensors that returns a
  scalar; or a name that the frameworks' ``losses.of_objective`` knows; an objective without it leaves it to
  the settings.
- ``validate(model)``: a float, higher is better, or None without validation. ``metric`` names it.

Item models hold a `NextItem` or a `Cloze`, which `Ranking` binds to the data. Another objective, such as
`Labels` and `InBatch`, is an argument of ``train.fit``.
"""

import numpy as np

from llmrec_ref.evaluate import NaNScore, evaluate
from llmrec_ref.index import Retriever
from llmrec_ref.losses import LOSSES, SAMPLED
from llmrec_ref.metrics import auc
from llmrec_ref.sequences import (
    cloze_batches,
    pad_to_bucket,
    sample_negatives,
    training_batches,
    training_windows,
)
from llmrec_ref.splits import flatten


class NextItem:
    """Each item of a window is followed by its target: for models that look back only.

    Args:
        max_len: Positions a model sees.
    """

    def __init__(self, max_len):
        self.max_len = max_len

    def windows(self, histories, windows="newest"):
        """Cut training sequences: see `sequences.training_windows`."""
        return training_windows(histories, self.max_len, windows)

    def batches(self, windows, batch_size, rng):
        """Make an epoch's batches: see `sequences.training_batches`."""
        return training_batches(windows, self.max_len, batch_size, rng)

    def question(self, histories):
        """Lay out histories for scoring: the last position tells the next item."""
        return pad_to_bucket(histories, self.max_len)


class Cloze:
    """Masks hide items, which are the targets: for models that look both ways.

    Args:
        max_len: Positions a model sees.
        mask: Number of the token that stands for a hidden item.
        mask_probability: Of each item, in training.
    """

    def __init__(self, max_len, mask, mask_probability):
        self.max_len, self.mask, self.mask_probability = max_len, mask, mask_probability

    def windows(self, histories, windows="newest"):
        """Cut windows of at most ``max_len``: see `sequences.training_windows`."""
        return training_windows(histories, self.max_len - 1, windows)

    def batches(self, windows, batch_size, rng):
        """Make an epoch's batches: see `sequences.cloze_batches`."""
        rules = self.max_len, self.mask, self.mask_probability
        return cloze_batches(windows, *rules, batch_size, rng)

    def question(self, histories):
        """Lay out histories for scoring: the newest items, then a mask for the next."""
        newest = [np.append(history[1 - self.max_len :], self.mask) for history in histories]
        return pad_to_bucket(newest, self.max_len)


class Ranking:
    """`NextItem` or `Cloze` on the data of a split, validated by ranking.

    Args:
        objective: What makes windows and batches.
        split: `splits.Split`.
        settings: `training.Settings`.

    Raises:
        ValueError: No history to train on, or ``patience`` without a validation part.
    """

    metric = "val_ndcg"

    def __init__(self, objective, split, settings):
        self.objective, self.split, self.settings = objective, split, settings
        if settings.patience is not None and not len(split.validation):
            raise ValueError(
                "patience needs a validation part: make the split with validation=True, "
                "of users with three interactions or more."
            )
        self.cut = objective.windows(split.train.queries.histories, settings.windows)
        items, _ = flatten(split.train.queries.histories)
        self.counts = np.bincount(items, minlength=split.n_items + 1)
        self.draw = negative_sampler(settings.loss_name, settings.n_negatives, split)
        first = self.batches(np.random.default_rng([settings.seed, 0]))
        self.n_targets = int(sum(np.count_nonzero(targets) for _, targets in first.pairs))

    def batches(self, rng):
        """Make an epoch's batches: int64 ``item_ids`` and ``targets`` (B, L), 0 = none.

        Beside them, for a loss that samples, int64 ``negatives`` (B, L, k) and the float32
        ``log_counts`` of `sequences.sample_negatives`, drawn as each batch is asked for.
        """
        pairs = self.objective.batches(self.cut, self.settings.batch_size, rng)
        # a generator of their own, so that batches and dropout do not depend on the loss
        seeds = np.atleast_1d(rng.bit_generator.seed_seq.entropy)
        return _Batches(pairs, self.draw, np.random.default_rng([*seeds, 1]))

    def validate(self, model):
        """Return NDCG@10, of all items where they are fewer; None without validation.

        NaN if a score is NaN: a sum can overflow though no weight does.
        """
        if not len(self.split.validation):
            return None
        k = min(10, self.split.n_items)
        try:
            return evaluate(model, self.split.validation, ks=(k,))[f"NDCG@{k}"].item()
        except NaNScore:
            return np.nan


class _Batches:
    """An epoch's batches, whose negatives are drawn one batch at a time."""

    def __init__(self, pairs, draw, rng):
        self.pairs, self.draw, self.rng = pairs, draw, rng

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        for item_ids, targets in self.pairs:
            yield dict(item_ids=item_ids, targets=targets) | self.draw(targets, self.rng)


class Labels:
    """Yes or no: for models that answer one logit an example.

    Args:
        train: Examples: they have a length, ``labels`` (float32, 0 or 1, one an example), and
            ``examples[rows]``, for int64 row numbers, is a dict of arrays, a row an example: what the model
            takes, by the names of its arguments, and their ``labels``.
        validation: More of them, of which the model's ``score_pairs(examples)`` makes float32 (n,); or None.
        batch_size: Examples a step.

    Raises:
        ValueError: The labels of a part are all the same, or not 0 and 1.
    """

    loss, metric = "labels", "val_auc"

    def __init__(self, train, validation=None, batch_size=32):
        for name, part in (("train", train), ("validation", validation)):
            if part is not None and set(np.unique(part.labels)) != {0, 1}:
                raise ValueError(
                    f"The labels of {name} must be 0 and 1, some of each: draw negatives, or more pairs."
                )
        self.train, self.validation, self.batch_size = train, validation, batch_size
        self.n_targets = len(train)

    def batches(self, rng):
        """Make an epoch's batches: each example once."""
        return _Examples(self.train, self.batch_size, rng)

    def validate(self, model):
        """Return the area under the ROC curve; None without validation, NaN if a score is not finite."""
        if self.validation is None:
            return None
        scores = model.score_pairs(self.validation)
        return float(auc(scores, self.validation.labels)) if np.isfinite(scores).all() else np.nan


class InBatch:
    """Each query's own item among all items of its batch: for two towers.

    Args:
        train: Examples as in `Labels`, but with ``items`` (int64, item numbers, one an example) in the place
            of labels: a query and the item that was chosen, `towers.NextItems`. The model gets a batch's
            other arrays in one dict. A batch may hold ``log_q``, float32 (B,), too: see
            `losses.in_batch_softmax`.
        validation: A `Part` that the model ranks, or None.
        batch_size: Examples a step, of which each has the others' items as negatives.
        candidates: As in `evaluate.evaluate`.

    Raises:
        ValueError: A batch of fewer than two.
    """

    loss, metric = "in_batch", "val_ndcg"

    def __init__(self, train, validation=None, batch_size=32, candidates=None):
        if not batch_size >= 2:
            raise ValueError(
                f"batch_size={batch_size}: an item alone in its batch has no negatives, take 2 at least."
            )
        self.train, self.validation, self.batch_size = train, validation, batch_size
        self.candidates, self.n_targets = candidates, len(train)

    def batches(self, rng):
        """Make an epoch's batches: each example once."""
        return _Examples(self.train, self.batch_size, rng)

    def validate(self, model):
        """Return NDCG@10; None without validation, NaN if a score is NaN."""
        if self.validation is None:
            return None
        try:
            found = evaluate(Retriever(model), self.validation, ks=(10,), candidates=self.candidates)
            return found["NDCG@10"].item()
        except NaNScore:
            return np.nan


class _Examples:
    """An epoch's batches of examples, shuffled; each is made as it is asked for."""

    def __init__(self, examples, batch_size, rng):
        n = len(examples)
        self.examples = examples
        self.rows = np.split(rng.permutation(n), range(batch_size, n, batch_size))

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return (self.examples[rows] for rows in self.rows)


def bind(objective, split, settings):
    """Return what the loop asks: an objective that makes windows gets the split.

    Raises:
        ValueError: There is no objective, or no split for one that makes windows; or as in `Ranking`.
    """
    if objective is None:
        raise ValueError("the model has no objective of its own: pass one, such as objectives.Labels(train).")
    if not hasattr(objective, "windows"):
        return objective
    if split is None:
        raise ValueError("there is nothing to train on: pass a split, such as splits.leave_one_out(dataset).")
    return Ranking(objective, split, settings)


def note_counts(model, objective):
    """Tell a model's item table, if it asks, how often each item stands in training."""
    note = getattr(getattr(model, "items", None), "note_counts", None)
    if note and hasattr(objective, "counts"):
        note(objective.counts)


def negative_sampler(loss, n_negatives, split):
    """Return a function of targets (B, L) and a generator: what a loss wants beside.

    None; or, for a loss that samples or a function with ``n_negatives``, ``negatives`` int64
    (B, L, k), drawn uniformly; or for ``"sampled_softmax"`` negatives
    drawn in proportion to how often an item is in training, and their ``log_counts`` float32
    (B, L, k).
    """
    if loss == "sampled_softmax":
        items = flatten(split.train.queries.histories)[0]
        seen = np.bincount(items, minlength=split.n_items + 1)

        def draw(targets, rng):
            drawn = sample_negatives((*targets.shape, n_negatives), seen, rng)
            return dict(zip(("negatives", "log_counts"), drawn, strict=True))

        return draw
    if n_negatives is None or (loss in LOSSES and loss not in SAMPLED):
        return lambda targets, rng: {}
    return lambda targets, rng: dict(
        negatives=rng.integers(1, split.n_items + 1, size=(*targets.shape, n_negatives))
    )
