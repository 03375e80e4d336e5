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

import torch
from torch import nn

from llmrec_ref.objectives import NextItem
from llmrec_ref.pytorch.model import ItemModel
from llmrec_ref.sequences import check_config

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
        self.items = nn.Embedding(n_items + 1, dim)
        self.recurrent = nn.ModuleList(
            nn.GRU(dim, dim, batch_first=True) for _ in range(n_layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.initialise(seed)
        # N(0, 1/D) instead: a state that passes through small matrices learns late
        with torch.no_grad():
            for weight in self.recurrent.parameters():
                weight *= dim**-0.5 / 0.02

    def encode(self, item_ids):
        """Hidden states float32 (B, L, D) of left-padded ``item_ids`` int64 (B, L)."""
        L = item_ids.shape[1]
        # a state must not start in the padding: move it to the right, where it comes
        # after all that counts
        n_padding = (item_ids == 0).sum(1, keepdim=True)  # (B, 1)
        step = torch.arange(L, device=item_ids.device)
        # (B, L, D)
        x = self.dropout(self.items(item_ids.gather(1, (step + n_padding) % L)))
        for layer in self.recurrent:
            x = self.dropout(layer(x)[0])
        back = (step - n_padding) % L  # (B, L)
        return x.gather(1, back[:, :, None].expand_as(x))
