"""Labelled pairs: what a household did or did not buy, what a person liked or not."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from llmrec_ref.splits.cuts import ask_window, count_before, moment_of
from llmrec_ref.splits.events import Events
from llmrec_ref.splits.parts import Queries, Split

TRAIN_WEEKS, VALIDATION_WEEK, TEST_WEEK = (45, 46, 47, 48), 49, 51
NEEDED = {*range(TRAIN_WEEKS[0], TEST_WEEK + 2)}  # a week ends where the next begins
MOST, LEAST_HISTORY = 5, 5  # pairs of a person in a part; ratings before each


@dataclass(frozen=True)
class LabelledPairs:
    """Pairs of a query and an item, with the answer yes or no.

    Attributes:
        queries: `Queries`: the histories end before anything that is asked about.
        rows: int64 (n,), the query of each pair.
        items: int64 (n,), the item of each pair, 1..n_items.
        labels: float32 (n,), 1 = yes, 0 = no.
        slices: str (n,), what kind of pair each is, or None where there is one kind.
        ratings: For each query the ratings of its history, int64; or None.
    """

    queries: Queries
    rows: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    slices: np.ndarray | None = None
    ratings: list[np.ndarray] | None = None

    def __len__(self):
        return len(self.rows)

    def __repr__(self):
        names = [] if self.slices is None else np.unique(self.slices)
        kinds = f", slices {' and '.join(names)}" if len(names) else ""
        share = f"{self.labels.mean():.0%} yes" if len(self) else "empty"
        return f"LabelledPairs({len(self):,} pairs, {share}{kinds}, {self.queries!r})"

    def __getitem__(self, wanted):
        """Return some pairs, by row numbers or a mask; the queries stay whole."""
        names = ("rows", "items", "labels", "slices")
        columns = {name: getattr(self, name) for name in names}
        kept = {n: None if c is None else c[wanted] for n, c in columns.items()}
        return replace(self, **kept)

    @property
    def users(self):
        """Whom each pair is about, int64 (n,): groups for a bootstrap."""
        return self.queries.users[self.rows]


@dataclass(frozen=True)
class PairSplit:
    """Labelled pairs of one data set for training, choosing and the report.

    Attributes:
        train: `LabelledPairs`.
        validation: For choosing settings.
        test: For the report.
        n_items: Size of the catalogue.
        item_ids: As in `Split`.
        ranking: The same windows as a `Split`, to rank the whole catalogue; or None.
    """

    train: LabelledPairs
    validation: LabelledPairs
    test: LabelledPairs
    n_items: int
    item_ids: np.ndarray
    ranking: Split | None = None

    def __repr__(self):
        names = ("train", "validation", "test")
        parts = "".join(f"  {name}={getattr(self, name)!r},\n" for name in names)
        return f"PairSplit(n_items={self.n_items},\n{parts})"


def products_only(dataset):
    """Leave out of Complete Journey what is no product, or not known to be one.

    That is: the departments FUEL and MISCELLANEOUS (petrol, gift cards, key rings),
    every category that begins with COUPON ("COUPON/MISC ITEMS": tickets, donations),
    and items that the source does not describe.

    Args:
        dataset: The `Dataset` ``"complete-journey"``.

    Returns:
        A `Dataset` with fewer rows of interactions and items; the users stay.

    Raises:
        ValueError: The items have no departments and categories.
    """
    items, events = dataset.items, dataset.interactions
    if not {"department", "product_category"} <= set(items):
        raise ValueError(
            f"{dataset.name} has no departments and categories, by which products are "
            'told from petrol and coupons: pass load("complete-journey").'
        )
    department = items["department"]
    odd = department.isna() | department.isin(["FUEL", "MISCELLANEOUS"])
    odd |= items["product_category"].str.startswith("COUPON", na=False)
    items = items[~odd]
    events = events[events["item_id"].isin(items["item_id"])]
    return replace(
        dataset,
        items=items.reset_index(drop=True),
        interactions=events.reset_index(drop=True),
    )


def buy_or_not(dataset, seed=0):
    """Ask about products of one week: will this household buy it?

    Weeks are those of the column ``week``, which follow each other in time. A query is
    a household that buys something in the week and bought something before; its history
    is all it bought before the first purchase of that week by anybody, which is the
    prediction time. Training has weeks 45 to 48, validation 49, test 51; week 50 stands
    in the histories of the test alone. Fuel and the like are dropped: `products_only`.

    A pair says yes where the household buys the product in that week. There are two
    slices, and in each a household has as many no as yes, so that who is asked says
    nothing about the answer:

    - ``"new"``: the household never bought the product before. No: a purchase is drawn
      from the new ones that households make in that week, whose product this household
      has bought neither before nor in the week. So a product is asked about as often as
      it is bought. A random product of the catalogue would rarely be bought by anybody,
      and popularity alone would tell it.
    - ``"repeat"``: the household bought the product before. No: another product that it
      bought before, but does not buy in that week.

    No pair occurs twice. A no means "not in this week": the household may buy the
    product later, or have seen none of it. Where too few products are left to say no
    to, as many yes, drawn at random, are left out.

    Args:
        dataset: The `Dataset` ``"complete-journey"``.
        seed: Of the draws, and of the item numbers.

    Returns:
        `PairSplit`. Its ``ranking`` asks for the distinct products of weeks 49 and 51,
        and trains on all before week 49.

    Raises:
        ValueError: The data set lacks these weeks, or as in `products_only`.
    """
    if not NEEDED <= set(dataset.interactions.get("week", ())):
        raise ValueError(
            f'{dataset.name} lacks weeks 45 to 52: pass load("complete-journey").'
        )
    dataset = products_only(dataset)
    events = Events(dataset, seed)
    starts = dataset.interactions.groupby("week")["timestamp"].min()
    n_before = {week: count_before(cut, events.times) for week, cut in starts.items()}
    weeks = {
        week: ask_window(events, starts[week], n_before[week], n_before[week + 1])
        for week in (*TRAIN_WEEKS, VALIDATION_WEEK, TEST_WEEK)
    }
    # a stream of its own: the seed alone numbers the items
    rng = np.random.default_rng([seed, 1])
    pairs = {week: _draw(part, rng) for week, part in weeks.items()}
    asked = weeks[VALIDATION_WEEK], weeks[TEST_WEEK]
    return PairSplit(
        _join([pairs[week] for week in TRAIN_WEEKS]),
        pairs[VALIDATION_WEEK],
        pairs[TEST_WEEK],
        events.n_items,
        events.item_ids,
        ranking=events.split(n_before[VALIDATION_WEEK], *asked),
    )


def like_or_not(dataset, seed=0):
    """Ask about films that a person rates: above 3, or not?

    Cut by time: training before the 80 % quantile of the timestamps, validation from
    then until before the 90 % quantile, test from then on. In each part a person has at
    most five pairs, drawn from the ratings with at least five of that person before
    them. Each pair has a query of its own: the ratings strictly before it, and what
    they were in `LabelledPairs.ratings`.

    Args:
        dataset: A `Dataset` with ratings and real times, such as ``"ml-100k"``.
        seed: Of the draw, and of the item numbers.

    Returns:
        `PairSplit`, without slices.

    Raises:
        ValueError: The data set has no ratings, or no real times.
    """
    if "rating" not in dataset.interactions or dataset.time_unit == "steps":
        raise ValueError(
            f'{dataset.name} lacks ratings or real times: pass load("ml-100k").'
        )
    events = Events(dataset, seed)
    rated = _Rated(events, _by_user(dataset, events, "rating"))
    cuts = [moment_of(share, rated.times) for share in (0.8, 0.9)]
    part_of = np.searchsorted(cuts, rated.times, side="right")
    rng, parts = np.random.default_rng([seed, 1]), []
    for number in range(3):
        pool = np.flatnonzero((part_of == number) & (rated.n_before >= LEAST_HISTORY))
        pool = rng.permutation(pool)
        users = rated.users[pool]
        is_kept = pd.Series(users).groupby(users).cumcount() < MOST
        parts.append(rated.pairs(np.sort(pool[is_kept])))
    return PairSplit(*parts, events.n_items, events.item_ids)


class _Rated:
    """All ratings, person by person, and how many are strictly before each."""

    def __init__(self, events, ratings):
        self.histories, self.ratings = events.items, ratings
        lengths = [len(items) for items in events.items]
        self.users = np.repeat(np.arange(len(lengths)), lengths)
        columns = events.items, events.times, ratings
        self.items, self.times, self.stars = map(np.concatenate, columns)
        before = [np.searchsorted(times, times) for times in events.times]
        self.n_before = np.concatenate(before)

    def pairs(self, places):
        """Make a pair of each of some ratings, with what was rated before."""
        users = self.users[places]
        seen = list(zip(users, self.n_before[places], strict=True))
        histories = [self.histories[user][:n] for user, n in seen]
        return LabelledPairs(
            Queries(histories, users, self.times[places]),
            np.arange(len(places)),
            self.items[places],
            (self.stars[places] > 3).astype(np.float32),
            ratings=[self.ratings[user][:n] for user, n in seen],
        )


def _draw(part, rng):
    """Draw as many no as yes for each household of a week, new and repeated apart."""
    rows = list(zip(part.queries.histories, part.targets, strict=True))
    new = [~np.isin(bought, history) for history, bought in rows]
    pool = np.concatenate(
        [bought[is_new] for (_, bought), is_new in zip(rows, new, strict=True)]
    )
    known = np.zeros(part.n_items + 1, bool)
    found = []
    for row, (history, bought) in enumerate(rows):
        known[history] = known[bought] = True
        # the first of equal ones: what is bought more often is drawn more often
        others = pd.unique(rng.permutation(pool[~known[pool]]))
        known[history] = known[bought] = False
        kept = rng.permutation(np.setdiff1d(history, bought))
        found.append(_balanced(row, "new", bought[new[row]], others, rng))
        found.append(_balanced(row, "repeat", bought[~new[row]], kept, rng))
    rows, items, labels, slices = map(np.concatenate, zip(*found, strict=True))
    return LabelledPairs(part.queries, rows, items, labels.astype(np.float32), slices)


def _balanced(row, name, yes, no, rng):
    """Return as many yes as no of a household: rows, items, labels, slices."""
    n = min(len(yes), len(no))
    items = np.concatenate([yes if n == len(yes) else rng.permutation(yes)[:n], no[:n]])
    return np.full(2 * n, row), items, np.repeat([1, 0], n), np.repeat([name], 2 * n)


def _join(parts):
    """Put pairs of several weeks together, with the queries of each."""
    queries = [part.queries for part in parts]
    starts = np.cumsum([0, *map(len, queries)])
    joined = Queries(
        [history for each in queries for history in each.histories],
        np.concatenate([each.users for each in queries]),
        np.concatenate([each.times for each in queries]),
    )
    rows = [part.rows + start for part, start in zip(parts, starts, strict=False)]
    columns = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("items", "labels", "slices")
    }
    return LabelledPairs(joined, np.concatenate(rows), **columns)


def _by_user(dataset, events, column):
    """A column of the interactions in the order of `Events`: an array a user."""
    table = dataset.interactions
    users = pd.Index(dataset.users["user_id"]).get_indexer(table["user_id"])
    order = np.lexsort((table["timestamp"].to_numpy(), users))  # stable
    ends = np.cumsum([len(items) for items in events.items])
    return np.split(table[column].to_numpy()[order], ends[:-1])
