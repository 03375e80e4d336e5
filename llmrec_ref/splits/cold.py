"""Items and users that training never meets."""

from dataclasses import dataclass, replace

import numpy as np

from llmrec_ref.splits.cuts import check_ties, hold_out_last
from llmrec_ref.splits.events import Events
from llmrec_ref.splits.parts import Part, Queries, Split


@dataclass(frozen=True)
class ColdItems:
    """What `cold_items` held out, and who is asked about it.

    Attributes:
        warm: A `Split` of the warm items alone, numbered in the whole catalogue: train
            on ``warm.train``; ``warm.validation`` and ``warm.test`` ask each user for
            the last warm item but one, and for the last. Cold items compete there
            unless ``candidates`` leaves them out.
        validation: `Part` about the first half of the cold items: for choosing.
        test: `Part` about the second half: for the report.
        validation_items: int64, the cold items of the first half, ascending.
        test_items: int64, those of the second half.
    """

    warm: Split
    validation: Part
    test: Part
    validation_items: np.ndarray
    test_items: np.ndarray

    def __repr__(self):
        numbers = f"{len(self.validation_items)} + {len(self.test_items)} cold items"
        parts = f"  validation={self.validation!r},\n  test={self.test!r},\n"
        return f"ColdItems({numbers},\n{parts}  warm={self.warm!r})"


def cold_items(dataset, share=0.1, seed=0, min_events=5, min_history=5, ties=None):
    """Hold items out of training and of all histories, as if they were new.

    Among the items with at least ``min_events`` interactions a share is drawn once, by
    seed, and split in halves: one for choosing settings, one for the report. What is
    left is warm. A query is each interaction with a cold item by a user with at least
    ``min_history`` warm interactions before it; its history is these warm ones, its
    only target the cold item, its time that of the interaction. Rank it among the cold
    items of its half (``evaluate(..., candidates=cold.test_items)``) and in the whole
    catalogue.

    The model may know the later warm interactions of the same user, and of others,
    as under `leave_one_out`. Cold items keep their numbers: the catalogue is
    whole, and whoever has an id table has rows in it that training never touches.

    Args:
        dataset: A `Dataset`.
        share: Of the items with enough interactions; rounded down to a whole number.
        seed: Of the draw, and of the item numbers.
        min_events: How many interactions an item needs to be drawn.
        min_history: How many warm interactions a query needs before it.
        ties: As in `leave_one_out`, for the last warm items.

    Returns:
        `ColdItems`. ``n_left_out`` of its parts counts the interactions with cold items
        of that half that have too short a history.

    Raises:
        ValueError: ``share`` is not between 0 and 1, fewer than two items are drawn,
            no query is left for a half, or as in `leave_one_out`.
    """
    check_ties(dataset, events := Events(dataset, seed), ties)
    counts = np.bincount(np.concatenate(events.items), minlength=events.n_items + 1)
    drawn = _draw(np.flatnonzero(counts >= min_events), share, seed, "item")
    halves = [np.sort(half) for half in np.split(drawn, [len(drawn) // 2])]
    is_cold = np.isin(np.arange(events.n_items + 1), drawn)
    asked = [_ask_about(events, half, is_cold, min_history) for half in halves]
    warm = hold_out_last(events.only(~is_cold), validation=True)
    return ColdItems(warm, *asked, *halves)


def cold_users(split, share=0.1, seed=0, among=None):
    """Hold users out of training and hide their histories, as if they were new.

    A share of the users that ``split.test`` asks about is drawn by seed. None of them
    is left in training. Half are asked about in validation, half in test, with
    the targets and times of the split and with empty histories: what remains is who
    they are, `Queries.users`. The others' queries are left out.

    Args:
        split: A `Split`, of `global_time` or `leave_one_out`.
        share: As in `cold_items`.
        seed: Of the draw.
        among: int array, row numbers of the users to draw from (those with
            demographics, say); default: all that test asks about.

    Returns:
        A `Split` with the same item numbers.

    Raises:
        ValueError: ``share`` is not between 0 and 1, or fewer than two users are drawn.
    """
    asked = split.test.queries.users
    pool = np.unique(asked if among is None else np.intersect1d(asked, among))
    drawn = _draw(pool[pool >= 0], share, seed, "user")
    halves = np.split(drawn, [len(drawn) // 2])
    stays = ~np.isin(split.train.queries.users, drawn)
    train = _rows(split.train, np.flatnonzero(stays))
    parts = zip((split.validation, split.test), halves, strict=True)
    found = [_rows(p, np.flatnonzero(np.isin(p.queries.users, h))) for p, h in parts]
    validation, test = (_without_histories(part) for part in found)
    return replace(split, train=train, validation=validation, test=test)


def _draw(pool, share, seed, kind):
    """Draw a share of the pool, int64, in random order."""
    if not 0 < share < 1:
        raise ValueError(f"share={share!r} must lie between 0 and 1, such as 0.1.")
    n = int(share * len(pool) + 1e-9)  # .1 * 30 is a little below 3
    if n < 2:
        raise ValueError(
            f"share={share} of {len(pool)} {kind}s is fewer than two, and each half "
            "needs one: raise it, or lower what is asked of them."
        )
    # a stream of its own: the seed alone numbers the items
    return np.random.default_rng([seed, 1]).permutation(pool)[:n].astype(np.int64)


def _ask_about(events, half, is_cold, min_history):
    """Make a query of each event of some cold items, with the warm ones before it."""
    histories, users, times, targets, n_short = [], [], [], [], 0
    for user, items in enumerate(events.items):
        warm = ~is_cold[items]
        n_before = np.cumsum(warm)
        for place in np.flatnonzero(np.isin(items, half)):
            if n_before[place] < max(1, min_history):
                n_short += 1
                continue
            histories.append(items[:place][warm[:place]])
            targets.append(items[[place]])
            users.append(user)
            times.append(events.times[user][place])
    if not users:
        raise ValueError(
            f"No event of {len(half)} cold items has {min_history} warm ones before "
            "it: lower min_history, or raise share."
        )
    queries = Queries(histories, np.array(users, np.int64), np.array(times, np.int64))
    return Part(queries, targets, events.repeats, events.n_items, n_short)


def _rows(part, rows):
    """Keep some queries of a part."""
    targets = [part.targets[row] for row in rows]
    return replace(part, queries=part.queries[rows], targets=targets)


def _without_histories(part):
    """Empty the histories of a part."""
    nothing = [np.empty(0, np.int64)] * len(part)
    return replace(part, queries=replace(part.queries, histories=nothing))
