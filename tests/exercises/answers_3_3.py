"""Solutions and plausible wrong answers for the exercises of chapter III.3."""

import numpy as np

GAINS = 1 / np.log2(np.arange(10) + 2)

# 3.3.3


def newest_mean(Z, histories, n):
    means = np.array([Z[history[-n:]].mean(axis=0) for history in histories])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def oldest_mean(Z, histories, n):
    return newest_mean(Z, [history[:n] for history in histories], n)


def not_of_length_1(Z, histories, n):
    return np.array([Z[history[-n:]].mean(axis=0) for history in histories])


def all_of_it(Z, histories, n):
    return newest_mean(Z, histories, 1000)


# 3.3.4


def out_of_fold(R, folds, fit):
    scores = np.zeros_like(R)
    for fold in np.unique(folds):
        scores = np.where(folds == fold, fit(np.where(folds == fold, 0, R)), scores)
    return scores


def in_fold(R, folds, fit):
    return fit(R)


def fitted_to_its_own_fold(R, folds, fit):
    scores = np.zeros_like(R)
    for fold in np.unique(folds):
        scores = np.where(folds == fold, fit(np.where(folds == fold, R, 0)), scores)
    return scores


def mean_of_all_fits(R, folds, fit):
    return np.mean([fit(np.where(folds == fold, 0, R)) for fold in np.unique(folds)], axis=0)


# 3.3.5


def item_table(Z, A, a, E, seen):
    return Z @ A.T + a + np.where(seen[:, None], E, 0)


def id_for_all(Z, A, a, E, seen):
    return Z @ A.T + a + E


def text_only_where_unseen(Z, A, a, E, seen):
    return np.where(seen[:, None], E, Z @ A.T + a)


def without_the_offset(Z, A, a, E, seen):
    return Z @ A.T + np.where(seen[:, None], E, 0)


# 3.3.6


def softmax_of_seen(logits, seen):
    low = np.where(seen, logits, -np.inf)
    p = np.exp(low - low.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def masked_afterwards(logits, seen):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True) * seen


def logits_set_to_zero(logits, seen):
    p = np.exp(np.where(seen, logits, 0))
    return p / p.sum(axis=1, keepdims=True)


def overflows(logits, seen):
    p = np.exp(logits) * seen
    return p / p.sum(axis=1, keepdims=True)


SOLUTIONS = {
    "3.3.1": 1.4 / np.sqrt(2),
    "3.3.2": GAINS.sum() / 40,
    "3.3.3": newest_mean,
    "3.3.4": out_of_fold,
    "3.3.5": item_table,
    "3.3.6": softmax_of_seen,
}

WRONG = {
    "3.3.1": [None, 0.7, 1.4, 0.98, 0],
    "3.3.2": [None, 0.25, GAINS.mean(), 1 / 40, GAINS.sum()],
    "3.3.3": [oldest_mean, not_of_length_1, all_of_it, lambda Z, histories, n: None],
    "3.3.4": [in_fold, fitted_to_its_own_fold, mean_of_all_fits, lambda R, folds, fit: None],
    "3.3.5": [id_for_all, text_only_where_unseen, without_the_offset, lambda *given: None],
    "3.3.6": [masked_afterwards, logits_set_to_zero, overflows, lambda logits, seen: None],
}
