"""What all item-token models share: tied output, initial weights, scoring."""

import numpy as np
import torch
from torch import nn

from llmrec_ref.pytorch.layers import exact_linear
from llmrec_ref.splits import check_histories

SCORE_BATCH = 256  # queries at a time


class ItemModel(nn.Module):
    """A model with item embeddings ``items``, ``config``, ``objective`` and ``encode``.

    V = n_items + 1, 0 is padding.
    """

    def initialise(self, seed):
        """Draw all matrices from N(0, 0.02²) and set biases to 0."""
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02, generator=generator)
            elif "bias" in name:
                nn.init.zeros_(weight)

    @property
    def table(self):
        """Output weights float32 (V, D): the item embeddings again."""
        return self.items.weight[: self.config["n_items"] + 1]

    def logits(self, hidden):
        """Logits float32 (..., V) of hidden states (..., D); column 0 = -inf."""
        no_padding = self.table.new_zeros(len(self.table))
        no_padding[0] = -torch.inf
        return exact_linear(hidden, self.table, no_padding)

    def forward(self, item_ids):
        """Logits float32 (B, L, V) at each position of ``item_ids`` int64 (B, L)."""
        return self.logits(self.encode(item_ids))

    @torch.no_grad()
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
        item_ids = torch.from_numpy(self.objective.question(queries.histories))
        device = next(self.parameters()).device
        training = self.training
        self.eval()
        torch.clear_autocast_cache()  # it may hold weights that have changed since
        scores = [
            self.logits(self.encode(batch.to(device))[:, -1]).cpu().numpy()
            for batch in item_ids.split(SCORE_BATCH)
        ]
        self.train(training)
        return np.concatenate(scores, dtype=np.float32)
