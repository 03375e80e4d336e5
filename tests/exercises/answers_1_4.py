"""Solutions and plausible wrong answers for the exercises of chapter I.4."""

import numpy as np
from scipy.stats import binom, hypergeom

# 1.4.2


def pessimistic_rank(scores, target, seen):
    eligible = np.ones(len(scores), bool)
    eligible[0] = False
    eligible[seen] = False
    eligible[target] = False
    return np.sum(scores[eligible] >= scores[target])


def optimistic_rank(scores, target, seen):
    eligible = np.ones(len(scores), bool)
    eligible[[0, target, *seen]] = False
    return np.sum(scores[eligible] > scores[target])


def rank_against_itself(scores, target, seen):
    eligible = np.ones(len(scores), bool)
    eligible[[0, *seen]] = False
    eligible[target] = True
    return np.sum(scores[eligible] >= scores[target])


def rank_with_padding(scores, target, seen):
    return pessimistic_rank(scores, target, seen) + (scores[0] >= scores[target])


def rank_unfiltered(scores, target, seen):
    return pessimistic_rank(scores, target, [])


def rank_that_counts_seen_twice(scores, target, seen):
    above = np.sum(scores[1:] >= scores[target]) - 1
    return above - sum(scores[item] >= scores[target] for item in seen)


# 1.4.3


def average_precision(ranks, k, n=None):
    ranks = np.sort(ranks)
    found = np.arange(1, len(ranks) + 1)
    return np.sum((found / (ranks + 1))[ranks < k]) / (n or len(ranks))


def average_precision_of_hits(ranks, k):
    return average_precision(ranks, k, n=max(1, np.sum(ranks < k)))


def average_precision_at_most_k(ranks, k):
    return average_precision(ranks, k, n=min(k, len(ranks)))


def average_precision_unsorted(ranks, k):
    return np.mean(np.where(ranks < k, np.arange(1, len(ranks) + 1) / (ranks + 1), 0))


def precision_of_the_last(ranks, k):
    return np.mean(ranks < k) * np.mean(ranks < k)


def mean_reciprocal(ranks, k):
    return np.mean(np.where(ranks < k, 1 / (ranks + 1), 0))


# 1.4.4


def dcg(gains, k, shift=2, log=np.log2):
    gains = gains[:k]
    return np.sum(gains / log(np.arange(len(gains)) + shift))


def graded_ndcg(gains, k, **kwargs):
    return dcg(gains, k, **kwargs) / dcg(np.sort(gains)[::-1], k, **kwargs)


def ndcg_within_the_list(gains, k):
    ideal = dcg(np.sort(gains[:k])[::-1], k)
    return dcg(gains, k) / ideal if ideal else 0.0


def ndcg_with_exponential_gain(gains, k):
    return graded_ndcg(2.0**gains - 1, k)


def ndcg_with_worst_ideal(gains, k):
    return dcg(gains, k) / max(dcg(np.sort(gains), k), 1)


# 1.4.6


def expected_ndcg(n_items, n_targets, k):
    discounts = 1 / np.log2(np.arange(k) + 2)
    return n_targets / n_items * discounts.sum() / discounts[: min(k, n_targets)].sum()


def expected_ndcg_of_k_ones(n_items, n_targets, k):
    return n_targets / n_items


def expected_ndcg_of_one(n_items, n_targets, k):
    return np.sum(1 / np.log2(np.arange(k) + 2)) / n_items


def expected_dcg(n_items, n_targets, k):
    return n_targets * np.sum(1 / np.log2(np.arange(k) + 2)) / n_items


SOLUTIONS = {
    "1.4.1": (1 / 2 + 2 / 5) / 3,
    "1.4.2": pessimistic_rank,
    "1.4.3": average_precision,
    "1.4.4": graded_ndcg,
    "1.4.5": np.mean(1 / np.arange(1, 1683)),
    "1.4.6": expected_ndcg,
    "1.4.7": lambda rank, n_others, n_sampled, k: hypergeom.cdf(k - 1, n_others, rank, n_sampled),
    "1.4.8": 0.02 / np.sqrt((0.04 - 0.02**2) / 1000),
}

WRONG = {
    "1.4.1": [
        None,
        (1 / 2 + 2 / 5) / 2,
        (1 / 2 + 1 / 5) / 3,
        (1 / 2 + 2 / 5 + 3 / 14) / 3,
        (1 / 3 + 2 / 6) / 3,
        2 / 10,
        (1 / 2 + 2 / 5),
        "0.3",
    ],
    "1.4.2": [
        lambda scores, target, seen: None,
        optimistic_rank,
        rank_against_itself,
        rank_with_padding,
        rank_unfiltered,
        rank_that_counts_seen_twice,
        lambda scores, target, seen: pessimistic_rank(scores, target, seen) + 1,
        lambda scores, target, seen: pessimistic_rank(-scores, target, seen),
    ],
    "1.4.3": [
        lambda ranks, k: None,
        average_precision_of_hits,
        average_precision_at_most_k,
        average_precision_unsorted,
        precision_of_the_last,
        mean_reciprocal,
        lambda ranks, k: average_precision(ranks, k + 1),
        lambda ranks, k: average_precision(ranks, 10**9),
        lambda ranks, k: average_precision(ranks + 1, k),
    ],
    "1.4.4": [
        lambda gains, k: None,
        ndcg_within_the_list,
        ndcg_with_exponential_gain,
        ndcg_with_worst_ideal,
        dcg,
        lambda gains, k: graded_ndcg(gains, len(gains)),
        lambda gains, k: graded_ndcg(gains, k, shift=3),
        lambda gains, k: graded_ndcg(gains > 0, k),
        lambda gains, k: dcg(gains, k) / dcg(np.ones(k), k),
    ],
    "1.4.5": [
        None,
        1 / 1682,
        1 / 841.5,
        np.sum(1 / np.arange(1, 11)) / 1682,
        np.mean(1 / np.arange(2, 1684)),
        np.log(1682) / 1682,
        np.sum(1 / np.arange(1, 1683)),
        "0.005",
    ],
    "1.4.6": [
        lambda n_items, n_targets, k: None,
        expected_ndcg_of_k_ones,
        expected_ndcg_of_one,
        expected_dcg,
        lambda n_items, n_targets, k: k / n_items,
        lambda n_items, n_targets, k: expected_ndcg(n_items + 1, n_targets, k),
    ],
    "1.4.7": [
        lambda rank, n_others, n_sampled, k: None,
        lambda rank, n_others, n_sampled, k: binom.cdf(k - 1, n_sampled, rank / n_others),
        lambda rank, n_others, n_sampled, k: hypergeom.cdf(k, n_others, rank, n_sampled),
        lambda rank, n_others, n_sampled, k: hypergeom.sf(k - 1, n_others, rank, n_sampled),
        lambda rank, n_others, n_sampled, k: hypergeom.cdf(k - 1, n_others + 1, rank + 1, n_sampled),
        lambda rank, n_others, n_sampled, k: hypergeom.pmf(0, n_others, rank, n_sampled),
        lambda rank, n_others, n_sampled, k: float(rank * n_sampled / n_others < k),
    ],
    "1.4.8": [
        None,
        0.02 / np.sqrt((0.15 * 0.85 + 0.13 * 0.87) / 1000),
        0.02 / np.sqrt(0.04 - 0.02**2),
        0.02 / np.sqrt((0.02 - 0.02**2) / 1000),
        1.3,
        0.02,
        "3.2",
    ],
}
