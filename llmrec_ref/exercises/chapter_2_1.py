"""Checkers of chapter II.1, *Autoregressive, recurrent: GRU4Rec*."""

import math
from itertools import cycle

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, number, of_function, of_number, parts
from llmrec_ref.sequences import pad_left


@of_number("give one number, such as -0.25")
def one_step(answer):
    """2.1.1: the new state of a GRU with D = 1, as a number."""
    yield -1 <= answer <= 1, "a state mixes the old one, -1, with a tanh: it stays between -1 and 1"
    e, h = 1.0, -1.0
    r, u = _sigmoid(2 * e + 2 * h), _sigmoid(e + h)
    candidate = math.tanh(e + r * (2 * h))
    yield not close(answer, candidate, rtol=1e-3), "that is the candidate; mix it with the old state"
    hint = f"the gates are r = {r:.3f} and u = {u:.3f}: put them into the candidate, then mix"
    yield near(answer, u * h + (1 - u) * candidate, rtol=1e-3), hint


def count_targets(answer):
    """2.1.2: (targets, steps) of 100 histories of 21 items."""
    hint = "give two whole numbers: (targets, steps)"
    targets, steps = map(number, parts(answer, 2) or (None, None))
    yield targets is not None and steps is not None, hint
    rows = [t for _ in range(100) for t in range(1, 21)]  # the length of each prefix that has a next item
    yield targets != 2100, "the first item of a history follows nothing: it is no target"
    yield targets == len(rows), "how many items of one history follow another one? There are 100 histories"
    yield steps != targets, "those are the steps of one pass; a row for each target begins anew each time"
    yield steps == sum(rows), "the rows of one history have 1, 2, ... items: add up, for 100 histories"


@of_function
def published_cell(answer):
    """2.1.3: ``published_cell(e, h, W, U, b)``, the reset gate before the product."""
    for rng in cases(10):
        B, D = rng.integers(1, 5), rng.integers(2, 5)
        e, h = rng.normal(size=(2, B, D))
        W, U, b = rng.normal(size=(3 * D, D)), rng.normal(size=(3 * D, D)), rng.normal(size=3 * D)
        state = array(answer(e, h, W, U, b))
        hint = f"{B} states of width {D} go in and come out; you return {state.shape}"
        yield state.shape == (B, D), hint
        kept = answer(e, h, W, U, b + np.repeat([0.0, 50.0, 0.0], D))
        yield close(kept, h), "with a large bias of the update gate the state stays as it is"
        replaced = answer(e, h, W, U, b - np.repeat([50.0, 50.0, 0.0], D))
        hint = "with both gates shut the new state is tanh(W_h e + b_h)"
        yield close(replaced, np.tanh(e @ W[2 * D :].T + b[2 * D :])), hint
        expected = [_published_step(*row, W, U, b) for row in zip(e, h, strict=True)]
        hint = "with half-open gates the state is wrong: is h reset before U_h multiplies it, and not after?"
        yield close(state, expected), hint


@of_function
def last_states(answer):
    """2.1.4: ``last_states(cell, embeddings, item_ids)``."""

    def cell(e, h):
        return 0.5 * h + e + 0.1  # the 0.1 is a bias: it moves a state even where e is 0

    for rng, (B, L, D) in zip(cases(9), cycle([(4, 6, 3), (2, 5, 2), (3, 3, 4)]), strict=False):
        embeddings = rng.normal(size=(8, D))
        histories = [rng.integers(1, 8, size=n) for n in (*rng.integers(1, L + 1, size=B - 1), L)]
        expected = []
        for items in histories:
            h = np.zeros(D)
            for item in items:
                h = cell(embeddings[item], h)
            expected.append(h)
        item_ids = pad_left(histories, L)
        states = array(answer(cell, embeddings, item_ids))
        yield states.shape == (B, D), f"{B} rows and D = {D} have states {(B, D)}, not {states.shape}"
        wider = answer(cell, embeddings, pad_left(histories, L + 3))
        yield close(wider, states), "more padding changes your states: a state must not pass through it"
        hint = f"for the rows {item_ids.tolist()} the states after the last differ"
        yield close(states, expected), hint


