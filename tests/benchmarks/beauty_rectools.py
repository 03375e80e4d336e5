"""SASRec of RecTools on Amazon Beauty, with the settings of our run "length 10" and for as many epochs.

Writes book/results/beauty_rectools.json. Ten positions and not fifty, because RecTools makes logits at
padding too, and ours lost nothing by it. It needs RecTools' environment, as peers.py does, and the record of
beauty.py:

    python tests/benchmarks/beauty_rectools.py --rectools-python rectools-env/bin/python   # half an hour
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from peers import measure, score
from recording import RESULTS, make_parser, record

from llmrec_ref import datasets, splits

RUN, SEED = "length 10", 0


def main():
    """Train, rank the last item of each person, and record."""
    parser = make_parser(__doc__, "beauty_rectools")
    parser.add_argument("--data", default="beauty", help="a name or a path for datasets.load")
    parser.add_argument("--rectools-python", required=True, help="Python of RecTools' environment")
    parser.add_argument("--epochs", type=int, help="instead of as many as our run took: a try")
    args = parser.parse_args()
    searched = json.loads((RESULTS / "beauty.json").read_text(encoding="utf-8"))["rows"]
    ours = next(row for row in searched if row["name"] == RUN)
    epochs = args.epochs or ours["epochs"]
    split = splits.leave_one_out(datasets.load(args.data))
    histories, queries = (
        [history.tolist() for history in part.queries.histories] for part in (split.train, split.test)
    )
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "beauty.json"
        data.write_text(json.dumps(dict(histories=histories, queries=queries)), encoding="utf-8")
        settings = (epochs, SEED, data, ours["max_len"], ours["dropout"])
        found = measure(args.rectools_python, "peer_rectools.py", "SASRec", *settings)
    score(found, np.concatenate(split.test.targets))
    row = dict(model="RecTools: SASRec, length 10", epochs=epochs, targets=found["n_targets"])
    record(
        args.name,
        args.out,
        title="SASRec of RecTools on Amazon Beauty",
        protocol=(
            f"settings and number of epochs of our run '{RUN}' in beauty.json, full cross-entropy; trained "
            "on all but the last two items of each person; the last is ranked among all, those of the "
            "history left out"
        ),
        seeds=[SEED],
        rows=[row | {metric: found[metric] for metric in ("HR@10", "NDCG@10")}],
        peers={"RecTools": found["versions"]},
    )


if __name__ == "__main__":
    main()
