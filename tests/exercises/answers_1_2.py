"""Solutions and plausible wrong answers for the exercises of chapter I.2."""

import numpy as np
import scipy.special

# 1.2.3


def log_softmax(logits, axis=-1):
    return scipy.special.log_softmax(logits, axis=axis)


def overflowing(logits):
    with np.errstate(all="ignore"):
        return np.log(np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True))


# 1.2.5


def gradient(logits, targets, sign=1, mean=True):
    p = scipy.special.softmax(logits, axis=1)
    return sign * (p - np.eye(p.shape[1])[targets]) / (len(p) if mean else 1)


def wrong_axis(logits, targets):
    p = scipy.special.softmax(logits, axis=0)
    return (p - np.eye(p.shape[1])[targets]) / len(p)


# 1.2.6


def sequence_log_probability(sequence, next_probabilities):
    steps = [next_probabilities(sequence[:t])[item] for t, item in enumerate(sequence)]
    return np.sum(np.log(steps))


def target_leaked(sequence, next_probabilities):
    return np.sum(
        [np.log(next_probabilities(sequence[: t + 1])[item]) for t, item in enumerate(sequence[:-1])]
    )


def probability(sequence, next_probabilities):
    return np.exp(sequence_log_probability(sequence, next_probabilities))


def mean_a_token(sequence, next_probabilities):
    return sequence_log_probability(sequence, next_probabilities) / len(sequence)


def first_item_forgotten(sequence, next_probabilities):
    return np.sum([np.log(next_probabilities(sequence[:t])[sequence[t]]) for t in range(1, len(sequence))])


# 1.2.8


def logistic(x, y, steps=20):
    w = np.zeros(x.shape[1])
    for _ in range(steps):
        p = scipy.special.expit(x @ w)
        w = w - np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (p - y))
    return w


def base_rate(x, y):
    return np.append(np.zeros(x.shape[1] - 1), scipy.special.logit(y.mean()))


SOLUTIONS = {
    "1.2.1": -np.log2(0.3) / 12,
    "1.2.2": np.log(2 / 48),
    "1.2.3": log_softmax,
    "1.2.4": 1.1 - 1.75 * np.log(2),
    "1.2.5": gradient,
    "1.2.6": sequence_log_probability,
    "1.2.7": np.log((0.9 + 0.02) / 0.02),
    "1.2.8": logistic,
}

WRONG = {
    "1.2.1": [-np.log(0.3) / 12, np.log2(0.3) / 12, -np.log2(0.3), -np.log2(0.3) / 11, 0.3 ** (1 / 12), None],
    "1.2.2": [0.04, np.log(48 / 2), np.log(2 / 50), np.log(0.04) / np.log(2), -0.04, None],
    "1.2.3": [
        lambda logits: log_softmax(logits, axis=0),
        lambda logits: -log_softmax(logits),
        lambda logits: np.exp(log_softmax(logits)),
        lambda logits: logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max(),
        overflowing,
    ],
    "1.2.4": [1.1 - 1.75, 1.1 - np.log(4), 1.75 * np.log(2) - 1.1, 1.75 * np.log(2), 0.0, None],
    "1.2.5": [
        lambda *given: gradient(*given, sign=-1),
        lambda *given: gradient(*given, mean=False),
        lambda logits, targets: gradient(logits, targets) * logits.shape[0] / logits.shape[1],
        lambda logits, targets: gradient(logits, (targets + 1) % logits.shape[1]),
        lambda logits, targets: gradient(logits, targets).sum(axis=1),
        wrong_axis,
    ],
    "1.2.6": [
        target_leaked,
        probability,
        mean_a_token,
        first_item_forgotten,
        lambda *given: -sequence_log_probability(*given),
    ],
    "1.2.7": [
        np.log(0.9 / 0.1),
        np.log(0.9 / 0.025),
        np.log(0.9 / 0.02),
        -np.log(0.92 / 0.02),
        0.92 - 0.02,
        None,
    ],
    "1.2.8": [
        lambda x, y: x.T @ y / len(y),
        lambda x, y: np.linalg.lstsq(x, y, rcond=None)[0],
        lambda x, y: -logistic(x, y),
        lambda x, y: logistic(x, y, steps=1),
        lambda x, y: logistic(x, 1 - y),
        base_rate,
    ],
}
