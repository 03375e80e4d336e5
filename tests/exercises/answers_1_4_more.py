"""Further wrong answers for the exercises of chapter I.4, and right ones in other styles."""

import math
from fractions import Fraction
from itertools import combinations, permutations

import numpy as np
from scipy.stats import hypergeom, poisson

from answers_1_4 import average_precision, expected_ndcg, graded_ndcg, pessimistic_rank

# 1.4.2


def middle_of_the_ties(scores, target, seen):
    left = np.delete(scores, [0, target, *seen])
    return np.sum(left > scores[target]) + np.sum(left == scores[target]) / 2


def place_in_a_sorted_list(scores, target, seen):
    eligible = [item for item in range(1, len(scores)) if item not in seen]
    return sorted(eligible, key=lambda item: -scores[item]).index(target)


def seen_struck_out_in_place(scores, target, seen):
    scores[[0, *seen]] = -np.inf
    return np.sum(scores[1:] >= scores[target]) - 1 - len(set(seen)) * (scores[target] == -np.inf)


def first_seen_only(scores, target, seen):
    return pessimistic_rank(scores, target, seen[:1])


def distinct_scores(scores, target, seen):
    left = np.unique(np.delete(scores, [0, target, *seen]))
    return np.sum(left >= scores[target])


def rank_by_loop(scores, target, seen):
    rank = 0
    for item, score in enumerate(scores.tolist()):
        if item not in (0, target) and item not in seen and score >= scores[target]:
            rank += 1
    return rank


def place_from_the_end(scores, target, seen):
    left = np.delete(scores, sorted({0, target, *seen}))
    return np.float64(len(left) - np.searchsorted(np.sort(left), scores[target]))


# 1.4.3


def mean_precision_of_all_places(ranks, k):
    return np.mean([np.mean(ranks <= place) for place in range(k)])


def sorts_in_place(ranks, k):
    ranks.sort()
    return average_precision(ranks, k)


def interpolated(ranks, k):
    ranks = np.sort(ranks)
    precisions = np.where(ranks < k, np.arange(1, len(ranks) + 1) / (ranks + 1), 0)
    return np.maximum.accumulate(precisions[::-1]).mean()


def place_by_place(ranks, k):
    hits = np.isin(np.arange(k), ranks)
    return np.sum(hits * np.cumsum(hits) / np.arange(1, k + 1), dtype=np.float32) / len(ranks)


def in_fractions(ranks, k):
    ranks = [int(rank) for rank in ranks]
    found = [Fraction(sum(r <= rank for r in ranks), rank + 1) for rank in ranks if rank < k]
    return sum(found) / len(ranks)


# 1.4.4


def sorts_gains_in_place(gains, k):
    value = graded_ndcg(gains, k)
    gains.sort()
    return value


def fails_on_a_short_list(gains, k):
    discounts = 1 / np.log2(np.arange(k) + 2)
    return gains[:k] @ discounts / (np.sort(gains)[::-1][:k] @ discounts)


def with_another_logarithm(gains, k):
    gains, best = list(gains), sorted(gains, reverse=True)
    value = sum(gain / math.log(place + 2) for place, gain in enumerate(gains) if place < k)
    return value / sum(gain / math.log(place + 2) for place, gain in enumerate(best[:k]))


def of_all_orders(gains, k):
    values = [sum(g / np.log2(i + 2) for i, g in enumerate(order[:k])) for order in permutations(gains)]
    return values[0] / max(values)


# 1.4.6 and 1.4.7


def ndcg_by_choice(n_items, n_targets, k):
    discounts = [1 / math.log2(place + 2) if place < k else 0 for place in range(n_items)]
    total = sum(sum(choice) for choice in combinations(discounts, n_targets))
    return total / math.comb(n_items, n_targets) / sum(discounts[:n_targets])


def ndcg_by_loop(n_items, n_targets, k):
    found, ideal = 0.0, 0.0
    for place in range(1, k + 1):
        found += n_targets / n_items / np.log2(place + 1)
        if place <= n_targets:
            ideal += 1 / np.log2(place + 1)
    return np.array(found / ideal)


