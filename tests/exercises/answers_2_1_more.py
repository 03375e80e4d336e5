"""Further wrong answers for the exercises of chapter II.1, and right ones in other styles."""

import math
from fractions import Fraction

import numpy as np
from scipy.special import expit as sigmoid

from answers_2_1 import HALF, all_positions_loss, last_states, published_cell, roll_back

# 2.1.3


def state_in_place(e, h, W, U, b):
    h[:] = published_cell(e, h, W, U, b)
    return h


def bias_reset_too(e, h, W, U, b):
    D = h.shape[1]
    r = sigmoid(e @ W[:D].T + h @ U[:D].T + b[:D])
    u = sigmoid(e @ W[D : 2 * D].T + h @ U[D : 2 * D].T + b[D : 2 * D])
    return u * h + (1 - u) * np.tanh(e @ W[2 * D :].T + r * (h @ U[2 * D :].T + b[2 * D :]))


def old_state_unread_by_the_gates(e, h, W, U, b):
    D = h.shape[1]
    return published_cell(e, h, W, np.vstack([0 * U[: 2 * D], U[2 * D :]]), b)


def transposed_matrices(e, h, W, U, b):
    turned = [np.concatenate([part.T for part in np.split(matrix, 3)]) for matrix in (W, U)]
    return published_cell(e, h, *turned, b)


def cell_in_einsum(e, h, W, U, b):
    D = h.shape[-1]
    W, U, b = W.reshape(3, D, D), U.reshape(3, D, D), b.reshape(3, 1, D)
    r, u = 1 / (1 + np.exp(-np.einsum("gij,bj->gbi", W[:2], e) - np.einsum("gij,bj->gbi", U[:2], h) - b[:2]))
    return (h * u + np.tanh(e @ W[2].T + (r * h) @ U[2].T + b[2]) * (1 - u)).tolist()


def cell_row_by_row(e, h, W, U, b):
    D, new = h.shape[1], np.zeros(h.shape, np.float32)
    for row in range(len(h)):
        gates = [sum(W[i] * e[row]) + sum(U[i] * h[row]) + b[i] for i in range(2 * D)]
        reset = np.array([h[row, i] / (1 + math.exp(-gates[i])) for i in range(D)])
        for i in range(D):
            u = 1 / (1 + math.exp(-gates[D + i]))
            candidate = math.tanh(W[2 * D + i] @ e[row] + b[2 * D + i] + U[2 * D + i] @ reset)
            new[row, i] = u * h[row, i] + (1 - u) * candidate
    return new


# 2.1.4


def from_ones(cell, embeddings, item_ids):
    h = np.ones((len(item_ids), embeddings.shape[1]))
    for items in item_ids.T:
        h = np.where(items[:, None] > 0, cell(embeddings[items], h), h)
    return h


def state_zeroed_at_padding_only(cell, embeddings, item_ids):
    h = np.zeros((len(item_ids), embeddings.shape[1]))
    for items in item_ids.T:
        h = cell(embeddings[items], h)
    return h


def padding_row_zeroed_in_place(cell, embeddings, item_ids):
    embeddings[0] = 0
    return last_states(cell, embeddings, item_ids)


def stops_when_one_is_padding(cell, embeddings, item_ids):
    h = np.zeros((len(item_ids), embeddings.shape[1]))
    for items in item_ids.T:
        if items.all():
            h = cell(embeddings[items], h)
    return h


def state_and_item_swapped(cell, embeddings, item_ids):
    return last_states(lambda e, h: cell(h, e), embeddings, item_ids)


def state_by_state(cell, embeddings, item_ids):
    states = []
    for row in item_ids:
        h = np.zeros((1, embeddings.shape[1]))
        for item in row[row > 0]:
            h = cell(embeddings[[item]], h)
        states.append(h[0].tolist())
    return states


def by_arithmetic(cell, embeddings, item_ids):
    h = np.zeros((item_ids.shape[0], embeddings.shape[1]), np.float32)
    for column in range(item_ids.shape[1]):
        real = (item_ids[:, column] != 0)[:, None]
        h = real * cell(embeddings[item_ids[:, column]], h) + (1 - real) * h
    return h


# 2.1.5


def slices_by_padding(states, item_ids):
    back = np.zeros_like(states)
    for b, n in enumerate((item_ids == 0).sum(axis=1)):
        back[b, n:] = states[b, :-n]
    return back


def full_rows_forgotten(states, item_ids):
    back = np.zeros_like(states)
    for b, n in enumerate((item_ids == 0).sum(axis=1)):
        if n:
            back[b, n:] = states[b, :-n]
    return back


def padding_of_the_first_row(states, item_ids):
    return np.roll(states, (item_ids[0] == 0).sum(), axis=1)


def rolled_over_the_width(states, item_ids):
    return np.stack([np.roll(row, (items == 0).sum()) for row, items in zip(states, item_ids, strict=True)])


def newest_everywhere(states, item_ids):
    newest = states[np.arange(len(states)), (item_ids > 0).sum(axis=1) - 1]
    return np.repeat(newest[:, None], states.shape[1], axis=1)


def rolled_in_place(states, item_ids):
    for row, items in zip(states, item_ids, strict=True):
        row[:] = np.roll(row, (items == 0).sum(), axis=0)
    return states


