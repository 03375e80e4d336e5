"""Scorers of item features: against loops, brute force, and recommenders that give themselves away."""

import itertools
import sys
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from llmrec_ref.baselines import EASE, Content, PairMLP
from llmrec_ref.baselines.pair_mlp import Pairs
from llmrec_ref.evaluate import evaluate
from llmrec_ref.splits import Part, Queries, train_only
from llmrec_ref.text import best_recall

N_ITEMS = 7
ITEMS = st.integers(1, N_ITEMS)
HISTORY = st.lists(ITEMS, min_size=1, max_size=9).map(np.array)
SEEDS = st.integers(0, 2**32 - 1)


def features(seed, n_items=N_ITEMS, dim=3):
    """Random features, among them one row of zeros; padding is not a number."""
    found = np.random.default_rng(seed).normal(size=(n_items + 1, dim))
    found[0], found[2] = np.nan, 0
    return found


def queries(histories):
    return Queries([np.array(one, np.int64) for one in histories], np.full(len(histories), -1))


@given(SEEDS, st.lists(HISTORY, min_size=1, max_size=4), st.sampled_from([None, 1, 2, 20]))
def test_content_is_its_definition(seed, histories, last):
    z = features(seed)
    expected = {"dot": np.zeros((len(histories), N_ITEMS)), "cosine": np.zeros((len(histories), N_ITEMS))}
    for row, history in enumerate(histories):
        events = list(history) if last is None else list(history)[-last:]
        user = sum(z[item] for item in events) / len(events)
        for item in range(1, N_ITEMS + 1):
            dot = float(user @ z[item])
            lengths = np.sqrt((user @ user) * (z[item] @ z[item]))
            expected["dot"][row, item - 1] = dot
            expected["cosine"][row, item - 1] = dot / lengths if lengths else 0
    for measure, values in expected.items():
        found = Content(z, last, measure).score(queries(histories))
        np.testing.assert_allclose(found[:, 1:], values, atol=1e-6)


def test_content_finds_an_item_that_nobody_has_seen():
    z = np.array([[0, 0], [1, 0], [0, 1], [0.9, 0.1], [0, 0.8]], float)
    model = Content(z).fit(train_only([[1, 2]], n_items=4))
    assert np.argsort(-model.score(queries([[1], [2]]))[:, 3:], axis=1)[:, 0].tolist() == [0, 1]


@given(SEEDS, st.lists(st.sampled_from("abcd"), min_size=N_ITEMS, max_size=N_ITEMS))
def test_no_text_scorer_passes_the_best_recall(seed, texts):
    rng = np.random.default_rng(seed)
    rows = {text: rng.normal(size=4) for text in "abcd"}
    model = Content(np.array([np.zeros(4), *(rows[text] for text in texts)]))
    asked = queries(rng.integers(1, N_ITEMS + 1, (5, 3)))
    part = Part(asked, [rng.permutation(N_ITEMS)[:2] + 1 for _ in range(5)], True, N_ITEMS)
    reached = evaluate(model, part, ks=(3,))["Recall@3"].item()
    assert reached <= best_recall(["", *texts], part, 3) + 1e-9


class GivesAway:
    """Scores 1 what it was fitted on for anybody with this user number, or what it is asked about; else 0."""

    def fit(self, split):
        self.n_items = split.n_items
        asked = split.train.queries
        self.seen = dict(
            zip(asked.users.tolist(), map(set, map(np.ndarray.tolist, asked.histories)), strict=True)
        )
        return self

    def score(self, queries):
        found = np.zeros((len(queries), self.n_items + 1), np.float32)
        for row, (user, history) in enumerate(zip(queries.users, queries.histories, strict=True)):
            found[row, list(self.seen.get(user, set()) | set(history.tolist()))] = 1
        found[:, 0] = -np.inf
        return found


def described(histories, **options):
    """The pairs that a network is trained on, with features that name the items."""
    split = train_only(histories, N_ITEMS)
    asked = Queries(split.train.queries.histories, np.arange(len(histories)))
    split = type(split)(
        Part(asked, split.train.targets), split.validation, split.test, N_ITEMS, split.item_ids
    )
    model = PairMLP(np.eye(N_ITEMS + 1, N_ITEMS, k=-1), GivesAway, epochs=1, **options)
    kept = []
    model._train = lambda pairs, rng: kept.append(pairs)
    model._loss = lambda pairs: 0.0
    model.fit(split)
    return kept[0], model


HISTORIES = [[1, 2, 3, 3, 1], [4, 5], [6], [2, 3, 4, 5, 6, 7]]


@given(st.lists(HISTORY, min_size=1, max_size=5), st.sampled_from([2, 3, 5]), SEEDS)
def test_out_of_fold_pairs_do_not_know_themselves(histories, folds, seed):
    dealt = sum(len(set(history.tolist())) for history in histories if len(set(history.tolist())) > 1)
    if not dealt:
        with pytest.raises(ValueError, match="two items"):
            described(histories, folds=folds, seed=seed)
        return
    pairs, _ = described(histories, folds=folds, seed=seed)
    positive = pairs.labels == 1
    assert positive.sum() == dealt  # each once
    assert not pairs.base[positive].any()
    assert not pairs.users[pairs.rows, pairs.items - 1][positive].any()
    assert not pairs.users[pairs.rows, pairs.items - 1][~positive].any()  # nor is a drawn one in the history
    assert pairs.users.any(axis=1).all()  # z_u of what is left


