"""Further wrong answers for the exercises of chapter III.2, and right ones in other styles."""

import math
from fractions import Fraction

import numpy as np
from scipy.special import erf
from scipy.stats import norm

from answers_3_2 import batches, gelu, mean_pool

# 3.2.3


def pooled_by_weights(hidden, mask):
    pooled = np.einsum("bld,bl->bd", hidden, mask)  # a length of 1 makes up for the number of tokens
    return pooled / np.sqrt((pooled**2).sum(-1))[:, None]


def pooled_one_by_one(hidden, mask):
    means = [
        np.compress(there, state, axis=0).mean(axis=0) for state, there in zip(hidden, mask, strict=True)
    ]
    return [(mean / np.linalg.norm(mean)).tolist() for mean in means]


def largest_instead(hidden, mask):
    pooled = np.where(mask[..., None], hidden, -np.inf).max(axis=1)
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def last_token(hidden, mask):
    pooled = hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1]
    return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


def sum_of_numbers_is_1(hidden, mask):
    pooled = np.einsum("bld,bl->bd", hidden, mask)
    return pooled / np.abs(pooled).sum(axis=1, keepdims=True)


def over_the_width(hidden, mask):
    return (hidden * mask[..., None]).mean(axis=2)


def padding_kept_in_the_end(hidden, mask):
    return mean_pool(hidden, np.ones_like(mask) & (np.arange(mask.shape[1]) < mask.sum(axis=1).max()))


# 3.2.5


def without_the_root(x):
    return x / 2 * (1 + erf(x))


def probability_alone(x):
    return norm.cdf(x)


def not_halved(x):
    return x * (1 + erf(x / np.sqrt(2)))


def only_where_positive(x):
    return np.where(x > 0, gelu(x), 0)


def summed(x):
    return gelu(x).sum()


# 3.2.6


def longest_first(lengths, batch_size):
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    return tuple(tuple(order[i : i + batch_size]) for i in range(0, len(order), batch_size))


def as_arrays(lengths, batch_size):
    return [np.array(batch) for batch in batches(lengths, batch_size)]


def one_left_out(lengths, batch_size):
    return [batch for batch in batches(lengths, batch_size)[1:]] or [[]]


def dealt_round(lengths, batch_size):
    order, n = np.argsort(lengths), len(lengths) // batch_size
    return [order[start::n].tolist() for start in range(n)]


def in_one_batch(lengths, batch_size):
    return [list(range(len(lengths)))]


def first_row_always(lengths, batch_size):
    return [[0] * len(batch) for batch in batches(lengths, batch_size)]


def flat(lengths, batch_size):
    return np.argsort(lengths).tolist()


WEIGHTS = 6 * 12 * 64 * 128 * 128

WRONG = {
    "3.2.1": [5, 0, 6, [3], 2.5],
    "3.2.2": [0, -1 / np.sqrt(2), 10 / 3, 8 / np.sqrt(200) + 0.3, [0.7071]],
    "3.2.3": [
        largest_instead, last_token, sum_of_numbers_is_1, over_the_width, padding_kept_in_the_end,
    ],
    "3.2.4": [6 * 12 * 64 * 16 * 16, WEIGHTS / 2, 6 * 12 * 64, WEIGHTS * 384, [WEIGHTS]],
    "3.2.5": [without_the_root, probability_alone, not_halved, only_where_positive, summed],
    "3.2.6": [one_left_out, dealt_round, in_one_batch, first_row_always, flat],
}  # fmt: skip

RIGHT = {
    "3.2.1": [Fraction(3), len(["stars", "##hip", "##s"]), 3.0],
    "3.2.2": [math.cos(math.pi / 4), 0.7071, np.array(0.5) ** 0.5],
    "3.2.3": [pooled_by_weights, pooled_one_by_one],
    "3.2.4": [WEIGHTS, 75_497_472.0, Fraction(WEIGHTS)],
    "3.2.5": [
        lambda x: x * norm.cdf(x),
        lambda x: (
            [[v * norm.cdf(v) for v in row] for row in np.atleast_2d(x)]
            if np.ndim(x) > 1
            else (x * norm.cdf(x)).tolist()
        ),
    ],
    "3.2.6": [longest_first, as_arrays],
}
