"""Checkers of chapter III.1, *Users and items as text*."""

from itertools import permutations

import numpy as np

from llmrec_ref.exercises.tools import cases, close, near, number, of_function, of_number

VOCABULARY = ["un", "##watch", "##able", "##watcha", "##b", "##l", "##e"]  # of exercise 3.1.1
WORDS = ["thriller", "drama", "dramatic", "comedies", "noir", "a"]  # of exercise 3.1.5


def split_word(word, vocabulary):
    """Return the pieces of a word by the definition: the longest that fits, again and again."""
    pieces, start = [], 0
    while start < len(word):
        ends = range(len(word), start, -1)
        fits = [("##" if start else "") + word[start:end] for end in ends]
        found = next((piece for piece in fits if piece in vocabulary), None)
        if found is None:
            return ["[UNK]"]
        pieces.append(found)
        start += len(found.removeprefix("##"))
    return pieces


@of_number("give a whole number")
def count_tokens(answer):
    """3.1.1: how many tokens BERT reads for a word, by the greedy rule."""
    pieces = split_word("unwatchable", VOCABULARY)
    yield answer != 5, "the rule takes the longest piece first, not the fewest pieces in all"
    yield answer != len(pieces), "a text of BERT has a token before the first word and one after the last"
    hint = "the longest beginning in the vocabulary is un; which is the longest of the rest, watchable?"
    yield answer == len(pieces) + 2, hint


@of_number("give one number, such as 0.25 or 1 / 4")
def recall_by_hand(answer):
    """3.1.2: the best recall at 3 of a ranking by text, with blocks of 4, 2 and 1 items."""
    texts, targets = ["milk"] * 4 + ["bread"] * 2 + ["eggs"], [0, 4]
    yield not near(answer, 1), "three places hold both targets only if equal texts could be told apart"
    yield not near(answer, 1.25), "that is how many targets the list holds: what share of them all?"
    yield not near(answer, (1 / 4 + 2 / 4) / 2), "which block has the most targets for each of its items?"
    hint = "first the block with the highest share of targets, whole; what does the place left over find?"
    yield near(answer, brute_force(texts, targets, 3)), hint


@of_number("give a whole number")
def events_before(answer):
    """3.1.3: how many events are strictly before a prediction time that others share."""
    times, now = [10, 20, 30, 30, 40], 30
    yield answer != sum(time <= now for time in times), "an event at the prediction time is not before it"
    hint = "the target's own time is the prediction time: which events are earlier than that?"
    yield answer == sum(time < now for time in times), hint


@of_function
def newest_that_fit(answer):
    """3.1.4: ``newest_that_fit(tokens, fixed, budget)``: how many of the newest events fit."""
    value = number(answer([50, 2, 3], 5, 10))
    yield value != 1, "5 + 3 + 2 is 10, and 10 are allowed"
    yield value == 2, f"events of 50, 2 and 3 tokens, the oldest first, 5 fixed, 10 allowed: 2, not {value}"
    for rng in cases():
        tokens = [int(n) for n in rng.integers(1, 9, size=rng.integers(0, 7))]
        fixed = int(rng.integers(0, 5))
        budget = fixed + int(rng.integers(0, 25))
        fits = [n for n in range(len(tokens) + 1) if fixed + sum(tokens[len(tokens) - n :]) <= budget]
        value = number(answer(tokens, fixed, budget))
        hint = f"{tokens}, the oldest first, {fixed} fixed, {budget} allowed: {max(fits)}, not {value}"
        yield value == max(fits), hint


@of_function
def wordpiece(answer):
    """3.1.5: ``wordpiece(word, vocabulary)``: the pieces, or ``["[UNK]"]``."""
    vocabulary = ["dram", "drama", "##a", "##tic", "##ti", "##c", "tic"]
    for word, hint in (
        ("drama", "drama is a piece itself: the longest beginning, not the first that fits"),
        ("dramatic", "inside a word the pieces begin with ##"),
        ("dramas", "no piece begins the s that is left: then the whole word is [UNK]"),
    ):
        found = listed(answer(word, vocabulary))
        yield found is not None, "return a list of str"
        yield found == split_word(word, vocabulary), f"{word}: {hint}; you say {found}"
    for rng in cases(12):
        word = WORDS[rng.integers(len(WORDS))]
        inside = [word[a:b] for a in range(len(word)) for b in range(a + 1, len(word) + 1)]
        kept = sorted({piece for piece in inside if rng.random() < 0.5})
        vocabulary = kept + [f"##{piece}" for piece in kept]
        expected, found = split_word(word, vocabulary), listed(answer(word, vocabulary))
        yield found == expected, f"{word} with {vocabulary}: {expected}, not {found}"


def listed(value):
    """Return a list of str as it is, from a list, tuple or array; else None."""
    found = list(value) if isinstance(value, list | tuple | np.ndarray) else []
    return [str(part) for part in found] if found and all(isinstance(part, str) for part in found) else None


def brute_force(texts, targets, k):
    """Return the best mean recall over all orders of the texts, with every order within a text."""
    best = 0.0
    for order in permutations(sorted(set(texts))):
        blocks = [[i for i, text in enumerate(texts) if text == name] for name in order]
        hits, left = 0.0, k
        for block in blocks:
            taken = min(left, len(block))
            hits += taken * sum(item in targets for item in block) / len(block)
            left -= taken
        best = max(best, hits / len(targets))
    return best


@of_function
def best_recall(answer):
    """3.1.6: ``best_recall(texts, targets, k)`` for one query."""
    value = answer(["a", "b", "c"], [0, 2], 1)
    yield close(value, 0.5), f"three different texts, two targets, one place: half of them, not {value}"
    for rng in cases():
        n = int(rng.integers(2, 8))
        texts = ["abcd"[i] for i in rng.integers(0, 4, size=n)]
        targets = [int(item) for item in rng.permutation(n)[: rng.integers(1, n)]]
        k = int(rng.integers(1, n + 1))
        expected, value = brute_force(texts, targets, k), answer(texts, targets, k)
        value = np.nan if number(value) is None else number(value)
        hint = f"{texts}, targets {targets}, k = {k}: {expected:.4f}, you say {value:.4f}"
        yield close(value, expected), hint


CHECKERS = {
    "3.1.1": count_tokens,
    "3.1.2": recall_by_hand,
    "3.1.3": events_before,
    "3.1.4": newest_that_fit,
    "3.1.5": wordpiece,
    "3.1.6": best_recall,
}
