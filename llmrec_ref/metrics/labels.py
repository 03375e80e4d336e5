"""Measures of scores against labels, yes or no."""

import numpy as np
from scipy.stats import rankdata

from llmrec_ref.metrics.resampling import draws, group_codes


def auc(scores, labels):
    """Area under the ROC curve: how often a yes has more than a no.

    Args:
        scores: Float (n,); a tie counts half.
        labels: (n,), 0 or 1, some of each.

    Returns:
        float64 in [0, 1].

    Raises:
        ValueError: The labels are all the same, not 0 or 1, or not as many as scores;
            or a score is NaN.
    """
    yes = _checked(scores, labels)
    n_yes, n_no = yes.sum(), (~yes).sum()
    return (rankdata(scores)[yes].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no)


def auc_interval(scores, labels, groups=None):
    """95 % percentile bootstrap interval of the area under the ROC curve.

    Pairs of one household are alike, so households are drawn, with all their pairs.

    Args:
        scores: Float (n,); or (n, m), m models that are resampled together.
        labels: As in `auc`.
        groups: As in `evaluate.bootstrap`.

    Returns:
        float64 (2,) or (2, m): low and high.

    Raises:
        ValueError: As in `auc`.
    """
    return _middle(_resampled(scores, labels, groups))


def auc_gain(scores, others, labels, groups=None):
    """How much higher the AUC is than that of other scores for the same pairs.

    Both are resampled together: what makes a household hard for both drops out.

    Args:
        scores: Float (n,) or (n, m).
        others: Of the same shape.
        labels: As in `auc`.
        groups: As in `evaluate.bootstrap`.

    Returns:
        float64 (3,) or (3, m): the gain, low and high (95 %).

    Raises:
        ValueError: As in `auc`, or the shapes differ.
    """
    pairs = [np.asarray(scores, float), np.asarray(others, float)]
    if pairs[0].shape != pairs[1].shape:
        raise ValueError(
            f"The scores have shapes {pairs[0].shape} and {pairs[1].shape}: compare "
            "one with one."
        )
    n = len(np.atleast_2d(pairs[0].T))  # columns of each
    both = _resampled(np.column_stack(pairs), labels, groups)
    found = np.stack([auc(one, labels) for one in np.column_stack(pairs).T])
    gain, resampled = found[:n] - found[n:], both[:, :n] - both[:, n:]
    rows = np.vstack([gain, _middle(resampled)])
    return rows[:, 0] if pairs[0].ndim == 1 else rows


def _checked(scores, labels):
    """Return where the labels say yes, bool (n,), or say what is wrong with them."""
    yes = np.asarray(labels) == 1
    if len(yes) != len(scores):
        raise ValueError(f"{len(scores)} scores and {len(yes)} labels: give one each.")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError("Labels must be 0 or 1: make them so, such as ratings > 3.")
    if np.isnan(scores).any():
        raise ValueError("A score is NaN: a diverged training, or a division by zero?")
    if yes.all() or not yes.any():
        raise ValueError(
            "The labels are all the same, so no pair can be told apart: take more."
        )
    return yes


def _middle(values):
    """The middle 95 %, of resamples that hold both labels."""
    return np.nanpercentile(values, [2.5, 97.5], axis=0)


def _resampled(scores, labels, groups):
    """AUC of each resample: float64 (RESAMPLES,), or (RESAMPLES, m)."""
    yes, codes = _checked(scores, labels), group_codes(groups, len(labels))
    columns = np.atleast_2d(np.asarray(scores, float).T)
    found = []
    for drawn in draws(codes.max() + 1):
        weights = drawn[:, codes].astype(float)
        found.append([_areas(column, yes, weights) for column in columns])
    areas = np.concatenate(found, axis=1).T
    return areas[:, 0] if np.ndim(scores) == 1 else areas


def _areas(scores, yes, weights):
    """AUC where pair i counts ``weights[r, i]`` times, for each row r; NaN: no area."""
    order = np.argsort(scores)
    ordered = scores[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # of ties
    weights, yes = weights[:, order], yes[order]
    of_yes = np.add.reduceat(weights * yes, starts, axis=1)
    of_no = np.add.reduceat(weights * ~yes, starts, axis=1)
    below = np.cumsum(of_no, axis=1) - of_no / 2
    n_pairs = of_yes.sum(axis=1) * of_no.sum(axis=1)
    return (of_yes * below).sum(axis=1) / np.where(n_pairs, n_pairs, np.nan)
