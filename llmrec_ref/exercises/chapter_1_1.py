"""Checkers of chapter I.1, *A recommender in ten minutes*."""

from dataclasses import replace
from itertools import pairwise

import numpy as np

from llmrec_ref import baselines, datasets, splits
from llmrec_ref.evaluate import evaluate
from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number, parts, same


@of_number()
def random_hit_rate(answer):
    """1.1.1: the expected HR@10 of a random order of 1,682 films, as a number."""
    yield 0 < answer < 1, "a hit rate is a share of the users: between 0 and 1"
    yield answer < 0.1, "far too many hits: the target is one film among 1,682, and the list has ten"
    every_place = np.arange(1682)  # a random order puts the target at each of these equally often
    hint = "in how many of the 1,682 places is the target a hit? (Give four significant digits or more)"
    yield near(answer, np.mean(every_place < 10), rtol=1e-4), hint


@of_function
def hit_rate(answer):
    """1.1.2: ``hit_rate(ranks, k)``."""
    yield close(answer(np.array([0, 3, 7, 20]), 5), 0.5), "of the ranks 0, 3, 7, 20 two are in the top 5: 0.5"
    yield close(answer(np.array([0]), 1), 1.0), "rank 0 is the best place, so it is a hit for every k"
    yield close(answer(np.array([10]), 10), 0.0), "rank 10 is the eleventh place: no hit in the top 10"
    for rng in cases():
        n_items, n_users, k = rng.integers(20, 60), rng.integers(1, 40), int(rng.integers(1, 20))
        lists = [rng.permutation(n_items).tolist() for _ in range(n_users)]
        targets = rng.integers(n_items, size=n_users)
        ranks = np.array([items.index(target) for items, target in zip(lists, targets, strict=True)])
        hits = sum(target in items[:k] for items, target in zip(lists, targets, strict=True))
        found = answer(ranks, k)
        hint = f"of {n_users} users {hits} find their target among the first {k}, you say {found}"
        yield close(found, hits / n_users), hint


@of_function
def ndcg(answer):
    """1.1.3: ``ndcg(ranks, k)`` with one target a user."""
    yield close(answer(np.array([0]), 10), 1.0), "a target in the first place (rank 0) is ideal: 1.0"
    yield close(answer(np.array([2]), 10), 0.5), "rank 2 is the third place, worth 1 / log2(4) = 0.5"
    yield close(answer(np.array([10]), 10), 0.0), "rank 10 is outside the top 10 and is worth nothing"
    yield close(answer(np.array([0, 99]), 10), 0.5), "a user without a hit counts as 0 in the mean"
    for rng in cases():
        ranks, k = rng.integers(40, size=rng.integers(1, 30)), int(rng.integers(1, 20))
        discounts = 1 / np.log2(np.arange(2, k + 2))  # of places 1 to k; the ideal hit is in place 1
        gains = np.arange(k) == ranks[:, None]  # (users, k)
        expected = np.mean(gains @ discounts / discounts[0])
        yield close(answer(ranks, k), expected), f"ranks {ranks.tolist()} give {expected:.6f} for k = {k}"


@of_function
def leave_last_out(answer):
    """1.1.4: ``leave_last_out(histories) -> (inputs, targets)``."""
    for rng in cases():
        histories = [rng.integers(1, 50, size=n).tolist() for n in rng.integers(1, 9, size=12)] + [[5, 6, 7]]
        found = parts(answer(histories), 2)
        yield found is not None, "return two things: (inputs, targets)"
        inputs, targets = ([*each] for each in found)
        hint = "the inputs come first, each a list of items; then the targets, one item each"
        yield all(np.ndim(items) == 1 for items in inputs) and np.ndim(targets) == 1, hint
        inputs, eligible = [list(items) for items in inputs], [items for items in histories if len(items) > 2]
        yield len(inputs) == len(targets), "give one target for each input"
        yield len(inputs) >= len(eligible), "a user with exactly three interactions is tested too"
        yield len(inputs) == len(eligible), "users with fewer than three interactions are not tested"
        leaked = any(len(items) == len(whole) for items, whole in zip(inputs, eligible, strict=True))
        yield not leaked, "an input still holds its target: the answer has leaked into the question"
        whole = [items + [target] for items, target in zip(inputs, targets, strict=True)]
        yield whole == eligible, "an input and then its target make a history: the target is the newest item"


@of_function
def markov_scores(answer):
    """1.1.5: ``markov_scores(histories, n_items, last_item)``, array (n_items + 1,)."""
    scores = array(answer([[1, 2, 3]], 4, 2))
    yield scores.shape == (5,), "give one score for each of the n_items items, and one for padding in place 0"
    yield scores[0] == -np.inf, "place 0 is padding: its score is -inf, so that it is never recommended"
    yield close(scores[1:], [0, 0, 1, 0]), "in the history 1, 2, 3 it is 3 that follows 2, once"
    after_end = array(answer([[1, 2], [3, 4]], 4, 2))
    yield close(after_end[1:], [0, 0, 0, 0]), "3 opens another user's history: it does not follow 2"
    for rng in cases():
        n_items = int(rng.integers(2, 7))
        histories = [rng.integers(1, n_items + 1, size=n).tolist() for n in rng.integers(1, 10, size=4)]
        last_item = int(rng.integers(1, n_items + 1))
        pairs = [pair for items in histories for pair in pairwise(items)]
        expected = [pairs.count((last_item, item)) for item in range(1, n_items + 1)]
        hint = f"in {histories} the items 1..{n_items} come right after {last_item} {expected} times"
        yield close(answer(histories, n_items, last_item), [-np.inf, *expected]), hint


def beats_markov(answer):
    """1.1.6: an unfitted recommender with ``fit(split)`` and ``score(queries)``."""
    split = splits.leave_one_out(datasets.load("ml-100k"))
    hidden = replace(split.test, queries=split.test.queries[:0], targets=[])  # nothing to be read off it
    visible = replace(split, validation=hidden, test=hidden)
    hint = "give an object with fit and score, such as MyRecommender(), not its class"
    yield hasattr(answer, "score") and not isinstance(answer, type), hint
    answer.fit(visible)
    queries, n_items = split.validation.queries, split.n_items
    before = [items.copy() for items in queries.histories[:50]]
    scores = array(answer.score(queries[:50]))
    hint = f"for 50 queries score must give an array (50, {n_items + 1}), not {scores.shape}"
    yield scores.shape == (50, n_items + 1), hint
    yield np.all(scores[:, 0] == -np.inf), "column 0 is padding: its score is -inf"
    yield not np.isnan(scores).any(), "there is NaN among the scores"
    yield same(queries.histories[:50], before), "the given histories have changed: work on copies"
    hint = "one query's scores must not depend on the others, nor change from call to call"
    yield close(answer.score(queries[7:8]), scores[7:8], rtol=1e-4), hint
    markov = evaluate(baselines.Markov().fit(visible), split.validation)["NDCG@10"].item()
    reached = evaluate(lambda asked: array(answer.score(asked)), split.validation)["NDCG@10"].item()
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
