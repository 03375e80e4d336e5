import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_ref import splits
from llmrec_ref.datasets import Dataset

FEW = settings(max_examples=40)  # pandas is slow on tiny tables
EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 8)), min_size=1, max_size=40)


def make_dataset(events, **kwargs):
    """Users and items from strings, so that numbers cannot pass for ids."""
    table = pd.DataFrame(events, columns=["user_id", "item_id", "timestamp"])
    table["user_id"], table["item_id"] = "u" + table.user_id.astype(str), "i" + table.item_id.astype(str)
    items = pd.DataFrame({"item_id": [*table.item_id.unique(), "never bought"]})
    return Dataset("small", table, items, pd.DataFrame({"user_id": table.user_id.unique()}), "ours", **kwargs)


def by_user(dataset):
    """Each row of dataset.users with its (time, own item id) pairs, in stable time order."""
    rows = list(dataset.interactions[["user_id", "item_id", "timestamp"]].itertuples(index=False, name=None))
    return [
        sorted(((time, item) for user, item, time in rows if user == wanted), key=lambda event: event[0])
        for wanted in dataset.users.user_id
    ]


def own_ids(split, numbers):
    return split.item_ids[np.asarray(numbers, int)].tolist()


def as_dict(split, part):
    """User row -> (history, targets) in the data set's own ids."""
    rows = zip(part.queries.users.tolist(), part.queries.histories, part.targets, strict=True)
    return {user: (own_ids(split, history), own_ids(split, targets)) for user, history, targets in rows}


@FEW
@given(EVENTS, st.booleans(), st.integers(0, 3))
def test_leave_one_out_uses_every_interaction_once_and_in_order(events, validation, seed):
    dataset = make_dataset(events)
    split = splits.leave_one_out(dataset, validation=validation, seed=seed)
    train, valid, test = (as_dict(split, part) for part in (split.train, split.validation, split.test))
    for user, pairs in enumerate(by_user(dataset)):
        sequence = [item for _, item in pairs]
        if len(sequence) < 3:
            assert train[user] == (sequence, []) and user not in valid and user not in test
            continue
        assert test[user] == (sequence[:-1], sequence[-1:])
        assert train[user] == (sequence[: -2 if validation else -1], [])
        if validation:
            assert valid[user] == (sequence[:-2], [sequence[-2]])
            time = split.validation.queries.times[split.validation.queries.users.tolist().index(user)]
            assert time == pairs[-2][0]
        time = split.test.queries.times[split.test.queries.users.tolist().index(user)]
        assert time == pairs[-1][0]
    assert validation or len(split.validation) == 0
    assert split.test.n_left_out == sum(len(pairs) < 3 for pairs in by_user(dataset))
    check_types(split)


def test_people_without_events_are_nobody_and_are_not_left_out():
    dataset = make_dataset([(0, 1, 0), (1, 1, 0), (1, 2, 1), (1, 3, 2)])
    users = pd.DataFrame({"user_id": ["nobody", *dataset.users.user_id, "nor me"]})
    dataset = Dataset("small", dataset.interactions, dataset.items, users, "ours")
    split = splits.leave_one_out(dataset)
    assert split.train.queries.users.tolist() == [1, 2] and split.test.queries.users.tolist() == [2]
    assert (split.validation.n_left_out, split.test.n_left_out) == (1, 1)
    split = splits.global_time(dataset, 1, 2)
    assert split.train.queries.users.tolist() == [1, 2] and split.test.n_left_out == 0


def check_types(split):
    assert all(type(part.n_left_out) is int for part in (split.train, split.validation, split.test))
    for part in (split.train, split.validation, split.test):
        assert part.n_items == split.n_items and len(part) == len(part.queries) == len(part.queries.users)
        for array in (part.queries.users, *part.queries.histories, *part.targets):
            assert array.dtype == np.int64 and array.ndim == 1
        for numbers in (*part.queries.histories, *part.targets):
            assert ((numbers >= 1) & (numbers <= split.n_items)).all()
    for part in (split.validation, split.test):
        assert part.queries.times.dtype == np.int64


