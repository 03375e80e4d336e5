import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import scipy.stats

from llmrec_ref import datasets, splits
from llmrec_ref.baselines import (
    ALS,
    EASE,
    Bilinear,
    Content,
    ItemKNN,
    Markov,
    Mixture,
    PairMLP,
    PersonalFrequency,
    Popularity,
    Ridge,
    als_step,
    bilinear_ridge,
    ridge,
)
from llmrec_ref.evaluate import evaluate

BASELINES = [Popularity, Markov, PersonalFrequency, ItemKNN, EASE, Ridge, Bilinear, ALS, Content, PairMLP]
OF_FEATURES = (Ridge, Bilinear, Content, PairMLP)


def fitted(model, split):
    """Build and fit a model; features follow an item's own id, not its number."""
    features = [np.random.default_rng(int(item)).normal(size=3) for item in split.item_ids[1:]]
    arguments = [np.vstack([np.zeros(3), *features])] if model in OF_FEATURES else []
    return model(*arguments).fit(split)


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


def test_on_groceries_the_own_history_wins_and_the_filter_leaves_popularity():
    split = splits.global_time(datasets.load("complete-journey", min_item=100))
    popularity, personal = (model().fit(split) for model in (Popularity, PersonalFrequency))
    ndcg = [evaluate(model, split.test, ks=(10,))["NDCG@10"].item() for model in (popularity, personal)]
    assert ndcg == pytest.approx([0.2193, 0.4466], abs=0.002)
    filtered = [evaluate(model, split.test, filter_seen=True) for model in (popularity, personal)]
    pd.testing.assert_frame_equal(*filtered, rtol=1e-9)


@pytest.mark.parametrize("model", [model for model in BASELINES if model not in (ALS, PairMLP)])
def test_metrics_do_not_depend_on_the_numbers_of_items(ml_100k, model):
    one, other = (evaluate(fitted(model, split), split.test) for split in ml_100k)
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
    assert (fitted(model, one).score(one.test.queries) == fitted(model, two).score(one.test.queries)).all()


@pytest.mark.parametrize("model", BASELINES)
def test_scores_have_the_contract_form(model):
    found = scores(fitted(model, make_split([[1, 2, 3], [2, 1, 2]], n_items=5)), [1], [3, 2])
    assert found.shape == (2, 6) and found.dtype == np.float32
    assert (found[:, 0] == -np.inf).all() and np.isfinite(found[:, 1:]).all()


@pytest.mark.parametrize("model", BASELINES[1:])
def test_bad_histories_are_refused(model):
    model = fitted(model, make_split([[1, 2, 3]], n_items=3))
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


@pytest.mark.parametrize("half_life", [None, 0.3, 2, 7.5])
def test_personal_frequency_is_its_definition(half_life):
    generator = np.random.default_rng(0)
    histories = [generator.integers(1, 7, length) for length in (1, 2, 5, 30)]
    split = make_split([[1, 1, 2], [3, 1], [8]], n_items=8)
    smallest = 1 if half_life is None else 2.0**-20
    expected = smallest * np.tile(np.array([3, 1, 1, 0, 0, 0, 0, 1]) / 4, (4, 1))
    for row, history in enumerate(histories):
        for age, item in enumerate(reversed(history)):
            weight = 1 if half_life is None else 0.5 ** (age / half_life)
            expected[row, item - 1] += max(weight, smallest)
    found = scores(PersonalFrequency(half_life).fit(split), *histories)[:, 1:]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for row, history in enumerate(histories):
        held = np.isin(np.arange(1, 9), history)
        assert found[row, held].min() > found[row, ~held].max()


def test_item_knn_in_slices_is_that_of_the_whole():
    generator = np.random.default_rng(0)
    split = make_split([generator.integers(1, 601, 40) for _ in range(50)], n_items=600)
    seen = binary(split)
    similar = seen.T @ seen / np.sqrt(np.maximum(np.outer(seen.sum(0), seen.sum(0)), 1))
    np.fill_diagonal(similar, 0)
    similar[similar < np.sort(similar)[:, -5:-4]] = 0
    assert ItemKNN(k=5).fit(split).similar.toarray() == pytest.approx(similar)


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


RNG = np.random.default_rng(0)
ITEMS = RNG.normal(size=(7, 3))  # features of 6 items and padding
SPLIT = make_split([RNG.integers(1, 7, 4) for _ in range(5)], n_items=6)


