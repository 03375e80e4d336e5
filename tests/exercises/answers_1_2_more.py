"""Further wrong answers for the exercises of chapter I.2, and right ones in other styles."""

import math
from fractions import Fraction

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from scipy.stats import norm

from answers_1_2 import gradient, log_softmax, logistic, sequence_log_probability

# 1.2.3


def maximum_of_the_whole(logits):
    shifted = logits - logits.max()
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def floor_below_the_logarithm(logits):
    return np.log(softmax(logits, axis=-1) + 1e-12)


def in_place(logits):
    logits -= logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def row_by_row(logits):
    if np.ndim(logits[0]):
        return [row_by_row(row) for row in logits]
    top = max(logits)
    return [z - top - math.log(sum(math.exp(other - top) for other in logits)) for z in logits]


# 1.2.5


def of_the_targets_only(logits, targets):
    return gradient(logits, targets) * np.eye(logits.shape[1])[targets]


def derivative_of_softmax(logits, targets):
    p = softmax(logits, axis=1)
    return p * (1 - p) / len(p)


def by_differences(logits, targets):
    found = np.zeros(logits.shape)
    for place in np.ndindex(logits.shape):
        values = []
        for step in (1e-5, -1e-5):
            moved = logits.copy()
            moved[place] += step
            values.append(-np.mean(log_softmax(moved)[np.arange(len(targets)), targets]))
        found[place] = (values[0] - values[1]) / 2e-5
    return found


def gradient_by_loop(logits, targets):
    rows = []
    for z, y in zip(logits.tolist(), targets, strict=True):
        total = sum(math.exp(value) for value in z)
        rows.append([(math.exp(value) / total - (j == y)) / len(targets) for j, value in enumerate(z)])
    return rows


# 1.2.6


def of_the_product(sequence, next_probabilities):
    product = 1.0
    for t, item in enumerate(sequence):
        product *= next_probabilities(sequence[:t])[item]
    return np.log(product)


def newest_item_only(sequence, next_probabilities):
    return sum(np.log(next_probabilities(sequence[max(0, t - 1) : t])[y]) for t, y in enumerate(sequence))


def first_asked_twice(sequence, next_probabilities):
    next_probabilities([])
    return sequence_log_probability(sequence, next_probabilities)


def pops(sequence, next_probabilities):
    total = 0.0
    while sequence:
        item = sequence.pop()
        total += np.log(next_probabilities(list(sequence))[item])
    return total


def of_three(sequence, next_probabilities):
    return sum(np.log(next_probabilities(sequence[:t])[sequence[t]]) for t in range(3))


def growing_prefix(sequence, next_probabilities):
    prefix, total = [], 0
    for item in sequence:
        total += math.log(next_probabilities(prefix)[item])
        prefix.append(item)
    return total


def recursive(sequence, next_probabilities):
    if not sequence:
        return np.float64(0)
    *prefix, item = sequence
    return recursive(prefix, next_probabilities) + np.log(next_probabilities(prefix))[item]


# 1.2.8


def penalised(x, y):
    return minimize(lambda w: np.logaddexp(0, x @ w).sum() - y @ x @ w + w @ w / 2, np.zeros(x.shape[1])).x


def probit(x, y):
    def nats(w):
        return -np.sum(y * norm.logcdf(x @ w) + (1 - y) * norm.logcdf(-x @ w))

    return minimize(nats, np.zeros(x.shape[1])).x


def without_intercept(x, y):
    return np.append(logistic(x[:, :-1], y), 0.0)


def weights_of_the_standardised(x, y):
    spread = np.append(x[:, :-1].std(axis=0), 1)
    return logistic(x / spread, y)


def by_descent(x, y):
    w = np.zeros(x.shape[1])
    for _ in range(20_000):
        w -= 0.3 * x.T @ (1 / (1 + np.exp(-x @ w)) - y) / len(y)
    return w


