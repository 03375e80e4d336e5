"""Toy objectives in NumPy: what a batch holds, and how a model is validated.

Their losses and their networks are twins, in ``toys_pytorch`` and ``toys_tensorflow``. A network answers
``numbers(*arrays)``: what its forward pass gives, in NumPy.
"""

import numpy as np

from llmrec_ref.splits import Part, Queries, Split


def walks(n_users=40, n_items=20, validation=True):
    """A split of users who walk a circle in steps of 3; the last step is the target of validation."""
    rng = np.random.default_rng(0)
    lengths_and_starts = rng.integers((4, 0), (14, n_items), size=(n_users, 2))
    paths = [(np.arange(n) * 3 + start) % n_items + 1 for n, start in lengths_and_starts]
    users, nothing = np.arange(n_users), np.empty(0, np.int64)
    known = [path[:-1] for path in paths]
    train = Part(Queries(known, users), [nothing] * n_users)
    none = Part(Queries([], nothing), [])
    held_out = Part(Queries(known, users), [path[-1:] for path in paths])
    return Split(
        train, held_out if validation else none, none, n_items, np.arange(n_items + 1).astype(object)
    )


class Toy:
    """Shuffles the rows of arrays into batches, and keeps what it gave."""

    def __init__(self, batch_size, **arrays):
        self.batch_size, self.arrays = batch_size, arrays
        self.given = []

    def batches(self, rng):
        n = len(next(iter(self.arrays.values())))
        cuts = np.split(rng.permutation(n), range(self.batch_size, n, self.batch_size))
        self.given.append([{name: array[rows] for name, array in self.arrays.items()} for rows in cuts])
        return self.given[-1]


class Pairs(Toy):
    """Would this user like this item? Labels come from tastes in two dimensions."""

    metric = "val_auc"
    sizes = dict(n_users=40, n_items=50)

    def __init__(self, batch_size=50):
        rng = np.random.default_rng(0)
        tastes, kinds = rng.normal(size=(40, 2)), rng.normal(size=(50, 2))
        users, items = (grid.ravel() for grid in np.meshgrid(np.arange(40), np.arange(50)))
        labels = ((tastes @ kinds.T)[users, items] > 0).astype(np.float32)
        held_out = rng.random(2000) < 0.25
        super().__init__(batch_size, users=users[~held_out], items=items[~held_out], labels=labels[~held_out])
        self.held_out = users[held_out], items[held_out], labels[held_out]

    def validate(self, model):
        """AUC: how often a yes has more than a no."""
        users, items, labels = self.held_out
        z = model.numbers(users, items)
        return float((z[labels == 1][:, None] > z[labels == 0]).mean())


class Towers(Toy):
    """Which text goes with which user? Each is a noisy view of the same hidden vector."""

    metric = "val_hits"
    sizes = dict(n_left=8, n_right=6)

    def __init__(self, batch_size=30):
        rng = np.random.default_rng(0)
        hidden = rng.normal(size=(240, 4))
        left = hidden @ rng.normal(size=(4, 8)) + 0.1 * rng.normal(size=(240, 8))
        right = hidden @ rng.normal(size=(4, 6)) + 0.1 * rng.normal(size=(240, 6))
        left, right = left.astype(np.float32), right.astype(np.float32)
        super().__init__(batch_size, left=left[:200], right=right[:200])
        self.held_out = left[200:], right[200:]

    def validate(self, model):
        """How often a row's own partner is the nearest of 40."""
        return float(np.mean(model.numbers(*self.held_out).argmax(axis=1) == np.arange(40)))


class Slope(Toy):
    """The loss falls along ``x`` for ever: the gradient of the weights is the mean of a batch's ``x``.

    ``shift`` joins the loss but no gradient; it is ``poison`` in one epoch, counted from 0. ``values`` are
    what validation finds, an epoch each; None without validation.
    """

    metric = "val_depth"

    def __init__(self, x, batch_size=None, poisoned=None, poison=np.nan, values=None):
        x = np.asarray(x, np.float32)
        super().__init__(batch_size or len(x), x=x, shift=np.zeros(len(x), np.float32))
        self.poisoned, self.poison, self.values = poisoned, poison, values
        self.seen = []

    def batches(self, rng):
        batches = super().batches(rng)
        if rng.bit_generator.seed_seq.entropy[-1] == self.poisoned:
            batches[-1]["shift"] = batches[-1]["shift"] + np.float32(self.poison)
        return batches

    def validate(self, model):
        self.seen.append(model.numbers())
        return None if self.values is None else float(self.values[len(self.seen) - 1])


def adamw(weights, batches, lr, weight_decay=0.01, warmup=0):
    """Weights after each batch of a `Slope`, by the formulas of Loshchilov and Hutter, in float64."""
    weights, first, second, path = np.asarray(weights, float), 0.0, 0.0, []
    for step, batch in enumerate(batches, start=1):
        gradient = batch["x"].astype(float).mean(axis=0)
        rate = lr * min(1, step / warmup) if warmup else lr
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        direction = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-12)
        weights = weights - rate * weight_decay * weights - rate * direction
        path.append(weights)
    return path


class Rows(Toy):
    """Rows of a table are looked up, one several times, and each use has a gradient of its own."""

    metric = "val_none"

    def __init__(self):
        x = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
        super().__init__(6, rows=np.array([0, 0, 0, 1, 1, 0, 0, 2, 0, 1, 2, 0]), x=x)

    def slopes(self, batch):
        """The gradient of the table (4, 2); a batch of one row, whose mean it is."""
        gradient = np.zeros((1, 4, 2))
        np.add.at(gradient[0], batch["rows"], batch["x"] / len(batch["x"]))
        return gradient

    def validate(self, model):
        return None


class Watched:
    """An objective whose batches are kept, an epoch each.

    It may be told what validation finds, and to give the same batches in every epoch.
    """

    def __init__(self, objective, values=None, same=False):
        self.objective, self.metric, self.given = objective, objective.metric, []
        self.values, self.same = values and iter(values), same

    def batches(self, rng):
        batches = list(self.objective.batches(np.random.default_rng([0, 0]) if self.same else rng))
        self.given.append(batches)
        return batches

    def validate(self, model):
        return next(self.values) if self.values else self.objective.validate(model)
