"""Recommenders that count instead of learning by gradient: what every other model must beat.

Each has ``fit(split)``, which sees ``split.train`` only and returns self, and ``score(queries)``, which
returns float32 (len(queries), n_items + 1) with column 0 = -inf. All but `Popularity` raise ValueError for an
empty history. None depends on how items are numbered.
"""

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from llmrec_ref.splits import check_histories, flatten


class Popularity:
    """The number of times an item was consumed in training; the same for everybody."""

    def fit(self, split):
        """Count the interactions of each item."""
        self.counts = _counts(split)
        return self

    def score(self, queries):
        """Return the counts, once a query."""
        return _as_scores(np.tile(self.counts, (len(queries), 1)))


class Markov:
    """First-order Markov chain: how often an item followed the last one in training.

    Where a pair was never seen the score backs off to popularity, scaled below 1, the smallest count; the
    same term orders items with equal counts. (The chain that FPMC factorises: Rendle, Freudenthaler and
    Schmidt-Thieme, WWW 2010.)
    """

    def fit(self, split):
        """Count pairs of neighbours in the training sequences."""
        items, offsets = flatten(split.train.queries.histories)
        inside = np.ones(len(items), bool)
        inside[offsets[:-1]] = False  # the first item of a sequence follows nothing
        pairs = np.flatnonzero(inside)
        shape = (split.n_items + 1, split.n_items + 1)
        self.follows = sp.csr_array((np.ones(len(pairs)), (items[pairs - 1], items[pairs])), shape=shape)
        counts = _counts(split)
        self.popularity = counts / (counts.max() + 1)
        return self

    def score(self, queries):
        """Return counts after each history's last item, plus scaled popularity."""
        check_histories(queries, len(self.popularity) - 1)
        last = [history[-1] for history in queries.histories]
        return _as_scores(self.follows[last].toarray() + self.popularity)


class ItemKNN:
    r"""Item-based nearest neighbours: each item of the history votes for the items like it.

    .. math:: s_{uj} = \sum_{i \in H_u} \mathrm{sim}(i, j)\, \mathbb{1}[j \in N_k(i)], \qquad
        \mathrm{sim}(i, j) = \frac{c_{ij}}{\sqrt{c_i c_j}}

    with :math:`c_{ij}` the number of users who have both items, repetitions within a history apart
    (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 22(1), 2004). All items that tie with the
    k-th neighbour are kept, so that no numbering decides; an item that shares no user is no neighbour.

    Args:
        k: Number of neighbours of an item.
    """

    def __init__(self, k=50):
        self.k = k

    def fit(self, split):
        """Compute similarities and keep the neighbours."""
        seen = _user_item(split.train.queries, split.n_items)
        similar = (seen.T @ seen).tocoo()
        counts = seen.sum(axis=0)
        rows, columns = similar.coords
        similar.data /= np.sqrt(counts[rows] * counts[columns])
        similar.data[rows == columns] = 0
        self.similar = _keep_nearest(similar.tocsr(), self.k)
        return self

    def score(self, queries):
        """Sum the similarities to the items of each history."""
        n_items = self.similar.shape[0] - 1
        check_histories(queries, n_items)
        return _as_scores((_user_item(queries, n_items) @ self.similar).toarray())


class EASE:
    r"""Linear autoencoder with zero diagonal, in closed form.

    .. math:: B_{ij} = -P_{ij} / P_{jj} \ (i \ne j), \quad B_{jj} = 0, \quad P = (X^\top X + \lambda I)^{-1}

    with X the binary user-item matrix; a score is the history's binary row times B (Steck, Embarrassingly
    shallow autoencoders for sparse data, WWW 2019, doi 10.1145/3308558.3313710, equation 8). B takes
    8 (n_items + 1)² bytes: 1.2 GB for 12,000 items.

    Args:
        l2: The ridge penalty λ.
    """

    def __init__(self, l2=200.0):
        self.l2 = l2

    def fit(self, split):
        """Invert the regularised Gram matrix."""
        seen = _user_item(split.train.queries, split.n_items)
        gram = (seen.T @ seen).toarray(order="F")  # column-major: LAPACK then inverts it in place
        gram[np.diag_indices_from(gram)] += self.l2
        weights = scipy.linalg.inv(gram, overwrite_a=True, assume_a="pos").T  # symmetric; row-major again
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0)
        self.weights = weights
        return self

    def score(self, queries):
        """Multiply the binary histories with the weights."""
        n_items = len(self.weights) - 1
        check_histories(queries, n_items)
        return _as_scores(_user_item(queries, n_items) @ self.weights)


def _counts(split):
    return np.bincount(flatten(split.train.queries.histories)[0], minlength=split.n_items + 1)


def _user_item(queries, n_items):
    """Whether a history holds an item: float64 CSR (len(queries), n_items + 1) of ones."""
    items, offsets = flatten(queries.histories)
    seen = sp.csr_array((np.ones(len(items)), items, offsets), shape=(len(queries), n_items + 1))
    seen.sum_duplicates()
    seen.data[:] = 1
    return seen


def _keep_nearest(similar, k):
    """Drop from each row what is smaller than its k-th largest value, or zero."""
    for start, stop in zip(similar.indptr[:-1], similar.indptr[1:], strict=True):
        row = similar.data[start:stop]
        if len(row) > k:
            row[row < np.partition(row, -k)[-k]] = 0
    similar.eliminate_zeros()
    return similar


def _as_scores(scores):
    # float64 until here: what differs only by the order of summation rounds to the same float32
    scores = scores.astype(np.float32)
    scores[:, 0] = -np.inf
    return scores
