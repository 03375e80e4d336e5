"""GRU4Rec: a recurrent network over item histories.

Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based Recommendations with Recurrent
Neural Networks", ICLR 2016 (arXiv:1511.06939). Where this differs from the paper:

- Input: an item's embedding, and the same table makes the logits, without a bias. There
  a one-hot vector goes in, and the output has weights of its own.
- Loss: cross-entropy over the whole catalogue by default. There BPR or TOP1 against the
  other items of a batch.
- Batches: each user's newest items are one window that starts from a zero state, and
  the gradient runs through all of it. There sessions run side by side, a step is one
  event, and the state is carried along.
- Training: AdamW with weight decay 0.01. There Adagrad with momentum, the better of two
  that were tried.
- Initial weights: normal. There uniform.
"""

import keras
import numpy as np
from keras import layers, ops

from llmrec_ref.objectives import NextItem
from llmrec_ref.sequences import check_config
from llmrec_ref.tensorflow.model import ItemModel, normal

# Shapes: B batch, L length, D width, V = n_items + 1 (0 is padding).


class GRU4Rec(ItemModel):
    """Next-item logits for every position of a history.

    Args:
        n_items: Size of the catalogue; items are numbered 1..n_items.
        dim: Width D of embeddings and states.
        n_layers: Gated recurrent layers.
        max_len: Newest items the model looks at.
        dropout: Probability on embeddings and on the output of each layer.
        seed: Of the initial weights.

    Raises:
        ValueError: A size or a probability that `sequences.check_config` refuses.
    """

    def __init__(self, n_items, dim=64, n_layers=1, max_len=50, dropout=0.2, seed=0):
        super().__init__()
        self.config = dict(
            n_items=n_items, dim=dim, n_layers=n_layers, max_len=max_len,
            dropout=dropout,
        )  # fmt: skip
        check_config(self.config)
        self.objective = NextItem(max_len)
        draw = normal(seed)
        self.items = layers.Embedding(
            n_items + 1, dim, embeddings_initializer=draw, name="items"
        )
        # N(0, 1/D): a state that passes through small matrices learns late
        wide = keras.initializers.RandomNormal(stddev=dim**-0.5, seed=draw.seed)
        self.recurrent = [
            layers.GRU(
                dim,
                return_sequences=True,
                kernel_initializer=wide,
                recurrent_initializer=wide,
                name=f"recurrent.{i}",
            )
            for i in range(n_layers)
        ]
        self.dropouts = [layers.Dropout(dropout) for _ in range(n_layers + 1)]
        self(np.zeros((1, max_len), np.int64))  # makes the weights

    def encode(self, item_ids):
        """Hidden states float32 (B, L, D) of left-padded ``item_ids`` int64 (B, L)."""
        L = ops.shape(item_ids)[1]
        # a state must not start in the padding: move it to the right, where it comes
        # after all that counts
        # (B, 1)
        n_padding = ops.sum(ops.cast(item_ids == 0, "int32"), axis=1, keepdims=True)
        step = ops.arange(L)
        # (B, L, D)
        x = self.items(ops.take_along_axis(item_ids, (step + n_padding) % L, axis=1))
        x = self.dropouts[0](x)
        for layer, dropout in zip(self.recurrent, self.dropouts[1:], strict=True):
            x = dropout(layer(x))
        return ops.take_along_axis(x, ((step - n_padding) % L)[:, :, None], axis=1)
