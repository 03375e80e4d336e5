"""Layers that models share: attention, and the block of a Transformer."""

import keras
import numpy as np
from keras import layers, ops

# Shapes: B batch, L length, D width, H heads.


def at_least_float32(x):
    """Cast what is of lower precision: sums would lose their small terms."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


class Linear(layers.Dense):
    """A linear layer, and what fine-tuning may add to it, ``extra``: see `lora`."""

    extra = None

    def call(self, x):
        """Map (..., n_in) to (..., n_out)."""
        y = super().call(x)
        return y if self.extra is None else self.extra(x, y)


class Attention(layers.Layer):
    """Causal multi-head self-attention that never looks at padding."""

    def __init__(self, dim, n_heads, dropout, initializer, **kwargs):
        super().__init__(**kwargs)
        self.n_heads = n_heads
        self.qkv = Linear(3 * dim, kernel_initializer=initializer, name="qkv")
        self.out = Linear(dim, kernel_initializer=initializer, name="out")
        self.dropout = layers.Dropout(dropout)

    def call(self, x, visible):
        """Map float32 (B, L, D); ``visible`` bool (B, 1, L, L): may query see key?"""
        B, L, D = ops.shape(x)
        heads = (B, L, self.n_heads, D // self.n_heads)
        q, k, v = (ops.reshape(y, heads) for y in ops.split(self.qkv(x), 3, axis=-1))
        similarity = ops.einsum("bqhd,bkhd->bhqk", q, k) / (D // self.n_heads) ** 0.5
        # (B, H, L, L)
        weights = self.dropout(ops.softmax(ops.where(visible, similarity, -np.inf)))
        x = ops.einsum("bhqk,bkhd->bqhd", weights, v)
        return self.out(ops.reshape(x, (B, L, D)))


class Block(layers.Layer):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, dim, n_heads, dropout, initializer, **kwargs):
        super().__init__(**kwargs)
        self.norm1 = layers.LayerNormalization(epsilon=1e-5, name="norm1")
        self.attention = Attention(dim, n_heads, dropout, initializer, name="attention")
        self.norm2 = layers.LayerNormalization(epsilon=1e-5, name="norm2")
        self.inner = Linear(dim, kernel_initializer=initializer, name="inner")
        self.outer = Linear(dim, kernel_initializer=initializer, name="outer")
        self.dropout1 = layers.Dropout(dropout)
        self.dropout2 = layers.Dropout(dropout)

    def call(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` as in `Attention`."""
        x = x + self.dropout1(self.attention(self.norm1(x), visible))
        # (B, L, D)
        return x + self.dropout2(self.outer(ops.relu(self.inner(self.norm2(x)))))
