"""The losses of pairs: in NumPy against a loop and finite differences, in both frameworks against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_ref import losses
from llmrec_ref.pytorch import losses as pytorch
from llmrec_ref.tensorflow import losses as tensorflow
from llmrec_ref.training import Settings

BATCHES = st.integers(2, 7).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(1, 5), min_size=n, max_size=n), st.integers(0, 99), st.booleans()
    )
)


def case(items, seed, corrected, scale=3.0):
    rng, n = np.random.default_rng(seed), len(items)
    logits = rng.normal(0, scale, (n, n)).astype(np.float32)
    log_q = np.log(rng.dirichlet(np.ones(6))[items]).astype(np.float32) if corrected else None
    return logits, np.array(items), log_q


def by_hand(logits, items, log_q):
    """The formula, one query at a time."""
    log_q = np.zeros(len(items)) if log_q is None else log_q.astype(float)
    total = 0.0
    for i in range(len(items)):
        rivals = [j for j in range(len(items)) if j == i or items[j] != items[i]]
        weights = [np.exp(float(logits[i, j]) - log_q[j]) for j in rivals]
        total -= float(logits[i, i]) - log_q[i] - np.log(sum(weights))
    return total / len(items)


@given(BATCHES)
@settings(deadline=None, max_examples=50)
def test_in_batch_softmax_is_the_formula(drawn):
    logits, items, log_q = case(*drawn)
    loss, gradient = losses.in_batch_softmax(logits, items, log_q)
    assert loss == pytest.approx(by_hand(logits, items, log_q), rel=1e-9)
    step = 1e-5
    for place in np.ndindex(*logits.shape):
        moved = logits.astype(float)
        moved[place] += step
        up = losses.in_batch_softmax(moved, items, log_q)[0]
        moved[place] -= 2 * step
        down = losses.in_batch_softmax(moved, items, log_q)[0]
        assert gradient[place] == pytest.approx((up - down) / (2 * step), abs=1e-8)


@given(BATCHES)
@settings(deadline=None, max_examples=25)
def test_both_frameworks_have_the_loss_and_its_gradient(drawn):
    logits, items, log_q = case(*drawn)
    expected, slope = losses.in_batch_softmax(logits, items, log_q)

    z = torch.tensor(logits, requires_grad=True)
    found = pytorch.in_batch_softmax(
        z, torch.from_numpy(items), None if log_q is None else torch.from_numpy(log_q)
    )
    found.backward()
    assert found.item() == pytest.approx(expected, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(z.grad.numpy(), slope, atol=1e-6)

    with tf.GradientTape() as tape:
        tape.watch(z := tf.constant(logits))
        found = tensorflow.in_batch_softmax(z, tf.constant(items), log_q)
    assert float(found) == pytest.approx(expected, rel=1e-5, abs=1e-6)
    np.testing.assert_allclose(tape.gradient(found, z).numpy(), slope, atol=1e-6)


def test_a_batch_of_one_item_teaches_nothing():
    logits, items, _ = case([3, 3, 3], 0, False)
    loss, gradient = losses.in_batch_softmax(logits, items)
    assert loss == 0 and not gradient.any()


def test_the_correction_estimates_the_softmax_over_all_items():
    """The mean of the weights over batches is the softmax over all items with the correction, not without."""
    rng, n_items = np.random.default_rng(0), 30
    q = rng.dirichlet(np.full(n_items, 0.3))
    scores = rng.normal(0, 1, n_items)
    target = np.exp(scores) / np.exp(scores).sum()
    estimates = {True: np.zeros(n_items), False: np.zeros(n_items)}
    for _ in range(30):
        drawn = rng.choice(n_items, 2000, p=q)
        for corrected in estimates:
            log_weights = scores[drawn] - (np.log(q[drawn]) if corrected else 0)
            weights = np.exp(log_weights - log_weights.max())
            np.add.at(estimates[corrected], drawn, weights / weights.sum() / 30)
    assert np.abs(estimates[True] - target).sum() < 0.1
    assert np.abs(estimates[False] - target).sum() > 0.5


@pytest.mark.parametrize("framework", [pytorch, tensorflow])
def test_an_objective_may_bring_a_loss_or_name_one(framework):
    class Named:
        loss = "labels"

    class Own:
        def loss(self, model, batch):
            return 7

    assert framework.of_objective(Named(), Settings()) is framework.labels_loss
    Named.loss = "in_batch"
    assert framework.of_objective(Named(), Settings()) is framework.in_batch_loss
    assert framework.of_objective(Own(), Settings())(None, None) == 7
    assert framework.of_objective(object(), Settings()) is not None
