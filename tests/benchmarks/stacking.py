"""MovieLens 100K: a first recommender's score among the inputs of a network, in fold and out of fold.

Film features are MiniLM's, of title, year and genres, in their 64 leading principal components. Each network
is trained on the same pairs; in fold, these are described by histories and scores that hold the answer.
Nothing is chosen. Writes book/results/stacking.json.

    python tests/benchmarks/stacking.py      # ten minutes on one core
"""

from functools import partial

import numpy as np
from recording import make_parser, record, t_interval

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, Bilinear, PairMLP, Ridge
from llmrec_ref.evaluate import evaluate
from llmrec_ref.features import encode
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.text import item_texts

DIM = 64


def film_features(dataset, split):
    """Return the principal components of the films' vectors: float (n_items + 1, `DIM`), row 0 zeros."""
    texts = item_texts(dataset, split.item_ids)[1:]
    vectors = encode(texts, Encoder()).astype(float)
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:DIM]
    return np.vstack([np.zeros(DIM), centred @ axes.T])


def measure(make, split, seeds):
    """Train with each seed; return means and t-intervals."""
    runs = []
    for seed in seeds:
        model = make(seed=seed).fit(split)
        found = evaluate(model, split.test, ks=(10,))[["HR@10", "NDCG@10"]].iloc[0].to_dict()
        runs.append(dict(train=model.training_loss, test=model.loss(split.test)) | found)
    row = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        row |= zip((key, f"{key}_low", f"{key}_high"), t_interval(values), strict=True)
        row[f"{key}_seeds"] = values
    return row


def main():
    """Measure and record."""
    parser = make_parser(__doc__, "stacking")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5, help="another number: a try, no measurement")
    args = parser.parse_args()
    dataset, seeds = datasets.load("ml-100k"), list(range(args.seeds))
    split = splits.leave_one_out(dataset)
    features = film_features(dataset, split)
    firsts = {
        "none": None,
        "Ridge": partial(Ridge, features, 1.0),
        "Bilinear": partial(Bilinear, features),
        "EASE": EASE,
    }
    rows = []
    for name, first in firsts.items():
        alone = {"HR@10": None, "NDCG@10": None}
        if first:
            alone = evaluate(first().fit(split), split.test, ks=(10,))[list(alone)].iloc[0].to_dict()
        for folds in (None, 5):
            make = partial(PairMLP, features, first, folds=folds, epochs=args.epochs)
            row = dict(first=name, folds=folds) | {f"first alone {key}": v for key, v in alone.items()}
            rows.append(row | measure(make, split, seeds))
            print(row, {key: round(v, 4) for key, v in rows[-1].items() if key in ("train", "test", *alone)})
    record(
        args.name,
        args.out,
        title="A first score among the features, in fold and out of fold",
        protocol=(
            "MovieLens 100K, leave-one-out, the last film ranked among all; train and test: cross-entropy of "
            "a pair, in nats, of a film of the history or the last one against four others drawn; 95 % "
            "t-intervals over seeds"
        ),
        seeds=seeds,
        rows=rows,
    )


if __name__ == "__main__":
    main()
