"""Further wrong answers for the exercises of chapter III.1, and right ones in other styles."""

import re
from fractions import Fraction

import numpy as np

from answers_3_1 import best_recall, newest_that_fit, wordpiece

# 3.1.4


def with_cumulative_sums(tokens, fixed, budget):
    sums = fixed + np.cumsum(np.array(tokens[::-1], int))
    return np.searchsorted(sums, budget, side="right")


def one_by_one_dropped(tokens, fixed, budget):
    left = list(tokens)
    while left and fixed + sum(left) > budget:
        left = left[1:]
    return float(len(left))


# 3.1.5


def with_a_pattern(word, vocabulary):
    first = [piece for piece in vocabulary if not piece.startswith("##")]
    inside = [piece.removeprefix("##") for piece in vocabulary if piece.startswith("##")]
    found, start = [], 0
    while start < len(word):
        known = sorted(inside if start else first, key=len, reverse=True)
        match = re.compile("|".join(map(re.escape, known)) or "(?!)").match(word, start)
        if match is None:
            return ("[UNK]",)
        found.append("##" * bool(start) + match[0])
        start = match.end()
    return tuple(found)


def recursive(word, vocabulary, mark=""):
    for end in range(len(word), 0, -1):
        if mark + word[:end] in vocabulary:
            rest = recursive(word[end:], vocabulary, "##") if end < len(word) else []
            return ["[UNK]"] if "[UNK]" in rest else [mark + word[:end], *rest]
    return ["[UNK]"]


def fewest(word, vocabulary):
    """The fewest pieces, which need not be the greedy ones."""
    best = {0: []}
    for end in range(1, len(word) + 1):
        for start in range(end):
            piece = ("##" if start else "") + word[start:end]
            if start in best and piece in vocabulary and len(best[start]) + 1 < len(best.get(end, word * 2)):
                best[end] = [*best[start], piece]
    return best.get(len(word), ["[UNK]"])


def letters(word, vocabulary):
    return [word[0], *(f"##{letter}" for letter in word[1:])]


# 3.1.6


def by_places(texts, targets, k):
    """Each place takes the share of the best block that is left."""
    shares = [Fraction(sum(texts[t] == text for t in targets), texts.count(text)) for text in texts]
    return sum(sorted(shares, reverse=True)[:k]) / len(targets)


def with_numpy(texts, targets, k):
    names, which, sizes = np.unique(texts, return_inverse=True, return_counts=True)
    shares = np.bincount(which[targets], minlength=len(names)) / sizes
    return np.sort(shares[which])[::-1][:k].sum() / len(targets)


RIGHT = {
    "3.1.1": [Fraction(7), np.array(7), len(["un", "##watcha", "##b", "##l", "##e"]) + 2],
    "3.1.2": [Fraction(5, 8), np.float32(0.625), np.mean([1, 0.25])],
    "3.1.3": [2.0, Fraction(2), np.array(2)],
    "3.1.4": [with_cumulative_sums, one_by_one_dropped],
    "3.1.5": [with_a_pattern, recursive, lambda *given: np.array(wordpiece(*given))],
    "3.1.6": [by_places, with_numpy],
}

WRONG = {
    "3.1.1": [4, 8, 11, 13, [7]],
    "3.1.2": [0.375, 0.75, 2 / 3, 5 / 16, [0.625]],
    "3.1.3": [0, 6, 30, -2, [2]],
    "3.1.4": [
        lambda tokens, fixed, budget: newest_that_fit(tokens, 0, budget),
        lambda tokens, fixed, budget: newest_that_fit(tokens, fixed, budget - 1),
        lambda tokens, fixed, budget: newest_that_fit(tokens, fixed, budget) + 1,
        lambda tokens, fixed, budget: budget - fixed,
        lambda tokens, fixed, budget: len(tokens) - newest_that_fit(tokens, fixed, budget),
    ],
    "3.1.5": [
        fewest,
        letters,
        lambda word, vocabulary: wordpiece(word, vocabulary)[:1],
        lambda word, vocabulary: " ".join(wordpiece(word, vocabulary)),
        lambda word, vocabulary: [p for p in wordpiece(word, vocabulary) if p != "[UNK]"],
    ],
    "3.1.6": [
        lambda texts, targets, k: best_recall(texts, targets, k) * len(targets),
        lambda texts, targets, k: best_recall(texts, targets, k - 1),
        lambda texts, targets, k: best_recall(texts, targets, len(texts)),
        lambda texts, targets, k: best_recall(texts, targets, k) * len(targets) / k,
        lambda texts, targets, k: len({texts[t] for t in targets}) / len(targets),
    ],
}
