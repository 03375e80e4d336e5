"""Solutions and plausible wrong answers for the exercises of chapter II.5."""

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata

# 2.5.2


def dominated(quality, cost):
    no_worse = (quality >= quality[:, None]) & (cost <= cost[:, None])
    better = (quality > quality[:, None]) | (cost < cost[:, None])
    return (no_worse & better).any(axis=1)


def by_itself(quality, cost):
    return ((quality >= quality[:, None]) & (cost <= cost[:, None])).any(axis=1)


def better_in_both(quality, cost):
    return ((quality > quality[:, None]) & (cost < cost[:, None])).any(axis=1)


def better_in_either(quality, cost):
    return ((quality > quality[:, None]) | (cost < cost[:, None])).any(axis=1)


def by_a_twin(quality, cost):
    return ((quality >= quality[:, None]) & (cost <= cost[:, None])).sum(axis=1) > 1


def dominates(quality, cost):
    return dominated(-quality, -cost)


# 2.5.5


def seconds_to(curve, seconds, goal):
    times = zip(curve, np.cumsum(seconds), strict=True)
    return next((time for ndcg, time in times if ndcg >= goal), np.inf)


def beyond(curve, seconds, goal):
    return seconds_to(curve, seconds, goal + 1e-9)


def before_the_epoch(curve, seconds, goal):
    return seconds_to(curve, np.append(0, seconds[:-1]), goal)


def first_if_never(curve, seconds, goal):
    return np.cumsum(seconds)[np.argmax(curve >= goal)]


def all_if_never(curve, seconds, goal):
    return min(seconds_to(curve, seconds, goal), sum(seconds))


def to_the_best(curve, seconds, goal):
    return seconds_to(curve, seconds, max(curve)) if max(curve) >= goal else np.inf


def epochs_below(curve, seconds, goal):
    return sum(seconds[curve < goal]) if max(curve) >= goal else np.inf


def that_epoch(curve, seconds, goal):
    return next((time for ndcg, time in zip(curve, seconds, strict=True) if ndcg >= goal), np.inf)


# 2.5.3


def standardised(scores, axis=1, ddof=0):
    spread = scores.std(axis=axis, ddof=ddof, keepdims=True)
    return (scores - scores.mean(axis=axis, keepdims=True)) / np.where(spread > 0, spread, 1)


def mix(scores, weights):
    return weights @ standardised(scores)


def in_place(scores, weights):
    scores[:] = standardised(scores)
    return weights @ scores


def unguarded(scores, weights):
    with np.errstate(invalid="ignore"):
        return weights @ ((scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True))


def from_0_to_1(scores, weights):
    low, high = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
    return weights @ ((scores - low) / np.where(high > low, high - low, 1))


# 2.5.7


def padding_share(lengths, batch_size):
    batches = [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
    return 1 - sum(lengths) / sum(len(batch) * max(batch) for batch in batches)


def longest_of_all(lengths, batch_size):
    return padding_share(lengths, len(lengths))


def mean_of_batches(lengths, batch_size):
    starts = range(0, len(lengths), batch_size)
    return np.mean([longest_of_all(lengths[i : i + batch_size], batch_size) for i in starts])


def no_small_batch(lengths, batch_size):
    whole = lengths[: max(batch_size, len(lengths) // batch_size * batch_size)]
    return padding_share(whole, batch_size)


def small_batch_filled(lengths, batch_size):
    return padding_share(np.append(lengths, np.zeros(-len(lengths) % batch_size, int)), batch_size)


def a_real_position(lengths, batch_size):
    share = padding_share(lengths, batch_size)
    return share / (1 - share)


SOLUTIONS = {
    "2.5.1": 10 / 1000,
    "2.5.2": dominated,
    "2.5.5": seconds_to,
    "2.5.3": mix,
    "2.5.4": 2,
    "2.5.6": 1 / 0.45,
    "2.5.7": padding_share,
}

WRONG = {
    "2.5.1": [0, 1, 10 / 10_000, 1000 / 10_000, 9 / 1000, 10, None],
    "2.5.2": [
        by_itself,
        better_in_both,
        better_in_either,
        by_a_twin,
        dominates,
        lambda quality, cost: dominated(quality, -cost),
        lambda quality, cost: ~dominated(quality, cost),
        lambda quality, cost: np.flatnonzero(dominated(quality, cost)),
        lambda quality, cost: dominated(quality, cost).astype(int),
        lambda quality, cost: None,
    ],
    "2.5.5": [
        beyond,
        before_the_epoch,
        first_if_never,
        all_if_never,
        to_the_best,
        epochs_below,
        that_epoch,
        lambda curve, seconds, goal: seconds_to(curve, np.ones(len(curve)), goal),
        lambda curve, seconds, goal: None,
    ],
    "2.5.3": [
        in_place,
        unguarded,
        from_0_to_1,
        lambda scores, weights: weights @ scores,
        lambda scores, weights: weights @ (scores - scores.mean(axis=1, keepdims=True)),
        lambda scores, weights: weights @ standardised(scores, axis=0),
        lambda scores, weights: weights @ standardised(scores, axis=None),
        lambda scores, weights: weights @ standardised(scores, ddof=1),
        lambda scores, weights: weights @ standardised(rankdata(scores, axis=1)),
        lambda scores, weights: softmax(weights) @ standardised(scores),
        lambda scores, weights: weights / weights.sum() @ standardised(scores),
        lambda scores, weights: standardised(weights[None] @ scores)[0],
        lambda scores, weights: weights[:, None] * standardised(scores),
        lambda scores, weights: None,
    ],
    "2.5.4": [1, 0, 7, 6, 4, 15, 3, 2.5, -2],
    "2.5.6": [0.45, 0.55, 1 / 0.55, 45, 2, None],
    "2.5.7": [
        longest_of_all,
        mean_of_batches,
        no_small_batch,
        small_batch_filled,
        a_real_position,
        lambda lengths, batch_size: padding_share(np.sort(lengths), batch_size),
        lambda lengths, batch_size: 1 - padding_share(lengths, batch_size),
        lambda lengths, batch_size: None,
    ],
}
