"""Checkers of chapter II.2, *Attention over items: SASRec*."""

from itertools import permutations

import numpy as np

from llmrec_ref.exercises.tools import (
    array,
    cases,
    close,
    near,
    number,
    of_function,
    of_number,
    parts,
)

ASKED = [([3], 3), ([5, 2], 2), ([2, 4, 2], 1), ([2, 4, 2], 3), ([5, 2], 3), ([3], 1)]  # of exercise 2.2.6
# Steps and seeds of exercise 2.2.7. In the first four, widths 1, 2 and 200 find three different lists, and to
# go on greedily from the best first films finds none of the last two.
BEAMS = [(3, 1069), (4, 293), (3, 727), (4, 389), (2, 0), (3, 1), (1, 2)]


@of_number("give one number, such as 0.25 or 3 / 4")
def attention_by_hand(answer):
    """2.2.1: the output at position 2 of 3 under a causal mask, as a number."""
    odds, values = np.array([1, 3, 4]), np.array([8, 20, 100])
    yield not near(answer, odds @ values / odds.sum()), "position 2 must not see position 3"
    yield 8 <= answer <= 20, "a weighted mean of the values 8 and 20 lies between them"
    hint = "the exponentials of the scaled products are 1 and 3: what shares of the whole are these?"
    yield near(answer, odds[:2] @ values[:2] / odds[:2].sum()), hint


@of_number("give a whole number")
def count_visible(answer):
    """2.2.2: the pairs that the mask of histories of 3 and 5 films, 5 wide, lets through."""
    rows = ([0, 0, 1, 1, 1], [1, 1, 1, 1, 1])
    pairs = [(row, t, s) for row in rows for t in range(5) for s in range(5)]
    yield answer != len(pairs), "those are all pairs: which of them look into the future, or at padding?"
    yield answer != sum(s <= t for _, t, s in pairs), "that is the causal mask alone: nobody may see padding"
    among_films = sum(s <= t and row[s] > 0 for row, t, s in pairs)
    yield answer != among_films, "a position of padding sees itself, by the last part of the equation"
    hint = "count row by row: how many positions does each film see, itself included, and each padding?"
    yield answer == sum(s <= t and row[s] > 0 or s == t for row, t, s in pairs), hint


@of_number("give a whole number")
def moved_positions(answer):
    """2.2.3: the positions that move when films 3 and 7 are exchanged, without position vectors."""
    before = list(range(1, 51))
    after = [7 if item == 3 else 3 if item == 7 else item for item in before]
    seen = [(items[t], sorted(items[: t + 1])) for items in (before, after) for t in range(50)]
    yield answer != 2, "what do the films between the two see, before the exchange and after it?"
    yield answer != 48, "position 8 sees the same films as before, and nothing says in which order"
    yield answer != 50, "positions 1 and 2 see neither of the two films"
    hint = "ask of each position: is its own film another one, or the set of films that it sees?"
    yield answer == sum(one != other for one, other in zip(seen[:50], seen[50:], strict=True)), hint


@of_function
def count_parameters(answer):
    """2.2.4: ``count_parameters(n_items, dim, n_layers, max_len)`` of SASRec."""
    value = answer(9, 2, 0, 5)
    hint = "without a block, 9 items and padding, 5 positions and the last norm (scale and shift), width 2: "
    yield near(value, 34, rtol=1e-9), f"{hint}34 numbers, not {value}"
    for rng in cases(10):
        n_items, D, n_layers, L = (int(x) for x in rng.integers(1, 70, size=4))
        norm, linear = [(D,), (D,)], [(D, D), (D,)]
        block = 2 * norm + [(3 * D, D), (3 * D,)] + 3 * linear  # out, inner and outer are linear
        shapes = [(n_items + 1, D), (L, D), *norm, *(n_layers * block)]
        expected = sum(np.prod(shape) for shape in shapes)
        value = answer(n_items, D, n_layers, L)
        hint = f"{n_items} items, dim {D}, {n_layers} blocks, {L} positions: {expected}, you say {value}"
        yield near(value, expected, rtol=1e-9), hint


