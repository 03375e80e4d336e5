"""Further wrong answers for the exercises of chapter II.4, and right ones in other styles."""

import math
import statistics
from fractions import Fraction
from itertools import product

import numpy as np
from scipy.special import log_softmax, logsumexp
from scipy.stats import norm, ttest_ind
from scipy.stats import t as student

from answers_2_4 import ablate, cloze, cloze_loss, moves, question, welch
from llmrec_ref.sequences import pad_left

# 2.4.2


def earlier_only(hidden, place, causal):
    return moves(hidden, place, causal) & (not causal or np.arange(len(hidden)) <= place)


def hidden_anywhere(hidden, place, causal):
    return moves(hidden, place, causal) & ~hidden.any()


def by_pairs(hidden, place, causal):
    sees = np.tri(len(hidden), dtype=bool) if causal else np.ones((len(hidden), len(hidden)), bool)
    changed = (np.arange(len(hidden)) == place) & ~hidden
    return (sees & changed).any(axis=1)


def position_by_position(hidden, place, causal):
    return [not hidden[place] and (not causal or t >= place) for t in range(len(hidden))]


# 2.4.3


def hidden_if_equal_too(items, draw, probability, mask):
    return cloze(items, draw, np.nextafter(probability, 1), mask)


def none_in_the_whole_batch(items, draw, probability, mask):
    draw = np.where(items > 0, draw, np.inf)
    hidden = draw < probability
    if not hidden.any():
        hidden.flat[draw.argmin()] = True
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


def largest_if_none(items, draw, probability, mask):
    hidden = (draw < probability) & (items > 0)
    none = ~hidden.any(axis=1)
    hidden[none, np.where(items > 0, draw, -1)[none].argmax(axis=1)] = True
    return np.where(hidden, mask, items), np.where(hidden, items, 0)


def minus_100(items, draw, probability, mask):
    inputs, targets = cloze(items, draw, probability, mask)
    return inputs, np.where(targets > 0, targets, -100)


def row_by_row(items, draw, probability, mask):
    inputs, targets = items.tolist(), (0 * items).tolist()
    for b, row in enumerate(items):
        real = [t for t in range(len(row)) if row[t]]
        hidden = [t for t in real if draw[b, t] < probability] or [min(real, key=lambda t: draw[b, t])]
        for t in hidden:
            inputs[b][t], targets[b][t] = mask, int(row[t])
    return [inputs, targets]


def one_array_of_both(items, draw, probability, mask):
    real = items > 0
    smallest = np.where(real, draw, 2).min(axis=1, keepdims=True)
    hidden = real & (draw < np.maximum(probability, np.nextafter(smallest, 1)))
    return np.stack([items * ~hidden + mask * hidden, items * hidden])


# 2.4.4


def mask_instead_of_the_newest(histories, max_len, mask):
    rows = pad_left(histories, max_len)
    rows[:, -1] = mask
    return rows


def padded_with_masks(histories, max_len, mask):
    rows = question(histories, max_len, mask)
    return np.where(rows == 0, mask, rows)


def mask_first(histories, max_len, mask):
    return np.roll(question(histories, max_len, mask), 1, axis=1)


def as_floats(histories, max_len, mask):
    return question(histories, max_len, mask).astype(float)


def not_padded(histories, max_len, mask):
    return [[*history[-(max_len - 1) :], mask] for history in histories]


def question_in_lists(histories, max_len, mask):
    rows = []
    for history in histories:
        row = [0] * max_len + [int(item) for item in history] + [mask]
        rows.append(row[-max_len:])
    return rows


def question_by_padding(histories, max_len, mask):
    return pad_left([np.append(history, mask) for history in histories], max_len).astype(np.int32)


# 2.4.5


def softmax_over_positions(logits, targets):
    return cloze_loss(np.nan_to_num(log_softmax(logits, axis=1), nan=-np.inf), targets)


def first_hidden_of_each(logits, targets):
    return cloze_loss(logits, targets * (np.cumsum(targets > 0, axis=1) == 1))


def loss_by_loop(logits, targets):
    nats = []
    for b, place in zip(*np.nonzero(targets), strict=True):
        z = logits[b, place, 1:].tolist()
        nats.append(math.log(math.fsum(map(math.exp, z))) - z[targets[b, place] - 1])
    return statistics.mean(nats)


def loss_by_weights(logits, targets):
    nats = (
        logsumexp(logits, axis=-1) - np.take_along_axis(logits, np.maximum(targets, 1)[..., None], -1)[..., 0]
    )
    return np.array(np.average(nats, weights=targets > 0), dtype=np.float32)


# 2.4.7


def smaller_sample_decides(a, b):
    error = np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    margin = student.ppf(0.975, min(len(a), len(b)) - 1) * error
    return np.mean(a) - np.mean(b) - margin, np.mean(a) - np.mean(b) + margin


def of_the_normal_distribution(a, b):
    margin = norm.ppf(0.975) * np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
    return np.mean(a) - np.mean(b) - margin, np.mean(a) - np.mean(b) + margin


def one_variance_for_both(a, b):
    return tuple(ttest_ind(a, b).confidence_interval())