def test_in_fold_pairs_know_themselves():
    pairs, _ = described(HISTORIES, folds=None)
    assert (pairs.base == pairs.labels).all()
    assert ((pairs.users[pairs.rows, pairs.items - 1] > 0) == (pairs.labels == 1)).all()


def test_inputs_are_base_user_item_and_product():
    model = PairMLP(features(0), EASE)
    model.centre, model.spread = 1.0, 2.0
    pairs = Pairs(np.array([[1.0, 2, 3], [4, 5, 6]]), np.array([1]), np.array([3]), np.array([7.0]), None)
    z = features(0)
    item = z[3] / np.sqrt((z[1:] ** 2).mean())
    user = np.array([4, 5, 6])
    np.testing.assert_allclose(model._inputs(pairs)[0], [3, *user, *item, *(user * item)], rtol=1e-6)
    model.make_first = None
    assert model._inputs(pairs).shape == (1, 9)


def random_split(n_users=60, n_items=40, length=12):
    rng = np.random.default_rng(0)
    return train_only([rng.choice(n_items, length, replace=False) + 1 for _ in range(n_users)], n_items)


def test_scores_are_the_networks_probabilities():
    split = random_split()
    model = PairMLP(features(1, 40), EASE, epochs=2).fit(split)
    asked = split.train.queries[:3]
    found = model.score(asked)
    users, base = model._describe(model.first, asked)
    assert (base[:, 1:] == EASE().fit(split).score(asked)[:, 1:]).all()  # fitted again, on all of training
    for row, item in itertools.product(range(3), [1, 2, 40]):
        pairs = Pairs(users, np.array([row]), np.array([item]), base[[row], item], None)
        probability = model.network.predict_proba(model._inputs(pairs))[0, 1]
        assert expit(found[row, item]) == pytest.approx(probability, abs=1e-5)
    np.testing.assert_allclose(model.score(asked[1:2]), found[1:2], rtol=1e-5)


def test_a_network_learns_what_an_additive_score_cannot():
    z = np.zeros((21, 2))
    z[1:11, 0] = z[11:, 1] = 1  # two kinds of items, and people who like one of them
    rng = np.random.default_rng(0)
    split = train_only([rng.choice(10, 6, replace=False) + 1 + 10 * (u % 2) for u in range(40)], 20)
    model = PairMLP(z, epochs=60, lr=1e-2).fit(split)
    one, other = model.score(queries([[1, 2], [11, 12]]))[:, 1:]
    assert one[:10].min() > one[10:].max() and other[10:].min() > other[:10].max()


def test_in_fold_scores_leak_and_out_of_fold_ones_do_not():
    """Nothing can be learned from random histories, so nothing should seem to be."""
    split = random_split()
    rng = np.random.default_rng(1)
    hidden = [
        rng.choice(np.setdiff1d(np.arange(1, 41), h), 3, replace=False) for h in split.train.queries.histories
    ]
    test = Part(split.train.queries, hidden, n_items=40)
    settings = dict(hidden=8, epochs=20, lr=1e-2, n_negatives=1)
    first = partial(EASE, l2=1.0)
    leaks = PairMLP(features(0, 40), first, folds=None, **settings).fit(split)
    honest = PairMLP(features(0, 40), first, **settings).fit(split)
    assert leaks.training_loss < 0.3 and leaks.loss(test) > 1
    assert honest.training_loss > 0.5 and honest.loss(test) < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Content(np.full((3, 2), np.nan)), "finite matrix"),
        (lambda: Content(np.ones(3)), "finite matrix"),
        (lambda: Content(np.ones((3, 2)), last=0), "last=0: give a number of events from 1"),
        (lambda: Content(np.ones((3, 2)), last=2.5), "last=2.5"),
        (lambda: Content(np.ones((3, 2)), measure="l2"), "measure='l2' is unknown: pass one of cosine, dot"),
        (lambda: Content(np.ones((3, 2))).fit(random_split()), "3 rows, but 40 items and padding need 41"),
        (lambda: PairMLP(np.ones((3, 2))).fit(random_split()), "3 rows, but 40 items and padding need 41"),
        (lambda: PairMLP(np.ones((3, 2)), folds=1), "folds=1: it must be at least 2"),
        (lambda: PairMLP(np.ones((3, 2)), n_negatives=0), "n_negatives=0: it must be positive"),
        (lambda: PairMLP(np.ones((3, 2)), hidden=0), "hidden=0: it must be positive"),
        (lambda: PairMLP(np.ones((3, 2))).fit(train_only([[1], [2, 2]], 2)), "No history has two items"),
    ],
)
def test_bad_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_without_scikit_learn_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.neural_network", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        PairMLP(features(0, 40)).fit(random_split())
