"""Complete Journey: what texts of products and households add to counting.

Products with at least 100 purchases, split by time as in groceries.py. Settings and weights of mixtures are
chosen on the validation window: once for all targets in an unfiltered ranking, once for products new to the
household in a filtered one. Nothing is refitted. Writes book/results/groceries_text.json.

    python tests/benchmarks/groceries_text.py # three minutes on one core
"""

from functools import cache
from pathlib import Path

import numpy as np
from described import cold_households
from recording import make_parser, record

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import (
    EASE,
    Bilinear,
    Content,
    Mixture,
    PersonalFrequency,
    Popularity,
    Ridge,
    ridge,
)
from llmrec_ref.baselines.shared import as_scores, history_means, user_item
from llmrec_ref.evaluate import bootstrap, evaluate, rank_targets
from llmrec_ref.features import encode
from llmrec_ref.metrics import METRICS
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.text import best_recall, distinct_texts, item_texts

COLUMNS = ["HR@10", "Recall@10", "NDCG@10", "n_queries"]
WEIGHTS = [0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0]  # of the text in a mixture; 0 leaves it out
L2 = [1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 100.0]
PROTOCOL = (
    "products with at least {} purchases ({:,} of them, with {:,} distinct texts); global_time, validation "
    "from .8 and test from .9 of all events on; full ranking, ties against the model; the mean over "
    "households; settings and weights by NDCG@10 on validation; intervals: 95 % bootstrap over households of "
    "the paired difference in NDCG@10; cold households: five folds of those described (seed 0), settings "
    "chosen on the next fold; best_recall also for the whole catalogue"
)
GOALS = {"all": ("all", "repeats", "new, unfiltered"), "new": ("new",)}  # what settings are chosen for


class Known:
    """A fitted recommender's scores for some queries, computed once."""

    def __init__(self, model, queries):
        self.rows = {user: row for row, user in enumerate(queries.users)}
        self.scores = np.array(model.score(queries))

    def score(self, queries):
        """Look the scores up by the household."""
        return self.scores[[self.rows[user] for user in queries.users]]


def views(part):
    """Return each kind of targets: a part, and whether what was bought before is left out."""
    new, repeated = splits.by_novelty(part)
    return {
        "all": (part, False),
        "repeats": (repeated, False),
        "new, unfiltered": (new, False),
        "new": (new, True),
    }


def per_query(model, part, filter_seen, name="NDCG"):
    """Return a measure at 10 of each query."""
    ranks, offsets = rank_targets(model, part, filter_seen)
    return METRICS[name](ranks, np.unique(offsets), 10)


class Study:
    """Recommenders by name and setting, asked about validation and test."""

    def __init__(self, split, items):
        grid = {
            "Popularity": {"": Popularity()},
            "PersonalFrequency": {h: PersonalFrequency(h) for h in (None, 50, 100, 200, 400)},
            "EASE": {l2: EASE(l2) for l2 in (200.0, 2000.0, 20000.0)},
            "cosine": {last: Content(items, last) for last in (1, 10, 50, 200, None)},
            "Ridge": {l2: Ridge(items, l2) for l2 in L2},
            "Bilinear": {l2: Bilinear(items, l2=l2) for l2 in L2},
        }
        self.parts = {"validation": views(split.validation), "test": views(split.test)}
        self.grid = {name: {s: m.fit(split) for s, m in each.items()} for name, each in grid.items()}

    @cache  # noqa: B019
    def known(self, name, setting, window):
        """Return the scores of one recommender."""
        return Known(self.grid[name][setting], self.parts[window]["all"][0].queries)

    @cache  # noqa: B019
    def best(self, name, goal):
        """Return the setting with the best NDCG@10 on validation."""
        values = {s: self.value(self.known(name, s, "validation"), goal) for s in self.grid[name]}
        return max(values, key=values.get)

    def value(self, model, goal):
        """NDCG@10 on validation."""
        return per_query(model, *self.parts["validation"][goal]).mean()

    def chosen(self, name, goal, window):
        """Return the scores of a recommender as chosen for a goal."""
        return self.known(name, self.best(name, goal), window)

    def mixture(self, names, goal):
        """Choose the weight of the second on validation; return test's scores and the weight."""
        one, other = (self.chosen(name, goal, "validation") for name in names)
        values = {w: self.value(Mixture([one, other], [1, w]), goal) for w in WEIGHTS}
        weight = max(values, key=values.get)
        parts = [self.chosen(name, goal, "test") for name in names]
        return Known(Mixture(parts, [1, weight]), self.parts["test"]["all"][0].queries), weight

    def rows(self, name, model, goal, setting):
        """Measure on test."""
        for view in GOALS[goal]:
            part, filter_seen = self.parts["test"][view]
            found = evaluate(model, part, ks=(10,), filter_seen=filter_seen)[COLUMNS].iloc[0]
            yield dict(name=name, targets=view, setting=setting) | found.to_dict()


