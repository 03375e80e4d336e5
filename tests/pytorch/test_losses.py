import pytest

from llmrec_ref import losses as reference

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
