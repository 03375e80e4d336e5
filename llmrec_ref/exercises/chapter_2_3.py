"""Checkers of chapter II.3, *The loss at catalogue scale*."""

import tracemalloc
from numbers import Real

import numpy as np

from llmrec_ref.exercises.chapter_1_1 import close


def logits_in_gigabytes(answer):
    """2.3.1: gigabytes (10^9 bytes) of the float32 logits of 64 windows of 50 targets and 10^6 items."""
    yield isinstance(answer, Real), "give one number, such as 0.25 or 5 / 1e9"
    yield answer > 0, "memory is positive"
    yield not close(answer, 64 * 1e6 * 4 / 1e9), "each of the 64 windows has 50 targets"
    yield not close(answer, 64 * 50 * 1e6 / 1e9), "a float32 number takes four bytes"
    row = np.zeros(1000, np.float32).nbytes / 1000 * 1e6  # bytes of one target's logits
    yield (
        close(answer, 64 * 50 * row / 1e9),
        f"one target's logits take {row:.0f} bytes; how many targets are there?",
    )


def chunked(answer):
    """2.3.2: ``chunked(hidden, table, targets, chunk)``: loss and gradients, a chunk of logits at a time."""
    for rng in np.random.default_rng(0).spawn(5):
        n, V, D = int(rng.integers(5, 30)), int(rng.integers(3, 20)), int(rng.integers(1, 6))
        hidden, table = rng.normal(size=(n, D)), rng.normal(size=(V, D))
        targets, size = rng.integers(V, size=n), int(rng.integers(1, n))
        p = np.exp(hidden @ table.T)
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(n), targets]).mean()
        given = hidden.copy(), table.copy(), targets.copy()
        found = answer(*given, size)
        yield (
            isinstance(found, tuple) and len(found) == 3,
            "return loss, gradient by hidden, gradient by table",
        )
        yield close(found[0], loss), f"{n} targets, {V} items, chunks of {size}: the mean loss is {loss:.6f}"
        slope = (p - np.eye(V)[targets]) / n
        hint = "the gradient by {} is {}: is every chunk in it, the last too, divided by all targets?"
        yield close(found[1], slope @ table), hint.format("hidden", "(P − Q) E / N")
        yield close(found[2], slope.T @ hidden), hint.format("the table", "the chunks' sum of (P − Q)' H / N")
    hidden, table = np.ones((20_000, 2)), np.ones((300, 2))
    tracemalloc.start()
    answer(hidden, table, np.zeros(len(hidden), np.int64), 200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    share = peak / (8 * len(hidden) * len(table))
    yield share < 0.25, f"chunks of 200 of 20,000 targets, and at its peak it held {share:.0%} of all logits"


def log_count(answer):
    """2.3.3: what the logQ correction subtracts for an item drawn with probability 0.002, k = 256."""
    yield isinstance(answer, Real), "give one number, such as 0.25 or np.log(4)"
    rng = np.random.default_rng(0)
    counts = rng.binomial(256, 0.002, size=100_000)
    hint = f"in 100,000 simulations it is drawn {counts.mean():.3f} times on average; take the logarithm"
    yield abs(np.exp(answer) - counts.mean()) < 0.01, hint


def sampled_softmax(answer):
    """2.3.4: ``sampled_softmax(hidden, table, targets, negatives, log_counts)``."""
    for rng in np.random.default_rng(0).spawn(10):
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


def overconfident(answer):
    """2.3.5: the sigma that BCE with one uniform negative of 10,000 items learns for a true 1 %."""
    yield isinstance(answer, Real), "give one number, such as 0.25 or 1 / 4"
    yield 0 < answer < 1, "a sigmoid is between 0 and 1"
    yield answer > 0.01, "the prediction is too high, not too low"

    def slope(p):  # of the expected loss by the logit
        return -0.01 * (1 - p) + 1 / 10_000 * 0.99 * p

    hint = f"at σ = {answer:.4f} the expected loss still has the slope {slope(answer):.6f} by the logit"
    yield abs(slope(answer)) < 2e-6, hint


def beta(answer):
    """2.3.6: ``beta(t, k, n)`` of gBCE."""
    yield close(answer(0.0, 20, 200), 1.0), "t = 0 is plain binary cross-entropy: β = 1"
    yield close(answer(1.0, 20, 200), 20 / 199), "t = 1 takes back the whole sampling rate α = k / (n − 1)"
    for rng in np.random.default_rng(0).spawn(10):
        t, k, n = rng.random(), int(rng.integers(1, 50)), int(rng.integers(60, 1000))
        ends = answer(0.0, k, n), answer(1.0, k, n)
        between = ends[0] + t * (ends[1] - ends[0])
        yield (
            close(answer(t, k, n), between),
            f"β is linear in t: {between:.6f} for t = {t:.3f}, k = {k}, n = {n}",
        )


def calibration_error(answer):
    """2.3.7: ``calibration_error(p, came, edges)``: mean over pairs of their bin's distance."""
    p, came = np.array([0.2, 0.4, 0.9, 0.9]), np.array([0, 1, 1, 1])
    hint = "bins {0.2, 0.4} and {0.9, 0.9}, half of the pairs each: 0.3 against 0.5, 0.9 against 1: 0.15"
    yield close(answer(p, came, np.array([0.5])), 0.15), hint
    for rng in np.random.default_rng(0).spawn(10):
        p = rng.random(int(rng.integers(5, 60)))
        came = (rng.random(len(p)) < p).astype(int)
        edges = np.sort(rng.random(4))
        expected = 0.0
        for low, high in zip([-np.inf, *edges], [*edges, np.inf], strict=True):
            inside = (p >= low) & (p < high)
            if inside.any():
                expected += inside.mean() * abs(p[inside].mean() - came[inside].mean())
        found = answer(p, came, edges)
        yield (
            close(found, expected),
            f"{len(p)} pairs in {len(edges) + 1} bins, some perhaps empty: {expected:.6f}",
        )


CHECKERS = {
    "2.3.1": logits_in_gigabytes,
    "2.3.2": chunked,
    "2.3.3": log_count,
    "2.3.4": sampled_softmax,
    "2.3.5": overconfident,
    "2.3.6": beta,
    "2.3.7": calibration_error,
}
