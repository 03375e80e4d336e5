from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from llmrec_ref.datasets import Dataset
from llmrec_ref.evaluate import rank_targets
from llmrec_ref.recommend import recommend, recommend_items
from llmrec_ref.splits import Part, Queries, Split

TITLES = {"apple": "An apple", "bread": "A loaf", "cheese": "Cheddar", "dates": "Dates", "eggs": "Six eggs"}


class Fixed:
    """Scores item number n by n, whatever is asked, and remembers the question."""

    def score(self, queries):
        self.queries = queries
        scores = np.arange(6, dtype=np.float32)
        scores[0] = -np.inf
        return np.tile(scores, (len(queries), 1))


@pytest.fixture
def dataset():
    events = [("ann", "cheese", 3), ("bob", "eggs", 0), ("ann", "apple", 1), ("ann", "dates", 3)]
    interactions = pd.DataFrame(events, columns=["user_id", "item_id", "timestamp"])
    items = pd.DataFrame({"item_id": TITLES.keys(), "title": TITLES.values()})
    return Dataset("shop", interactions, items, pd.DataFrame({"user_id": ["bob", "ann"]}), "ours")


@pytest.fixture
def split():
    nothing = Part(Queries([], np.array([], dtype=np.int64)), [])
    return Split(
        nothing,
        nothing,
        nothing,
        5,
        np.array([None, "dates", "bread", "eggs", "apple", "cheese"], dtype=object),
    )


def test_history_gives_the_best_unseen_items_with_titles(dataset, split):
    model = Fixed()
    table = recommend(model, dataset, split, ["cheese", "bread"], k=2)
    expected = {
        "rank": [1, 2],
        "item_id": ["apple", "eggs"],
        "title": ["An apple", "Six eggs"],
        "score": [4.0, 3.0],
    }
    assert table.to_dict("list") == expected
    assert model.queries.histories[0].tolist() == [5, 2]
    assert model.queries.histories[0].dtype == np.int64
    assert model.queries.users.tolist() == [-1]


def test_user_is_scored_on_the_whole_history_in_order_of_time_ties_as_in_the_source(dataset, split):
    model = Fixed()
    table = recommend(model, dataset, split, "ann")
    assert model.queries.histories[0].tolist() == [4, 5, 1]
    assert model.queries.users.tolist() == [1]
    assert table["item_id"].tolist() == ["eggs", "bread"]  # the rest of the catalogue; never padding


def test_seen_items_stay_where_the_data_set_repeats(dataset, split):
    groceries = Dataset(**{**vars(dataset), "repeats": True})
    assert recommend(Fixed(), groceries, split, ["cheese"], k=1)["item_id"].tolist() == ["cheese"]


def test_equal_scores_stand_in_the_order_of_item_numbers(dataset, split):
    table = recommend(lambda queries: np.zeros((1, 6), np.float32), dataset, split, ["cheese"])
    assert table["item_id"].tolist() == ["dates", "bread", "eggs", "apple"]


def test_model_scores_are_not_changed(dataset, split):
    class Cached(Fixed):
        scores = Fixed().score([0])

        def score(self, queries):
            return self.scores

    recommend(Cached(), dataset, split, ["cheese"])
    assert Cached.scores[0, 5] == 5


def test_numeric_ids_may_be_given_as_text(dataset, split):
    numeric = Dataset(**{**vars(dataset), "users": pd.DataFrame({"user_id": [7, 196]})})
    numeric.interactions["user_id"] = numeric.interactions["user_id"].map({"bob": 7, "ann": 196})
    assert recommend(Fixed(), numeric, split, "196").equals(recommend(Fixed(), numeric, split, 196))


def test_items_of_a_run_folder_do_without_the_data(dataset, split):
    items = pd.DataFrame({"item_id": split.item_ids[1:]}, index=range(1, 6))
    items["title"] = items["item_id"].map(TITLES)
    with_data = recommend(Fixed(), dataset, split, ["cheese", "bread"], k=2)
    pd.testing.assert_frame_equal(recommend_items(Fixed(), items, ["cheese", "bread"], k=2), with_data)


@pytest.mark.parametrize(
    ("who", "message"), [(["chese"], "unknown item 'chese'.*cheese"), ("anne", "unknown user 'anne'.*ann")]
)
def test_unknown_ids_name_the_close_ones(dataset, split, who, message):
    with pytest.raises(KeyError, match=message):
        recommend(Fixed(), dataset, split, who)


