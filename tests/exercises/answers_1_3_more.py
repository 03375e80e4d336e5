"""Further wrong answers for the exercises of chapter I.3, and right ones in other styles."""

from fractions import Fraction

import numpy as np

from answers_1_3 import als_step_ratings, ease, ease_with_diagonal, out_of_fold, ridge_with_intercept
from llmrec_ref.baselines import ridge

# 1.3.4


def median_as_target_mean(X, y, l2):
    centre = X.mean(axis=0)
    w = ridge(X - centre, y - np.median(y), l2)
    return w, np.median(y) - centre @ w


def standardised(X, y, l2):
    centre, spread = X.mean(axis=0), np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    w = ridge((X - centre) / spread, y - y.mean(), l2) / spread
    return w, y.mean() - centre @ w


def centred_in_place(X, y, l2):
    centre, mean = X.mean(axis=0), y.mean()
    X -= centre
    y -= mean
    w = ridge(X, y, l2)
    return w, mean - centre @ w


def centre_forgotten(X, y, l2):
    return ridge_with_intercept(X, y, l2)[0], y.mean()


def more_rows(X, y, l2):
    n, d = X.shape
    rows = np.block([[X, np.ones((n, 1))], [np.sqrt(l2) * np.eye(d), np.zeros((d, 1))]])
    *w, b = np.linalg.lstsq(rows, np.append(y, np.zeros(d)))[0]
    return [w, b]


def in_turns(X, y, l2):
    w, b = np.zeros(X.shape[1]), 0.0
    for _ in range(500):
        for j in range(len(w)):
            rest = y - b - X @ w + X[:, j] * w[j]
            w[j] = X[:, j] @ rest / (X[:, j] @ X[:, j] + l2)
        b = float(np.mean(y - X @ w))
    return w.tolist(), b


# 1.3.6


def zero_is_missing(R, G, l2):
    return als_step_ratings(np.where(R == 0, np.nan, R), G, l2)


def nan_replaced_in_place(R, G, l2):
    known = ~np.isnan(R)
    np.nan_to_num(R, copy=False)
    return np.stack([ridge(G[here], row[here], l2) for row, here in zip(R, known, strict=True)])


def mean_of_the_known(R, G, l2):
    found = als_step_ratings(R - np.nanmean(R), G, l2)
    return np.where(np.isfinite(found), found, 0)


def known_to_all(R, G, l2):
    here = ~np.isnan(R[1:]).any(axis=0)
    return np.vstack([0 * G[:1], ridge(G[here], R[1:, here].T, l2).T])


def minimum_norm(R, G, l2):
    return als_step_ratings(R, G, 1e-9)


def weighted(R, G, l2):
    known = ~np.isnan(R)
    rows = []
    for row, weight in zip(np.nan_to_num(R), known.astype(float), strict=True):
        rows.append(np.linalg.solve((G.T * weight) @ G + l2 * np.eye(G.shape[1]), G.T @ (weight * row)))
    return [list(row) for row in rows]


def all_users_at_once(R, G, l2):
    known = (~np.isnan(R)).astype(float)
    gram = np.einsum("ui,ik,il->ukl", known, G, G) + l2 * np.eye(G.shape[1])
    return np.linalg.solve(gram, (np.nan_to_num(R) @ G)[:, :, None])[:, :, 0]


# 1.3.7


def column_by_column(R, penalties):
    n = R.shape[1]
    W = np.zeros((n, n))
    for j in range(n):
        others = np.arange(n) != j
        gram = R[:, others].T @ R[:, others] + np.diag(penalties[others])
        W[others, j] = np.linalg.solve(gram, R[:, others].T @ R[:, j])
    return W.tolist()


def by_gradient(R, penalties):
    W, gram = np.zeros((R.shape[1], R.shape[1])), R.T @ R
    rate = 1 / (np.linalg.eigvalsh(gram).max() + penalties.max())
    for _ in range(2000):
        W -= rate * (gram @ W - gram + penalties[:, None] * W)
        np.fill_diagonal(W, 0)
    return W


def changes_the_gram(R, penalties):
    W = ease(R, penalties)
    R -= R.mean(axis=0)
    return W


# 1.3.8


def folds_from_zero(X, y, folds, l2):
    scores = np.zeros(len(y))
    for fold in range(len(np.unique(folds))):
        inside = folds == fold
        scores[inside] = X[inside] @ ridge(X[~inside], y[~inside], l2)
    return scores


def without_the_row_alone(X, y, folds, l2):
    return out_of_fold(X, y, np.arange(len(y)), l2)


