"""What all item-token models share: tied output, initial weights, scoring."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from llmrec_ref.splits import check_histories
from llmrec_ref.tensorflow.layers import at_least_float32

SCORE_BATCH = 256  # queries at a time


def normal(seed):
    """N(0, 0.02²), a fresh draw for each matrix."""
    return keras.initializers.RandomNormal(
        stddev=0.02, seed=keras.random.SeedGenerator(seed)
    )


class ItemModel(keras.Model):
    """A model with item embeddings ``items``, ``config``, ``objective`` and ``encode``.

    V = n_items + 1, 0 is padding.
    """

    @property
    def table(self):
        """Output weights float32 (V, D): the item embeddings again."""
        table = self.items.embeddings[: self.config["n_items"] + 1]
        # as the layers do it, also where Keras is not calling one
        return ops.cast(table, self.compute_dtype)

    def logits(self, hidden):
        """Logits float32 (..., V) of hidden states (..., D); column 0 = -inf."""
        # bfloat16 has so few numbers that items would tie
        hidden, table = at_least_float32(hidden), at_least_float32(self.table)
        no_padding = np.where(np.arange(table.shape[0]) > 0, 0, -np.inf)
        no_padding = no_padding.astype(hidden.dtype.name)
        return ops.tensordot(hidden, table, [[-1], [1]]) + no_padding

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int64)])
    def newest_logits(self, item_ids):
        """Logits float32 (B, V) at the newest position; without dropout."""
        return self.logits(self.encode(item_ids)[:, -1])

    def call(self, item_ids, training=None):
        """Logits float32 (B, L, V) at each position of ``item_ids`` int64 (B, L).

        Keras hands ``training`` on to the dropout layers, but only if it stands in this
        signature.
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
        item_ids = self.objective.question(queries.histories)
        scores = [
            self.newest_logits(batch).numpy()
            for batch in np.split(
                item_ids, range(SCORE_BATCH, len(item_ids), SCORE_BATCH)
            )
        ]
        return np.concatenate(scores, dtype=np.float32)
