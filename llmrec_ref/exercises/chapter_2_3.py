"""Checkers of chapter II.3, *The loss at catalogue scale*."""

import math
import tracemalloc

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number, parts


@of_number("give one number, such as 0.25 or 5 / 1e9")
def logits_in_gigabytes(answer):
    """2.3.1: gigabytes (10^9) of float32 logits: 64 windows, 50 targets, 10^6 items."""
    yield answer > 0, "memory is positive"
    yield not near(answer, 64 * 1e6 * 4 / 1e9), "each of the 64 windows has 50 targets"
    yield not near(answer, 64 * 50 * 1e6 / 1e9), "a float32 number takes four bytes"
    row = np.zeros(1000, np.float32).nbytes / 1000 * 1e6  # bytes of one target's logits
    hint = f"one target's logits take {row:.0f} bytes; how many targets are there?"
    yield near(answer, 64 * 50 * row / 1e9), hint


@of_function
def chunked(answer):
    """2.3.2: ``chunked(hidden, table, targets, chunk)``: loss and gradients."""
    for rng in cases(5):
        n, V, D = int(rng.integers(5, 30)), int(rng.integers(3, 20)), int(rng.integers(1, 6))
        hidden, table = rng.normal(size=(n, D)), rng.normal(size=(V, D))
        targets, size = rng.integers(V, size=n), int(rng.integers(1, n + 4))
        p = np.exp(hidden @ table.T)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(n), targets]).mean()
        found = parts(answer(hidden, table, targets, size), 3)
        yield found is not None, "return loss, gradient by hidden, gradient by table"
        hint = f"{n} targets, {V} items, chunks of {size}: the mean loss is {loss:.6f}"
        yield close(found[0], loss), hint
        slope = (p - np.eye(V)[targets]) / n
        hint = "the gradient by {} is {}: is every chunk in it, the last too, divided by all targets?"
        yield close(found[1], slope @ table), hint.format("hidden", "(P − Q) E / N")
        yield close(found[2], slope.T @ hidden), hint.format("the table", "the chunks' sum of (P − Q)' H / N")
    share = peak_of(answer, 20_000, 300)
    yield share < 0.25, f"chunks of 200 of 20,000 targets, and at its peak it held {share:.0%} of all logits"


def peak_of(answer, n, V):
    """Return the peak of memory in chunks of 200, as a share of all logits."""
    hidden, table, targets = np.ones((n, 2)), np.ones((V, 2)), np.zeros(n, np.int64)
    tracemalloc.start()
    try:
        answer(hidden, table, targets, 200)
        return tracemalloc.get_traced_memory()[1] / (8 * n * V)
    finally:
        tracemalloc.stop()


@of_number("give one number, such as 0.25 or np.log(4)")
def log_count(answer):
    """2.3.3: what the logQ correction subtracts at probability 0.002, k = 256."""
    times = np.arange(257)
    ways = np.array([math.comb(256, n) for n in times.tolist()], dtype=float)
    expected = np.sum(times * ways * 0.002**times * 0.998 ** (256 - times))
    hint = f"among 256 negatives it is drawn {expected:.3f} times on average; take the logarithm"
    yield near(np.exp(answer), expected, rtol=1e-3), hint


@of_function
def sampled_softmax(answer):
    """2.3.4: ``sampled_softmax(hidden, table, targets, negatives, log_counts)``."""
    for rng in cases(10):
        n, V, k = int(rng.integers(2, 8)), int(rng.integers(4, 12)), int(rng.integers(2, 6))
        hidden, table = rng.normal(size=(n, 3)), rng.normal(size=(V, 3))
        targets, negatives = rng.integers(1, V, size=n), rng.integers(1, V, size=(n, k))
        negatives[0, 0] = targets[0]
        log_counts = rng.normal(size=(n, k))
        nats = []
        for h, y, row, logs in zip(hidden, targets, negatives, log_counts, strict=True):
            others = [(j, c) for j, c in zip(row, logs, strict=True) if j != y]
            z_hat = np.exp(h @ table[y]) + sum(np.exp(h @ table[j] - c) for j, c in others)
            nats.append(np.log(z_hat) - h @ table[y])
        found = answer(hidden, table, targets, negatives, log_counts)
        hint = f"{n} targets, {k} negatives each, one of them a target: {np.mean(nats):.6f}, you say {found}"
        yield close(found, np.mean(nats)), hint


@of_number()
def overconfident(answer):
    """2.3.5: the sigma that BCE, 1 negative of 10,000 items, learns for a true 1 %."""
    yield 0 < answer < 1, "a sigmoid is between 0 and 1"
    yield answer > 0.01, "the prediction is too high, not too low"

    def slope(p):  # of the expected loss by the logit
        return -0.01 * (1 - p) + 1 / 10_000 * 0.99 * p

    hint = f"at σ = {answer:.4f} the expected loss still has the slope {slope(answer):.2g} by the logit"
    yield abs(slope(answer)) < 2e-7, f"{hint} (give four digits or more)"


@of_function
def knob(answer):
    """2.3.6: ``knob(factor, k, n)``: the t of gBCE whose odds are that much too large."""
    for rng in cases(10):
        k, n, t = int(rng.integers(1, 50)), int(rng.integers(60, 1000)), rng.random()
        case = f"{k} negatives among {n} items:"
        hint = f"{case} a factor of {n / k:.6f} is what t = 0, plain binary cross-entropy, has"
        yield close(answer(n / k, k, n), 0.0), hint
        hint = f"{case} t = 1 takes back all but a factor of n / (n − 1)"
        yield close(answer(n / (n - 1), k, n), 1.0), hint
        factor = (1 - t * (1 - k / (n - 1))) * n / k
        found = array(answer(factor, k, n))
        yield found.shape == (), f"give one number, not {found.shape}"
        odds = (1 - found * (1 - k / (n - 1))) * n / k
        hint = f"{case} with your t the odds are {odds:.4f} times too large, not {factor:.4f}"
        yield close(found, t), hint


@of_function
def calibration_error(answer):
    """2.3.7: ``calibration_error(p, came, edges)``: mean of the bins' distances."""
    p, came = np.array([0.2, 0.4, 0.9, 0.9]), np.array([0, 1, 1, 1])
    hint = "bins {0.2, 0.4} and {0.9, 0.9}, half of the pairs each: 0.3 against 0.5, 0.9 against 1: 0.15"
    yield close(answer(p, came, np.array([0.5])), 0.15), hint
    for rng in cases():
        p = rng.integers(0, 21, size=int(rng.integers(5, 60))) / 20
        came = (rng.random(len(p)) < p).astype(int)
        edges = np.sort(rng.permutation(21)[: rng.integers(1, 5)]) / 20  # some predictions lie on them
        expected = 0.0
        for low, high in zip([-np.inf, *edges], [*edges, np.inf], strict=True):
            inside = (p >= low) & (p < high)
            if inside.any():
                expected += inside.mean() * abs(p[inside].mean() - came[inside].mean())
        hint = f"{len(p)} pairs, edges {edges.tolist()}, some bins perhaps empty, some p on an edge"
        yield close(answer(p, came, edges), expected), f"{hint}: {expected:.6f}"


CHECKERS = {
    "2.3.1": logits_in_gigabytes,
    "2.3.2": chunked,
    "2.3.3": log_count,
    "2.3.4": sampled_softmax,
    "2.3.5": overconfident,
    "2.3.6": knob,
    "2.3.7": calibration_error,
}
