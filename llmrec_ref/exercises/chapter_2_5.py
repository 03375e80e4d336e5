"""Checkers of chapter II.5, *Against the field*."""

from itertools import combinations

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number, raw


@of_number()
def tied_scores(answer):
    """2.5.1: the mean HR@10 of a target that ties with 999 items above all others."""
    yield 0 <= answer <= 1, "a hit rate is a share of the users: between 0 and 1"
    yield answer != 0, "that is the pessimistic rule, with the target behind all that tie with it"
    yield answer != 1, "that is kind to ties: it puts the target before all that tie with it"
    all_places, tied_places = np.arange(10_000), np.arange(1_000)  # a random order makes each as likely
    hint = "the others score lower, so the target competes with those that tie with it and nobody else"
    yield not near(answer, np.mean(all_places < 10)), hint
    hint = "the target may stand in any of the first thousand places, each as likely: how many are hits?"
    yield near(answer, np.mean(tied_places < 10)), hint


@of_function
def dominated(answer):
    """2.5.2: ``dominated(quality, cost)``: bool (n,)."""
    for rng in cases(30):
        n = int(rng.integers(1, 7))
        quality, cost = rng.integers(1, 5, n) / 10, rng.integers(1, 5, n).astype(float)  # with many ties
        found = raw(answer(quality, cost))
        models = list(zip(quality.tolist(), cost.tolist(), strict=True))
        case = f"models (quality, cost) {models}:"
        yield found.shape == (n,), f"{case} the answer has the shape {(n,)}, not {found.shape}"
        yield found.dtype == bool, f"a model is dominated, True, or not, False: bool, not {found.dtype}"
        for i, (q, c) in enumerate(models):
            better = [j for j, (p, d) in enumerate(models) if p >= q and d <= c and (p, d) != (q, c)]
            if better:
                yield found[i], f"{case} {models[better[0]]} dominates {models[i]}"
            else:
                yield not found[i], f"{case} none of them dominates {models[i]}"


@of_function
def seconds_to(answer):
    """2.5.5: ``seconds_to(curve, seconds, goal)``."""
    for rng in cases(30):
        n_epochs = int(rng.integers(1, 8))
        curve, goal = rng.integers(1, 9, n_epochs) / 100, rng.integers(1, 10) / 100  # often exactly the goal
        seconds = rng.integers(10, 99, n_epochs) / 10
        value = answer(curve, seconds, goal)
        case = f"curve {curve.tolist()}, seconds {seconds.tolist()}, goal {goal}:"
        enough = [n for n in range(1, n_epochs + 1) if max(curve[:n]) >= goal]
        if enough:
            hint = f"{case} the goal is reached in epoch {enough[0]} (from 1), you say {value}"
            yield close(value, sum(seconds[: enough[0]])), hint
        else:
            yield close(value, np.inf), f"{case} the goal is never reached, so inf, not {value}"


@of_function
def mix(answer):
    """2.5.3: ``mix(scores, weights)``: the weighted sum of the parts' z-scores."""
    for rng in cases():
        n_parts, n_items = int(rng.integers(2, 5)), int(rng.integers(3, 8))
        shift, scale = rng.normal(0, 5, (n_parts, 1)), rng.uniform(0.1, 9, (n_parts, 1))
        scores, weights = shift + scale * rng.normal(size=(n_parts, n_items)), rng.normal(size=n_parts)
        found = array(answer(scores, weights))
        hint = f"{n_parts} parts, {n_items} items: the mixture has the shape {(n_items,)}, not {found.shape}"
        yield found.shape == (n_items,), hint
        alone = [array(answer(part[None], np.ones(1))) for part in scores]
        for part, z in zip(scores, alone, strict=True):
            case = "one part alone, with weight 1:"
            yield (
                close(z.mean(), 0, atol=1e-4),
                f"{case} its mean over the items is 0 afterwards, not {z.mean():.4f}",
            )
            hint = (
                f"{case} its standard deviation over the items (of a population) becomes 1, not {z.std():.4f}"
            )
            yield close(z.std(), 1, rtol=1e-4), hint
            hint = f"{case} its order stays, and so do the ratios of the distances between scores"
            yield close(z * part.std() + part.mean(), part, rtol=1e-4, atol=1e-4), hint
        hint = "a part that is multiplied by a positive number or shifted has the same say in the mixture"
        yield close(answer(scores * scale - shift, weights), found, rtol=1e-3, atol=1e-3), hint
        hint = f"weights {weights.round(2).tolist()}: each multiplies its part as it is, whatever their sum"
        yield close(found, sum(w * z for w, z in zip(weights, alone, strict=True)), atol=1e-4), hint
        silent = np.vstack([scores, np.ones(n_items)]), np.append(weights, 2.0)
        yield close(answer(*silent), found), "a part that scores all items the same adds nothing: mind 0 / 0"


