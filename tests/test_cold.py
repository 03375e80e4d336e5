"""Items and users that training never meets, and rankings among candidates."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmrec_ref import datasets, splits
from llmrec_ref.datasets import Dataset
from llmrec_ref.evaluate import bootstrap, evaluate, rank_targets
from llmrec_ref.metrics import rank_query
from llmrec_ref.splits import Part, Queries

FEW = settings(max_examples=40)  # pandas is slow on tiny tables
EVENT = st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 8))
EVENTS = st.lists(EVENT, min_size=30, max_size=60)


def make_dataset(events, **kwargs):
    table = pd.DataFrame(events, columns=["user_id", "item_id", "timestamp"])
    table["user_id"], table["item_id"] = "u" + table.user_id.astype(str), "i" + table.item_id.astype(str)
    items = pd.DataFrame({"item_id": [*table.item_id.unique(), "never bought"]})
    return Dataset("small", table, items, pd.DataFrame({"user_id": table.user_id.unique()}), "ours", **kwargs)


def by_user(dataset):
    """Each user's (time, own item id) pairs, in stable time order."""
    rows = list(dataset.interactions[["user_id", "item_id", "timestamp"]].itertuples(index=False, name=None))
    return [
        sorted(((time, item) for user, item, time in rows if user == wanted), key=lambda event: event[0])
        for wanted in dataset.users.user_id
    ]


def listed(part, item_ids):
    """Sorted (user row, history, target, time) of every query, in own ids."""
    queries = part.queries
    rows = zip(queries.users.tolist(), queries.histories, part.targets, queries.times.tolist(), strict=True)
    own = [(u, item_ids[h].tolist(), item_ids[target].tolist(), time) for u, h, target, time in rows]
    return sorted(own, key=repr)


@FEW
@given(EVENTS, st.sampled_from([0.25, 0.5, 0.9]), st.integers(0, 3), st.integers(1, 3), st.integers(0, 2))
def test_cold_items_are_nowhere_but_in_targets(events, share, seed, min_events, min_history):
    dataset = make_dataset(events)
    settings = dict(share=share, seed=seed, min_events=min_events, min_history=min_history)
    try:
        cold = splits.cold_items(dataset, **settings)
    except ValueError as error:
        assert "fewer than two" in str(error) or "No event of" in str(error)
        assume(False)
    ids, counts = cold.warm.item_ids, dataset.interactions.item_id.value_counts()
    halves = [set(ids[half]) for half in (cold.validation_items, cold.test_items)]
    both = halves[0] | halves[1]
    assert not halves[0] & halves[1] and (counts[list(both)] >= min_events).all()
    assert len(both) == int(share * (counts >= min_events).sum() + 1e-9)
    assert len(halves[0]) == len(both) // 2
    for part, half in ((cold.validation, halves[0]), (cold.test, halves[1])):
        expected, short = [], 0
        for user, pairs in enumerate(by_user(dataset)):
            for place, (time, item) in enumerate(pairs):
                if item in half:
                    warm = [other for _, other in pairs[:place] if other not in both]
                    if len(warm) >= max(1, min_history):
                        expected.append((user, warm, [item], time))
                    else:
                        short += 1
        assert listed(part, ids) == sorted(expected, key=repr)
        assert part.n_left_out == short and part.n_items == cold.warm.n_items == len(dataset.items)
    warm_events = [event for event in events if f"i{event[1]}" not in both]
    if warm_events:  # as leave_one_out of the warm events, numbered in the whole catalogue
        table = dataset.interactions[~dataset.interactions.item_id.isin(both)]
        alone = Dataset(**{**vars(dataset), "interactions": table})
        split = splits.leave_one_out(alone, seed=seed)
        assert split.item_ids.tolist() == ids.tolist()
        for name in ("validation", "test"):
            assert listed(getattr(cold.warm, name), ids) == listed(getattr(split, name), ids)
        trained_on = [each.train.queries.histories for each in (cold.warm, split)]
        assert [h.tolist() for h in trained_on[0]] == [h.tolist() for h in trained_on[1]]