def binary(split):
    """The user-item matrix (users, n_items + 1), by loops."""
    seen = np.zeros((len(split.train), split.n_items + 1))
    for row, history in enumerate(split.train.queries.histories):
        seen[row, history] = 1
    return seen


def augmented(features, targets, l2):
    """Ridge as least squares: below the data, one row a weight that pulls it to 0."""
    pull, zeros = np.sqrt(l2) * np.eye(features.shape[1]), np.zeros((features.shape[1], *targets.shape[1:]))
    return np.linalg.lstsq(np.vstack([features, pull]), np.concatenate([targets, zeros]))[0]


class Given:
    """A recommender whose scores are given, (queries, items)."""

    def __init__(self, given):
        self.given = np.array(given, np.float32)

    def score(self, queries):
        return np.pad(self.given, ((0, 0), (1, 0)), constant_values=-np.inf)


def test_mixture_adds_standard_scores_whatever_the_units():
    one, other = RNG.normal(size=(2, 3, 6))
    flat = np.full((3, 6), 7.0)
    found = scores(Mixture([Given(one), Given(100 * other - 5), Given(flat)], [1, 0.5, 2]), [1], [2], [3])
    expected = scipy.stats.zscore(one, axis=1) + 0.5 * scipy.stats.zscore(other, axis=1)
    np.testing.assert_allclose(found[:, 1:], expected, atol=1e-5)
    assert found.dtype == np.float32 and (found[:, 0] == -np.inf).all()


@pytest.mark.parametrize("value", [0.1, 1 / 3, -2e5, 1e-6])
def test_a_part_of_a_mixture_that_is_constant_but_for_rounding_adds_nothing(value):
    n_items = 5000  # enough for a mean in float32 to round
    one, same = RNG.normal(size=(2, n_items)), np.full((2, n_items), value, np.float32)
    nearly = np.nextafter(same, np.float32(np.inf), where=RNG.random((2, n_items)) < 0.5, out=same.copy())
    alone = scores(Mixture([Given(one)], [1]), [1], [2])
    for part in (same, nearly):
        assert (scores(Mixture([Given(one), Given(part)], [1, 3]), [1], [2]) == alone).all()
    barely = same * (1 + 1e-5 * (RNG.random((2, n_items)) < 0.5))  # but what differs by more counts
    found = scores(Mixture([Given(barely)], [1]), [1], [2])[:, 1:]
    np.testing.assert_allclose(found.std(axis=1), 1, rtol=1e-3)


def test_mixture_needs_a_weight_for_each_part():
    with pytest.raises(ValueError, match="shorter"):
        scores(Mixture([Given(np.ones((1, 3)))] * 2, [1]), [1])


@pytest.mark.parametrize("targets", [RNG.normal(size=20), RNG.normal(size=(20, 4))])
def test_ridge_is_least_squares_on_augmented_rows(targets):
    features = RNG.normal(size=(20, 3))
    assert ridge(features, targets, 0.7) == pytest.approx(augmented(features, targets, 0.7))


def test_ridge_scores_items_by_their_features():
    items = ITEMS.copy()
    items[0] = np.nan  # padding is not looked at
    tastes = augmented(ITEMS[1:], binary(SPLIT)[:, 1:].T, l2=2)
    found = scores(Ridge(items, l2=2).fit(SPLIT), *SPLIT.train.queries.histories)
    assert found[:, 1:] == pytest.approx((ITEMS[1:] @ tastes).T, abs=1e-6)


@pytest.mark.parametrize("features", [None, RNG.normal(size=(5, 2))])
def test_bilinear_is_ridge_on_the_kronecker_product(features):
    seen, items = binary(SPLIT)[:, 1:], np.column_stack([ITEMS[1:], np.ones(6)])
    users = (
        seen @ items / seen.sum(axis=1, keepdims=True) if features is None else np.c_[features, np.ones(5)]
    )
    weights = augmented(np.kron(users, items), seen.ravel(), l2=0.5).reshape(users.shape[1], 4)
    assert bilinear_ridge(users, items, seen, 0.5) == pytest.approx(weights)
    model = Bilinear(ITEMS, features, l2=0.5).fit(SPLIT)
    assert scores(model, *SPLIT.train.queries.histories)[:, 1:] == pytest.approx(
        users @ weights @ items.T, abs=1e-6
    )


def test_bilinear_with_user_features_needs_the_user_and_no_history():
    model = Bilinear(ITEMS, RNG.normal(size=(5, 2))).fit(SPLIT)
    assert np.isfinite(scores(model, [])[:, 1:]).all()
    for user in (-1, 5):
        with pytest.raises(ValueError, match=rf"Query 1 is of user {user}.* rows 0..4"):
            model.score(splits.Queries([np.array([1])] * 2, np.array([0, user])))