WRONG = {
    "1.2.1": [
        -np.log2(0.3 / 12),
        -np.log10(0.3) / 12,
        -12 * np.log2(0.3),
        0.3 / 12,
        -np.log2(0.7) / 12,
        2 ** (-np.log2(0.3) / 12),
        -np.log2(0.3) / 13,
    ],
    "1.2.2": [np.log(3 / 49), np.log(2 / 48) / 2, np.log10(2 / 48), 2 / 48, np.log(0.96), -np.log(50), -1e9],
    "1.2.3": [
        maximum_of_the_whole,
        floor_below_the_logarithm,
        in_place,
        lambda logits: log_softmax(logits) / np.log(2),
        lambda logits: log_softmax(logits, axis=tuple(range(logits.ndim))),
        lambda logits: logits - logsumexp(logits, axis=-1).mean(),
        lambda logits: np.maximum(log_softmax(logits), -700),
        lambda logits: log_softmax(logits).astype(np.float16),
        lambda logits: log_softmax(np.clip(logits, -500, 500)),
    ],
    "1.2.4": [
        1.1 / np.log(2) - 1.75,
        1.1 - 1.75 / np.log(2),
        1.1 - np.log(2),
        1.1 - 0.5 * np.log(2),
        1.75 - 1.1,
        1.1,
        -0.11,
        1.1 + 1.75 * np.log(2),
    ],
    "1.2.5": [
        of_the_targets_only,
        derivative_of_softmax,
        lambda logits, targets: softmax(logits, axis=1) / len(logits),
        lambda logits, targets: gradient(logits, targets) / len(logits),
        lambda logits, targets: gradient(logits, targets).round(3),
        lambda logits, targets: np.abs(gradient(logits, targets)),
        lambda logits, targets: gradient(logits, targets)[::-1],
        lambda logits, targets: gradient(logits, np.argmax(logits, axis=1)),
    ],
    "1.2.6": [
        of_the_product,
        newest_item_only,
        first_asked_twice,
        pops,
        lambda sequence, ask: sequence_log_probability(sequence, ask) / np.log(2),
        lambda sequence, ask: sequence_log_probability(sequence[:3], ask),
        lambda sequence, ask: np.log(ask(sequence[:-1])[sequence[-1]]),
        lambda sequence, ask: sequence_log_probability(sequence, lambda prefix: ask(prefix[::-1])),
    ],
    "1.2.7": [np.log(0.92 / 0.08), np.log(0.92 / 0.1), -np.log(0.02), np.log(10), 46, np.log2(46), 3.8],
    "1.2.8": [
        penalised,
        probit,
        without_intercept,
        weights_of_the_standardised,
        lambda x, y: np.zeros(x.shape[1]),
        lambda x, y: logistic(x, y)[:-1],
        lambda x, y: logistic(x, 2 * y - 1, steps=3),
        lambda x, y: logistic(x, y)[::-1],
        lambda x, y: logistic(x, y).round(2),
    ],
}

RAISES = {"1.2.6": [of_three]}

RIGHT = {
    "1.2.1": [math.log(1 / 0.3, 2) / 12, np.array(-np.log2(0.3) / 12), Fraction(1447, 10_000)],
    "1.2.2": [-math.log(24), np.log(2) - np.log(48), np.array(-3.178), Fraction(-3178, 1000)],
    "1.2.3": [
        row_by_row,
        lambda logits: logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True),
        lambda logits: np.apply_along_axis(log_softmax, -1, logits),
    ],
    "1.2.4": [
        -0.11301,
        np.array(-0.11301),
        Fraction(-11301, 100_000),
        1.1 - 0.5 * math.log(2) - 1.25 * math.log(2),
    ],
    "1.2.5": [by_differences, gradient_by_loop],
    "1.2.6": [growing_prefix, recursive],
    "1.2.7": [math.log(46), np.array(3.83), Fraction(383, 100), np.log(0.92) - np.log(0.02)],
    "1.2.8": [by_descent, lambda x, y: list(logistic(x, y, steps=50)), lambda x, y: logistic(x, y > 0.5)],
}
