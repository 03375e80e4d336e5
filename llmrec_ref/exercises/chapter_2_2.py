"""Checkers of chapter II.2, *Attention over items: SASRec*."""

from itertools import permutations
from numbers import Real

import numpy as np

from llmrec_ref.exercises.chapter_1_1 import close


def attention_by_hand(answer):
    """2.2.1: the output at position 2 of 3 under a causal mask, as a number."""
    yield isinstance(answer, Real), "give one number, such as 0.25 or 3 / 4"
    odds, values = np.array([1, 3, 4]), np.array([8, 20, 100])
    yield not close(answer, odds @ values / odds.sum()), "position 2 must not see position 3"
    yield 8 <= answer <= 20, "a weighted mean of the values 8 and 20 lies between them"
    hint = "the exponentials of the scaled products are 1 and 3: what shares of the whole are these?"
    yield close(answer, odds[:2] @ values[:2] / odds[:2].sum()), hint


def visible(answer):
    """2.2.2: ``visible(item_ids)``: bool (B, L, L), who sees whom."""
    for rng in np.random.default_rng(0).spawn(20):
        B, L = int(rng.integers(1, 4)), int(rng.integers(2, 7))
        item_ids = np.where(np.arange(L) < rng.integers(0, L, size=(B, 1)), 0, rng.integers(1, 9, (B, L)))
        found = np.asarray(answer(item_ids.copy()))
        yield found.shape == (B, L, L), f"items {(B, L)} give a mask {(B, L, L)}, not {found.shape}"
        yield found.dtype == bool, f"a mask is True or False, not {found.dtype}"
        for b, t, s in np.ndindex(found.shape):
            case = f"in the history {item_ids[b].tolist()} position {t} (from 0)"
            if s == t:
                yield found[b, t, s], f"{case} does not see itself"
            elif s > t:
                yield not found[b, t, s], f"{case} sees position {s}, which is later"
            else:
                said = "sees" if found[b, t, s] else "does not see"
                yield found[b, t, s] == (item_ids[b, s] > 0), f"{case} {said} position {s}"


def attention(answer):
    """2.2.3: ``attention(q, k, v, visible)`` of one head."""
    eye = np.eye(3)
    value = answer(5 * eye, 5 * eye, eye, np.eye(3, dtype=bool))
    yield close(value, eye), "where each position sees only itself, it gets its own value back"
    value = answer(np.zeros((1, 2)), np.ones((2, 2)), np.array([[2.0], [6.0]]), np.ones((1, 2), bool))
    yield close(value, [[4.0]]), "a query of zeros matches all keys alike: the plain mean of the values"
    for rng in np.random.default_rng(0).spawn(20):
        T, S, d, width = rng.integers(2, 6, size=4)
        q, k, v = rng.normal(size=(T, d)), rng.normal(size=(S, d)), rng.normal(size=(S, width))
        seen = rng.random((T, S)) < 0.6
        seen[np.arange(T), rng.integers(S, size=T)] = True
        found = np.asarray(answer(q.copy(), k.copy(), v.copy(), seen.copy()), dtype=float)
        yield found.shape == (T, width), f"{T} queries and values of width {width}: not {found.shape}"
        for t in range(T):
            odds = [np.exp(sum(q[t] * k[s]) / d**0.5) if seen[t, s] else 0 for s in range(S)]
            expected = sum(odds[s] * v[s] for s in range(S)) / sum(odds)
            hint = f"a query of width {d} sees {seen[t].sum()} of {S} keys: {expected[0]:.4f} comes first in"
            yield close(found[t], expected), f"{hint} its output, you have {found[t, 0]:.4f}"


def count_parameters(answer):
    """2.2.4: ``count_parameters(n_items, dim, n_layers, max_len)`` of SASRec."""
    value = answer(9, 2, 0, 5)
    hint = "without a block, 9 items and padding, 5 positions and the last norm (scale and shift), width 2: "
    yield close(value, 34), f"{hint}34 numbers, not {value}"
    for rng in np.random.default_rng(0).spawn(10):
        n_items, D, n_layers, L = (int(x) for x in rng.integers(1, 70, size=4))
        norm, linear = [(D,), (D,)], [(D, D), (D,)]
        block = 2 * norm + [(3 * D, D), (3 * D,)] + 3 * linear  # out, inner and outer are linear
        shapes = [(n_items + 1, D), (L, D), *norm, *(n_layers * block)]
        expected = sum(np.prod(shape) for shape in shapes)
        value = answer(n_items, D, n_layers, L)
        hint = f"{n_items} items, dim {D}, {n_layers} blocks, {L} positions: {expected}, you say {value}"
        yield close(value, expected), hint


