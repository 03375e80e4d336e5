"""Checkers of chapter I.3, *Linear scoring*."""

from numbers import Real

import numpy as np

from llmrec_ref.exercises.chapter_1_1 import close


def generators(n=20):
    """Independent random generators, the same ones every time."""
    return np.random.default_rng(0).spawn(n)


def bilinear_by_hand(answer):
    """1.3.1: the bilinear score of one pair, as a number."""
    f, weights, g = [0.5, -1], [[1, 0], [2, -1]], [2, 1]
    yield isinstance(answer, Real), "give one number, such as 0.25 or -3"
    pairs = [(k, j) for k in range(2) for j in range(2)]
    swapped = sum(weights[k][j] * g[k] * f[j] for k, j in pairs)
    yield not close(answer, swapped), "row k of W goes with entry k of f, column j with entry j of g"
    expected = sum(f[k] * weights[k][j] * g[j] for k, j in pairs)
    yield (
        close(answer, expected),
        "multiply f with each column of W, then the two results with g: mind the signs",
    )


def bilinear_scores(answer):
    """1.3.2: ``bilinear_scores(F, W, G)``, an array (users, items)."""
    for rng in generators():
        users, items, width, other = rng.integers(2, 7, size=4)
        F, W, G = (
            rng.normal(size=(users, width)),
            rng.normal(size=(width, other)),
            rng.normal(size=(items, other)),
        )
        found = answer(F, W, G)
        hint = f"for {users} users and {items} items give an array of the shape ({users}, {items})"
        yield np.shape(found) == (users, items), hint
        u, i = rng.integers(users), rng.integers(items)
        score = sum(F[u, k] * W[k, j] * G[i, j] for k in range(width) for j in range(other))
        hint = f"user {u} and item {i} should get the sum of f_k W_kj g_j, {score:.4f}, not {found[u][i]:.4f}"
        yield close(found[u][i], score), hint


def distinct_lists(answer):
    """1.3.3: how many lists four users see, as a number."""
    yield isinstance(answer, Real), "give one whole number"
    yield answer > 1, "the order is common to all, but each list has a hole where the seen item was"
    order = list(range(1, 101))
    lists = {tuple(item for item in order if item != seen)[:10] for seen in (1, 3, 3, 12)}
    hint = "write down each user's first ten places: whose hole lies in them, and whose is the same?"
    yield answer == len(lists), hint


def ridge_with_intercept(answer):
    """1.3.4: ``ridge_with_intercept(X, y, l2) -> (w, b)``."""
    w, b = _pair(answer(np.eye(3), np.full(3, 7.0), 1e6))
    yield np.shape(w) == (3,) and np.shape(b) == (), "return the weights, an array (d,), and one number"
    hint = "with a huge penalty all weights vanish and b must be the mean rating: do not penalise b"
    yield close(b, 7.0, rtol=1e-3), hint
    for rng in generators():
        d = int(rng.integers(1, 5))
        X, y, l2 = rng.normal(1, 1, size=(12, d)), rng.normal(3, 1, size=12), float(rng.uniform(0.5, 20))
        w, b = _pair(answer(X.copy(), y.copy(), l2))
        residuals = y - X @ w - b
        yield close(residuals.mean() + 1, 1.0), "at the best b the residuals y - Xw - b have the mean 0"
        gradient = 2 * l2 * w - 2 * X.T @ residuals
        hint = f"the gradient by w should be 0, but its largest entry is {np.abs(gradient).max():.3g}"
        yield np.allclose(gradient, 0, atol=1e-6), hint


def _pair(answer):
    """Return (weights, intercept) as arrays of floats; of NaN if there are not two things."""
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return np.nan, np.full(1, np.nan)
    return np.asarray(answer[0], dtype=float), np.asarray(answer[1], dtype=float)


def rank_with_biases(answer):
    """1.3.5: the rank of the centred score matrix, as a number."""
    yield isinstance(answer, Real), "give one whole number"
    rng = np.random.default_rng(0)
    scores = rng.normal() + rng.normal(size=(60, 1)) + rng.normal(size=80)
    scores = scores + rng.normal(size=(60, 3)) @ rng.normal(size=(3, 80))
    centred = scores - scores.mean(axis=1, keepdims=True)
    hint = "which of c, b_u, b_i and the product survive when each row's mean goes, and what is their rank?"
    yield answer == np.linalg.matrix_rank(centred), hint


