"""Who may see what: splits of a data set into training, validation and test."""

import numbers
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Queries:
    """What a recommender may look at when it is asked for scores.

    Attributes:
        histories: One 1-D int64 array a query, item numbers 1..n_items, oldest first.
        users: int64 (n,), row numbers into ``dataset.users``; -1 = unknown.
        times: int64 (n,), prediction times in the data set's time unit, or None.
    """

    histories: list[np.ndarray]
    users: np.ndarray
    times: np.ndarray | None = None

    def __len__(self):
        return len(self.histories)

    def __repr__(self):
        return f"Queries({_lengths('histories', self.histories)}, {'no ' * (self.times is None)}times)"

    def __getitem__(self, rows):
        """Return the queries of a slice or of an array of row numbers."""
        rows = np.arange(len(self))[rows]
        times = None if self.times is None else self.times[rows]
        return Queries([self.histories[row] for row in rows], self.users[rows], times)


@dataclass(frozen=True)
class Part:
    """Queries and what was bought or watched next.

    Attributes:
        queries: What may be seen.
        targets: One 1-D int64 array of distinct items a query: the items to be found (empty in
            ``Split.train``, whose histories are the training sequences themselves).
        repeats: ``Dataset.repeats``: whether an item of the history may be a target.
        n_items: Size of the whole catalogue, or None where unknown.
        n_left_out: How many users are not asked about: those with fewer than three interactions
            (``leave_one_out``), or with targets but no history (``global_time``).
    """

    queries: Queries
    targets: list[np.ndarray]
    repeats: bool = False
    n_items: int | None = None
    n_left_out: int = 0

    def __len__(self):
        return len(self.targets)

    def __repr__(self):
        targets = _lengths("targets", self.targets)
        return f"Part({self.queries!r}, {targets}, repeats={self.repeats}, n_left_out={self.n_left_out})"


@dataclass(frozen=True)
class Split:
    """Training, validation and test parts of one data set.

    Attributes:
        train: Its histories are the training sequences, one a user; its targets are empty.
        validation: For choosing settings; has no queries if the split was made without one.
        test: For the report.
        n_items: Size of the whole catalogue.
        item_ids: object (n_items + 1,), item number -> the data set's own id; entry 0
            (padding) is None.
    """

    train: Part
    validation: Part
    test: Part
    n_items: int
    item_ids: np.ndarray

    def __repr__(self):
        parts = "".join(f"  {name}={getattr(self, name)!r},\n" for name in ("train", "validation", "test"))
        return f"Split(n_items={self.n_items},\n{parts})"

    def n_unseen_targets(self, part):
        """Count the targets of a part that occur nowhere in training; they stay in its metrics."""
        return int((~np.isin(flatten(part.targets)[0], flatten(self.train.queries.histories)[0])).sum())


def train_only(sequences, n_items):
    """Make a split that has training sequences and nothing else, for data that need no hidden targets.

    Args:
        sequences: 1-D int arrays, item numbers 1..n_items, oldest first; or an int array (n_users, length).
        n_items: Size of the catalogue.

    Returns:
        A `Split` without validation and test queries; an item's own id is its number.

    Raises:
        ValueError: An item number outside 1..n_items.
    """
    histories = [np.asarray(sequence, dtype=np.int64) for sequence in sequences]
    queries = Queries(histories, np.full(len(histories), -1))
    check_histories(queries, n_items)
    train = Part(queries, [np.empty(0, np.int64)] * len(queries), n_items=n_items)
    nothing = Part(queries[:0], [], n_items=n_items)
    return Split(train, nothing, nothing, n_items, np.array([None, *range(1, n_items + 1)], dtype=object))


def leave_one_out(dataset, validation=True, seed=0, ties=None):
    """Hold out each user's last item as test target, and the one before as validation target.

    Training ends two items before the end, or one without validation. Users with fewer than three
    interactions are trained on, not tested. Other users' later events remain in training: see
    `leakage_report`.

    Args:
        dataset: A `Dataset`. Every interaction counts as positive, whatever its rating.
        validation: Whether to hold out the last but one item for validation.
        seed: Seed of the item numbers.
        ties: ``"source"`` lets the order of the source stand for time among equal timestamps. That
            is always done, but must be said where ``dataset.repeats`` and last timestamps tie: baskets.

    Returns:
        A `Split` with one target a query; its time is the target's.

    Raises:
        ValueError: ``dataset.repeats``, last timestamps tie and ``ties`` is None; or an unknown ``ties``.
    """
    if ties not in (None, "source"):
        raise ValueError(f'ties={ties!r} is unknown: pass "source", or nothing.')
    events = _Events(dataset, seed)
    tested = np.flatnonzero(events.lengths >= 3)
    last = events.starts[tested] + events.lengths[tested] - 1
    tied = np.count_nonzero(events.times[last] == events.times[last - 1])
    if dataset.repeats and tied and ties is None:
        raise ValueError(
            f"{dataset.name} holds baskets: for {tied} users no item is the last, as several share the last "
            'timestamp. Use global_time, or pass ties="source" to take the order of the source for time '
            "(command line: --split global-time or --split leave-one-out)."
        )

    def held_out(back):
        ends = events.starts[tested] + events.lengths[tested] - back
        queries = Queries(events.until(tested, ends), tested, events.times[ends])
        n_left_out = int(((events.lengths > 0) & (events.lengths < 3)).sum())
        return events.part(queries, list(events.items[ends, None]), n_left_out)

    train_lengths = events.lengths - np.where(events.lengths >= 3, 1 + validation, 0)
    return events.split(train_lengths, held_out(2) if validation else events.no_queries(), held_out(1))


