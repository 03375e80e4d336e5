"""Checkers of chapter I.4, *Ranking and its measurement*."""

from itertools import combinations, permutations

import numpy as np

from llmrec_ref.exercises.tools import cases, close, near, of_function, of_number


@of_number()
def average_precision_by_hand(answer):
    """1.4.1: AP@10 of a list with targets at places 2, 5 and 14, as a number."""
    hits = [place in (2, 5, 14) for place in range(1, 15)]
    precisions = [np.mean(hits[: rank + 1]) for rank in range(10) if hits[rank]]
    yield 0 < answer < 1, "a mean of precisions lies between 0 and 1"
    yield not near(answer, np.mean(precisions)), "the target that was not found counts too: there are three"
    hint = "what share of the first 2 places are targets, and what share of the first 5?"
    yield near(answer, sum(precisions) / 3, rtol=1e-3), hint


@of_function
def pessimistic_rank(answer):
    """1.4.2: ``pessimistic_rank(scores, target, seen)``, counted from 0."""
    yield close(answer(np.array([-np.inf, 1, 9, 5]), 3, []), 1), "of the scores 1, 9, 5 one is above item 3's"
    yield close(answer(np.array([-np.inf, 1, 9, 5]), 2, []), 0), "the best item has rank 0"
    yield close(answer(np.array([9.0, 1, 2]), 2, []), 0), "place 0 of the scores is padding, no item"
    yield close(answer(np.zeros(6), 3, []), 4), "five items with one score: the other four stand above item 3"
    yield close(answer(np.array([-np.inf, 1, 9, 5]), 3, [2, 2]), 0), "a seen item is not ranked"
    for rng in cases(30):
        n_items = int(rng.integers(2, 9))
        scores = np.append(rng.choice([-np.inf, 0, 9]), rng.integers(-2, 3, size=n_items) / 2)
        target, *others = rng.permutation(np.arange(1, n_items + 1)).tolist()
        seen = rng.choice(others, size=3).tolist()
        rivals = [item for item in range(1, n_items + 1) if item != target and item not in seen]
        above = sum(not scores[item] < scores[target] for item in rivals)
        found = answer(scores, target, seen)
        hint = f"scores {scores[1:].tolist()}, target {target}, seen {seen}: rank {above}, you say {found}"
        yield close(found, above), hint


@of_function
def average_precision(answer):
    """1.4.3: ``average_precision(ranks, k)`` of one user."""
    yield close(answer(np.array([0]), 10), 1), "a single target in the best place, rank 0: 1.0"
    yield (
        close(answer(np.array([10]), 10), 0),
        "rank 10 is the eleventh place and earns nothing in the top 10",
    )
    yield close(answer(np.array([0, 50]), 10), 0.5), "one of two targets is found, with precision 1: 0.5"
    yield close(answer(np.array([1, 0]), 10), 1), "the targets come in any order: ranks 1 and 0 are perfect"
    for rng in cases():
        ranks, k = rng.permutation(25)[: rng.integers(1, 8)], int(rng.integers(1, 20))
        hits = np.isin(np.arange(25), ranks)  # the list, place by place
        expected = sum(hits[: rank + 1].mean() for rank in range(k) if hits[rank]) / hits.sum()
        yield close(answer(ranks, k), expected), f"ranks {ranks.tolist()}, k = {k}: {expected:.6f}"


@of_function
def graded_ndcg(answer):
    """1.4.4: ``graded_ndcg(gains, k)`` of one list."""
    yield close(answer(np.array([3, 1, 0]), 3), 1), "the gains 3, 1, 0 are in the best order: 1.0"
    yield close(answer(np.array([0, 0, 0, 2]), 3), 0), "what stands beyond k earns nothing"
    hint = "gains 1, 3 and k = 1: the ideal list would have shown the 3, wherever it stands now"
    yield close(answer(np.array([1, 3]), 1), 1 / 3), hint
    for rng in cases():
        gains, k = rng.integers(5, size=rng.integers(1, 7)) / 2, int(rng.integers(1, 7))
        gains[0] += not gains.any()
        orders = np.array(list(permutations(gains)))[:, :k]  # all of them; the first is the list as it is
        values = orders @ (1 / np.log2(np.arange(orders.shape[1]) + 2))
        hint = f"gains {gains.tolist()}, k = {k}: DCG {values[0]:.6f}, in the best order {values.max():.6f}"
        yield close(answer(gains, k), values[0] / values.max()), hint


