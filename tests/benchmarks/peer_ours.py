"""Train a model of ours and print what peers.py asks for.

python peer_ours.py FRAMEWORK MODEL LOSS EPOCHS SEED
"""

import json
import sys
from importlib import import_module

from ml100k import METRICS, RATES
from shared import BATCH_SIZE, DIM, DROPOUT, HEADS, LAYERS, MAX_LEN, most_mib

from llmrec_ref import datasets, splits
from llmrec_ref.evaluate import evaluate


def main(framework, name, loss, epochs, seed):
    """Train with validation after each epoch; print one line of JSON."""
    split = splits.leave_one_out(datasets.load("ml-100k"))
    train = import_module(f"llmrec_ref.{framework}.train")
    sizes = dict(dim=DIM, n_layers=LAYERS, n_heads=HEADS, max_len=MAX_LEN, dropout=DROPOUT)
    model = train.MODELS[name](split.n_items, **sizes, seed=int(seed))
    held = most_mib()
    settings = dict(lr=RATES[name], batch_size=BATCH_SIZE, loss=loss, seed=int(seed), progress=False)
    last = {}

    def measure(trained):
        last.update(evaluate(trained, split.validation, ks=(10,))[METRICS].iloc[0])
        return {}

    history = train.fit(model, split, epochs=int(epochs), measure=measure, **settings)
    seconds, curve = (history.epochs[column].tolist() for column in ("seconds", "val_ndcg"))
    found = dict(last)  # of the last epoch, as the peers': `fit` goes back to the best one
    found |= dict(seconds=seconds, curve=curve, n_targets=history.n_targets, held=held, peak=most_mib())
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
