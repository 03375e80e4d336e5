"""A network on pairs of a user and an item, and what another recommender says."""

from dataclasses import dataclass, replace

import numpy as np

from llmrec_ref.baselines.shared import (
    as_scores,
    check_positive,
    check_rows,
    feature_table,
    history_means,
    user_item,
)
from llmrec_ref.losses import binary_cross_entropy
from llmrec_ref.splits import Queries, check_histories, flatten

CHUNK = 4096  # pairs whose inputs are held at a time


@dataclass(frozen=True)
class Pairs:
    """Pairs of a described query and an item.

    Attributes:
        users: z_u, float (n_queries, D).
        rows: int64 (n,), the query of each pair.
        items: int64 (n,), its item number.
        base: float (n,), its R; zeros where there is no first recommender.
        labels: float (n,), 1 for an item of the history or a target, 0 for a drawn one.
    """

    users: np.ndarray
    rows: np.ndarray
    items: np.ndarray
    base: np.ndarray
    labels: np.ndarray

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, chosen):
        kept = (self.rows, self.items, self.base, self.labels)
        return Pairs(self.users, *(column[chosen] for column in kept))

    @staticmethod
    def join(parts):
        """Put the pairs of several descriptions end to end."""
        starts = np.cumsum([0, *(len(part.users) for part in parts)])
        rows = [part.rows + start for part, start in zip(parts, starts, strict=False)]
        columns = [
            [getattr(part, name) for part in parts]
            for name in ("items", "base", "labels")
        ]
        users = np.concatenate([part.users for part in parts])
        return Pairs(users, *map(np.concatenate, [rows, *columns]))


