"""MovieLens 100K: SASRec in both frameworks and four baselines, three seeds. Writes book/results/ml100k.json.

The number of epochs is chosen for each seed on validation (all but the last two films train); the model is then
trained afresh, for so many epochs, on all but the last film and tested on that one.

    python tests/benchmarks/ml100k.py          # about 15 minutes on two cores
"""

import numpy as np
import pandas as pd
from recording import record
from scipy import stats

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, Popularity
from llmrec_ref.evaluate import evaluate
from llmrec_ref.pytorch import sasrec as torch_sasrec
from llmrec_ref.pytorch import train as torch_train
from llmrec_ref.tensorflow import sasrec as tf_sasrec
from llmrec_ref.tensorflow import train as tf_train

SEEDS = [0, 1, 2]
FRAMEWORKS = {"pytorch": (torch_sasrec.SASRec, torch_train), "tensorflow": (tf_sasrec.SASRec, tf_train)}
SETTINGS = dict(lr=1e-3, batch_size=64, loss="cross_entropy")
EPOCHS, PATIENCE = 60, 8
METRICS = ["HR@10", "NDCG@10"]


def t_interval(values):
    """Return mean, low and high: a 95 % t-interval over seeds."""
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    return np.mean(values), low, high


def run(model_class, train, dataset, seed):
    """Choose the epochs on validation, refit, and return the chosen number and the tests with and without filter."""
    choosing = splits.leave_one_out(dataset, seed=seed)
    final = splits.leave_one_out(dataset, validation=False, seed=seed)
    model = model_class(choosing.n_items, seed=seed)
    history = train.fit(model, choosing, epochs=EPOCHS, patience=PATIENCE, seed=seed, **SETTINGS)
    model = model_class(final.n_items, seed=seed)
    train.fit(model, final, epochs=history.best_epoch, seed=seed, **SETTINGS)
    tests = {seen: evaluate(model, final.test, filter_seen=seen)[METRICS].iloc[0] for seen in (True, False)}
    print(seed, history.best_epoch, history.epochs["val_ndcg"].max(), tests[True].to_dict(), flush=True)
    return history.best_epoch, history.epochs["val_ndcg"].max(), tests


def main():
    """Run everything and record it."""
    dataset = datasets.load("ml-100k")
    split = splits.leave_one_out(dataset, validation=False)
    rows, chosen = [], []
    for model in (Popularity(), ItemKNN(), EASE(), Markov()):
        model.fit(split)
        for seen in (True, False):
            test = evaluate(model, split.test, filter_seen=seen)[METRICS].iloc[0].to_dict()
            rows.append(dict(model=type(model).__name__, framework=None, filter_seen=seen) | test)
    for framework, (model_class, train) in FRAMEWORKS.items():
        runs = [run(model_class, train, dataset, seed) for seed in SEEDS]
        for seed, (best_epoch, ndcg, _) in zip(SEEDS, runs, strict=True):
            chosen.append({"framework": framework, "seed": seed, "epochs": best_epoch, "validation NDCG@10": ndcg})
        for seen in (True, False):
            table = pd.DataFrame([tests[seen] for _, _, tests in runs])
            row = dict(model="SASRec", framework=framework, filter_seen=seen)
            for metric in METRICS:
                row |= zip((metric, f"{metric}_low", f"{metric}_high"), t_interval(table[metric]), strict=True)
                row[f"{metric}_seeds"] = table[metric].tolist()
            rows.append(row)
    record(
        "ml100k",
        title="MovieLens 100K, leave-one-out",
        protocol="last film of each of 943 people, ranked among all 1,682; trained on all but the last film; "
        "epochs chosen on the last but one; intervals are 95 % t-intervals over seeds",
        seeds=SEEDS,
        rows=rows,
        chosen=chosen,
        settings=SETTINGS | dict(max_epochs=EPOCHS, patience=PATIENCE),
    )


if __name__ == "__main__":
    main()
