r"""SASRec and BERT4Rec on MovieLens 100K beside RecTools 0.19 and keras-rs: time, memory and quality.

Writes book/results/peers.json, after each seed. The peers want other packages than ours, so each has an
environment of its own:

    python3 -m venv rectools-env
    rectools-env/bin/pip install torch==2.13.0
    rectools-env/bin/pip install "rectools[torch]==0.19.*"
    python3 -m venv keras-rs-env
    keras-rs-env/bin/pip install keras-rs keras-hub tensorflow-cpu
    python tests/benchmarks/peers.py --rectools-python rectools-env/bin/python \
      --keras-rs-python keras-rs-env/bin/python

It takes about 50 minutes on two cores. Run it on a machine that does nothing else. Each measurement is a
process of its own, on two threads: see peer_ours.py, peer_rectools.py and peer_keras_rs.py.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from ml100k import FRAMEWORKS, METRICS, THREADS
from recording import make_parser, record
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, MAX_LEN

from llmrec_ref import datasets, splits
from llmrec_ref.metrics import hit_rate, ndcg

SHARES = {"SASRec": 3, "BERT4Rec": 1}  # ours train for RecTools' epochs divided by this
LOSSES = ("cross_entropy", "chunked_cross_entropy")  # the same function: the second with the first seed only
PROTOCOL = (
    f"width {DIM}, {LAYERS} blocks, {HEADS} head, length {MAX_LEN}, batch {BATCH_SIZE}, dropout {DROPOUT}, "
    "float32, 2 threads; full cross-entropy (keras-rs: one negative a target), ours with the first seed also "
    "computed in chunks; trained on all but the last two films of each person, as many windows an epoch for "
    "all; BERT4Rec hides 15 % of the items in RecTools (its default, as are feed-forward layers four times "
    "as wide) and about half of them in ours: compare its seconds an epoch, not its targets a second; "
    "seconds of training alone, an epoch's: median after the first; metrics on the last but one film, "
    "ranked among all, seen films left out, after the last epoch: the peers' after {} epochs, ours after a "
    "third as many (SASRec) or as many (BERT4Rec); a goal is reached in the first epoch whose NDCG@10 is at "
    "least RecTools' after its last, and later epochs may fall below it; memory: the most that the process "
    "ever held, and had held before training began"
)


def export(path):
    """Write training sequences for the peers; return the validation targets."""
    split = splits.leave_one_out(datasets.load("ml-100k"))
    histories = [history.tolist() for history in split.validation.queries.histories]
    assert histories == [history.tolist() for history in split.train.queries.histories]
    path.write_text(json.dumps(dict(histories=histories, n_items=split.n_items)), encoding="utf-8")
    return np.concatenate(split.validation.targets)


def measure(python, script, *arguments):
    """Run one measurement and return what it printed last."""
    command = [python, Path(__file__).with_name(script), *map(str, arguments)]
    threads = os.environ | dict.fromkeys(THREADS, "2")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=threads)
    return json.loads(done.stdout.splitlines()[-1])


def score(found, targets):
    """Replace a peer's lists of ten by our metrics: its curve is one point, after its last epoch."""
    hits = np.array(found.pop("lists")) == targets[:, None]
    ranks, offsets = np.where(hits.any(axis=1), hits.argmax(axis=1), 10), np.arange(len(targets) + 1)
    values = (metric(ranks, offsets, 10).mean() for metric in (hit_rate, ndcg))
    found |= zip(METRICS, values, strict=True)
    return found | dict(curve=[found["NDCG@10"]])


def reach(found, rectools):
    """Return when RecTools' final NDCG@10 was first reached: epochs, seconds, and the share of its time."""
    first = len(found["seconds"]) - len(found["curve"]) + 1  # the first epoch whose NDCG@10 is known
    reached = [epoch for epoch, value in enumerate(found["curve"], first) if value >= rectools["NDCG@10"]]
    seconds = sum(found["seconds"][: reached[0]]) if reached else None
    return {
        "epochs to RecTools' NDCG@10": reached[0] if reached else None,
        "seconds to RecTools' NDCG@10": seconds,
        "share of RecTools' time": seconds and seconds / sum(rectools["seconds"]),
    }


def row(model, library, loss, seed, found, rectools):
    """Return a row of the table from a measurement and that of RecTools' model of the same name."""
    seconds, seconds_peer = (statistics.median(run["seconds"][1:]) for run in (found, rectools))
    return {
        "model": model,
        "library": library,
        "loss": loss,
        "seed": seed,
        "epochs": len(found["seconds"]),
        "targets an epoch": found["n_targets"],
        "seconds an epoch": seconds,
        "first epoch, seconds": found["seconds"][0],
        "targets a second": found["n_targets"] / seconds,
        "times RecTools": seconds_peer / seconds,
        "validation HR@10": found["HR@10"],
        "validation NDCG@10": found["NDCG@10"],
        "NDCG@10 after each epoch": found["curve"] if len(found["curve"]) > 1 else None,
        **reach(found, rectools),
        "MiB before training": found["held"],
        "peak MiB": found["peak"],
    }


def compare(args, data, targets, seed):
    """Return one seed's rows, and the versions of the peers' packages."""
    rows, versions = [], {}
    for model, share in SHARES.items():
        rectools = score(
            measure(args.rectools_python, "peer_rectools.py", model, args.epochs, seed, data), targets
        )
        versions["RecTools"] = rectools["versions"]
        rows.append(row(model, "RecTools", "cross_entropy", seed, rectools, rectools))
        for framework, loss in product(FRAMEWORKS, LOSSES if seed == 0 else LOSSES[:1]):
            epochs = args.epochs // share
            found = measure(sys.executable, "peer_ours.py", framework, model, loss, epochs, seed)
            rows.append(row(model, framework, loss, seed, found, rectools))
        if model == "SASRec":
            found = score(measure(args.keras_rs_python, "peer_keras_rs.py", args.epochs, seed, data), targets)
            versions["keras-rs"] = found["versions"]
            rows.append(row(model, "keras-rs", "bce", seed, found, rectools))
            assert len({each["targets an epoch"] for each in rows}) == 1, "the windows differ"
    return rows, versions


def main():
    """Measure, and record after each seed."""
    parser = make_parser(__doc__, "peers")
    parser.add_argument("--rectools-python", required=True, help="Python of RecTools' environment")
    parser.add_argument("--keras-rs-python", required=True, help="Python of keras-rs' environment")
    parser.add_argument("--epochs", type=int, default=60, help="of the peers; fewer, at least 6: a try")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "ml-100k.json"
        targets = export(data)
        for seed in range(args.seeds):
            found, versions = compare(args, data, targets, seed)
            rows += found
            record(
                args.name,
                args.out,
                title="SASRec and BERT4Rec on MovieLens 100K beside other libraries",
                protocol=PROTOCOL.format(args.epochs),
                seeds=list(range(seed + 1)),
                rows=rows,
                peers=versions,
            )


if __name__ == "__main__":
    main()