@of_function
def roll_back(answer):
    """2.1.5: ``roll_back(states, item_ids)``."""
    for rng, (B, L, D) in zip(cases(), cycle([(4, 6, 2), (2, 5, 3), (3, 3, 4)]), strict=False):
        lengths = np.append(rng.integers(1, L + 1, size=B - 1), L)  # the last row has no padding
        item_ids = pad_left([rng.integers(1, 9, size=n) for n in lengths], L)
        states = rng.normal(size=(B, L, D))  # of row b, the first lengths[b] are of items
        back = array(answer(states, item_ids))
        yield back.shape == states.shape, f"the shape stays {states.shape}; you return {back.shape}"
        for b, n in enumerate(lengths):
            hint = f"of a row with {n} of {L} items, column {n - 1} of the states must come last"
            yield close(back[b, -1], states[b, n - 1]), hint
        same = [close(back[b, L - n :], states[b, :n]) for b, n in enumerate(lengths)]
        yield all(same), "the newest is right, an older item's state is not"


@of_function
def all_positions_loss(answer):
    """2.1.6: ``all_positions_loss(log_p, item_ids)``."""
    log_p = np.log([[[1e-9, 0.9, 0.1], [1e-9, 0.2, 0.8]]])
    value = answer(log_p, np.array([[1, 2]]))
    yield not close(value, -np.log(0.8)), "item 2 is predicted where item 1 is read, one position earlier"
    yield close(value, -np.log(0.1)), "rows of two items have one target: item 2, which got 0.1 after item 1"
    for rng in cases():
        histories = [rng.integers(1, 5, size=n) for n in (*rng.integers(1, 6, size=2), 6, 3)]
        item_ids = pad_left(histories, 6)
        log_p = np.log(rng.dirichlet(np.ones(5), size=item_ids.shape))
        pairs = [(b, t) for b, row in enumerate(item_ids) for t in range(1, 6) if row[t] > 0]
        with_first = [-log_p[b, t - 1, item_ids[b, t]] for b, t in pairs]
        nats = [-log_p[b, t - 1, item_ids[b, t]] for b, t in pairs if item_ids[b, t - 1] > 0]
        found = answer(log_p, item_ids)
        hint = "a first item follows padding: nothing was known when it came, so it is no target"
        yield not close(found, np.mean(with_first)), hint
        hint = f"{len(nats)} targets in {item_ids.tolist()}: mean {np.mean(nats):.6f}; you say {found}"
        yield close(found, np.mean(nats)), hint


@of_number("give one number, such as 0.25")
def gate_bias(answer):
    """2.1.7: the bias whose gate halves a weight in ten steps, as a number."""
    weight = 1.0
    for _ in range(10):
        weight *= _sigmoid(answer)
    hint = f"with the gate {_sigmoid(answer):.4f} a weight of 1 has become {weight:.4f} after ten steps"
    yield near(weight, 0.5, rtol=1e-3), hint


@of_number("give one number, such as 1.5")
def leaked_loss(answer):
    """2.1.8: the loss of a bidirectional GRU on throws of a die, as a number."""
    honest = math.log(20)
    throws = range(1, 14)  # 1 to 12 go in; the target of throw t is throw t + 1
    nats = [0.0 if t + 1 in throws[:12] else honest for t in throws[:12]]
    hint = "that is the loss of an honest model; this one reads the throws that go in from both sides"
    yield not near(answer, honest, rtol=1e-2), hint
    yield answer > 1e-3, "not every target is among the throws that go in: what does the other one cost?"
    hint = "how many of the twelve targets are among the throws that go in, and what do the others cost?"
    yield near(answer, sum(nats) / len(nats), rtol=1e-2), hint


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _published_step(e, h, W, U, b):
    """One state, number by number."""
    D = len(e)

    def read(row, vector_h):
        return sum(W[row, j] * e[j] + U[row, j] * vector_h[j] for j in range(D)) + b[row]

    reset = [_sigmoid(read(i, h)) * h[i] for i in range(D)]
    update = [_sigmoid(read(D + i, h)) for i in range(D)]
    return [update[i] * h[i] + (1 - update[i]) * math.tanh(read(2 * D + i, reset)) for i in range(D)]


CHECKERS = {
    "2.1.1": one_step,
    "2.1.2": count_targets,
    "2.1.3": published_cell,
    "2.1.4": last_states,
    "2.1.5": roll_back,
    "2.1.6": all_positions_loss,
    "2.1.7": gate_bias,
    "2.1.8": leaked_loss,
}
