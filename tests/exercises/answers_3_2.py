"""Solutions and plausible wrong answers for the exercises of chapter III.2."""

import numpy as np
from scipy.special import erf

# 3.2.3


def mean_pool(hidden, mask):
    weight = mask[..., None].astype(float)
    mean = (hidden * weight).sum(axis=1) / weight.sum(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def padding_pooled(hidden, mask):
    mean = hidden.mean(axis=1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def not_of_length_1(hidden, mask):
    return np.array([state[there].mean(axis=0) for state, there in zip(hidden, mask, strict=True)])


def first_token(hidden, mask):
    return hidden[:, 0] / np.linalg.norm(hidden[:, 0], axis=1, keepdims=True)


def one_norm_for_all(hidden, mask):
    mean = not_of_length_1(hidden, mask)
    return mean / np.linalg.norm(mean)


# 3.2.5


def gelu(x):
    return x / 2 * (1 + erf(x / np.sqrt(2)))


def gelu_by_tanh(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_by_sigmoid(x):
    return x / (1 + np.exp(-1.702 * x))


# 3.2.6


def batches(lengths, batch_size):
    order = np.argsort(lengths)
    return [order[start : start + batch_size].tolist() for start in range(0, len(lengths), batch_size)]


def as_they_come(lengths, batch_size):
    rows = list(range(len(lengths)))
    return [rows[start : start + batch_size] for start in range(0, len(lengths), batch_size)]


def lengths_themselves(lengths, batch_size):
    order = np.sort(lengths).tolist()
    return [order[start : start + batch_size] for start in range(0, len(lengths), batch_size)]


def one_by_one(lengths, batch_size):
    return [[row] for row in range(len(lengths))]


SOLUTIONS = {
    "3.2.1": 3,
    "3.2.2": 2 / np.sqrt(8),
    "3.2.3": mean_pool,
    "3.2.4": 6 * 12 * 64 * 128 * 128,
    "3.2.5": gelu,
    "3.2.6": batches,
}

WRONG = {
    "3.2.1": [None, 2, 1, 4],
    "3.2.2": [None, 2, 1, 0.5, 45],
    "3.2.3": [padding_pooled, not_of_length_1, first_token, one_norm_for_all, lambda hidden, mask: None],
    "3.2.4": [None, 6 * 12 * 64 * 128, 6 * 64 * 128**2, 12 * 64 * 128**2, 6 * 12 * 128**2],
    "3.2.5": [gelu_by_tanh, gelu_by_sigmoid, lambda x: np.maximum(x, 0), lambda x: None],
    "3.2.6": [as_they_come, lengths_themselves, one_by_one, lambda lengths, batch_size: None],
}
