"""Training losses: functions of logits (..., V) and targets (...), where target 0 means none."""

import tensorflow as tf
from keras import ops


def cross_entropy(logits, targets):
    """Mean of -log softmax(logits)[target] over the positions that have a target.

    Args:
        logits: float32 (..., V).
        targets: Whole numbers (...), 0 = no target.

    Returns:
        float32 scalar, nats a target; 0 (and gradient 0) where no position has a target.
    """
    targets = ops.cast(targets, "int32")
    valid = ops.cast(targets > 0, logits.dtype)
    # the logit of item 0 is -inf: look at item 1 instead where there is no target, lest 0 * inf be NaN
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(ops.maximum(targets, 1), logits)
    return ops.sum(nats * valid) / ops.maximum(ops.sum(valid), 1)


def binary_cross_entropy(logits, labels, valid):
    """Mean of -y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)) over the positions that count.

    Args:
        logits: float32 (...), finite.
        labels: float32 (...) in [0, 1].
        valid: bool (...), which positions count.

    Returns:
        float32 scalar, nats a position; 0 (and gradient 0) where no position counts.
    """
    valid = ops.cast(valid, logits.dtype)
    nats = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    return ops.sum(nats * valid) / ops.maximum(ops.sum(valid), 1)
