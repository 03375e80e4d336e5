"""What a split is made of: queries, and parts with their targets."""

from dataclasses import dataclass

import numpy as np


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
        times = "no times" if self.times is None else "times"
        return f"Queries({_lengths('histories', self.histories)}, {times})"

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
        targets: One 1-D int64 array of distinct items a query: the items to be found
            (empty in ``Split.train``, whose histories are the training sequences
            themselves).
        repeats: ``Dataset.repeats``: whether an item of the history may be a target.
        n_items: Size of the whole catalogue, or None where unknown.
        n_left_out: How many users are not asked about: those with fewer than three
            interactions (``leave_one_out``), or with targets but no history
            (``global_time``).
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
        counts = f"repeats={self.repeats}, n_left_out={self.n_left_out}"
        return f"Part({self.queries!r}, {targets}, {counts})"


@dataclass(frozen=True)
class Split:
    """Training, validation and test parts of one data set.

    Attributes:
        train: Its histories are the training sequences, one a user; its targets are
            empty.
        validation: For choosing settings; has no queries if the split was made without
            one.
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
        names = ("train", "validation", "test")
        parts = "".join(f"  {name}={getattr(self, name)!r},\n" for name in names)
        return f"Split(n_items={self.n_items},\n{parts})"

    def n_unseen_targets(self, part):
        """Count the targets that are nowhere in training; they stay in the metrics."""
        targets, _ = flatten(part.targets)
        trained_on, _ = flatten(self.train.queries.histories)
        return int((~np.isin(targets, trained_on)).sum())


def train_only(sequences, n_items):
    """Make a split of training sequences alone, for data that need no hidden targets.

    Args:
        sequences: 1-D int arrays, item numbers 1..n_items, oldest first; or an int
            array (n_users, length).
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
    item_ids = np.array([None, *range(1, n_items + 1)], dtype=object)
    return Split(train, nothing, nothing, n_items, item_ids)


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
        raise ValueError(
            f"Query {empty[0]} has an empty history: give it an item, or ask "
            "Popularity."
        )
    wrong = items[(items < 1) | (items > n_items)]
    if len(wrong):
        raise ValueError(
            f"{wrong[0]} is no item number: histories hold 1..{n_items}, see "
            "split.item_ids."
        )


def flatten(arrays):
    """Join 1-D int64 arrays end to end.

    Args:
        arrays: List of n arrays.

    Returns:
        ``(values, offsets)``, both int64: array i is
        ``values[offsets[i]:offsets[i + 1]]``.
    """
    offsets = np.zeros(len(arrays) + 1, np.int64)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    return np.concatenate([np.empty(0, np.int64), *arrays]), offsets


def _lengths(name, arrays):
    """Say how many arrays there are and how long: a repr for a screen."""
    lengths = [len(array) for array in arrays]
    return (
        f"{len(arrays):,} {name} of {min(lengths)} to {max(lengths)} items"
        if lengths
        else f"0 {name}"
    )
