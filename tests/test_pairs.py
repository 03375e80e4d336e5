"""Labelled pairs: what they are, beside slow loops; and that nothing gives the answer away."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec_ref import datasets, splits
from llmrec_ref.datasets import Dataset
from llmrec_ref.metrics import auc
from llmrec_ref.text import item_texts

FEW = settings(max_examples=25)
WEEKS = {"train": (45, 46, 47, 48), "validation": (49,), "test": (51,)}


@pytest.fixture(scope="module")
def groceries():
    return datasets.load("complete-journey")


@pytest.fixture(scope="module")
def bought(groceries):
    return splits.buy_or_not(groceries)


@pytest.fixture(scope="module")
def movielens():
    return datasets.load("ml-100k")


@pytest.fixture(scope="module")
def liked(movielens):
    return splits.like_or_not(movielens)


def shop(seed, n_households=5, n_items=20, n_events=400):
    """A small shop, of whose items one is fuel, one a coupon and one not described; its rows are shuffled."""
    rng = np.random.default_rng(seed)
    week = rng.integers(43, 54, n_events)
    week[:9] = range(44, 53)  # none is missing
    table = pd.DataFrame(
        dict(
            user_id=rng.integers(0, n_households, n_events),
            item_id=rng.zipf(1.2, n_events) % n_items + 100,
            timestamp=week * 10 + rng.integers(0, 3, n_events),  # baskets tie
            week=week,
        )
    )
    table.loc[:8, "item_id"] = 111  # a week begins with its first product
    items = pd.DataFrame(dict(item_id=np.arange(100, 100 + n_items), department="GROCERY"))
    items["product_category"] = "SOUP"
    items["title"] = "soup"
    items.loc[0, "department"], items.loc[1, "department"] = "FUEL", None
    items.loc[2, "product_category"] = "COUPON/MISC ITEMS"
    users = pd.DataFrame(dict(user_id=range(n_households)))
    return Dataset("shop", table, items, users, "ours", repeats=True)


def purchases(dataset):
    """(household, item) -> moments, products only; and the first moment of each week."""
    table = dataset.interactions[~dataset.interactions["item_id"].isin([100, 101, 102])]
    found = {}
    for row in table.itertuples():
        found.setdefault((row.user_id, row.item_id), []).append((row.timestamp, row.week))
    return found, table.groupby("week")["timestamp"].min().to_dict()


def sides(found, household, time, week, among=range(99)):
    """What a household had before a moment, what it buys in the week, and what is new to others then."""
    had = {p for (h, p), when in found.items() if h == household and min(when)[0] < time}
    in_week = {key for key, when in found.items() if any(w == week for _, w in when)}
    now = {p for h, p in in_week if h == household}
    others = {p for h, p in in_week if h != household and h in among and min(found[h, p])[0] >= time}
    return had, now, others


@FEW
@given(st.integers(0, 10_000), st.integers(0, 2))
def test_pairs_are_what_they_say(seed, draw):
    dataset = shop(seed)
    split, (found, starts) = splits.buy_or_not(dataset, seed=draw), purchases(dataset)
    for name, weeks in WEEKS.items():
        pairs, counts = getattr(split, name), Counter()
        of_time = {starts[week]: week for week in weeks}
        assert set(pairs.queries.times.tolist()) <= set(of_time)
        for row, item, label, kind in zip(pairs.rows, pairs.items, pairs.labels, pairs.slices, strict=True):
            household, time = pairs.queries.users[row], pairs.queries.times[row]
            product = split.item_ids[item]
            had, now, others = sides(found, household, time, of_time[time])
            assert kind == ("repeat" if product in had else "new")
            assert label == (product in now)
            assert label or kind == "repeat" or product in others
            counts[row, kind, label] += 1
            counts[row, item] += 1
        assert all(n == 1 for key, n in counts.items() if len(key) == 2)
        assert all(n == counts[*key[:2], 1 - key[2]] for key, n in counts.items() if len(key) == 3)


@FEW
@given(st.integers(0, 10_000))
def test_every_purchase_is_asked_about_where_there_are_enough_others(seed):
    dataset = shop(seed)
    split, (found, starts) = splits.buy_or_not(dataset), purchases(dataset)
    pairs = split.test
    for row, household in enumerate(pairs.queries.users):
        had, now, others = sides(found, household, starts[51], 51, among=pairs.queries.users)
        here = pairs[pairs.rows == row]
        assert (here.slices == "new").sum() == 2 * min(len(now - had), len(others - had - now))
        assert (here.slices == "repeat").sum() == 2 * min(len(now & had), len(had - now))


@FEW
@given(st.integers(0, 10_000))
def test_histories_hold_all_before_the_week_and_nothing_else(seed):
    dataset = shop(seed)
    split = splits.buy_or_not(dataset)
    table = dataset.interactions[~dataset.interactions["item_id"].isin([100, 101, 102])]
    table = table.sort_values("timestamp", kind="stable")
    for name in WEEKS:
        queries = getattr(split, name).queries
        for history, user, time in zip(queries.histories, queries.users, queries.times, strict=True):
            before = table[(table["user_id"] == user) & (table["timestamp"] < time)]
            assert split.item_ids[history].tolist() == before["item_id"].tolist()


def test_the_future_changes_no_pair_of_before():
    dataset = shop(3)
    table = dataset.interactions.copy()
    later = table["week"] >= 51
    table.loc[later & (table["item_id"] < 111), "item_id"] = 105
    one, other = (
        splits.buy_or_not(replace(dataset, interactions=each)) for each in (dataset.interactions, table)
    )
    for name in ("train", "validation"):
        for column in ("rows", "items", "labels", "slices", "users"):
            pair = [getattr(getattr(split, name), column) for split in (one, other)]
            np.testing.assert_array_equal(*pair)


def test_draws_depend_on_the_seed():
    one, again, other = (splits.buy_or_not(shop(1), seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.train.items, again.train.items)
    own = [split.item_ids[split.train.items].tolist() for split in (one, other)]
    assert own[0] != own[1]


def test_rows_and_masks_choose_pairs(bought):
    pairs = bought.test
    new = pairs[pairs.slices == "new"]
    assert set(new.slices) == {"new"} and new.queries is pairs.queries
    np.testing.assert_array_equal(pairs[np.array([5, 2])].items, pairs.items[[5, 2]])
    np.testing.assert_array_equal(new.users, pairs.queries.users[new.rows])
    assert len(pairs[:3]) == 3 and len(pairs[:0]) == 0
    assert "50% yes, slices new and repeat" in repr(pairs) and "empty" in repr(pairs[:0])
    assert all(len(repr(each)) < 1500 for each in (bought, pairs))
    dtypes = [array.dtype for array in (pairs.rows, pairs.items, pairs.labels)]
    assert dtypes == [np.int64, np.int64, np.float32]


@pytest.mark.parametrize("name", WEEKS)
@pytest.mark.parametrize("kind", ["new", "repeat"])
def test_who_is_asked_says_nothing(bought, name, kind):
    pairs = getattr(bought, name)
    pairs = pairs[pairs.slices == kind]
    yes = np.bincount(pairs.users, pairs.labels)
    assert auc(pairs.users, pairs.labels) == 0.5
    assert auc(np.bincount(pairs.users)[pairs.users], pairs.labels) == 0.5  # how active
    np.testing.assert_array_equal(2 * yes, np.bincount(pairs.users))
    lengths = np.array([len(history) for history in pairs.queries.histories])
    assert auc(lengths[pairs.rows], pairs.labels) == 0.5


def test_the_weeks_popularity_says_little_of_new_products(bought):
    new, _ = splits.by_novelty(bought.ranking.test)
    counts = np.bincount(splits.flatten(new.targets)[0], minlength=bought.n_items + 1)
    pairs = bought.test[bought.test.slices == "new"]
    assert 0.45 < auc(counts[pairs.items], pairs.labels) < 0.55
    anything = np.random.default_rng(0).integers(1, bought.n_items + 1, len(pairs))
    careless = np.where(pairs.labels == 1, pairs.items, anything)
    assert auc(counts[careless], pairs.labels) > 0.9  # had they been drawn from the catalogue


def test_no_pair_is_of_week_50_and_weeks_do_not_overlap(groceries, bought):
    table = splits.products_only(groceries).interactions
    moments = table.groupby("week")["timestamp"].agg(["min", "max"])
    assert (moments["max"].to_numpy()[:-1] < moments["min"].to_numpy()[1:]).all()
    for name, weeks in WEEKS.items():
        times = getattr(bought, name).queries.times
        assert set(times) == set(moments["min"][list(weeks)])
    week = table.set_index(["user_id", "item_id"])["week"]
    yes = bought.test[bought.test.labels == 1]
    ids = groceries.users["user_id"].to_numpy()[yes.users], bought.item_ids[yes.items]
    own = set(zip(*ids, strict=True))
    assert own <= set(week.index[week == 51]) and not own <= set(week.index[week == 50])


def test_what_is_no_product_is_gone(groceries, bought):
    items = groceries.items.set_index("item_id").loc[bought.item_ids[1:].tolist()]
    assert not items["product_type"].str.contains("GASOLINE|GIFT CARD", na=False).any()
    assert not items["product_category"].str.startswith("COUPON", na=False).any()
    assert items["department"].notna().all() and not items["department"].isin(["FUEL", "COUPON"]).any()
    kept = splits.products_only(groceries)
    assert len(kept.users) == len(groceries.users)
    pd.testing.assert_frame_equal(splits.products_only(kept).interactions, kept.interactions)
    lost = groceries.items[~groceries.items["item_id"].isin(kept.items["item_id"])]
    reasons = lost["department"].isna() | lost["department"].isin(["FUEL", "MISCELLANEOUS"])
    assert (reasons | lost["product_category"].str.startswith("COUPON", na=False)).all()


def test_the_ranking_asks_for_the_same_weeks(bought):
    for name in ("validation", "test"):
        part, pairs = getattr(bought.ranking, name), getattr(bought, name)
        assert part.queries is pairs.queries and part.repeats
        yes = pairs[pairs.labels == 1]
        assert all(item in part.targets[row] for row, item in zip(yes.rows[:500], yes.items, strict=False))
        n_targets = sum(map(len, part.targets))
        assert 0.99 * n_targets < len(yes) <= n_targets
    trained = dict(
        zip(bought.ranking.train.queries.users.tolist(), bought.ranking.train.queries.histories, strict=True)
    )
    queries = bought.validation.queries
    for user, history in zip(queries.users.tolist(), queries.histories, strict=True):
        np.testing.assert_array_equal(trained[user], history)


def test_other_data_are_refused(movielens):
    with pytest.raises(ValueError, match=r'lacks weeks 45 to 52: pass load\("complete-journey"\)'):
        splits.buy_or_not(movielens)
    with pytest.raises(ValueError, match="no departments"):
        splits.products_only(movielens)
    with pytest.raises(ValueError, match=r'lacks ratings or real times: pass load\("ml-100k"\)'):
        splits.like_or_not(shop(0))


# --- Like or not --------------------------------------------------------------------------------------------


def test_likes_are_ratings_above_3_with_the_ratings_before(movielens, liked):
    table = movielens.interactions.sort_values("timestamp", kind="stable")
    users = movielens.users["user_id"].to_numpy()
    of_user = dict(tuple(table.groupby("user_id")))
    for name in WEEKS:
        pairs = getattr(liked, name)
        assert pairs.slices is None and len(pairs.ratings) == len(pairs.queries) == len(pairs)
        np.testing.assert_array_equal(pairs.rows, np.arange(len(pairs)))
        for n in range(0, len(pairs), 7):
            own = of_user[users[pairs.users[n]]]
            before = own[own["timestamp"] < pairs.queries.times[n]]
            assert liked.item_ids[pairs.queries.histories[n]].tolist() == before["item_id"].tolist()
            assert pairs.ratings[n].tolist() == before["rating"].tolist()
            rated = own[own["item_id"] == liked.item_ids[pairs.items[n]]].iloc[0]
            assert rated["timestamp"] == pairs.queries.times[n]
            assert pairs.labels[n] == (rated["rating"] > 3)


def test_parts_of_likes_follow_each_other(movielens, liked):
    times = np.sort(movielens.interactions["timestamp"].to_numpy())
    cuts = [0, *np.quantile(times, [0.8, 0.9], method="higher"), times[-1] + 1]
    table = movielens.interactions.sort_values("timestamp", kind="stable")
    n_before = table.groupby("user_id")["timestamp"].transform(lambda t: np.searchsorted(t, t))
    for name, low, high in zip(WEEKS, cuts[:-1], cuts[1:], strict=True):
        pairs = getattr(liked, name)
        assert pairs.queries.times.min() >= low and pairs.queries.times.max() < high
        assert min(map(len, pairs.queries.histories)) >= 5
        allowed = table[(n_before >= 5) & table["timestamp"].between(low, high - 1)]
        expected = allowed.groupby("user_id").size().clip(upper=5)
        assert sorted(Counter(pairs.users.tolist()).values()) == sorted(expected.tolist())
        assert len(set(zip(pairs.users.tolist(), pairs.items.tolist(), strict=True))) == len(pairs)


def test_likes_are_drawn_by_seed(movielens, liked):
    again, other = (splits.like_or_not(movielens, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(liked.test.items, again.test.items)
    drawn = [set(zip(s.test.users, s.test.queries.times, strict=True)) for s in (liked, other)]
    assert drawn[0] != drawn[1] and len(liked.test) == len(other.test)


# --- The card -----------------------------------------------------------------------------------------------


def card(name):
    text = (Path(__file__).parents[1] / "data" / "README.md").read_text(encoding="utf-8")
    return text.split(f"### `{name}`\n")[1].split("\n### ")[0].split("\n## ")[0]


def test_the_card_states_the_sizes_of_buy_or_not(groceries, bought):
    text = card("buy_or_not")
    for name, weeks in (("train", "45 to 48"), ("validation", "49"), ("test", "51")):
        pairs = getattr(bought, name)
        new, repeat = ((pairs.slices == kind).sum() for kind in ("new", "repeat"))
        households = len(np.unique(pairs.users))
        assert f"| {name} | {weeks} | {new:,} | {repeat:,} | {households:,} |" in text
    kept = splits.products_only(groceries)
    lost = [
        len(a) - len(b)
        for a, b in ((groceries.interactions, kept.interactions), (groceries.items, kept.items))
    ]
    assert f"{lost[0]:,} of the rows and {lost[1]:,} of the items" in text
    assert f"{bought.n_items:,} products" in text
    for name in ("validation", "test"):
        n_bought = sum(map(len, getattr(bought.ranking, name).targets))
        assert getattr(bought, name).labels.sum() == n_bought, "none is left out, as the card says"


def test_the_card_states_how_many_texts_are_known(groceries, bought):
    _, codes = np.unique(item_texts(groceries, bought.item_ids), return_inverse=True)
    pairs = bought.test[bought.test.slices == "new"]
    had = [set(codes[history].tolist()) for history in pairs.queries.histories]
    known = np.array([codes[item] in had[row] for row, item in zip(pairs.rows, pairs.items, strict=True)])
    yes, no = (known[pairs.labels == label].mean() for label in (1, 0))
    assert f"{yes:.0%} of the yes of the new slice" in card("buy_or_not").replace("\n", " ")
    assert f"{no:.0%} of the no" in card("buy_or_not").replace("\n", " ")


def test_the_card_states_the_sizes_of_like_or_not(liked):
    text = card("like_or_not")
    for name in WEEKS:
        pairs = getattr(liked, name)
        people = len(np.unique(pairs.users))
        assert f"| {name} | {len(pairs):,} | {pairs.labels.mean():.0%} | {people:,} |" in text