def rounds_down(n_items, n_targets, k):
    return expected_ndcg(n_items, 1, k) * (n_targets // 1) * (n_items // n_targets) / n_items * n_targets


def in_order(rank, n_others, n_sampled, k):
    return float(min(rank, n_sampled) < k)


def in_combinations(rank, n_others, n_sampled, k):
    ways = [
        math.comb(rank, n) * math.comb(n_others - rank, n_sampled - n) for n in range(min(k, n_sampled + 1))
    ]
    return Fraction(sum(ways), math.comb(n_others, n_sampled))


def draw_by_draw(rank, n_others, n_sampled, k):
    if k <= 0:
        return 0.0
    if n_sampled == 0:
        return 1.0
    above = rank / n_others
    hit = above * draw_by_draw(rank - 1, n_others - 1, n_sampled - 1, k - 1) if rank else 0.0
    return hit + (1 - above) * (
        draw_by_draw(rank, n_others - 1, n_sampled - 1, k) if rank < n_others else 0.0
    )


H = np.sum(1 / np.arange(1, 1683))

WRONG = {
    "1.4.1": [(1 / 2 + 2 / 5) / 10, (1 / 2 + 1 / 5 + 1 / 14) / 3, 2 / 3, 0.31, [0.3], 1 / 2, (1 / 2 + 1) / 3],
    "1.4.2": [
        middle_of_the_ties,
        place_in_a_sorted_list,
        seen_struck_out_in_place,
        first_seen_only,
        distinct_scores,
        lambda scores, target, seen: pessimistic_rank(np.trunc(scores), target, seen),
        lambda scores, target, seen: pessimistic_rank(np.abs(scores), target, seen),
        lambda scores, target, seen: np.array([pessimistic_rank(scores, target, seen)]),
        lambda scores, target, seen: pessimistic_rank(scores, target, seen) / len(scores),
    ],
    "1.4.3": [
        mean_precision_of_all_places,
        sorts_in_place,
        interpolated,
        lambda ranks, k: average_precision(ranks, k, n=k),
        lambda ranks, k: average_precision(np.sort(ranks)[:1], k),
        lambda ranks, k: np.mean(ranks < k),
        lambda ranks, k: round(average_precision(ranks, k), 2),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.log2(ranks + 2), 0)),
    ],
    "1.4.4": [
        sorts_gains_in_place,
        lambda gains, k: graded_ndcg(gains.astype(int) + 1e-12, k),
        lambda gains, k: graded_ndcg(gains**2, k),
        lambda gains, k: graded_ndcg(gains, k + 1),
        lambda gains, k: graded_ndcg(gains, 3),
        lambda gains, k: graded_ndcg(gains[::-1], k),
        lambda gains, k: graded_ndcg(gains, k).astype(np.float16),
    ],
    "1.4.5": [
        np.mean(1 / np.arange(1, 1682)),
        H / 1683,
        2 / 1683,
        1 / H,
        0.005,
        np.log(1683) / 1682,
        np.mean(1 / np.log2(np.arange(1682) + 2)),
    ],
    "1.4.6": [
        rounds_down,
        lambda n_items, n_targets, k: expected_ndcg(n_items, n_targets, max(1, k - 1)),
        lambda n_items, n_targets, k: expected_ndcg(n_items, k, n_targets),
        lambda n_items, n_targets, k: 1 - (1 - n_targets / n_items) ** k,
        lambda n_items, n_targets, k: expected_ndcg(n_items, n_targets, k).round(2),
        lambda n_items, n_targets, k: expected_ndcg(n_items, n_targets, n_items),
        lambda n_items, n_targets, k: hypergeom.sf(0, n_items, n_targets, k),
    ],
    "1.4.7": [
        in_order,
        lambda rank, n_others, n_sampled, k: hypergeom.cdf(k - 1, n_others, max(0, rank - 1), n_sampled),
        lambda rank, n_others, n_sampled, k: poisson.cdf(k - 1, rank * n_sampled / max(1, n_others)),
        lambda rank, n_others, n_sampled, k: hypergeom.pmf(k - 1, n_others, rank, n_sampled),
        lambda rank, n_others, n_sampled, k: hypergeom.cdf(k - 1, n_others, rank, max(0, n_sampled - 1)),
        lambda rank, n_others, n_sampled, k: min(1.0, k / (rank + 1)),
        lambda rank, n_others, n_sampled, k: round(hypergeom.cdf(k - 1, n_others, rank, n_sampled), 2),
    ],
    "1.4.8": [
        -20 / np.sqrt(39.6),
        0.02 / np.sqrt((0.15 * 0.85 - 0.13 * 0.87) / 1000),
        0.02 / np.sqrt(0.04) / np.sqrt(1000),
        2 * 20 / np.sqrt(39.6),
        0.02 / 0.0396,
        (30 - 10) / 40,
        [3.178],
    ],
}

RAISES = {"1.4.4": [fails_on_a_short_list]}

RIGHT = {
    "1.4.1": [Fraction(3, 10), np.array(0.3), np.float32(0.3), sum([1 / 2, 2 / 5, 0]) / 3],
    "1.4.2": [rank_by_loop, place_from_the_end],
    "1.4.3": [place_by_place, in_fractions],
    "1.4.4": [with_another_logarithm, of_all_orders],
    "1.4.5": [
        sum(Fraction(1, place) for place in range(1, 1683)) / 1682,
        (math.log(1682) + np.euler_gamma) / 1682,
        np.array(H / 1682, dtype=np.float32),
        0.004759,
    ],
    "1.4.6": [ndcg_by_choice, ndcg_by_loop],
    "1.4.7": [
        in_combinations,
        draw_by_draw,
        lambda rank, n_others, n_sampled, k: 1 - hypergeom.sf(k - 1, n_others, n_sampled, rank),
    ],
    "1.4.8": [
        (30 - 10) / math.sqrt(30 + 10),  # the sign test's, which takes the mean for 0
        (30 - 10) / math.sqrt(40 - 20**2 / 1000),
        np.float32(3.178),
        3.18,
    ],
}
