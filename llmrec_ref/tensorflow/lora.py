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

from contextlib import ExitStack

import keras
import numpy as np
from keras import layers, ops

from llmrec_ref.tensorflow.layers import Linear
from llmrec_ref.tensorflow.weights import name_of
from llmrec_ref.tuning import check_rank, chosen

# Shapes: n_in, n_out of a linear layer, r rank, D width, m width of an adapter.


class LoRA(layers.Layer):
    r"""An update of low rank, beside a layer that stays as it is.

    .. math:: y = W x + b + \frac{\alpha}{r} B A x

    A is drawn from N(0, 1 / n_in) and B is zero, so that nothing changes at the start.
    """

    def __init__(self, linear, rank, alpha, rng):
        super().__init__(name="extra", dtype=linear.dtype_policy)
        n_in, n_out = linear.kernel.shape
        check_rank("rank", rank, min(n_out, n_in))
        self.scale = alpha / rank
        # as PyTorch has them: (out, in)
        self.a = self.add_weight((rank, n_in), "zeros", name="a")
        self.b = self.add_weight((n_out, rank), "zeros", name="b")
        self.a.assign(rng.normal(0, n_in**-0.5, (rank, n_in)))

    def call(self, x, y):
        """Add the update of input ``x`` (..., n_in) to output ``y`` (..., n_out)."""
        inner = ops.matmul(x, ops.transpose(self.a))
        return y + self.scale * ops.matmul(inner, ops.transpose(self.b))

    def merge(self, linear):
        """Add the update to the layer's own matrix."""
        update = self.scale * ops.matmul(self.b, self.a)
        linear.kernel.assign_add(ops.transpose(update))
        # graphs that were made before go on adding the update
        self.b.assign(ops.zeros_like(self.b))


class Adapter(layers.Layer):
    r"""A small network after a layer.

    .. math:: y' = y + V \operatorname{gelu}(U y + c) + d

    U is drawn from N(0, 1 / D), V, c and d are zero, so that nothing changes at the
    start.
    """

    def __init__(self, linear, width, rng):
        super().__init__(name="extra", dtype=linear.dtype_policy)
        dim = linear.kernel.shape[1]
        check_rank("width", width, dim)
        zeros = dict(kernel_initializer="zeros", dtype=linear.dtype_policy)
        self.down = layers.Dense(width, **zeros, name="down")
        self.up = layers.Dense(dim, **zeros, name="up")
        with keras.name_scope(self.name):
            self.down.build((None, dim))
            self.up.build((None, width))
        self.down.kernel.assign(rng.normal(0, dim**-0.5, (width, dim)).T)

    def call(self, x, y):
        """Map the layer's output ``y`` (..., D); its input ``x`` is not looked at."""
        return y + self.up(ops.gelu(self.down(y), approximate=False))


def freeze(model, train=()):
    """Freeze all weights of a model but those of some parts.

    What is frozen already stays so.

    Args:
        model: Any ``keras.Model``.
        train: Parts, as in `tuning.chosen`: ``["bert.blocks.5", "head"]``.

    Raises:
        TypeError, ValueError: As in `tuning.chosen`.
    """
    weights = model.weights
    names = [name_of(weight, model) for weight in weights]
    for weight, stays in zip(weights, chosen(names, train), strict=True):
        weight.trainable &= stays


def count_trained(model):
    """How many numbers training moves."""
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


def add_lora(model, rank, alpha=16, layers=("attention.qkv",), seed=0):
    """Freeze a model and give some of its layers a trained update of low rank.

    An update has r (n_in + n_out) numbers. Graphs that were made before, by
    `tf.function` or a used `bert.Encoder`, go on without it.

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
    rng = np.random.default_rng(seed)
    _extend(model, layers, lambda linear: LoRA(linear, rank, alpha, rng))


def add_adapters(model, width, seed=0):
    """Freeze a BERT but for its normalisations, and put adapters into its blocks.

    One stands after attention, one after the feed-forward layers, each before the sum;
    together 2 (2 D m + D + m) numbers a block. Graphs that were made before go on
    without them.

    Args:
        model: A `bert.Bert`; changed in place.
        width: m, from 1 to D.
        seed: Of the matrices U.

    Raises:
        ValueError: There are updates or adapters already, or the width is out of its
            range.
    """
    rng = np.random.default_rng(seed)
    norms = ("norm", "norm1", "norm2")
    places = "attention.out", "outer"
    _extend(model, places, lambda linear: Adapter(linear, width, rng), norms)


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
    extras = [_make_inside(linear, make) for linear in linears]
    freeze(model, trained)
    for linear, extra in zip(linears, extras, strict=True):
        _set_extra(linear, extra)


def _linears(model):
    """The layers that may have something extra, by name."""
    linears = [x for x in model._flatten_layers() if isinstance(x, Linear)]
    named = [(name_of(linear.kernel, model), linear) for linear in linears]
    return {name.removesuffix(".weight"): linear for name, linear in named}


def _make_inside(linear, make):
    """Make something whose weights are named after the layer that it belongs to."""
    with ExitStack() as scopes:
        for name in linear.kernel.path.split("/")[:-1]:
            scopes.enter_context(keras.name_scope(name))
        return make(linear)


def _set_extra(linear, extra):
    """Change a layer that Keras has closed, as its own `Dense.enable_lora` does."""
    linear._tracker.unlock()
    if linear.extra is not None:
        linear._tracker.untrack(linear.extra)
    linear.extra = extra
    linear._tracker.lock()


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
        _set_extra(linear, None)
