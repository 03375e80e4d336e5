"""Checkers of chapter I.2, *Cross-entropy*."""

from itertools import product

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number

A_NUMBER = "give one number, such as 0.25 or np.log(4)"


@of_number(A_NUMBER)
def bits_a_token(answer):
    """1.2.1: the loss in bits a token of 12 tokens with probability 0.3 in all."""
    yield answer > 0, "a loss is minus the logarithm of a probability, so it is positive"
    yield (
        2 ** (-answer) > 0.3,
        "with so much for each of 12 tokens the sequence would be far less likely than 0.3",
    )
    yield not near(np.exp(-12 * answer), 0.3, rtol=1e-3), "that is in nats; a bit is the loss of a fair coin"
    hint = "twelve tokens with that loss each have a probability of {:.4f} in all, not 0.3"
    yield near(2 ** (-12 * answer), 0.3, rtol=1e-3), hint.format(2 ** (-12 * answer))


@of_number(A_NUMBER)
def best_constant(answer):
    """1.2.2: the logit of the lowest binary cross-entropy if 2 of 50 labels are 1."""
    yield answer < 0, "ones are rare, so the probability is below one half and its logit below 0"
    yield answer > -99, "with so low a logit the two who clicked cost far too much"
    labels = np.arange(50) < 2

    def nats(z):
        return np.mean(np.log1p(np.exp(z)) - labels * z)

    better = min((answer - 0.01, answer + 0.01), key=nats)
    hint = f"the loss at {answer:.3f} is {nats(answer):.6f} nats, and at {better:.3f} it is lower"
    yield nats(answer) <= nats(better), hint


@of_function
def log_softmax(answer):
    """1.2.3: ``log_softmax(logits)`` over the last axis, stable."""
    value = answer(np.log([[1.0, 3.0], [1.0, 1.0]]))
    hint = "logits ln 1 and ln 3 have the probabilities 1/4 and 3/4, of which you return the logarithms"
    yield close(value, np.log([[0.25, 0.75], [0.5, 0.5]])), hint
    for rng in cases():
        logits = rng.normal(0, 3, size=rng.integers(2, 5, size=rng.integers(1, 5)))
        log_p = array(answer(logits))
        hint = f"logits {logits.shape} have as many log probabilities, you return {log_p.shape}"
        yield log_p.shape == logits.shape, hint
        sums = np.exp(log_p).sum(axis=-1)
        yield close(sums, np.ones_like(sums)), "probabilities must sum to 1 over the last axis"
        odds = "two items with logits a and b have the odds exp(a - b)"
        yield close(log_p - log_p[..., :1], logits - logits[..., :1]), odds
    large = array(answer(np.array([1e4, 0, -1e4])))
    below = array(answer(np.array([[1e4, 0, -1e4], [5, 5, -1e4]])))
    hint = f"logits 10000, 0 and -10000 give {large.tolist()}: overflow"
    yield close(large, [0, -1e4, -2e4]), hint
    hint = "logits 5 and 5 have a half each, below a row with the logit 10000 too; you give {}"
    yield close(below[1, :2], -np.log([2, 2])), hint.format(np.exp(below[1, :2]).tolist())


@of_number(A_NUMBER)
def above_the_floor(answer):
    """1.2.4: nats of 1.1 above the entropy of the probabilities 1/2, 1/4, 1/8 and 1/8."""
    world = np.array([1 / 2, 1 / 4, 1 / 8, 1 / 8])
    floor = -np.sum(world * np.log(world))
    in_bits = floor / np.log(2)
    yield not near(answer, 1.1 - in_bits, rtol=1e-3), "that floor is in bits; the model's loss is in nats"
    yield not near(answer, 1.1 - np.log(4), rtol=1e-3), "ln 4 is the floor of four equally likely items"
    yield not near(answer, floor - 1.1, rtol=1e-3), "the other way round: the loss minus the floor"
    hint = f"you say that the floor is {1.1 - answer:.4f}: it is the entropy of 1/2, 1/4, 1/8 and 1/8"
    yield near(answer, 1.1 - floor, rtol=1e-3), hint


