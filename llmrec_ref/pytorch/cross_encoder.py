"""A cross-encoder: one BERT reads a candidate and a query together, and says yes or no.

Nogueira and Cho, "Passage Re-ranking with BERT", 2019, arXiv:1901.04085. Where this
differs from it:

- The head reads the mean of the hidden states, as MiniLM was tuned to be read. There
  the state of the first token, [CLS].
- One logit, and binary cross-entropy. There two, and a softmax over them: the same.
"""

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from llmrec_ref import pretrained
from llmrec_ref.pytorch.bert import Bert, initialise, mean_pool
from llmrec_ref.pytorch.layers import exact_linear

# Shapes: B batch, L length, D width.


class CrossEncoder(nn.Module):
    """A logit for each pair of texts.

    Args:
        bert: `bert.Bert`, changed in training.
        dropout: Probability on the mean of the hidden states.
        seed: Of the head's fresh weights.
    """

    def __init__(self, bert, dropout=0.1, seed=0):
        super().__init__()
        self.bert = bert
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(bert.words.embedding_dim, 1)
        initialise(self.head, seed)

    @classmethod
    def load(cls, name=pretrained.MINILM, dropout=0.1, seed=0):
        """Return a pretrained BERT with a fresh head; errors as in `Bert.load`."""
        return cls(Bert.load(name), dropout, seed).eval()

    def forward(self, token_ids, mask, segments):
        """Logits float32 (B,) of pairs, as `text.TextPairs` lays them out.

        Args:
            token_ids: int64 (B, L), padded right.
            mask: bool (B, L), true where there is a token.
            segments: int64 (B, L), 0 for the candidate, 1 for the query.
        """
        pooled = mean_pool(self.bert(token_ids, mask, segments), mask)  # (B, D)
        x = self.dropout(pooled)
        return exact_linear(x, self.head.weight, self.head.bias)[:, 0]

    @torch.no_grad()
    def score_pairs(self, pairs, batch_size=64):
        """Logits np.float32 (n,) of `text.TextPairs`, without dropout.

        Pairs of about the same length share a batch. A progress bar shows after five
        seconds.
        """
        device, training = self.head.weight.device, self.training
        self.eval()
        torch.clear_autocast_cache()  # it may hold weights that have changed since
        order = np.argsort(pairs.lengths, kind="stable")
        scores = np.empty(len(pairs), np.float32)
        starts = range(0, len(pairs), batch_size)
        for start in tqdm(starts, "scoring", delay=5, leave=False):
            rows = order[start : start + batch_size]
            batch = pairs[rows]
            names = ("token_ids", "mask", "segments")
            arrays = (torch.from_numpy(batch[name]).to(device) for name in names)
            scores[rows] = self(*arrays).cpu().numpy()
        self.train(training)
        return scores
