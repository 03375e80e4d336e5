"""Several recommenders as one."""

import numpy as np

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


def _standard_scores(scores):
    """Give each row mean 0 and deviation 1, or zeros where it differs by rounding."""
    largest = np.abs(scores).max(axis=1, keepdims=True)
    rounding = 4 * np.finfo(np.float32).eps * largest
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = centred.std(axis=1, keepdims=True)
    constant = spread <= rounding
    return np.where(constant, 0, centred) / np.where(constant, 1, spread)
