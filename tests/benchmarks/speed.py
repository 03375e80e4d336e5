"""Training speed of SASRec beside RecTools 0.19: same windows, loss and batch size.

Writes book/results/speed.json. RecTools wants older packages than ours, so it has an environment of its own:

    python3 -m venv rectools-env
    rectools-env/bin/pip install torch==2.13.0
    rectools-env/bin/pip install "rectools[torch]==0.19.*"
    python tests/benchmarks/speed.py --rectools-python rectools-env/bin/python

It takes about ten minutes on two cores. Run it on a machine that does nothing else. Each measurement is a
process of its own, on two threads.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DIM, LAYERS, MAX_LEN, BATCH_SIZE, LR, DROPOUT = 64, 2, 50, 128, 1e-3, 0.2


def ours(framework, epochs, seed):
    """Train and return seconds, loss and validation NDCG@10 of each epoch, and the number of targets."""
    from importlib import import_module

    from llmrec_ref import datasets, splits

    if framework == "pytorch":
        import torch

        torch.set_num_threads(2)
    else:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(2)
    split = splits.leave_one_out(datasets.load("ml-100k"))
    train = import_module(f"llmrec_ref.{framework}.train")
    model = train.SASRec(split.n_items, dim=DIM, n_layers=LAYERS, max_len=MAX_LEN, dropout=DROPOUT, seed=seed)
    history = train.fit(model, split, epochs=epochs, lr=LR, batch_size=BATCH_SIZE, seed=seed, progress=False)
    return dict(n_targets=history.n_targets, **history.epochs[["seconds", "val_ndcg"]].to_dict("list"))


def rectools(epochs, seed, data):
    """Train RecTools' SASRec; its NDCG@10 is measured once, after the last epoch. Needs its environment."""
    import numpy as np
    import pandas as pd
    import torch
    from pytorch_lightning import Callback, Trainer, seed_everything
    from rectools import Columns
    from rectools.dataset import Dataset
    from rectools.models import SASRecModel
    from rectools.models.nn.item_net import IdEmbeddingsItemNet

    class Clock(Callback):
        seconds, targets = [], []  # of the class: RecTools copies its trainer

        def on_train_epoch_start(self, *_):
            self.start = time.perf_counter()

        def on_train_batch_start(self, trainer, module, batch, index):
            self.targets.append(int((batch["y"] > 0).sum()))

        def on_train_epoch_end(self, *_):
            self.seconds.append(time.perf_counter() - self.start)

    torch.set_num_threads(2)
    seed_everything(seed)
    table = pd.read_csv(data)
    train, targets = table[table["part"] == "train"], table[table["part"] == "target"]
    events = train.assign(**{Columns.Weight: 1.0, Columns.Datetime: pd.to_datetime(train["order"], unit="s")})
    events = events[[Columns.User, Columns.Item, Columns.Weight, Columns.Datetime]]
    model = SASRecModel(
        n_factors=DIM,
        n_blocks=LAYERS,
        n_heads=1,
        session_max_len=MAX_LEN,
        dropout_rate=DROPOUT,
        loss="softmax",
        lr=LR,
        batch_size=BATCH_SIZE,
        item_net_block_types=(IdEmbeddingsItemNet,),
        get_trainer_func=lambda: Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=[Clock()],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
    )
    dataset = Dataset.construct(events)
    model.fit(dataset)
    lists = model.recommend(targets[Columns.User], dataset, k=10, filter_viewed=True)
    hits = lists.merge(targets[[Columns.User, Columns.Item]])
    ndcg = (1 / np.log2(hits[Columns.Rank] + 1)).sum() / len(targets)
    return dict(n_targets=sum(Clock.targets) // epochs, seconds=Clock.seconds, val_ndcg=float(ndcg))


def export(path):
    """Write training sequences and validation targets for RecTools."""
    import pandas as pd

    from llmrec_ref import datasets, splits

    split = splits.leave_one_out(datasets.load("ml-100k"))
    train, validation = split.train.queries, split.validation
    rows = [
        ("train", u, i, n) for u, h in zip(train.users, train.histories, strict=True) for n, i in enumerate(h)
    ]
    rows += [
        ("target", u, t[0], 0) for u, t in zip(validation.queries.users, validation.targets, strict=True)
    ]
    pd.DataFrame(rows, columns=["part", "user_id", "item_id", "order"]).to_csv(path, index=False)


def measure(python, *arguments):
    """Run one measurement in a process of its own and return what it printed last."""
    command = [python, __file__, "--measure", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(rectools_python, epochs, n_runs):
    """Return the rows of the table: in each run RecTools, then we, with the run's number as seed."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        data = str(Path(folder) / "ml-100k.csv")
        export(data)
        for seed in range(n_runs):
            peer = measure(rectools_python, "rectools", epochs, seed, data)
            rows.append(row("RecTools 0.19", seed, peer, peer["val_ndcg"], peer))
            for name, framework in (("PyTorch", "pytorch"), ("TensorFlow", "tensorflow")):
                found = measure(sys.executable, framework, epochs // 2, seed)  # more than a third of its time
                assert found["n_targets"] == peer["n_targets"], "the windows differ"
                reached = [ndcg >= peer["val_ndcg"] for ndcg in found["val_ndcg"]]
                rows.append(row(name, seed, found, max(found["val_ndcg"]), peer, reached))
    return rows


def row(name, seed, found, ndcg, peer, reached=(False,)):
    """Return one row; ``reached`` says for each epoch whether RecTools' final NDCG@10 was reached."""
    speed, peer_speed = (run["n_targets"] / statistics.median(run["seconds"][1:6]) for run in (found, peer))
    epochs = reached.index(True) + 1 if True in reached else None
    seconds = sum(found["seconds"][:epochs]) if epochs or found is peer else None
    return {
        "model": name,
        "run": seed,
        "targets an epoch": found["n_targets"],
        "seconds an epoch": statistics.median(found["seconds"][1:6]),
        "targets a second": speed,
        "times RecTools": speed / peer_speed,
        "first epoch more, seconds": max(0.0, found["seconds"][0] - statistics.median(found["seconds"][1:6])),
        "validation NDCG@10": ndcg,
        "epochs to RecTools' NDCG@10": len(found["seconds"]) if found is peer else epochs,
        "seconds to RecTools' NDCG@10": seconds,
        "share of RecTools' time": seconds and seconds / sum(peer["seconds"]),
    }


def main():
    """Measure and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rectools-python", help="Python of RecTools' environment")
    parser.add_argument("--epochs", type=int, default=60, help="under 6 is a try, no measurement")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--name", default="speed", help="of the file in book/results")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)  # one measurement, in this process
    args = parser.parse_args()
    if args.measure:
        what, epochs, seed, *data = args.measure
        numbers = int(epochs), int(seed)
        result = rectools(*numbers, *data) if what == "rectools" else ours(what, *numbers)
        print(json.dumps(result))
        return
    if args.rectools_python is None:
        parser.error("--rectools-python is missing: see --help for how to make RecTools' environment")
    from recording import record

    rows = compare(args.rectools_python, args.epochs, args.runs)
    record(
        args.name,
        title="Training speed on MovieLens 100K",
        protocol=f"width {DIM}, {LAYERS} blocks, 1 head, length {MAX_LEN}, batch {BATCH_SIZE}, dropout "
        f"{DROPOUT}, float32, full cross-entropy, 2 threads; trained on all but the last two films of each "
        "person; seconds an epoch: median of epochs 2 to 6; first epoch more: warm-up, and TensorFlow's "
        "compilation; NDCG@10 on the last but one film, seen films filtered: RecTools' after "
        f"{args.epochs} epochs, ours best of half as many",
        seeds=list(range(args.runs)),
        rows=rows,
    )


if __name__ == "__main__":
    main()
