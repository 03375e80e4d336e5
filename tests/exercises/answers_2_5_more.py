"""Further wrong answers for the exercises of chapter II.5, and right ones in other styles."""

import math
import statistics
from fractions import Fraction

import numpy as np

from answers_2_5 import dominated, mix, padding_share, seconds_to, standardised

# 2.5.2


def by_an_earlier_model(quality, cost):
    found = np.zeros(len(quality), bool)
    for i in range(1, len(quality)):
        found[i] = dominated(quality[: i + 1], cost[: i + 1])[-1]
    return found


def by_the_best_or_the_cheapest(quality, cost):
    chosen = [quality.argmax(), cost.argmin()]
    no_worse = (quality[chosen] >= quality[:, None]) & (cost[chosen] <= cost[:, None])
    better = (quality[chosen] > quality[:, None]) | (cost[chosen] < cost[:, None])
    return (no_worse & better).any(axis=1)


def record_at_its_cost(quality, cost):
    found, best = np.ones(len(quality), bool), -np.inf
    for i in np.argsort(cost, kind="stable"):
        found[i] = quality[i] <= best
        best = max(best, quality[i])
    return found


def better_quality_only(quality, cost):
    return ((quality > quality[:, None]) & (cost <= cost[:, None])).any(axis=1)


def lower_cost_only(quality, cost):
    return ((quality >= quality[:, None]) & (cost < cost[:, None])).any(axis=1)


def costs_negated_in_place(quality, cost):
    cost *= -1
    return dominated(quality, -cost)


def dominated_by_loop(quality, cost):
    models = list(zip(quality.tolist(), cost.tolist(), strict=True))
    return [any(p >= q and d <= c and (p > q or d < c) for p, d in models) for q, c in models]


def none_as_good_or_equal(quality, cost):
    points = np.column_stack([quality, -cost])
    no_worse = (points[None] >= points[:, None]).all(axis=2)
    return np.array(
        [bool((no_worse[i] & (points != points[i]).any(axis=1)).any()) for i in range(len(points))]
    )


# 2.5.5


def as_if_it_rose(curve, seconds, goal):
    epoch = np.searchsorted(curve, goal)
    return seconds[: epoch + 1].sum() if epoch < len(curve) else np.inf


def last_time(curve, seconds, goal):
    enough = np.flatnonzero(curve >= goal)
    return seconds[: enough[-1] + 1].sum() if len(enough) else np.inf


def mean_epochs(curve, seconds, goal):
    enough = np.flatnonzero(curve >= goal)
    return (enough[0] + 1) * seconds.mean() if len(enough) else np.inf


def minus_one_if_never(curve, seconds, goal):
    return seconds_to(curve, seconds, goal) if max(curve) >= goal else -1


def none_if_never(curve, seconds, goal):
    return seconds_to(curve, seconds, goal) if max(curve) >= goal else None


def summed_in_place(curve, seconds, goal):
    np.cumsum(seconds, out=seconds)
    return seconds[np.argmax(curve >= goal)] if max(curve) >= goal else np.inf


def epoch_by_epoch(curve, seconds, goal):
    total = Fraction(0)
    for ndcg, spent in zip(curve, seconds, strict=True):
        total += Fraction(float(spent))
        if ndcg >= goal:
            return total
    return math.inf


def by_the_running_maximum(curve, seconds, goal):
    epochs = int(np.searchsorted(np.maximum.accumulate(curve), goal))
    return np.append(np.cumsum(seconds), np.inf)[epochs].astype(np.float32)


# 2.5.3


def weights_made_to_sum_in_place(scores, weights):
    value = mix(scores, weights)
    weights /= weights.sum()
    return value


def centred_at_the_median(scores, weights):
    spread = scores.std(axis=1, keepdims=True)
    return weights @ ((scores - np.median(scores, axis=1, keepdims=True)) / np.where(spread > 0, spread, 1))


def much_added_to_the_spread(scores, weights):
    return weights @ (
        (scores - scores.mean(axis=1, keepdims=True)) / (scores.std(axis=1, keepdims=True) + 0.01)
    )


def constant_part_counts(scores, weights):
    return mix(scores, weights) + weights @ (scores.std(axis=1) == 0)


def part_by_part(scores, weights):
    total = [0.0] * scores.shape[1]
    for part, weight in zip(scores.tolist(), weights, strict=True):
        mean, spread = statistics.fmean(part), statistics.pstdev(part)
        if spread > 0:
            total = [sum_ + weight * (score - mean) / spread for sum_, score in zip(total, part, strict=True)]
    return total


def little_added_to_the_spread(scores, weights):
    centred = scores - np.mean(scores, axis=1)[:, None]
    z = centred / (np.sqrt(np.mean(centred**2, axis=1)) + 1e-12)[:, None]
    return np.einsum("p,pi->i", weights, z).astype(np.float32)


