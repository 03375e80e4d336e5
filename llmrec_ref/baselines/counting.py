"""Recommenders that count: Popularity, Markov, PersonalFrequency and ItemKNN."""

import numpy as np
import scipy.sparse as sp
from tqdm import tqdm

from llmrec_ref.baselines.shared import (
    as_scores,
    check_positive,
    count_items,
    user_item,
)
from llmrec_ref.splits import check_histories, flatten


class Popularity:
    """The number of times an item was consumed in training; the same for everybody."""

    def fit(self, split):
        """Count the interactions of each item."""
        self.counts = count_items(split)
        return self

    def score(self, queries):
        """Return the counts, once a query: a read-only view that takes no memory."""
        row = as_scores(self.counts[None])
        return np.broadcast_to(row, (len(queries), len(self.counts)))


class Markov:
    """First-order Markov chain: how often an item followed the last one in training.

    Where a pair was never seen the score backs off to popularity, scaled below 1, the
    smallest count; the same term orders items with equal counts. (The chain that FPMC
    factorises: Rendle, Freudenthaler and Schmidt-Thieme, WWW 2010.)
    """

    def fit(self, split):
        """Count pairs of neighbours in the training sequences."""
        items, offsets = flatten(split.train.queries.histories)
        inside = np.ones(len(items), bool)
        inside[offsets[:-1]] = False  # the first item of a sequence follows nothing
        later = np.flatnonzero(inside)
        pairs = items[later - 1], items[later]
        shape = (split.n_items + 1, split.n_items + 1)
        self.follows = sp.csr_array((np.ones(len(later)), pairs), shape=shape)
        counts = count_items(split)
        self.popularity = counts / (counts.max() + 1)
        return self

    def score(self, queries):
        """Return counts after each history's last item, plus scaled popularity."""
        check_histories(queries, len(self.popularity) - 1)
        last = [history[-1] for history in queries.histories]
        return as_scores(self.follows[last].toarray() + self.popularity)


class PersonalFrequency:
    r"""How often the history itself holds an item: hard to beat where people repeat.

    .. math:: s_{uj} = \sum_{t: x_t = j} w_t + \varepsilon\, p_j, \qquad
        w_t = 2^{-\min((n - t) / h,\, 20)}, \qquad p_j = \frac{c_j}{1 + \max_i c_i}

    with the history :math:`x_1, \dots, x_n`, the half-life h in events, and :math:`c_j`
    the training count of an item. :math:`\varepsilon` is the smallest weight an event
    can have, :math:`2^{-20}`; without half-life all weights and :math:`\varepsilon` are
    1. So popularity orders what is counted alike and what is not counted at all, always
    below what is. (Hu, He, Gao and Zhang, Modeling personalized item frequency
    information for next-basket recommendation, SIGIR 2020, arXiv:2006.00556.)

    Args:
        half_life: After so many further events an event counts half; None: all events
            count alike.

    Raises:
        ValueError: A half-life that is not positive.
    """

    def __init__(self, half_life=None):
        if half_life is not None:
            check_positive(half_life=half_life)
        self.half_life = half_life

    def fit(self, split):
        """Count the interactions of each item, for what the history does not decide."""
        counts = count_items(split)
        self.popularity = counts / (counts.max() + 1)
        return self

    def score(self, queries):
        """Return weighted counts of each history, plus scaled popularity."""
        check_histories(queries, len(self.popularity) - 1)
        items, offsets = flatten(queries.histories)
        ages = np.repeat(offsets[1:] - 1, np.diff(offsets)) - np.arange(len(items))
        weights = 2.0 ** -np.minimum(ages / (self.half_life or np.inf), 20)
        shape = (len(queries), len(self.popularity))
        counts = sp.csr_array((weights, items, offsets), shape=shape).toarray()
        return as_scores(counts + self.popularity * (2.0**-20 if self.half_life else 1))


class ItemKNN:
    r"""Item-based nearest neighbours: items of the history vote for those like them.

    .. math::
        s_{uj} = \sum_{i \in H_u} \mathrm{sim}(i, j)\, \mathbb{1}[j \in N_k(i)], \qquad
        \mathrm{sim}(i, j) = \frac{c_{ij}}{\sqrt{c_i c_j}}

    with :math:`c_{ij}` the number of users who have both items, repetitions within a
    history apart (Sarwar et al., WWW 2001; Deshpande and Karypis, ACM TOIS 22(1),
    2004). All items that tie with the k-th neighbour are kept, so that no numbering
    decides; an item that shares no user is no neighbour.

    Args:
        k: Number of neighbours of an item, at least 1.

    Raises:
        ValueError: ``k`` is below 1.
    """

    def __init__(self, k=50):
        check_positive(k=k)
        self.k = k

    def fit(self, split):
        """Compute similarities and keep the neighbours."""
        seen = user_item(split.train.queries, split.n_items)
        users, counts, nearest = seen.T.tocsr(), seen.sum(axis=0), []
        # in slices: all pairs of items may not fit into memory
        starts = range(0, users.shape[0], 256)
        for start in tqdm(starts, desc="similar items", delay=5, leave=False):
            similar = (users[start : start + 256] @ seen).tocoo()
            rows, columns = similar.coords[0] + start, similar.coords[1]
            similar.data /= np.sqrt(counts[rows] * counts[columns])
            similar.data[rows == columns] = 0
            nearest.append(_keep_nearest(similar.tocsr(), self.k))
        self.similar = sp.vstack(nearest, format="csr")
        return self

    def score(self, queries):
        """Sum the similarities to the items of each history."""
        n_items = self.similar.shape[0] - 1
        check_histories(queries, n_items)
        return as_scores((user_item(queries, n_items) @ self.similar).toarray())


def _keep_nearest(similar, k):
    """Drop from each row what is smaller than its k-th largest value, or zero."""
    for start, stop in zip(similar.indptr[:-1], similar.indptr[1:], strict=True):
        row = similar.data[start:stop]
        if len(row) > k:
            row[row < np.partition(row, -k)[-k]] = 0
    similar.eliminate_zeros()
    return similar
