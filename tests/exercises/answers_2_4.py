"""Solutions and plausible wrong answers for the exercises of chapter II.4."""

import numpy as np
from scipy.special import log_softmax
from scipy.stats import t

from llmrec_ref.sequences import pad_left

# 2.4.2


def moves(hidden, place, causal):
    if hidden[place]:
        return np.zeros(len(hidden), bool)
    positions = np.arange(len(hidden))
    return positions >= place if causal else positions >= 0


def moves_under_the_mask(hidden, place, causal):
    return moves(np.zeros_like(hidden), place, causal)


def later_only(hidden, place, causal):
    return moves(hidden, place, causal) & (np.arange(len(hidden)) > place)


def masks_stay(hidden, place, causal):
    return moves(hidden, place, causal) & ~hidden


# 2.4.3


def cloze(items, draw, probability, mask):
    draw = np.where(items > 0, draw, np.inf)
    hidden = draw < probability
    none = ~hidden.any(axis=1)
    hidden[none, draw[none].argmin(axis=1)] = True
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


def maybe_none(items, draw, probability, mask):
    hidden = (draw < probability) & (items > 0)
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


def padding_hidden(items, draw, probability, mask):
    hidden = draw < probability
    hidden[~hidden.any(axis=1), -1] = True
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


def all_are_targets(items, draw, probability, mask):
    return cloze(items, draw, probability, mask)[0], items


def not_hidden(items, draw, probability, mask):
    return items, cloze(items, draw, probability, mask)[1]


def the_others(items, draw, probability, mask):
    return cloze(items, 1 - draw, 1 - probability, mask)


def newest_if_none(items, draw, probability, mask):
    hidden = (draw < probability) & (items > 0)
    hidden[~hidden.any(axis=1), -1] = True
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


# 2.4.4


def question(histories, max_len, mask):
    rows = np.zeros((len(histories), max_len), int)
    for row, history in zip(rows, histories, strict=True):
        newest = [*history[-(max_len - 1) :], mask]
        row[-len(newest) :] = newest
    return rows


def no_mask(histories, max_len, mask):
    return pad_left(histories, max_len)


def oldest(histories, max_len, mask):
    return question([history[: max_len - 1] for history in histories], max_len, mask)


def one_too_few(histories, max_len, mask):
    return question([history[max(0, len(history) - max_len + 2) :] for history in histories], max_len, mask)


def padded_right(histories, max_len, mask):
    rows = question(histories, max_len, mask)
    return np.array([np.roll(row, -np.count_nonzero(row == 0)) for row in rows])


def newest_first(histories, max_len, mask):
    return question([history[-(max_len - 1) :][::-1] for history in histories], max_len, mask)


# 2.4.5


def cloze_loss(logits, targets):
    asked = targets > 0
    log_p = log_softmax(logits[asked], axis=-1)
    return -log_p[np.arange(asked.sum()), targets[asked]].mean()


def summed(logits, targets):
    return cloze_loss(logits, targets) * np.count_nonzero(targets)


def all_positions(logits, targets):
    return summed(logits, targets) / targets.size


def mean_of_windows(logits, targets):
    rows = [cloze_loss(z, row) for z, row in zip(logits, targets, strict=True) if row.any()]
    return np.mean(rows)


def shifted(logits, targets):
    asked = targets > 0
    log_p = log_softmax(logits[asked], axis=-1)
    return -log_p[np.arange(asked.sum()), np.maximum(targets[asked] - 1, 1)].mean()


def padding_in_the_softmax(logits, targets):
    return cloze_loss(np.where(np.isinf(logits), 0, logits), targets)


# 2.4.7


def welch(a, b, ddof=1, q=0.975, pooled=False):
    va, vb = np.var(a, ddof=ddof) / len(a), np.var(b, ddof=ddof) / len(b)
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    margin = t.ppf(q, len(a) + len(b) - 2 if pooled else df) * np.sqrt(va + vb)
    middle = np.mean(a) - np.mean(b)
    return middle - margin, middle + margin


def of_single_runs(a, b):
    low, high = welch(a, b)
    margin = t.ppf(0.975, len(a) + len(b) - 2) * np.sqrt(np.var(a, ddof=1) + np.var(b, ddof=1))
    return (low + high) / 2 - margin, (low + high) / 2 + margin


