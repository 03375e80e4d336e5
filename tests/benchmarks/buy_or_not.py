"""Complete Journey: will this household buy this product this week? Counts, boosting and texts.

Pairs of `splits.buy_or_not`: training weeks 45 to 48, validation 49, test 51, products that the household
had before and new ones apart. B: recency, frequency, popularity of 28 days; G: earlier purchases with the
same text, type, category; M: the largest and the mean cosine of MiniLM's vectors with the products bought
before. Logistic regression and gradient boosting, trained on each slice by itself; penalty, size of the
trees and all else that is chosen have the highest AUC in validation. Intervals: 95 % bootstrap over
households; gains are paired. Ranking: all distinct products that each household buys in week 51, over the
whole catalogue. Writes book/results/buy_or_not.json, and M of all pairs to
book/results/buy_or_not.safetensors.

    python tests/benchmarks/buy_or_not.py        # about 20 minutes on one core
"""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
from recording import make_parser, record
from safetensors.numpy import save_file
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import Content, Mixture, PersonalFrequency, behaviour, closeness, same_words
from llmrec_ref.baselines.shared import as_scores
from llmrec_ref.evaluate import bootstrap, evaluate, rank_targets
from llmrec_ref.features import encode
from llmrec_ref.metrics import METRICS, auc, auc_gain, auc_interval
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.text import item_texts

PARTS = ("train", "validation", "test")
GROUPS = ("B", "G", "M", "B+G", "B+M", "B+G+M")
GAINS = [("B+M", "B"), ("B+G", "B"), ("B+G+M", "B+G")]
PENALTIES = (0.01, 1.0, 100.0)
LEAVES = (4, 16, 64)
HALF_LIVES = (None, 50, 100, 200, 400)
LAST = (10, 50, 200, None)
WEIGHTS = (0.01, 0.03, 0.1, 0.3)
DAYS = 28
COLUMNS = ["HR@10", "Recall@10", "NDCG@10", "n_queries"]


def item_columns(dataset, item_ids, texts):
    """Text, type and category of each item number, as `same_words` takes them."""
    items = dataset.items.set_index("item_id").loc[item_ids[1:].tolist()]
    words = dict(text=texts[1:], type=items["product_type"], category=items["product_category"])
    rows = pd.DataFrame({name: np.asarray(column, dtype=object) for name, column in words.items()})
    return pd.concat([pd.DataFrame(index=[0], columns=rows.columns), rows], ignore_index=True)


def describe(split, dataset, columns, vectors):
    """B, G and M of each part: dicts of DataFrames."""
    found = {}
    for name in PARTS:
        pairs = getattr(split, name)
        b, g = behaviour(pairs, dataset, split.item_ids, DAYS), same_words(pairs, columns)
        m = closeness(pairs, vectors).astype(np.float16).astype(float)  # as it is kept
        found[name] = {"B": b, "G": g, "M": m}
    return found


def join(tables, group):
    """The columns of some groups, float (n, k)."""
    return pd.concat([tables[name] for name in group.split("+")], axis=1).to_numpy()


def makers():
    """Models by name and setting."""
    for c in PENALTIES:
        yield "logistic", c, make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000))
    for leaves in LEAVES:
        boosted = dict(max_leaf_nodes=leaves, min_samples_leaf=100, max_iter=200, random_state=0)
        yield "boosting", leaves, HistGradientBoostingClassifier(**boosted)


def fit_all(tables, split, kind, group):
    """The best of each kind of model by validation: name -> (setting, scores in validation and test)."""
    chosen = {}
    here = {name: getattr(split, name).slices == kind for name in PARTS}
    x = {name: join(tables[name], group)[here[name]] for name in PARTS}
    y = {name: getattr(split, name).labels[here[name]] for name in PARTS}
    for name, setting, model in makers():
        model.fit(x["train"], y["train"])
        scores = {part: model.predict_proba(x[part])[:, 1] for part in PARTS[1:]}
        value = auc(scores["validation"], y["validation"])
        if name not in chosen or value > chosen[name][0]:
            chosen[name] = value, setting, scores
    return {name: (setting, scores) for name, (_, setting, scores) in chosen.items()}


