"""One protocol for every model: full ranking over the catalogue, pessimistic ties."""

import numbers
from dataclasses import replace

import numpy as np
import pandas as pd

from llmrec_ref.metrics import METRICS
from llmrec_ref.splits import flatten

RESAMPLES = 1000  # of the bootstrap
SLICE_BYTES = 16 * 2**20  # of one slice of scores in float32; small slices stay near the processor


def rank_targets(score, part, filter_seen=None):
    """Rank every target among all eligible items.

    The rank of a target is the number of eligible items that score strictly higher, plus that of other
    eligible items, no targets of the query, that score the same: ties are pessimistic, and a constant
    scorer finds nothing. Targets that tie with each other take successive ranks, in any order.

    Infinities are scores like others: -inf is the lowest (and ties with itself), +inf the highest.

    Args:
        score: A recommender, or its ``score``: takes `Queries`, returns a floating-point array
            (len(queries), n_items + 1). It is called in slices; column 0 is never looked at.
        part: A `Part` whose queries have at least one target each.
        filter_seen: Whether items of the history, other than the targets, are not eligible. Default:
            True unless ``part.repeats``.

    Returns:
        ``(ranks, offsets)``, int64: the ranks of query q's targets, 0 = best, are
        ``ranks[offsets[q]:offsets[q + 1]]``.

    Raises:
        ValueError: The part has no queries, a query has no target, an item number is below 1, or the
            scores have a wrong type or shape or hold NaN.
    """
    return _rank(score, part, filter_seen)[:2]


def evaluate(score, part, ks=(1, 5, 10), filter_seen=None, ci=False):
    """Score every query of a part and average the metrics.

    Args:
        score: As in `rank_targets`.
        part: As in `rank_targets`.
        ks: Lengths of the recommended list, each at most the size of the catalogue.
        filter_seen: As in `rank_targets`.
        ci: Whether to add the columns ``HR@10_low``, ``HR@10_high`` and so on: a 95 % percentile
            bootstrap over the users (`RESAMPLES` resamples of the queries, one query a user, seeded).

    Returns:
        DataFrame with one row and the columns ``HR@k``, ``Recall@k``, ``Precision@k``, ``NDCG@k``,
        ``MRR@k``, ``MAP@k`` for each k; all lie in [0, 1].

    Raises:
        ValueError: As in `rank_targets`, or a k is not a whole number from 1 to the catalogue's size.
    """
    ranks, offsets, n_items = _rank(score, part, filter_seen, ks)
    values = {f"{name}@{k}": metric(ranks, offsets, k) for k in ks for name, metric in METRICS.items()}
    row = {}
    intervals = bootstrap(np.stack(list(values.values()), axis=1)).T if ci else np.empty((len(values), 0))
    for (name, value), interval in zip(values.items(), intervals, strict=True):
        row[name] = value.mean()
        row |= {name + end: bound for end, bound in zip(("_low", "_high"), interval, strict=False)}
    return pd.DataFrame([row])


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
    part = replace(part, queries=part.queries[order], targets=[part.targets[row] for row in order])
    targets, offsets = flatten(part.targets)
    seen, seen_offsets = flatten(part.queries.histories)
    n_items = _check_part(part, targets, offsets, seen)
    step = min(256, max(1, SLICE_BYTES // (4 * (n_items + 1))))
    ranks = []
    for start in range(0, len(part), step):  # like lengths together: models then need little padding
        queries = part.queries[start : start + step]
        stop = start + len(queries)
        scores = score(queries)
        if start == 0:
            n_items = part.n_items or max(n_items, np.size(scores) // len(queries) - 1)
            _check_ks(ks, n_items)
        _check_scores(scores, (stop - start, n_items + 1))
        rows = np.repeat(np.arange(stop - start), np.diff(offsets[start : stop + 1]))
        hidden = np.repeat(np.arange(stop - start), np.diff(seen_offsets[start : stop + 1]))
        hidden = (hidden, seen[seen_offsets[start] : seen_offsets[stop]]) if filter_seen else ([], [])
        ranks.append(_rank_slice(scores, rows, targets[offsets[start] : offsets[stop]], hidden))
    ranks = np.split(np.concatenate(ranks), offsets[1:-1])
    return *flatten([ranks[row] for row in np.argsort(order)]), n_items


def _rank_slice(scores, rows, targets, hidden):
    found = scores[rows, targets]
    others = scores.copy()  # NaN for what is no rival of a target: NaN is never >= anything
    others[:, 0] = others[rows, targets] = others[hidden] = np.nan
    order = np.lexsort((-found, rows))
    better_targets = np.empty(len(rows), np.int64)
    better_targets[order] = np.arange(len(rows)) - np.searchsorted(rows, rows)
    return better_targets + _count_at_least(others, rows, found)


def _count_at_least(others, rows, bounds):
    """Count the values >= bounds[i] in row rows[i] of others, whose order is lost."""
    if len(rows) == len(others):  # one target a query
        return np.count_nonzero(others >= bounds[:, None], axis=1)
    others.sort(axis=1)  # NaN last
    valid = np.count_nonzero(others == others, axis=1)[rows]
    low, high = np.zeros_like(valid), valid
    for _ in range(others.shape[1].bit_length()):  # bisects for all targets at once
        middle = (low + high) // 2
        below = others[rows, middle] < bounds
        low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
    return valid - low


def _check_part(part, targets, offsets, seen):
    if not len(part):
        raise ValueError("The part has no queries: split with validation, or give users three interactions.")
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
    if np.isnan(scores[:, 1:].min()):  # a minimum is NaN if any value is
        raise ValueError("score returned NaN: look for a diverged training or a division by zero.")
