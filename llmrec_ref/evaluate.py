"""One protocol for every model: full ranking over the catalogue, pessimistic ties."""

import numbers

import numpy as np
import pandas as pd
from tqdm import tqdm

from llmrec_ref.metrics import METRICS
from llmrec_ref.splits import flatten

RESAMPLES = 1000  # of the bootstrap
SLICE_BYTES = 16 * 2**20  # of one slice of scores in float32; small slices stay near the processor


def rank_targets(score, part, filter_seen=None):
    """Rank every target among all eligible items.

    The rank of a target is the number of eligible items that score strictly higher, plus that of other
    eligible items, no targets of the query, that score the same: ties are pessimistic, and a constant
    scorer finds nothing. Targets that tie with each other take successive ranks, in any order.

    With ``filter_seen`` no item of the history is eligible, a target neither: whoever already has it is not
    asked to find it. Sparing the target would tell a recommender the answer, as the only seen item left.

    Infinities are scores like others: -inf is the lowest (and ties with itself), +inf the highest.

    Args:
        score: A recommender, or its ``score``: takes `Queries`, returns a floating-point array
            (len(queries), n_items + 1). It is called in slices; column 0 is never looked at.
        part: A `Part` whose queries have at least one target each.
        filter_seen: Whether items of the history are not eligible, and dropped from the targets. Default:
            True unless ``part.repeats``.

    Returns:
        ``(ranks, offsets)``, int64: the ranks of query q's targets, 0 = best, are
        ``ranks[offsets[q]:offsets[q + 1]]``. There are offsets for every query of the part; a query whose
        targets are all dropped has an empty range, and ``np.unique(offsets)`` are those of the others.

    Raises:
        ValueError: The part has no queries, a query has no target, an item number is below 1, the
            scores have a wrong type or shape or hold NaN, or the filter drops every target.
    """
    return _rank(score, part, filter_seen)


def evaluate(score, part, ks=(1, 5, 10), filter_seen=None, ci=False):
    """Score every query of a part and average the metrics.

    A progress bar shows on stderr after five seconds.

    Args:
        score: As in `rank_targets`.
        part: As in `rank_targets`.
        ks: Lengths of the recommended list, each at most the size of the catalogue.
        filter_seen: As in `rank_targets`.
        ci: Whether to add the columns ``HR@10_low``, ``HR@10_high`` and so on: a 95 % percentile
            bootstrap over the users (`RESAMPLES` resamples of the queries that have a target left, one query
            a user, seeded).

    Returns:
        DataFrame with one row and the columns ``HR@k``, ``Recall@k``, ``Precision@k``, ``NDCG@k``,
        ``MRR@k``, ``MAP@k`` for each k, which lie in [0, 1]; last ``n_queries``, how many queries entered
        the means, and ``n_dropped``, how many targets the filter dropped.

    Raises:
        ValueError: As in `rank_targets`, or a k is not a whole number from 1 to the catalogue's size.
    """
    ranks, offsets = _rank(score, part, filter_seen, ks)
    n_dropped = sum(map(len, part.targets)) - len(ranks)
    offsets = np.unique(offsets)  # of the queries that have a target left
    values = {f"{name}@{k}": metric(ranks, offsets, k) for k in ks for name, metric in METRICS.items()}
    row = {}
    intervals = bootstrap(np.stack(list(values.values()), axis=1)).T if ci else np.empty((len(values), 0))
    for (name, value), interval in zip(values.items(), intervals, strict=True):
        row[name] = value.mean()
        row |= {name + end: bound for end, bound in zip(("_low", "_high"), interval, strict=False)}
    return pd.DataFrame([row | {"n_queries": len(offsets) - 1, "n_dropped": n_dropped}])


def bootstrap(values):
    """95 % percentile bootstrap interval of a mean (Efron, Annals of Statistics 7(1), 1979).

    `RESAMPLES` times as many values are drawn with replacement; the interval holds the middle 95 % of their
    means. The draw is seeded. Paired differences between two models are values like others.

    Args:
        values: Float (n,), one value a query, or (n, m): m columns resampled together.

    Returns:
        float64 (2,) or (2, m): low and high.

    Raises:
        ValueError: No values, or NaN or infinity among them.
    """
    values = np.asarray(values, dtype=float)
    if not values.size or not np.isfinite(values).all():
        raise ValueError("bootstrap needs at least one value, and finite ones: drop queries without a value.")
    generator, n = np.random.default_rng(0), len(values)
    means = []
    for _ in range(20):  # in slices, which keep the weights small
        drawn = generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES // 20)  # how often each query is
        means.append(drawn @ values / n)
    return np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)


