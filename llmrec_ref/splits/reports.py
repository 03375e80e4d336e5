"""What a split or a part holds: leaks from the future, new and repeated targets."""

from dataclasses import replace

import numpy as np
import pandas as pd

from llmrec_ref.splits.events import Events
from llmrec_ref.splits.parts import flatten


def by_novelty(part):
    """Divide a part's targets into those new to the user and those met before.

    The ranking stays one and the same unless `evaluate` is told otherwise: a repeat
    target may stand above a new one.

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
        kept_targets = [targets[row] for row in kept]
        return replace(part, queries=part.queries[kept], targets=kept_targets)

    return only(~repeated), only(repeated)


def leakage_report(dataset, split):
    """Say how much of the data lies in the future of a test query.

    Args:
        dataset: The `Dataset` that was split; needs real times.
        split: The `Split` made from it.

    Returns:
        DataFrame with the rows ``training interactions`` and ``all interactions`` and
        the columns ``median``, ``mean``, ``max`` over test queries: the share of these
        interactions that happens after the query's prediction time.

    Raises:
        ValueError: The data set knows no times, or the split has no test query.
    """
    if dataset.time_unit == "steps":
        raise ValueError(
            f"{dataset.name} has no timestamps, so nobody can say what leaks."
        )
    if not len(split.test):
        raise ValueError(
            "The split has no test query: it needs users with at least three "
            "interactions."
        )
    times = Events(dataset, seed=0).times
    train = split.train.queries
    trained_on = zip(train.users, train.histories, strict=True)
    kinds = {
        "training interactions": [
            times[user][: len(history)] for user, history in trained_on
        ],
        "all interactions": times,
    }
    shares = {}
    for name, lists in kinds.items():
        moments = np.sort(np.concatenate(lists))
        until = np.searchsorted(moments, split.test.queries.times, side="right")
        after = 1 - until / len(moments)
        shares[name] = {
            "median": np.median(after),
            "mean": after.mean(),
            "max": after.max(),
        }
    return pd.DataFrame.from_dict(shares, orient="index")