class PairMLP:
    r"""The deep recommender on features of a pair: a network with one hidden layer.

    .. math:: s_{ui} = v^\top \max(0,\, U\, F_{ui} + b) + c, \qquad
        F_{ui} = (R_{ui},\ z_u,\ z_i,\ z_u \odot z_i)

    with :math:`z_i` the features of an item, :math:`z_u` the mean of those of the
    history, and :math:`R_{ui}` the score of a ``first`` recommender. It is trained by
    Adam with binary cross-entropy to tell items of a history from others drawn
    uniformly (He et al., Neural collaborative filtering, WWW 2017, arXiv:1708.05031,
    equations 7 and 11, for given features instead of learned ones).

    **Out of fold.** A training pair is described by a history, and scored by a first
    recommender, that do *not* hold the pair: the items of each history are dealt into
    folds, and those of one fold get R and z_u from the others (Wolpert, Stacked
    generalization, Neural Networks 5(2), 1992, doi 10.1016/S0893-6080(05)80023-1). With
    ``folds=None`` R and z_u know the answer in training and not afterwards: they
    **leak**. That is there to be shown, not to be used.

    Args:
        features: Z_I, float (n_items + 1, D), one row an item number; row 0, padding,
            is not looked at.
        first: Makes a first recommender, as ``functools.partial(Ridge, features)``
            does; None: no R.
        folds: Into how many parts a history is dealt, at least 2; None: in fold.
        hidden: Units of the hidden layer.
        n_negatives: Other items drawn for each item of a history.
        epochs: Passes over the pairs.
        lr: Adam's step size.
        l2: scikit-learn's penalty on the weights, ``alpha``.
        seed: Of the folds, the negatives and the weights.

    Raises:
        ValueError: Features that are no finite matrix, or a number out of its range.
    """

    def __init__(
        self,
        features,
        first=None,
        folds=5,
        hidden=32,
        n_negatives=4,
        epochs=5,
        lr=1e-3,
        l2=1e-4,
        seed=0,
    ):
        check_positive(hidden=hidden, n_negatives=n_negatives, epochs=epochs, lr=lr)
        if folds is not None and not folds >= 2:
            raise ValueError(f"folds={folds}: it must be at least 2, or None (a leak).")
        items = feature_table(features)
        spread = np.sqrt((items[1:] ** 2).mean()) or 1.0
        self.items = (items / spread).astype(np.float32)  # entries of about 1
        self.make_first, self.folds, self.n_negatives = first, folds, n_negatives
        self.hidden, self.epochs, self.lr, self.l2 = hidden, epochs, lr, l2
        self.seed = seed

    def fit(self, split):
        """Describe the training pairs fold by fold; train on them."""
        check_rows(self.items, split.n_items)
        rng = np.random.default_rng(self.seed)
        folds = [self._pairs(*fold, rng) for fold in self._folds(split, rng)]
        if not folds:
            raise ValueError("No history has two items, so none can be out of fold.")
        pairs = Pairs.join(folds)
        self.centre, self.spread = pairs.base.mean(), pairs.base.std() or 1.0
        self._train(pairs, rng)
        self.training_loss = self._loss(pairs)
        self.first = self._fit_first(split)
        return self

    def score(self, queries):
        """Describe each query with every item; ask the network."""
        check_histories(queries, len(self.items) - 1)
        users, base = self._describe(self.first, queries)
        numbers = np.arange(len(self.items))
        scores = np.empty((len(queries), len(numbers)))
        for row in range(len(queries)):
            pairs = Pairs(
                users, np.full_like(numbers, row), numbers, base[row], numbers
            )
            scores[row] = self._logits(pairs)
        return as_scores(scores)

    def loss(self, part, seed=0):
        """Return the cross-entropy of a part's targets against as many drawn items.

        Args:
            part: A `Part`; what stands in a history or its targets is not drawn.
            seed: Of the drawn items.

        Returns:
            Float, nats a pair: to be compared with ``training_loss``.
        """
        queries = part.queries
        both = zip(queries.histories, part.targets, strict=True)
        known = [np.concatenate(pair) for pair in both]
        rng = np.random.default_rng(seed)
        return self._loss(self._pairs(self.first, queries, part.targets, known, rng))

    def _folds(self, split, rng):
        """Yield first recommender, queries, their pairs' items, and what is known."""
        queries = split.train.queries
        items = [np.unique(history) for history in queries.histories]
        if self.folds is None:
            yield self._fit_first(split), queries, items, queries.histories
            return
        dealt = [rng.permutation(len(each)) % self.folds for each in items]
        for fold in range(self.folds):
            out = [each[deal == fold] for each, deal in zip(items, dealt, strict=True)]
            split_without, queries_without = _without(split, out)
            first = self._fit_first(split_without)
            kept = [
                r
                for r, each in enumerate(queries_without.histories)
                if len(each) and len(out[r])
            ]
            known = [queries.histories[row] for row in kept]
            if kept:
                yield first, queries_without[kept], [out[row] for row in kept], known

    def _fit_first(self, split):
        return self.make_first().fit(split) if self.make_first else None

    def _describe(self, first, queries):
        """Return z_u, float32 (queries, D), and R, (queries, n_items + 1)."""
        base = (
            first.score(queries) if first else np.zeros((len(queries), len(self.items)))
        )
        base = np.where(np.arange(base.shape[1]), base, 0)  # padding is -inf
        return history_means(queries, self.items).astype(np.float32), base

    def _pairs(self, first, queries, items, known, rng):
        """Describe queries with their items and with others, drawn beyond the known."""
        users, base = self._describe(first, queries)
        positives, offsets = flatten(items)
        rows = np.repeat(np.arange(len(items)), np.diff(offsets))
        drawn = rng.integers(1, len(self.items), len(rows) * self.n_negatives)
        drawn_rows = np.tile(rows, self.n_negatives)
        seen = user_item(Queries(known, queries.users), len(self.items) - 1)
        unknown = seen[drawn_rows, drawn] == 0
        labels = np.repeat([1.0, 0.0], [len(rows), unknown.sum()])
        rows = np.concatenate([rows, drawn_rows[unknown]])
        numbers = np.concatenate([positives, drawn[unknown]])
        return Pairs(users, rows, numbers, base[rows, numbers], labels)

    def _inputs(self, pairs):
        """F, float32 (pairs, 1 + 3 D), or without R (pairs, 3 D)."""
        users, items = pairs.users[pairs.rows], self.items[pairs.items]
        base = (pairs.base - self.centre)[:, None] / self.spread
        columns = [users, items, users * items]
        if self.make_first:
            columns.insert(0, base)
        return np.hstack(columns, dtype=np.float32)

    def _train(self, pairs, rng):
        self.network = _network(self.hidden, self.lr, self.l2, self.seed)
        for _ in range(self.epochs):
            order = rng.permutation(len(pairs))
            for start in range(0, len(pairs), CHUNK):
                chunk = pairs[order[start : start + CHUNK]]
                inputs = self._inputs(chunk)
                self.network.partial_fit(inputs, chunk.labels, classes=[0.0, 1.0])

    def _logits(self, pairs):
        """The network's forward pass, before the sigmoid: (pairs,)."""
        (into, out), (into_bias, out_bias) = (
            self.network.coefs_,
            self.network.intercepts_,
        )
        hidden = np.maximum(self._inputs(pairs) @ into + into_bias, 0)
        return (hidden @ out + out_bias)[:, 0]

    def _loss(self, pairs):
        chunks = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
        logits = np.concatenate([self._logits(chunk) for chunk in chunks])
        return float(binary_cross_entropy(logits, pairs.labels)[0])


def _without(split, out):
    """Take from each training history the items in ``out``; return split and queries.

    The split leaves out the people who have nothing left; the queries keep them.
    """
    queries = split.train.queries
    both = zip(queries.histories, out, strict=True)
    rest = [history[~np.isin(history, hidden)] for history, hidden in both]
    rest = Queries(rest, queries.users, queries.times)
    left = [row for row, history in enumerate(rest.histories) if len(history)]
    targets = [split.train.targets[row] for row in left]
    train = replace(split.train, queries=rest[left], targets=targets)
    return replace(split, train=train), rest


def _network(hidden, lr, l2, seed):
    try:
        from sklearn.neural_network import MLPClassifier
    except ImportError as error:
        raise ImportError(
            "PairMLP needs scikit-learn, which is missing: pip install scikit-learn"
        ) from error
    return MLPClassifier([hidden], learning_rate_init=lr, alpha=l2, random_state=seed)
