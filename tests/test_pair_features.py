"""Features of pairs, beside slow loops over events; and re-ranking."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from llmrec_ref.baselines import Rerank, behaviour, closeness, same_words
from llmrec_ref.datasets import load
from llmrec_ref.evaluate import evaluate, rank_targets
from llmrec_ref.splits import LabelledPairs, Part, Queries

DAY, N = 86_400, 12
WORDS = {"kind": [None, *"aabbbcc", None, None, *"dea"], "shop": [None] + ["x"] * 6 + ["y"] * 6}
CODES = pd.DataFrame(WORDS, dtype=object)


def case(seed):
    """A small shop: its table, item numbers, and pairs about three moments."""
    rng = np.random.default_rng(seed)
    n = 200
    table = pd.DataFrame(
        dict(
            user_id=rng.integers(1, 7, n),
            item_id=rng.integers(101, 101 + N, n),
            timestamp=np.sort(rng.integers(0, 90 * DAY, n)),
        )
    )
    dataset = load(table, repeats=True)
    item_ids = np.array([None, *rng.permutation(np.arange(101, 101 + N))], dtype=object)
    number = {item: i for i, item in enumerate(item_ids)}
    histories, users, times = [], [], []
    for time in (50 * DAY, 60 * DAY, 85 * DAY):
        for user in range(1, 7):
            before = table[(table.user_id == user) & (table.timestamp < time)]
            histories.append(np.array([number[item] for item in before.item_id], dtype=np.int64))
            users.append(user), times.append(time)
    rows = rng.integers(0, len(users), 60)
    queries = Queries(histories, np.array(users), np.array(times))
    labels = rng.integers(0, 2, 60).astype(np.float32)
    return dataset, item_ids, LabelledPairs(queries, rows, rng.integers(1, N + 1, 60), labels)


@pytest.mark.parametrize("seed", range(5))
def test_behaviour_is_counted(seed):
    dataset, item_ids, pairs = case(seed)
    found, table = behaviour(pairs, dataset, item_ids, days=28), dataset.interactions
    for n, (row, item) in enumerate(zip(pairs.rows, pairs.items, strict=True)):
        history, time = pairs.queries.histories[row].tolist(), pairs.queries.times[row]
        recent = table[(table.timestamp >= time - 28 * DAY) & (table.timestamp < time)]
        age = history[::-1].index(item) if item in history else len(history)
        expected = [history.count(item), age, (recent.item_id == item_ids[item]).sum()]
        signs = np.array([1, -1, 1])
        np.testing.assert_allclose(found.iloc[n], signs * np.log1p(expected))
    assert list(found) == ["frequency", "recency", "popularity"]


def test_the_future_changes_nothing():
    dataset, item_ids, pairs = case(0)
    later = dataset.interactions["timestamp"] >= 50 * DAY
    now = pairs[pairs.queries.times[pairs.rows] == 50 * DAY]
    before = replace(dataset, interactions=dataset.interactions[~later])
    pd.testing.assert_frame_equal(behaviour(now, dataset, item_ids), behaviour(now, before, item_ids))


@pytest.mark.parametrize("seed", range(5))
def test_words_are_counted(seed):
    _, _, pairs = case(seed)
    found = same_words(pairs, CODES)
    for n, (row, item) in enumerate(zip(pairs.rows, pairs.items, strict=True)):
        for name in CODES:
            word = CODES[name][item]
            had = [CODES[name][other] for other in pairs.queries.histories[row]]
            assert found[name][n] == pytest.approx(np.log1p(0 if word is None else had.count(word)))


@pytest.mark.parametrize("seed", range(5))
def test_closeness_is_the_formula(seed):
    _, _, pairs = case(seed)
    z = np.random.default_rng(seed).normal(size=(N + 1, 4)).astype(np.float32)
    z[0], z[3] = 0, 0  # a product of zeros is close to nothing
    found = closeness(pairs, z)
    unit = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    for n, (row, item) in enumerate(zip(pairs.rows, pairs.items, strict=True)):
        others = set(pairs.queries.histories[row].tolist()) - {item}
        cosine = [float(unit[item] @ unit[other]) for other in others] or [0.0]
        np.testing.assert_allclose(found.iloc[n], [max(cosine), np.mean(cosine)], atol=1e-6)


def test_closeness_without_another_item_is_zero():
    queries = Queries([np.array([2, 2])], np.array([0]), np.array([1]))
    pairs = LabelledPairs(queries, np.array([0, 0]), np.array([2, 1]), np.array([1.0, 0.0], np.float32))
    found = closeness(pairs, np.array([[0, 0], [1, 0], [0, 2.0]]))
    np.testing.assert_array_equal(found, [[0, 0], [0, 0]])


def test_closeness_refuses_other_tables():
    _, _, pairs = case(0)
    with pytest.raises(ValueError, match="rows"):
        closeness(pairs, np.ones((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        closeness(pairs, np.full((N + 1, 2), np.nan))


# Re-ranking

SCORES = arrays(np.float32, (4, N + 1), elements=st.integers(-5, 5).map(np.float32))


class Fixed:
    """Scores as given, a row a query."""

    def __init__(self, scores):
        self.scores = scores.astype(np.float32)
        self.scores[:, 0] = -np.inf

    def score(self, queries):
        return self.scores[queries.users]


class Candidates(Fixed):
    """Answers about candidates alone."""

    def score_candidates(self, queries, candidates):
        self.asked = candidates
        return np.take_along_axis(self.scores[queries.users], candidates, axis=1)

    def score(self, queries):
        raise AssertionError("all items were asked for")


def queries(histories=None):
    return Queries(histories or [np.array([1])] * 4, np.arange(4))


@given(SCORES, SCORES, st.integers(1, N), st.booleans())
def test_reranking_orders_the_first_k_and_leaves_the_rest_below(first, second, k, alone):
    first, second = Fixed(first), (Candidates if alone else Fixed)(second)
    found = Rerank(first, second, k).score(queries())
    assert found.dtype == np.float32 and (found[:, 0] == -np.inf).all()
    for row in range(4):
        one, two, new = first.scores[row, 1:], second.scores[row, 1:], found[row, 1:]
        top = np.argsort(-one, kind="stable")[:k]
        rest = np.setdiff1d(np.arange(N), top)
        np.testing.assert_array_equal(np.sort(np.argsort(-new, kind="stable")[:k]), np.sort(top))
        assert not len(rest) or new[top].min() > new[rest].max()
        for places, by in ((top, two), (rest, one)):  # the same order, ties too
            order = np.sign(by[places][:, None] - by[places])
            np.testing.assert_array_equal(np.sign(new[places][:, None] - new[places]), order)


def test_recall_at_k_is_the_first_ones():
    rng = np.random.default_rng(0)
    first, second = Fixed(rng.normal(size=(4, N + 1))), Fixed(rng.normal(size=(4, N + 1)))
    part = Part(queries(), [np.array([item]) for item in (3, 5, 7, 9)], n_items=N)
    for k in (1, 4, N):
        one, both = (evaluate(m, part, ks=(k,), filter_seen=False) for m in (first, Rerank(first, second, k)))
        assert one[f"Recall@{k}"].item() == both[f"Recall@{k}"].item()
    np.testing.assert_array_equal(
        rank_targets(Rerank(first, second, N), part)[0], rank_targets(second, part)[0]
    )


def test_seen_items_are_no_candidates_if_asked():
    rng = np.random.default_rng(1)
    histories = [np.array([1, 2, 3]), np.array([4, 4]), np.array([5, 6, 7, 8]), np.array([12])]
    first, second = Fixed(rng.normal(size=(4, N + 1))), Candidates(rng.normal(size=(4, N + 1)))
    found = Rerank(first, second, 5, filter_seen=True).score(queries(histories))
    for row, history in enumerate(histories):
        assert not np.isin(second.asked[row], history).any()
        others = np.setdiff1d(np.arange(1, N + 1), history)
        assert found[row, history].max() < found[row, others].min()


def test_too_many_candidates_are_refused():
    first = Fixed(np.zeros((4, N + 1)))
    with pytest.raises(ValueError, match="one item at least"):
        Rerank(first, first, 0)
    with pytest.raises(ValueError, match=f"k={N + 1}, but a query has {N} items"):
        Rerank(first, first, N + 1).score(queries())
    with pytest.raises(ValueError, match=f"k={N}, but a query has {N - 1} items"):
        Rerank(first, first, N, filter_seen=True).score(queries())
