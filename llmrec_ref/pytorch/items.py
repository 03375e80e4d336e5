"""The item table of a sequence model: of text, or of text and ids together."""

import numbers

import torch
import torch.nn.functional as F
from torch import nn

# Shapes: V = n_items + 1 (0 is padding), D width of the model.


class ItemTable(nn.Module):
    r"""Stands in the place of an `nn.Embedding` of the items; made of parts.

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
        id_dropout: How often an item's id row is left out of a training step; None:
            there are no id rows.
    """

    def __init__(self, features, n_items, dim, id_dropout=None):
        super().__init__()
        if isinstance(features, numbers.Integral):
            features = torch.zeros(n_items + 1, features)
        self.register_buffer("features", torch.as_tensor(features).clone())
        self.register_buffer("counts", torch.ones(n_items + 1))
        self.adapter, self.ids = nn.Linear(self.features.shape[1], dim), None
        if id_dropout is not None:
            self.ids = nn.Embedding(n_items + 1, dim)
            self.id_dropout = nn.Dropout(id_dropout)

    @property
    def weight(self):
        """The table float32 (V, D), from its parts; what is left out is drawn anew."""
        text = self.adapter(self.features)
        if self.ids is None:
            return text
        seen = (self.counts > 0).to(self.ids.weight.dtype)  # (V,)
        kept = (self.id_dropout(seen) > 0).to(seen.dtype)
        return text + kept[:, None] * self.ids.weight

    def forward(self, item_ids):
        """Rows (..., D) of ``item_ids`` int64 (...)."""
        return F.embedding(item_ids, self.weight)

    def note_counts(self, counts):
        """Take from ``train.fit`` how often each item stands in training: int (V,)."""
        self.counts.copy_(torch.as_tensor(counts))
