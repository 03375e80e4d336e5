"""A cross-encoder: one BERT reads a candidate and a query together, and says yes or no.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019, arXiv:1901.04085. Where this
differs from it:

- The head reads the mean of the hidden states, as MiniLM was tuned to be read. There
  the state of the first token, [CLS].
- One logit, and binary cross-entropy. There two, and a softmax over them: the same.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from tqdm import tqdm

from llmrec_ref import pretrained
from llmrec_ref.tensorflow.bert import Bert, mean_pool
from llmrec_ref.tensorflow.layers import at_least_float32
from llmrec_ref.tensorflow.model import normal

# Shapes: B batch, L length, D width.
PAIRS = [tf.TensorSpec((None, None), kind) for kind in (tf.int64, tf.bool, tf.int64)]


class CrossEncoder(keras.Model):
    """A logit for each pair of texts.

    Args:
        bert: `bert.Bert`, changed in training.
        dropout: Probability on the mean of the hidden states.
        seed: Of the head's fresh weights.
    """

    def __init__(self, bert, dropout=0.1, seed=0):
        super().__init__()
        self.supports_masking = True  # or Keras warns of the argument `mask`
        self.bert = bert
        self.dropout = layers.Dropout(dropout)
        # bfloat16 has so few numbers that pairs would tie
        head = dict(kernel_initializer=normal(seed), dtype="float32", name="head")
        self.head = layers.Dense(1, **head)
        empty = np.zeros((1, 2), np.int64)
        self(empty, np.ones((1, 2), bool), empty)  # makes the weights

    @classmethod
    def load(cls, name=pretrained.MINILM, dropout=0.1, seed=0):
        """Return a pretrained BERT with a fresh head; errors as in `Bert.load`."""
        return cls(Bert.load(name), dropout, seed)

    def call(self, token_ids, mask, segments, training=None):
        """Logits float32 (B,) of pairs, as `text.TextPairs` lays them out.

        Args:
            token_ids: int64 (B, L), padded right.
            mask: bool (B, L), true where there is a token.
            segments: int64 (B, L), 0 for the candidate, 1 for the query.
            training: Whether dropout is on; Keras hands it on to the layers.
        """
        pooled = mean_pool(self.bert(token_ids, mask, segments), mask)  # (B, D)
        x = at_least_float32(self.dropout(pooled))
        return self.head(x)[:, 0]

    def score_pairs(self, pairs, batch_size=64):
        """Logits np.float32 (n,) of `text.TextPairs`, without dropout.

        Pairs of about the same length share a batch. A progress bar shows after five
        seconds.
        """
        # a graph of its own each time: layers may have been added since, see `lora`
        logits = tf.function(self.__call__, input_signature=PAIRS)
        order = np.argsort(pairs.lengths, kind="stable")
        scores = np.empty(len(pairs), np.float32)
        starts = range(0, len(pairs), batch_size)
        for start in tqdm(starts, "scoring", delay=5, leave=False):
            rows = order[start : start + batch_size]
            batch = pairs[rows]
            arrays = (batch[name] for name in ("token_ids", "mask", "segments"))
            scores[rows] = logits(*arrays).numpy()
        return scores
