"""SASRec on MovieLens 100K with each loss, in both frameworks; five seeds. Writes book/results/losses.json.

As in ml100k.py: for each line of `LINES` the number of epochs is chosen on validation, then the model is
trained afresh on all but the last film. The full cross-entropy is a line of ml100k.json; computed in chunks
it is the same function, so it takes that line's number of epochs.

    python tests/benchmarks/losses.py          # after ml100k.py; about 50 minutes on two cores
"""

import json

from ml100k import BATCH_SIZE, PROTOCOL, RATES, measure, test, workers
from recording import ROOT, make_parser, record

from llmrec_ref import datasets

EPOCHS = 40  # at most
LINES = [  # binary losses first learn how rare a yes is, which takes larger steps or more of them
    dict(loss="sampled_softmax", lr=1e-3, n_negatives=16),
    dict(loss="bce", lr=3e-3, n_negatives=1),
    dict(loss="gbce", lr=3e-3, n_negatives=16),
]


def main():
    """Run everything and record it."""
    parser = make_parser(__doc__, "losses")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="at most so many")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    dataset, seeds = datasets.load("ml-100k"), list(range(args.seeds))
    rows, validation = [], []
    with workers() as pool:
        for line in LINES:
            curves, epochs, found = measure(pool, "SASRec", dataset, args.epochs, seeds, line)
            validation.append(line | dict(curves=curves))
            rows += [dict(epochs=epochs) | row for row in found]
        full = json.loads((ROOT / "book" / "results" / "ml100k.json").read_text(encoding="utf-8"))
        epochs = min(args.epochs, full["settings"]["epochs"]["SASRec"])
        found = test(pool, "SASRec", dataset, epochs, seeds, dict(loss="chunked_cross_entropy"))
        rows += [dict(epochs=epochs, lr=RATES["SASRec"]) | row for row in found]
    record(
        args.name,
        args.out,
        title="SASRec on MovieLens 100K with each loss",
        protocol=PROTOCOL,
        seeds=seeds,
        rows=rows,
        settings=dict(batch_size=BATCH_SIZE),
        validation=validation,
    )


if __name__ == "__main__":
    main()