def global_time(dataset, validation_from=0.8, test_from=0.9, seed=0):
    """Cut all users at the same two moments, so that nothing is learned from the future.

    Training ends before ``validation_from``. A user's validation targets are the distinct items from
    then until before ``test_from``, test targets those from ``test_from`` on; the history is all the
    user did before that cut (for test, the validation window included). The prediction time is the cut.
    The events of a basket share one timestamp, so a cut never divides a basket. Users without history
    at a cut are left out and counted in ``Part.n_left_out``.

    Args:
        dataset: A `Dataset` with real times.
        validation_from: Where validation begins: a quantile of interaction time in (0, 1), a number in
            the data set's time unit, or anything `pandas.Timestamp` reads (UTC unless it says
            otherwise). Equal to ``test_from``: no validation.
        test_from: Where test begins, likewise.
        seed: Seed of the item numbers.

    Returns:
        A `Split`; a query has one or several targets, in order of first occurrence.

    Raises:
        ValueError: ``dataset.time_unit`` is ``"steps"``, or the cuts are not in order within the data.
    """
    if dataset.time_unit == "steps":
        raise ValueError(
            f"{dataset.name} has no timestamps, only an order for each user: use leave_one_out "
            "(command line: --split leave-one-out)."
        )
    events = _Events(dataset, seed)
    first, second = (_moment(cut, events.times) for cut in (validation_from, test_from))
    merged = first == second and validation_from != test_from  # validation would be empty without a word
    if merged or not events.times.min() < first <= second <= events.times.max():
        raise ValueError(
            f"validation_from={validation_from!r} and test_from={test_from!r} mean {first} and {second}, "
            f"but must be in order, apart and within the interactions ({events.times.min()} to "
            f'{events.times.max()}): name other moments, or use leave_one_out with ties="source" '
            "(command line: --split leave-one-out)."
        )

    def window(cut, end):
        inside = np.flatnonzero((events.times >= cut) & (events.times < end))
        pairs = events.users[inside] * (events.n_items + 1) + events.items[inside]
        inside = inside[np.sort(np.unique(pairs, return_index=True)[1])]
        n_targets = np.bincount(events.users[inside], minlength=len(events.lengths))
        n_before = events.count_before(cut)
        asked = np.flatnonzero((n_targets > 0) & (n_before > 0))
        targets = np.split(events.items[inside], np.cumsum(n_targets)[:-1])
        ends = events.starts[asked] + n_before[asked]
        queries = Queries(events.until(asked, ends), asked, np.full(len(asked), cut))
        n_left_out = int(((n_targets > 0) & (n_before == 0)).sum())
        return events.part(queries, [targets[user] for user in asked], n_left_out)

    return events.split(events.count_before(first), window(first, second), window(second, np.inf))


def by_novelty(part):
    """Divide a part's targets into those new to the user and those met before.

    The ranking stays one and the same unless `evaluate` is told otherwise: a repeat target may stand
    above a new one.

    Args:
        part: A `Part`.

    Returns:
        ``(new, repeated)``: two `Part` with the queries that have such targets.
    """
    items, offsets = flatten(part.targets)
    seen, seen_offsets = flatten(part.queries.histories)
    width = max(items.max(initial=0), seen.max(initial=0)) + 1
    rows = np.repeat(np.arange(len(part)), np.diff(offsets))
    seen_rows = np.repeat(np.arange(len(part)), np.diff(seen_offsets))
    repeated = np.isin(rows * width + items, seen_rows * width + seen)

    def only(wanted):
        counts = np.bincount(rows[wanted], minlength=len(part))
        targets = np.split(items[wanted], np.cumsum(counts)[:-1])
        kept = np.flatnonzero(counts)
        times = None if part.queries.times is None else part.queries.times[kept]
        queries = Queries([part.queries.histories[row] for row in kept], part.queries.users[kept], times)
        return replace(part, queries=queries, targets=[targets[row] for row in kept])

    return only(~repeated), only(repeated)


