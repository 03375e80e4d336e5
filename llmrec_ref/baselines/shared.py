"""What baselines share: counts, the user-item matrix, scores by contract."""

import numpy as np
import scipy.sparse as sp

from llmrec_ref.splits import flatten


def check_positive(**settings):
    """Refuse a setting that is not above 0, by its name."""
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"{name}={value}: it must be positive.")


def count_items(split):
    """How often each item stands in training: int64 (n_items + 1,)."""
    items, _ = flatten(split.train.queries.histories)
    return np.bincount(items, minlength=split.n_items + 1)


def user_item(queries, n_items):
    """Whether a history holds an item: ones, float64 CSR (queries, n_items + 1)."""
    items, offsets = flatten(queries.histories)
    shape = (len(queries), n_items + 1)
    seen = sp.csr_array((np.ones(len(items)), items, offsets), shape=shape)
    seen.sum_duplicates()
    seen.data[:] = 1
    return seen


def as_scores(scores):
    """Return a matrix as the scores of the contract: float32, column 0 = -inf.

    It is float64 until here: what differs only by the order of summation rounds to the
    same float32.
    """
    scores = scores.astype(np.float32)
    scores[:, 0] = -np.inf
    return scores


def finite_matrix(features):
    """Return features as float64 (n, d), or refuse them."""
    features = np.asarray(features, dtype=float)
    if features.ndim != 2 or not np.isfinite(features).all():
        raise ValueError(
            f"Features must be a finite matrix, not {features.shape}: look for NaN, "
            "infinity or None."
        )
    return features


def check_shape(name, found, expected):
    """Refuse a matrix whose shape does not suit the others."""
    if found != expected:
        raise ValueError(
            f"The {name} have the shape {found}, but the other arguments need "
            f"{expected}."
        )


def feature_table(features):
    """Return a copy of features as float64 (n_items + 1, d), row 0 zeros."""
    features = np.array(features, dtype=float, ndmin=1)  # a copy
    features[:1] = 0  # padding
    return finite_matrix(features)


def check_rows(features, n_items):
    """Refuse features that have not a row for each item and padding."""
    if len(features) != n_items + 1:
        raise ValueError(
            f"Features have {len(features)} rows, but {n_items} items and padding need "
            f"{n_items + 1}."
        )


def history_means(queries, items):
    """Mean of the features of each history, an item as often as it stands there.

    Args:
        queries: `Queries` without empty histories.
        items: Float (n_items + 1, d).

    Returns:
        The means, float64 (len(queries), d).
    """
    numbers, offsets = flatten(queries.histories)
    shape = (len(queries), len(items))
    counts = sp.csr_array((np.ones(len(numbers)), numbers, offsets), shape=shape)
    return counts @ items / np.diff(offsets)[:, None]
