import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

from llmrec_ref.tensorflow.losses import cross_entropy  # noqa: E402


def example():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 6)).astype(np.float32) * 3
    logits[..., 0] = -np.inf
    targets = rng.integers(1, 6, size=(3, 4))
    targets[0, :2] = targets[2, 0] = 0
    return logits, targets


@tf.function(jit_compile=True)  # as in training
def compiled(logits, targets):
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = cross_entropy(logits, targets)
    return loss, tape.gradient(loss, logits)


def value_and_gradient(logits, targets):
    loss, gradient = compiled(tf.constant(logits), tf.constant(targets))
    return float(loss), gradient.numpy()


def test_mean_over_positions_with_a_target():
    logits, targets = example()
    log_sum = np.log(np.exp(logits.astype(np.float64)).sum(-1))
    nats = log_sum - np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    loss = cross_entropy(tf.constant(logits), tf.constant(targets))
    assert float(loss) == pytest.approx(nats[targets > 0].mean(), rel=1e-6)


def test_gradient_is_probability_minus_target():
    logits, targets = example()
    _, gradient = value_and_gradient(logits, targets)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = (probabilities - np.eye(6)[targets]) * (targets > 0)[..., None] / (targets > 0).sum()
    np.testing.assert_allclose(gradient, expected, atol=1e-6)


def test_without_a_target_loss_and_gradient_are_0():
    logits, targets = example()
    loss, gradient = value_and_gradient(logits, targets * 0)
    assert loss == 0 and (gradient == 0).all()


def test_large_logits_stay_finite():
    logits = tf.constant([[-np.inf, 1e4, -1e4]])
    assert float(cross_entropy(logits, tf.constant([2]))) == pytest.approx(2e4)