@of_function
def gradient(answer):
    """1.2.5: ``gradient(logits, targets)`` of the mean cross-entropy, no padding."""
    for rng in cases():
        n, classes = rng.integers(2, 6, size=2)
        logits, targets = rng.normal(size=(n, classes)), rng.integers(0, classes, size=n)

        def loss(z, targets=targets, n=n):
            return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(n), targets])

        found = array(answer(logits, targets))
        yield found.shape == logits.shape, f"one derivative a logit: {logits.shape}, not {found.shape}"
        for place in np.ndindex(logits.shape):
            move = np.zeros_like(logits)
            move[place] = 1e-5
            slope = (loss(logits + move) - loss(logits - move)) / 2e-5
            hint = f"logit {list(place)} moves the mean of {n} losses by {slope:.6f} a unit, you say "
            yield abs(found[place] - slope) < 1e-6, hint + f"{found[place]:.6f}"


@of_function
def sequence_log_probability(answer):
    """1.2.6: ``sequence_log_probability(sequence, next_probabilities)``, chain rule."""
    calls = []

    def fair(prefix):
        calls.append(list(prefix))
        return np.array([0.5, 0.5])

    value = answer([1, 0, 1], fair)
    yield (
        sorted(calls, key=len) == [[], [1], [1, 0]],
        "ask for the next item after [], [1] and [1, 0], once each",
    )
    yield close(value, 3 * np.log(0.5)), "three fair coins: 3 ln 0.5"
    for rng in cases(5):
        tables = {
            prefix: rng.dirichlet(np.ones(3))
            for size in range(3)
            for prefix in product(range(3), repeat=size)
        }

        def follow(prefix, tables=tables):
            return tables[tuple(int(item) for item in prefix)]

        for length in (3, 2):
            sequences = list(product(range(3), repeat=length))
            found = array([answer(list(sequence), follow) for sequence in sequences])
            total = np.exp(found).sum()
            hint = f"the probabilities of all {len(sequences)} sequences sum to {total:.4f}, not 1"
            yield close(total, 1), hint
            likely = np.prod([follow(sequences[5][:t])[item] for t, item in enumerate(sequences[5])])
            hint = f"a sequence with the factors' product {likely:.6f} has the logarithm {np.log(likely):.6f}"
            yield close(found[5], np.log(likely)), hint
    long = answer([0] * 400, lambda prefix: np.array([0.1, 0.9]))
    hint = f"400 steps of probability 0.1 make 400 ln 0.1, not {long} (the product is too small for a float)"
    yield close(long, 400 * np.log(0.1)), hint


@of_number(A_NUMBER)
def smoothed_gap(answer):
    """1.2.7: the gap between the target's and the others' logits, label smoothing."""
    yield answer > 0, "the target still has the highest logit"
    yield answer < 99, "so wide a gap would give the other items no probability at all"
    epsilon, n = 0.1, 5
    q = np.full(n, epsilon / n) + (1 - epsilon) * (np.arange(n) == 0)

    def nats(gap):
        z = gap * (np.arange(n) == 0)
        return np.log(np.exp(z).sum()) - q @ z

    better = min((answer - 0.005, answer + 0.005), key=nats)
    hint = f"with a gap of {answer:.3f} the loss is {nats(answer):.6f} nats, with {better:.3f} it is lower"
    yield nats(answer) <= nats(better), hint


@of_function
def logistic(answer):
    """1.2.8: ``logistic(x, y)``: maximum-likelihood weights of logistic regression."""
    for rng in cases(5):
        n, d = int(rng.integers(200, 400)), int(rng.integers(1, 4))
        x = np.column_stack([rng.normal(rng.normal(size=d), 1, size=(n, d)), np.ones(n)])
        y = (rng.random(n) < 1 / (1 + np.exp(-x @ rng.normal(size=d + 1)))).astype(float)
        w = array(answer(x, y))
        yield w.shape == (d + 1,), f"one weight a column of x: ({d + 1},), not {w.shape}"
        nats = np.mean(np.logaddexp(0, x @ w) - y * (x @ w))
        share = y.mean()
        base = -share * np.log(share) - (1 - share) * np.log(1 - share)
        yield nats <= base + 1e-9, f"{nats:.4f} nats an example; a constant, the base rate, has {base:.4f}"
        slope = np.abs(x.T @ (1 / (1 + np.exp(-x @ w)) - y) / n).max()
        yield slope < 1e-4, f"the gradient of the loss still has an entry of size {slope:.6f}: go on"


CHECKERS = {
    "1.2.1": bits_a_token,
    "1.2.2": best_constant,
    "1.2.3": log_softmax,
    "1.2.4": above_the_floor,
    "1.2.5": gradient,
    "1.2.6": sequence_log_probability,
    "1.2.7": smoothed_gap,
    "1.2.8": logistic,
}
