"""From scores to the ranks of the targets: in plain lines, and fast."""

import numpy as np

from llmrec_ref.splits import flatten


def rank_query(scores, targets, seen=()):
    """Rank the targets of one query among all eligible items.

    The rank of a target is the number of eligible items that score strictly higher,
    plus that of other eligible items, no targets of the query, that score the same:
    ties are pessimistic, and a constant scorer finds nothing. Targets that tie with
    each other take successive ranks, in their order.

    No seen item is eligible, a target neither: whoever already has it is not asked to
    find it. Sparing the target would tell a recommender the answer, as the only seen
    item left.

    Args:
        scores: Float (n_items + 1,), without NaN; entry 0 is not looked at.
        targets: Distinct item numbers.
        seen: Item numbers that are not eligible.

    Returns:
        int64, the ranks of the targets that are not seen, 0 = best.
    """
    targets = [item for item in targets if item not in seen]
    items = range(1, len(scores))
    rivals = [item for item in items if item not in seen and item not in targets]
    ranks = {}
    best_first = sorted(targets, key=lambda target: scores[target], reverse=True)
    for place, target in enumerate(best_first):
        ranks[target] = place + np.sum(scores[rivals] >= scores[target])
    return np.array([ranks[target] for target in targets], dtype=np.int64)


def rank_queries(scores, targets, seen):
    """Do as `rank_query` for many queries at once, and fast.

    Args:
        scores: Float (n, n_items + 1), a row a query.
        targets: n arrays of distinct item numbers.
        seen: n arrays of item numbers.

    Returns:
        ``(rows, ranks)``, int64: of every target that is not seen, query by query.
    """
    width = scores.shape[1]  # a row and an item are one number: row * width + item
    targets, seen = _pairs(targets, width), np.sort(_pairs(seen, width))
    seen = seen[np.diff(seen, prepend=-1) > 0]  # np.unique hashes first: takes longer
    targets = targets[~np.isin(targets, seen, assume_unique=True)]
    rows, items = np.divmod(targets, width)
    found = scores[rows, items]
    best_first = np.lexsort((-found, rows))
    places = np.empty_like(rows)  # among the targets of the query
    places[best_first] = np.arange(len(rows)) - np.searchsorted(rows, rows)
    # few items are no rivals: all are counted, then these are taken off
    other_rows, others = np.divmod(np.sort(np.append(targets, seen)), width)
    no_rivals = _split(scores[other_rows, others], other_rows, len(scores))
    bounds = _split(found, rows, len(scores))
    if scores.strides[0] == 0:  # one row for everybody, such as popularity
        counts = _count_at_least([scores[0, 1:]], [found])
    else:
        counts = _count_at_least(scores[:, 1:], bounds)
    return rows, places + counts - _count_at_least(no_rivals, bounds)


def _pairs(lists, width):
    """Return the rows and items of n arrays as numbers, row * width + item."""
    items, offsets = flatten(lists)
    return np.repeat(np.arange(len(lists)), np.diff(offsets)) * width + items


def _split(values, rows, n):
    """Divide values whose rows are in order into n arrays, one a row."""
    ends = np.searchsorted(rows, np.arange(n), side="right").tolist()
    return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _count_at_least(lists, bounds):
    """Count for each bound of a query the values of its list that are no lower."""
    counts = []
    for values, ours in zip(lists, bounds, strict=True):
        if len(ours) == 1:
            counts.append(np.count_nonzero(values >= ours[0]))
        elif len(ours):  # several share the work of sorting
            counts.extend(len(values) - np.searchsorted(np.sort(values), ours))
    return np.array(counts, dtype=np.int64)
