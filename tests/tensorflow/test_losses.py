import pytest

from llmrec_ref import losses as reference

tf = pytest.importorskip("tensorflow")

from llmrec_ref.tensorflow import losses  # noqa: E402


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["eager", "compiled"])
def compiled(request):
    return request.param


def value_and_gradient(loss, logits, *others, compiled):
    def call(logits, *others):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(logits, *others)
        return value, tape.gradient(value, logits)

    call = tf.function(call, jit_compile=True) if compiled else call  # training compiles
    return call(*map(tf.constant, (logits, *others)))


def test_cross_entropy_agrees_with_numpy(softmax_case, dtype, compiled, assert_agrees):
    logits, targets = softmax_case[0].astype(dtype), softmax_case[1]
    value, gradient = value_and_gradient(losses.cross_entropy, logits, targets, compiled=compiled)
    assert value.dtype.name == dtype
    for found, expected in zip((value, gradient), reference.cross_entropy(logits, targets), strict=True):
        assert_agrees(found, expected, dtype)
    if not targets.any() or logits.shape[-1] == 2:
        assert value == 0 and not gradient.numpy().any()


def test_binary_cross_entropy_agrees_with_numpy(sigmoid_case, dtype, compiled, assert_agrees):
    logits, labels, valid = sigmoid_case
    logits, labels = logits.astype(dtype), labels.astype(dtype)
    found = value_and_gradient(losses.binary_cross_entropy, logits, labels, valid, compiled=compiled)
    for ours, expected in zip(found, reference.binary_cross_entropy(logits, labels, valid), strict=True):
        assert_agrees(ours, expected, dtype)
    if not valid.any():
        assert found[0] == 0 and not found[1].numpy().any()
