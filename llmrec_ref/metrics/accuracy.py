"""How well a list finds the targets; the package says what the arguments are."""

import numbers

import numpy as np


def hit_rate(ranks, offsets, k):
    r"""Whether any target is among the first k. Also called Success.

    .. math:: \mathbb{1}\left[\min_y r_y < k\right]
    """
    ranks, offsets = _checked(ranks, offsets, k)
    return (_best(ranks, offsets) < k).astype(float)


def recall(ranks, offsets, k):
    r"""Share of the targets among the first k: :math:`|\{y: r_y < k\}| / |Y|`."""
    ranks, offsets = _checked(ranks, offsets, k)
    return _sum(ranks < k, offsets) / np.diff(offsets)


def precision(ranks, offsets, k):
    r"""Share of the first k that are targets: :math:`|\{y: r_y < k\}| / k`."""
    ranks, offsets = _checked(ranks, offsets, k)
    return _sum(ranks < k, offsets) / k


def ndcg(ranks, offsets, k):
    r"""Discounted gain over that of the best possible list, for binary relevance.

    .. math::
        \frac{\sum_{y: r_y < k} 1 / \log_2(r_y + 2)}
        {\sum_{j=0}^{\min(k, |Y|) - 1} 1 / \log_2(j + 2)}

    The ideal has min(k, \|Y\|) ones, so a perfect list reaches 1 (Järvelin and
    Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002,
    with the discount 1 / log2(rank + 2)).
    """
    ranks, offsets = _checked(ranks, offsets, k)
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2))
    gains = np.where(ranks < k, 1 / np.log2(ranks + 2), 0)
    return _sum(gains, offsets) / ideal[np.minimum(k, np.diff(offsets)) - 1]


def reciprocal_rank(ranks, offsets, k):
    r"""One over the place of the best target, 0 beyond k; its mean is MRR.

    .. math:: \frac{\mathbb{1}[\min_y r_y < k]}{\min_y r_y + 1}

    Voorhees, The TREC-8 question answering track report, 1999.
    """
    ranks, offsets = _checked(ranks, offsets, k)
    best = _best(ranks, offsets)
    return np.where(best < k, 1 / (best + 1), 0)


def average_precision(ranks, offsets, k):
    r"""Mean over targets of the precision at their rank, 0 beyond k; its mean is MAP.

    .. math:: \frac{1}{|Y|} \sum_{y: r_y < k} \frac{|\{y': r_{y'} \le r_y\}|}{r_y + 1}

    It is divided by the number of targets, as in trec_eval; some libraries divide by
    min(k, \|Y\|). Manning, Raghavan and Schütze, Introduction to Information Retrieval,
    2008, section 8.4.
    """
    ranks, offsets = _checked(ranks, offsets, k)
    counts = np.diff(offsets)
    ranks = ranks[np.lexsort((ranks, np.repeat(np.arange(len(counts)), counts)))]
    # how many targets of the query stand up to this one
    found = np.arange(len(ranks)) - np.repeat(offsets[:-1], counts) + 1
    return _sum(np.where(ranks < k, found / (ranks + 1), 0), offsets) / counts


METRICS = {
    "HR": hit_rate,
    "Recall": recall,
    "Precision": precision,
    "NDCG": ndcg,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
}


def _checked(ranks, offsets, k):
    """Return ranks and offsets as arrays, or say what is wrong with them."""
    ranks, offsets = np.asarray(ranks), np.asarray(offsets)
    if not isinstance(k, numbers.Integral) or k < 1:
        raise ValueError(
            f"k={k!r} is no length of a list: give a whole number, at least 1."
        )
    if ranks.ndim != 1 or ranks.dtype.kind != "i" or ranks.min(initial=0) < 0:
        raise ValueError(
            "ranks must be a 1-D array of whole numbers from 0, the best: see "
            "rank_targets."
        )
    if offsets.ndim != 1 or offsets.dtype.kind != "i" or len(offsets) < 2:
        raise ValueError(
            "offsets must be a 1-D array of whole numbers, one more than there are "
            "queries."
        )
    if offsets[0] != 0 or offsets[-1] != len(ranks):
        raise ValueError(
            f"offsets run from {offsets[0]} to {offsets[-1]}, but must run from 0 to "
            f"{len(ranks)}, how many ranks there are: take both from rank_targets."
        )
    if np.diff(offsets).min() < 1:
        raise ValueError(
            "A query has no target, or offsets fall: leave queries without a target "
            "out."
        )
    return ranks, offsets


def _sum(values, offsets):
    return np.add.reduceat(values.astype(float), offsets[:-1])


def _best(ranks, offsets):
    return np.minimum.reduceat(ranks, offsets[:-1])
