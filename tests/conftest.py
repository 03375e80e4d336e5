"""Cases for the losses of the three implementations; their expected values come from `llmrec_ref.losses`."""

import importlib

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no failure: what is slow is measured elsewhere.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

KINDS = ["plain", "large", "extreme", "no target", "single item", "one target"]


@pytest.fixture(params=[(kind, seed) for kind in KINDS for seed in range(5)], ids=str)
def softmax_case(request):
    """Logits float64 (B, L, V), column 0 = -inf, and targets int64 (B, L), 0 = none."""
    kind, seed = request.param
    rng = np.random.default_rng(seed)
    B, L, V = rng.integers(1, 6), rng.integers(1, 8), 2 if kind == "single item" else rng.integers(3, 30)
    logits = rng.normal(0, {"large": 50, "extreme": 1e4}.get(kind, 2), (B, L, V))
    if kind == "extreme":
        logits = rng.choice([-1e4, 0, 1e4], (B, L, V))
    logits[..., 0] = -np.inf
    targets = rng.integers(1, V, (B, L)) * (rng.random((B, L)) < 0.7)
    if kind in ("no target", "one target"):
        targets[:] = 0
    if kind == "one target":
        targets[0, 0] = V - 1
    return logits, targets


@pytest.fixture(params=[(kind, seed) for kind in KINDS for seed in range(5)], ids=str)
def sigmoid_case(request):
    """Logits and labels float64 (B, n), and valid bool (B, n)."""
    kind, seed = request.param
    rng = np.random.default_rng(seed)
    shape = (rng.integers(1, 6), rng.integers(1, 8))
    logits = rng.normal(0, 50 if kind == "large" else 2, shape)
    if kind == "extreme":
        logits = rng.choice([-1e4, 0, 1e4], shape)
    labels = rng.random(shape).round(seed % 2)  # probabilities, or 0 and 1
    valid = rng.random(shape) < 0.7
    if kind in ("no target", "one target"):
        valid[:] = False
    if kind == "one target":
        valid[0, 0] = True
    return logits, labels, valid


@pytest.fixture(params=[1, 0.01, 8], ids=["units", "fresh weights", "sure"])
def training_case(request):
    """Hidden states (N, D), table (V, D), targets (N,), and by loss what it takes beside; some are hits."""
    rng = np.random.default_rng(0)
    N, D, V, k = 23, 6, 31, 12
    hidden, table = rng.normal(size=(N, D)), request.param * rng.normal(size=(V, D))
    targets, negatives = rng.integers(1, V, N), rng.integers(1, V, (N, k))
    negatives[:5, 0] = targets[:5]
    log_counts = np.log(rng.uniform(0.1, 3, (N, k))).astype(np.float32)
    drawn = dict(sampled_softmax=(negatives, log_counts), bce=(negatives,), gbce=(negatives,))
    return hidden.astype(np.float32), table.astype(np.float32), targets, drawn


def assert_agrees(found, expected, dtype):
    """1e-6 in float64, 1e-5 + 1e-6 |value| in float32: sums of large logits round relatively."""
    found, expected = np.asarray(found, dtype=np.float64), np.asarray(expected)
    bound = 1e-6 if dtype == "float64" else 1e-5 + 1e-6 * np.abs(expected)
    assert found.shape == expected.shape
    assert np.all(np.abs(found - expected) <= bound), np.abs(found - expected).max()


@pytest.fixture(name="assert_agrees")
def _assert_agrees():
    return assert_agrees


@pytest.fixture(scope="session", params=["pytorch", "tensorflow"])
def kit(request):
    """The module ``toys_pytorch`` or ``toys_tensorflow``: what differs in tests that are else the same."""
    pytest.importorskip("torch" if request.param == "pytorch" else "tensorflow")
    return importlib.import_module(f"toys_{request.param}")
