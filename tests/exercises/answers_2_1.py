"""Solutions and plausible wrong answers for the exercises of chapter II.1."""

import numpy as np
from scipy.special import expit as sigmoid

# 2.1.3


def published_cell(e, h, W, U, b, order=(0, 1, 2), keep_candidate=False):
    item = np.split(e @ W.T + b, 3, axis=-1)
    state = np.split(U, 3)
    r, u = (sigmoid(item[gate] + h @ state[gate].T) for gate in order[:2])
    candidate = np.tanh(item[2] + (r * h) @ state[2].T)
    return (1 - u) * h + u * candidate if keep_candidate else u * h + (1 - u) * candidate


def reset_after(e, h, W, U, b):
    item_r, item_u, item_h = np.split(e @ W.T + b, 3, axis=-1)
    state_r, state_u, state_h = np.split(h @ U.T, 3, axis=-1)
    r, u = sigmoid(item_r + state_r), sigmoid(item_u + state_u)
    return u * h + (1 - u) * np.tanh(item_h + r * state_h)


# 2.1.4


def last_states(cell, embeddings, item_ids):
    h = np.zeros((len(item_ids), embeddings.shape[1]))
    for items in item_ids.T:
        h = np.where(items[:, None] > 0, cell(embeddings[items], h), h)
    return h


def through_the_padding(cell, embeddings, item_ids):
    h = np.zeros((len(item_ids), embeddings.shape[1]))
    for items in item_ids.T:
        h = cell(embeddings[items] * (items > 0)[:, None], h)  # zero vectors are not enough
    return h


def newest_first(cell, embeddings, item_ids):
    return last_states(cell, embeddings, item_ids[:, ::-1])


def without_the_newest(cell, embeddings, item_ids):
    return last_states(cell, embeddings, item_ids[:, :-1])


# 2.1.5


def roll_back(states, item_ids, sign=-1):
    column = np.arange(item_ids.shape[1]) + sign * (item_ids == 0).sum(axis=1, keepdims=True)
    return np.take_along_axis(states, (column % item_ids.shape[1])[:, :, None], axis=1)


def reversed_states(states, item_ids):
    return np.concatenate(
        [roll_back(states, item_ids)[:, -2::-1], roll_back(states, item_ids)[:, -1:]], axis=1
    )


# 2.1.6


def all_positions_loss(log_p, item_ids):
    nats = -np.take_along_axis(log_p[:, :-1], item_ids[:, 1:, None], axis=-1)[..., 0]
    return nats[item_ids[:, :-1] > 0].mean()


def first_item_counted(log_p, item_ids):
    nats = -np.take_along_axis(log_p[:, :-1], item_ids[:, 1:, None], axis=-1)[..., 0]
    return nats[item_ids[:, 1:] > 0].mean()


def padding_counted(log_p, item_ids):
    return -np.take_along_axis(log_p[:, :-1], item_ids[:, 1:, None], axis=-1).mean()


def not_shifted(log_p, item_ids):
    return -np.take_along_axis(log_p, item_ids[..., None], axis=-1)[..., 0][item_ids > 0].mean()


def last_position_only(log_p, item_ids):
    return all_positions_loss(log_p[:, -2:], item_ids[:, -2:])


HALF = 0.5 ** (1 / 10)

SOLUTIONS = {
    "2.1.1": -0.5,
    "2.1.2": (2000, 21000),
    "2.1.3": published_cell,
    "2.1.4": last_states,
    "2.1.5": roll_back,
    "2.1.6": all_positions_loss,
    "2.1.7": np.log(HALF / (1 - HALF)),
    "2.1.8": np.log(20) / 12,
}

WRONG = {
    "2.1.1": [None, 0.0, 1.0, -1.5, 0.5 * -1 + 0.5 * np.tanh(1 - 2), "0.5"],
    "2.1.2": [None, (2100, 23100), (2000, 2000), (2000, 23100), (2000, 19000), (20, 210), 21000],
    "2.1.3": [
        reset_after,
        lambda e, h, W, U, b: published_cell(e, h, W, U, b, order=(1, 0, 2)),
        lambda e, h, W, U, b: published_cell(e, h, W, U, b, keep_candidate=True),
        lambda e, h, W, U, b: published_cell(e, h, W, U, b).sum(axis=0),
        lambda e, h, W, U, b: None,
    ],
    "2.1.4": [
        through_the_padding,
        newest_first,
        without_the_newest,
        lambda cell, embeddings, item_ids: None,
    ],
    "2.1.5": [
        lambda states, item_ids: states,
        lambda states, item_ids: roll_back(states, item_ids, sign=1),
        reversed_states,
        lambda states, item_ids: None,
    ],
    "2.1.6": [
        first_item_counted,
        padding_counted,
        not_shifted,
        last_position_only,
        lambda log_p, item_ids: -all_positions_loss(log_p, item_ids),
        lambda log_p, item_ids: None,
    ],
    "2.1.7": [None, HALF, 0.0, -np.log(HALF / (1 - HALF)), np.log(0.5) / 10],
    "2.1.8": [None, np.log(20), 0.0, 11 / 12 * np.log(20), np.log(20) / 13],
}
