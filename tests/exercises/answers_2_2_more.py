"""Further wrong answers for the exercises of chapter II.2, and right ones in other styles."""

import heapq
import math
from fractions import Fraction

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from answers_2_2 import attention, beam_search, count_parameters, list_log_probability, visible

# 2.2.2


def of_the_first_row(item_ids):
    return np.repeat(visible(item_ids[:1]), len(item_ids), axis=0)


def next_one_too(item_ids):
    L = item_ids.shape[1]
    return np.tri(L, k=1, dtype=bool) & (item_ids > 0)[:, None, :] | np.eye(L, dtype=bool)


def pairs_of_real_items(item_ids):
    real = item_ids > 0
    return np.tri(item_ids.shape[1], dtype=bool) & real[:, None, :] & real[:, :, None]


def mask_by_loop(item_ids):
    B, L = item_ids.shape
    return [
        [[bool(s == t or (s < t and item_ids[b, s] != 0)) for s in range(L)] for t in range(L)]
        for b in range(B)
    ]


def mask_by_positions(item_ids):
    place = np.arange(item_ids.shape[1])
    earlier, itself = place[None, :] < place[:, None], place[None, :] == place[:, None]
    return np.logical_or(np.logical_and(earlier[None], item_ids[:, None, :] != 0), itself)


# 2.2.3


def scaled_by_width_of_values(q, k, v, visible):
    return attention(q, k, v, visible, scale=np.sqrt(v.shape[1]))


def only_the_best_key(q, k, v, visible):
    return v[np.where(visible, q @ k.T, -np.inf).argmax(axis=1)]


def softly_masked(q, k, v, visible):
    return softmax(q @ k.T / np.sqrt(q.shape[1]) - 5.0 * ~visible, axis=1) @ v


def query_by_query(q, k, v, visible):
    out = []
    for row, seen in zip(q, visible, strict=True):
        odds = [math.exp(row @ key / len(row) ** 0.5) * bool(s) for key, s in zip(k, seen, strict=True)]
        out.append([sum(o * x for o, x in zip(odds, column, strict=True)) / sum(odds) for column in v.T])
    return out


def with_a_large_negative(q, k, v, visible):
    z = np.einsum("td,sd->ts", q, k) * q.shape[1] ** -0.5 - 1e9 * (1 - visible)
    p = np.exp(z - logsumexp(z, axis=-1, keepdims=True))
    return (p @ v).astype(np.float32)


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
    "2.2.2": [
        of_the_first_row,
        next_one_too,
        pairs_of_real_items,
        lambda item_ids: ~visible(item_ids),
        lambda item_ids: visible(item_ids).astype(int),
        lambda item_ids: visible(item_ids)[:, None],
        lambda item_ids: visible(item_ids[:, ::-1])[:, ::-1, ::-1],
        lambda item_ids: np.tri(item_ids.shape[1], dtype=bool)[None] & (item_ids > 1)[:, None, :],
    ],
    "2.2.3": [
        scaled_by_width_of_values,
        only_the_best_key,
        softly_masked,
        lambda q, k, v, visible: attention(q, k, v, ~visible | (visible.sum(axis=1, keepdims=True) > 1)),
        lambda q, k, v, visible: attention(q, k, v, visible, scale=np.sqrt(len(k))),
        lambda q, k, v, visible: attention(q, k, v, visible).round(2),
        lambda q, k, v, visible: attention(q, k, v, visible).T,
        lambda q, k, v, visible: attention(q, k, v, visible)[:, :1],
    ],
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
    "2.2.2": [mask_by_loop, mask_by_positions],
    "2.2.3": [query_by_query, with_a_large_negative],
    "2.2.4": [parameters_by_shape, lambda *given: np.array(count_parameters(*given), dtype=float)],
    "2.2.5": [100352, np.array(COST), Fraction(COST), 1.00352e5],
    "2.2.6": [factor_by_factor, recursive],
    "2.2.7": [with_a_heap, by_recursion],
}
