import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec_ref.sequences import (
    check_config,
    cloze_batches,
    pad_left,
    sample_negatives,
    training_batches,
    training_windows,
)

MASK = 1_000_000
histories = st.lists(
    st.lists(st.integers(1, 99), max_size=12).map(lambda x: np.array(x, np.int64)), max_size=8
)


def numbered(lengths):
    """Windows in which every item occurs once: 1, 2, ...; 101, 102, ...; and so on."""
    return [np.arange(i * 100 + 1, i * 100 + 1 + n) for i, n in enumerate(lengths)]


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
    windows = numbered(lengths)
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
    shapes = [[x.shape for x, _ in batches] for batches in (first, other)]
    assert sorted(shapes[0]) == sorted(shapes[1]) and shapes[0] != shapes[1]  # not from short to long


@given(
    st.lists(st.integers(2, 20), min_size=1, max_size=40),
    st.floats(0.01, 1),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_cloze_hides_items_and_only_items(lengths, probability, batch_size, seed):
    windows = numbered(lengths)
    batches = cloze_batches(windows, 20, MASK, probability, batch_size, np.random.default_rng(seed))
    found = []
    for item_ids, targets in batches:
        assert item_ids.shape == targets.shape and item_ids.dtype == targets.dtype == np.int64
        assert len(item_ids) <= batch_size and item_ids.shape[1] in (3, 5, 10, 20)
        hidden = item_ids == MASK
        assert ((targets > 0) == hidden).all()  # a target stands where a mask does, and nowhere else
        assert hidden.any(axis=1).all()
        assert not np.isin(targets[hidden], item_ids).any()  # what is hidden is not visible elsewhere
        found += [row[row > 0].tolist() for row in np.where(hidden, targets, item_ids)]
    # with the hidden items back in their places, these are the windows: no mask lay on padding
    assert sorted(found) == [window.tolist() for window in windows]


def test_cloze_hides_as_often_as_asked():
    windows, rng = numbered([20] * 4000), np.random.default_rng(0)
    for probability in (0.2, 0.6):
        hidden = np.concatenate(
            [x == MASK for x, _ in cloze_batches(windows, 20, MASK, probability, 64, rng)]
        )
        newest_only = hidden[:, -1] & (hidden.sum(axis=1) == 1)
        # by chance alone one window in a thousand hides one item, and that the newest
        assert newest_only.mean() == pytest.approx(0.2, abs=0.02)
        assert hidden[~newest_only].mean() == pytest.approx(probability, abs=0.01)
        assert np.ptp(hidden[~newest_only].mean(axis=0)) < 0.1  # no place is preferred


def test_cloze_batches_are_drawn_anew_and_repeat_with_the_seed():
    windows = numbered([20] * 30)
    first, again, other = (
        np.concatenate([x for x, _ in cloze_batches(windows, 20, MASK, 0.5, 8, np.random.default_rng(seed))])
        for seed in (0, 0, 1)
    )
    assert (first == again).all() and (first != other).any()


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20), st.integers(1, 50), st.integers(0, 99))
def test_negatives_are_items_that_may_be_drawn(counts, k, seed):
    counts = np.array([0, *counts, 1])
    negatives, log_counts = sample_negatives((3, k), counts, np.random.default_rng(seed))
    assert negatives.shape == log_counts.shape == (3, k)
    assert negatives.dtype == np.int64 and log_counts.dtype == np.float32
    assert (counts[negatives] > 0).all()
    np.testing.assert_allclose(np.exp(log_counts), k * counts[negatives] / counts.sum(), rtol=1e-5)
    np.testing.assert_array_equal(negatives, sample_negatives((3, k), counts, np.random.default_rng(seed))[0])


def test_negatives_are_drawn_as_often_as_asked():
    k, counts = 100_000, np.array([0, 1, 5, 0, 4])
    negatives, log_counts = sample_negatives((k,), counts, np.random.default_rng(0))
    drawn = np.bincount(negatives, minlength=5)
    np.testing.assert_allclose(drawn / k, counts / 10, atol=0.01)
    np.testing.assert_allclose(np.exp(log_counts), drawn[negatives], rtol=0.05)


@pytest.mark.parametrize("probabilities", [[0, 0, 0], [0, 1, -1], [1, 1, 1]])
def test_impossible_probabilities_are_refused(probabilities):
    with pytest.raises(ValueError, match="above 0 for some item"):
        sample_negatives((3,), probabilities, np.random.default_rng(0))


@pytest.mark.parametrize("probability", [0, -0.1, 1.1, np.nan])
def test_impossible_mask_probabilities_are_refused(probability):
    with pytest.raises(ValueError, match="mask_probability=.* must be above 0 and at most 1"):
        cloze_batches([np.array([1, 2])], 4, MASK, probability, 1, np.random.default_rng(0))


CONFIG = dict(n_items=9, dim=8, n_layers=1, n_heads=2, max_len=4, dropout=0.0, mask_probability=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *(
            (({name: size}), f"{name}={size}: it must be at least 1")
            for size in (0, -3)
            for name in ("n_items", "dim", "n_layers", "n_heads", "max_len")
        ),
        (dict(dropout=-0.1), "dropout=-0.1 must be at least 0 and below 1"),
        (dict(dropout=1), "dropout=1 must be"),
        (dict(dropout=np.nan), "dropout=nan must be"),
        (dict(n_heads=3), "n_heads=3 must divide dim=8"),
        (dict(mask_probability=0), "mask_probability=0 must be above 0"),
        (dict(max_len=1), "max_len=1 has no place"),
    ],
)
def test_impossible_settings_are_refused(change, message):
    check_config(CONFIG)
    with pytest.raises(ValueError, match=message):
        check_config(CONFIG | change)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pad_left([np.array([1, 2])], 0),
        lambda: training_windows([np.array([1, 2])], -1),
        lambda: training_batches([np.array([1, 2])], 4, 0, np.random.default_rng(0)),
        lambda: cloze_batches([np.array([1, 2])], 4, MASK, 0.5, 0, np.random.default_rng(0)),
        lambda: sample_negatives((5, 0), [0, 1], np.random.default_rng(0)),
    ],
)
def test_sizes_below_one_are_refused(call):
    with pytest.raises(ValueError, match="(max_len|batch_size|n_negatives)=.*: it must be at least 1"):
        call()
