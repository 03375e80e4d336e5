import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import approx_fprime

from llmrec_ref.losses import bce, binary_cross_entropy, cross_entropy, gbce, log_softmax, sampled_softmax
from llmrec_ref.sequences import sample_negatives


def padded(logits):
    """Put a column of -inf before the last axis."""
    return np.concatenate([np.full((*np.shape(logits)[:-1], 1), -np.inf), logits], axis=-1)


@given(arrays(float, (3, 5), elements=st.floats(-1e4, 1e4)))
def test_log_softmax_is_scipys(logits):
    np.testing.assert_allclose(log_softmax(logits), scipy.special.log_softmax(logits, axis=-1), atol=1e-9)


@given(arrays(float, (2, 4), elements=st.floats(-1e4, 1e4)), st.floats(-1e4, 1e4))
def test_log_softmax_sums_to_one_and_does_not_see_a_shift(logits, shift):
    np.testing.assert_allclose(np.exp(log_softmax(logits)).sum(-1), 1)
    np.testing.assert_allclose(log_softmax(logits + shift), log_softmax(logits), atol=1e-8)


def test_cross_entropy_by_hand():
    loss, gradient = cross_entropy(padded(np.log([[0.2, 0.8], [0.5, 0.5]])), np.array([2, 0]))
    assert loss == pytest.approx(-np.log(0.8))
    np.testing.assert_allclose(gradient, [[0, 0.2, -0.2], [0, 0, 0]], atol=1e-15)


def test_binary_cross_entropy_by_hand():
    loss, gradient = binary_cross_entropy([np.log(4), 9.0], [1, 0], [True, False])
    assert loss == pytest.approx(-np.log(0.8))
    np.testing.assert_allclose(gradient, [-0.2, 0], atol=1e-15)


def test_gradients_are_finite_differences():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(2, 3, 4)), rng.integers(0, 5, (2, 3))
    numeric = approx_fprime(logits.ravel(), lambda z: cross_entropy(padded(z.reshape(2, 3, 4)), targets)[0])
    gradient = cross_entropy(padded(logits), targets)[1]
    np.testing.assert_allclose(gradient[..., 1:].ravel(), numeric, atol=1e-6)
    assert (gradient[..., 0] == 0).all()

    logits, labels, valid = rng.normal(size=9), rng.random(9), rng.random(9) < 0.7
    numeric = approx_fprime(logits, lambda z: binary_cross_entropy(z, labels, valid)[0])
    np.testing.assert_allclose(binary_cross_entropy(logits, labels, valid)[1], numeric, atol=1e-6)


def test_naive_cross_entropy_agrees_where_it_does_not_overflow(softmax_case):
    logits, targets = softmax_case
    if np.abs(logits[..., 1:]).max() < 100 and targets.any():
        p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        nats = [-np.log(p[b, t, targets[b, t]]) for b, t in zip(*np.nonzero(targets), strict=True)]
        assert cross_entropy(logits, targets)[0] == pytest.approx(np.mean(nats))


def test_naive_binary_cross_entropy_agrees_where_it_does_not_overflow(sigmoid_case):
    logits, labels, valid = sigmoid_case
    if np.abs(logits).max() < 10 and valid.any():
        p = 1 / (1 + np.exp(-logits))
        nats = -labels * np.log(p) - (1 - labels) * np.log(1 - p)
        assert binary_cross_entropy(logits, labels, valid)[0] == pytest.approx(nats[valid].mean())


def test_nothing_counts_single_item_and_extreme_logits():
    for loss, gradient in (
        cross_entropy(padded([[1.0, 2.0]]), np.array([0])),
        cross_entropy(padded([[7.0]]), np.array([1])),
        binary_cross_entropy([1.0], [1], [False]),
    ):
        assert loss == 0 and not gradient.any()
    assert cross_entropy(padded([[1e4, -1e4]]), np.array([2]))[0] == 2e4
    assert binary_cross_entropy([1e4, -1e4], [0, 0])[0] == 5e3


