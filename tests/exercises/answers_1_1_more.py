"""Further wrong answers for the exercises of chapter I.1, and right ones in other styles."""

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np

from answers_1_1 import DecayedMarkov, hit_rate, leave_last_out, markov_scores, ndcg

# 1.1.2 and 1.1.3


def hit_rate_sorted_in_place(ranks, k):
    ranks.sort()
    return np.mean(ranks < k)


def ndcg_by_clipping_in_place(ranks, k):
    value = ndcg(ranks, k)
    ranks[ranks >= k] = k
    return value


def ndcg_by_loop(ranks, k):
    total = 0
    for rank in ranks:
        if rank < k:
            total += 1 / math.log2(rank + 2)
    return total / len(ranks)


# 1.1.4


def tested(histories, shortest=3):
    return [items for items in histories if len(items) >= shortest]


def every_prefix(histories):
    cuts = [(items, n) for items in tested(histories) for n in range(2, len(items))]
    return [items[:n] for items, n in cuts], [items[n] for items, n in cuts]


def without_repeats(histories):
    return leave_last_out([list(dict.fromkeys(items)) for items in histories])


def of_three_distinct(histories):
    return leave_last_out([items for items in histories if len(set(items)) >= 3])


def targets_of_all(histories):
    return leave_last_out(histories)[0], [items[-1] for items in histories]


def two_left_out(histories):
    return [items[:-2] for items in tested(histories)], [items[-2] for items in tested(histories)]


def by_zip(histories):
    return zip(*[(tuple(items[:-1]), items[-1]) for items in histories if len(items) > 2], strict=True)


def by_loop(histories):
    inputs, targets = [], []
    for items in histories:
        if len(items) > 2:
            *before, newest = items
            inputs.append(np.array(before))
            targets.append(newest)
    return [inputs, np.array(targets)]


# 1.1.5


def not_of_itself(histories, n_items, last_item):
    scores = markov_scores(histories, n_items, last_item)
    scores[last_item] = 0
    return scores


def any_later(histories, n_items, last_item):
    return np.sum([markov_scores(histories, n_items, last_item, gap) for gap in range(1, 10)], axis=0)


def first_pair_of_each(histories, n_items, last_item):
    return markov_scores([items[:2] for items in histories], n_items, last_item)


def backed_off(histories, n_items, last_item):
    popularity = np.bincount(sum(histories, []), minlength=n_items + 1)
    return markov_scores(histories, n_items, last_item) + 0.001 * popularity


def both_directions(histories, n_items, last_item):
    forward = markov_scores(histories, n_items, last_item)
    return forward + markov_scores(histories, n_items, last_item, reverse=True)


def large_number_for_padding(histories, n_items, last_item):
    return np.maximum(markov_scores(histories, n_items, last_item), -1e9)


def sorted_first(histories, n_items, last_item):
    return markov_scores([sorted(items) for items in histories], n_items, last_item)


def by_counter(histories, n_items, last_item):
    counts = Counter(after for items in histories for before, after in pairwise(items) if before == last_item)
    return [-math.inf, *(counts[item] for item in range(1, n_items + 1))]


def by_bincount(histories, n_items, last_item):
    after = [pair[1] for items in histories for pair in pairwise(items) if pair[0] == last_item]
    scores = np.bincount(np.array(after, int), minlength=n_items + 1).astype(np.float32)
    scores[0] = -np.inf
    return scores


# 1.1.6


class Transposed(DecayedMarkov):
    def score(self, queries):
        return super().score(queries).T


class Noisy(DecayedMarkov):
    rng = np.random.default_rng(0)

    def score(self, queries):
        scores = super().score(queries)
        return scores + self.rng.random(scores.shape).astype(np.float32)


class NotANumber(DecayedMarkov):
    def score(self, queries):
        scores = super().score(queries)
        scores[:, 7] = np.nan
        return scores


class SortsTheHistories(DecayedMarkov):
    def score(self, queries):
        scores = super().score(queries)
        for items in queries.histories:
            items.sort()
        return scores


class OlderCountsMore(DecayedMarkov):
    def score(self, queries):
        scores = np.stack([2.0 ** -np.arange(len(items)) @ self.counts[items] for items in queries.histories])
        scores[:, 0] = -np.inf
        return scores


