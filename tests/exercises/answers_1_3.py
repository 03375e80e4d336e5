"""Solutions and plausible wrong answers for the exercises of chapter I.3."""

import numpy as np

from llmrec_ref.baselines import ridge

# 1.3.4


def ridge_with_intercept(X, y, l2):
    centre = X.mean(axis=0)
    w = ridge(X - centre, y - y.mean(), l2)
    return w, y.mean() - centre @ w


def without_intercept(X, y, l2):
    return ridge(X, y, l2), 0.0


def penalised_intercept(X, y, l2):
    w = ridge(np.column_stack([X, np.ones(len(X))]), y, l2)
    return w[:-1], w[-1]


def mean_as_intercept(X, y, l2):
    return ridge(X, y - y.mean(), l2), y.mean()


def wrong_sign_of_the_centre(X, y, l2):
    w, _ = ridge_with_intercept(X, y, l2)
    return w, y.mean() + X.mean(axis=0) @ w


def without_penalty(X, y, l2):
    return ridge_with_intercept(X, y, 1e-9)


# 1.3.6


def als_step_ratings(R, G, l2):
    known = ~np.isnan(R)
    return np.stack([ridge(G[here], row[here], l2) for row, here in zip(R, known, strict=True)])


def missing_as_zero(R, G, l2):
    return ridge(G, np.nan_to_num(R).T, l2).T


def missing_as_mean(R, G, l2):
    return ridge(G, np.where(np.isnan(R), np.nanmean(R), R).T, l2).T


def gram_of_all_items(R, G, l2):
    gram = G.T @ G + l2 * np.eye(G.shape[1])
    return np.linalg.solve(gram, G.T @ np.nan_to_num(R).T).T


def penalty_times_count(R, G, l2):
    return np.stack([als_step_ratings(row[None], G, l2 * max(1, (~np.isnan(row)).sum()))[0] for row in R])


# 1.3.7


def ease(R, penalties):
    P = np.linalg.inv(R.T @ R + np.diag(penalties))
    W = -P / np.diag(P)
    np.fill_diagonal(W, 0)
    return W


def ease_with_diagonal(R, penalties):
    return np.linalg.solve(R.T @ R + np.diag(penalties), R.T @ R)


def ease_with_diagonal_struck_out(R, penalties):
    W = ease_with_diagonal(R, penalties)
    np.fill_diagonal(W, 0)
    return W


def ease_divided_by_rows(R, penalties):
    return ease(R, penalties).T


def ease_wrong_sign(R, penalties):
    return -ease(R, penalties)


def ease_one_penalty(R, penalties):
    return ease(R, np.full(len(penalties), penalties.mean()))


# 1.3.8


def out_of_fold(X, y, folds, l2):
    scores = np.empty(len(y))
    for fold in np.unique(folds):
        inside = folds == fold
        scores[inside] = X[inside] @ ridge(X[~inside], y[~inside], l2)
    return scores


def in_sample(X, y, folds, l2):
    return X @ ridge(X, y, l2)


def own_fold_only(X, y, folds, l2):
    scores = np.empty(len(y))
    for fold in np.unique(folds):
        inside = folds == fold
        scores[inside] = X[inside] @ ridge(X[inside], y[inside], l2)
    return scores


def only_earlier_folds(X, y, folds, l2):
    scores = np.zeros(len(y))
    for fold in np.unique(folds)[1:]:
        scores[folds == fold] = X[folds == fold] @ ridge(X[folds < fold], y[folds < fold], l2)
    return scores


def sorted_by_fold(X, y, folds, l2):
    return out_of_fold(X, y, folds, l2)[np.argsort(folds, kind="stable")]


SOLUTIONS = {
    "1.3.1": -2,
    "1.3.2": 2,
    "1.3.3": 3,
    "1.3.4": ridge_with_intercept,
    "1.3.5": 4,
    "1.3.6": als_step_ratings,
    "1.3.7": ease,
    "1.3.8": out_of_fold,
}

WRONG = {
    "1.3.1": [None, 3.0, 2, 0, -4, "-2", float("nan"), np.array([-1.5, 1])],
    "1.3.2": [None, 1, 3, 4, 50, "2"],
    "1.3.3": [None, 1, 2, 4, 10, "3"],
    "1.3.4": [
        lambda X, y, l2: None,
        lambda X, y, l2: ridge(X, y, l2),
        without_intercept,
        penalised_intercept,
        mean_as_intercept,
        wrong_sign_of_the_centre,
        without_penalty,
    ],
    "1.3.5": [None, 1, 2, 3, 5, 6, 60],
    "1.3.6": [
        lambda R, G, l2: None,
        lambda R, G, l2: R @ G,
        lambda R, G, l2: als_step_ratings(R, G, l2).T,
        lambda R, G, l2: -als_step_ratings(R, G, l2),
        missing_as_zero,
        missing_as_mean,
        gram_of_all_items,
        penalty_times_count,
    ],
    "1.3.7": [
        lambda R, penalties: None,
        ease_with_diagonal,
        ease_with_diagonal_struck_out,
        ease_divided_by_rows,
        ease_wrong_sign,
        ease_one_penalty,
    ],
    "1.3.8": [
        lambda X, y, folds, l2: None,
        lambda X, y, folds, l2: -out_of_fold(X, y, folds, l2),
        in_sample,
        own_fold_only,
        only_earlier_folds,
        sorted_by_fold,
    ],
}
