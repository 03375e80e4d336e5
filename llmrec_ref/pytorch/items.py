"""The item table of a sequence model: of text, or of text and ids together."""

import numbers

import torch
import torch.nn.functional as F
from torch import nn

# Shapes: V = n_items + 1 (0 is padding), D width of the model.


class ItemTable(nn.Module):
    r"""Stands in the place of an `nn.Embedding` of the items; made of parts.

    .. math:: t_i = A z_i + a + k_i e_i + (1 - s_i) \lambda \bar e

    Text gives every item a row, :math:`A z_i + a`. The id row :math:`e_i` counts where
    :math:`k_i = 1`: for items that stand in training (:math:`s_i = 1`), and in a
    training step only for those that `id_dropout` leaves in, which are not scaled up.
    A cold item, never trained on, has no id row; instead it may have :math:`\lambda`
    times :math:`\bar e`, the mean id row of all that was watched: see `calibrate`.

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
        self.adapter, self.ids = nn.Linear(self.features.shape[1], dim), None
        if id_dropout is not None:
            self.ids = nn.Embedding(n_items + 1, dim)
            self.register_buffer("counts", torch.ones(n_items + 1))
            self.register_buffer("cold_scale", torch.zeros(()))
            self.id_dropout = nn.Dropout(id_dropout)

    @property
    def weight(self):
        """The table float32 (V, D), from its parts; what is left out is drawn anew."""
        text = self.adapter(self.features)
        if self.ids is None:
            return text
        seen = (self.counts > 0).to(self.ids.weight.dtype)  # (V,)
        kept = (self.id_dropout(seen) > 0).to(seen.dtype)
        share = (self.counts / self.counts.sum()).to(seen.dtype)
        cold = self.cold_scale * (share @ self.ids.weight)  # (D,)
        return text + kept[:, None] * self.ids.weight + (1 - seen)[:, None] * cold

    def forward(self, item_ids):
        """Rows (..., D) of ``item_ids`` int64 (...)."""
        return F.embedding(item_ids, self.weight)

    def note_counts(self, counts):
        """Take from ``train.fit`` how often each item stands in training: int (V,)."""
        if self.ids is not None:
            self.counts.copy_(torch.as_tensor(counts))

    def calibrate(self, scale):
        """Let cold items have ``scale`` times the mean id row; choose on validation.

        A logit is a log-probability, of which the id row holds how often an item is
        taken. Without it, items that nobody could take yet stand below all others.
        """
        self.cold_scale.fill_(scale)
