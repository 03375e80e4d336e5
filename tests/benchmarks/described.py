"""Cold households: those with demographics, without their history, against the list of the most popular."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import scipy.sparse as sp

from llmrec_ref.baselines import Bilinear, Content, ridge
from llmrec_ref.baselines.shared import as_scores, user_item
from llmrec_ref.evaluate import bootstrap, rank_targets
from llmrec_ref.features import encode
from llmrec_ref.metrics import METRICS
from llmrec_ref.pytorch.bert import Encoder
from llmrec_ref.splits import flatten
from llmrec_ref.text import fill, template_of, user_words

COLUMNS = [
    "age",
    "income",
    "home_ownership",
    "marital_status",
    "household_size",
    "household_comp",
    "kids_count",
]
FOLDS = 5
L2 = [0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0]
POPULAR = "popular by purchases"


def sentence_features(dataset):
    """The vector of each household's demographics in words; zeros where nothing is known."""
    parts = template_of(dataset).user
    sentences = [fill(parts, household) for household in user_words(dataset).to_dict("records")]
    known = [row for row, sentence in enumerate(sentences) if sentence]
    vectors = encode([sentences[row] for row in known], Encoder())
    found = np.zeros((len(sentences), vectors.shape[1]), np.float32)
    found[known] = vectors
    return found


def buyers(queries, n_items):
    """Whether a household has bought a product: nobody counts twice."""
    return user_item(queries, n_items)


def purchases(queries, n_items):
    """How often a household has bought a product: its mean is the list of the most popular."""
    items, offsets = flatten(queries.histories)
    return sp.csr_array((np.ones(len(items)), items, offsets), shape=(len(queries), n_items + 1))


class FromUsers:
    """The mean over households, and a ridge regression on user features of what differs from it.

    Args:
        matrix: `buyers` or `purchases`.
        features: Float (n_users, d), zeros for those who are not described; None: the mean alone.
        l2: The penalty.
    """

    def __init__(self, matrix, features=None, l2=1.0):
        self.matrix, self.features, self.l2 = matrix, features, l2

    def fit(self, split):
        """Take the mean over all of training, and fit on the described."""
        queries = split.train.queries
        table = self.matrix(queries, split.n_items)
        self.mean = table.mean(axis=0)
        if self.features is not None:
            rows = np.flatnonzero(self.features[queries.users].any(axis=1))
            own, bought = self.features[queries.users[rows]], table[rows].toarray()
            self.centre = own.mean(axis=0)
            self.weights = ridge(own - self.centre, bought - bought.mean(axis=0), self.l2)
        return self

    def score(self, queries):
        """Predict from the features alone: no history is looked at."""
        if self.features is None:
            return as_scores(np.tile(self.mean, (len(queries), 1)))
        return as_scores(self.mean + (self.features[queries.users] - self.centre) @ self.weights)


class ZeroShot(Content):
    """Cosine of a household's sentence with every product's text: nothing is learned."""

    def __init__(self, users, items):
        super().__init__(items)
        self.users = users

    def score(self, queries):
        """Compare; all vectors have length 1."""
        return as_scores(self.users[queries.users] @ self.items.T)


def models(dataset, items):
    """Return constructors by name, each a dict by setting."""
    columns = dataset.users[COLUMNS]
    one_hot = pd.get_dummies(columns).to_numpy(float)
    sentences = sentence_features(dataset)
    found = {}
    for matrix in (purchases, buyers):
        name = f"popular by {matrix.__name__}"
        found[name] = {None: partial(FromUsers, matrix)}
        for words, features in {"demographics": one_hot, "sentence": sentences}.items():
            found[f"{name} + ridge on {words}"] = {l2: partial(FromUsers, matrix, features, l2) for l2 in L2}
    bilinear = {l2: partial(Bilinear, items, one_hot, l2=l2) for l2 in L2}
    found["bilinear, demographics and product texts"] = bilinear
    found["cosine of sentence and product text"] = {None: partial(ZeroShot, sentences, items)}
    return found


def _choose(part, users):
    rows = np.flatnonzero(np.isin(part.queries.users, users))
    empty = [part.queries.histories[row][:0] for row in rows]
    asked = replace(part.queries[rows], histories=empty)
    return replace(part, queries=asked, targets=[part.targets[row] for row in rows])


def _train_without(split, users):
    rows = np.flatnonzero(~np.isin(split.train.queries.users, users))
    targets = [split.train.targets[row] for row in rows]
    return replace(split, train=replace(split.train, queries=split.train.queries[rows], targets=targets))


def _measure(model, part):
    """NDCG, recall and hits at 10 of each query: (queries, 3)."""
    ranks, offsets = rank_targets(model, part, filter_seen=False)
    return np.stack([METRICS[name](ranks, offsets, 10) for name in ("NDCG", "Recall", "HR")], axis=1)


def cold_households(dataset, split, items, seed=0):
    """Hold households out in folds; return a row a recommender, with the gain over the popular list.

    A fold's households are in no training; settings are chosen on those of the next fold, which are in none
    either, by their validation window.
    """
    described = np.flatnonzero(dataset.users[COLUMNS].notna().any(axis=1))
    dealt = np.random.default_rng(seed).permutation(len(described)) % FOLDS
    found, settings, makers = {}, {}, models(dataset, items)
    for fold in range(FOLDS):
        held, next_one = described[dealt == fold], described[dealt == (fold + 1) % FOLDS]
        train = _train_without(split, np.concatenate([held, next_one]))
        validation, test = _choose(split.validation, next_one), _choose(split.test, held)
        for name, each in makers.items():
            fitted = {setting: make().fit(train) for setting, make in each.items()}
            values = {s: _measure(model, validation)[:, 0].mean() for s, model in fitted.items()}
            best = max(values, key=values.get)
            found.setdefault(name, []).append(_measure(fitted[best], test))
            settings.setdefault(name, []).append(best)
    popular = np.concatenate(found[POPULAR])
    rows = []
    for name, parts in found.items():
        values = np.concatenate(parts)
        row = dict(name=name, n_queries=len(values), settings=settings[name])
        row |= zip(("NDCG@10", "Recall@10", "HR@10"), values.mean(axis=0).tolist(), strict=True)
        gain = values[:, 0] - popular[:, 0]
        row |= zip(("gain", "low", "high"), (gain.mean(), *bootstrap(gain)), strict=True)
        rows.append(row)
    return rows
