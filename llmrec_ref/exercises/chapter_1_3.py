"""Checkers of chapter I.3, *Linear scoring*."""

from itertools import cycle

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number, parts

RATINGS = [(4, 8, 2), (3, 5, 3), (6, 4, 1)]  # users, items and width of exercise 1.3.6
FOLDS = [(12, [4, 5, 6]), (11, [9, 0]), (10, [1, 5, 6, 8])]  # rows and the folds' numbers of 1.3.8


@of_number("give one number, such as 0.25 or -3")
def bilinear_by_hand(answer):
    """1.3.1: the bilinear score of one pair, as a number."""
    f, weights, g = [0.5, -1], [[1, 0], [2, -1]], [2, 1]
    pairs = [(k, j) for k in range(2) for j in range(2)]
    swapped = sum(weights[k][j] * g[k] * f[j] for k, j in pairs)
    yield not close(answer, swapped), "row k of W goes with entry k of f, column j with entry j of g"
    expected = sum(f[k] * weights[k][j] * g[j] for k, j in pairs)
    yield (
        close(answer, expected),
        "multiply f with each column of W, then the two results with g: mind the signs",
    )


@of_number("give one whole number")
def orders_of_rank_one(answer):
    """1.3.2: how many orders of the items 50 users see if W = a b', as a number."""
    rng = np.random.default_rng(0)
    of_users, of_items = rng.normal(size=(50, 4)) @ rng.normal(size=4), rng.normal(size=200)
    orders = {tuple(np.argsort(factor * of_items)) for factor in of_users}
    yield answer != 1, "what happens to the order of the items where f'a is negative?"
    hint = "f'a is one number for each user: what can it do to the order by b'g, and what can it not do?"
    yield answer == len(orders), hint


@of_number("give one whole number")
def distinct_lists(answer):
    """1.3.3: how many lists four users see, as a number."""
    yield answer > 1, "the order is common to all, but each list has a hole where the seen item was"
    order = list(range(1, 101))
    lists = {tuple(item for item in order if item != seen)[:10] for seen in (1, 3, 3, 12)}
    hint = "write down each user's first ten places: whose hole lies in them, and whose is the same?"
    yield answer == len(lists), hint


@of_function
def ridge_with_intercept(answer):
    """1.3.4: ``ridge_with_intercept(X, y, l2) -> (w, b)``."""
    w, b = _weights_and_intercept(answer(np.eye(3), np.full(3, 7.0), 1e6))
    yield w.shape == (3,) and b.shape == (), "return the weights, an array (d,), and one number"
    hint = "with a huge penalty all weights vanish and b must be the mean rating: do not penalise b"
    yield near(b, 7.0, rtol=1e-3), hint
    for rng in cases():
        d = int(rng.integers(1, 5))
        X, y, l2 = rng.normal(1, 1, size=(12, d)), rng.normal(3, 1, size=12), float(rng.uniform(0.5, 20))
        w, b = _weights_and_intercept(answer(X, y, l2))
        yield w.shape == (d,) and b.shape == (), f"{d} columns have the weights ({d},), not {w.shape}"
        residuals = y - X @ w - b
        yield close(residuals.mean(), 0, atol=1e-4), "at the best b the residuals y - Xw - b have the mean 0"
        gradient = 2 * l2 * w - 2 * X.T @ residuals
        hint = f"the gradient by w should be 0, but its largest entry is {np.abs(gradient).max():.3g}"
        yield close(gradient, np.zeros(d), atol=1e-3), hint


def _weights_and_intercept(answer):
    """Return both as float arrays; the intercept has an axis if there are not two."""
    return map(array, parts(answer, 2) or (np.nan, [np.nan]))


@of_number("give one whole number")
def rank_with_biases(answer):
    """1.3.5: the rank of the centred score matrix, as a number."""
    rng = np.random.default_rng(0)
    scores = rng.normal() + rng.normal(size=(60, 1)) + rng.normal(size=80)
    scores = scores + rng.normal(size=(60, 3)) @ rng.normal(size=(3, 80))
    centred = scores - scores.mean(axis=1, keepdims=True)
    hint = "which of c, b_u, b_i and the product survive when each row's mean goes, and what is their rank?"
    yield answer == np.linalg.matrix_rank(centred), hint


