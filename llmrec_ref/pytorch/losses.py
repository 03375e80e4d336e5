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