def single(tables, part, kind, here):
    """Scores that nothing trains."""
    b, g, m = (tables[part][name][here] for name in "BGM")
    return {
        "popularity": b["popularity"],
        "personal frequency": b["frequency"],
        "recency": b["recency"],
        "same text": g["text"],
        "nearest": m["nearest"],
        "mean cosine": m["mean"],
    }


def measure(tables, split):
    """Rows of all models in both slices, paired gains, and scores of the test by name."""
    rows, gains = [], []
    for kind in ("new", "repeat"):
        parts = {name: getattr(split, name) for name in PARTS}
        here = {name: parts[name].slices == kind for name in PARTS}
        labels = {name: parts[name].labels[here[name]] for name in PARTS}
        users, scores, more = parts["test"].users[here["test"]], {}, {}
        raw = {name: single(tables, name, kind, here[name]) for name in PARTS[1:]}
        for name in raw["test"]:
            scores[name] = {part: raw[part][name].to_numpy() for part in raw}
        for group in GROUPS:
            for name, (setting, found) in fit_all(tables, split, kind, group).items():
                scores[f"{name}, {group}"], more[f"{name}, {group}"] = found, setting
        table = np.column_stack([each["test"] for each in scores.values()])
        low, high = auc_interval(table, labels["test"], users)
        for column, (name, each) in enumerate(scores.items()):
            row = dict(slice=kind, name=name, auc=float(auc(each["test"], labels["test"])))
            row |= dict(low=float(low[column]), high=float(high[column]), setting=more.get(name))
            row |= dict(validation=float(auc(each["validation"], labels["validation"])))
            rows.append(row | dict(n_pairs=len(users), n_households=len(np.unique(users))))
        for name in ("logistic", "boosting"):
            for full, base in GAINS:
                one, other = (scores[f"{name}, {group}"]["test"] for group in (full, base))
                gain = map(float, auc_gain(one, other, labels["test"], users))
                row = dict(slice=kind, name=name, group=full, over=base)
                gains.append(row | dict(zip(("gain", "low", "high"), gain, strict=True)))
    return rows, gains


def pooled(tables, split):
    """AUC over both slices at once, beside each: what pooling hides."""
    rows, labels = [], split.test.labels
    for name in ("frequency", "recency", "popularity"):
        values = tables["test"]["B"][name].to_numpy()
        row = dict(name=name, pooled=float(auc(values, labels)))
        for kind in ("new", "repeat"):
            here = split.test.slices == kind
            row[kind] = float(auc(values[here], labels[here]))
        rows.append(row)
    return rows


class Recent:
    """How often anybody bought an item in the days before the question."""

    def __init__(self, dataset, item_ids, days=DAYS):
        self.items = pd.Index(item_ids[1:]).get_indexer(dataset.interactions["item_id"]) + 1
        self.times = dataset.interactions["timestamp"].to_numpy()
        self.seconds, self.n = days * 86_400, len(item_ids)

    def score(self, queries):
        """Count once a prediction time."""
        rows = np.empty((len(queries), self.n))
        for time in np.unique(queries.times):
            recent = (self.times >= time - self.seconds) & (self.times < time)
            rows[queries.times == time] = np.bincount(self.items[recent], minlength=self.n)
        return as_scores(rows)


