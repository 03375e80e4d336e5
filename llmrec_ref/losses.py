"""Training losses in NumPy with gradients, against which both frameworks are tested.

Losses are means in nats over the positions that count, 0 (and gradient 0) where none does. All is computed in
float64, and no exponential overflows, however large the logits. The losses with negatives come without their
gradients, and take hidden states and an item table in place of logits.
"""

import numpy as np

# What ``train.fit`` minimises, by name: full over the catalogue, the same in chunks, and with negatives,
# of which these take so many a target by default.
LOSSES = ("cross_entropy", "chunked_cross_entropy", "sampled_softmax", "bce", "gbce")
SAMPLED = dict(sampled_softmax=16, bce=1, gbce=16)


def log_softmax(logits):
    r"""Logarithms of the probabilities that logits stand for.

    .. math:: \ln p_j = z_j - \max_k z_k - \ln \sum_l e^{z_l - \max_k z_k}

    Subtracting the largest logit changes nothing and keeps every exponent at 0 or below.

    Args:
        logits: Float (..., V); -inf has probability 0.

    Returns:
        float64 (..., V), nats.

    Raises:
        ValueError: NaN or +inf among the logits, or a row of -inf only.
    """
    logits = np.asarray(logits, dtype=float)
    largest = logits.max(axis=-1, keepdims=True)
    if not np.isfinite(largest).all():  # a maximum is NaN if any value is
        raise ValueError("logits hold NaN, +inf or a row of -inf only: look for a diverged training.")
    shifted = logits - largest
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits, targets):
    r"""Mean of -log softmax(logits)[target] over positions with a target, and gradient.

    .. math:: \mathcal{L} = -\frac{1}{|S|} \sum_{t \in S} \ln p_{t, y_t}, \qquad
        \frac{\partial \mathcal{L}}{\partial z_{t,j}} = \frac{p_{t,j} - \mathbb{1}[j = y_t]}{|S|}

    Args:
        logits: Float (..., V); column 0 is padding and -inf.
        targets: Whole numbers (...) in 0..V - 1; 0 = no target.

    Returns:
        ``(loss, gradient)``: float64 scalar, nats a target, and float64 (..., V).

    Raises:
        ValueError: Shapes that do not fit, a target outside 0..V - 1, column 0 not -inf, or logits that
            `log_softmax` refuses.
    """
    logits, targets = np.asarray(logits, dtype=float), np.asarray(targets)
    if logits.shape[:-1] != targets.shape:
        raise ValueError(
            f"targets {targets.shape} must have the shape {logits.shape[:-1]}, one a row of logits."
        )
    if not np.issubdtype(targets.dtype, np.integer) or np.any((targets < 0) | (targets >= logits.shape[-1])):
        raise ValueError(f"targets must be item numbers up to {logits.shape[-1] - 1}, or 0 for none.")
    if np.any(logits[..., 0] != -np.inf):
        raise ValueError("column 0 of logits is padding and must be -inf: item 1 has column 1.")
    log_p, valid = log_softmax(logits), targets > 0
    count = max(1, valid.sum())
    nats = -np.take_along_axis(log_p, np.maximum(targets, 1)[..., None], axis=-1)[..., 0]
    observed = np.arange(logits.shape[-1]) == targets[..., None]
    return np.where(valid, nats, 0).sum() / count, (np.exp(log_p) - observed) * valid[..., None] / count


def binary_cross_entropy(logits, labels, valid=None):
    r"""Mean of -y log σ(z) - (1 - y) log(1 - σ(z)) where it counts, and its gradient.

    .. math:: \mathcal{L} = \frac{1}{|S|} \sum_{t \in S} \max(z_t, 0) - z_t y_t + \ln(1 + e^{-|z_t|}), \qquad
        \frac{\partial \mathcal{L}}{\partial z_t} = \frac{\sigma(z_t) - y_t}{|S|}

    Args:
        logits: Float (...), finite.
        labels: Float (...) in [0, 1]: the probability of yes. Ratings are not: divide them by the largest.
        valid: Bool (...), which positions count; None = all.

    Returns:
        ``(loss, gradient)``: float64 scalar, nats a position, and float64 (...).

    Raises:
        ValueError: Shapes that do not fit, a label outside [0, 1], or a logit that is not finite.
    """
    logits, labels = np.asarray(logits, dtype=float), np.asarray(labels, dtype=float)
    valid = np.ones(logits.shape, bool) if valid is None else np.asarray(valid, dtype=bool)
    if not logits.shape == labels.shape == valid.shape:
        raise ValueError(
            f"logits {logits.shape}, labels {labels.shape} and valid {valid.shape} differ in shape."
        )
    if not np.all((labels >= 0) & (labels <= 1)):
        raise ValueError("labels must lie in [0, 1]: scale ratings, or the loss has no lower bound.")
    if not np.isfinite(logits).all():
        raise ValueError("logits hold NaN or infinity: look for a diverged training.")
    small = np.exp(-np.abs(logits))  # in (0, 1]: never overflows
    nats = np.maximum(logits, 0) - logits * labels + np.log1p(small)
    sigmoid = np.where(logits >= 0, 1, small) / (1 + small)
    count = max(1, valid.sum())
    return (nats * valid).sum() / count, (sigmoid - labels) * valid / count


