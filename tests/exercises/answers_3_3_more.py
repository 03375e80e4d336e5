"""Further wrong answers for the exercises of chapter III.3, and right ones in other styles."""

import math
from fractions import Fraction

import numpy as np
from scipy.special import softmax

from answers_3_3 import GAINS, item_table, newest_mean, out_of_fold, softmax_of_seen

# 3.3.3


def by_loops(Z, histories, n):
    found = []
    for history in histories:
        total = sum(Z[item] for item in list(history)[-n:])
        found.append((total / math.sqrt(total @ total)).tolist())
    return found


def by_sums(Z, histories, n):
    counts = np.array([np.bincount(history[-n:], minlength=len(Z)) for history in histories])
    sums = counts @ Z  # as long a vector, in the same direction as the mean
    return sums / np.sqrt((sums**2).sum(axis=1))[:, None]


def with_padding(Z, histories, n):
    return newest_mean(Z - Z[1:].mean(axis=0), histories, n)


def one_norm_for_all(Z, histories, n):
    means = np.array([Z[history[-n:]].mean(axis=0) for history in histories])
    return means / np.linalg.norm(means)


def one_too_many(Z, histories, n):
    return newest_mean(Z, histories, n + 1)


def normalised_before(Z, histories, n):
    lengths = np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-9)
    return newest_mean(Z / lengths, histories, n)


def without_the_newest(Z, histories, n):
    return newest_mean(Z, [history[:-1] if len(history) > 1 else history for history in histories], n)


# 3.3.4


def pair_by_fold(R, folds, fit):
    scores = np.array(R, float)
    for fold in set(folds.ravel().tolist()):
        hidden = R.copy()
        hidden[folds == fold] = 0
        scores[folds == fold] = np.asarray(fit(hidden))[folds == fold]
    return scores.tolist()


def all_fits_first(R, folds, fit):
    fits = np.stack([fit(R * (folds != fold)) for fold in range(folds.max() + 1)])
    return np.take_along_axis(fits, folds[None], axis=0)[0]


def one_fit_a_pair(R, folds, fit):
    found = np.zeros_like(R)
    for u, i in np.ndindex(*R.shape):
        found[u, i] = fit(np.where(folds == folds[u, i], 0, R))[u, i]
    return found


def all_ones_hidden(R, folds, fit):
    return fit(np.zeros_like(R))


def only_where_one(R, folds, fit):
    return out_of_fold(R, folds, fit) * R


def one_pair_hidden(R, folds, fit):
    found = np.zeros_like(R)
    for u, i in np.ndindex(*R.shape):
        hidden = R.copy()
        hidden[u, i] = 0
        found[u, i] = fit(hidden)[u, i]
    return found


def changes_its_input(R, folds, fit):
    R[folds == 0] = 0
    return out_of_fold(R, folds, fit)


# 3.3.5


def row_by_row(Z, A, a, E, seen):
    return [(A @ z + a + e * known).tolist() for z, e, known in zip(Z, E, seen, strict=True)]


def by_products(Z, A, a, E, seen):
    return np.einsum("df,nf->nd", A, Z) + a[None] + np.diag(seen.astype(float)) @ E


def upside_down(Z, A, a, E, seen):
    return item_table(Z, A, a, E, ~seen)


def only_the_seen(Z, A, a, E, seen):
    return item_table(Z, A, a, E, seen) * seen[:, None]


def offset_twice(Z, A, a, E, seen):
    return item_table(Z, A, a, E, seen) + a


def mean_of_both(Z, A, a, E, seen):
    return np.where(seen[:, None], (Z @ A.T + a + E) / 2, Z @ A.T + a)


def not_transposed(Z, A, a, E, seen):
    return item_table(Z, A[::-1], a, E, seen)


# 3.3.6


def by_scipy(logits, seen):
    return softmax(np.where(seen, logits, -np.inf), axis=1)


def of_the_seen_columns(logits, seen):
    found = np.zeros(logits.shape)
    found[:, seen] = softmax(logits[:, seen], axis=1)
    return found.tolist()


def of_the_unseen(logits, seen):
    return softmax_of_seen(logits, ~seen) if (~seen).any() else softmax_of_seen(logits, seen) * 0


def columns_left_out(logits, seen):
    return softmax(logits[:, seen], axis=1)


def over_the_rows(logits, seen):
    return softmax(np.where(seen, logits, -1e300), axis=0)


def logarithms(logits, seen):
    return np.log(np.maximum(softmax_of_seen(logits, seen), 1e-300))


def a_little_for_all(logits, seen):
    return softmax(np.where(seen, logits, -5), axis=1)


WRONG = {
    "3.3.1": [1, math.sqrt(2), 0.5, -0.98995, [0.98995]],
    "3.3.2": [GAINS[-1] / 40, 0.1, GAINS.sum() / 10, 10 / 39, [0.1136]],
    "3.3.3": [with_padding, one_norm_for_all, one_too_many, normalised_before, without_the_newest],
    "3.3.4": [one_fit_a_pair, all_ones_hidden, only_where_one, one_pair_hidden, changes_its_input],
    "3.3.5": [upside_down, only_the_seen, offset_twice, mean_of_both, not_transposed],
    "3.3.6": [of_the_unseen, columns_left_out, over_the_rows, logarithms, a_little_for_all],
}

RIGHT = {
    "3.3.1": [0.98995, 7 * math.sqrt(2) / 10, np.array(0.7) / np.sqrt(0.5)],
    "3.3.2": [
        0.11359,
        sum(1 / math.log2(place + 1) for place in range(1, 11)) / 40,
        Fraction(11359, 100_000),
    ],
    "3.3.3": [by_loops, by_sums],
    "3.3.4": [pair_by_fold, all_fits_first],
    "3.3.5": [row_by_row, by_products],
    "3.3.6": [by_scipy, of_the_seen_columns],
}
