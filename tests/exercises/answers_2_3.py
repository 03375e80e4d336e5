"""Solutions and plausible wrong answers for the exercises of chapter II.3."""

import numpy as np
import scipy.special

# 2.3.2


def chunked(hidden, table, targets, chunk, last=True, mean=True, sign=1):
    n, V = len(targets), len(table)
    total, grad_hidden, grad_table = 0.0, np.zeros_like(hidden), np.zeros_like(table)
    for start in range(0, n if last else n - n % chunk, chunk):
        rows = slice(start, start + chunk)
        log_p = scipy.special.log_softmax(hidden[rows] @ table.T, axis=1)
        total -= log_p[np.arange(len(log_p)), targets[rows]].sum()
        slope = sign * (np.exp(log_p) - np.eye(V)[targets[rows]])
        grad_hidden[rows] = slope @ table
        grad_table += slope.T @ hidden[rows]
    count = n if mean else 1
    return total / n, grad_hidden / count, grad_table / count


def all_at_once(hidden, table, targets, chunk):
    return chunked(hidden, table, targets, len(targets))


def last_chunks_table_only(hidden, table, targets, chunk):
    loss, grad_hidden, _ = chunked(hidden, table, targets, chunk)
    rows = slice(len(targets) - (len(targets) % chunk or chunk), None)
    share = chunked(hidden[rows], table, targets[rows], chunk)[2] * len(targets[rows]) / len(targets)
    return loss, grad_hidden, share


# 2.3.4


def sampled_softmax(hidden, table, targets, negatives, log_counts, sign=-1, leave_out=True, positive=True):
    z_y = (hidden * table[targets]).sum(axis=1)
    z = np.einsum("nd,nkd->nk", hidden, table[negatives]) + sign * log_counts
    if leave_out:
        z = np.where(targets[:, None] == negatives, -np.inf, z)
    if positive:
        z = np.column_stack([z_y, z])
    return np.mean(scipy.special.logsumexp(z, axis=1) - z_y)


# 2.3.6


def knob(factor, k, n):
    return (1 - factor * k / n) / (1 - k / (n - 1))


# 2.3.7


def calibration_error(p, came, edges, weighted=True, absolute=True):
    group = np.digitize(p, edges)
    gaps = []
    for number in np.unique(group):
        inside = group == number
        gap = p[inside].mean() - came[inside].mean()
        gaps.append(
            (inside.mean() if weighted else 1 / len(np.unique(group))) * (abs(gap) if absolute else gap)
        )
    return np.sum(gaps)


SOLUTIONS = {
    "2.3.1": 64 * 50 * 1e6 * 4 / 1e9,
    "2.3.2": chunked,
    "2.3.3": np.log(256 * 0.002),
    "2.3.4": sampled_softmax,
    "2.3.5": 100 / 0.99 / (1 + 100 / 0.99),
    "2.3.6": knob,
    "2.3.7": calibration_error,
}

WRONG = {
    "2.3.1": [
        64 * 50 * 1e6 / 1e9,
        64 * 1e6 * 4 / 1e9,
        64 * 50 * 1e6 * 8 / 1e9,
        64 * 50 * 1e6 * 4 / 2**20,
        -12.8,
        None,
    ],
    "2.3.2": [
        lambda *given: chunked(*given, last=False),
        lambda *given: chunked(*given, mean=False),
        lambda *given: chunked(*given, sign=-1),
        lambda *given: chunked(*given)[0],
        all_at_once,
        last_chunks_table_only,
    ],
    "2.3.3": [
        np.log(0.002),
        256 * 0.002,
        -np.log(256 * 0.002),
        np.log2(256 * 0.002),
        np.log(256 / 0.002),
        None,
    ],
    "2.3.4": [
        lambda *given: sampled_softmax(*given, sign=1),
        lambda *given: sampled_softmax(*given, sign=0),
        lambda *given: sampled_softmax(*given, leave_out=False),
        lambda *given: sampled_softmax(*given, positive=False),
        lambda *given: -sampled_softmax(*given),
    ],
    "2.3.5": [0.01, 0.0001, 0.5, 1 / (1 + 100 / 0.99), 101.0, None],
    "2.3.6": [
        lambda factor, k, n: factor * k / n,
        lambda factor, k, n: 1 - factor * k / n,
        lambda factor, k, n: 1 - knob(factor, k, n),
        lambda factor, k, n: knob(1 / factor, k, n),
        lambda factor, k, n: (1 - factor) / (1 - k / (n - 1)),
    ],
    "2.3.7": [
        lambda *given: calibration_error(*given, weighted=False),
        lambda *given: calibration_error(*given, absolute=False),
        lambda p, came, edges: np.abs(p - came).mean(),
        lambda p, came, edges: abs(p.mean() - came.mean()),
        lambda p, came, edges: np.mean((p - came) ** 2),
    ],
}
