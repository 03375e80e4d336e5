"""One protocol for every model: full ranking over the catalogue, pessimistic ties.

`rank_query` and `evaluate_query` are the protocol in plain lines, one query at a time;
`rank_targets` and `evaluate` are the same for a whole part, fast.
"""

import numbers

import numpy as np
import pandas as pd
from tqdm import tqdm

from llmrec_ref.metrics import METRICS, rank_queries, rank_query
from llmrec_ref.metrics.resampling import draws, group_codes
from llmrec_ref.splits import Part, flatten

SLICE_BYTES = 16 * 2**20  # of scores in float32; small slices stay near the processor


class NaNScore(ValueError):
    """A recommender's score is NaN."""


def evaluate_query(scores, targets, seen=(), ks=(1, 5, 10)):
    """Judge the scores of one query; `evaluate` gives the mean over all queries.

    Args:
        scores: As in `rank_query`.
        targets: As in `rank_query`; one at least that is not seen.
        seen: As in `rank_query`.
        ks: Lengths of the recommended list.

    Returns:
        Dict: as the columns of `evaluate`, floats.

    Raises:
        ValueError: No target is left, or ks are not as in `evaluate`.
    """
    ranks = rank_query(scores, targets, seen)
    ks = _checked_ks(ks, len(scores) - 1)
    values = _measure(ranks, [0, len(ranks)], ks)
    return {name: value[0] for name, value in values.items()}


