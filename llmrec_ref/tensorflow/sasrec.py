"""SASRec: a small causal Transformer over item histories.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, with layers normalised before
attention and feed-forward (pre-norm) and positions counted from the newest item.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from llmrec_ref.sequences import pad_left
from llmrec_ref.splits import check_histories

SCORE_BATCH = 256  # queries at a time

# Shapes: B batch, L length, D width, H heads, V = n_items + 1 (0 is padding).


class Dropout(layers.Dropout):
    """Keras' dropout with a named generator: the one that XLA picks on a CPU is 50 times slower."""

    def call(self, x, training=False):
        """Drop with probability ``rate`` in training."""
        if not training or self.rate == 0:
            return x
        return tf.nn.experimental.stateless_dropout(
            x, self.rate, self.seed_generator.next(), rng_alg="philox"
        )


class Attention(layers.Layer):
    """Causal multi-head self-attention that never looks at padding."""

    def __init__(self, dim, n_heads, dropout, initializer, **kwargs):
        super().__init__(**kwargs)
        self.n_heads = n_heads
        self.qkv = layers.Dense(3 * dim, kernel_initializer=initializer, name="qkv")
        self.out = layers.Dense(dim, kernel_initializer=initializer, name="out")
        self.dropout = Dropout(dropout)

    def call(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` bool (B, 1, L, L): may query see key?"""
        B, L, D = ops.shape(x)
        heads = (B, L, self.n_heads, D // self.n_heads)
        q, k, v = (ops.reshape(y, heads) for y in ops.split(self.qkv(x), 3, axis=-1))
        similarity = ops.einsum("bqhd,bkhd->bhqk", q, k) / (D // self.n_heads) ** 0.5
        weights = self.dropout(ops.softmax(ops.where(visible, similarity, -np.inf)))  # (B, H, L, L)
        x = ops.einsum("bhqk,bkhd->bqhd", weights, v)
        return self.out(ops.reshape(x, (B, L, D)))


class Block(layers.Layer):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, dim, n_heads, dropout, initializer, **kwargs):
        super().__init__(**kwargs)
        self.norm1 = layers.LayerNormalization(epsilon=1e-5, name="norm1")
        self.attention = Attention(dim, n_heads, dropout, initializer, name="attention")
        self.norm2 = layers.LayerNormalization(epsilon=1e-5, name="norm2")
        self.inner = layers.Dense(dim, kernel_initializer=initializer, name="inner")
        self.outer = layers.Dense(dim, kernel_initializer=initializer, name="outer")
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)

    def call(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` as in `Attention`."""
        x = x + self.dropout1(self.attention(self.norm1(x), visible))
        return x + self.dropout2(self.outer(ops.relu(self.inner(self.norm2(x)))))  # (B, L, D)


class SASRec(keras.Model):
    """Next-item logits for every position of a history.

    Args:
        n_items: Size of the catalogue; items are numbered 1..n_items.
        dim: Width D of embeddings and layers.
        n_layers: Transformer blocks.
        n_heads: Attention heads; must divide ``dim``.
        max_len: Newest items the model looks at.
        dropout: Probability on embeddings, attention weights and both branches of a block.
        seed: Of the initial weights.

    Raises:
        ValueError: ``n_heads`` does not divide ``dim``.
    """

    def __init__(self, n_items, dim=64, n_layers=2, n_heads=1, max_len=50, dropout=0.2, seed=0):
        super().__init__()
        if dim % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide dim={dim}: choose another number of heads.")
        self.config = dict(
            n_items=n_items, dim=dim, n_layers=n_layers, n_heads=n_heads, max_len=max_len, dropout=dropout
        )
        normal = keras.initializers.RandomNormal(stddev=0.02, seed=keras.random.SeedGenerator(seed))
        self.items = layers.Embedding(n_items + 1, dim, embeddings_initializer=normal, name="items")
        self.positions = layers.Embedding(max_len, dim, embeddings_initializer=normal, name="positions")
        self.dropout = Dropout(dropout)
        self.blocks = [Block(dim, n_heads, dropout, normal, name=f"blocks.{i}") for i in range(n_layers)]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.no_padding = np.where(np.arange(n_items + 1) > 0, 0, -np.inf).astype(np.float32)
        self(np.zeros((1, max_len), np.int64))  # makes the weights

    def encode(self, item_ids):
        """Hidden states float32 (B, L, D) of ``item_ids`` int64 (B, L), padded left with 0, L <= max_len."""
        L = ops.shape(item_ids)[1]
        age = ops.arange(L - 1, -1, -1)  # the newest item has position 0
        x = self.dropout(self.items(item_ids) + self.positions(age))  # (B, L, D)
        causal, itself = age[:, None] <= age, age[:, None] == age  # (L, L)
        # padding sees itself: a row that sees nothing would be NaN
        visible = (causal & (item_ids > 0)[:, None, None, :]) | itself  # (B, 1, L, L)
        for block in self.blocks:
            x = block(x, visible)
        return self.norm(x)

    def logits(self, hidden):
        """Logits float32 (..., V) of hidden states (..., D): the item embeddings again, column 0 = -inf."""
        return ops.tensordot(hidden, self.items.embeddings, [[-1], [1]]) + self.no_padding

    @tf.function(jit_compile=True)
    def newest_logits(self, item_ids):
        """Logits float32 (B, V) of the item that comes next, after the newest position; without dropout."""
        return self.logits(self.encode(item_ids)[:, -1])

    def call(self, item_ids, training=None):
        """Logits float32 (B, L, V) of the item that follows each position of ``item_ids`` int64 (B, L).

        Keras hands ``training`` on to the dropout layers, but only if it stands in this signature.
        """
        return self.logits(self.encode(item_ids))

    def score(self, queries):
        """Score every item as the next one of each query's history.

        Args:
            queries: `splits.Queries`; only ``histories`` are looked at.

        Returns:
            np.float32 (len(queries), n_items + 1), column 0 = -inf.

        Raises:
            ValueError: An empty history, or an item number outside 1..n_items.
        """
        check_histories(queries, self.config["n_items"])
        item_ids = pad_left(queries.histories, self.config["max_len"])
        scores = [
            self.newest_logits(batch).numpy()
            for batch in np.split(item_ids, range(SCORE_BATCH, len(item_ids), SCORE_BATCH))
        ]
        return np.concatenate(scores)
