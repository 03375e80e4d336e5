import numpy as np
import pytest

from llmrec_ref import losses as reference
from llmrec_ref.losses import LOSSES, SAMPLED

torch = pytest.importorskip("torch")

from llmrec_ref.pytorch import losses  # noqa: E402


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def value_and_gradient(loss, logits, *others):
    logits = torch.from_numpy(logits).requires_grad_()
    value = loss(logits, *map(torch.from_numpy, others))
    value.backward()
    return value.detach(), logits.grad


def test_cross_entropy_agrees_with_numpy(softmax_case, dtype, assert_agrees):
    logits, targets = softmax_case[0].astype(dtype), softmax_case[1]
    value, gradient = value_and_gradient(losses.cross_entropy, logits, targets)
    assert str(value.dtype) == f"torch.{dtype}"
    for found, expected in zip((value, gradient), reference.cross_entropy(logits, targets), strict=True):
        assert_agrees(found, expected, dtype)
    if not targets.any() or logits.shape[-1] == 2:
        assert value == 0 and not gradient.any()


def test_binary_cross_entropy_agrees_with_numpy(sigmoid_case, dtype, assert_agrees):
    logits, labels, valid = sigmoid_case
    logits, labels = logits.astype(dtype), labels.astype(dtype)
    found = value_and_gradient(losses.binary_cross_entropy, logits, labels, valid)
    for ours, expected in zip(found, reference.binary_cross_entropy(logits, labels, valid), strict=True):
        assert_agrees(ours, expected, dtype)
    if not valid.any():
        assert found[0] == 0 and not found[1].any()


def train_loss(name, hidden, table, targets, *negatives):
    """Value and gradients of a training loss."""
    hidden, table = (torch.from_numpy(x).requires_grad_() for x in (hidden, table))
    value = losses.TRAINING[name](hidden, table, *map(torch.from_numpy, (targets, *negatives)))
    return value.detach().numpy(), *(x.numpy() for x in torch.autograd.grad(value, [hidden, table]))


def logits_of(hidden, table):
    logits = hidden.astype(float) @ table.T.astype(float)
    logits[:, 0] = -np.inf
    return logits


@pytest.mark.parametrize("name", LOSSES)
def test_training_losses_agree_with_numpy(name, training_case):
    hidden, table, targets, drawn = training_case
    if name in SAMPLED:
        case = hidden, table, targets, *drawn[name]
        assert train_loss(name, *case)[0] == pytest.approx(getattr(reference, name)(*case), rel=1e-5)
        return
    found, grad_hidden, grad_table = train_loss(name, hidden, table, targets)
    expected, gradient = reference.cross_entropy(logits_of(hidden, table), targets)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(grad_hidden, gradient @ table, atol=1e-5)
    np.testing.assert_allclose(grad_table, gradient.T @ hidden, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 23, 100])
def test_chunked_is_full(chunk, training_case, monkeypatch):
    monkeypatch.setattr(losses, "CHUNK", chunk)
    full, chunked = (train_loss(name, *training_case[:3]) for name in LOSSES[:2])
    for ours, expected in zip(chunked, full, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_chunked_scales_its_gradient(training_case):
    hidden, table, targets = map(torch.from_numpy, training_case[:3])
    hidden.requires_grad_()
    once = torch.autograd.grad(losses.chunked_softmax(hidden, table, targets), hidden)[0]
    thrice = torch.autograd.grad(3 * losses.chunked_softmax(hidden, table, targets), hidden)[0]
    torch.testing.assert_close(thrice, 3 * once)


@pytest.mark.parametrize("name", LOSSES)
def test_no_target_is_no_loss_and_no_gradient(name, training_case):
    hidden, table, targets, drawn = training_case
    drawn = (part[:0] for part in drawn.get(name, ()))
    value, grad_hidden, grad_table = train_loss(name, hidden[:0], table, targets[:0], *drawn)
    assert value == 0 and grad_hidden.shape == (0, 6) and (grad_table == 0).all()


def test_a_negative_that_is_the_target_does_not_count(training_case):
    hidden, table, targets, drawn = training_case
    hits = np.full((1, 12), targets[0])
    case = hidden[:1], table, targets[:1], hits
    for part in train_loss("sampled_softmax", *case, drawn["sampled_softmax"][1][:1]):
        np.testing.assert_allclose(part, 0, atol=1e-6)  # nothing but the target: it is certain
    value, gradient, _ = train_loss("bce", *case)
    z = float(hidden[0] @ table[targets[0]])
    pairs = hits.size + 1
    assert value == pytest.approx(np.logaddexp(0, -z) / pairs, rel=1e-4)
    np.testing.assert_allclose(
        gradient[0], -table[targets[0]] / (1 + np.exp(z)) / pairs, rtol=1e-4, atol=1e-7
    )