def measure(study):
    """Return the rows of recommenders and mixtures, and what the text adds to each first one."""
    rows, added = [], []
    for goal in GOALS:
        for name in study.grid:
            rows += study.rows(name, study.chosen(name, goal, "test"), goal, study.best(name, goal))
        for first in ("Popularity", "PersonalFrequency", "EASE"):
            for text in ("cosine", "Bilinear"):
                model, weight = study.mixture((first, text), goal)
                name = f"{first} + {text}"
                rows += study.rows(name, model, goal, weight)
                view = study.parts["test"][goal]
                gain = per_query(model, *view) - per_query(study.chosen(first, goal, "test"), *view)
                low, high = bootstrap(gain)
                added.append(
                    dict(name=name, targets=goal, weight=weight, gain=gain.mean(), low=low, high=high)
                )
    return rows, added


class Additive:
    """R = alpha z_u + beta z_i + gamma, least squares on all pairs, with z_u the mean of the history.

    Over all pairs of users and items the two sides do not mix: with centred features alpha explains the mean
    of each user's row and beta that of each item's column.
    """

    def __init__(self, items, l2=1.0):
        self.items, self.l2 = np.array(items, float), l2

    def fit(self, split):
        """Solve for the weights."""
        seen = user_item(split.train.queries, split.n_items)[:, 1:]
        users, items = history_means(split.train.queries, self.items), self.items[1:]
        gamma = seen.mean()
        self.alpha = ridge(users - users.mean(axis=0), seen.mean(axis=1) - gamma, self.l2)
        self.beta = ridge(items - items.mean(axis=0), seen.mean(axis=0) - gamma, self.l2)
        self.gamma = gamma - users.mean(axis=0) @ self.alpha - items.mean(axis=0) @ self.beta
        return self

    def score(self, queries):
        """Add the two sides up."""
        users = history_means(queries, self.items) @ self.alpha
        return as_scores(users[:, None] + self.items @ self.beta + self.gamma)


def lists(model, part):
    """How many different top-10 lists a recommender gives, with nothing left out."""
    tops = np.argsort(-model.score(part.queries), axis=1, kind="stable")[:, :10]
    return len(np.unique(tops, axis=0))


def one_list(split, study, items):
    """Count the lists of the additive and of the bilinear score."""
    rows = []
    for name, model in [
        ("additive", Additive(items).fit(split)),
        ("bilinear", study.chosen("Bilinear", "all", "test")),
        ("cosine", study.chosen("cosine", "all", "test")),
    ]:
        found = evaluate(model, split.test, ks=(10,), filter_seen=False)[COLUMNS].iloc[0].to_dict()
        rows.append(dict(name=name, lists=lists(model, split.test)) | found)
    return rows


def ceilings(dataset, split):
    """The best expected Recall@10 of a ranking by texts, and of any ranking."""
    texts, rows = item_texts(dataset, split.item_ids), []
    numbers = ["", *map(str, range(1, split.n_items + 1))]  # as different as can be
    for view, (part, filter_seen) in views(split.test).items():
        for name, labels in {"texts": texts, "items": numbers}.items():
            value = best_recall(labels, part, 10, filter_seen)
            rows.append(dict(knows=name, targets=view, n_items=split.n_items, recall=value))
    return rows, distinct_texts(texts)["distinct"].item()


def main():
    """Measure and record."""
    parser = make_parser(__doc__, "groceries_text")
    parser.add_argument("--min-item", type=int, default=100, help="purchases that a product needs")
    parser.add_argument("--cache", type=Path, help="a folder that keeps the texts' vectors")
    args = parser.parse_args()
    dataset = datasets.load("complete-journey", min_item=args.min_item)
    split = splits.global_time(dataset)
    items = encode(item_texts(dataset, split.item_ids), Encoder(), args.cache, padding=True)
    study = Study(split, items)
    rows, added = measure(study)
    best, n_texts = ceilings(dataset, split)
    whole = datasets.load("complete-journey")
    best += ceilings(whole, splits.global_time(whole))[0]
    record(
        args.name,
        args.out,
        title="Complete Journey: what texts add to counting",
        protocol=PROTOCOL.format(args.min_item, split.n_items, n_texts),
        seeds=[0],
        rows=rows,
        added=added,
        best_recall=best,
        lists=one_list(split, study, items),
        cold_households=cold_households(dataset, split, items),
    )


if __name__ == "__main__":
    main()
