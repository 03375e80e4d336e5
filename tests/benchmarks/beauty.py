"""Amazon Beauty, the split of S3-Rec and TIGER: eight runs on validation, a refit, baselines and a mixture.

1. Search: each of `RUNS` trains on all but the last two items of each person, and stops where NDCG@10 on the
   last but one has not risen for `PATIENCE` epochs. One run is the base; each other changes one thing,
   so the search is the ablation as well.
2. Refit: the best run's settings, for its best number of epochs, on all but the last item; `SEEDS` seeds.
3. Mixture: `Mixture` of that model, Markov and EASE; the weights are chosen in 1's split, on validation.

Writes book/results/beauty.json. Each run is kept in ``--work`` when it ends and is not run again, so you may
stop the script and go on later. Runs go two at a time on one thread each; their seconds do not count: an
epoch of each setting is timed at the end, alone and on all cores. In that part nothing else may run.

    python tests/benchmarks/beauty.py --work FOLDER       # two to three hours on two cores
"""

import json
import os
import time
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
from ml100k import METRICS, workers
from recording import make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, Mixture, Popularity
from llmrec_ref.evaluate import evaluate, rank_targets
from llmrec_ref.metrics import hit_rate, ndcg
from llmrec_ref.sequences import training_windows

EPOCHS, PATIENCE, SEEDS = 60, 5, 3
BASE = dict(
    model="SASRec", dim=64, n_layers=2, max_len=50, dropout=0.5, lr=1e-3, loss="chunked_cross_entropy"
)
RUNS = {
    "width 128": dict(dim=128),
    "base": {},
    "dropout .2": dict(dropout=0.2),
    "length 10": dict(max_len=10),
    "sampled softmax": dict(loss="sampled_softmax", n_negatives=64),
    "binary cross-entropy": dict(loss="bce", n_negatives=1),
    "GRU4Rec": dict(model="GRU4Rec", n_layers=1),
    "BERT4Rec": dict(model="BERT4Rec"),
}
TRAINING = dict(batch_size=128, progress=True)  # of every run
FIT = ("lr", "loss", "n_negatives")  # what of a run's settings goes to `fit`; the rest is the model's
WEIGHTS = np.linspace(0, 1, 6)  # tried for Markov and EASE, beside the model's 1
EASE_L2 = 50.0
PROTOCOL = (
    "22,363 people, 12,101 items, the split of S3-Rec and TIGER; the last item of each person is ranked "
    "among all, those of the history left out unless it says unfiltered; ties count against the target "
    "unless it says kind; refit: trained on all but the last item, otherwise on all but the last two; "
    "settings, epochs and the mixture's weights chosen on the last but one"
)


def kept(work, name):
    """Return the folder of a run."""
    return Path(work) / name.replace(" ", "-")


def prepare(data, settings, seed=None):
    """Return the training module, the split, a fresh model and the arguments of its ``fit``."""
    train = import_module("llmrec_ref.pytorch.train")
    split = splits.leave_one_out(datasets.load(data), validation=seed is None)
    sizes = {key: value for key, value in settings.items() if key not in (*FIT, "model")}
    model = train.MODELS[settings["model"]](split.n_items, **sizes, seed=seed or 0)
    return train, split, model, {key: settings[key] for key in FIT if key in settings} | TRAINING


def train_one(data, work, name, settings, epochs, seed=None):
    """Train, keep and measure one model: without a seed a run of the search, with one a refit.

    Returns:
        dict, a row of the table.
    """
    folder = kept(work, name)
    path = folder / "row.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    train, split, model, fit = prepare(data, settings, seed)
    patience = PATIENCE if seed is None else None
    history = train.fit(model, split, epochs=epochs, patience=patience, seed=seed or 0, **fit)
    row = dict(name=name, refit=seed is not None, seed=seed or 0, **settings)
    row |= dict(epochs=history.best_epoch, targets=history.n_targets)
    row |= dict(parameters=sum(weight.numel() for weight in model.parameters()))
    if seed is None:
        row |= dict(curve=history.epochs["val_ndcg"].round(4).tolist())
        row |= {f"validation {key}": value for key, value in measure(model, split.validation).items()}
    row |= measure(model, split.test)
    train.save(model, split, folder, overwrite=True)
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return row


def time_epoch(data, settings, seed=None):
    """Return the seconds of the second epoch of a run of the search, or with a seed of a refit."""
    train, split, model, fit = prepare(data, settings, seed)
    return float(train.fit(model, split, epochs=2, **fit).epochs["seconds"].iloc[1])


def measure(model, part):
    """Return HR@10 and NDCG@10, with and without the seen filter."""
    found = evaluate(model, part)[METRICS].iloc[0].to_dict()
    return (
        found | evaluate(model, part, filter_seen=False)[METRICS].iloc[0].add_suffix(" unfiltered").to_dict()
    )