# 2.5.7


def sorts_in_place(lengths, batch_size):
    share = padding_share(lengths, batch_size)
    lengths.sort()
    return share


def strided_batches(lengths, batch_size):
    n_batches = -(-len(lengths) // batch_size)
    return padding_share(np.concatenate([lengths[i::n_batches] for i in range(n_batches)]), batch_size)


def windows_with_padding(lengths, batch_size):
    batches = [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
    return sum((batch < batch.max()).sum() for batch in batches) / len(lengths)


def of_batches_by_number(lengths, batch_size):
    batches = np.array_split(lengths, -(-len(lengths) // batch_size))
    return 1 - lengths.sum() / sum(len(batch) * batch.max() for batch in batches)


def mean_of_windows(lengths, batch_size):
    longest = np.repeat(
        [lengths[i : i + batch_size].max() for i in range(0, len(lengths), batch_size)], batch_size
    )
    return np.mean(1 - lengths / longest[: len(lengths)])


def place_by_place(lengths, batch_size):
    lengths, padding, places = lengths.tolist(), 0, 0
    while lengths:
        batch, lengths = lengths[:batch_size], lengths[batch_size:]
        places += max(batch) * len(batch)
        padding += sum(max(batch) - length for length in batch)
    return Fraction(padding, places)


def by_table(lengths, batch_size):
    table = np.append(lengths, np.zeros(-len(lengths) % batch_size, int)).reshape(-1, batch_size)
    places = (table.max(axis=1, keepdims=True) * (table > 0)).sum()
    return np.array((places - lengths.sum()) / places, dtype=np.float32)


WRONG = {
    "2.5.1": [10 / 999, 11 / 1000, 1 / 1000, 0.5, [0.01], 10 / 1001, 0.1 * 10 / 1000],
    "2.5.2": [
        by_an_earlier_model,
        by_the_best_or_the_cheapest,
        record_at_its_cost,
        better_quality_only,
        lower_cost_only,
        costs_negated_in_place,
        lambda quality, cost: quality < quality.max(),
        lambda quality, cost: dominated(quality, cost)[:, None],
        lambda quality, cost: dominated(quality / cost, cost),
    ],
    "2.5.5": [
        as_if_it_rose,
        last_time,
        mean_epochs,
        minus_one_if_never,
        none_if_never,
        summed_in_place,
        lambda curve, seconds, goal: seconds_to(curve, seconds.astype(int), goal),
        lambda curve, seconds, goal: np.cumsum(seconds),
        lambda curve, seconds, goal: seconds_to(curve[::-1], seconds[::-1], goal),
    ],
    "2.5.3": [
        weights_made_to_sum_in_place,
        centred_at_the_median,
        much_added_to_the_spread,
        constant_part_counts,
        lambda scores, weights: mix(scores, np.abs(weights)),
        lambda scores, weights: mix(scores, weights) / len(weights),
        lambda scores, weights: mix(scores, weights).round(2),
        lambda scores, weights: mix(scores, weights / np.abs(weights).sum()),
        lambda scores, weights: mix(scores, weights)[None],
        lambda scores, weights: weights @ np.clip(standardised(scores), -1, 1),
    ],
    "2.5.4": [5, 8, 10, 14, 16, [2], [("A", "E"), ("C", "F")], "2", {"AE", "CF"}, 2 / 15],
    "2.5.6": [2.2, 55 / 45, 1.45, 100, 1 / 0.45 + 1, [1 / 0.45], 1 / (0.45 + 0.55 / 2)],
    "2.5.7": [
        sorts_in_place,
        strided_batches,
        windows_with_padding,
        of_batches_by_number,
        mean_of_windows,
        lambda lengths, batch_size: padding_share(lengths[::-1], batch_size),
        lambda lengths, batch_size: padding_share(lengths, batch_size + 1),
        lambda lengths, batch_size: 100 * padding_share(lengths, batch_size),
        lambda lengths, batch_size: round(padding_share(lengths, batch_size), 2),
    ],
}

RIGHT = {
    "2.5.1": [Fraction(1, 100), np.array(0.01), np.mean(np.arange(1000) < 10), np.float32(0.01)],
    "2.5.2": [dominated_by_loop, none_as_good_or_equal],
    "2.5.5": [epoch_by_epoch, by_the_running_maximum],
    "2.5.3": [part_by_part, little_added_to_the_spread],
    "2.5.4": [2.0, Fraction(2), np.array(2), np.int64(2)],
    "2.5.6": [Fraction(20, 9), 2.22, np.array(100 / 45), np.float32(1 / 0.45)],
    "2.5.7": [place_by_place, by_table],
}
