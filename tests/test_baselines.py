import numpy as np
import pandas as pd
import pytest

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import EASE, ItemKNN, Markov, Popularity
from llmrec_ref.evaluate import evaluate

BASELINES = [Popularity, Markov, ItemKNN, EASE]


def make_split(sequences, n_items):
    """A split whose item numbers are the given ones, for training only."""
    histories = [np.array(sequence, np.int64) for sequence in sequences]
    queries = splits.Queries(histories, np.arange(len(histories)))
    part = splits.Part(queries, [np.empty(0, np.int64)] * len(histories))
    return splits.Split(part, part, part, n_items, np.arange(n_items + 1, dtype=object))


def scores(model, *histories):
    return model.score(
        splits.Queries([np.array(one, np.int64) for one in histories], np.arange(len(histories)))
    )


@pytest.fixture(scope="module")
def ml_100k():
    dataset = datasets.load("ml-100k")
    return [splits.leave_one_out(dataset, validation=False, seed=seed) for seed in (0, 1)]


@pytest.mark.parametrize(
    "model, hr, ndcg",
    [(Popularity, 0.0859, 0.0449), (Markov, 0.1453, 0.0793), (EASE, 0.1432, 0.0727)],
)
def test_figures_on_ml_100k(ml_100k, model, hr, ndcg):
    row = evaluate(model().fit(ml_100k[0]), ml_100k[0].test, ks=(10,)).loc[0]
    assert row["HR@10"] == pytest.approx(hr, abs=0.002)
    assert row["NDCG@10"] == pytest.approx(ndcg, abs=0.002)


@pytest.mark.parametrize("model", BASELINES)
def test_metrics_do_not_depend_on_the_numbers_of_items(ml_100k, model):
    one, other = (evaluate(model().fit(split), split.test) for split in ml_100k)
    pd.testing.assert_frame_equal(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("model", BASELINES)
def test_fit_sees_training_only(model):
    events = [(user, (user + step) % 7, step) for user in range(6) for step in range(5)]
    frame = pd.DataFrame(events, columns=["user_id", "item_id", "timestamp"])
    held_out = frame.timestamp >= 3
    other = frame.copy()
    other.loc[held_out, "item_id"] = (other.item_id[held_out] + 3) % 7  # another validation and test
    items, users = pd.DataFrame({"item_id": range(7)}), pd.DataFrame({"user_id": range(6)})
    tables = [datasets.Dataset("small", table, items, users, "ours") for table in (frame, other)]
    one, two = (splits.leave_one_out(table) for table in tables)
    assert (model().fit(one).score(one.test.queries) == model().fit(two).score(one.test.queries)).all()


@pytest.mark.parametrize("model", BASELINES)
def test_scores_have_the_contract_form(model):
    found = scores(model().fit(make_split([[1, 2, 3], [2, 1, 2]], n_items=5)), [1], [3, 2])
    assert found.shape == (2, 6) and found.dtype == np.float32
    assert (found[:, 0] == -np.inf).all() and np.isfinite(found[:, 1:]).all()


@pytest.mark.parametrize("model", [Markov, ItemKNN, EASE])
def test_bad_histories_are_refused(model):
    model = model().fit(make_split([[1, 2, 3]], n_items=3))
    with pytest.raises(ValueError, match="empty history"):
        scores(model, [1], [])
    with pytest.raises(ValueError, match="no item number"):
        scores(model, [4])


def test_popularity_counts_and_needs_no_history():
    model = Popularity().fit(make_split([[1, 2, 2], [2, 3]], n_items=4))
    assert scores(model, [], [1])[:, 1:].tolist() == [[1, 3, 1, 0]] * 2


def test_markov_counts_pairs_and_backs_off():
    model = Markov().fit(make_split([[1, 2, 1, 2], [1, 3], [2, 2, 2, 2]], n_items=4))
    # popularity 3, 6, 1, 0 over 7; 3 | 1 once (not 1 | 2 across users), 2 | 1 twice, 2 | 2 three times
    expected = np.array(
        [[3 / 7, 2 + 6 / 7, 1 + 1 / 7, 0], [1 + 3 / 7, 3 + 6 / 7, 1 / 7, 0], [3 / 7, 6 / 7, 1 / 7, 0]]
    )
    assert scores(model, [2, 1], [1, 2], [3])[:, 1:] == pytest.approx(expected)


def test_item_knn_keeps_all_ties_of_the_last_neighbour():
    split = make_split([[1, 2], [1, 2], [1, 3], [1, 4], [1, 1]], n_items=5)
    two, four = np.array([2, 1]) / np.sqrt(5 * np.array([2, 1]))  # similarity of 1 to 2, and to 3 and 4
    assert scores(ItemKNN(k=1).fit(split), [1])[0, 1:] == pytest.approx([0, two, 0, 0, 0])
    for k in (2, 3, 50):
        assert scores(ItemKNN(k=k).fit(split), [1])[0, 1:] == pytest.approx([0, two, four, four, 0])
    assert scores(ItemKNN().fit(split), [3, 2, 3])[0, 1:] == pytest.approx([two + four, 0, 0, 0, 0])


def test_ease_solves_its_ridge_problem():
    generator = np.random.default_rng(0)
    split = make_split([generator.integers(1, 7, 4) for _ in range(30)], n_items=6)
    seen = np.zeros((30, 7))
    for row, history in enumerate(split.train.queries.histories):
        seen[row, history] = 1
    weights = np.zeros((7, 7))
    for item in range(1, 7):  # column by column: least squares on the other items
        others = [other for other in range(1, 7) if other != item]
        gram = seen[:, others].T @ seen[:, others] + 3 * np.eye(5)
        weights[others, item] = np.linalg.solve(gram, seen[:, others].T @ seen[:, item])
    found = scores(EASE(l2=3).fit(split), *split.train.queries.histories)
    assert found[:, 1:] == pytest.approx((seen @ weights)[:, 1:], abs=1e-6)
