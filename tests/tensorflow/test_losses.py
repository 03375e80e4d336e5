import numpy as np
import pytest

from llmrec_ref import losses as reference
from llmrec_ref.losses import LOSSES, SAMPLED

tf = pytest.importorskip("tensorflow")

from llmrec_ref.tensorflow import losses  # noqa: E402


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["eager", "graph"])
def compiled(request):
    return request.param


def value_and_gradient(loss, logits, *others, compiled):
    def call(logits, *others):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(logits, *others)
        return value, tape.gradient(value, logits)

    call = tf.function(call) if compiled else call  # as in training
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


def train_loss(name, hidden, table, targets, *negatives, compiled):
    """Value and gradients of a training loss."""

    def call(hidden, table, *others):
        with tf.GradientTape() as tape:
            tape.watch([hidden, table])
            value = losses.TRAINING[name](hidden, table, *others)
        return value, *map(tf.convert_to_tensor, tape.gradient(value, [hidden, table]))

    call = tf.function(call) if compiled else call
    return [x.numpy() for x in call(*map(tf.constant, (hidden, table, targets, *negatives)))]


def logits_of(hidden, table):
    logits = hidden.astype(float) @ table.T.astype(float)
    logits[:, 0] = -np.inf
    return logits


@pytest.mark.parametrize("name", LOSSES)
def test_training_losses_agree_with_numpy(name, compiled, training_case):
    hidden, table, targets, drawn = training_case
    if name in SAMPLED:
        case = hidden, table, targets, *drawn[name]
        assert train_loss(name, *case, compiled=compiled)[0] == pytest.approx(
            getattr(reference, name)(*case), rel=1e-5
        )
        return
    found, grad_hidden, grad_table = train_loss(name, hidden, table, targets, compiled=compiled)
    expected, gradient = reference.cross_entropy(logits_of(hidden, table), targets)
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(grad_hidden, gradient @ table, atol=1e-5)
    np.testing.assert_allclose(grad_table, gradient.T @ hidden, atol=1e-5)


@pytest.mark.parametrize("chunk", [5, 100])
def test_chunked_is_full(chunk, compiled, training_case, monkeypatch):
    monkeypatch.setattr(losses, "CHUNK", chunk)
    full, chunked = (train_loss(name, *training_case[:3], compiled=compiled) for name in LOSSES[:2])
    for ours, expected in zip(chunked, full, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_chunked_scales_its_gradient(training_case):
    hidden, table, targets = map(tf.constant, training_case[:3])
    gradients = []
    for scale in (1, 3):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            value = scale * losses.chunked_softmax(hidden, table, targets)
        gradients.append(tape.gradient(value, hidden).numpy())
    np.testing.assert_allclose(gradients[1], 3 * gradients[0], rtol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_positions_without_a_target_do_not_count(name, compiled, training_case):
    hidden, table, targets, drawn = training_case
    drawn = drawn.get(name, ())
    rest = train_loss(name, hidden[:9], table, targets[:9], *(part[:9] for part in drawn), compiled=compiled)
    targets = np.where(np.arange(len(targets)) < 9, targets, 0)
    value, grad_hidden, grad_table = train_loss(name, hidden, table, targets, *drawn, compiled=compiled)
    assert value == pytest.approx(rest[0], rel=1e-5)
    np.testing.assert_allclose(grad_hidden[:9], rest[1], atol=1e-5)
    assert (grad_hidden[9:] == 0).all()
    np.testing.assert_allclose(grad_table, rest[2], atol=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_no_target_is_no_loss_and_no_gradient(name, compiled, training_case):
    hidden, table, targets, drawn = training_case
    for part in train_loss(name, hidden, table, 0 * targets, *drawn.get(name, ()), compiled=compiled):
        assert (part == 0).all()


def test_a_negative_that_is_the_target_does_not_count(compiled, training_case):
    hidden, table, targets, drawn = training_case
    hits = np.full((1, 12), targets[0])
    case = hidden[:1], table, targets[:1], hits
    for part in train_loss("sampled_softmax", *case, drawn["sampled_softmax"][1][:1], compiled=compiled):
        np.testing.assert_allclose(part, 0, atol=1e-6)  # nothing but the target: it is certain
    value, gradient, _ = train_loss("bce", *case, compiled=compiled)
    z = float(hidden[0] @ table[targets[0]])
    pairs = hits.size + 1
    assert value == pytest.approx(np.logaddexp(0, -z) / pairs, rel=1e-4)
    np.testing.assert_allclose(
        gradient[0], -table[targets[0]] / (1 + np.exp(z)) / pairs, rtol=1e-4, atol=1e-7
    )