def test_als_step_is_a_weighted_ridge_a_row():
    seen, fixed, alpha, l2 = binary(SPLIT), RNG.normal(size=(7, 3)), 1.5, 0.8
    found = als_step(sp.csr_array(seen), fixed, l2, alpha)
    for row, factors in zip(seen, found, strict=True):
        root = np.sqrt(1 + alpha * row)  # a weight w on a square is a factor sqrt(w) on its row
        assert factors == pytest.approx(augmented(root[:, None] * fixed, root * row, l2))


def als_objective(seen, users, items, l2, alpha):
    errors = (1 + alpha * seen) * (seen - users @ items.T) ** 2
    return errors.sum() + l2 * ((users**2).sum() + (items**2).sum())


def test_no_half_step_of_als_raises_the_objective():
    seen, setting = binary(SPLIT), {"l2": 0.3, "alpha": 2.0}
    users, items = RNG.normal(size=(5, 2)), RNG.normal(size=(7, 2))
    objectives = [als_objective(seen, users, items, **setting)]
    for _ in range(10):
        users = als_step(sp.csr_array(seen), items, **setting)
        objectives.append(als_objective(seen, users, items, **setting))
        items = als_step(sp.csr_array(seen.T), users, **setting)
        objectives.append(als_objective(seen, users, items, **setting))
    assert (np.diff(objectives) < 1e-9).all()
    assert objectives[-1] < 0.9 * objectives[1]


def test_als_gives_a_training_history_the_factors_it_had():
    setting = {"l2": 0.3, "alpha": 2.0}
    model = ALS(dim=2, iterations=500, **setting).fit(SPLIT)  # at rest: one more step changes nothing
    users = als_step(sp.csr_array(binary(SPLIT)), model.items, **setting)
    again = als_step(sp.csr_array(binary(SPLIT).T), users, **setting)
    assert again == pytest.approx(model.items, abs=1e-6)
    found = scores(model, *SPLIT.train.queries.histories)
    assert found[:, 1:] == pytest.approx((users @ model.items.T)[:, 1:], abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Ridge(ITEMS[:6]).fit(SPLIT), "6 rows, but 6 items and padding need 7"),
        (lambda: Bilinear(ITEMS[1:]).fit(SPLIT), "6 rows, but 6 items and padding need 7"),
        (lambda: Ridge(np.full((7, 2), np.nan)), "finite matrix"),
        (lambda: Ridge(np.ones(7)), "finite matrix, not"),
        (lambda: Ridge(None), "finite matrix"),
        (lambda: Bilinear(np.full((7, 2), np.inf)), "finite matrix"),
        (lambda: Bilinear(ITEMS, np.array([[np.nan]])), "finite matrix"),
        (lambda: Ridge(ITEMS, l2=0), "l2=0: it must be positive"),
        (lambda: Bilinear(ITEMS, l2=-1), "l2=-1: it must be positive"),
        (lambda: ALS(l2=float("nan")), "l2=nan: it must be positive"),
        (lambda: ALS(dim=0), "dim=0: it must be positive"),
        (lambda: EASE(0.0), "l2=0.0: it must be positive"),
        (lambda: PersonalFrequency(0), "half_life=0: it must be positive"),
        (lambda: ItemKNN(0), "k=0: it must be positive"),
        (lambda: ALS(iterations=0), "iterations=0: it must be positive"),
        (lambda: ALS(alpha=-1), "alpha=-1: .* at least 0"),
        (lambda: ridge(ITEMS, np.ones(6), 1), r"targets have the shape \(6,\), .* need \(7,\)"),
        (lambda: ridge(ITEMS, np.ones(7), -1), "l2=-1: it must be positive"),
        (lambda: ridge(np.ones(7), np.ones(7), 1), "finite matrix"),
        (lambda: bilinear_ridge(ITEMS, ITEMS, np.ones((7, 6)), 1), r"need \(7, 7\)"),
        (lambda: bilinear_ridge(ITEMS, ITEMS, np.ones((7, 7)), 0), "l2=0: it must be positive"),
        (lambda: als_step(sp.csr_array(np.ones((2, 6))), ITEMS, 1, 1), r"\(7,\), .* need \(6,\)"),
        (lambda: als_step(sp.csr_array(np.ones((2, 7))), ITEMS, 1, -1), "alpha=-1"),
    ],
)
def test_bad_settings_and_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