@FEW
@given(EVENTS, st.tuples(st.integers(1, 8), st.integers(1, 8)).map(sorted), st.integers(0, 3))
def test_global_time_never_looks_ahead(events, cuts, seed):
    first, second = cuts
    dataset = make_dataset([(0, 0, 0), *events, (1, 1, 8)])  # so that both cuts lie within
    split = splits.global_time(dataset, first, second, seed=seed)
    train = as_dict(split, split.train)
    for part, cut, end in ((split.validation, first, second), (split.test, second, np.inf)):
        found, left_out, unseen = as_dict(split, part), 0, 0
        trained = {item for history, _ in train.values() for item in history}
        for user, pairs in enumerate(by_user(dataset)):
            history = [item for time, item in pairs if time < cut]
            targets = list(dict.fromkeys(item for time, item in pairs if cut <= time < end))
            assert (user in found) == bool(history and targets)
            if user in found:
                assert found[user] == (history, targets)
                unseen += sum(item not in trained for item in targets)
            left_out += bool(targets and not history)
        assert (part.queries.times == cut).all()
        assert part.n_left_out == left_out
        assert split.n_unseen_targets(part) == unseen
    for user, pairs in enumerate(by_user(dataset)):
        assert train.get(user, ([], []))[0] == [item for time, item in pairs if time < first]
    check_types(split)


