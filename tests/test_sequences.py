import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_ref.sequences import pad_left, training_batches, training_windows

histories = st.lists(
    st.lists(st.integers(1, 99), max_size=12).map(lambda x: np.array(x, np.int64)), max_size=8
)


@given(histories, st.integers(1, 10))
def test_pad_left_keeps_the_newest(histories, max_len):
    padded = pad_left(histories, max_len)
    assert padded.shape == (len(histories), max_len) and padded.dtype == np.int64
    for row, history in zip(padded, histories, strict=True):
        kept = history[-max_len:]
        assert row.tolist() == [0] * (max_len - len(kept)) + kept.tolist()


def test_newest_windows():
    users = [np.arange(1, 10), np.array([4]), np.array([], np.int64), np.array([7, 8])]
    assert [w.tolist() for w in training_windows(users, 3)] == [[6, 7, 8, 9], [7, 8]]


@given(histories, st.integers(1, 5))
def test_all_windows_make_every_item_but_the_first_a_target_once(histories, max_len):
    for history in histories:
        if len(history) < 2:
            continue
        windows = training_windows([history], max_len, windows="all")
        assert all(2 <= len(w) <= max_len + 1 for w in windows)
        assert np.concatenate([w[1:] for w in windows[::-1]]).tolist() == history[1:].tolist()
        assert windows[0].tolist() == training_windows([history], max_len)[0].tolist()  # cut from the end


def test_windows_errors():
    with pytest.raises(ValueError, match="two items"):
        training_windows([np.array([3])], 5)
    with pytest.raises(ValueError, match="newest"):
        training_windows([np.array([3, 4])], 5, windows="oldest")


@given(st.lists(st.integers(2, 21), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 99))
def test_batches_hold_every_target_after_its_item_once(lengths, batch_size, seed):
    windows = [np.arange(i * 100 + 1, i * 100 + 1 + n) for i, n in enumerate(lengths)]
    batches = training_batches(windows, 20, batch_size, np.random.default_rng(seed))
    targets = []
    for item_ids, following in batches:
        assert item_ids.shape == following.shape and item_ids.dtype == following.dtype == np.int64
        assert len(item_ids) <= batch_size and item_ids.shape[1] in (3, 5, 10, 20)
        valid = following > 0
        assert (following[valid] == item_ids[valid] + 1).all()
        assert (item_ids[~valid] == 0).all()
        targets.append(following[valid])
    assert sorted(np.concatenate(targets)) == sorted(np.concatenate([w[1:] for w in windows]))


def test_batches_waste_little_are_shuffled_and_keep_their_shapes():
    lengths = np.random.default_rng(0).integers(2, 52, size=200)
    windows = [np.full(n, i + 1) for i, n in enumerate(lengths)]
    first, again, other = (
        training_batches(windows, 50, 16, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert sum(x.size for x, _ in first) < 1.45 * sum(lengths - 1)  # all at full width: 2 times
    assert all((x == y).all() for (x, _), (y, _) in zip(first, again, strict=True))
    members = [{frozenset(x[:, -1]) for x, _ in batches} for batches in (first, other)]
    assert members[0] != members[1]
    shapes = [sorted(x.shape for x, _ in batches) for batches in (first, other)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: pad_left([np.array([1, 2])], 0),
        lambda: training_windows([np.array([1, 2])], -1),
        lambda: training_batches([np.array([1, 2])], 4, 0, np.random.default_rng(0)),
    ],
)
def test_sizes_below_one_are_refused(call):
    with pytest.raises(ValueError, match="(max_len|batch_size)=.*: it must be at least 1"):
        call()
