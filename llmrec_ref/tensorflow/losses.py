"""Training losses.

`cross_entropy` and `binary_cross_entropy` are functions of logits. The others, which
``train.fit`` takes by name, are functions of hidden states and of the item table, so
that no more logits need to be made than the loss looks at:

    hidden: float32 (N, D), one row a position.
    table: float32 (V, D), the item embeddings; row 0 is padding.
    targets: Whole numbers (N,), item numbers; 0 = no target: the position does not
    count.
    negatives: Whole numbers (N, k), each target's own; one that is the target itself
    does not count.
    log_counts: float32 (N, k), from `sequences.sample_negatives`.

Each returns a float32 scalar: the mean over the targets, in nats; 0 (and gradient 0)
without a target.
"""

import numpy as np
import tensorflow as tf
from keras import ops

from llmrec_ref.tensorflow.layers import at_least_float32

# positions whose logits are made at a time: few enough to stay near the processor
CHUNK = 128
CALIBRATION = 0.75  # t of gBCE
UNSEEN = -1e4  # logit of what no loss should see


def cross_entropy(logits, targets):
    """Mean of -log softmax(logits)[target] over the positions that have a target.

    Args:
        logits: float32 (..., V).
        targets: Whole numbers (...), 0 = no target.

    Returns:
        float32 scalar, nats a target; 0 (and gradient 0) where no position has a
        target.
    """
    logits, targets = at_least_float32(logits), ops.cast(targets, "int32")
    valid = ops.cast(targets > 0, logits.dtype)
    # the logit of item 0 is -inf: look at item 1 instead where there is no target, lest
    # 0 * inf be NaN
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
        ops.maximum(targets, 1), logits
    )
    return ops.sum(nats * valid) / ops.maximum(ops.sum(valid), 1)


def binary_cross_entropy(logits, labels, valid):
    """Mean of -y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)) where it counts.

    Args:
        logits: float32 (...), finite.
        labels: float32 (...) in [0, 1].
        valid: bool (...), which positions count.

    Returns:
        float32 scalar, nats a position; 0 (and gradient 0) where no position counts.
    """
    logits, labels = at_least_float32(logits), at_least_float32(labels)
    valid = ops.cast(valid, logits.dtype)
    nats = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
    return ops.sum(nats * valid) / ops.maximum(ops.sum(valid), 1)


def full_softmax(hidden, table, targets):
    """Cross-entropy over the catalogue: every item is a negative."""
    return cross_entropy(_logits(hidden, table), targets)


