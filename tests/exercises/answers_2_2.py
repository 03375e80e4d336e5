"""Solutions and plausible wrong answers for the exercises of chapter II.2."""

import numpy as np
from scipy.special import log_softmax

# 2.2.4


def count_parameters(n_items, dim, n_layers, max_len):
    block = 6 * dim**2 + 6 * dim + 4 * dim  # matrices, their biases, two norms
    return (n_items + 1) * dim + max_len * dim + n_layers * block + 2 * dim


# 2.2.6


def list_log_probability(logits, history, items):
    total, taken = 0.0, list(history)
    for item in items:
        z = np.array(logits(taken))
        z[taken] = -np.inf
        total += log_softmax(z)[item]
        taken.append(item)
    return total


def repeats_allowed(logits, history, items):
    steps = [log_softmax(logits([*history, *items[:i]]))[item] for i, item in enumerate(items)]
    return np.sum(steps)


def not_fed_back(logits, history, items):
    total, z = 0.0, np.array(logits(history))
    for i, item in enumerate(items):
        left = z.copy()
        left[[*history, *items[:i]]] = -np.inf
        total += log_softmax(left)[item]
    return total


def only_the_seen_left_out(logits, history, items):
    total = 0.0
    for i, item in enumerate(items):
        z = np.array(logits([*history, *items[:i]]))
        z[history] = -np.inf
        total += log_softmax(z)[item]
    return total


# 2.2.7


def beam_search(logits, history, steps, width):
    beams = [([], 0.0)]
    for _ in range(steps):
        longer = []
        for items, log_p in beams:
            z = np.array(logits([*history, *items]))
            z[[*history, *items]] = -np.inf
            step = log_softmax(z)
            longer += [([*items, j], log_p + step[j]) for j in np.flatnonzero(np.isfinite(z))]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width]
    return beams[0]


def greedy(logits, history, steps, width):
    return beam_search(logits, history, steps, 1)


def with_repeats(logits, history, steps, width):
    items = []
    for _ in range(steps):
        items.append(int(np.argmax(logits([*history, *items]))))
    return items, repeats_allowed(logits, history, items)


def plain_top(logits, history, steps, width):
    z = np.array(logits(history))
    z[history] = -np.inf
    items = [int(item) for item in np.argsort(-z)[:steps]]
    return items, list_log_probability(logits, history, items)


def probability(logits, history, steps, width):
    items, log_p = beam_search(logits, history, steps, width)
    return items, np.exp(log_p)


def sum_of_logits(logits, history, steps, width):
    beams = [([], 0.0)]
    for _ in range(steps):
        longer = []
        for items, total in beams:
            z = logits([*history, *items])
            longer += [([*items, j], total + z[j]) for j in range(1, len(z)) if j not in [*history, *items]]
        beams = sorted(longer, key=lambda beam: -beam[1])[:width]
    return beams[0]


SOLUTIONS = {
    "2.2.1": (1 * 8 + 3 * 20) / 4,
    "2.2.2": 23,
    "2.2.3": 5,
    "2.2.4": count_parameters,
    "2.2.5": 2 * (6 * 64**2 + 2 * 200 * 64),
    "2.2.6": list_log_probability,
    "2.2.7": beam_search,
}

WRONG = {
    "2.2.1": [(8 + 3 * 20 + 4 * 100) / 8, 14, 20, (1 * 8 + 3 * 20) / 8, (3 * 8 + 20) / 4, -17.0, None],
    "2.2.2": [None, 50, 30, 21, 25, 46],
    "2.2.3": [None, 2, 48, 50, 4, 0],
    "2.2.4": [
        lambda n, d, layers, L: count_parameters(n - 1, d, layers, L),
        lambda n, d, layers, L: count_parameters(n, d, layers, L) + (n + 1) * d,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) - 6 * d * layers,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) - 4 * d * layers,
        lambda n, d, layers, L: count_parameters(n, d, 1, L),
        lambda n, d, layers, L: None,
    ],
    "2.2.5": [
        200 * 2 * (6 * 64**2 + 2 * 200 * 64),
        6 * 64**2 + 2 * 200 * 64,
        4 * (6 * 64**2 + 2 * 200 * 64),
        2 * (6 * 64**2 + 200 * 64),
        2 * (4 * 64**2 + 2 * 200 * 64),
        None,
    ],
    "2.2.6": [
        repeats_allowed,
        not_fed_back,
        only_the_seen_left_out,
        lambda *given: -list_log_probability(*given),
        lambda *given: np.exp(list_log_probability(*given)),
        lambda logits, history, items: list_log_probability(logits, history, items) / len(items),
        lambda logits, history, items: None,
    ],
    "2.2.7": [
        greedy,
        with_repeats,
        plain_top,
        probability,
        sum_of_logits,
        lambda logits, history, steps, width: beam_search(logits, history, steps - 1, width),
        lambda logits, history, steps, width: beam_search(logits, history, steps, 100),
        lambda logits, history, steps, width: None,
    ],
}