def appended_cost(answer):
    """2.2.5: multiply-adds of one appended row through two blocks, width 64, 200 positions."""
    yield isinstance(answer, Real), "give one number"
    D, L = 64, 200
    products = 6 * [(1, D, D)] + [(1, D, L), (1, L, D)]  # (rows, inner, columns) of each matrix product
    cost = 2 * sum(np.prod(sizes) for sizes in products)
    yield not close(answer, L * cost), "that is the full pass: only one row is new"
    yield not close(answer, cost / 2), "that is one block, and there are two"
    yield not close(answer, 2 * cost), "a multiplication and the addition after it count as one here"
    hint = "one row goes through six products with a D by D matrix, meets 200 keys, and mixes 200 values"
    yield close(answer, cost), hint


def toy_model(rng, n_items):
    """Return a function from a history to logits (n_items + 1,), random but for padding's -inf."""
    table = rng.normal(0, 1.5, size=(n_items + 1, n_items + 1, n_items + 1))

    def logits(history):
        newest = [0, 0, *(int(item) for item in history)][-2:]
        return np.append(-np.inf, table[newest[0], newest[1], 1:])

    return logits


def log_probability(logits, history, items):
    """Return ln p of items after a history, without repeats, term by term."""
    total, taken = 0.0, [int(item) for item in history]
    for item in items:
        z = logits(taken)
        allowed = [j for j in range(1, len(z)) if j not in taken]
        total += z[item] - np.log(sum(np.exp(z[j]) for j in allowed))
        taken.append(int(item))
    return total


def list_log_probability(answer):
    """2.2.6: ``list_log_probability(logits, history, items)`` by the chain rule, without repeats."""
    value = answer(lambda history: np.array([-np.inf, 0, 0, 0, 0]), [4], [2, 1])
    yield not close(value, np.log(1 / 4**2)), "film 4 was seen and film 2 is on the list: leave them out"
    yield close(value, np.log(1 / 6)), "three films are left, then two, all alike: ln 1/3 + ln 1/2"
    for rng in np.random.default_rng(0).spawn(10):
        logits = toy_model(rng, 5)
        orders = list(permutations([1, 2, 4, 5], 3))  # all lists of three after film 3
        found = np.array([answer(logits, [3], list(order)) for order in orders], dtype=float)
        total = np.exp(found).sum()
        yield np.isclose(total, 1), f"the probabilities of all {len(orders)} lists sum to {total:.4f}, not 1"
        expected = log_probability(logits, [3], orders[7])
        hint = f"films {list(orders[7])} after film 3: ln p = {expected:.4f}, you say {found[7]:.4f}"
        yield close(found[7], expected), hint


def beam_search(answer):
    """2.2.7: ``beam_search(logits, history, steps, width)`` returns ``(items, log_p)``."""
    for rng in np.random.default_rng(0).spawn(12):
        logits, history = toy_model(rng, 6), [int(x) for x in rng.permutation(6)[:2] + 1]
        left = [j for j in range(1, 7) if j not in history]
        lists = [list(order) for order in permutations(left, 3)]
        score = {tuple(items): log_probability(logits, history, items) for items in lists}
        for width in (1, 2, 100):
            found = answer(logits, list(history), 3, width)
            yield isinstance(found, tuple) and len(found) == 2, "return two things: the films and ln p"
            items, log_p = [int(item) for item in found[0]], found[1]
            case = f"width {width}, after {history}:"
            yield len(items) == 3, f"{case} three steps give three films, not {len(items)}"
            yield tuple(items) in score, f"{case} {items} repeats a film or holds padding"
            hint = f"{case} {items} has ln p = {score[tuple(items)]:.4f}, you say {log_p:.4f}"
            yield close(log_p, score[tuple(items)]), hint
            beams = [()]
            for _ in range(3):  # grow by brute force
                longer = [(*beam, j) for beam in beams for j in left if j not in beam]
                longer.sort(key=lambda beam: -log_probability(logits, history, beam))
                beams = longer[:width]
            what = {1: "the greedy list is", 2: "a beam of two finds", 100: "the best of all lists is"}
            yield items == list(beams[0]), f"{case} {what[width]} {list(beams[0])}, not {items}"


CHECKERS = {
    "2.2.1": attention_by_hand,
    "2.2.2": visible,
    "2.2.3": attention,
    "2.2.4": count_parameters,
    "2.2.5": appended_cost,
    "2.2.6": list_log_probability,
    "2.2.7": beam_search,
}
