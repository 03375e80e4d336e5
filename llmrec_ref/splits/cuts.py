"""Where to cut: before each user's last items, or at two moments for all."""

import numbers

import numpy as np
import pandas as pd

from llmrec_ref.splits.events import Events


def leave_one_out(dataset, validation=True, seed=0, ties=None):
    """Hold out each user's last item for test, and the one before for validation.

    Training ends two items before the end, or one without validation. Users with fewer
    than three interactions are trained on, not tested. Other users' later events remain
    in training: see `leakage_report`.

    Args:
        dataset: A `Dataset`. Every interaction counts as positive, whatever its rating.
        validation: Whether to hold out the last but one item for validation.
        seed: Seed of the item numbers.
        ties: ``"source"`` lets the order of the source stand for time among equal
            timestamps. That is always done, but must be said where ``dataset.repeats``
            and last timestamps tie: baskets.

    Returns:
        A `Split` with one target a query; its time is the target's.

    Raises:
        ValueError: ``dataset.repeats``, last timestamps tie and ``ties`` is None; or an
            unknown ``ties``.
    """
    events = Events(dataset, seed)
    check_ties(dataset, events, ties)
    return hold_out_last(events, validation)


def hold_out_last(events, validation):
    """Hold out the last of each user's `Events`; see `leave_one_out`."""
    lengths = np.array([len(items) for items in events.items])
    tested = np.flatnonzero(lengths >= 3)
    n_short = np.count_nonzero((lengths > 0) & (lengths < 3))

    def held_out(back):
        """Ask for the last item, or for the one ``back`` places from the end."""
        targets = [events.items[user][[-back]] for user in tested]
        times = np.array([events.times[user][-back] for user in tested], np.int64)
        return events.part(tested, lengths - back, targets, times, n_short)

    nobody = np.empty(0, np.int64)
    nothing = events.part(nobody, lengths, times=nobody)
    n_train = lengths - np.where(lengths >= 3, 1 + validation, 0)
    return events.split(n_train, held_out(2) if validation else nothing, held_out(1))


def check_ties(dataset, events, ties):
    """Refuse baskets whose last items tie, unless told that the source orders them."""
    if ties not in (None, "source"):
        raise ValueError(f'ties={ties!r} is unknown: pass "source", or nothing.')
    last = [times[-2:] for times in events.times if len(times) >= 3]
    tied = sum(before == after for before, after in last)
    if dataset.repeats and tied and ties is None:
        raise ValueError(
            f"{dataset.name} holds baskets: for {tied} users no item is the last, as "
            "several share the last "
            'timestamp. Use global_time, or pass ties="source" to take the order of '
            "the source for time "
            "(command line: --split global-time or --split leave-one-out)."
        )


def global_time(dataset, validation_from=0.8, test_from=0.9, seed=0):
    """Cut all users at the same two moments: nothing is learned from the future.

    Training ends before ``validation_from``. A user's validation targets are the
    distinct items from then until before ``test_from``, test targets those from
    ``test_from`` on; the history is all the user did before that cut (for test, the
    validation window included). The prediction time is the cut. The events of a basket
    share one timestamp, so a cut never divides a basket. Users without history at a cut
    are left out and counted in ``Part.n_left_out``.

    Args:
        dataset: A `Dataset` with real times.
        validation_from: Where validation begins: a quantile of interaction time in (0,
            1), a number in the data set's time unit, or anything `pandas.Timestamp`
            reads (UTC unless it says otherwise). Equal to ``test_from``: no validation.
        test_from: Where test begins, likewise.
        seed: Seed of the item numbers.

    Returns:
        A `Split`; a query has one or several targets, in order of first occurrence.

    Raises:
        ValueError: ``dataset.time_unit`` is ``"steps"``, or the cuts are not in order
            within the data.
    """
    if dataset.time_unit == "steps":
        raise ValueError(
            f"{dataset.name} has no timestamps, only an order for each user: use "
            "leave_one_out (command line: --split leave-one-out)."
        )
    events = Events(dataset, seed)
    all_times = np.concatenate(events.times)
    first, second = (moment_of(cut, all_times) for cut in (validation_from, test_from))
    # validation would be empty without a word
    merged = first == second and validation_from != test_from
    if merged or not all_times.min() < first <= second <= all_times.max():
        raise ValueError(
            f"validation_from={validation_from!r} and test_from={test_from!r} mean "
            f"{first} and {second}, but must be in order, apart and within the "
            f"interactions ({all_times.min()} to {all_times.max()}): name other "
            "moments, or use leave_one_out with "
            'ties="source" '
            "(command line: --split leave-one-out)."
        )
    n_train, n_known = (count_before(cut, events.times) for cut in (first, second))
    n_all = np.array([len(items) for items in events.items])
    validation = ask_window(events, first, n_train, n_known)
    return events.split(n_train, validation, ask_window(events, second, n_known, n_all))


def ask_window(events, cut, starts, ends):
    """Ask at ``cut`` for each user's items ``starts[user]`` until ``ends[user]``."""
    active = ends > starts
    users = np.flatnonzero(active & (starts > 0))
    bought = [events.items[user][starts[user] : ends[user]] for user in users]
    targets = [_distinct(items) for items in bought]
    n_left_out = np.count_nonzero(active & (starts == 0))
    return events.part(users, starts, targets, np.full(len(users), cut), n_left_out)


def _distinct(items):
    """Keep the first of equal items, in order."""
    return np.array(list(dict.fromkeys(items.tolist())), dtype=np.int64)


def count_before(cut, times):
    """Count how many of each user's events lie before a moment."""
    return np.array([np.searchsorted(one, cut) for one in times])


def moment_of(cut, times):
    """Turn a quantile, a number or a date into the data set's time unit."""
    if not isinstance(cut, numbers.Real):
        return int(pd.Timestamp(cut).timestamp())
    return int(np.quantile(times, cut, method="higher")) if 0 < cut < 1 else int(cut)
