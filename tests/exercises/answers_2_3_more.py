"""Further wrong answers for the exercises of chapter II.3, and right ones in other styles."""

import math
from fractions import Fraction

import numpy as np
from scipy.special import expit, log_softmax

from answers_2_3 import calibration_error, chunked, knob, sampled_softmax

# 2.3.2


def mean_of_chunk_means(hidden, table, targets, chunk):
    starts = range(0, len(targets), chunk)
    losses = [chunked(hidden[i : i + chunk], table, targets[i : i + chunk], chunk)[0] for i in starts]
    return np.mean(losses), *chunked(hidden, table, targets, chunk)[1:]


def each_chunk_divided_by_itself(hidden, table, targets, chunk):
    loss, grad_hidden, grad_table = chunked(hidden, table, targets, chunk)
    sizes = [min(chunk, len(targets) - i) for i in range(0, len(targets), chunk)]
    return loss, grad_hidden * len(targets) / np.repeat(sizes, sizes)[:, None], grad_table


def keeps_all_chunks(hidden, table, targets, chunk):
    kept = [
        np.exp(log_softmax(hidden[i : i + chunk] @ table.T, axis=1)) for i in range(0, len(targets), chunk)
    ]
    p = np.concatenate(kept)
    loss = -np.log(p[np.arange(len(p)), targets]).mean()
    p[np.arange(len(p)), targets] -= 1
    return loss, p @ table / len(p), p.T @ hidden / len(p)


def chunks_of_the_catalogue(hidden, table, targets, chunk):
    total = np.zeros(len(targets))
    for i in range(0, len(table), chunk):
        total += np.exp(hidden @ table[i : i + chunk].T).sum(axis=1)
    loss = np.mean(np.log(total) - (hidden * table[targets]).sum(axis=1))
    return loss, *chunked(hidden, table, targets, chunk)[1:]


def hidden_overwritten(hidden, table, targets, chunk):
    loss, grad_hidden, grad_table = chunked(hidden, table, targets, chunk)
    hidden[:] = grad_hidden
    return loss, hidden, grad_table


def one_target_at_a_time(hidden, table, targets, chunk):
    n, loss = len(targets), 0.0
    grad_hidden, grad_table = np.zeros(hidden.shape), np.zeros(table.shape)
    for row, (h, y) in enumerate(zip(hidden, targets, strict=True)):
        z = table @ h
        p = np.exp(z - z.max())
        p /= p.sum()
        loss -= math.log(p[y]) / n
        p[y] -= 1
        grad_hidden[row] = p @ table / n
        grad_table += np.outer(p, h) / n
    return [loss, grad_hidden, grad_table.astype(np.float32)]


