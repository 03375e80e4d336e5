"""Which weights move in fine-tuning: freeze maps, low-rank updates (LoRA), adapters.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", ICLR 2022,
arXiv:2106.09685. Houlsby et al., "Parameter-Efficient Transfer Learning for NLP", ICML
2019, arXiv:1902.00751. Where this differs from them:

- Queries, keys and values come from one matrix here, and so share one A. There each has
  an update of its own, by default for queries and values alone.
- A is drawn from N(0, 1 / n_in). There from a normal distribution that is not named;
  the authors' code draws it uniformly, with a third of that variance.
- No dropout before an update (the authors' code has it as an option).
- An adapter's last layer starts at zero, with GELU between the two. There near zero,
  and the activation is not named.
"""

import torch
import torch.nn.functional as F
from torch import nn

from llmrec_ref.pytorch.layers import Linear
from llmrec_ref.tuning import check_rank, chosen

# Shapes: n_in, n_out of a linear layer, r rank, D width, m width of an adapter.


class LoRA(nn.Module):
    r"""An update of low rank, beside a layer that stays as it is.

    .. math:: y = W x + b + \frac{\alpha}{r} B A x

    A is drawn from N(0, 1 / n_in) and B is zero, so that nothing changes at the start.
    """

    def __init__(self, linear, rank, alpha, generator):
        super().__init__()
        n_out, n_in = linear.weight.shape
        check_rank("rank", rank, min(n_out, n_in))
        self.scale = alpha / rank
        a = torch.randn(rank, n_in, generator=generator) * n_in**-0.5
        self.a, self.b = nn.Parameter(a), nn.Parameter(torch.zeros(n_out, rank))

    def forward(self, x, y):
        """Add the update of input ``x`` (..., n_in) to output ``y`` (..., n_out)."""
        return y + self.scale * F.linear(F.linear(x, self.a), self.b)

    def merge(self, linear):
        """Add the update to the layer's own matrix."""
        linear.weight += self.scale * self.b @ self.a


class Adapter(nn.Module):
    r"""A small network after a layer.

    .. math:: y' = y + V \operatorname{gelu}(U y + c) + d

    U is drawn from N(0, 1 / D), V, c and d are zero, so that nothing changes at the
    start.
    """

    def __init__(self, linear, width, generator):
        super().__init__()
        dim = len(linear.weight)
        check_rank("width", width, dim)
        self.down, self.up = nn.Linear(dim, width), nn.Linear(width, dim)
        for weight in self.parameters():
            nn.init.zeros_(weight)
        nn.init.normal_(self.down.weight, std=dim**-0.5, generator=generator)

    def forward(self, x, y):
        """Map the layer's output ``y`` (..., D); its input ``x`` is not looked at."""
        return y + self.up(F.gelu(self.down(y)))


def freeze(model, train=()):
    """Freeze all weights of a model but those of some parts.

    What is frozen already stays so.

    Args:
        model: Any ``torch.nn.Module``.
        train: Parts, as in `tuning.chosen`: ``["bert.blocks.5", "head"]``.

    Raises:
        TypeError, ValueError: As in `tuning.chosen`.
    """
    names, weights = zip(*model.named_parameters(), strict=True)
    for weight, stays in zip(weights, chosen(names, train), strict=True):
        weight.requires_grad &= stays


def count_trained(model):
    """How many numbers training moves."""
    return sum(w.numel() for w in model.parameters() if w.requires_grad)


def add_lora(model, rank, alpha=16, layers=("attention.qkv",), seed=0):
    """Freeze a model and give some of its layers a trained update of low rank.

    An update has r (n_in + n_out) numbers.

    Args:
        model: A `bert.Bert`, or what else is made of `layers.Linear`; changed in place.
            What should be trained beside it, such as a head, is no part of it.
        rank: r, from 1 to the smaller side of the matrix.
        alpha: Scale of the updates.
        layers: Parts of the layers' names, as in `tuning.chosen`:
            ``["attention.qkv", "attention.out", "inner", "outer"]`` are all.
        seed: Of the matrices A.

    Raises:
        TypeError: ``layers`` is one string.
        ValueError: No layer has such a name, there are updates or adapters already, or
            the rank is out of its range.
    """
    generator = torch.Generator().manual_seed(seed)
    _extend(model, layers, lambda linear: LoRA(linear, rank, alpha, generator))


def add_adapters(model, width, seed=0):
    """Freeze a BERT but for its normalisations, and put adapters into its blocks.

    One stands after attention, one after the feed-forward layers, each before the sum;
    together 2 (2 D m + D + m) numbers a block.

    Args:
        model: A `bert.Bert`; changed in place.
        width: m, from 1 to D.
        seed: Of the matrices U.

    Raises:
        ValueError: There are updates or adapters already, or the width is out of its
            range.
    """
    generator = torch.Generator().manual_seed(seed)
    norms = ("norm", "norm1", "norm2")
    places = "attention.out", "outer"
    _extend(model, places, lambda linear: Adapter(linear, width, generator), norms)


def _extend(model, places, make, trained=()):
    """Freeze a model, and make something for the layers at some places."""
    found = _linears(model)
    if not found:
        raise ValueError("The model has no `layers.Linear` to add to: take a Bert.")
    if any(linear.extra is not None for linear in found.values()):
        raise ValueError("The model has updates or adapters already: load it anew.")
    here = chosen(list(found), places)
    pairs = zip(found.values(), here, strict=True)
    linears = [linear for linear, is_here in pairs if is_here]
    extras = [make(linear) for linear in linears]
    freeze(model, trained)
    for linear, extra in zip(linears, extras, strict=True):
        linear.extra = extra.to(linear.weight)


def _linears(model):
    """The layers that may have something extra, by name."""
    named = model.named_modules()
    return {name: layer for name, layer in named if isinstance(layer, Linear)}


@torch.no_grad()
def merge_lora(model):
    """Add all updates to their matrices, so that the model is a plain one again.

    It computes what it did, but for rounding, and its weights are those of a model
    without updates. All stay frozen.

    Raises:
        ValueError: The model has no updates, or has adapters, which cannot be merged.
    """
    extended = [each for each in _linears(model).values() if each.extra is not None]
    if not extended or not all(isinstance(each.extra, LoRA) for each in extended):
        raise ValueError("The model has no low-rank updates to merge: see add_lora.")
    for linear in extended:
        linear.extra.merge(linear)
        linear.extra = None
