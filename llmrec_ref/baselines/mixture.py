"""Several recommenders as one: their sum, or one after the other."""

import numpy as np
from scipy.stats import rankdata

from llmrec_ref.baselines.shared import as_scores


class Mixture:
    r"""A weighted sum of recommenders that were fitted before, each in standard scores.

    .. math:: s_{uj} = \sum_m w_m \frac{s^{(m)}_{uj} - \mu^{(m)}_u}{\sigma^{(m)}_u}

    with :math:`\mu^{(m)}_u` and :math:`\sigma^{(m)}_u` the mean and the standard
    deviation of recommender m's scores over the catalogue: after that no recommender is
    louder than another. One that gives all items the same score, but for rounding, adds
    nothing.

    Args:
        parts: Recommenders, anything with ``score``; their scores are finite.
        weights: One number a recommender.
    """

    def __init__(self, parts, weights):
        self.parts, self.weights = parts, weights

    def score(self, queries):
        """Add up the standard scores."""
        total = 0.0
        for part, weight in zip(self.parts, self.weights, strict=True):
            total += weight * _standard_scores(part.score(queries)[:, 1:])
        return as_scores(np.pad(total, ((0, 0), (1, 0))))


class Rerank:
    """The first k items of one recommender, in the order of another model.

    What is not among them stays below, in the first one's order: so Recall@k is that of
    the first, and no model can pass it. (Cascades: Wang, Lin and Metzler, A cascade
    ranking model for efficient ranked retrieval, SIGIR 2011, doi
    10.1145/2009916.2009934.)

    Args:
        first: A recommender that was fitted before.
        model: Has ``score_candidates(queries, candidates)``, which returns float (n, k)
            for item numbers int64 (n, k); or is a recommender.
        k: How many items it sees of each query, from 1 to the catalogue's size.
        filter_seen: Whether the items of the history are no candidates and stand below
            all others. Set it where they are filtered in evaluation: they would take
            places among the k for nothing.

    Raises:
        ValueError: k is below 1, or above the number of items that are left.
    """

    def __init__(self, first, model, k, filter_seen=False):
        if not k >= 1:
            raise ValueError(f"k={k}: the model needs one item at least to rank.")
        self.first, self.model, self.k, self.filter_seen = first, model, k, filter_seen

    def score(self, queries):
        """Score by rank: float32, whole numbers; what ties in either one, ties."""
        scores = np.array(self.first.score(queries))
        if self.filter_seen:
            for row, history in enumerate(queries.histories):
                scores[row, history] = -np.inf
        n_left = np.isfinite(scores[:, 1:]).sum(axis=1).min(initial=scores.shape[1] - 1)
        if self.k > n_left:
            raise ValueError(f"k={self.k}, but a query has {n_left} items: lower k.")
        candidates = np.argsort(-scores[:, 1:], axis=1, kind="stable")[:, : self.k] + 1
        found = _ranks(scores)
        np.put_along_axis(
            found,
            candidates,
            scores.shape[1] + _ranks(self._ask(queries, candidates)),
            1,
        )
        return as_scores(found)

    def _ask(self, queries, candidates):
        """Score the candidates: float (n, k)."""
        if hasattr(self.model, "score_candidates"):
            return self.model.score_candidates(queries, candidates)
        return np.take_along_axis(self.model.score(queries), candidates, axis=1)


def _ranks(scores):
    """Rank each row from 1, the lowest; equal scores have equal ranks."""
    return rankdata(scores, method="dense", axis=1)


def _standard_scores(scores):
    """Give each row mean 0 and deviation 1, or zeros where it differs by rounding."""
    largest = np.abs(scores).max(axis=1, keepdims=True)
    rounding = 4 * np.finfo(np.float32).eps * largest
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = centred.std(axis=1, keepdims=True)
    constant = spread <= rounding
    return np.where(constant, 0, centred) / np.where(constant, 1, spread)
