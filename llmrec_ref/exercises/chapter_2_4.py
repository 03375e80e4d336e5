"""Checkers of chapter II.4, *BERT over items: BERT4Rec*."""

from itertools import product

import numpy as np
from scipy import stats

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number, padded, parts, raw


@of_number("give one number, such as 0.25 or 3 / 4")
def targets_by_hand(answer):
    """2.4.1: the mean number of targets of a window of 4 films, hidden by 1/2 each."""
    n_hidden = [sum(hidden) for hidden in product([0, 1], repeat=4)]  # 16 windows, all as likely
    yield not near(answer, np.mean(n_hidden)), "that is chance alone: two rules of the package come on top"
    hint = "a window in which chance hides nothing has one hidden film all the same"
    yield not near(answer, 0.2 + 0.8 * np.mean(n_hidden)), hint
    at_least_one = np.mean(np.maximum(n_hidden, 1))
    yield not near(answer, at_least_one), "one window in five hides the newest film and no other"
    hint = "a fifth of the windows has one target; of the others list all 16 ways to hide or show four films"
    yield near(answer, 0.2 + 0.8 * at_least_one), hint


@of_function
def moves(answer):
    """2.4.2: ``moves(hidden, place, causal)``: bool (L,), whose logits can change."""
    for rng in cases(30):
        L = int(rng.integers(2, 8))
        hidden, place = rng.random(L) < 0.4, int(rng.integers(L))
        for causal in (True, False):
            found = raw(answer(hidden, place, causal))
            kind = "a causal" if causal else "a bidirectional"
            marks = "".join("M" if masked else "x" for masked in hidden)
            case = f"{kind} model reads {marks} (M a mask), the film at {place} changes (from 0):"
            yield found.shape == (L,), f"{L} films have {L} answers, not shape {found.shape}"
            yield found.dtype == bool, f"an answer is True or False, not {found.dtype}"
            if hidden[place]:
                yield not found.any(), f"{case} the film is not in the input, so what can change?"
                continue
            yield found[place], f"{case} the position of the film itself reads it"
            hint = f"{case} which positions may look at it, {place - 1} too?"
            yield found[:place].all() if not causal else not found[:place].any(), hint
            yield found[place:].all(), f"{case} every position after it may look at it, a mask as well"


@of_function
def cloze(answer):
    """2.4.3: ``cloze(items, draw, probability, mask)``: ``(inputs, targets)``."""
    for rng in cases(30):
        B, L, mask = int(rng.integers(1, 4)), int(rng.integers(2, 7)), int(rng.integers(50, 99))
        items = padded(rng, B, L)
        draw = rng.permutation(B * L).reshape(B, L) / (B * L)  # all different
        probability = float(rng.choice(draw.flat))  # one number is not below it, but equal
        found = parts(answer(items, draw, probability, mask), 2)
        yield found is not None, "return two arrays: (inputs, targets)"
        inputs, targets = map(array, found)
        hint = f"inputs and targets have the shape {(B, L)} of the items"
        yield inputs.shape == targets.shape == (B, L), hint
        for row in range(B):
            case = f"items {items[row].tolist()}, draw {draw[row].round(2).tolist()}, p = {probability:.2f}:"
            real = np.flatnonzero(items[row])
            hidden = [t for t in real if draw[row, t] < probability]
            hidden = hidden or [min(real, key=lambda t: draw[row, t])]
            yield (inputs[row, items[row] == 0] == 0).all(), f"{case} padding is no item and is never hidden"
            places = np.flatnonzero(inputs[row] == mask).tolist()
            expected = [int(t) for t in hidden]
            yield places == expected, f"{case} the masks stand at {expected} (from 0), not at {places}"
            hint = f"{case} a target stands under each mask, and 0 elsewhere"
            asked = np.isin(np.arange(L), hidden)
            yield np.array_equal(targets[row], np.where(asked, items[row], 0)), hint
            hint = f"{case} what is not hidden stays as it is"
            yield np.array_equal(inputs[row][~asked], items[row][~asked]), hint


@of_function
def question(answer):
    """2.4.4: ``question(histories, max_len, mask)``: int (B, max_len)."""
    for rng in cases():
        max_len, mask = int(rng.integers(2, 7)), 50
        histories = [rng.integers(1, 50, size=rng.integers(1, 10)) for _ in range(3)]
        found = raw(answer(histories, max_len, mask))
        hint = f"3 histories, max_len {max_len}: shape {(3, max_len)}, not {found.shape}"
        yield found.shape == (3, max_len), hint
        yield found.dtype.kind in "iu", f"tokens are whole numbers (int), not {found.dtype}"
        for row, history in zip(found.tolist(), histories, strict=True):
            case = f"history {history.tolist()}, max_len {max_len}, mask {mask}:"
            yield row[-1] == mask, f"{case} the last token is the mask, not {row[-1]}"
            kept = [token for token in row[:-1] if token]
            hint = f"{case} beside the mask there is room for {max_len - 1}: the newest, in order; not {kept}"
            yield kept == history.tolist()[max(0, len(history) - max_len + 1) :], hint
            yield row[: max_len - 1 - len(kept)] == [0] * (max_len - 1 - len(kept)), f"{case} pad on the left"