def leakage_report(dataset, split):
    """Say how much of the data lies in the future of a test query.

    Args:
        dataset: The `Dataset` that was split; needs real times.
        split: The `Split` made from it.

    Returns:
        DataFrame with the rows ``training interactions`` and ``all interactions`` and the columns
        ``median``, ``mean``, ``max`` over test queries: the share of these interactions that happens
        after the query's prediction time.

    Raises:
        ValueError: The data set knows no times, or the split has no test query.
    """
    if dataset.time_unit == "steps":
        raise ValueError(f"{dataset.name} has no timestamps, so nobody can say what leaks.")
    if not len(split.test):
        raise ValueError("The split has no test query: it needs users with at least three interactions.")
    events = _Events(dataset, seed=0)
    train_lengths = np.zeros_like(events.lengths)
    train_lengths[split.train.queries.users] = [len(history) for history in split.train.queries.histories]
    position = np.arange(len(events.users)) - events.starts[events.users]
    shares = {}
    for name, times in {
        "training interactions": events.times[position < train_lengths[events.users]],
        "all interactions": events.times,
    }.items():
        after = 1 - np.searchsorted(np.sort(times), split.test.queries.times, side="right") / len(times)
        shares[name] = {"median": np.median(after), "mean": after.mean(), "max": after.max()}
    return pd.DataFrame.from_dict(shares, orient="index")


def check_histories(queries, n_items):
    """Refuse histories that a history-based recommender cannot use.

    Args:
        queries: `Queries`.
        n_items: Size of the catalogue.

    Raises:
        ValueError: A history is empty, or an item number lies outside 1..n_items.
    """
    items, offsets = flatten(queries.histories)
    empty = np.flatnonzero(np.diff(offsets) == 0)
    if len(empty):
        raise ValueError(f"Query {empty[0]} has an empty history: give it an item, or ask Popularity.")
    wrong = items[(items < 1) | (items > n_items)]
    if len(wrong):
        raise ValueError(f"{wrong[0]} is no item number: histories hold 1..{n_items}, see split.item_ids.")


def flatten(arrays):
    """Join 1-D int64 arrays end to end.

    Args:
        arrays: List of n arrays.

    Returns:
        ``(values, offsets)``, both int64: array i is ``values[offsets[i]:offsets[i + 1]]``.
    """
    offsets = np.zeros(len(arrays) + 1, np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate([np.empty(0, np.int64), *arrays]), offsets


def _lengths(name, arrays):
    """Say how many arrays there are and how long: a repr for a screen."""
    lengths = [len(array) for array in arrays]
    return f"{len(arrays):,} {name} of {min(lengths)} to {max(lengths)} items" if lengths else f"0 {name}"


class _Events:
    """All interactions in numbers, sorted by user and stably by time.

    ``users``, ``items``, ``times`` are int64 (n_interactions,); ``starts``, ``lengths`` say where the
    events of each row of ``dataset.users`` lie.
    """

    def __init__(self, dataset, seed):
        # sorted by repr: any hashable ids have one order, whatever the order of rows
        ids = sorted(dataset.items["item_id"].tolist(), key=repr)
        self.n_items, self.repeats = len(ids), dataset.repeats
        self.item_ids = np.empty(self.n_items + 1, object)
        self.item_ids[1:] = [ids[i] for i in np.random.default_rng(seed).permutation(self.n_items)]
        table = dataset.interactions
        items = pd.Index(self.item_ids[1:]).get_indexer(table["item_id"]) + 1
        users = pd.Index(dataset.users["user_id"]).get_indexer(table["user_id"])
        if len(table) == 0:
            raise ValueError(f"{dataset.name} has no interactions: was everything filtered out?")
        if items.min() < 1 or users.min() < 0:
            raise ValueError(
                f"{dataset.name} has interactions whose user or item is not in its tables: add it."
            )
        times = table["timestamp"].to_numpy(np.int64)
        order = np.lexsort((times, users))  # stable: ties keep the order of the source
        self.users, self.items, self.times = users[order], items[order].astype(np.int64), times[order]
        self.lengths = np.bincount(users, minlength=len(dataset.users))
        self.starts = np.cumsum(self.lengths) - self.lengths

    def count_before(self, cut):
        return np.bincount(self.users[self.times < cut], minlength=len(self.lengths))

    def until(self, users, ends):
        return [self.items[start:end] for start, end in zip(self.starts[users], ends, strict=True)]

    def part(self, queries, targets, n_left_out=0):
        return Part(queries, targets, self.repeats, self.n_items, n_left_out)

    def no_queries(self):
        nothing = np.empty(0, np.int64)
        return self.part(Queries([], nothing, nothing), [])

    def split(self, train_lengths, validation, test):
        users = np.flatnonzero(train_lengths)
        sequences = Queries(self.until(users, self.starts[users] + train_lengths[users]), users)
        train = self.part(sequences, [np.empty(0, np.int64)] * len(users))
        return Split(train, validation, test, self.n_items, self.item_ids)


def _moment(cut, times):
    """Turn a quantile, a number or a date into the data set's time unit."""
    if not isinstance(cut, numbers.Real):
        return int(pd.Timestamp(cut).timestamp())
    return int(np.quantile(times, cut, method="higher")) if 0 < cut < 1 else int(cut)