@pytest.mark.parametrize(
    ("history", "k", "message"),
    [([], 10, "history is empty"), *((["eggs"], k, "k is the length") for k in (0, 2.5, "2"))],
)
def test_bad_input_is_one_clear_error(dataset, split, history, k, message):
    with pytest.raises(ValueError, match=message):
        recommend(Fixed(), dataset, split, history, k)


@pytest.mark.parametrize("make", [list, tuple, np.array, pd.Series, pd.Index, pd.array, pa.array, list[str]])
def test_a_history_may_be_any_sequence(dataset, split, make):
    items = pd.DataFrame({"item_id": split.item_ids[1:], "title": ""}, index=range(1, 6))
    for answer in (
        recommend(Fixed(), dataset, split, make(["cheese", "bread"]), k=2),
        recommend_items(Fixed(), items, make(["cheese", "bread"]), k=2),
    ):
        assert answer["item_id"].tolist() == ["apple", "eggs"]


def test_a_whole_float_asks_for_the_integer(split):
    items = pd.DataFrame({"item_id": [1, 2, 3, 4, 5], "title": ""}, index=range(1, 6))
    assert recommend_items(Fixed(), items, [5.0, 4.0], k=1)["item_id"].tolist() == [3]


SCORES = np.array([[9.0, 5, 3, 8, -1, 4]])  # a reader's: nobody told them about column 0


@pytest.mark.parametrize("padding", [9, np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_readers_recommender_recommends_what_evaluate_ranks_first(dataset, split, dtype, padding):
    target, history = np.array([5]), np.array([3, 1])
    part = Part(Queries([history], np.array([-1])), [target], n_items=5)
    score = SCORES.astype(dtype)
    score[0, 0] = padding
    for model in (lambda queries: score, type("Own", (), {"score": lambda self, queries: score})()):
        assert rank_targets(model, part)[0].tolist() == [0]
        table = recommend(model, dataset, split, list(split.item_ids[history]))
        assert table["item_id"].tolist() == ["cheese", "bread", "apple"]
        assert table["score"].tolist() == [4, 3, -1]
        assert len(recommend(model, dataset, split, ["eggs"])) == 4  # all the rest, without padding


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (SCORES.astype(int), "float32.*int64"),
        (SCORES.tolist(), "NumPy array.*list"),
        (SCORES[:, 1:], r"\(1, 6\)"),
        (SCORES[0], r"\(1, 6\)"),
        (SCORES * np.nan, "NaN"),
    ],
)
def test_evaluate_and_recommend_refuse_a_readers_scores_in_the_same_words(dataset, split, scores, message):
    part = Part(Queries([np.array([3])], np.array([-1])), [np.array([1])], n_items=5)
    with pytest.raises(ValueError, match=message) as one:
        rank_targets(lambda queries: scores, part)
    with pytest.raises(ValueError) as other:
        recommend(lambda queries: scores, dataset, split, ["eggs"])
    assert str(one.value) == str(other.value)


def test_a_title_stands_for_its_item_where_only_one_has_it(dataset, split):
    model = Fixed()
    table = recommend(model, dataset, split, ["cheddar", "A loaf", "Dates"])
    assert model.queries.histories[0].tolist() == [5, 2, 1]
    assert table["item_id"].tolist() == ["apple", "eggs"]
    twice = replace(dataset, items=dataset.items.assign(title=["Cheddar", None, "Cheddar", "Dates", "eggs"]))
    with pytest.raises(KeyError, match="2 items have the title 'Cheddar': name one by its id: apple, cheese"):
        recommend(model, twice, split, ["Cheddar"])
    recommend(model, twice, split, ["eggs", "dates"])  # ids come first
    assert model.queries.histories[0].tolist() == [3, 1]
    with pytest.raises(KeyError, match="unknown item 'None'"):
        recommend(model, twice, split, [None])


@pytest.mark.parametrize("k", [0, -1, 2.5, "2"])
def test_k_is_a_whole_number(dataset, split, k):
    with pytest.raises(ValueError, match="k is the length of the list: a whole number from 1, not"):
        recommend(Fixed(), dataset, split, ["apple"], k=k)