def test_corrected_partition_function_is_unbiased():
    """On average over draws, the denominator of sampled softmax is the sum over the catalogue."""
    rng = np.random.default_rng(0)
    hidden, table = rng.normal(size=(1, 3)), rng.normal(size=(8, 3))
    table[0], target = 0, np.array([2])
    logits = (hidden @ table.T)[0]
    frequencies = np.array([0, 5, 1, 3, 1, 2, 8, 1])
    partitions = [
        np.exp(
            logits[2] + sampled_softmax(hidden, table, target, *sample_negatives((1, 4), frequencies, rng))
        )
        for _ in range(5000)
    ]
    error = np.std(partitions) / np.sqrt(len(partitions))
    full = np.exp(logits[1:]).sum()
    assert abs(np.mean(partitions) - full) < 3 * error
    assert error < 0.02 * full


def test_sampled_softmax_by_hand():
    hidden, table = np.eye(2), np.log([[1, 1], [2, 3], [4, 5], [6, 7]])  # logits ln 2, ln 4, ln 6; ln 3, ...
    negatives, counts = np.array([[2, 2, 1]] * 2), np.array([[2, 2, 0.5]] * 2)
    found = sampled_softmax(hidden, table, np.array([1, 3]), negatives, np.log(counts))
    # items 2 count twice, each for half; item 1 counts double, but not where it is the target
    expected = np.mean([np.log((2 + 4 / 2 + 4 / 2) / 2), np.log((7 + 5 / 2 + 5 / 2 + 3 / 0.5) / 7)])
    assert found == pytest.approx(expected)


def test_gbce_by_hand():
    hidden, table = np.array([[1.0]]), np.log([[1], [4], [1], [9], [9], [9]])  # five items
    sigmoid = {1: 4 / 5, 2: 1 / 2}
    negatives = np.array([[2, 1]])  # the second is the target
    beta = 1 - 0.75 * (1 - 2 / 4)
    expected = -(beta * np.log(sigmoid[1]) + np.log(1 - sigmoid[2])) / 3
    assert gbce(hidden, table, np.array([1]), negatives) == pytest.approx(expected)


def test_gbce_without_calibration_is_binary_cross_entropy():
    rng = np.random.default_rng(0)
    hidden, table, targets = rng.normal(size=(5, 3)), rng.normal(size=(9, 3)), rng.integers(1, 9, 5)
    negatives = rng.integers(1, 9, (5, 4))
    given = hidden, table, targets, negatives
    items = np.column_stack([targets, negatives])
    logits = np.einsum("nd,nkd->nk", hidden, table[items])
    valid = np.column_stack([np.ones(5, bool), negatives != targets[:, None]])
    labels = np.arange(5) == np.zeros((5, 1))
    total = binary_cross_entropy(logits, labels, valid)[0] * valid.sum()
    assert bce(*given) == gbce(*given, t=0) == pytest.approx(total / (5 * 5))
    assert gbce(*given) < bce(*given)  # less is asked of the target


def test_losses_with_negatives_are_zero_without_a_target():
    hidden, table = np.empty((0, 3)), np.ones((9, 3))
    none, negatives = np.empty(0, int), np.empty((0, 2), int)
    assert sampled_softmax(hidden, table, none, negatives, np.empty((0, 2))) == 0
    assert bce(hidden, table, none, negatives) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_softmax([1.0, np.nan]), "logits hold NaN"),
        (lambda: log_softmax([1.0, np.inf]), "logits hold NaN, .inf"),
        (lambda: log_softmax([-np.inf, -np.inf]), "a row of -inf"),
        (
            lambda: cross_entropy(padded([[1.0, 2.0]]), np.array([1, 1])),
            r"targets \(2,\) must have the shape",
        ),
        (lambda: cross_entropy(padded([[1.0, 2.0]]), np.array([3])), "item numbers up to 2"),
        (lambda: cross_entropy(padded([[1.0, 2.0]]), np.array([-1])), "item numbers up to 2"),
        (lambda: cross_entropy(padded([[1.0, 2.0]]), np.array([1.0])), "item numbers up to 2"),
        (lambda: cross_entropy(np.zeros((1, 3)), np.array([1])), "column 0 of logits is padding"),
        (lambda: binary_cross_entropy([0.0], [5]), r"labels must lie in \[0, 1\]"),
        (lambda: binary_cross_entropy([0.0], [np.nan]), r"labels must lie in \[0, 1\]"),
        (lambda: binary_cross_entropy([0.0, 1.0], [1]), "differ in shape"),
        (lambda: binary_cross_entropy([np.inf], [1]), "logits hold NaN or infinity"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