def _rank(score, part, filter_seen, ks=()):
    score = getattr(score, "score", score)
    filter_seen = not part.repeats if filter_seen is None else filter_seen
    order = np.argsort([len(history) for history in part.queries.histories], kind="stable")
    queries = part.queries[order]  # like lengths together: models then need little padding
    targets, offsets = flatten([part.targets[row] for row in order])
    seen, seen_offsets = flatten(queries.histories)
    n_items = _check_part(part, targets, offsets, seen)
    width = n_items + 1  # a query and an item are one number: row * width + item
    wanted = np.repeat(np.arange(len(part)), np.diff(offsets)) * width + targets
    hidden = np.repeat(np.arange(len(part)), np.diff(seen_offsets)) * width + seen
    hidden = np.sort(hidden if filter_seen else hidden[:0])
    hidden = hidden[np.diff(hidden, prepend=0) > 0]  # np.unique hashes first, which takes longer
    wanted = wanted[np.searchsorted(hidden, wanted) == np.searchsorted(hidden, wanted, side="right")]
    if not len(wanted):
        raise ValueError(
            "Every target stands in its history, so nothing is left: pass filter_seen=False "
            "(command line: --repeats)."
        )
    step = min(256, max(1, SLICE_BYTES // (4 * width)))
    ranks = []
    with tqdm(total=len(part), desc="evaluating", unit=" queries", delay=5, leave=False) as bar:
        for start in range(0, len(part), step):
            asked = queries[start : start + step]
            scores = score(asked)
            if start == 0:
                n_items = part.n_items or max(n_items, np.size(scores) // len(asked) - 1)
                _check_ks(ks, n_items)
            _check_scores(scores, (len(asked), n_items + 1))
            ends = [start * width, (start + len(asked)) * width]
            among, others = (
                np.divmod(pairs[slice(*np.searchsorted(pairs, ends))] - ends[0], width)
                for pairs in (wanted, hidden)
            )
            ranks.append(_rank_slice(scores, among, others))
            bar.update(len(asked))
    offsets = np.searchsorted(wanted, np.arange(len(part) + 1) * width)
    ranks = np.split(np.concatenate(ranks), offsets[1:-1])
    return flatten([ranks[row] for row in np.argsort(order)])


def _rank_slice(scores, targets, hidden):
    """Rank targets; both they and what is hidden are (rows, items), and no item is both."""
    rows, found = targets[0], scores[targets]
    order = np.lexsort((-found, rows))
    better_targets = np.empty(len(rows), np.int64)
    better_targets[order] = np.arange(len(rows)) - np.searchsorted(rows, rows)
    rivals = _count_at_least(scores[:, 1:], rows, found)
    for no_rivals in (targets, hidden):
        rivals -= _count_among(no_rivals[0], scores[no_rivals], rows, found)
    return better_targets + rivals


def _count_at_least(scores, rows, bounds):
    """Count the scores >= bounds[i] in row rows[i]."""
    if scores.strides[0] == 0:  # one row for everybody, such as popularity
        scores, rows = scores[:1], np.zeros_like(rows)
    elif (np.diff(rows) > 0).all():  # at most one target a query
        scores = scores if len(rows) == len(scores) else scores[rows]
        return np.count_nonzero(scores >= bounds[:, None], axis=1)
    scores = np.sort(scores, axis=1)
    low, high = np.zeros_like(rows), np.full_like(rows, scores.shape[1])
    for _ in range(scores.shape[1].bit_length()):  # bisects for all targets at once
        middle = (low + high) // 2
        below = scores[rows, np.minimum(middle, scores.shape[1] - 1)] < bounds
        low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
    return scores.shape[1] - low


def _count_among(rows, values, bound_rows, bounds):
    """Count the values >= bounds[i] among those whose row is bound_rows[i]; rows are in order."""
    is_bound = np.repeat([False, True], [len(values), len(bounds)])
    order = np.lexsort((is_bound, -np.append(values, bounds), np.append(rows, bound_rows)))
    counted, is_bound = np.cumsum(~is_bound[order]), is_bound[order]
    counts = np.empty(len(bounds), np.int64)
    counts[order[is_bound] - len(values)] = counted[is_bound]
    return counts - np.searchsorted(rows, bound_rows)


def _check_part(part, targets, offsets, seen):
    if not len(part):
        raise ValueError(
            "The part has no queries: no user has three interactions, or the split has no validation."
        )
    if not np.diff(offsets).all():
        raise ValueError("A query has no target: evaluate split.validation or split.test, not split.train.")
    largest = max(targets.max(), seen.max(initial=1))
    n_items = part.n_items or int(largest)
    if min(targets.min(), seen.min(initial=1)) < 1 or largest > n_items:
        raise ValueError(f"Histories and targets must hold item numbers 1..{n_items}: see split.item_ids.")
    return n_items


def _check_ks(ks, n_items):
    if not all(isinstance(k, numbers.Integral) and 1 <= k <= n_items for k in ks):
        raise ValueError(f"ks={ks}: each must be a whole number from 1 to {n_items}, the catalogue's size.")


def _check_scores(scores, shape):
    if not isinstance(scores, np.ndarray) or not np.issubdtype(scores.dtype, np.floating):
        found = f"{type(scores).__name__} of {getattr(scores, 'dtype', 'no dtype')}"
        raise ValueError(f"score must return a NumPy array of float32, but returned a {found}: convert it.")
    if scores.shape != shape:
        raise ValueError(
            f"score must return {shape}, a row a query, a column an item and column 0 for padding, but "
            f"returned {scores.shape}: was the model built for another catalogue?"
        )
    own = scores if scores.strides[0] else scores[:1]
    if np.isnan(own[:, 1:].min()):  # a minimum is NaN if any value is
        raise ValueError("score returned NaN: look for a diverged training or a division by zero.")
