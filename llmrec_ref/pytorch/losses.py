"""Training losses: functions of logits (..., V) and targets (...), where target 0 means none."""

import torch.nn.functional as F


def cross_entropy(logits, targets):
    """Mean of -log softmax(logits)[target] over the positions that have a target.

    Args:
        logits: float32 (..., V).
        targets: int64 (...), 0 = no target.

    Returns:
        float32 scalar, nats a target; 0 (and gradient 0) where no position has a target.
    """
    total = F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=0, reduction="sum")
    return total / (targets > 0).sum().clamp(min=1)


def binary_cross_entropy(logits, labels, valid):
    """Mean of -y log sigmoid(z) - (1 - y) log(1 - sigmoid(z)) over the positions that count.

    Args:
        logits: float32 (...), finite.
        labels: float32 (...) in [0, 1].
        valid: bool (...), which positions count.

    Returns:
        float32 scalar, nats a position; 0 (and gradient 0) where no position counts.
    """
    nats = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (nats * valid).sum() / valid.sum().clamp(min=1)
