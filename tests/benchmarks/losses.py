"""SASRec on MovieLens 100K with each loss, in both frameworks; five seeds. Writes book/results/losses.json.

As in ml100k.py: for each loss the number of epochs is chosen on validation, then the model is trained afresh
on all but the last film.

    python tests/benchmarks/losses.py          # about 70 minutes on two cores
"""

import argparse

from ml100k import BATCH_SIZE, FRAMEWORKS, PROTOCOL, RATES, choose, test
from recording import record

from llmrec_ref import datasets
from llmrec_ref.runs import LOSSES

EPOCHS = 50  # at most


def main():
    """Run everything and record it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="at most so many")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--name", default="losses", help="of the file in book/results")
    args = parser.parse_args()
    dataset, seeds = datasets.load("ml-100k"), list(range(args.seeds))
    rows, chosen = [], {}
    for loss in LOSSES:
        curves = choose("SASRec", dataset, args.epochs, seeds, loss=loss)
        chosen[loss] = int(curves.mean(axis=1).idxmax())
        for framework in FRAMEWORKS:
            rows += test("SASRec", framework, dataset, chosen[loss], seeds, loss=loss)
    record(
        args.name,
        title="SASRec on MovieLens 100K with each loss",
        protocol=PROTOCOL,
        seeds=seeds,
        rows=rows,
        settings=dict(lr=RATES["SASRec"], batch_size=BATCH_SIZE, n_negatives=256, epochs=chosen),
    )


if __name__ == "__main__":
    main()