@of_number()
def random_reciprocal_rank(answer):
    """1.4.5: the expected MRR of a random order of 1,682 items, without a cut."""
    yield 0 < answer < 1, "a reciprocal rank lies between 0 and 1"
    hint = "the mean of 1 / place is not 1 over the mean place: a few places near the top matter most"
    yield not near(answer, 1 / np.mean(np.arange(1, 1683)), rtol=0.01), hint
    hint = "the target is equally likely at each of the places 1 to 1,682: what is 1 / place on average?"
    hint += " (Give four significant digits or more)"
    yield near(answer, np.mean(1 / np.arange(1, 1683)), rtol=1e-4), hint


@of_function
def expected_ndcg(answer):
    """1.4.6: ``expected_ndcg(n_items, n_targets, k)`` of a random order."""
    yield close(answer(5, 5, 3), 1), "if every item is a target, every order is perfect: 1.0"
    yield close(answer(8, 1, 1), 1 / 8), "one target among 8 items is in the first place one time in eight"
    for rng in cases():
        n_items = int(rng.integers(2, 8))
        n_targets, k = (int(number) for number in rng.integers(1, n_items + 1, size=2))
        discounts = 1 / np.log2(np.arange(n_items) + 2)
        discounts[k:] = 0
        values = [discounts[list(places)].sum() for places in combinations(range(n_items), n_targets)]
        expected = np.mean(values) / max(values)  # every choice of places is equally likely
        hint = f"{n_targets} targets among {n_items} items, k = {k}: all orders have the mean {expected:.6f}"
        yield close(answer(n_items, n_targets, k), expected), hint


@of_function
def sampled_hit_rate(answer):
    """1.4.7: ``sampled_hit_rate(rank, n_others, n_sampled, k)``, nothing drawn twice."""
    yield close(answer(2, 50, 20, 3), 1), "two items above the target cannot push it out of the first three"
    yield (
        close(answer(3, 50, 50, 3), 0),
        "all others are drawn: this is the full ranking, and rank 3 is a miss",
    )
    yield close(answer(1, 4, 1, 1), 3 / 4), "one of 4 others is above, and one is drawn: a hit 3 times in 4"
    for rng in cases():
        n_others = int(rng.integers(1, 9))
        rank, n_sampled = int(rng.integers(n_others + 1)), int(rng.integers(n_others + 1))
        k = int(rng.integers(1, 5))
        samples = combinations(range(n_others), n_sampled)  # the others 0..rank - 1 are above the target
        expected = np.mean([sum(other < rank for other in sample) < k for sample in samples])
        hint = (
            f"rank {rank}, {n_others} others, {n_sampled} drawn, k = {k}: {expected:.6f} of the samples hit"
        )
        yield close(answer(rank, n_others, n_sampled, k), expected), hint


@of_number()
def paired_errors(answer):
    """1.4.8: how many standard errors a paired difference of HR@10 is from 0, as a number."""
    yield answer > 0, "A has more hits than B: the difference A - B and its errors are above 0"
    differences = np.repeat([1, -1, 0], [150 - 120, 130 - 120, 1000 - 30 - 10])  # a person each
    separate = 0.02 / np.sqrt((0.15 * 0.85 + 0.13 * 0.87) / 1000)
    hint = "these are two separate groups: of the same people, how many have a difference of 1, 0 and -1?"
    yield not near(answer, separate, rtol=0.02), hint
    expected = differences.mean() / (differences.std() / np.sqrt(1000))
    hint = "the differences are 1 for 30 people, -1 for 10 and 0 for the rest: their mean, their deviation?"
    yield near(answer, expected, rtol=0.01), hint


CHECKERS = {
    "1.4.1": average_precision_by_hand,
    "1.4.2": pessimistic_rank,
    "1.4.3": average_precision,
    "1.4.4": graded_ndcg,
    "1.4.5": random_reciprocal_rank,
    "1.4.6": expected_ndcg,
    "1.4.7": sampled_hit_rate,
    "1.4.8": paired_errors,
}