def roll_by_row(states, item_ids):
    rows = zip(states, item_ids, strict=True)
    return [np.roll(row, int((items == 0).sum()), axis=0).tolist() for row, items in rows]


def nan_in_the_padding(states, item_ids):
    back = np.full(states.shape, 99, np.float32)
    for b, t in zip(*np.nonzero(item_ids), strict=True):
        back[b, t] = states[b, t - np.count_nonzero(item_ids[b] == 0)]
    return back


# 2.1.6


def mean_of_rows(log_p, item_ids):
    rows = [(z[None], row[None]) for z, row in zip(log_p, item_ids, strict=True) if (row > 0).sum() > 1]
    return np.mean([all_positions_loss(*row) for row in rows])


def loss_by_loop(log_p, item_ids):
    nats = []
    for z, row in zip(log_p, item_ids.tolist(), strict=True):
        for t in range(1, len(row)):
            if row[t - 1] and row[t]:
                nats.append(-float(z[t - 1, row[t]]))
    return math.fsum(nats) / len(nats)


def loss_of_places(log_p, item_ids):
    b, t = np.nonzero(item_ids[:, :-1])
    return np.float32(np.average(-log_p[b, t, item_ids[b, t + 1]]))


WRONG = {
    "2.1.1": [-1, 0.5, -0.25, np.tanh(-1), -0.5 + 0.5 * np.tanh(1), [-0.5], -0.52],
    "2.1.2": [
        (2000, 210),
        (100, 2000),
        (21000, 2000),
        (2000, 22050),
        (2000.5, 21000),
        ("2000", "21000"),
        (2000,),
    ],
    "2.1.3": [
        state_in_place,
        bias_reset_too,
        old_state_unread_by_the_gates,
        transposed_matrices,
        lambda e, h, W, U, b: published_cell(e, h, W, U, 0 * b),
        lambda e, h, W, U, b: published_cell(h, e, W, U, b),
        lambda e, h, W, U, b: published_cell(e, h, W, U, b).round(2),
        lambda e, h, W, U, b: published_cell(e, h, W, U, b)[:1],
    ],
    "2.1.4": [
        from_ones,
        state_zeroed_at_padding_only,
        padding_row_zeroed_in_place,
        stops_when_one_is_padding,
        state_and_item_swapped,
        lambda cell, embeddings, item_ids: last_states(cell, embeddings, item_ids)[-1],
        lambda cell, embeddings, item_ids: last_states(cell, embeddings, item_ids[:, -3:]),
        lambda cell, embeddings, item_ids: last_states(cell, embeddings, np.maximum(item_ids - 1, 0)),
    ],
    "2.1.5": [
        full_rows_forgotten,
        padding_of_the_first_row,
        rolled_over_the_width,
        newest_everywhere,
        rolled_in_place,
        lambda states, item_ids: states[:, ::-1],
        lambda states, item_ids: roll_back(states, item_ids)[:, -1],
        lambda states, item_ids: roll_back(states, item_ids).astype(int),
        lambda states, item_ids: states * (item_ids > 0)[:, :, None],
    ],
    "2.1.6": [
        mean_of_rows,
        lambda log_p, item_ids: all_positions_loss(np.roll(log_p, 1, axis=-1), item_ids),
        lambda log_p, item_ids: all_positions_loss(log_p, item_ids) / np.log(2),
        lambda log_p, item_ids: all_positions_loss(log_p, item_ids) * (item_ids[:, :-1] > 0).sum(),
        lambda log_p, item_ids: np.exp(all_positions_loss(log_p, item_ids)),
        lambda log_p, item_ids: all_positions_loss(log_p[-1:], item_ids[-1:]),
        lambda log_p, item_ids: round(all_positions_loss(log_p, item_ids), 2),
    ],
    "2.1.7": [np.log(10), np.log(0.5) / np.log(10), 1 - HALF, np.log(9), 2.5, 0.5 ** (1 / 9), np.log(HALF)],
    "2.1.8": [np.log(20) / 2, np.log2(20) / 12, 1 / 12, -np.log(20) / 12, np.log(20) / 11, 0.05],
}

RAISES = {"2.1.5": [slices_by_padding]}

RIGHT = {
    "2.1.1": [Fraction(-1, 2), np.array(-0.5), np.float32(-0.5), 0.5 * -1 + 0.5 * math.tanh(0)],
    "2.1.2": [
        [2000, 21000],
        np.array([2000, 21000]),
        (100 * 20, 100 * sum(range(21))),
        (2e3, Fraction(21000)),
    ],
    "2.1.3": [cell_in_einsum, cell_row_by_row],
    "2.1.4": [state_by_state, by_arithmetic],
    "2.1.5": [roll_by_row, nan_in_the_padding],
    "2.1.6": [loss_by_loop, loss_of_places],
    "2.1.7": [
        -math.log(2**0.1 - 1),
        np.array(2.633),
        Fraction(2633, 1000),
        np.float32(np.log(HALF / (1 - HALF))),
    ],
    "2.1.8": [math.log(20) / 12, np.mean([0] * 11 + [np.log(20)]), Fraction(1, 4)],
}