def mean_of_the_other_models(X, y, folds, l2):
    models = {fold: ridge(X[folds == fold], y[folds == fold], l2) for fold in np.unique(folds)}
    others = [[w for fold, w in models.items() if fold != own] for own in folds]
    return np.array([x @ np.mean(w, axis=0) for x, w in zip(X, others, strict=True)])


def centred(X, y, folds, l2):
    return out_of_fold(X, y - y.mean(), folds, l2) + y.mean()


def penalty_for_all_rows(X, y, folds, l2):
    return out_of_fold(X, y, folds, l2 * len(y) / (len(y) - np.sum(folds == folds[0])))


def row_by_row(X, y, folds, l2):
    scores = []
    for x, fold in zip(X, folds, strict=True):
        others = [row for row in range(len(y)) if folds[row] != fold]
        scores.append(x @ ridge(X[others], y[others], l2))
    return scores


def in_the_dual(X, y, folds, l2):
    scores = np.zeros(len(y), np.float32)
    for fold in set(folds.tolist()):
        inside, outside = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        kernel = X[outside] @ X[outside].T + l2 * np.eye(len(outside))
        scores[inside] = X[inside] @ X[outside].T @ np.linalg.solve(kernel, y[outside])
    return scores


WRONG = {
    "1.3.1": [-1.5, 1, -3, -2.5, [-2], 5, "minus two", np.array([[1, 0], [2, -1]])],
    "1.3.2": [200, 0, 2.5, [2], -2, 25, 1.999],
    "1.3.3": [3.5, 12, [3], -3, 0, 2.999, 100],
    "1.3.4": [
        median_as_target_mean,
        standardised,
        centred_in_place,
        centre_forgotten,
        lambda X, y, l2: ridge_with_intercept(X, y, l2)[::-1],
        lambda X, y, l2: ridge_with_intercept(X, y, l2 * len(y)),
        lambda X, y, l2: ridge_with_intercept(X, y, 1.01 * l2),
        lambda X, y, l2: ridge_with_intercept(X, y, np.sqrt(l2)),
        lambda X, y, l2: np.append(*ridge_with_intercept(X, y, l2)),
        lambda X, y, l2: (ridge_with_intercept(X, y, l2)[0], np.array([ridge_with_intercept(X, y, l2)[1]])),
    ],
    "1.3.5": [7, 79, 3.5, -4, [4], 4.001, 60 * 80],
    "1.3.6": [
        zero_is_missing,
        nan_replaced_in_place,
        mean_of_the_known,
        known_to_all,
        minimum_norm,
        lambda R, G, l2: als_step_ratings(R, G, 2 * l2),
        lambda R, G, l2: als_step_ratings(R, G, l2)[1:],
        lambda R, G, l2: als_step_ratings(R, G, l2).round(1),
        lambda R, G, l2: als_step_ratings(np.where(R > 0, R, np.nan), G, l2),
    ],
    "1.3.7": [
        changes_the_gram,
        lambda R, penalties: ease(R, np.sqrt(penalties)),
        lambda R, penalties: ease(R, penalties[::-1]),
        lambda R, penalties: ease(R, 2 * penalties),
        lambda R, penalties: np.maximum(ease(R, penalties), 0),
        lambda R, penalties: ease(R - R.mean(axis=0), penalties),
        lambda R, penalties: ease(R, penalties).round(2),
        lambda R, penalties: (ease(R, penalties) + ease(R, penalties).T) / 2,
        lambda R, penalties: ease_with_diagonal(R, penalties) - np.eye(len(penalties)),
    ],
    "1.3.8": [
        folds_from_zero,
        without_the_row_alone,
        mean_of_the_other_models,
        centred,
        penalty_for_all_rows,
        lambda X, y, folds, l2: out_of_fold(X, y, np.roll(folds, 1), l2),
        lambda X, y, folds, l2: out_of_fold(X, y, folds, 1e-9),
        lambda X, y, folds, l2: y - out_of_fold(X, y, folds, l2),
        lambda X, y, folds, l2: out_of_fold(X, y, folds, l2)[:, None],
    ],
}

RIGHT = {
    "1.3.1": [np.array(-2), Fraction(-2), np.array([0.5, -1]) @ [[1, 0], [2, -1]] @ [2, 1], -2.0],
    "1.3.2": [np.int8(2), Fraction(2), np.array(2.0), len({"by b'g", "reversed"})],
    "1.3.3": [np.int64(3), Fraction(3), np.array(3.0), len({(1,), (3,), ()})],
    "1.3.4": [more_rows, in_turns],
    "1.3.5": [np.int8(4), Fraction(8, 2), np.array(4.0), np.linalg.matrix_rank(np.eye(4))],
    "1.3.6": [weighted, all_users_at_once],
    "1.3.7": [column_by_column, by_gradient],
    "1.3.8": [row_by_row, in_the_dual],
}
