"""BERT: a bidirectional Transformer over the tokens of a text, with pretrained weights.

Devlin, Chang, Lee and Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers
for Language Understanding", NAACL 2019. A text's vector is the mean of its hidden
states: Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. Where this differs from the
first:

- No pooler: the layer over the first token that says whether two sentences follow each
  other. MiniLM's was not trained.
- Queries, keys and values come from one matrix of 3 D rows. There from three.
- Fresh weights: normal. There truncated at two standard deviations.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from llmrec_ref import pretrained
from llmrec_ref.tensorflow.layers import Attention, Linear, at_least_float32
from llmrec_ref.tensorflow.model import normal
from llmrec_ref.tensorflow.weights import set_weights

# Shapes: B batch, L length, D width, H heads, V tokens of the vocabulary.


class PostNormBlock(layers.Layer):
    """norm(x + attention(x)), then norm(x + feed_forward(x))."""

    def __init__(self, dim, n_heads, inner_dim, epsilon, dropout, draw, **kwargs):
        super().__init__(**kwargs)
        self.attention = Attention(dim, n_heads, dropout, draw, name="attention")
        self.norm1 = layers.LayerNormalization(epsilon=epsilon, name="norm1")
        self.inner = Linear(inner_dim, kernel_initializer=draw, name="inner")
        self.outer = Linear(dim, kernel_initializer=draw, name="outer")
        self.norm2 = layers.LayerNormalization(epsilon=epsilon, name="norm2")
        self.dropout1 = layers.Dropout(dropout)
        self.dropout2 = layers.Dropout(dropout)

    def call(self, x, visible):
        """Map float32 (B, L, D) to the same; ``visible`` bool (B, 1, 1, L)."""
        x = self.norm1(x + self.dropout1(self.attention(x, visible)))
        # exact GELU: x times the normal distribution function, by erf
        inner = ops.gelu(self.inner(x), approximate=False)
        return self.norm2(x + self.dropout2(self.outer(inner)))


class Bert(keras.Model):
    """Hidden states of the tokens of texts.

    Args:
        vocab_size: V, tokens of the vocabulary.
        dim: Width D of embeddings and layers.
        n_layers: Blocks.
        n_heads: Attention heads; must divide ``dim``.
        inner_dim: Width of the feed-forward layers.
        max_len: Positions, and so the most tokens of a text.
        n_segments: Kinds of token: 0 for a first sentence, 1 for a second.
        epsilon: Of all normalisations.
        dropout: Probability on embeddings, attention weights and both branches of a
            block.
        seed: Of fresh weights.
    """

    def __init__(
        self,
        vocab_size=30522,
        dim=384,
        n_layers=6,
        n_heads=12,
        inner_dim=1536,
        max_len=512,
        n_segments=2,
        epsilon=1e-12,
        dropout=0.1,
        seed=0,
    ):
        super().__init__(name="bert")
        draw = normal(seed)
        drawn = dict(embeddings_initializer=draw)
        self.words = layers.Embedding(vocab_size, dim, **drawn, name="words")
        self.positions = layers.Embedding(max_len, dim, **drawn, name="positions")
        self.segments = layers.Embedding(n_segments, dim, **drawn, name="segments")
        self.norm = layers.LayerNormalization(epsilon=epsilon, name="norm")
        self.dropout = layers.Dropout(dropout)
        sizes = dim, n_heads, inner_dim, epsilon, dropout, draw
        self.blocks = [
            PostNormBlock(*sizes, name=f"blocks.{i}") for i in range(n_layers)
        ]
        self(np.zeros((1, 2), np.int64), np.ones((1, 2), bool))  # makes the weights

    @classmethod
    def load(cls, name=pretrained.MINILM):
        """Return a pretrained BERT; ``name`` as in `pretrained.find`.

        Raises:
            FileNotFoundError, ValueError, ImportError: As the functions of `pretrained`
                say.
        """
        folder = pretrained.find(name)
        bert = cls(**pretrained.read_config(folder))
        set_weights(bert, pretrained.read_weights(folder))
        return bert

    def call(self, token_ids, mask, segments=None, training=None):
        """Hidden states float32 (B, L, D).

        Args:
            token_ids: int64 (B, L), L <= max_len, padded right.
            mask: bool (B, L), true where there is a token: one at least in each row.
            segments: int64 (B, L), or None: all of the first kind.
            training: Whether dropout is on; Keras hands it on to the layers.
        """
        segments = ops.zeros_like(token_ids) if segments is None else segments
        position = ops.arange(ops.shape(token_ids)[1])
        x = self.words(token_ids) + self.positions(position) + self.segments(segments)
        x = self.dropout(self.norm(x))  # (B, L, D)
        visible = mask[:, None, None, :]  # (B, 1, 1, L): all that is no padding
        for block in self.blocks:
            x = block(x, visible)
        return x


class MaskedLM(keras.Model):
    """BERT and its masked-LM head: which token stands, or stood, at a position.

    Args:
        bert: `Bert`. Its table of words makes the logits too.
        epsilon: Of the head's normalisation.
        seed: Of the head's fresh weights.
    """

    def __init__(self, bert, epsilon=1e-12, seed=1):
        super().__init__()
        vocab_size, dim = bert.words.embeddings.shape
        self.bert = bert
        self.head = layers.Dense(dim, kernel_initializer=normal(seed), name="head")
        self.head_norm = layers.LayerNormalization(epsilon=epsilon, name="head_norm")
        self.bias = self.add_weight((vocab_size,), "zeros", name="bias")
        self(np.zeros((1, 2), np.int64), np.ones((1, 2), bool))  # makes the weights

    @classmethod
    def load(cls, name):
        """Return a pretrained one; errors as in `Bert.load`."""
        folder = pretrained.find(name)
        config = pretrained.read_config(folder)
        model = cls(Bert(**config), config["epsilon"])
        set_weights(model, pretrained.read_weights(folder, head=True))
        return model

    def call(self, token_ids, mask, segments=None, training=None):
        """Logits float32 (B, L, V); arguments as in `Bert.call`."""
        x = self.head(self.bert(token_ids, mask, segments))
        x = self.head_norm(ops.gelu(x, approximate=False))
        # bfloat16 has so few numbers that tokens would tie
        x, words = at_least_float32(x), at_least_float32(self.bert.words.embeddings)
        return ops.tensordot(x, words, [[-1], [1]]) + self.bias


def mean_pool(hidden, mask):
    """Mean (B, D) of hidden states (B, L, D) where ``mask`` bool (B, L) is true."""
    weight = ops.cast(mask, hidden.dtype)[..., None]  # (B, L, 1)
    return ops.sum(hidden * weight, 1) / ops.sum(weight, 1)


class Encoder:
    """Texts to vectors of length 1, by a pretrained BERT.

    Args:
        name: As in `pretrained.find`.
        max_len: Tokens of a text that are read; what comes later is cut off.

    Attributes:
        key: str that names weights, tokenizer, ``max_len`` and framework, for caches.
        dim: Width D of a vector.
    """

    def __init__(self, name=pretrained.MINILM, max_len=128):
        folder = pretrained.find(name)
        self.tokenizer, self.max_len = pretrained.Tokenizer(folder), max_len
        self.bert = Bert.load(folder)
        self.dim = self.bert.words.output_dim
        self.key = (
            f"{pretrained.fingerprint(folder)} {max_len} tokens, mean, tensorflow"
        )
        arrays = [tf.TensorSpec((None, None), kind) for kind in (tf.int64, tf.bool)]
        self.pooled = tf.function(self._pooled, input_signature=arrays)

    def _pooled(self, token_ids, mask):
        return ops.normalize(mean_pool(self.bert(token_ids, mask), mask), axis=-1)

    def __call__(self, texts):
        """Vectors np.float32 (B, D) of a list of texts."""
        return self.pooled(*self.tokenizer(texts, self.max_len)).numpy()
