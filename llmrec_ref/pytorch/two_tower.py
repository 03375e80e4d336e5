"""Two towers: one makes a vector of a query, one of an item, and their cosine scores.

Huang et al., "Learning deep structured semantic models for web search using
clickthrough data", CIKM 2013, doi 10.1145/2505515.2505665. In-batch negatives and their
correction: Yi et al., "Sampling-bias-corrected neural modeling for large corpus item
recommendations", RecSys 2019, doi 10.1145/3298689.3346996. Where this differs from the
second:

- An item's share among the examples is counted beforehand. There it is estimated from
  a stream.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from llmrec_ref.index import Retriever
from llmrec_ref.pytorch.bert import mean_pool
from llmrec_ref.pytorch.layers import at_least_float32
from llmrec_ref.splits import check_histories
from llmrec_ref.towers import by_length, check_width, side

BATCH = 64  # queries or items at a time, without gradient
# Shapes: B batch, L length, F features, D width of the vectors.


class TwoTower(nn.Module):
    """What towers share: logits of a batch, and the vectors of queries and items.

    A kind of it makes vectors of length 1, float32 (B, D): ``query_tower(**arrays)`` of
    what its ``source.queries`` returns, and ``item_tower(**arrays)`` of what its
    ``source.items`` returns.

    Args:
        source: `towers.TextInputs` or `towers.FeatureInputs`.
        temperature: What cosines are divided by.

    Raises:
        ValueError: A temperature that is not above 0.
    """

    def __init__(self, source, temperature):
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature={temperature}: it must be above 0.")
        self.source, self.temperature = source, temperature

    def forward(self, batch):
        """Logits float32 (B, B): row i, query i; column j, item j.

        Args:
            batch: dict of the towers' arrays, named ``query_...`` and ``item_...``.
        """
        queries = self.query_tower(**side(batch, "query"))  # (B, D)
        items = self.item_tower(**side(batch, "item"))  # (B, D)
        return queries @ items.T / self.temperature

    def query_vectors(self, queries):
        """Z_U, np.float32 (len(queries), D)."""
        check_histories(queries, self.source.n_items)
        order = by_length(queries)
        batches = np.split(order, range(BATCH, len(order), BATCH))
        found = [
            self._ask(self.query_tower, self.source.queries(queries[rows]))
            for rows in batches
        ]
        return np.concatenate(found)[np.argsort(order)]

    def item_vectors(self):
        """Z_I, np.float32 (n_items + 1, D), row 0 zeros, by the weights of now."""
        numbers = np.arange(1, self.source.n_items + 1)
        batches = np.split(numbers, range(BATCH, len(numbers), BATCH))
        found = [
            self._ask(self.item_tower, self.source.items(each)) for each in batches
        ]
        return np.concatenate([np.zeros_like(found[0][:1]), *found])

    def score(self, queries):
        """Score as an `index.Retriever`, which makes Z_I once for many calls."""
        return Retriever(self).score(queries)

    @torch.no_grad()
    def _ask(self, tower, arrays):
        """What a tower makes of arrays, without dropout."""
        device, training = next(self.parameters()).device, self.training
        self.eval()
        torch.clear_autocast_cache()  # it may hold weights that have changed since
        arrays = {
            name: torch.from_numpy(array).to(device) for name, array in arrays.items()
        }
        found = tower(**arrays).cpu().numpy()
        self.train(training)
        return found


class TextTowers(TwoTower):
    """One BERT for both sides; a vector is the mean of a text's hidden states.

    Args:
        bert: `bert.Bert`, changed in training.
        source: `towers.TextInputs`.
        temperature: As in `TwoTower`.
    """

    def __init__(self, bert, source, temperature=0.05):
        super().__init__(source, temperature)
        self.bert = bert

    def query_tower(self, token_ids, mask):
        """Vectors float32 (B, D) of int64 (B, L) and bool (B, L)."""
        pooled = mean_pool(self.bert(token_ids, mask), mask)
        return F.normalize(at_least_float32(pooled))

    item_tower = query_tower


class LinearTowers(TwoTower):
    """A matrix for each side, on given features.

    Args:
        n_features: F.
        source: `towers.FeatureInputs`.
        dim: D.
        temperature: As in `TwoTower`.
        seed: Of the matrices, N(0, 1 / F).

    Raises:
        ValueError: The source has another number of features than F.
    """

    def __init__(self, n_features, source, dim=64, temperature=0.05, seed=0):
        super().__init__(source, temperature)
        check_width(n_features, source)
        generator = torch.Generator().manual_seed(seed)
        self.query = nn.Linear(n_features, dim, bias=False)
        self.item = nn.Linear(n_features, dim, bias=False)
        for weight in self.parameters():
            nn.init.normal_(weight, std=n_features**-0.5, generator=generator)

    def query_tower(self, features):
        """Vectors float32 (B, D) of the mean of a history, float32 (B, F)."""
        return F.normalize(at_least_float32(self.query(features)))

    def item_tower(self, features):
        """Vectors float32 (B, D) of float32 (B, F)."""
        return F.normalize(at_least_float32(self.item(features)))
