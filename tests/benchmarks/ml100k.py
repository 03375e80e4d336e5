"""MovieLens 100K: SASRec in both frameworks and four baselines, three seeds. Writes book/results/ml100k.json.

The number of epochs is chosen on validation: all but the last two films train, and NDCG@10 on the last but
one is averaged over seeds and frameworks, for the choice of a single run is mostly noise. The model is then
trained afresh, for so many epochs, on all but the last film and tested on that one.

    python tests/benchmarks/ml100k.py          # about 15 minutes on two cores
"""

import pandas as pd
from recording import record, t_interval

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
EPOCHS = 40  # at most
METRICS = ["HR@10", "NDCG@10"]


def choose(dataset):
    """Return the validation NDCG@10, a row an epoch and a column a run."""
    curves = {}
    for framework, (model_class, train) in FRAMEWORKS.items():
        for seed in SEEDS:
            split = splits.leave_one_out(dataset, seed=seed)
            model = model_class(split.n_items, seed=seed)
            history = train.fit(model, split, epochs=EPOCHS, seed=seed, **SETTINGS)
            curves[f"{framework}, seed {seed}"] = history.epochs.set_index("epoch")["val_ndcg"]
    return pd.DataFrame(curves)


def test(framework, dataset, epochs, seed):
    """Train on all but the last film; return the metrics with and without the seen filter."""
    model_class, train = FRAMEWORKS[framework]
    split = splits.leave_one_out(dataset, validation=False, seed=seed)
    model = model_class(split.n_items, seed=seed)
    train.fit(model, split, epochs=epochs, seed=seed, **SETTINGS)
    return {seen: evaluate(model, split.test, filter_seen=seen)[METRICS].iloc[0] for seen in (True, False)}


def main():
    """Run everything and record it."""
    dataset = datasets.load("ml-100k")
    split = splits.leave_one_out(dataset, validation=False)
    rows = []
    for model in (Popularity(), ItemKNN(), EASE(), Markov()):
        model.fit(split)
        for seen in (True, False):
            row = dict(model=type(model).__name__, framework=None, filter_seen=seen)
            rows.append(row | evaluate(model, split.test, filter_seen=seen)[METRICS].iloc[0].to_dict())
    curves = choose(dataset)
    epochs = int(curves.mean(axis=1).idxmax())
    print(f"{epochs} epochs have the best mean NDCG@10 on validation:\n{curves.mean(axis=1)}")
    for framework in FRAMEWORKS:
        runs = [test(framework, dataset, epochs, seed) for seed in SEEDS]
        for seen in (True, False):
            table = pd.DataFrame([metrics[seen] for metrics in runs])
            row = dict(model="SASRec", framework=framework, filter_seen=seen)
            for metric in METRICS:
                row |= zip(
                    (metric, f"{metric}_low", f"{metric}_high"), t_interval(table[metric]), strict=True
                )
                row[f"{metric}_seeds"] = table[metric].tolist()
            rows.append(row)
    record(
        "ml100k",
        title="MovieLens 100K, leave-one-out",
        protocol="last film of each of 943 people, ranked among all 1,682; trained on all but that; "
        "epochs chosen on the last but one, on the mean of all runs; intervals are 95 % t-intervals "
        "over seeds",
        seeds=SEEDS,
        rows=rows,
        settings=SETTINGS | dict(epochs=epochs),
        validation=curves.round(4).to_dict("list"),
    )


if __name__ == "__main__":
    main()
