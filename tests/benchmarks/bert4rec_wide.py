"""BERT4Rec's feed-forward layers as in its paper (D to 4 D, GELU) beside ours (D to D, ReLU); five seeds.

Validation NDCG@10 on MovieLens 100K in PyTorch after each epoch, both forms with the same seeds: does the
paper's form gain anything at this size? Writes book/results/bert4rec_wide.json.

    python tests/benchmarks/bert4rec_wide.py          # about ten minutes on two cores
"""

from functools import partial

import numpy as np
import torch.nn.functional as F
from ml100k import EPOCHS, fit, workers
from recording import make_parser, record, t_interval
from torch import nn

from llmrec_ref import datasets
from llmrec_ref.pytorch import bert4rec
from llmrec_ref.pytorch.layers import Block

LAST = 20  # epochs whose mean stands for a run: a single epoch's NDCG@10 is noise


class Wide(Block):
    """The block with the paper's feed-forward layers (Sun et al. 2019, section 3.3)."""

    def __init__(self, dim, n_heads, dropout):
        super().__init__(dim, n_heads, dropout)
        self.inner, self.outer = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x, visible):
        """Map float32 (B, L, D) to the same."""
        x = x + self.dropout(self.attention(self.norm1(x), visible))
        return x + self.dropout(self.outer(F.gelu(self.inner(self.norm2(x)))))


def curve(block, epochs, seed):
    """Return one run's validation NDCG@10 after each epoch."""
    bert4rec.Block = block  # in a process of the pool, which may have had the other form before
    dataset = datasets.load("ml-100k")
    return (
        fit("BERT4Rec", "pytorch", dataset, True, epochs, seed, progress=False)[2].epochs["val_ndcg"].tolist()
    )


def main():
    """Run everything and record it."""
    parser = make_parser(__doc__, "bert4rec_wide")
    parser.add_argument("--epochs", type=int, default=EPOCHS["BERT4Rec"])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    seeds, curves = list(range(args.seeds)), {}
    with workers() as pool:
        for form, block in {"D to D, ReLU": Block, "D to 4 D, GELU": Wide}.items():
            curves[form] = list(pool.map(partial(curve, block, args.epochs), seeds))
    means = {form: np.mean([run[-LAST:] for run in runs], axis=1) for form, runs in curves.items()}
    ours, paper = means.values()
    rows = [
        {"form": form, "NDCG@10": mean.mean(), "NDCG@10_seeds": mean.tolist()} for form, mean in means.items()
    ]
    gain, low, high = t_interval(paper - ours)
    rows.append({"form": "gain", "NDCG@10": gain, "NDCG@10_low": low, "NDCG@10_high": high})
    record(
        args.name,
        args.out,
        title="BERT4Rec's feed-forward layers on MovieLens 100K",
        protocol=f"NDCG@10 on the last but one film, mean of the last {LAST} of {args.epochs} epochs, "
        "PyTorch; gain: the paper's form less ours, paired by seed, 95 % t-interval over seeds",
        seeds=seeds,
        rows=rows,
        curves={form: np.round(runs, 4).tolist() for form, runs in curves.items()},
    )


if __name__ == "__main__":
    main()