@of_number("give one number")
def appended_cost(answer):
    """2.2.5: multiply-adds of one appended row, two blocks, width 64, 200 positions."""
    D, L = 64, 200
    products = 6 * [(1, D, D)] + [(1, D, L), (1, L, D)]  # (rows, inner, columns) of each matrix product
    cost = 2 * sum(np.prod(sizes) for sizes in products)
    yield not near(answer, L * cost), "that is the full pass: only one row is new"
    yield not near(answer, cost / 2), "that is one block, and there are two"
    yield not near(answer, 2 * cost), "a multiplication and the addition after it count as one here"
    hint = "one row goes through six products with a D by D matrix, meets 200 keys, and mixes 200 values"
    yield near(answer, cost), hint


def toy_model(rng, n_items):
    """Return a function from a history to random logits (n_items + 1,)."""
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


@of_function
def list_log_probability(answer):
    """2.2.6: ``list_log_probability(logits, history, items)``, without repeats."""
    value = answer(lambda history: np.array([-np.inf, 0, 0, 0, 0]), [4], [2, 1])
    yield not close(value, np.log(1 / 4**2)), "film 4 was seen and film 2 is on the list: leave them out"
    yield close(value, np.log(1 / 6)), "three films are left, then two, all alike: ln 1/3 + ln 1/2"
    for rng, (history, length) in zip(cases(6), ASKED, strict=True):
        logits = toy_model(rng, 5)
        left = [item for item in range(1, 6) if item not in history]
        orders = list(permutations(left, length))
        found = array([answer(logits, history, list(order)) for order in orders])
        yield found.shape == (len(orders),), "return one number, the logarithm of a probability"
        total = np.exp(found).sum()
        hint = f"after {history} the probabilities of all {len(orders)} lists sum to {total:.4f}, not 1"
        yield close(total, 1), hint
        for order, value in zip(orders, found, strict=True):
            expected = log_probability(logits, history, order)
            hint = f"films {list(order)} after {history}: ln p = {expected:.4f}, you say {value:.4f}"
            yield close(value, expected), hint


def widest(logits, history, left, steps, width):
    """Return the best list that a beam of a width finds, each step by brute force."""
    beams = [()]
    for _ in range(steps):
        longer = [(*beam, item) for beam in beams for item in left if item not in beam]
        beams = sorted(longer, key=lambda beam: -log_probability(logits, history, beam))[:width]
    return list(beams[0])


@of_function
def beam_search(answer):
    """2.2.7: ``beam_search(logits, history, steps, width)``: ``(items, log_p)``."""
    for steps, seed in BEAMS:
        rng = np.random.default_rng(seed)
        logits, history = toy_model(rng, 7), [int(x) for x in rng.permutation(7)[:2] + 1]
        left = [j for j in range(1, 8) if j not in history]
        for width, what in ((1, "the greedy list"), (2, "what a beam finds"), (200, "the best of all lists")):
            found = parts(answer(logits, history, steps, width), 2)
            yield found is not None, "return two things: the films and ln p"
            items, log_p = array(found[0]), number(found[1])
            case = f"width {width}, after {history}:"
            yield items.ndim == 1 and log_p is not None, "the films are a list, and ln p is one number"
            items = items.astype(int).tolist()
            yield len(items) == steps, f"{case} {steps} steps give {steps} films, not {len(items)}"
            allowed = len(set(items)) == steps and set(items) <= set(left)
            yield allowed, f"{case} {items} repeats a film or holds padding"
            expected = log_probability(logits, history, items)
            hint = f"{case} {items} has ln p = {expected:.4f}, you say {log_p:.4f}"
            yield close(log_p, expected), hint
            best = widest(logits, history, left, steps, width)
            yield items == best, f"{case} {what} is {best}, not {items}"


CHECKERS = {
    "2.2.1": attention_by_hand,
    "2.2.2": count_visible,
    "2.2.3": moved_positions,
    "2.2.4": count_parameters,
    "2.2.5": appended_cost,
    "2.2.6": list_log_probability,
    "2.2.7": beam_search,
}
