"""Further wrong answers for the exercises of chapter II.2, and right ones in other styles."""

import heapq
import math
from fractions import Fraction

import numpy as np
from scipy.special import log_softmax, logsumexp

from answers_2_2 import beam_search, count_parameters, list_log_probability

# 2.2.4


def parameters_by_shape(n_items, dim, n_layers, max_len):
    shapes = [(n_items + 1, dim), (max_len, dim), (dim,), (dim,)]
    for _ in range(n_layers):
        shapes += [(dim,)] * 4 + [(3 * dim, dim), (3 * dim,)] + [(dim, dim), (dim,)] * 3
    return sum(math.prod(shape) for shape in shapes)


# 2.2.6


def only_the_newest_left_out(logits, history, items):
    total, taken = 0.0, list(history)
    for item in items:
        z = np.array(logits(taken))
        z[[taken[-1], *items[: items.index(item)]]] = -np.inf
        total += log_softmax(z)[item]
        taken.append(item)
    return total


def history_grown_in_place(logits, history, items):
    total = 0.0
    for item in items:
        z = np.array(logits(history))
        z[history] = -np.inf
        total += log_softmax(z)[item]
        history.append(item)
    return total


def without_the_history(logits, history, items):
    return list_log_probability(logits, [], items)


def sum_of_logits(logits, history, items):
    return sum(logits([*history, *items[:i]])[item] for i, item in enumerate(items))


def last_step_only(logits, history, items):
    return list_log_probability(logits, [*history, *items[:-1]], items[-1:])


def taken_set_to_zero(logits, history, items):
    total, taken = 0.0, list(history)
    for item in items:
        z = np.array(logits(taken))
        z[taken] = 0
        total += log_softmax(z)[item]
        taken.append(item)
    return total


def factor_by_factor(logits, history, items):
    product = Fraction(1)
    for i, item in enumerate(items):
        before = [*history, *items[:i]]
        odds = {j: math.exp(z) for j, z in enumerate(logits(before)) if j not in before and z > -math.inf}
        product *= Fraction(odds[item] / sum(odds.values()))
    return math.log(product)


def recursive(logits, history, items):
    if not items:
        return np.float32(0)
    z = logits(tuple(history))
    z = np.where(np.isin(np.arange(len(z)), history), -np.inf, z)
    return z[items[0]] - logsumexp(z) + recursive(logits, [*history, items[0]], items[1:])


# 2.2.7


def continued(logits, history, items, steps):
    """Go on greedily."""
    while len(items) < steps:
        z = np.array(logits([*history, *items]))
        z[[*history, *items]] = -np.inf
        items = [*items, int(z.argmax())]
    return items, list_log_probability(logits, history, items)


def best_first_films_then_greedy(logits, history, steps, width):
    z = np.array(logits(history))
    z[history] = -np.inf
    firsts = [int(j) for j in np.argsort(-z)[:width] if np.isfinite(z[j])]
    return max((continued(logits, history, [first], steps) for first in firsts), key=lambda found: found[1])


def pruned_by_the_last_step(logits, history, steps, width):
    beams = [([], 0.0, 0.0)]
    for _ in range(steps):
        longer = []
        for items, log_p, _ in beams:
            z = np.array(logits([*history, *items]))
            z[[*history, *items]] = -np.inf
            step = log_softmax(z)
            longer += [([*items, j], log_p + step[j], step[j]) for j in np.flatnonzero(np.isfinite(z))]
        beams = sorted(longer, key=lambda beam: -beam[2])[:width]
    return max(beams, key=lambda beam: beam[1])[:2]


def never_pruned(logits, history, steps, width):
    return beam_search(logits, history, steps, 10**6)


def widened_by_one(logits, history, steps, width):
    return beam_search(logits, history, steps, width + 1)


def three_steps(logits, history, steps, width):
    return beam_search(logits, history, 3, width)