@FEW
@given(EVENTS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_numbers_do_not_depend_on_the_order_of_rows_or_the_split(events, random, seed):
    dataset = make_dataset(events)
    shuffled = random.sample(events, len(events))
    one = splits.leave_one_out(dataset, seed=seed)
    other = splits.leave_one_out(make_dataset(shuffled), validation=False, seed=seed)
    assert one.item_ids.tolist() == other.item_ids.tolist()
    assert one.item_ids[0] is None and set(one.item_ids[1:]) == set(dataset.items.item_id)
    assert one.n_items == len(dataset.items)


def test_numbers_depend_on_the_seed_and_not_on_first_appearance():
    dataset = make_dataset([(0, item, item) for item in range(30)])
    one, other = (splits.leave_one_out(dataset, seed=seed).item_ids.tolist() for seed in (0, 1))
    assert one != other
    assert one[1:] != dataset.items.item_id.tolist() and one[1:] != sorted(dataset.items.item_id)


def test_repeats_need_a_word_about_ties():
    dataset = make_dataset([(0, 0, 1), (0, 1, 2), (0, 0, 3), (0, 0, 4)], repeats=True)
    assert len(splits.leave_one_out(dataset).test) == 1  # no basket: the last item is known
    dataset = make_dataset([(0, 0, 1), (0, 1, 1), (0, 0, 2), (0, 2, 2)], repeats=True)
    with pytest.raises(ValueError, match="global_time"):
        splits.leave_one_out(dataset)
    with pytest.raises(ValueError, match="source"):
        splits.leave_one_out(dataset, ties="random")
    split = splits.leave_one_out(dataset, ties="source")
    assert as_dict(split, split.test) == {0: (["i0", "i1", "i0"], ["i2"])}
    assert split.test.repeats


def test_by_novelty_divides_the_targets():
    events = [(0, 0, 1), (0, 1, 1), (0, 0, 2), (0, 2, 2), (0, 2, 3)]
    events += [(1, 3, 1), (1, 4, 2), (2, 5, 1), (2, 5, 3)]
    split = splits.global_time(make_dataset(events, repeats=True), 2, 2)
    new, repeated = splits.by_novelty(split.test)
    assert as_dict(split, new) == {0: (["i0", "i1"], ["i2"]), 1: (["i3"], ["i4"])}
    assert as_dict(split, repeated) == {0: (["i0", "i1"], ["i0"]), 2: (["i5"], ["i5"])}
    assert new.repeats and new.queries.times.tolist() == [2, 2]
    assert len(split.validation) == 0
    for part in splits.by_novelty(split.validation):
        assert len(part) == 0


def test_cuts_may_be_quantiles_numbers_or_dates():
    start = pd.Timestamp("2020-01-01")
    events = [(day % 3, day % 7, int((start + pd.Timedelta(days=day)).timestamp())) for day in range(100)]
    dataset = make_dataset(events)
    seconds = [event[2] for event in events]
    expected = splits.global_time(dataset, seconds[80], seconds[90])
    assert expected.test.queries.times.tolist() == [seconds[90]] * 3
    for cuts in (
        (0.8, 0.9),  # the smallest times with at least this share of the gaps before them
        (start + pd.Timedelta(days=80), start + pd.Timedelta(days=90)),
        ("2020-03-21", "2020-03-31"),
        ("2020-03-21T01:00+01:00", np.datetime64("2020-03-31")),
    ):
        split = splits.global_time(dataset, *cuts)
        for part in ("train", "validation", "test"):
            assert as_dict(split, getattr(split, part)) == as_dict(expected, getattr(expected, part))


@pytest.mark.parametrize("cuts", [(0.9, 0.8), (0, 0.9), (0.8, 1000), ("1960-01-01", "1970-01-01")])
def test_cuts_outside_the_data_are_refused(cuts):
    with pytest.raises(ValueError, match="in order"):
        splits.global_time(make_dataset([(0, item, item) for item in range(10)]), *cuts)


def test_steps_are_no_times():
    dataset = make_dataset([(0, item, item) for item in range(5)], time_unit="steps")
    with pytest.raises(ValueError, match="leave_one_out"):
        splits.global_time(dataset)
    with pytest.raises(ValueError, match="timestamps"):
        splits.leakage_report(dataset, splits.leave_one_out(dataset))


def test_unknown_items_and_empty_tables_are_refused():
    dataset = make_dataset([(0, item, item) for item in range(5)])
    for table in ("items", "users"):
        broken = Dataset(**{**vars(dataset), table: getattr(dataset, table)[1:]})
        with pytest.raises(ValueError, match="not in its tables"):
            splits.leave_one_out(broken)
    with pytest.raises(ValueError, match="no interactions"):
        splits.leave_one_out(Dataset(**{**vars(dataset), "interactions": dataset.interactions[:0]}))


def test_leakage_report_counts_what_comes_later():
    # user 0 is tested at time 3, user 1 at time 12; training: times 1, 2 and 10, 11
    dataset = make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 10), (1, 1, 11), (1, 2, 12)])
    report = splits.leakage_report(dataset, splits.leave_one_out(dataset, validation=False))
    assert report.loc["training interactions"].tolist() == pytest.approx([1 / 4, 1 / 4, 1 / 2])
    assert report.loc["all interactions"].tolist() == pytest.approx([1 / 4, 1 / 4, 1 / 2])
    more = make_dataset([(0, 0, 1), (0, 1, 2), (0, 2, 3), (1, 0, 10), (1, 1, 11), (1, 2, 12), (2, 0, 20)])
    report = splits.leakage_report(more, splits.leave_one_out(more, validation=False))
    assert report["max"].tolist() == pytest.approx([3 / 5, 4 / 7])  # held-out events are not trained on
    report = splits.leakage_report(dataset, splits.global_time(dataset, 11, 12))
    assert report.loc["training interactions", "max"] == 0
    with pytest.raises(ValueError, match="three interactions"):
        splits.leakage_report(dataset, splits.leave_one_out(make_dataset([(0, 0, 1), (1, 0, 1)])))


def test_check_histories_names_what_is_wrong():
    def queries(*histories):
        histories = [np.array(history, np.int64) for history in histories]
        return splits.Queries(histories, np.arange(len(histories)))

    splits.check_histories(queries([1, 3], [2]), n_items=3)
    with pytest.raises(ValueError, match="Query 1 has an empty history"):
        splits.check_histories(queries([1], []), n_items=3)
    for wrong in (0, 4, -1):
        with pytest.raises(ValueError, match=f"{wrong} is no item number"):
            splits.check_histories(queries([1], [2, wrong]), n_items=3)


def test_a_split_prints_on_a_screen():
    events = [(user, item, item) for user in range(200) for item in range(9)]
    split = splits.leave_one_out(make_dataset(events))
    assert len(repr(split).splitlines()) <= 10 and len(repr(split)) < 1000
    assert "200 histories of 8 to 8 items" in repr(split.test)
    assert "0 histories" in repr(split.test.queries[:0])
