"""Temperature beside a search, and the calibration error beside scikit-learn and a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.calibration import calibration_curve

from llmrec_ref.metrics import expected_calibration_error, temperature

SEEDS = st.integers(0, 10_000)


def drawn(seed, scale, n=400):
    """Logits of which the labels know the true ones, a multiple of them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.3, 1.5, n)
    return scale * truth, (rng.random(n) < expit(truth)).astype(int)


@given(SEEDS, st.sampled_from([0.01, 0.5, 1.0, 30.0]))
def test_temperature_minimises_the_loss(seed, scale):
    logits, labels = drawn(seed, scale)

    def nats(log_t):
        z = logits / np.exp(log_t)
        return np.mean(np.logaddexp(0, z) - labels * z)

    expected = minimize_scalar(nats, bounds=(-8, 8), method="bounded", options=dict(xatol=1e-9))
    assert np.log(temperature(logits, labels)) == pytest.approx(expected.x, abs=1e-4)


def test_temperature_finds_the_scale():
    logits, labels = drawn(0, 5.0, n=200_000)
    assert temperature(logits, labels) == pytest.approx(5, rel=0.02)
    assert temperature(logits.astype(np.float32), labels == 1) == pytest.approx(5, rel=0.02)


@pytest.mark.parametrize(
    ("logits", "labels", "match"),
    [
        ([-1.0, 2.0, 1.0], [1, 0, 0], "wrong more than right"),
        ([0.0, 0.0], [1, 0], "wrong more than right"),
        ([-1.0, 2.0, 0.0], [0, 1, 1], "no logit is wrong"),
        ([np.nan, -1.0, 2.0], [0, 1, 1], "must be finite"),
        ([np.inf, -1.0, 2.0], [0, 1, 1], "must be finite"),
        ([], [], "must be finite"),
    ],
)
def test_logits_without_a_best_temperature_are_refused(logits, labels, match):
    with pytest.raises(ValueError, match=match):
        temperature(logits, labels)


@given(SEEDS, st.integers(1, 25))
def test_the_error_is_that_of_sklearns_bins(seed, bins):
    logits, labels = drawn(seed, 2.0)
    p = expit(logits)
    shares, means = calibration_curve(labels, p, n_bins=bins)
    counts = np.histogram(p, np.linspace(0, 1, bins + 1))[0]
    expected = np.sum(counts[counts > 0] * np.abs(shares - means)) / len(p)
    assert expected_calibration_error(p, labels, bins) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30))
def test_the_error_is_its_formula(examples):
    """Also where probabilities lie on the bins' bounds, each of which belongs to the bin below."""
    p, labels = np.array([n / 20 for n, _ in examples]), np.array([yes for _, yes in examples])
    places = np.maximum(1, np.ceil(np.array([n for n, _ in examples]) / 2))  # of 10 bins, exactly
    expected = 0.0
    for place in set(places):
        inside = places == place
        expected += inside.mean() * abs(p[inside].mean() - labels[inside].mean())
    assert expected_calibration_error(p, labels) == pytest.approx(expected, abs=1e-12)


def test_a_perfect_and_a_wrong_forecast():
    assert expected_calibration_error([0.0, 1.0], [0, 1]) == 0
    assert expected_calibration_error([0.0, 1.0], [1, 0]) == 1