def kind_to_ties(model, part):
    """Return HR@10 and NDCG@10 if a target went before everything that scores the same."""
    ranks, offsets = rank_targets(lambda queries: -model.score(queries), part)  # how many score no higher
    pairs = zip(part.queries.histories, part.targets, strict=True)
    rivals = [part.n_items - 1 - len(np.setdiff1d(history, target)) for history, target in pairs]
    ranks = rivals - ranks
    values = (hit_rate(ranks, offsets, 10).mean(), ndcg(ranks, offsets, 10).mean())
    return dict(zip([f"{metric} kind to ties" for metric in METRICS], values, strict=True))


def baselines(data):
    """Return a row for each model that counts, fitted without the last two items and without the last."""
    rows = []
    for refit in (False, True):
        split = splits.leave_one_out(datasets.load(data), validation=not refit)
        for model in (Popularity(), ItemKNN(), Markov(), EASE(EASE_L2)):
            start = time.perf_counter()
            model.fit(split)
            row = dict(name=type(model).__name__, refit=refit, seconds=time.perf_counter() - start)
            held = [value for value in vars(model).values() if hasattr(value, "size")]
            row |= dict(parameters=int(sum(value.size for value in held)), **measure(model, split.test))
            if not refit:
                found = measure(model, split.validation)
                row |= {f"validation {key}": value for key, value in found.items()}
            rows.append(row | kind_to_ties(model, split.test))
    return rows


def mixture(data, work, best, n_seeds):
    """Choose the weights of Markov and EASE on validation; return the rows, and what was tried."""
    dataset, load = datasets.load(data), import_module("llmrec_ref.pytorch.train").load
    split = splits.leave_one_out(dataset)
    parts = [load(kept(work, best))[0], Markov().fit(split), EASE(EASE_L2).fit(split)]
    tried = []
    for weights in product([1.0], WEIGHTS, WEIGHTS):
        found = evaluate(Mixture(parts, weights), split.validation, ks=(10,))[METRICS].iloc[0].to_dict()
        tried.append(dict(weights=weights, **found))
    weights = max(tried, key=lambda each: each["NDCG@10"])["weights"]
    rows = [
        dict(name="mixture", refit=False, weights=weights, **measure(Mixture(parts, weights), split.test))
    ]
    split = splits.leave_one_out(dataset, validation=False)
    parts[1:] = Markov().fit(split), EASE(EASE_L2).fit(split)
    for seed in range(n_seeds):
        parts[0] = load(kept(work, f"refit {seed}"))[0]
        row = dict(name="mixture", refit=True, seed=seed, weights=weights)
        rows.append(row | measure(Mixture(parts, weights), split.test))
    return rows, tried


def main():
    """Run what is missing and record everything."""
    parser = make_parser(__doc__, "beauty")
    parser.add_argument("--data", default="beauty", help="a name or a path for datasets.load")
    parser.add_argument("--work", required=True, help="folder in which finished runs are kept")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="at most so many")
    parser.add_argument("--seeds", type=int, default=SEEDS)
    args = parser.parse_args()
    rows = baselines(args.data)
    with workers() as pool:
        runs = [
            pool.submit(train_one, args.data, args.work, name, BASE | change, args.epochs)
            for name, change in RUNS.items()
        ]
        rows += [run.result() for run in runs]
    searched = rows[-len(RUNS) :]
    best = max(searched, key=lambda row: row["validation NDCG@10"])
    settings = BASE | RUNS[best["name"]]
    with workers() as pool:
        runs = [
            pool.submit(train_one, args.data, args.work, f"refit {seed}", settings, best["epochs"], seed)
            for seed in range(args.seeds)
        ]
        rows += [run.result() for run in runs]
    histories = splits.leave_one_out(datasets.load(args.data)).train.queries.histories
    lengths = [len(window) - 1 for window in training_windows(histories, BASE["max_len"])]
    mixed, tried = mixture(args.data, args.work, best["name"], args.seeds)
    with workers(threads=os.cpu_count()) as pool:
        alone = [pool.submit(time_epoch, args.data, BASE | change).result() for change in RUNS.values()]
        alone += [pool.submit(time_epoch, args.data, settings, 0).result()] * args.seeds
    trained = rows[-len(alone) :]
    for row, seconds in zip(trained, alone, strict=True):
        row |= dict(epoch_seconds=seconds, seconds=row["epochs"] * seconds)
    record(
        args.name,
        args.out,
        title="Amazon Beauty, leave-one-out",
        protocol=PROTOCOL,
        seeds=list(range(args.seeds)),
        rows=rows + mixed,
        settings=dict(
            base=BASE, runs=RUNS, best=best["name"], patience=PATIENCE, epochs=args.epochs, **TRAINING
        ),
        weights=tried,
        window_lengths=np.bincount(lengths).tolist(),
    )


if __name__ == "__main__":
    main()
