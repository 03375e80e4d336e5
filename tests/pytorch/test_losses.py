import numpy as np
import pytest

torch = pytest.importorskip("torch")

from llmrec_ref.pytorch.losses import cross_entropy  # noqa: E402


def example():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4, 6)).astype(np.float32) * 3
    logits[..., 0] = -np.inf
    targets = rng.integers(1, 6, size=(3, 4))
    targets[0, :2] = targets[2, 0] = 0
    return logits, targets


def test_mean_over_positions_with_a_target():
    logits, targets = example()
    log_sum = np.log(np.exp(logits.astype(np.float64)).sum(-1))
    nats = log_sum - np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    loss = cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))
    assert loss.item() == pytest.approx(nats[targets > 0].mean(), rel=1e-6)


def test_gradient_is_probability_minus_target():
    logits, targets = example()
    tensor = torch.from_numpy(logits).requires_grad_()
    cross_entropy(tensor, torch.from_numpy(targets)).backward()
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = (probabilities - np.eye(6)[targets]) * (targets > 0)[..., None] / (targets > 0).sum()
    np.testing.assert_allclose(tensor.grad, expected, atol=1e-6)


def test_without_a_target_loss_and_gradient_are_0():
    logits, targets = example()
    tensor = torch.from_numpy(logits).requires_grad_()
    loss = cross_entropy(tensor, torch.from_numpy(targets * 0))
    loss.backward()
    assert loss.item() == 0 and (tensor.grad == 0).all()


def test_large_logits_stay_finite():
    logits = torch.tensor([[-torch.inf, 1e4, -1e4]])
    assert cross_entropy(logits, torch.tensor([2])).item() == pytest.approx(2e4)
