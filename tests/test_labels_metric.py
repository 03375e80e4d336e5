"""AUC and its bootstrap over groups, beside scikit-learn and pairs that are really repeated."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from llmrec_ref.evaluate import bootstrap
from llmrec_ref.metrics import auc, auc_gain, auc_interval
from llmrec_ref.metrics.resampling import RESAMPLES, draws, group_codes

PAIR = st.tuples(st.integers(-3, 3), st.integers(0, 1), st.integers(-1, 3))  # score, label, group
PAIRS = st.lists(PAIR, min_size=4, max_size=14).filter(
    lambda pairs: len({label for _, label, _ in pairs}) == 2
)
FEW = settings(max_examples=30)  # a thousand resamples each


def columns(pairs):
    return (np.array(column) for column in zip(*pairs, strict=True))


def by_hand(scores, labels, groups):
    """AUC of each resample, from all comparisons of a yes with a no."""
    codes, yes = group_codes(groups, len(labels)), labels == 1
    times = np.concatenate(list(draws(codes.max() + 1)))[:, codes]
    won = (np.sign(scores[yes][:, None] - scores[~yes]) + 1) / 2
    of_yes, of_no = times[:, yes], times[:, ~yes]
    n = of_yes.sum(axis=1) * of_no.sum(axis=1)
    return ((of_yes @ won) * of_no).sum(axis=1) / np.where(n > 0, n, np.nan)


@given(PAIRS)
def test_auc_is_scikit_learns(pairs):
    scores, labels, _ = columns(pairs)
    assert auc(scores, labels) == pytest.approx(roc_auc_score(labels, scores))
    assert auc(-scores, labels) == pytest.approx(1 - auc(scores, labels))


def test_auc_by_hand():
    assert auc([0.9, 0.4, 0.4, 0.1], [1, 0, 1, 0]) == (1 + 1 + 0.5 + 1) / 4
    assert auc([-np.inf, 0.0, np.inf], [0, 1, 1]) == 1
    assert auc(np.zeros(5), [0, 1, 1, 0, 1]) == 0.5


@FEW
@given(PAIRS)
def test_intervals_are_those_of_repeated_pairs(pairs):
    scores, labels, groups = columns(pairs)
    expected = np.nanpercentile(by_hand(scores, labels, groups), [2.5, 97.5])
    assert auc_interval(scores, labels, groups) == pytest.approx(expected)


@FEW
@given(PAIRS, st.integers(0, 99))
def test_gains_are_paired(pairs, seed):
    scores, labels, groups = columns(pairs)
    others = np.random.default_rng(seed).integers(0, 4, len(labels))
    gains = by_hand(scores, labels, groups) - by_hand(others, labels, groups)
    gain, low, high = auc_gain(scores, others, labels, groups)
    assert gain == pytest.approx(auc(scores, labels) - auc(others, labels))
    assert (low, high) == pytest.approx(tuple(np.nanpercentile(gains, [2.5, 97.5])))


def test_a_resample_is_its_pairs_as_often_as_drawn():
    rng = np.random.default_rng(5)
    scores, labels, groups = rng.integers(0, 9, 60), rng.integers(0, 2, 60), rng.integers(0, 12, 60)
    codes, found = group_codes(groups, 60), []
    for drawn in np.concatenate(list(draws(12))):
        rows = np.repeat(np.arange(60), drawn[codes])
        found.append(roc_auc_score(labels[rows], scores[rows]))
    expected = np.percentile(found, [2.5, 97.5])
    assert auc_interval(scores, labels, groups) == pytest.approx(expected)


def test_columns_are_resampled_together():
    rng = np.random.default_rng(0)
    labels, groups, scores = rng.integers(0, 2, 200), rng.integers(0, 30, 200), rng.normal(size=(200, 3))
    both = auc_interval(scores, labels, groups)
    assert both.shape == (2, 3)
    for column in range(3):
        np.testing.assert_array_equal(both[:, column], auc_interval(scores[:, column], labels, groups))
    gains = auc_gain(scores[:, :2], scores[:, 1:], labels, groups)
    assert gains.shape == (3, 2)
    np.testing.assert_array_equal(gains[:, 1], auc_gain(scores[:, 1], scores[:, 2], labels, groups))
    np.testing.assert_array_equal(auc_gain(scores, scores + 1, labels, groups), np.zeros((3, 3)))


def test_groups_make_intervals_wider_where_their_pairs_are_alike():
    rng = np.random.default_rng(1)
    groups = np.repeat(np.arange(50), 20)
    labels = np.tile([0, 1], 500)
    good = rng.integers(0, 2, 50)[groups]  # all pairs of a household are right, or none is
    scores = np.where(good == 1, labels, 1 - labels) + 2 * groups
    one, other = (np.ptp(auc_interval(scores % 2, labels, g)) for g in (groups, None))
    assert one > 2 * other


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng, held = np.random.default_rng(2), 0
    truth = 0.7602  # of N(1, 1) over N(0, 1): the normal distribution's integral up to 1 / sqrt(2)
    for _ in range(200):
        labels = np.tile([0, 1], 100)
        low, high = auc_interval(rng.normal(size=200) + labels, labels)
        held += low <= truth <= high
    assert 0.88 <= held / 200 <= 0.99


def test_draws_are_those_of_bootstrap():
    values, groups = np.random.default_rng(3).random(40), np.arange(40) // 4
    codes = group_codes(groups, 40)
    drawn = np.concatenate(list(draws(10)))
    assert drawn.shape == (RESAMPLES, 10) and (drawn.sum(axis=1) == 10).all()
    means = [np.repeat(values, times[codes]).mean() for times in drawn]
    assert bootstrap(values, groups) == pytest.approx(np.percentile(means, [2.5, 97.5]))
    assert group_codes([7, -1, 7, -1, 2], 5).tolist() == [0, 1, 0, 2, 3]
    assert group_codes(None, 3).tolist() == [0, 1, 2]


def test_ten_thousand_pairs_take_a_few_seconds():
    rng = np.random.default_rng(4)
    labels, groups = rng.integers(0, 2, 13_000), rng.integers(0, 1200, 13_000)
    start = time.process_time()
    auc_interval(rng.normal(size=13_000), labels, groups)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("measure", [auc, auc_interval, lambda s, y: auc_gain(s, s, y)])
def test_labels_of_one_class_and_other_lengths_are_refused(measure):
    for labels in ([1, 1], [0, 0]):
        with pytest.raises(ValueError, match="all the same.*take more"):
            measure(np.array([0.1, 0.2]), labels)
    with pytest.raises(ValueError, match="3 scores and 2 labels"):
        measure(np.array([0.1, 0.2, 0.3]), [0, 1])


@pytest.mark.parametrize("measure", [auc, auc_interval, lambda s, y: auc_gain(s, s, y)])
def test_scores_that_are_nan_and_labels_that_are_ratings_are_refused(measure):
    with pytest.raises(ValueError, match="A score is NaN"):
        measure(np.array([0.1, np.nan, 0.3]), [0, 1, 0])
    with pytest.raises(ValueError, match="Labels must be 0 or 1"):
        measure(np.array([0.1, 0.2, 0.3]), [1, 3, 5])


def test_gains_are_of_as_many_models():
    with pytest.raises(ValueError, match=r"shapes \(4,\) and \(4, 2\)"):
        auc_gain(np.ones(4), np.ones((4, 2)), [0, 1, 0, 1])


def test_resampled_areas_are_scikit_learns_with_weights():
    rng = np.random.default_rng(5)
    labels, groups, scores = rng.integers(0, 2, 60), rng.integers(0, 9, 60), rng.integers(0, 6, 60)
    drawn = np.concatenate(list(draws(group_codes(groups, 60).max() + 1)))
    weights = drawn[:, group_codes(groups, 60)]
    areas = [roc_auc_score(labels, scores, sample_weight=each) for each in weights]
    np.testing.assert_allclose(auc_interval(scores, labels, groups), np.percentile(areas, [2.5, 97.5]))