def rank_targets(score, part, filter_seen=None, candidates=None):
    """Rank every target of a part among all eligible items, as `rank_query` does.

    Infinities are scores like others: -inf is the lowest (and ties with itself), +inf
    the highest.

    Args:
        score: A recommender, or its ``score``: takes `Queries`, returns a
            floating-point array (len(queries), n_items + 1). It is called in slices;
            column 0 is never looked at.
        part: A `Part` whose queries have at least one target each.
        filter_seen: Whether items of the history are not eligible, and dropped from the
            targets. Default: True unless ``part.repeats``.
        candidates: int array of distinct item numbers, such as the cold ones: no other
            item is eligible. A target that is none is refused, as no ranking among
            them could find it. Default: the whole catalogue.

    Returns:
        ``(ranks, offsets)``, int64: the ranks of query q's targets, 0 = best, are
        ``ranks[offsets[q]:offsets[q + 1]]``. There are offsets for every query of the
        part; a query whose targets are all dropped has an empty range, and
        ``np.unique(offsets)`` are those of the others.

    Raises:
        ValueError: ``part`` is no `Part` or has no queries, a query has no target, an
            item number is below 1, the scores have a wrong type or shape or hold NaN,
            the filter drops every target, ``candidates`` are no distinct item
            numbers, or a target is none of them.
    """
    n_items = _n_items(score, part)
    candidates = _checked_candidates(candidates, part, n_items)
    histories = part.queries.histories
    filter_seen = not part.repeats if filter_seen is None else filter_seen
    hidden = histories if filter_seen else [history[:0] for history in histories]
    if all(np.isin(*pair).all() for pair in zip(part.targets, hidden, strict=True)):
        raise ValueError(
            "Every target stands in its history, so nothing is left: pass filter_seen=False "
            "(command line: --repeats)."
        )
    # like lengths together: models then need little padding
    order = np.argsort([len(history) for history in histories], kind="stable")
    step = min(256, max(1, SLICE_BYTES // (4 * (n_items + 1))))
    found = []
    settings = dict(desc="evaluating", unit=" queries", delay=5, leave=False)
    with tqdm(total=len(part), **settings) as bar:
        for start in range(0, len(part), step):
            asked = order[start : start + step]
            scores = ask(score, part.queries[asked], n_items)
            targets = [part.targets[query] for query in asked]
            seen = [hidden[query] for query in asked]
            if candidates is not None:
                scores, targets, seen = _among(candidates, scores, targets, seen)
            rows, ranks = rank_queries(scores, targets, seen)
            found.append((asked[rows], ranks))
            bar.update(len(asked))
    queries, ranks = map(np.concatenate, zip(*found, strict=True))
    by_query = np.argsort(queries, kind="stable")
    return ranks[by_query], np.searchsorted(queries[by_query], np.arange(len(part) + 1))


def evaluate(score, part, ks=(1, 5, 10), filter_seen=None, ci=False, candidates=None):
    """Score every query of a part and average the metrics of `evaluate_query`.

    A progress bar shows on stderr after five seconds.

    Args:
        score: As in `rank_targets`.
        part: As in `rank_targets`.
        ks: Lengths of the recommended list, each at most the size of the catalogue, or
            the number of candidates.
        filter_seen: As in `rank_targets`.
        ci: Whether to add the columns ``HR@10_low``, ``HR@10_high`` and so on: a 95 %
            percentile bootstrap over the users (`RESAMPLES` resamples, seeded; the
            queries that one user has are drawn together, those of unknown users one by
            one).
        candidates: As in `rank_targets`.

    Returns:
        DataFrame with one row and the columns ``HR@k``, ``Recall@k``, ``Precision@k``,
        ``NDCG@k``, ``MRR@k``, ``MAP@k`` for each k, which lie in [0, 1]; last
        ``n_queries``, how many queries entered the means, and ``n_dropped``, how many
        targets the filter dropped.

    Raises:
        ValueError: As in `rank_targets`, or ``ks`` is no list of whole numbers from 1
            to the catalogue's size.
    """
    _check_type(part)
    ks = _checked_ks(ks, part.n_items if candidates is None else np.size(candidates))
    ranks, offsets = rank_targets(score, part, filter_seen, candidates)
    n_dropped = sum(map(len, part.targets)) - len(ranks)
    users = part.queries.users[np.diff(offsets) > 0]
    offsets = np.unique(offsets)  # of the queries that have a target left
    values = _measure(ranks, offsets, ks)
    intervals = bootstrap(np.stack(list(values.values()), axis=1), users) if ci else None
    row = {}
    for column, (name, value) in enumerate(values.items()):
        row[name] = value.mean()
        if ci:
            row[f"{name}_low"], row[f"{name}_high"] = intervals[:, column]
    return pd.DataFrame([row | {"n_queries": len(offsets) - 1, "n_dropped": n_dropped}])


def bootstrap(values, groups=None):
    """95 % percentile bootstrap interval of a mean.

    `RESAMPLES` times as many values are drawn with replacement; the interval holds the
    middle 95 % of their means. The draw is seeded. Paired differences between two
    models are values like others. (Efron, Annals of Statistics 7(1), 1979.)

    Args:
        values: Float (n,), one value a query, or (n, m): m columns resampled together.
        groups: int (n,): values of one group, such as those of one user, are drawn
            together or not at all; -1 is a group of its own each time. Default: every
            value by itself.

    Returns:
        float64 (2,) or (2, m): low and high.

    Raises:
        ValueError: No values, or NaN or infinity among them.
    """
    values = np.asarray(values, dtype=float)
    if not values.size or not np.isfinite(values).all():
        raise ValueError("bootstrap needs at least one value, and finite ones: drop queries without one.")
    sums, sizes = _by_group(values, groups)
    means = [((drawn @ sums).T / (drawn @ sizes)).T for drawn in draws(len(sums))]
    return np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)


def _by_group(values, groups):
    """Sum the values of each group, in order of its first value; and count them."""
    codes = group_codes(groups, len(values))
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums, np.bincount(codes)


def ask(score, queries, n_items):
    """Ask a recommender for scores, and check what it returns.

    Args:
        score: As in `rank_targets`.
        queries: `Queries`.
        n_items: Size of the catalogue.

    Returns:
        The scores as they are: floating point (len(queries), n_items + 1).

    Raises:
        ValueError: The scores have a wrong type or shape, or hold NaN beyond column 0.
    """
    scores = getattr(score, "score", score)(queries)
    dtype, shape = getattr(scores, "dtype", "no dtype"), (len(queries), n_items + 1)
    if not isinstance(scores, np.ndarray) or dtype.kind != "f":
        raise ValueError(
            "score must return a NumPy array of float32, but returned a "
            f"{type(scores).__name__} of {dtype}: convert it."
        )
    if scores.shape != shape:
        raise ValueError(
            f"score must return {shape}, a row a query, a column an item and column 0 "
            f"for padding, but returned {scores.shape}: was the model built for another "
            "catalogue?"
        )
    own = scores if scores.strides[0] else scores[:1]
    if np.isnan(own[:, 1:].min()):  # a minimum is NaN if any value is
        raise NaNScore("score returned NaN: a diverged training, or a division by zero?")
    return scores


def _measure(ranks, offsets, ks):
    """Return every metric for every k, by name: a value a query."""
    pairs = [(k, name) for k in ks for name in METRICS]
    return {f"{name}@{k}": METRICS[name](ranks, offsets, k) for k, name in pairs}


def _n_items(score, part):
    """Check a part; return the size of its catalogue, which else the scores know."""
    _check_type(part)
    if not len(part):
        raise ValueError(
            "The part has no queries: no user has three interactions, or the split has no validation."
        )
    targets, offsets = flatten(part.targets)
    if not np.diff(offsets).all():
        raise ValueError("A query has no target: evaluate split.validation or split.test, not split.train.")
    items = np.concatenate([targets, *part.queries.histories])
    n_items = part.n_items or int(items.max())
    if items.min() < 1 or items.max() > n_items:
        raise ValueError(f"Histories and targets must hold item numbers 1..{n_items}: see split.item_ids.")
    if part.n_items:
        return n_items
    scores = getattr(score, "score", score)(part.queries[:1])
    return max(n_items, np.atleast_1d(scores).shape[-1] - 1)


def _checked_candidates(candidates, part, n_items):
    """Check candidates against the catalogue and the targets; return them as int64."""
    if candidates is None:
        return None
    found = np.asarray(candidates)
    if found.ndim != 1 or found.dtype.kind not in "iu" or not len(found):
        raise ValueError("candidates must be item numbers, one at least, as a 1-D array of integers.")
    if found.min() < 1 or found.max() > n_items or len(np.unique(found)) < len(found):
        raise ValueError(f"candidates must be distinct item numbers 1..{n_items}: see split.item_ids.")
    lost = [query for query, targets in enumerate(part.targets) if not np.isin(targets, found).all()]
    if lost:
        raise ValueError(
            f"{len(lost)} queries, the first is {lost[0]}, have a target that is no candidate, so no ranking "
            "among the candidates finds it: add it to them, or leave these queries out."
        )
    return found.astype(np.int64)


def _among(candidates, scores, targets, seen):
    """Keep the candidates' columns of the scores, and number items by these columns."""
    places = np.zeros(scores.shape[1], np.int64)
    places[candidates] = np.arange(1, len(candidates) + 1)
    numbered = [[places[items] for items in lists] for lists in (targets, seen)]
    numbered[1] = [columns[columns > 0] for columns in numbered[1]]
    return scores[:, np.append(0, candidates)], *numbered


def _check_type(part):
    if not isinstance(part, Part):
        raise ValueError(
            f"A {type(part).__name__} is no part of a split: pass split.test or split.validation."
        )


def _checked_ks(ks, n_items):
    if not np.iterable(ks):
        raise ValueError(f"ks={ks!r}: give lengths as a list, such as ks=(5, 10).")
    ks, most = list(ks), n_items or np.inf
    if not all(isinstance(k, numbers.Integral) and 1 <= k <= most for k in ks):
        raise ValueError(f"ks={ks}: each must be a whole number from 1 to {most}, the catalogue's size.")
    return ks