@of_function
def als_step_ratings(answer):
    """1.3.6: ``als_step_ratings(R, G, l2)``, an array (users, width)."""
    for rng, (users, n, width) in zip(cases(), cycle(RATINGS), strict=False):
        ratings, items = rng.normal(3, 1, (users, n)), rng.normal(size=(n, width))
        l2 = float(rng.uniform(0.2, 3))
        ratings[rng.random((users, n)) < 0.4] = np.nan
        ratings[0] = np.nan
        ratings[1, 0], ratings[2] = 0, rng.normal(3, 1, n)  # a known 0, and a user without gaps
        found = array(answer(ratings, items, l2))
        hint = f"for {users} users and factors of width {width} give an array of the shape {(users, width)}"
        yield found.shape == (users, width), hint
        yield np.isfinite(found).all(), "NaN has got into the factors: leave missing ratings out of the sums"
        yield (
            close(found[0], np.zeros(width)),
            "a user without a rating has only the penalty: the factors are 0",
        )
        for user in range(1, users):
            here = np.flatnonzero(~np.isnan(ratings[user]))
            gradient = l2 * found[user]
            for item in here:
                gradient = gradient - (ratings[user, item] - found[user] @ items[item]) * items[item]
            hint = f"the gradient of a user with {len(here)} of {n} ratings is not 0: count known pairs only"
            yield close(gradient, np.zeros(width), atol=1e-3), hint


@of_function
def ease(answer):
    """1.3.7: ``ease(R, penalties)``, an array (items, items)."""
    for rng, n in zip(cases(), cycle([5, 3, 6]), strict=False):
        R = (rng.random((15, n)) < 0.4).astype(float)
        penalties = rng.uniform(0.5, 5, size=n)
        W = array(answer(R, penalties))
        yield W.shape == (n, n), f"for {n} items give an array of the shape ({n}, {n})"
        yield close(np.diag(W), np.zeros(n)), "the diagonal must be 0: no item recommends itself"
        for item in range(n):  # column by column: ridge on the other items, as least squares on more rows
            others = [other for other in range(n) if other != item]
            column = _least_squares(R[:, others], R[:, item], penalties[others])
            hint = "a column of W is a ridge regression of its item on all others, each with its own penalty"
            hint += f": expected {column.round(4).tolist()}, found {W[others, item].round(4).tolist()}"
            yield close(W[others, item], column, rtol=1e-4, atol=1e-5), hint


def _least_squares(X, y, penalties):
    """Return ridge's weights: a penalty is one more row, whose rating is 0."""
    rows = np.vstack([X, np.diag(np.sqrt(penalties))])
    return np.linalg.lstsq(rows, np.append(y, np.zeros(len(penalties))))[0]


@of_function
def out_of_fold(answer):
    """1.3.8: ``out_of_fold(X, y, folds, l2)``, an array (rows,)."""
    for rng, (n, labels) in zip(cases(), cycle(FOLDS), strict=False):
        X, y, l2 = rng.normal(size=(n, 3)), rng.normal(size=n), float(rng.uniform(0.5, 5))
        folds = rng.permutation(np.resize(labels, n))  # not numbered from 0, nor all of one size
        found = array(answer(X, y, folds, l2))
        yield found.shape == (n,), f"for {n} rows give an array of the shape ({n},)"
        for fold in labels:
            inside = folds == fold
            again = array(answer(X, y + 100 * inside, folds, l2))  # no other fold's fit sees these ratings
            hint = "a row's score changes with the ratings of its own fold: its answer has leaked into it"
            yield close(again[inside], found[inside], rtol=1e-4), hint
            scores = X[inside] @ _least_squares(X[~inside], y[~inside], np.full(3, l2))
            hint = f"a ridge on all rows of the other folds gives {scores.round(4).tolist()} in fold {fold}, "
            hint += f"you give {found[inside].round(4).tolist()}"
            yield close(found[inside], scores, rtol=1e-4, atol=1e-5), hint


CHECKERS = {
    "1.3.1": bilinear_by_hand,
    "1.3.2": orders_of_rank_one,
    "1.3.3": distinct_lists,
    "1.3.4": ridge_with_intercept,
    "1.3.5": rank_with_biases,
    "1.3.6": als_step_ratings,
    "1.3.7": ease,
    "1.3.8": out_of_fold,
}