def in_batch_softmax(logits, items, log_q=None):
    r"""Cross-entropy of each query's own item among the items of its batch, and its gradient.

    .. math:: \mathcal{L} = -\frac{1}{B} \sum_i \ln \frac{e^{z_{ii} - \ln q_i}}
        {e^{z_{ii} - \ln q_i} + \sum_{j: x_j \ne x_i} e^{z_{ij} - \ln q_j}}

    An item comes into a batch as often as it is chosen, so that without :math:`q` the popular ones are
    negatives too often. With it the softmax estimates that over all items (Yi et al.,
    "Sampling-bias-corrected neural modeling for large corpus item recommendations", RecSys 2019,
    doi 10.1145/3298689.3346996). An item that the batch holds twice is no negative of itself.

    Args:
        logits: Float (B, B): row i, query i; column j, the item of query j.
        items: Whole numbers (B,), :math:`x`: which item each column is.
        log_q: Float (B,), :math:`\ln q`: logarithm of how probable each column's item is in a batch; None:
            all alike.

    Returns:
        ``(loss, gradient)``: float64 scalar, nats a query, and float64 (B, B).
    """
    logits, items = np.asarray(logits, dtype=float), np.asarray(items)
    corrected = logits if log_q is None else logits - np.asarray(log_q, dtype=float)
    itself = np.eye(len(items), dtype=bool)
    repeated = (items[:, None] == items) & ~itself
    log_p = log_softmax(np.where(repeated, -np.inf, corrected))
    return -np.diag(log_p).mean(), (np.exp(log_p) - itself) / len(items)


def sampled_softmax(hidden, table, targets, negatives, log_counts):
    r"""Cross-entropy among each target and its negatives, with the logQ correction.

    .. math:: \mathcal{L} = -\frac{1}{N} \sum_{t=1}^N \ln \frac{e^{z_{t,y_t}}}{e^{z_{t,y_t}} +
        \sum_{j \ne y_t} e^{z_{t,j} - \ln c_j}}

    The sum is over the target's k negatives j, and :math:`c_j` is how often j is expected among them. On
    average over their draws the denominator is therefore the sum over the whole catalogue (Bengio and
    Senecal, IEEE Transactions on Neural Networks 19(4), 2008).

    Args:
        hidden: Float (N, D), one row a target.
        table: Float (V, D), the item embeddings; row 0 is padding.
        targets: Whole numbers (N,), 1..V - 1.
        negatives: Whole numbers (N, k), each target's own, from `sequences.sample_negatives`.
        log_counts: Float (N, k), from there.

    Returns:
        float64 scalar, nats a target.
    """
    positive, negative = _pair_logits(hidden, table, targets, negatives)
    logits = np.column_stack([positive, negative - log_counts])
    return -log_softmax(logits)[:, 0].sum() / max(1, len(targets))


def gbce(hidden, table, targets, negatives, t=0.75):
    r"""Generalised binary cross-entropy: a yes for each target, a no for each negative.

    .. math:: \mathcal{L} = -\frac{1}{N (k + 1)} \sum_{t=1}^N \Bigl( \beta \ln \sigma(z_{t,y_t}) +
        \sum_{j \ne y_t} \ln \bigl(1 - \sigma(z_{t,j})\bigr) \Bigr), \qquad
        \beta = 1 - \tau \Bigl(1 - \frac{k}{n - 1}\Bigr)

    The inner sum is over the k negatives j, n is the number of items, and :math:`\tau` is the argument ``t``
    (Petrov and Macdonald, gSASRec, RecSys 2023, arXiv:2308.07192, equations 14 and 15, simplified). With
    :math:`\tau = 0` this is the binary cross-entropy.

    Args:
        hidden: Float (N, D), one row a target.
        table: Float (V, D), the item embeddings; row 0 is padding.
        targets: Whole numbers (N,), 1..V - 1.
        negatives: Whole numbers (N, k), each target's own, drawn uniformly.
        t: How much of the over-confidence to undo, in [0, 1].

    Returns:
        float64 scalar, nats a pair.
    """
    positive, negative = _pair_logits(hidden, table, targets, negatives)
    k, n = np.shape(negatives)[1], len(table) - 1
    beta = 1 - t * (1 - k / max(1, n - 1))
    # -ln sigmoid(z) is ln(1 + e^-z), and -ln(1 - sigmoid(z)) is ln(1 + e^z)
    nats = beta * np.logaddexp(0, -positive) + np.logaddexp(0, negative).sum(axis=1)
    return nats.sum() / (max(1, len(targets)) * (k + 1))


def bce(hidden, table, targets, negatives):
    """Binary cross-entropy of each target and its negatives: `gbce` with t = 0."""
    return gbce(hidden, table, targets, negatives, t=0)


def _pair_logits(hidden, table, targets, negatives):
    """Logits of targets (N,) and negatives (N, k), -inf where one is the target."""
    hidden, table = np.asarray(hidden, dtype=float), np.asarray(table, dtype=float)
    hits = np.asarray(targets)[:, None] == negatives
    negative = np.einsum("nd,nkd->nk", hidden, table[negatives])
    return (hidden * table[targets]).sum(axis=1), np.where(hits, -np.inf, negative)
