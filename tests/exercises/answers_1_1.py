"""Solutions and plausible wrong answers for the exercises of chapter I.1."""

import numpy as np

from llmrec_ref.baselines import Markov, Popularity

# 1.1.2 and 1.1.3


def hit_rate(ranks, k):
    return np.mean(ranks < k)


def ndcg(ranks, k):
    return np.mean(np.where(ranks < k, 1 / np.log2(ranks + 2), 0))


def ndcg_of_hits_only(ranks, k):
    hits = ranks[ranks < k]
    return np.mean(1 / np.log2(hits + 2)) if len(hits) else 0.0


def ndcg_with_full_ideal(ranks, k):
    return ndcg(ranks, k) / np.sum(1 / np.log2(np.arange(2, k + 2)))


# 1.1.4


def leave_last_out(histories):
    tested = [items for items in histories if len(items) >= 3]
    return [items[:-1] for items in tested], [items[-1] for items in tested]


def leave_first_out(histories):
    tested = [items for items in histories if len(items) >= 3]
    return [items[1:] for items in tested], [items[0] for items in tested]


def leave_last_out_by_pop(histories):
    tested = [items for items in histories if len(items) >= 3]
    targets = [items.pop() for items in tested]
    return tested, targets


def leave_last_out_of_pairs(histories):
    tested = [items for items in histories if len(items) >= 2]
    return [items[:-1] for items in tested], [items[-1] for items in tested]


def leave_last_out_from_four(histories):
    tested = [items for items in histories if len(items) > 3]
    return [items[:-1] for items in tested], [items[-1] for items in tested]


def leave_last_in(histories):
    tested = [items for items in histories if len(items) >= 3]
    return tested, [items[-1] for items in tested]


# 1.1.5


def markov_scores(histories, n_items, last_item, gap=1, reverse=False):
    scores = np.zeros(n_items + 1)
    for items in histories:
        items = items[::-1] if reverse else items
        for before, after in zip(items, items[gap:], strict=False):
            scores[after] += before == last_item
    scores[0] = -np.inf
    return scores


def markov_without_padding(histories, n_items, last_item):
    return markov_scores(histories, n_items, last_item)[1:]


def markov_with_padding_counted(histories, n_items, last_item):
    return np.maximum(markov_scores(histories, n_items, last_item), 0)


def markov_across_users(histories, n_items, last_item):
    return markov_scores([sum(histories, [])], n_items, last_item)


def markov_off_by_one(histories, n_items, last_item):
    return np.roll(markov_scores(histories, n_items, last_item), 1)


def markov_once_a_user(histories, n_items, last_item):
    each = [markov_scores([items], n_items, last_item) > 0 for items in histories]
    return np.append(-np.inf, np.sum(each, axis=0)[1:])


# 1.1.6


class DecayedMarkov:
    """The solution: Markov counts of the newest items, each step back worth a fifth less, and popularity."""

    def fit(self, split):
        self.counts = np.zeros((split.n_items + 1, split.n_items + 1))
        for items in split.train.queries.histories:
            np.add.at(self.counts, (items[:-1], items[1:]), 1)
        self.popularity = self.counts.sum(axis=0)
        return self

    def score(self, queries):
        newest = [items[::-1][:5] for items in queries.histories]
        scores = np.stack([0.8 ** np.arange(len(items)) @ self.counts[items] for items in newest])
        scores += 0.5 * self.popularity / self.popularity.max()
        scores[:, 0] = -np.inf
        return scores.astype(np.float32)


class OldestFirst(DecayedMarkov):
    def score(self, queries):
        newest_last = [items[::-1] for items in queries.histories]
        return super().score(type(queries)(newest_last, queries.users))


class WrongSign(DecayedMarkov):
    def score(self, queries):
        scores = -super().score(queries)
        scores[:, 0] = -np.inf
        return scores


class PaddingCounted(DecayedMarkov):
    def score(self, queries):
        return np.maximum(super().score(queries), 0)


class OffByOne(DecayedMarkov):
    def score(self, queries):
        return super().score(queries)[:, 1:]


class SeesTheBatch(DecayedMarkov):
    def score(self, queries):
        scores = super().score(queries)
        scores[:, 1:] -= scores[:, 1:].mean(axis=0)
        return scores


class TargetLeaked(Popularity):
    """Looks the targets up in the split; without them it is Popularity."""

    def fit(self, split):
        hidden = split.validation
        self.leak = dict(zip(hidden.queries.users, hidden.targets, strict=True))
        return super().fit(split)

    def score(self, queries):
        scores = super().score(queries).copy()
        for row, user in enumerate(queries.users):
            scores[row, self.leak.get(user, [])] = 1e9
        return scores


SOLUTIONS = {
    "1.1.1": 10 / 1682,
    "1.1.2": hit_rate,
    "1.1.3": ndcg,
    "1.1.4": leave_last_out,
    "1.1.5": markov_scores,
    "1.1.6": DecayedMarkov,
}

WRONG = {
    "1.1.1": [
        1 / 1682,
        10 / 943,
        10 / 1683,
        9 / 1682,
        0.5,
        10 / 1682 * 100,
        -10 / 1682,
        float("nan"),
        "10 / 1682",
    ],
    "1.1.2": [
        lambda ranks, k: np.mean(ranks <= k),
        lambda ranks, k: np.mean(ranks < k - 1),
        lambda ranks, k: np.sum(ranks < k),
        lambda ranks, k: np.mean(ranks < k) / k,
        lambda ranks, k: np.mean(ranks >= k),
        lambda ranks, k: ranks < k,
        lambda ranks, k: 0.5,
    ],
    "1.1.3": [
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.log2(ranks + 3), 0)),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / np.log(ranks + 2), 0)),
        lambda ranks, k: np.mean(1 / np.log2(ranks + 2)),
        lambda ranks, k: np.mean(np.where(ranks <= k, 1 / np.log2(ranks + 2), 0)),
        lambda ranks, k: np.mean(np.where(ranks < k, 1 / (ranks + 1), 0)),
        lambda ranks, k: np.sum(np.where(ranks < k, 1 / np.log2(ranks + 2), 0)),
        ndcg_of_hits_only,
        ndcg_with_full_ideal,
        hit_rate,
    ],
    "1.1.4": [
        leave_first_out,
        leave_last_out_by_pop,
        leave_last_out_of_pairs,
        leave_last_out_from_four,
        leave_last_in,
        lambda histories: (histories, []),
    ],
    "1.1.5": [
        lambda *given: markov_scores(*given, reverse=True),
        lambda *given: markov_scores(*given, gap=2),
        lambda *given: -markov_scores(*given),
        lambda *given: markov_scores(*given) / max(1, markov_scores(*given)[1:].sum()),
        markov_without_padding,
        markov_with_padding_counted,
        markov_across_users,
        markov_off_by_one,
        markov_once_a_user,
    ],
    "1.1.6": [
        Popularity,
        Markov,
        OldestFirst,
        WrongSign,
        PaddingCounted,
        OffByOne,
        SeesTheBatch,
        TargetLeaked,
    ],
}