PROTOCOLS = {  # of 2.5.4, as the exercise's table has them: trained on, ranked among, history, ties
    "A": ("all but two", "all", "left out", "against"),
    "B": ("all but two", "all", "kept", "against"),
    "C": ("all but one", "all", "left out", "against"),
    "D": ("all but two", "99 sampled", "left out", "against"),
    "E": ("all but two", "all", "left out", "against"),
    "F": ("all but one", "all", "left out", "at random"),
}


def alike(columns):
    """How many pairs of `PROTOCOLS` agree in the columns."""
    kept = [[row[column] for column in columns] for row in PROTOCOLS.values()]
    return sum(a == b for a, b in combinations(kept, 2))


@of_number("give one number: how many of the fifteen pairs?")
def comparable(answer):
    """2.5.4: the pairs whose figures answer the same question; no scores tie, so their rule is idle."""
    yield 0 <= answer <= 15 and answer == round(answer), "a whole number of pairs, from 0 to 15"
    hint = "what does a rule for ties decide where no two items ever get the same score?"
    yield answer != alike((0, 1, 2, 3)), hint
    yield answer != alike((1, 2)), "a model that trained on the last item but one knew more: it is no twin"
    hint = "tenth among 99 sampled items is not tenth among all, and items of the history take places"
    yield answer not in (alike((0, 1)), alike((0, 2))), hint
    yield answer == alike((0, 1, 2)), "go through the table row by row: who agrees with A, with B, with C?"


@of_number("give one number, such as 1.5 or 3 / 2")
def amdahl(answer):
    """2.5.6: the speed-up of a step of which only the matrix products, 45 %, stay."""
    yield answer > 1, "how many times faster: more than 1 (the old time over the new)"
    seconds = {"products": 45, "else": 55}
    before = sum(seconds.values())
    yield not near(answer, before / seconds["else"], rtol=2e-3), "that makes the matrix products free"
    hint = "a step of 100 seconds: how many are left? (Give three significant digits or more)"
    yield near(answer, before / seconds["products"], rtol=2e-3), hint


@of_function
def padding_share(answer):
    """2.5.7: ``padding_share(lengths, batch_size)``."""
    value = answer(np.array([3, 1]), 2)
    yield (
        close(value, 1 / 3),
        f"windows of 3 and 1 in one batch: 2 of 6 positions are padding, you say {value}",
    )
    for rng in cases():
        lengths, batch_size = rng.integers(1, 9, size=rng.integers(1, 12)), int(rng.integers(1, 5))
        value = answer(lengths, batch_size)
        real = []  # one entry a position: does it hold an item?
        for start in range(0, len(lengths), batch_size):
            batch = lengths[start : start + batch_size]
            real += [place < length for length in batch for place in range(max(batch))]
        case = f"lengths {lengths.tolist()} in batches of {batch_size}:"
        hint = f"{case} {real.count(False)} of {len(real)} positions are padding, you say {value}"
        yield close(value, real.count(False) / len(real)), hint


CHECKERS = {
    "2.5.1": tied_scores,
    "2.5.2": dominated,
    "2.5.3": mix,
    "2.5.4": comparable,
    "2.5.5": seconds_to,
    "2.5.6": amdahl,
    "2.5.7": padding_share,
}
