"""Checkers of chapter I.1, *A recommender in ten minutes*."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from numbers import Real

import numpy as np

from llmrec_ref import baselines, datasets, splits
from llmrec_ref.evaluate import evaluate


def close(value, expected, rtol=1e-5):
    """Return whether ``value`` is numeric, of the shape of ``expected`` and equal to it within ``rtol``."""
    try:
        value = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return False
    return value.shape == np.shape(expected) and np.allclose(value, expected, rtol=rtol, atol=1e-9)


def random_hit_rate(answer):
    """1.1.1: the expected HR@10 of a random order of 1,682 films, as a number."""
    yield isinstance(answer, Real), "give one number, such as 0.25 or 1 / 4"
    yield 0 < answer < 1, "a hit rate is a share of the users: between 0 and 1"
    yield answer < 0.1, "far too many hits: the target is one film among 1,682, and the list has ten"
    every_place = np.arange(1682)  # a random order puts the target at each of these equally often
    hint = "in how many of the 1,682 places is the target a hit? (Give four significant digits or more)"
    yield close(answer, np.mean(every_place < 10), rtol=1e-4), hint


def hit_rate(answer):
    """1.1.2: ``hit_rate(ranks, k)``."""
    yield close(answer(np.array([0, 3, 7, 20]), 5), 0.5), "of the ranks 0, 3, 7, 20 two are in the top 5: 0.5"
    yield close(answer(np.array([0]), 1), 1.0), "rank 0 is the best place, so it is a hit for every k"
    yield close(answer(np.array([10]), 10), 0.0), "rank 10 is the eleventh place: no hit in the top 10"
    for rng in np.random.default_rng(0).spawn(20):
        n_items, n_users, k = rng.integers(20, 60), rng.integers(1, 40), int(rng.integers(1, 20))
        lists = [rng.permutation(n_items).tolist() for _ in range(n_users)]
        targets = rng.integers(n_items, size=n_users)
        ranks = np.array([items.index(target) for items, target in zip(lists, targets, strict=True)])
        hits = sum(target in items[:k] for items, target in zip(lists, targets, strict=True))
        hint = f"of {n_users} users {hits} find their target among the first {k}, you say {answer(ranks, k)}"
        yield close(answer(ranks, k), hits / n_users), hint


def ndcg(answer):
    """1.1.3: ``ndcg(ranks, k)`` with one target a user."""
    yield close(answer(np.array([0]), 10), 1.0), "a target in the first place (rank 0) is ideal: 1.0"
    yield close(answer(np.array([2]), 10), 0.5), "rank 2 is the third place, worth 1 / log2(4) = 0.5"
    yield close(answer(np.array([10]), 10), 0.0), "rank 10 is outside the top 10 and is worth nothing"
    yield close(answer(np.array([0, 99]), 10), 0.5), "a user without a hit counts as 0 in the mean"
    for rng in np.random.default_rng(0).spawn(20):
        ranks, k = rng.integers(40, size=rng.integers(1, 30)), int(rng.integers(1, 20))
        discounts = 1 / np.log2(np.arange(2, k + 2))  # of places 1 to k; the ideal hit is in place 1
        gains = np.arange(k) == ranks[:, None]  # (users, k)
        expected = np.mean(gains @ discounts / discounts[0])
        yield close(answer(ranks, k), expected), f"ranks {ranks.tolist()} give {expected:.6f} for k = {k}"


def leave_last_out(answer):
    """1.1.4: ``leave_last_out(histories) -> (inputs, targets)``."""
    for rng in np.random.default_rng(0).spawn(20):
        histories = [rng.integers(1, 50, size=n).tolist() for n in rng.integers(1, 9, size=12)] + [[5, 6, 7]]
        given = deepcopy(histories)
        inputs, targets = answer(given)
        yield given == histories, "the given histories have changed: copy, do not pop"
        inputs, eligible = [list(items) for items in inputs], [items for items in histories if len(items) > 2]
        yield len(inputs) == len(targets), "give one target for each input"
        yield len(inputs) >= len(eligible), "a user with exactly three interactions is tested too"
        yield len(inputs) == len(eligible), "users with fewer than three interactions are not tested"
        leaked = any(len(items) == len(whole) for items, whole in zip(inputs, eligible, strict=True))
        yield not leaked, "an input still holds its target: the answer has leaked into the question"
        whole = [items + [target] for items, target in zip(inputs, targets, strict=True)]
        yield whole == eligible, "an input and then its target make a history: the target is the newest item"


def markov_scores(answer):
    """1.1.5: ``markov_scores(histories, n_items, last_item)``, an array (n_items + 1,)."""
    scores = np.asarray(answer([[1, 2, 3]], 4, 2), dtype=float)
    yield scores.shape == (5,), "give one score for each of the n_items items, and one for padding in place 0"
    yield scores[0] == -np.inf, "place 0 is padding: its score is -inf, so that it is never recommended"
    yield close(scores[1:], [0, 0, 1, 0]), "in the history 1, 2, 3 it is 3 that follows 2, once"
    after_end = answer([[1, 2], [3, 4]], 4, 2)
    yield close(after_end[1:], [0, 0, 0, 0]), "3 opens another user's history: it does not follow 2"
    for rng in np.random.default_rng(0).spawn(20):
        n_items = int(rng.integers(2, 7))
        histories = [rng.integers(1, n_items + 1, size=n).tolist() for n in rng.integers(1, 10, size=4)]
        last_item = int(rng.integers(1, n_items + 1))
        pairs = [pair for items in histories for pair in pairwise(items)]
        expected = [pairs.count((last_item, item)) for item in range(1, n_items + 1)]
        hint = f"in {histories} the items 1..{n_items} come right after {last_item} {expected} times"
        yield close(answer(deepcopy(histories), n_items, last_item)[1:], expected), hint


def beats_markov(answer):
    """1.1.6: an unfitted recommender with ``fit(split)`` and ``score(queries)``."""
    split = splits.leave_one_out(datasets.load("ml-100k"))
    hidden = replace(split.test, queries=split.test.queries[:0], targets=[])  # nothing to be read off it
    visible = replace(split, validation=hidden, test=hidden)
    answer.fit(visible)
    queries, n_items = split.validation.queries, split.n_items
    scores = answer.score(queries[:50])
    hint = f"for 50 queries score must give an array (50, {n_items + 1}), not {np.shape(scores)}"
    yield np.shape(scores) == (50, n_items + 1), hint
    yield np.all(scores[:, 0] == -np.inf), "column 0 is padding: its score is -inf"
    alone = answer.score(queries[7:8])
    yield np.allclose(alone[0], scores[7], rtol=1e-4), "one query's scores must not depend on the others"
    markov = evaluate(baselines.Markov().fit(visible), split.validation)["NDCG@10"].item()
    reached = evaluate(answer, split.validation)["NDCG@10"].item()
    hint = f"NDCG@10 is {reached:.4f} on validation, Markov's {markov:.4f}; reach 1.1 times that"
    yield reached >= 1.1 * markov, hint


CHECKERS = {
    "1.1.1": random_hit_rate,
    "1.1.2": hit_rate,
    "1.1.3": ndcg,
    "1.1.4": leave_last_out,
    "1.1.5": markov_scores,
    "1.1.6": beats_markov,
}