def test_cold_items_depend_on_the_seed_and_on_nothing_else():
    events = [(user, item, item + user) for user in range(9) for item in range(20)]
    one = splits.cold_items(make_dataset(events), 0.3)
    again = splits.cold_items(make_dataset(events[::-1]), 0.3)
    other = splits.cold_items(make_dataset(events), 0.3, seed=1)
    own = [set(each.warm.item_ids[each.test_items]) for each in (one, again, other)]
    assert own[0] == own[1] != own[2]
    assert "3 + 3 cold items" in repr(one) and len(repr(one)) < 1500
    assert one.test_items.dtype == np.int64 and (np.diff(one.test_items) > 0).all()


def test_cold_films_of_movielens():
    cold = splits.cold_items(datasets.load("ml-100k"))
    assert (len(cold.validation_items), len(cold.test_items)) == (67, 67)  # a tenth of 1,349
    held_out = np.append(cold.validation_items, cold.test_items)
    for part in (cold.warm.train, cold.warm.validation, cold.warm.test, cold.validation, cold.test):
        assert not np.isin(np.concatenate(part.queries.histories), held_out).any()
    assert min(map(len, cold.test.queries.histories)) == 5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (dict(share=0), "between 0 and 1"),
        (dict(share=1.0), "between 0 and 1"),
        (dict(share=0.1), "fewer than two"),
        (dict(min_events=99), "fewer than two"),
        (dict(share=0.5, min_history=99), "lower min_history"),
        (dict(share=0.5, ties="random"), "unknown"),
    ],
)
def test_cold_items_says_what_is_wrong(settings, words):
    dataset = make_dataset([(user, item, item) for user in range(6) for item in range(8)])
    with pytest.raises(ValueError, match=words):
        splits.cold_items(dataset, **settings)