@of_function
def cloze_loss(answer):
    """2.4.5: ``cloze_loss(logits, targets)``, the mean over hidden positions."""
    logits = np.array([[[-np.inf, 0, 0, 0, 0], [-np.inf, 9, 0, 0, 0]]])
    value = answer(logits, np.array([[2, 0]]))
    hint = "one hidden film and four equally likely ones: ln 4 nats"
    yield close(value, np.log(4)), f"{hint}, you say {value}"
    for rng in cases():
        B, L, n_items = (int(x) for x in rng.integers(2, 6, size=3))
        logits = np.concatenate([np.full((B, L, 1), -np.inf), rng.normal(0, 2, (B, L, n_items))], axis=2)
        targets = np.where(rng.random((B, L)) < 0.5, rng.integers(1, n_items + 1, (B, L)), 0)
        targets[0, 0] = 1
        terms = [
            np.log(np.exp(logits[place][1:]).sum()) - logits[place][targets[place]]
            for place in np.ndindex(B, L)
            if targets[place]
        ]
        value = answer(logits, targets)
        hint = f"{len(terms)} of {B * L} positions are hidden, with a mean of {np.mean(terms):.4f} nats"
        yield close(value, np.mean(terms)), f"{hint}, you say {value}"


@of_number()
def passes(answer):
    """2.4.6: multiply-adds of BERT4Rec's 49 passes over prefixes, SASRec's one being 1."""
    lengths = np.arange(1, 51)
    cost = 6 * lengths * 64**2 + 2 * lengths**2 * 64
    yield answer > 1, "is one pass over all positions dearer than 49 passes over prefixes?"
    yield not near(answer, 49), "there are 49 passes, but most of them are over fewer positions than 50"
    hint = "a prefix of n films is read with a mask behind it: n + 1 positions"
    yield not near(answer, cost[:-1].sum() / cost[-1]), hint
    hint = "the linear part of the cost counts as well, not the pairs alone"
    yield not near(answer, (lengths[1:] ** 2).sum() / 50**2), hint
    hint = "add up the cost of 2, 3, ..., 50 positions, and divide by that of 50; give three digits or more"
    yield near(answer, cost[1:].sum() / cost[-1], rtol=3e-3), hint


@of_function
def welch(answer):
    """2.4.7: ``welch(a, b)``: ends of the 95 % Welch interval of mean(a) - mean(b)."""
    for rng in cases():
        a, b = (rng.normal(0.2, rng.uniform(0.01, 0.1), size=rng.integers(3, 9)) for _ in range(2))
        found = array(answer(a, b))
        yield found.shape == (2,), "return two numbers: (low, high)"
        low, high = found
        yield low < high, f"the lower end comes first, not ({low:.4f}, {high:.4f})"
        middle, expected = a.mean() - b.mean(), stats.ttest_ind(a, b, equal_var=False).confidence_interval()
        hint = f"the middle is mean(a) - mean(b) = {middle:.4f}, not {(low + high) / 2:.4f}"
        yield close((low + high) / 2, middle), hint
        margin = (expected.high - expected.low) / 2
        hint = f"{len(a)} and {len(b)} values: the margin is {margin:.5f}, you have {(high - low) / 2:.5f}; "
        yield close((high - low) / 2, margin), f"{hint}variances divide by m - 1, and by m for a mean"


def toy_model(rng, n_tokens):
    """Return a function from tokens to log-probabilities; every place counts."""
    table = rng.normal(size=(20, n_tokens + 2, n_tokens + 1))

    def log_p(tokens):
        z = sum(table[age, int(token)] for age, token in enumerate(reversed(list(tokens))))
        z[0] = -np.inf
        return z - np.log(np.exp(z).sum())

    return log_p


@of_function
def ablate(answer):
    """2.4.8: ``ablate(log_p, history, mask)``: one effect a film."""
    for rng in cases():
        log_p, length, mask = toy_model(rng, 6), int(rng.integers(2, 6)), 7
        history = [int(item) for item in rng.permutation(6)[:length] + 1]
        found = array(answer(log_p, history, mask))
        yield found.shape == (length,), f"{length} films have {length} effects, not {found.shape}"
        before = log_p([*history, mask])
        best = max(range(1, 7), key=lambda j: before[j])
        for s in range(length):
            tokens = [mask if t == s else item for t, item in enumerate([*history, mask])]
            effect = before[best] - log_p(tokens)[best]
            case = f"history {history}, film {best} is the most probable; with a mask for film {history[s]}"
            hint = (
                f"{case} its ln p changes by {-effect:.4f}, so the effect is {effect:.4f}, not {found[s]:.4f}"
            )
            yield close(found[s], effect), hint


CHECKERS = {
    "2.4.1": targets_by_hand,
    "2.4.2": moves,
    "2.4.3": cloze,
    "2.4.4": question,
    "2.4.5": cloze_loss,
    "2.4.6": passes,
    "2.4.7": welch,
    "2.4.8": ablate,
}
