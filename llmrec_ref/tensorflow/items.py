"""The item table of a sequence model: of text, or of text and ids together."""

import numbers

import numpy as np
from keras import layers, ops

# Shapes: V = n_items + 1 (0 is padding), D width of the model.


class ItemTable(layers.Layer):
    r"""Stands in the place of a `layers.Embedding` of the items; made of parts.

    .. math:: t_i = A z_i + a + k_i e_i

    Text gives every item a row, :math:`A z_i + a`. The id row :math:`e_i` counts where
    :math:`k_i = 1`: for items that stand in training, and in a training step only for
    those that `id_dropout` leaves in, which are not scaled up (Volkovs, Yu and
    Poutanen, DropoutNet, NIPS 2017, drop the preferences of whole inputs so). A cold
    item, never trained on, has no id row, and is no negative of a loss either: see
    `losses.of_batch`.

    Args:
        features: Z_I, float32 (V, F); or F, where the rows come with the weights.
        n_items: Size of the catalogue.
        dim: Width D.
        initializer: Of the matrices.
        id_dropout: How often an item's id row is left out of a training step; None:
            there are no id rows.
    """

    def __init__(self, features, n_items, dim, initializer, id_dropout=None, **kwargs):
        super().__init__(**kwargs)
        if isinstance(features, numbers.Integral):
            features = np.zeros((n_items + 1, features), np.float32)
        self.rows, self.ids = features, None
        self.adapter = layers.Dense(dim, kernel_initializer=initializer, name="adapter")
        if id_dropout is not None:
            self.ids = layers.Embedding(
                n_items + 1, dim, embeddings_initializer=initializer, name="ids"
            )
            self.id_dropout = layers.Dropout(id_dropout, dtype="float32")

    def build(self, shape):
        """Make the weights that are not trained."""
        rows = self.rows
        frozen = dict(dtype="float32", trainable=False, autocast=False)
        # as an initial value: Keras may build in a scope that forgets assignments
        self.features = self.add_weight(
            name="features",
            shape=rows.shape,
            initializer=lambda shape, dtype: ops.convert_to_tensor(rows, dtype),
            **frozen,
        )
        self.counts = self.add_weight(
            name="counts", shape=(len(rows),), initializer="ones", **frozen
        )
        if self.ids is not None:
            self.ids.build(None)
        self.adapter.build(rows.shape)

    @property
    def embeddings(self):
        """The table float32 (V, D), from its parts; what is left out is drawn anew."""
        text = self.adapter(self.features)
        if self.ids is None:
            return text
        ids = ops.cast(self.ids.embeddings, "float32")
        seen = ops.cast(self.counts > 0, "float32")  # (V,)
        kept = ops.cast(self.id_dropout(seen) > 0, "float32")
        return text + ops.cast(kept[:, None] * ids, text.dtype)

    def call(self, item_ids):
        """Rows (..., D) of ``item_ids`` int64 (...)."""
        return ops.take(self.embeddings, item_ids, axis=0)

    def note_counts(self, counts):
        """Take from ``train.fit`` how often each item stands in training: int (V,)."""
        self.counts.assign(counts)
