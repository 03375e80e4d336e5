"""Training losses.

`cross_entropy` and `binary_cross_entropy` are functions of logits. The others, which
``train.fit`` takes by name, are functions of hidden states and of the item table, so
that no more logits need to be made than the loss looks at:

    hidden: float32 (N, D), one row a target.
    table: float32 (V, D), the item embeddings; row 0 is padding.
    targets: int64 (N,), item numbers.
    negatives: int64 (N, k), each target's own; one that is the target itself does not
    count.
    log_counts: float32 (N, k), from `sequences.sample_negatives`.

Each returns a float32 scalar: the mean over the targets, in nats; 0 (and gradient 0)
without a target.
"""

import torch
import torch.nn.functional as F

from llmrec_ref.pytorch.layers import at_least_float32

# targets whose logits are made at a time: few enough to stay near the processor
CHUNK = 128
CALIBRATION = 0.75  # t of gBCE
UNSEEN = -1e4  # logit of what no loss should see


def cross_entropy(logits, targets):
    """Mean of -log softmax(logits)[target] over the positions that have a target.

    Args:
        logits: float32 (..., V).
        targets: int64 (...), 0 = no target.

    Returns:
        float32 scalar, nats a target; 0 (and gradient 0) where no position has a
        target.
    """
    logits = at_least_float32(logits).flatten(0, -2)
    total = F.cross_entropy(logits, targets.flatten(), ignore_index=0, reduction="sum")
    return total / (targets > 0).sum().clamp(min=1)


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
    nats = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (nats * valid).sum() / valid.sum().clamp(min=1)


def full_softmax(hidden, table, targets):
    """Cross-entropy over the catalogue: every item is a negative."""
    return cross_entropy(_logits(hidden, table), targets)


def chunked_softmax(hidden, table, targets):
    """Cross-entropy over the catalogue, with the logits of `CHUNK` targets at a time.

    Its gradient, probability minus target, is made chunk by chunk on the way forward,
    so that backward needs no logits: memory grows with the targets and with the
    catalogue, but not with their product.
    """
    # autocast leaves products in place alone: what is multiplied must be alike
    return _ChunkedSoftmax.apply(
        at_least_float32(hidden), at_least_float32(table), targets
    )


class _ChunkedSoftmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, table, targets):
        total = hidden.new_zeros(())
        grad_hidden, grad_table = torch.empty_like(hidden), torch.zeros_like(table)
        for start in range(0, len(targets), CHUNK):
            h, y = hidden[start : start + CHUNK], targets[start : start + CHUNK, None]
            # (CHUNK, V), made probabilities in place
            p = at_least_float32(_logits(h, table))
            p -= p.amax(1, keepdim=True)
            total -= p.gather(1, y).sum()
            partition = p.exp_().sum(1, keepdim=True)
            total += partition.log().sum()
            p.div_(partition).scatter_add_(1, y, -torch.ones_like(partition))
            torch.mm(p, table, out=grad_hidden[start : start + CHUNK])
            grad_table.addmm_(p.T, h)
            del p  # before the next is made
        ctx.save_for_backward(grad_hidden, grad_table)
        ctx.count = max(1, len(targets))
        return total / ctx.count

    @staticmethod
    def backward(ctx, grad_loss):
        return *(grad * (grad_loss / ctx.count) for grad in ctx.saved_tensors), None


def sampled_softmax(hidden, table, targets, negatives, log_counts):
    """Cross-entropy among the target and its negatives, with the logQ correction.

    A negative stands for all items, the more so the rarer it is drawn: subtracting the
    logarithm of its expected count makes the sum of exponentials right on average
    (Bengio and Senecal, IEEE Transactions on Neural Networks 19(4), 2008).
    """
    positive, negative = _pair_logits(hidden, table, targets, negatives)
    logits = torch.cat([positive[:, None], negative - log_counts], dim=1)  # (N, 1 + k)
    return _mean(logits.logsumexp(1) - positive)


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
    k, n = negatives.shape[-1], len(table) - 1
    beta = 1 - t * (1 - k / max(1, n - 1))
    nats = beta * F.softplus(-positive) + F.softplus(negative).sum(1)
    return _mean(nats) / (k + 1)


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
        hidden, table = model.encode(batch["item_ids"])[valid], model.table  # (N, D)
        counts = getattr(getattr(model, "items", None), "counts", None)
        if counts is not None:
            hidden, table = _without_unseen(hidden, table, counts)
        drawn = (
            batch[name][valid] for name in ("negatives", "log_counts") if name in batch
        )
        return function(hidden, table, batch["targets"][valid], *drawn)

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
    return binary_cross_entropy(model(**inputs), labels, torch.ones_like(labels))


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
    own = torch.arange(len(items), device=items.device)
    repeated = (items[:, None] == items) & (own[:, None] != own)
    return F.cross_entropy(logits.masked_fill(repeated, -torch.inf), own)


def _without_unseen(hidden, table, counts):
    """Return hidden states and a table by which unseen items have very low logits.

    A logit and a constant are one product: of (h, 1) and (t, constant).
    """
    ones = hidden.new_ones(len(hidden), 1)
    low = torch.where(counts > 0, 0.0, UNSEEN)[:, None].to(table.dtype)
    return torch.cat([hidden, ones], dim=1), torch.cat([table, low], dim=1)


def _logits(hidden, table):
    """Logits (N, V), column 0 = -inf."""
    no_padding = torch.zeros(len(table), device=table.device, dtype=table.dtype)
    no_padding[0] = -torch.inf
    return F.linear(hidden, table, no_padding)


def _pair_logits(hidden, table, targets, negatives):
    """Logits of targets (N,) and negatives (N, k), -inf where one is the target."""
    negative = torch.einsum("nd,nkd->nk", hidden, F.embedding(negatives, table))
    negative = negative.masked_fill(targets[:, None] == negatives, -torch.inf)
    positive = at_least_float32(hidden * F.embedding(targets, table)).sum(1)
    return positive, at_least_float32(negative)


def _mean(nats):
    return nats.sum() / max(1, len(nats))  # 0 of no targets
