"""Seconds an epoch of SASRec on MovieLens 100K with each loss, in both frameworks.

Writes book/results/loss_speed.json. Nothing else may run meanwhile. The first epoch, in which TensorFlow
makes its graph, does not count.

    python tests/benchmarks/loss_speed.py          # four minutes
"""

import statistics

from losses import LINES
from ml100k import FRAMEWORKS, fit
from recording import make_parser, record

from llmrec_ref import datasets

FULL = [dict(loss="cross_entropy"), dict(loss="chunked_cross_entropy")]


def main():
    """Measure everything and record it."""
    parser = make_parser(__doc__, "loss_speed")
    parser.add_argument("--epochs", type=int, default=7)
    args = parser.parse_args()
    dataset, rows = datasets.load("ml-100k"), []
    for framework in FRAMEWORKS:
        for line in FULL + LINES:
            history = fit("SASRec", framework, dataset, False, args.epochs, 0, **line)[2]
            seconds = history.epochs["seconds"].tolist()[1:]
            rows.append(dict(framework=framework, **line))
            rows[-1] |= dict(seconds=statistics.median(seconds), fastest=min(seconds), slowest=max(seconds))
    record(
        args.name,
        args.out,
        title="Seconds an epoch of SASRec on MovieLens 100K with each loss",
        protocol=f"median, fastest and slowest of {args.epochs - 1} epochs after the first; batches of 64",
        seeds=[0],
        rows=rows,
    )


if __name__ == "__main__":
    main()