def by_statistics(a, b):
    va, vb = (Fraction(statistics.variance(x.tolist())) / len(x) for x in (a, b))
    df = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    margin = student.ppf(0.975, float(df)) * math.sqrt(va + vb)
    middle = statistics.fmean(a) - statistics.fmean(b)
    return [middle - margin, middle + margin]


# 2.4.8


def padding_instead_of_the_mask(log_p, history, mask):
    whole = log_p([*history, mask])
    best = np.argmax(whole)
    without = [log_p([*history[:s], 0, *history[s + 1 :], mask])[best] for s in range(len(history))]
    return whole[best] - np.array(without)


def best_of_the_unseen(log_p, history, mask):
    whole = log_p([*history, mask])
    best = max((j for j in range(1, len(whole)) if j not in history), key=lambda j: whole[j])
    without = [log_p([*history[:s], mask, *history[s + 1 :], mask])[best] for s in range(len(history))]
    return whole[best] - np.array(without)


def effect_by_effect(log_p, history, mask):
    asked, effects = list(history) + [mask], []
    before = list(log_p(asked))
    best = before.index(max(before))
    for s, item in enumerate(history):
        asked[s] = mask
        effects.append(float(before[best] - log_p(asked)[best]))
        asked[s] = item
    return effects


def all_questions_at_once(log_p, history, mask):
    questions = np.tile([*history, mask], (len(history) + 1, 1))
    np.fill_diagonal(questions[1:], mask)
    found = np.stack([log_p(row.tolist()) for row in questions])[:, 1:]
    return (found[0].max() - found[1:, found[0].argmax()]).astype(np.float32)


WRONG = {
    "2.4.1": [
        1.2125,
        1.9,
        4,
        0.8 * (2 + 1 / 16),
        0.2 + 0.8 * 32 / 15,
        [1.85],
        0.2 + 0.8 * (2 + 1 / 4),
        15 / 16,
    ],
    "2.4.2": [
        earlier_only,
        hidden_anywhere,
        lambda *given: ~moves(*given),
        lambda *given: moves(*given).astype(float),
        lambda *given: moves(*given)[None],
        lambda *given: np.flatnonzero(moves(*given)),
        lambda *given: moves(*given)[::-1],
    ],
    "2.4.3": [
        hidden_if_equal_too,
        none_in_the_whole_batch,
        largest_if_none,
        minus_100,
        lambda *given: (cloze(*given)[0], cloze(*given)[1] > 0),
        lambda items, draw, probability, mask: cloze(items, draw, probability, 0),
        lambda *given: tuple(each.ravel() for each in cloze(*given)),
    ],
    "2.4.4": [
        mask_instead_of_the_newest,
        padded_with_masks,
        mask_first,
        as_floats,
        not_padded,
        lambda histories, max_len, mask: question(
            [np.unique(history) for history in histories], max_len, mask
        ),
        lambda histories, max_len, mask: question(histories, max_len, 50 * mask),
    ],
    "2.4.5": [
        softmax_over_positions,
        first_hidden_of_each,
        lambda logits, targets: cloze_loss(logits, targets) / np.log(2),
        lambda logits, targets: np.exp(cloze_loss(logits, targets)),
        lambda logits, targets: cloze_loss(logits[:1], targets[:1]),
        lambda logits, targets: cloze_loss(logits, targets) * (targets > 0).sum() / len(targets),
        lambda logits, targets: round(cloze_loss(logits, targets), 2),
    ],
    "2.4.6": [49 / 2, 50, 0.042, 23, 24.75, 23.9, [23.763]],
    "2.4.7": [
        smaller_sample_decides,
        of_the_normal_distribution,
        one_variance_for_both,
        lambda a, b: (np.mean(a) - np.mean(b), welch(a, b)[1] - np.mean(a) + np.mean(b)),
        lambda a, b: tuple(np.round(welch(a, b), 3)),
        lambda a, b: tuple(np.array(welch(a, b)) - np.mean(a) + np.median(a)),
        lambda a, b: (*welch(a, b), 0.95),
    ],
    "2.4.8": [
        padding_instead_of_the_mask,
        best_of_the_unseen,
        lambda log_p, history, mask: ablate(log_p, history, mask) - ablate(log_p, history, mask).mean(),
        lambda log_p, history, mask: ablate(lambda tokens: np.exp(log_p(tokens)), history, mask),
        lambda log_p, history, mask: ablate(log_p, history, 1),
        lambda log_p, history, mask: ablate(log_p, history, mask)[-1],
    ],
}

WINDOWS = [max(1, sum(hidden)) for hidden in product([0, 1], repeat=4)]

RIGHT = {
    "2.4.1": [Fraction(37, 20), np.array(1.85), 0.2 + 0.8 * statistics.mean(WINDOWS), np.float32(1.85)],
    "2.4.2": [by_pairs, position_by_position],
    "2.4.3": [row_by_row, one_array_of_both],
    "2.4.4": [question_in_lists, question_by_padding],
    "2.4.5": [loss_by_loop, loss_by_weights],
    "2.4.6": [Fraction(36804096, 1548800), np.array(23.763), 23.8, np.float32(23.76)],
    "2.4.7": [by_statistics, lambda a, b: ttest_ind(a, b, equal_var=False).confidence_interval()],
    "2.4.8": [effect_by_effect, all_questions_at_once],
}