def als_step_ratings(answer):
    """1.3.6: ``als_step_ratings(R, G, l2)``, an array (users, width)."""
    for rng in generators():
        ratings, items, l2 = rng.normal(3, 1, (4, 8)), rng.normal(size=(8, 2)), float(rng.uniform(0.2, 3))
        ratings[rng.random((4, 8)) < 0.4] = np.nan
        ratings[0] = np.nan
        found = answer(ratings.copy(), items.copy(), l2)
        yield (
            np.shape(found) == (4, 2),
            "for 4 users and factors of width 2 give an array of the shape (4, 2)",
        )
        found = np.asarray(found, dtype=float)
        yield np.isfinite(found).all(), "NaN has got into the factors: leave missing ratings out of the sums"
        yield np.allclose(found[0], 0), "a user without a rating has only the penalty: the factors are 0"
        for user in range(1, 4):
            here = np.flatnonzero(~np.isnan(ratings[user]))
            gradient = l2 * found[user]
            for item in here:
                gradient = gradient - (ratings[user, item] - found[user] @ items[item]) * items[item]
            hint = f"the gradient of a user with {len(here)} of 8 ratings is not 0: count known pairs only"
            yield np.allclose(gradient, 0, atol=1e-6), hint


def ease(answer):
    """1.3.7: ``ease(R, penalties)``, an array (items, items)."""
    for rng in generators():
        R = (rng.random((15, 5)) < 0.4).astype(float)
        penalties = rng.uniform(0.5, 5, size=5)
        W = answer(R.copy(), penalties.copy())
        yield np.shape(W) == (5, 5), "for 5 items give an array of the shape (5, 5)"
        W = np.asarray(W, dtype=float)
        yield np.allclose(np.diag(W), 0), "the diagonal must be 0: no item recommends itself"
        for item in range(5):  # column by column: ridge on the other items, as least squares on more rows
            others = [other for other in range(5) if other != item]
            rows = np.vstack([R[:, others], np.diag(np.sqrt(penalties[others]))])
            column = np.linalg.lstsq(rows, np.append(R[:, item], np.zeros(4)))[0]
            hint = "a column of W is a ridge regression of its item on all others, each with its own penalty"
            hint += f": expected {column.round(4).tolist()}, found {W[others, item].round(4).tolist()}"
            yield np.allclose(W[others, item], column, atol=1e-6), hint


def out_of_fold(answer):
    """1.3.8: ``out_of_fold(X, y, folds, l2)``, an array (rows,)."""
    for rng in generators():
        X, y, l2 = rng.normal(size=(12, 3)), rng.normal(size=12), float(rng.uniform(0.5, 5))
        folds = rng.permutation(np.arange(12) % 3) + 4  # folds need not be numbered from 0
        found = answer(X.copy(), y.copy(), folds.copy(), l2)
        yield np.shape(found) == (12,), "for 12 rows give an array of the shape (12,)"
        row = int(rng.integers(12))
        changed = y + 100 * (folds == folds[row])  # no other fold's fit sees these ratings
        again = answer(X.copy(), changed, folds.copy(), l2)
        hint = (
            "a row's score changes with the ratings of its own fold: its answer has leaked into its feature"
        )
        yield close(again[row], found[row]), hint
        outside = folds != folds[row]
        rows = np.vstack([X[outside], np.sqrt(l2) * np.eye(3)])
        score = X[row] @ np.linalg.lstsq(rows, np.append(y[outside], np.zeros(3)))[0]
        hint = f"a ridge on all rows of the other folds gives {score:.4f}, you give {found[row]:.4f}"
        yield close(found[row], score), hint


CHECKERS = {
    "1.3.1": bilinear_by_hand,
    "1.3.2": bilinear_scores,
    "1.3.3": distinct_lists,
    "1.3.4": ridge_with_intercept,
    "1.3.5": rank_with_biases,
    "1.3.6": als_step_ratings,
    "1.3.7": ease,
    "1.3.8": out_of_fold,
}
