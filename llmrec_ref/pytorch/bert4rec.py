"""BERT4Rec: a bidirectional Transformer over item histories, trained by cloze.

Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
Representations from Transformer", CIKM 2019 (arXiv:1904.06690). Where this differs from
the paper:

- Blocks normalise before attention and feed-forward (pre-norm), with one more
  normalisation after the last. There each branch is followed by one (post-norm).
- Feed-forward: D to D with ReLU, SASRec's. There D to 4 D and back, with GELU: tried
  over five seeds on MovieLens 100K, no gain (``book/results/bert4rec_wide.json``).
- One head by default. There two.
- Output: no bias for each item, and the layer before the logits is followed by a
  normalisation (as in the authors' code, not in the paper's formula).
- The mask has no logit: neither training nor scoring can answer with it.
- Positions are counted from the newest token. In the authors' code from the oldest.
- Hidden items: each with ``mask_probability`` 0.5, at least one. There a fixed share of
  a window, between 0.2 and 0.6 by data set.
- One window in five hides its newest item alone. The paper has such windows too and
  does not say how many; in the authors' code, with its defaults, it is one in eleven.
- Windows: each user's newest items by default. In the authors' code windows that
  overlap.
- Training: AdamW with weight decay 0.01 on all weights at a constant rate, gradients
  not clipped. There Adam with weight decay 0.01, a rate that falls linearly, gradients
  clipped at norm 5.
- Initial weights: normal. There truncated at 0.02.
"""

import torch
import torch.nn.functional as F
from torch import nn

from llmrec_ref.objectives import Cloze
from llmrec_ref.pytorch.layers import Block
from llmrec_ref.pytorch.model import ItemModel
from llmrec_ref.sequences import check_config

# Shapes: B batch, L length, D width, H heads, V = n_items + 1 (0 is padding; n_items +
# 1 is the mask).


class BERT4Rec(ItemModel):
    """Logits of the items that masks stand for.

    Args:
        n_items: Size of the catalogue; items are numbered 1..n_items.
        dim: Width D of embeddings and layers.
        n_layers: Transformer blocks.
        n_heads: Attention heads; must divide ``dim``.
        max_len: Tokens the model looks at: the newest ``max_len`` - 1 items of a
            history, and a mask.
        dropout: Probability on embeddings, attention weights and both branches of a
            block.
        mask_probability: Of each item in training.
        seed: Of the initial weights.

    Raises:
        ValueError: A size or a probability that `sequences.check_config` refuses.
    """

    def __init__(
        self,
        n_items,
        dim=64,
        n_layers=2,
        n_heads=1,
        max_len=50,
        dropout=0.2,
        mask_probability=0.5,
        seed=0,
    ):
        super().__init__()
        self.config = dict(
            n_items=n_items, dim=dim, n_layers=n_layers, n_heads=n_heads,
            max_len=max_len, dropout=dropout, mask_probability=mask_probability,
        )  # fmt: skip
        check_config(self.config)
        self.objective = Cloze(max_len, n_items + 1, mask_probability)
        self.items = nn.Embedding(n_items + 2, dim)
        self.positions = nn.Embedding(max_len, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(dim, n_heads, dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(dim, eps=1e-5)
        self.head = nn.Linear(dim, dim)
        self.head_norm = nn.LayerNorm(dim, eps=1e-5)
        self.initialise(seed)

    def encode(self, item_ids):
        """Hidden states float32 (B, L, D) of ``item_ids`` int64 (B, L).

        The ids are padded left with 0, and L <= max_len.
        """
        L = item_ids.shape[1]
        # the newest token has position 0
        age = torch.arange(L - 1, -1, -1, device=item_ids.device)
        x = self.dropout(self.items(item_ids) + self.positions(age))  # (B, L, D)
        itself = age[:, None] == age  # (L, L)
        # padding sees itself: a row that sees nothing would be NaN
        visible = (item_ids > 0)[:, None, None, :] | itself  # (B, 1, L, L)
        for block in self.blocks:
            x = block(x, visible)
        return self.head_norm(F.gelu(self.head(self.norm(x))))