def chunked_softmax(hidden, table, targets):
    """Cross-entropy over the catalogue, with the logits of `CHUNK` positions at a time.

    Its gradient, probability minus target, is made chunk by chunk on the way forward,
    so that backward needs no logits: memory grows with the positions and with the
    catalogue, but not with their product.
    """
    hidden, targets = (tf.boolean_mask(part, targets > 0) for part in (hidden, targets))
    hidden, table = at_least_float32(hidden), at_least_float32(table)

    @tf.custom_gradient
    def loss(hidden, table):
        n_targets = tf.shape(hidden)[0]

        def chunk(i, total, grad_hidden, grad_table):
            h, y = (part[i * CHUNK : (i + 1) * CHUNK] for part in (hidden, targets))
            p = tf.nn.softmax(_logits(h, table))  # (CHUNK, V)
            # log p = logit - log of the sum, for any item: take the most probable one,
            # which cannot underflow
            likely = tf.gather(table, tf.argmax(p, axis=1)) - tf.gather(table, y)
            total += tf.reduce_sum(h * likely) - tf.reduce_sum(
                tf.math.log(tf.reduce_max(p, axis=1))
            )
            grad = tf.matmul(p, h, transpose_a=True)
            return i + 1, total, grad_hidden.write(i, p @ table), grad_table + grad

        n_chunks = tf.maximum(1, (n_targets + CHUNK - 1) // CHUNK)
        shapes = dict(infer_shape=False, element_shape=(None, table.shape[1]))
        rows = tf.TensorArray(hidden.dtype, n_chunks, **shapes)
        start = 0, tf.zeros((), hidden.dtype), rows, tf.zeros_like(table)
        _, total, rows, grad_table = tf.while_loop(
            lambda i, *_: i < n_chunks, chunk, start, parallel_iterations=1
        )
        # the target's share: probability minus one
        grad_hidden = rows.concat() - tf.gather(table, targets)
        grad_table = tf.tensor_scatter_nd_sub(grad_table, targets[:, None], hidden)
        count = tf.cast(tf.maximum(n_targets, 1), hidden.dtype)

        def gradient(upstream):
            return grad_hidden * (upstream / count), grad_table * (upstream / count)

        return total / count, gradient

    return loss(hidden, table)


def sampled_softmax(hidden, table, targets, negatives, log_counts):
    """Cross-entropy among the target and its negatives, with the logQ correction.

    A negative stands for all items, the more so the rarer it is drawn: subtracting the
    logarithm of its expected count makes the sum of exponentials right on average
    (Bengio and Senecal, IEEE Transactions on Neural Networks 19(4), 2008).
    """
    positive, negative = _pair_logits(hidden, table, targets, negatives)
    negative -= ops.cast(log_counts, negative.dtype)
    logits = ops.concatenate([positive[:, None], negative], axis=1)  # (N, 1 + k)
    return _mean(ops.logsumexp(logits, axis=1) - positive, targets)


def bce(hidden, table, targets, negatives):
    """Binary cross-entropy of the target and its negatives: `gbce` with t = 0."""
    return gbce(hidden, table, targets, negatives, t=0.0)


def gbce(hidden, table, targets, negatives, t=CALIBRATION):
    r"""Generalised binary cross-entropy: undoes the over-confidence of sampling.

    .. math:: -\beta \ln \sigma(z_y) - \sum_j \ln(1 - \sigma(z_j)), \qquad
        \beta = 1 - t (1 - \alpha), \quad \alpha = k / (n - 1)

    divided by k + 1, for n items (Petrov and Macdonald, gSASRec, RecSys 2023,
    arXiv:2308.07192, equations 14 and 15, simplified). The negatives are meant to be
    drawn uniformly.
    """
    positive, negative = _pair_logits(hidden, table, targets, negatives)
    k, n = negatives.shape[-1], table.shape[0] - 1
    beta = 1 - t * (1 - k / max(1, n - 1))
    nats = beta * ops.softplus(-positive) + ops.sum(ops.softplus(negative), axis=1)
    return _mean(nats, targets) / (k + 1)


TRAINING = {  # what `fit` takes by name
    "cross_entropy": full_softmax,
    "chunked_cross_entropy": chunked_softmax,
    "sampled_softmax": sampled_softmax,
    "bce": bce,
    "gbce": gbce,
}


def of_batch(loss):
    """Make of a loss, or its name, a function of model and `Ranking`'s batch.

    Items of an `items.ItemTable` that stand nowhere in training are no negatives:
    nobody could choose them, and their text would be learned as that of failures.
    """
    function = loss if callable(loss) else TRAINING[loss]

    def batch_loss(model, batch):
        valid = batch["targets"] > 0
        names = [
            name for name in ("targets", "negatives", "log_counts") if name in batch
        ]
        hidden = tf.boolean_mask(model.encode(batch["item_ids"]), valid)  # (N, D)
        table = model.table
        counts = getattr(getattr(model, "items", None), "counts", None)
        if counts is not None:
            hidden, table = _without_unseen(hidden, table, counts)
        arrays = (tf.boolean_mask(batch[name], valid) for name in names)
        return function(hidden, table, *arrays)

    return batch_loss


def of_objective(objective, settings):
    """Return the loss of a model and a batch: the objective's, or the settings'.

    A name stands for `labels_loss` or `in_batch_loss`.
    """
    loss = getattr(objective, "loss", None)
    named = {"labels": labels_loss, "in_batch": in_batch_loss}
    return of_batch(settings.loss) if loss is None else named.get(loss, loss)


def labels_loss(model, batch):
    """Binary cross-entropy of a model's logits (B,) and a batch's ``labels``."""
    inputs = {name: array for name, array in batch.items() if name != "labels"}
    labels = batch["labels"]
    return binary_cross_entropy(model(**inputs), labels, ops.ones_like(labels))


def in_batch_loss(model, batch):
    """`in_batch_softmax` of a model's logits (B, B), and a batch's ``items``."""
    apart = ("items", "log_q")
    inputs = {name: array for name, array in batch.items() if name not in apart}
    return in_batch_softmax(model(inputs), batch["items"], batch.get("log_q"))


def in_batch_softmax(logits, items, log_q=None):
    """Cross-entropy of each query's own item among the items of its batch.

    As `llmrec_ref.losses.in_batch_softmax`, without the gradient.
    """
    logits = at_least_float32(logits)
    logits = logits if log_q is None else logits - log_q
    own = ops.arange(ops.shape(items)[0])
    repeated = (items[:, None] == items) & (own[:, None] != own)
    logits = ops.where(repeated, -np.inf, logits)
    log_p = ops.log_softmax(logits)
    return -ops.mean(ops.diagonal(log_p))


def _without_unseen(hidden, table, counts):
    """Return hidden states and a table by which unseen items have very low logits.

    A logit and a constant are one product: of (h, 1) and (t, constant).
    """
    ones = ops.ones_like(hidden[:, :1])
    low = ops.where(counts > 0, 0.0, UNSEEN)[:, None]
    table = ops.concatenate([table, ops.cast(low, table.dtype)], axis=1)
    return ops.concatenate([hidden, ones], axis=1), table


def _logits(hidden, table):
    """Logits (N, V), column 0 = -inf."""
    logits = at_least_float32(tf.matmul(hidden, table, transpose_b=True))
    no_padding = np.where(np.arange(table.shape[0]) > 0, 0, -np.inf)
    return logits + no_padding.astype(logits.dtype.name)


def _pair_logits(hidden, table, targets, negatives):
    """Logits of targets (N,) and negatives (N, k), very low where one is the target."""
    positive = at_least_float32(hidden * tf.gather(table, targets))
    negative = tf.einsum("nd,nkd->nk", hidden, tf.gather(table, negatives))
    negative = at_least_float32(negative)  # 1e9 would be infinite in float16
    hits = ops.cast(
        targets[:, None] == ops.cast(negatives, targets.dtype), negative.dtype
    )
    return ops.sum(positive, axis=1), negative - 1e9 * hits


def _mean(nats, targets):
    valid = ops.cast(targets > 0, nats.dtype)
    return ops.sum(nats * valid) / ops.maximum(ops.sum(valid), 1)
