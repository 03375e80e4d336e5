"""SASRec: a small causal Transformer over item histories.

Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018. As there,
layers are normalised before attention and feed-forward (pre-norm), the feed-forward is
D to D with ReLU, and the item table makes the logits. Positions are counted from the
newest item: with padding on the left that is the paper's numbering. Where this differs
from the paper:

- Loss: cross-entropy over the whole catalogue by default. There binary cross-entropy
  with one sampled negative a target (here ``loss="bce"``).
- Attention: queries, keys and values have biases, a linear layer follows, and several
  heads are possible.
- The last block is followed by a normalisation (the authors' code has it, the paper's
  formulas do not).
- Padding has a learned row that nobody sees. There a zero vector.
- Training: AdamW with weight decay 0.01. There Adam without.
- Initial weights: normal, 0.02 wide, and embeddings are not scaled by the root of D as
  in the authors' code.
"""

import numpy as np
from keras import layers, ops

from llmrec_ref.items import check_tables
from llmrec_ref.objectives import NextItem
from llmrec_ref.sequences import check_config
from llmrec_ref.tensorflow.items import ItemTable
from llmrec_ref.tensorflow.layers import Attention, Block  # noqa: F401
from llmrec_ref.tensorflow.model import ItemModel, normal

# Shapes: B batch, L length, D width, H heads, V = n_items + 1 (0 is padding).


class SASRec(ItemModel):
    """Next-item logits for every position of a history.

    Args:
        n_items: Size of the catalogue; items are numbered 1..n_items.
        dim: Width D of embeddings and layers.
        n_layers: Transformer blocks.
        n_heads: Attention heads; must divide ``dim``.
        max_len: Newest items the model looks at.
        dropout: Probability on embeddings, attention weights and both branches of a
            block.
        seed: Of the initial weights.
        items: What the item table, which is the output's too, is made of: ``"id"``, a
            row an item; ``"text"``, an adapter of ``features``; ``"both"``, their sum,
            see `items.ItemTable`.
        features: Z_I, float32 (n_items + 1, F), row 0 zeros; or F alone, where the rows
            come with the weights of a run folder. Not with ``"id"``.
        id_dropout: Probability with which an item's id row is left out of a training
            step, with ``"both"``.

    Raises:
        ValueError: A size or a probability that `sequences.check_config` refuses, or a
            table that `llmrec_ref.items.check_tables` refuses.
    """

    def __init__(
        self, n_items, dim=64, n_layers=2, n_heads=1, max_len=50, dropout=0.2, seed=0,
        items="id", features=None, id_dropout=0.0,
    ):  # fmt: skip
        super().__init__()
        self.config = dict(
            n_items=n_items,
            dim=dim,
            n_layers=n_layers,
            n_heads=n_heads,
            max_len=max_len,
            dropout=dropout,
        )
        check_config(self.config)
        table = check_tables(items, features, id_dropout, n_items)
        self.config |= table
        self.objective = NextItem(max_len)
        draw = normal(seed)
        if items == "id":
            self.items = layers.Embedding(
                n_items + 1, dim, embeddings_initializer=draw, name="items"
            )
        else:
            rate = table.get("id_dropout")
            self.items = ItemTable(features, n_items, dim, draw, rate, name="items")
        self.positions = layers.Embedding(
            max_len, dim, embeddings_initializer=draw, name="positions"
        )
        self.dropout = layers.Dropout(dropout)
        self.blocks = [
            Block(dim, n_heads, dropout, draw, name=f"blocks.{i}")
            for i in range(n_layers)
        ]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self(np.zeros((1, max_len), np.int64))  # makes the weights

    def encode(self, item_ids):
        """Hidden states float32 (B, L, D) of ``item_ids`` int64 (B, L).

        The ids are padded left with 0, and L <= max_len.
        """
        L = ops.shape(item_ids)[1]
        age = ops.arange(L - 1, -1, -1)  # the newest item has position 0
        x = self.dropout(self.items(item_ids) + self.positions(age))  # (B, L, D)
        visible = self.visible(item_ids)
        for block in self.blocks:
            x = block(x, visible)
        return self.norm(x)

    def visible(self, item_ids):
        """The mask bool (B, 1, L, L): may position t see s?

        Yes if s <= t holds an item, or s is t.
        """
        step = ops.arange(ops.shape(item_ids)[1])
        causal, itself = step[:, None] >= step, step[:, None] == step  # (L, L)
        # padding sees itself: a row that sees nothing would be NaN
        return (causal & (item_ids > 0)[:, None, None, :]) | itself