def test_cold_items_of_baskets_need_a_word_about_ties():
    dataset = make_dataset([(u, i, i // 4) for u in range(6) for i in range(8)] * 2, repeats=True)
    with pytest.raises(ValueError, match="baskets"):
        splits.cold_items(dataset, 0.5, min_history=1)
    assert splits.cold_items(dataset, 0.5, min_history=1, ties="source").test.repeats


@FEW
@given(st.integers(8, 14), st.sampled_from([0.5, 0.8]), st.integers(0, 3), st.booleans())
def test_cold_users_are_nowhere_in_training_and_have_no_history(n, share, seed, some):
    events = [(user, (user + step) % 9, step) for user in range(n) for step in range(4)]
    split = splits.leave_one_out(make_dataset(events))
    among = np.arange(0, n, 1 + some)
    cold = splits.cold_users(split, share, seed, among=among if some else None)
    users = [part.queries.users.tolist() for part in (cold.train, cold.validation, cold.test)]
    drawn = users[1] + users[2]
    assert len(set(drawn)) == len(drawn) == int(share * len(among))
    assert set(drawn) <= set(among.tolist()) and len(users[1]) == len(drawn) // 2
    assert sorted(users[0] + drawn) == list(range(n))
    for part, whole in ((cold.validation, split.validation), (cold.test, split.test)):
        assert all(len(history) == 0 for history in part.queries.histories)
        for user, target, time in zip(part.queries.users, part.targets, part.queries.times, strict=True):
            assert target.tolist() == whole.targets[user].tolist() and time == whole.queries.times[user]
    with pytest.raises(ValueError, match="fewer than two"):
        splits.cold_users(split, 0.01)


def test_cold_users_depend_on_the_seed():
    split = splits.leave_one_out(
        make_dataset([(user, step, step) for user in range(30) for step in range(4)])
    )
    drawn = [splits.cold_users(split, 0.5, seed).test.queries.users.tolist() for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]


@st.composite
def cases(draw):
    """A part, scores with many ties, candidates that hold every target."""
    n_items, n_queries = draw(st.integers(2, 9)), draw(st.integers(1, 5))
    items = st.integers(1, n_items)
    histories = [draw(st.lists(items, max_size=6)) for _ in range(n_queries)]
    targets = [draw(st.lists(items, min_size=1, max_size=3, unique=True)) for _ in histories]
    more = draw(st.sets(items))
    candidates = draw(st.permutations(sorted({item for each in targets for item in each} | more)))
    values = st.lists(st.sampled_from([-np.inf, -1, 0, 1, np.inf]), min_size=n_items, max_size=n_items)
    table = np.array([[np.inf, *draw(values)] for _ in histories], np.float32)
    arrays = [[np.array(one, np.int64) for one in many] for many in (histories, targets)]
    queries = Queries(arrays[0], np.arange(n_queries))
    return Part(queries, arrays[1], draw(st.booleans()), n_items), table, candidates


@given(cases())
def test_ranks_among_candidates_are_those_of_a_catalogue_of_candidates(case):
    part, table, candidates = case
    expected = []
    for scores, history, targets in zip(table, part.queries.histories, part.targets, strict=True):
        others = [item for item in range(1, len(scores)) if item not in candidates]
        seen = others if part.repeats else [*others, *history.tolist()]
        expected.append(rank_query(scores, targets, seen).tolist())
    assume(any(expected))
    ranks, offsets = rank_targets(lambda queries: table[queries.users], part, candidates=candidates)
    assert [ranks[a:b].tolist() for a, b in zip(offsets[:-1], offsets[1:], strict=True)] == expected


@given(cases())
def test_all_items_as_candidates_change_nothing(case):
    part, table, _ = case
    assume(part.repeats)
    for score in (lambda q: table[q.users], lambda q: np.broadcast_to(table[0], (len(q), table.shape[1]))):
        one = evaluate(score, part, ks=(1, 2), ci=True)
        other = evaluate(score, part, ks=(1, 2), ci=True, candidates=np.arange(1, part.n_items + 1)[::-1])
        pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        ([1, 2, 9], "distinct item numbers 1..5"),
        ([0, 1, 2], "distinct item numbers 1..5"),
        ([1, 1, 2, 3], "distinct item numbers"),
        ([], "one at least"),
        ([1.0, 2.0], "1-D array of integers"),
        (3, "1-D array of integers"),
        ([2, 4], "first is 1, have a target that is no candidate"),
    ],
)
def test_wrong_candidates_get_one_sentence(candidates, words):
    histories = [np.array([1]), np.array([1])]
    part = Part(Queries(histories, np.arange(2)), [np.array([2]), np.array([3])], n_items=5)
    with pytest.raises(ValueError, match=words):
        evaluate(lambda queries: np.zeros((len(queries), 6)), part, ks=(1,), candidates=candidates)


def test_lists_are_no_longer_than_the_candidates():
    part = Part(Queries([np.array([1])], np.arange(1)), [np.array([2])], n_items=5)
    with pytest.raises(ValueError, match="from 1 to 2"):
        evaluate(lambda queries: np.zeros((len(queries), 6)), part, ks=(3,), candidates=[2, 3])


@given(st.lists(st.tuples(st.integers(-1, 3), st.floats(0, 1)), min_size=1, max_size=8))
def test_groups_are_drawn_together(rows):
    groups, values = (np.array(column) for column in zip(*rows, strict=True))
    names = [*dict.fromkeys((g, None) if g >= 0 else (g, place) for place, g in enumerate(groups))]
    members = [
        [place for place, g in enumerate(groups) if g == name and (other is None or other == place)]
        for name, other in names
    ]
    rng, means = np.random.default_rng(0), []
    for _ in range(1000):  # as bootstrap draws
        drawn = rng.multinomial(len(members), np.full(len(members), 1 / len(members)))
        means.append(
            np.concatenate([values[m] for m, n in zip(members, drawn, strict=True) for _ in range(n)])
        )
    expected = np.percentile([each.mean() for each in means], [2.5, 97.5])
    assert bootstrap(values, groups) == pytest.approx(expected)


def test_an_interval_over_people_is_wider_than_one_over_their_many_queries():
    users = np.repeat(np.arange(40), 50)
    values = np.repeat(np.arange(40) % 2, 50).astype(float)  # people differ, their queries do not
    one, other = np.ptp(bootstrap(values, users)), np.ptp(bootstrap(values))
    assert one > 5 * other
    queries = Queries([np.array([1])] * 2000, users)
    part = Part(queries, [np.array([2])] * 2000, n_items=3)
    table = np.array([[0, 0, 0, 1], [0, 0, 1, 0]], np.float32)
    row = evaluate(lambda q: table[q.users % 2], part, ks=(1,), ci=True).loc[0]
    assert row["HR@1_high"] - row["HR@1_low"] == pytest.approx(one)
