r"""Seconds of an epoch of SASRec beside RecTools 0.19 and keras-rs, in turn: the machine's moods hit all.

Writes book/results/peer_speed.json. Settings and environments are those of peers.py. In each round each
library trains once, for a few epochs, in a process of its own; the first epoch does not count. Run it on a
machine that does nothing else.

    python tests/benchmarks/peer_speed.py --rectools-python rectools-env/bin/python \
      --keras-rs-python keras-rs-env/bin/python      # ten minutes on two cores
"""

import statistics
import sys
import tempfile
from collections import defaultdict
from itertools import product
from pathlib import Path

from ml100k import FRAMEWORKS
from peers import LOSSES, export, measure
from recording import make_parser, record
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, MAX_LEN


def main():
    """Measure in turn, and record."""
    parser = make_parser(__doc__, "peer_speed")
    parser.add_argument("--rectools-python", required=True, help="Python of RecTools' environment")
    parser.add_argument("--keras-rs-python", required=True, help="Python of keras-rs' environment")
    parser.add_argument("--epochs", type=int, default=9, help="of each library, each round")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    seconds, targets = defaultdict(list), {}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "ml-100k.json"
        export(data)
        for seed in range(args.rounds):
            runs = {
                ("RecTools", "cross_entropy"): (
                    args.rectools_python, "peer_rectools.py", "SASRec", args.epochs, seed, data,
                ),
                ("keras-rs", "bce"): (args.keras_rs_python, "peer_keras_rs.py", args.epochs, seed, data),
            } | {
                (framework, loss): (
                    sys.executable, "peer_ours.py", framework, "SASRec", loss, args.epochs, seed,
                )
                for framework, loss in product(FRAMEWORKS, LOSSES)
            }  # fmt: skip
            for key, command in runs.items():
                found = measure(*command)
                seconds[key] += found["seconds"][1:]
                targets[key] = found["n_targets"]
    assert len(set(targets.values())) == 1, "the windows differ"
    theirs = statistics.median(seconds["RecTools", "cross_entropy"])
    rows = [
        {
            "library": library,
            "loss": loss,
            "seconds an epoch": statistics.median(each),
            "fastest": min(each),
            "slowest": max(each),
            "targets a second": targets[library, loss] / statistics.median(each),
            "times RecTools": theirs / statistics.median(each),
        }
        for (library, loss), each in seconds.items()
    ]
    record(
        args.name,
        args.out,
        title="SASRec beside other libraries: seconds of an epoch",
        protocol=f"width {DIM}, {LAYERS} blocks, {HEADS} head, length {MAX_LEN}, batch {BATCH_SIZE}, dropout "
        f"{DROPOUT}, float32, 2 threads; MovieLens 100K without the last two films of each person; full "
        "cross-entropy (keras-rs: one negative a target), ours also computed in chunks; in turn, "
        f"{args.rounds} rounds of {args.epochs} epochs, medians without each first",
        seeds=list(range(args.rounds)),
        rows=rows,
    )


if __name__ == "__main__":
    main()