class PopularOnly(DecayedMarkov):
    def score(self, queries):
        scores = np.tile(self.popularity, (len(queries), 1))
        scores[:, 0] = -np.inf
        return scores


class InLists(DecayedMarkov):
    """Fitted by a loop, without a return value; the scores are lists."""

    def fit(self, split):
        self.counts = np.zeros((split.n_items + 1, split.n_items + 1))
        for items in split.train.queries.histories:
            for before, after in pairwise(items):
                self.counts[before, after] += 1
        self.popularity = self.counts.sum(axis=0)

    def score(self, queries):
        return super().score(queries).tolist()


class WiderWindow(DecayedMarkov):
    """Counts what came one to three films later, in double precision."""

    def fit(self, split):
        super().fit(split)
        for items in split.train.queries.histories:
            for gap in (2, 3):
                np.add.at(self.counts, (items[:-gap], items[gap:]), 1 / gap)

    def score(self, queries):
        return super().score(queries).astype(float)


WRONG = {
    "1.1.1": [10 / 1681, 11 / 1682, 1682 / 10, 0.006, 1 - (1 - 1 / 1682) ** 10, [10 / 1682], 10 / 1682 / 2],
    "1.1.2": [
        lambda ranks, k: round(np.mean(ranks < k), 2),
        lambda ranks, k: np.mean(ranks[:k] < k),
        lambda ranks, k: np.mean(np.unique(ranks) < k),
        lambda ranks, k: 100 * np.mean(ranks < k),
        lambda ranks, k: np.mean(ranks < 5),
        lambda ranks, k: np.mean(ranks < k, dtype=np.float16),
        lambda ranks, k: str(np.mean(ranks < k)),
        hit_rate_sorted_in_place,
    ],
    "1.1.3": [
        lambda ranks, k: round(ndcg(ranks, k), 3),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.log2(k + 1), 0)),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.maximum(1, np.log2(ranks + 1)), 0)),
        lambda ranks, k: np.median(np.where(ranks < k, 1 / np.log2(ranks + 2), 0)),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.log10(ranks + 2), 0)),
        lambda ranks, k: ndcg(np.unique(ranks), k),
        ndcg_by_clipping_in_place,
    ],
    "1.1.4": [
        lambda histories: leave_last_out(histories)[::-1],
        lambda histories: leave_last_out([sorted(items) for items in histories]),
        lambda histories: (leave_last_out(histories)[0], [[item] for item in leave_last_out(histories)[1]]),
        lambda histories: tuple(each[::-1] for each in leave_last_out(histories)),
        lambda histories: leave_last_out(histories)[0],
        every_prefix,
        without_repeats,
        of_three_distinct,
        targets_of_all,
        two_left_out,
    ],
    "1.1.5": [
        not_of_itself,
        any_later,
        first_pair_of_each,
        backed_off,
        both_directions,
        large_number_for_padding,
        sorted_first,
    ],
    "1.1.6": [
        Transposed,
        Noisy,
        NotANumber,
        SortsTheHistories,
        OlderCountsMore,
        PopularOnly,
        lambda: None,
    ],
}

RIGHT = {
    "1.1.1": [Fraction(10, 1682), np.array(10 / 1682), np.float32(10 / 1682), 0.005945],
    "1.1.2": [
        lambda ranks, k: sum(1 for rank in ranks if rank < k) / len(ranks),
        lambda ranks, k: Fraction(int((ranks < k).sum()), len(ranks)),
        lambda ranks, k: np.searchsorted(np.sort(ranks), k) / ranks.size,
        lambda ranks, k: np.array(hit_rate(ranks, k), dtype=np.float32),
    ],
    "1.1.3": [
        ndcg_by_loop,
        lambda ranks, k: (ranks < k) @ (1 / np.log2(ranks + 2.0)) / len(ranks),
        lambda ranks, k: np.mean([np.log(2) / np.log(rank + 2) if rank < k else 0 for rank in ranks]),
    ],
    "1.1.4": [by_zip, by_loop],
    "1.1.5": [by_counter, by_bincount],
    "1.1.6": [InLists, WiderWindow],
}