def history_included(logits, history, steps, width):
    items, log_p = beam_search(logits, history, steps, width)
    return [*history, *items], log_p


def with_a_heap(logits, history, steps, width):
    beams = [(0.0, ())]
    for _ in range(steps):
        longer = []
        for log_p, items in beams:
            z = logits(list(history) + list(items))
            left = [j for j in range(1, len(z)) if j not in history and j not in items]
            total = math.log(sum(math.exp(z[j]) for j in left))
            longer += [(log_p + z[j] - total, (*items, j)) for j in left]
        beams = heapq.nlargest(width, longer)
    log_p, items = max(beams)
    return [np.array(items), np.array(log_p)]


def by_recursion(logits, history, steps, width, beams=((),)):
    if steps == 0:
        return [list(beams[0]), Fraction(float(list_log_probability(logits, history, beams[0])))]
    items = [j for j in range(1, len(logits(history))) if j not in history]
    longer = [(*beam, j) for beam in beams for j in items if j not in beam]
    longer.sort(key=lambda beam: list_log_probability(logits, history, beam), reverse=True)
    return by_recursion(logits, history, steps - 1, width, longer[:width])


COST = 2 * (6 * 64**2 + 2 * 200 * 64)

WRONG = {
    "2.2.1": [16, 12.8, (3 * 8 + 20) / 4 + 8, 28, [17], 8 * np.log(1) + 20 * np.log(3), 17.1],
    "2.2.2": [22, 24, 17, 36, 15 + 6, 23.5, [23]],
    "2.2.3": [1, 3, 6, 44, 46, -5, "5"],
    "2.2.4": [
        lambda n, d, layers, L: count_parameters(n, d, layers, L) + d,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) - 2 * d,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) + 6 * d * d * layers,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) - 2 * d * layers,
        lambda n, d, layers, L: count_parameters(n, d, layers, L) + 1,
        lambda n, d, layers, L: count_parameters(n, d, layers, n),
        lambda n, d, layers, L: 34,
    ],
    "2.2.5": [
        2 * (6 * 64**2 + 2 * 199 * 64),
        2 * (6 * 64**2 + 2 * 200),
        2 * (12 * 64**2 + 2 * 200 * 64),
        2 * 6 * 64**2,
        2 * (6 * 64**2 + 2 * 200**2 * 64),
        COST + 64,
        [COST],
    ],
    "2.2.6": [
        only_the_newest_left_out,
        history_grown_in_place,
        without_the_history,
        sum_of_logits,
        last_step_only,
        taken_set_to_zero,
        lambda logits, history, items: list_log_probability(logits, history, items[::-1]),
        lambda logits, history, items: list_log_probability(logits, history, items) / np.log(2),
        lambda logits, history, items: list_log_probability(logits, history, items[:1]),
    ],
    "2.2.7": [
        best_first_films_then_greedy,
        pruned_by_the_last_step,
        never_pruned,
        widened_by_one,
        three_steps,
        history_included,
        lambda logits, history, steps, width: beam_search(logits, history, steps, width)[0],
        lambda logits, history, steps, width: beam_search(logits, history, steps, width)[::-1],
        lambda logits, history, steps, width: beam_search(logits, history[-1:], steps, width),
        lambda logits, history, steps, width: beam_search(logits, history, steps, min(width, 2)),
    ],
}

RIGHT = {
    "2.2.1": [Fraction(17), np.array(17), np.average([8, 20], weights=[1, 3]), np.float32(17)],
    "2.2.2": [Fraction(23), 15 + 8, 23.0],
    "2.2.3": [Fraction(5), len(range(3, 8)), np.array(5)],
    "2.2.4": [parameters_by_shape, lambda *given: np.array(count_parameters(*given), dtype=float)],
    "2.2.5": [100352, np.array(COST), Fraction(COST), 1.00352e5],
    "2.2.6": [factor_by_factor, recursive],
    "2.2.7": [with_a_heap, by_recursion],
}
