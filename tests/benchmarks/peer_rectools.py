"""Train a model of RecTools and print what peers.py asks for.

    python peer_rectools.py MODEL EPOCHS SEED DATA

It runs in RecTools' own environment. What is not fixed in shared.py has the value that RecTools documents as
its default: BERT4Rec hides 15 % of the items and has feed-forward layers four times as wide as the rest.
"""

import json
import sys
import time

import pandas as pd
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, LR, MAX_LEN, installed, most_mib

MODELS = {"SASRec": SASRecModel, "BERT4Rec": BERT4RecModel}


class Clock(Callback):
    """Seconds of each epoch, and the targets of each batch."""

    seconds, targets = [], []  # of the class: RecTools copies its trainer

    def on_train_epoch_start(self, *_):
        self.start = time.perf_counter()

    def on_train_batch_start(self, trainer, module, batch, index):
        self.targets.append(int((batch["y"] > 0).sum()))

    def on_train_epoch_end(self, *_):
        self.seconds.append(time.perf_counter() - self.start)


def build(name, epochs):
    """Return the model; it makes its trainer when it is fitted."""
    quiet = dict(
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
    )
    return MODELS[name](
        n_factors=DIM,
        n_blocks=LAYERS,
        n_heads=HEADS,
        session_max_len=MAX_LEN,
        dropout_rate=DROPOUT,
        loss="softmax",
        lr=LR,
        batch_size=BATCH_SIZE,
        item_net_block_types=(IdEmbeddingsItemNet,),
        get_trainer_func=lambda: Trainer(max_epochs=epochs, accelerator="cpu", callbacks=[Clock()], **quiet),
    )


def main(name, epochs, seed, data):
    """Train; print one line of JSON, with the ten best of each person."""
    seed_everything(int(seed))
    with open(data, encoding="utf-8") as file:
        histories = json.load(file)["histories"]
    rows = [(u, i, 1.0, n) for u, history in enumerate(histories) for n, i in enumerate(history)]
    events = pd.DataFrame(rows, columns=[Columns.User, Columns.Item, Columns.Weight, Columns.Datetime])
    events[Columns.Datetime] = pd.to_datetime(events[Columns.Datetime], unit="s")
    dataset, model = Dataset.construct(events), build(name, int(epochs))
    held = most_mib()
    model.fit(dataset)
    lists = model.recommend(range(len(histories)), dataset, k=10, filter_viewed=True)
    lists = lists.sort_values([Columns.User, Columns.Rank])[Columns.Item].to_numpy().reshape(-1, 10)
    found = dict(seconds=Clock.seconds, n_targets=sum(Clock.targets) / int(epochs), lists=lists.tolist())
    versions = installed(["rectools", "torch", "pytorch-lightning", "numpy"])
    print(json.dumps(found | dict(held=held, peak=most_mib(), versions=versions)))


if __name__ == "__main__":
    main(*sys.argv[1:])
