"""MovieLens 100K: GRU4Rec, SASRec and BERT4Rec in both frameworks, and four baselines; five seeds.

The number of epochs of each model is chosen on validation: all but the last two films train, and NDCG@10 on
the last but one is averaged over seeds, for the choice of a single run is mostly noise. The model is then
trained afresh, for so many epochs, on all but the last film and tested on that one. Writes
book/results/ml100k.json.

    python tests/benchmarks/ml100k.py          # about an hour on two cores
"""

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from multiprocessing import get_context

import pandas as pd
from recording import make_parser, record, t_interval

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, Popularity
from llmrec_ref.evaluate import evaluate

FRAMEWORKS = ["pytorch", "tensorflow"]
MODELS = {"GRU4Rec": dict(dropout=0.5), "SASRec": {}, "BERT4Rec": {}}  # what differs from the defaults
RATES = {"GRU4Rec": 2e-3, "SASRec": 1e-3, "BERT4Rec": 1e-3}
EPOCHS = {"GRU4Rec": 90, "SASRec": 40, "BERT4Rec": 80}  # at most
BATCH_SIZE = 64
THREADS = ["OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"]
METRICS = ["HR@10", "NDCG@10"]
PROTOCOL = (
    "last film of each of 943 people, ranked among all 1,682; trained on all but that; epochs chosen on the "
    "last but one, on the mean over seeds in PyTorch; intervals are 95 % t-intervals over seeds"
)


def fit(name, framework, dataset, validation, epochs, seed, **settings):
    """Train one model; return it, its split and its history."""
    train = import_module(f"llmrec_ref.{framework}.train")
    split = splits.leave_one_out(dataset, validation=validation, seed=seed)
    model = train.MODELS[name](split.n_items, **MODELS[name], seed=seed)
    settings = dict(lr=RATES[name], batch_size=BATCH_SIZE, seed=seed) | settings
    return model, split, train.fit(model, split, epochs=epochs, **settings)


def curve(name, dataset, epochs, settings, seed):
    """Return one run's validation NDCG@10 in PyTorch, after each epoch."""
    history = fit(name, "pytorch", dataset, True, epochs, seed, **settings)[2]
    return history.epochs.set_index("epoch")["val_ndcg"].rename(seed)


def result(name, framework, dataset, epochs, settings, seed):
    """Return one run's metrics on the last film, with and without the seen filter."""
    model, split, _ = fit(name, framework, dataset, False, epochs, seed, **settings)
    return {seen: evaluate(model, split.test, filter_seen=seen)[METRICS].iloc[0] for seen in (True, False)}


def measure(pool, name, dataset, epochs, seeds, settings):
    """Choose the epochs, at most so many, and test; return validation's curves, the choice and the rows."""
    curves = pd.concat(pool.map(partial(curve, name, dataset, epochs, settings), seeds), axis=1)
    chosen = int(curves.mean(axis=1).idxmax())
    return curves.round(4).to_dict("list"), chosen, test(pool, name, dataset, chosen, seeds, settings)


def test(pool, name, dataset, epochs, seeds, settings):
    """Train on all but the last film; return the rows of results, with and without the seen filter."""
    runs = {f: pool.map(partial(result, name, f, dataset, epochs, settings), seeds) for f in FRAMEWORKS}
    rows = []
    for framework, results in runs.items():
        results = list(results)
        for seen in (True, False):
            row = dict(model=name, framework=framework, filter_seen=seen, **settings)
            for metric, values in pd.DataFrame(each[seen] for each in results).items():
                row |= zip((metric, f"{metric}_low", f"{metric}_high"), t_interval(values), strict=True)
                row[f"{metric}_seeds"] = values.tolist()
            rows.append(row)
    return rows


@contextmanager
def workers(threads=1, processes=None):
    """Yield a pool of processes with so many threads each, together as many as cores if not told."""
    os.environ |= dict.fromkeys(THREADS, str(threads))
    processes = processes or os.cpu_count() // threads
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool


def main():
    """Run everything; record what is there after each model."""
    parser = make_parser(__doc__, "ml100k")
    parser.add_argument("--epochs", type=int, help="at most so many for each model: a try, no measurement")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    dataset, seeds = datasets.load("ml-100k"), list(range(args.seeds))
    split = splits.leave_one_out(dataset, validation=False)
    rows, chosen, validation = [], {}, {}
    for model in (Popularity(), ItemKNN(), EASE(), Markov()):
        model.fit(split)
        for seen in (True, False):
            row = dict(model=type(model).__name__, framework=None, filter_seen=seen)
            rows.append(row | evaluate(model, split.test, filter_seen=seen)[METRICS].iloc[0].to_dict())
    with workers() as pool, ThreadPoolExecutor(len(MODELS)) as threads:  # a model's runs fill another's gaps
        each = [
            threads.submit(measure, pool, m, dataset, args.epochs or EPOCHS[m], seeds, {}) for m in MODELS
        ]
        for name, model in zip(MODELS, each, strict=True):
            validation[name], chosen[name], found = model.result()
            rows += found
            record(
                args.name,
                args.out,
                title="MovieLens 100K, leave-one-out",
                protocol=PROTOCOL,
                seeds=seeds,
                rows=rows,
                settings=dict(
                    loss="cross_entropy", batch_size=BATCH_SIZE, lr=RATES, models=MODELS, epochs=chosen
                ),
                validation=validation,
            )


if __name__ == "__main__":
    main()
