r"""Ranking metrics: pure NumPy functions of ranks.

All take the same three arguments and return one float64 value a query; `evaluate` averages them.

    ranks: int64 (n_targets,), the rank of every target, 0 = best, distinct within a query.
    offsets: int64 (n_queries + 1,): query q has the targets ``offsets[q]:offsets[q + 1]``, at least one.
    k: Length of the list that is looked at, at least 1.

Below, a query has the targets T with ranks :math:`r_t`. With one target HR = Recall, Precision = HR / k,
MAP = MRR, and NDCG = 1 / log2(rank + 2) if rank < k.
"""

import numpy as np


def hit_rate(ranks, offsets, k):
    r"""Whether any target is among the first k: :math:`\mathbb{1}[\min_t r_t < k]`. Also called Success."""
    return (_best(ranks, offsets) < k).astype(float)


def recall(ranks, offsets, k):
    r"""Share of the targets among the first k: :math:`|\{t: r_t < k\}| / |T|`."""
    return _sum(ranks < k, offsets) / np.diff(offsets)


def precision(ranks, offsets, k):
    r"""Share of the first k that are targets: :math:`|\{t: r_t < k\}| / k`."""
    return _sum(ranks < k, offsets) / k


def ndcg(ranks, offsets, k):
    r"""Discounted gain over that of the best possible list, for binary relevance.

    .. math:: \frac{\sum_{t: r_t < k} 1 / \log_2(r_t + 2)}{\sum_{j=0}^{\min(k, |T|) - 1} 1 / \log_2(j + 2)}

    The ideal has min(k, \|T\|) ones, so a perfect list reaches 1 (Järvelin and Kekäläinen, Cumulated
    gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002, with the discount 1 / log2(rank + 2)).
    """
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2))
    gains = np.where(ranks < k, 1 / np.log2(ranks + 2), 0)
    return _sum(gains, offsets) / ideal[np.minimum(k, np.diff(offsets)) - 1]


def reciprocal_rank(ranks, offsets, k):
    r""":math:`1 / (\min_t r_t + 1)` if that target is among the first k, else 0; its mean is MRR.

    Voorhees, The TREC-8 question answering track report, 1999.
    """
    best = _best(ranks, offsets)
    return np.where(best < k, 1 / (best + 1), 0)


def average_precision(ranks, offsets, k):
    r"""Mean over the targets of the precision at their rank, 0 beyond k; its mean is MAP.

    .. math:: \frac{1}{|T|} \sum_{t: r_t < k} \frac{|\{s: r_s \le r_t\}|}{r_t + 1}

    It is divided by the number of targets, as in trec_eval; some libraries divide by min(k, \|T\|).
    Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, section 8.4.
    """
    counts = np.diff(offsets)
    ranks = ranks[np.lexsort((ranks, np.repeat(np.arange(len(counts)), counts)))]
    found = np.arange(len(ranks)) - np.repeat(offsets[:-1], counts) + 1  # targets up to this one
    return _sum(np.where(ranks < k, found / (ranks + 1), 0), offsets) / counts


METRICS = {
    "HR": hit_rate,
    "Recall": recall,
    "Precision": precision,
    "NDCG": ndcg,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
}


def _sum(values, offsets):
    return np.add.reduceat(values.astype(float), offsets[:-1])


def _best(ranks, offsets):
    return np.minimum.reduceat(ranks, offsets[:-1])