def ranking(dataset, split, vectors):
    """Rank the products of week 51: rows, and what the text adds to each first recommender."""
    week = split.ranking
    views = {}
    for name in PARTS[1:]:
        part = getattr(week, name)
        new, _ = splits.by_novelty(part)
        views[name] = {"all": (part, False), "new": (new, True)}
    grid = {
        "popularity of 28 days": {"": Recent(dataset, split.item_ids)},
        "PersonalFrequency": {h: PersonalFrequency(h).fit(week) for h in HALF_LIVES},
        "MiniLM cosine": {last: Content(vectors, last).fit(week) for last in LAST},
    }

    def value(model, goal):
        part, filter_seen = views["validation"][goal]
        return evaluate(model, part, ks=(10,), filter_seen=filter_seen)["NDCG@10"].item()

    def hits(model, goal):
        ranks, offsets = rank_targets(model, *views["test"][goal])
        return METRICS["HR"](ranks, np.unique(offsets), 10)

    rows, added = [], []
    for goal in ("all", "new"):
        best, chosen = {}, {}
        for name, each in grid.items():
            values = {setting: value(model, goal) for setting, model in each.items()}
            best[name] = max(values, key=values.get)
            chosen[name] = each[best[name]]
        models = dict(chosen)
        if goal == "all":  # as it is usually done, beside the chosen half-life
            models["PersonalFrequency, all events alike"] = grid["PersonalFrequency"][None]
        for first in ("popularity of 28 days", "PersonalFrequency"):
            both = [chosen[first], chosen["MiniLM cosine"]]
            mixed = {weight: Mixture(both, [1, weight]) for weight in WEIGHTS}
            values = {weight: value(model, goal) for weight, model in mixed.items()}
            weight = max(values, key=values.get)
            name = f"{first} + MiniLM cosine"
            models[name], best[name] = mixed[weight], weight
            gain = hits(mixed[weight], goal) - hits(chosen[first], goal)
            low, high = bootstrap(gain)
            row = dict(name=name, targets=goal, weight=weight, gain=float(gain.mean()))
            added.append(row | dict(low=float(low), high=float(high)))
        for name, model in models.items():
            part, filter_seen = views["test"][goal]
            found = evaluate(model, part, ks=(10,), filter_seen=filter_seen, ci=True).iloc[0]
            row = dict(name=name, targets=goal, setting=best.get(name))
            keep = [*COLUMNS, "HR@10_low", "HR@10_high"]
            rows.append(row | {column: float(found[column]) for column in keep})
            print(rows[-1], flush=True)
    return rows, added


def fingerprint(split):
    """64 hex digits that change with the pairs and their labels."""
    digest = sha256()
    for name in PARTS:
        pairs = getattr(split, name)
        for array in (pairs.users, pairs.items, pairs.labels):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def keep(split, tables, path):
    """Write M of all pairs, as float16."""
    # in the order of C: safetensors writes the memory as it lies
    arrays = {name: np.array(tables[name]["M"], np.float16, order="C") for name in PARTS}
    save_file(arrays, path, metadata={"pairs": fingerprint(split), "columns": "nearest,mean"})


def main():
    """Measure and record."""
    parser = make_parser(__doc__, "buy_or_not")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the texts' vectors")
    args = parser.parse_args()
    dataset = datasets.load("complete-journey")
    split = splits.buy_or_not(dataset)
    texts = item_texts(dataset, split.item_ids)
    vectors = encode(texts, Encoder(), args.cache, padding=True)
    columns = item_columns(dataset, split.item_ids, texts)
    tables = describe(split, dataset, columns, vectors)
    keep(split, tables, args.out / f"{args.name}.safetensors")
    rows, gains = measure(tables, split)
    for row in [*rows, *gains]:
        print(row, flush=True)
    new = split.test.slices == "new"
    shares = {}
    for name, label in (("yes", 1), ("no", 0)):
        here = new & (split.test.labels == label)
        shares[name] = float((tables["test"]["G"]["text"].to_numpy()[here] > 0).mean())
    week, added = ranking(dataset, split, vectors)
    sizes = {
        name: {kind: int((getattr(split, name).slices == kind).sum()) for kind in ("new", "repeat")}
        for name in PARTS
    }
    record(
        args.name,
        args.out,
        title="Complete Journey: will this household buy this product this week?",
        protocol=" ".join(__doc__.split("\n\n")[1].split()),
        seeds=[0],
        rows=rows,
        gains=gains,
        pooled=pooled(tables, split),
        text_known=shares,
        sizes=sizes,
        n_texts=len(set(texts)) - 1,
        ranking=week,
        ranking_added=added,
        pairs=fingerprint(split),
    )


if __name__ == "__main__":
    main()