def split_evenly(hidden, table, targets, chunk):
    n, V = len(targets), len(table)
    loss, slopes, grad_table = 0.0, [], 0.0
    for rows in np.array_split(np.arange(n), -(-n // chunk)):
        log_p = log_softmax(hidden[rows] @ table.T, axis=1)
        loss -= log_p[np.arange(len(rows)), targets[rows]].sum() / n
        slope = (np.exp(log_p) - (np.arange(V) == targets[rows][:, None])) / n
        slopes += (slope @ table).tolist()
        grad_table = grad_table + slope.T @ hidden[rows]
    return np.float64(loss), slopes, grad_table.tolist()


# 2.3.4


def targets_of_the_batch_left_out(hidden, table, targets, negatives, log_counts):
    log_counts = np.where(np.isin(negatives, targets), np.inf, log_counts)
    return sampled_softmax(hidden, table, targets, negatives, log_counts, leave_out=False)


def each_negative_once(hidden, table, targets, negatives, log_counts):
    nats = []
    for h, y, row, logs in zip(hidden, targets, negatives, log_counts, strict=True):
        z = {j: h @ table[j] - c for j, c in zip(row.tolist(), logs, strict=True) if j != y}
        nats.append(np.log(np.exp(h @ table[y]) + sum(np.exp(value) for value in z.values())) - h @ table[y])
    return np.mean(nats)


def target_scores_zero_not_left_out(hidden, table, targets, negatives, log_counts):
    z = np.einsum("nd,nkd->nk", hidden, table[negatives]) - log_counts
    z = np.where(targets[:, None] == negatives, 0, z)
    z_y = (hidden * table[targets]).sum(axis=1)
    return np.mean(np.log(np.exp(z_y) + np.exp(z).sum(axis=1)) - z_y)


def counts_not_logarithms(hidden, table, targets, negatives, log_counts):
    return sampled_softmax(hidden, table, targets, negatives, np.exp(log_counts))


def pair_by_pair(hidden, table, targets, negatives, log_counts):
    total = 0
    for n, y in enumerate(targets):
        z_y = float(hidden[n] @ table[y])
        others = [
            math.exp(hidden[n] @ table[j] - c)
            for j, c in zip(negatives[n], log_counts[n], strict=True)
            if j != y
        ]
        total += math.log(math.exp(z_y) + math.fsum(others)) - z_y
    return np.array(total / len(targets))


def by_logaddexp(hidden, table, targets, negatives, log_counts):
    logits = hidden @ table.T
    z = np.take_along_axis(logits, negatives, axis=1) - log_counts
    z[negatives == targets[:, None]] = -np.inf
    z_y = np.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
    return np.float32(np.mean(np.logaddexp(z_y, np.logaddexp.reduce(z, axis=1)) - z_y))


# 2.3.7


def closed_on_the_other_side(p, came, edges):
    group = np.digitize(p, edges, right=True)
    return np.abs(np.bincount(group, p - came)).sum() / len(p)


def between_the_edges_only(p, came, edges):
    inside = (p >= edges[0]) & (p < edges[-1])
    return calibration_error(p[inside], came[inside], edges) if inside.any() else 0.0


def on_an_edge_dropped(p, came, edges):
    inside = ~np.isin(p, edges)
    return calibration_error(p[inside], came[inside], edges) if inside.any() else 0.0


def sorted_in_place(p, came, edges):
    value = calibration_error(p, came, edges)
    p.sort()
    return value


def largest_gap(p, came, edges):
    group = np.digitize(p, edges)
    return max(abs(p[group == g].mean() - came[group == g].mean()) for g in np.unique(group))


def root_mean_square(p, came, edges):
    group = np.digitize(p, edges)
    gaps = np.array([p[group == g].mean() - came[group == g].mean() for g in group])
    return np.sqrt(np.mean(gaps**2))


def over_all_bins(p, came, edges):
    return calibration_error(p, came, edges) * len(p) / (len(edges) + 1)


def bin_by_bin(p, came, edges):
    total, bounds = 0.0, [-math.inf, *edges.tolist(), math.inf]
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        pairs = [(a, b) for a, b in zip(p.tolist(), came.tolist(), strict=True) if low <= a < high]
        total += abs(sum(a - b for a, b in pairs))
    return total / len(p)


def by_histogram(p, came, edges):
    gaps, _ = np.histogram(p, bins=[-1, *edges, 2], weights=p - came)
    return np.float32(np.abs(gaps).sum() / p.size)


WRONG = {
    "2.3.1": [64 * 50 * 1e6 * 4 / 2**30, 12.8e9, 12.8 * 8, 50 * 1e6 * 4 / 1e9, 6.4, [12.8], 13],
    "2.3.2": [
        mean_of_chunk_means,
        each_chunk_divided_by_itself,
        keeps_all_chunks,
        chunks_of_the_catalogue,
        hidden_overwritten,
        lambda *given: (chunked(*given)[0], *chunked(*given)[:0:-1]),
        lambda *given: chunked(*given)[:2],
        lambda *given: (chunked(*given)[0] * len(given[0]), *chunked(*given)[1:]),
        lambda hidden, table, targets, chunk: chunked(hidden, table, targets, max(chunk, len(targets) // 8)),
    ],
    "2.3.3": [
        np.log(255 * 0.002),
        np.log(257 * 0.002),
        np.log(1 - 0.998**256),
        256 * np.log(0.002),
        np.log10(256 * 0.002),
        np.log(256 * 0.998),
        [np.log(256 * 0.002)],
    ],
    "2.3.4": [
        targets_of_the_batch_left_out,
        each_negative_once,
        target_scores_zero_not_left_out,
        counts_not_logarithms,
        lambda *given: sampled_softmax(*given) * len(given[0]),
        lambda *given: sampled_softmax(*given).round(2),
        lambda *given: sampled_softmax(*given[:3], given[3][:, :1], given[4][:, :1]),
        lambda *given: sampled_softmax(*given[:4], given[4] + np.log(given[3].shape[1])),
        lambda *given: sampled_softmax(*given[:4], given[4].mean(axis=0)),
    ],
    "2.3.5": [100 / 101, 1 - 1 / 10_000, 0.99, 100 / 0.99, 1 - 0.01 / 0.99, 0.5025, [0.990197]],
    "2.3.6": [
        lambda factor, k, n: (1 - factor * k / n) / (1 - k / n),
        lambda factor, k, n: (1 - factor * k / (n - 1)) / (1 - k / (n - 1)),
        lambda factor, k, n: knob(factor, n, k),
        lambda factor, k, n: knob(factor, k, n) ** 2,
        lambda factor, k, n: round(knob(factor, k, n), 2),
        lambda factor, k, n: max(knob(factor, k, n), 0.5),
        lambda factor, k, n: [knob(factor, k, n)],
    ],
    "2.3.7": [
        closed_on_the_other_side,
        between_the_edges_only,
        on_an_edge_dropped,
        sorted_in_place,
        largest_gap,
        root_mean_square,
        over_all_bins,
        lambda p, came, edges: calibration_error(p, came, edges[:1]),
        lambda p, came, edges: calibration_error(p, came, np.linspace(0, 1, 11)),
    ],
}

RIGHT = {
    "2.3.1": [Fraction(64, 5), np.array(12.8), np.prod([64, 50, 1_000_000, 4]) / 1e9, np.float32(12.8)],
    "2.3.2": [one_target_at_a_time, split_evenly],
    "2.3.3": [math.log(0.512), np.array(-0.669), Fraction(-669, 1000), np.log(256) + np.log(0.002)],
    "2.3.4": [pair_by_pair, by_logaddexp],
    "2.3.5": [0.9902, Fraction(10_000, 10_099), np.array(expit(np.log(100 / 0.99))), np.float32(0.990197)],
    "2.3.6": [
        lambda factor, k, n: float((1 - Fraction(factor) * k / n) / (1 - Fraction(k, n - 1))),
        lambda factor, k, n: np.interp(-factor, [-n / k, -n / (n - 1)], [0, 1]),
        lambda factor, k, n: np.float32((n / k - factor) / (n / k - n / (n - 1))),
    ],
    "2.3.7": [bin_by_bin, by_histogram],
}