def paired(a, b):
    n = min(len(a), len(b))
    difference = np.asarray(a[:n]) - np.asarray(b[:n])
    margin = t.ppf(0.975, n - 1) * difference.std(ddof=1) / np.sqrt(n)
    return difference.mean() - margin, difference.mean() + margin


# 2.4.8


def ablate(log_p, history, mask):
    whole = log_p([*history, mask])
    best = np.argmax(whole)
    without = [log_p([*history[:s], mask, *history[s + 1 :], mask])[best] for s in range(len(history))]
    return whole[best] - np.array(without)


def taken_out(log_p, history, mask):
    whole = log_p([*history, mask])
    best = np.argmax(whole)
    without = [log_p([*history[:s], *history[s + 1 :], mask])[best] for s in range(len(history))]
    return whole[best] - np.array(without)


def best_anew(log_p, history, mask):
    whole = log_p([*history, mask])
    without = [log_p([*history[:s], mask, *history[s + 1 :], mask]).max() for s in range(len(history))]
    return whole.max() - np.array(without)


def no_final_mask(log_p, history, mask):
    whole = log_p(history)
    best = np.argmax(whole)
    without = [log_p([*history[:s], mask, *history[s + 1 :]])[best] for s in range(len(history))]
    return whole[best] - np.array(without)


SOLUTIONS = {
    "2.4.1": 0.2 + 0.8 * (4 / 2 + 1 / 2**4),
    "2.4.2": moves,
    "2.4.3": cloze,
    "2.4.4": question,
    "2.4.5": cloze_loss,
    "2.4.6": sum(6 * L * 64**2 + 2 * L**2 * 64 for L in range(2, 51)) / (6 * 50 * 64**2 + 2 * 50**2 * 64),
    "2.4.7": welch,
    "2.4.8": ablate,
}

WRONG = {
    "2.4.1": [2, 2 + 1 / 16, 0.2 + 0.8 * 2, 3, 0.2 * 4 + 0.8 * (2 + 1 / 16), None],
    "2.4.2": [
        moves_under_the_mask,
        later_only,
        masks_stay,
        lambda hidden, place, causal: moves(hidden, place, True),
        lambda hidden, place, causal: moves(hidden, place, False),
        lambda hidden, place, causal: moves(hidden, place, not causal),
        lambda hidden, place, causal: None,
    ],
    "2.4.3": [
        maybe_none,
        padding_hidden,
        all_are_targets,
        not_hidden,
        the_others,
        newest_if_none,
        lambda items, draw, probability, mask: cloze(items, draw, probability, mask)[::-1],
        lambda items, draw, probability, mask: None,
    ],
    "2.4.4": [
        no_mask,
        oldest,
        one_too_few,
        padded_right,
        newest_first,
        lambda histories, max_len, mask: question(histories, max_len + 1, mask),
        lambda histories, max_len, mask: None,
    ],
    "2.4.5": [
        summed,
        all_positions,
        mean_of_windows,
        shifted,
        padding_in_the_softmax,
        lambda logits, targets: -cloze_loss(logits, targets),
        lambda logits, targets: None,
    ],
    "2.4.6": [49, 1, 1 / 23.763, 22.7789, 42_924 / 2500, None],
    "2.4.7": [
        lambda a, b: welch(b, a),
        lambda a, b: welch(a, b)[::-1],
        lambda a, b: welch(a, b, ddof=0),
        lambda a, b: welch(a, b, q=0.95),
        lambda a, b: welch(a, b, pooled=True),
        of_single_runs,
        paired,
        lambda a, b: None,
    ],
    "2.4.8": [
        taken_out,
        best_anew,
        no_final_mask,
        lambda log_p, history, mask: -ablate(log_p, history, mask),
        lambda log_p, history, mask: np.abs(ablate(log_p, history, mask)),
        lambda log_p, history, mask: np.exp(ablate(log_p, history, mask)),
        lambda log_p, history, mask: ablate(log_p, history, mask)[::-1],
        lambda log_p, history, mask: None,
    ],
}
