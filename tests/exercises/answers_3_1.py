"""Solutions and plausible wrong answers for the exercises of chapter III.1."""

from collections import Counter

# 3.1.4


def newest_that_fit(tokens, fixed, budget):
    n, total = 0, fixed
    for cost in tokens[::-1]:  # the newest first
        total += cost
        if total > budget:
            break
        n += 1
    return n


def oldest_that_fit(tokens, fixed, budget):
    return newest_that_fit(tokens[::-1], fixed, budget)


def skips_what_is_too_long(tokens, fixed, budget):
    n, total = 0, fixed
    for cost in tokens[::-1]:
        if total + cost <= budget:
            n, total = n + 1, total + cost
    return n


# 3.1.5


def wordpiece(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):  # the longest first
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def shortest_first(word, vocabulary):
    pieces, start = [], 0
    while start < len(word):
        for end in range(start + 1, len(word) + 1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return ["[UNK]"]
        pieces.append(piece)
        start = end
    return pieces


def without_marks(word, vocabulary):
    return [piece.removeprefix("##") for piece in wordpiece(word, vocabulary)]


def keeps_what_was_found(word, vocabulary):
    for end in range(len(word), 0, -1):
        pieces = wordpiece(word[:end], vocabulary)
        if pieces != ["[UNK]"]:
            return pieces if end == len(word) else [*pieces, "[UNK]"]
    return ["[UNK]"]


# 3.1.6


def best_recall(texts, targets, k):
    sizes, found = Counter(texts), Counter(texts[item] for item in targets)
    hits = 0
    for text in sorted(found, key=lambda text: -found[text] / sizes[text]):
        taken = min(k, sizes[text])
        hits, k = hits + taken * found[text] / sizes[text], k - taken
    return hits / len(targets)


def all_told_apart(texts, targets, k):
    return min(k, len(targets)) / len(targets)


def largest_block_first(texts, targets, k):
    sizes, found = Counter(texts), Counter(texts[item] for item in targets)
    hits = 0
    for text in sorted(found, key=lambda text: -found[text]):
        taken = min(k, sizes[text])
        hits, k = hits + taken * found[text] / sizes[text], k - taken
    return hits / len(targets)


def whole_blocks_only(texts, targets, k):
    sizes, found = Counter(texts), Counter(texts[item] for item in targets)
    hits = 0
    for text in sorted(found, key=lambda text: -found[text] / sizes[text]):
        if sizes[text] <= k:
            hits, k = hits + found[text], k - sizes[text]
    return hits / len(targets)


SOLUTIONS = {
    "3.1.1": 7,
    "3.1.2": (1 + 1 / 4) / 2,
    "3.1.3": 2,
    "3.1.4": newest_that_fit,
    "3.1.5": wordpiece,
    "3.1.6": best_recall,
}

WRONG = {
    "3.1.1": [5, 3, 6, 9, None],
    "3.1.2": [1, 0.5, 1.25, 3 / 7, None],
    "3.1.3": [3, 4, 5, 1, None],
    "3.1.4": [oldest_that_fit, skips_what_is_too_long, lambda tokens, fixed, budget: len(tokens)],
    "3.1.5": [shortest_first, without_marks, keeps_what_was_found, lambda word, vocabulary: [word]],
    "3.1.6": [all_told_apart, largest_block_first, whole_blocks_only],
}
