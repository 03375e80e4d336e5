"""Checkers of chapter III.2, *BERT, built and loaded*."""

from math import erf, sqrt

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number

VOCABULARY = ["star", "stars", "st", "##ships", "##hip", "##ar", "##s", "##h", "##ips"]  # of exercise 3.2.1


def greedy_pieces(word, vocabulary):
    """Return the tokens of a word: the longest known beginning, and again for the rest."""
    known = [piece for piece in vocabulary if word and word.startswith(piece)]
    if not known:
        return []
    first = max(known, key=len)
    rest = word[len(first) :]
    return [first, *greedy_pieces("##" + rest if rest else "", vocabulary)]


@of_number("give a whole number")
def count_pieces(answer):
    """3.2.1: the tokens of *starships*."""
    hint = "star and ##ships are fewer, but the rule does not look ahead: which beginning is the longest?"
    yield answer != 2, hint
    yield answer != 1, "the word becomes [UNK] only where no piece fits: does one fit at each step?"
    expected = greedy_pieces("starships", VOCABULARY)
    hint = f"the first token is {expected[0]}: what is the longest piece that begins what is left, hips?"
    yield answer == len(expected), hint


@of_number("give one number")
def pooled_cosine(answer):
    """3.2.2: the cosine of the mean of two of three states with the first axis."""
    states, axis = np.array([[4.0, 0.0], [0.0, 4.0], [6.0, 6.0]]), np.array([1.0, 0.0])
    pooled = states[:2].mean(axis=0)
    yield not near(answer, pooled @ axis), "that is the dot product: a cosine divides by both lengths"
    yield -1 <= answer <= 1, "a cosine lies between -1 and 1"
    hint = "take the mean of the first two alone, and divide its first number by its length"
    yield near(answer, pooled @ axis / np.linalg.norm(pooled), rtol=1e-3), hint


@of_function
def mean_pool(answer):
    """3.2.3: ``mean_pool(hidden, mask)``: the mean of what is no padding, of length 1."""
    hidden = np.array([[[1.0, -1.0], [3.0, 1.0], [8.0, 6.0]]])
    value = array(answer(hidden, np.array([[True, True, False]])))
    yield value.shape == (1, 2), f"one text of width 2 gives an array of shape (1, 2), not {value.shape}"
    yield not close(value, [[2, 0]]), "the mean is right: divide it by its length"
    yield close(value, [[1, 0]]), "the text of this chapter, whose mean is (2, 0), gives (1, 0)"
    for rng in cases(10):
        B, L, D = (int(size) for size in rng.integers(2, 6, size=3))
        hidden, mask = rng.normal(size=(B, L, D)), np.arange(L) < rng.integers(1, L + 1, size=(B, 1))
        found, lengths = array(answer(hidden, mask)), mask.sum(axis=1)
        expected = np.array([state[:n].sum(axis=0) for state, n in zip(hidden, lengths, strict=True)])
        expected /= np.sqrt((expected**2).sum(axis=1, keepdims=True))
        yield found.shape == (B, D), f"{B} texts of width {D} give an array of shape ({B}, {D})"
        unit = close((found**2).sum(axis=1), np.ones(B))
        yield unit, "each vector has length 1 of its own: take the norm along the last axis"
        hint = (
            f"texts of {lengths.tolist()} tokens, padded to {L}: take the mean over each text's tokens alone"
        )
        yield close(found, expected), hint


@of_number("give a whole number")
def count_attention_weights(answer):
    """3.2.4: attention weights of six blocks, twelve heads, 64 texts of 128 tokens."""
    texts, tokens = 64, 128
    pairs = sum(texts for _ in range(6) for _ in range(12)) * tokens**2
    yield not near(answer, pairs / tokens), "each token looks at every token: the length counts twice"
    yield not near(answer, pairs / 12), "each head has weights of its own"
    yield not near(answer, pairs / 6), "that is one block, and there are six"
    yield not near(answer, pairs / 64), "that is one text (or 64 of 16 tokens): here are 64 of 128"
    yield not near(answer, pairs / 2), "no causal mask: a token looks at those after it too"
    hint = "blocks times heads times texts times the pairs of tokens in a text"
    yield near(answer, pairs, rtol=1e-9), hint


@of_function
def gelu(answer):
    """3.2.5: ``gelu(x)``, exact."""
    x = np.array([-1.0, 0.0, 1.0, 3.0])
    value = array(answer(x))
    yield value.shape == (4,), "return an array of the shape of x"
    yield not close(value, np.maximum(x, 0)), "that is ReLU: GELU multiplies by a probability, not by 0 or 1"
    yield close(value[1], 0), "gelu(0) = 0"
    for rng in cases(5):
        x = rng.normal(0, 2, size=tuple(rng.integers(1, 5, size=2)))
        expected = np.array([[each * (1 + erf(each / sqrt(2))) / 2 for each in row] for row in x])
        value = array(answer(x))
        yield value.shape == x.shape, "return an array of the shape of x"
        far = np.abs(value - expected).max()
        hint = f"you are within {far:.1g}: that is an approximation, and the exact form has erf"
        yield not 1e-5 < far < 2e-3, hint
        yield close(value, expected), f"gelu({x[0, 0]:.3f}) = {expected[0, 0]:.5f}, you say {value[0, 0]:.5f}"


@of_function
def batches(answer):
    """3.2.6: ``batches(lengths, batch_size)`` with as little padding as possible."""
    for rng in cases(12):
        size, n = int(rng.integers(1, 5)), int(rng.integers(1, 6))
        lengths = rng.integers(1, 40, size=size * n)
        found = answer(lengths, size)
        found = [array(batch) for batch in found] if isinstance(found, list | tuple) else [array(0)]
        yield all(batch.ndim == 1 and len(batch) for batch in found), "return a list of lists of row numbers"
        rows = [int(row) for batch in found for row in batch]
        yield sorted(rows) == list(range(size * n)), "each row belongs into one batch, and into one only"
        yield max(map(len, found)) <= size, f"a batch holds {size} texts at most"
        yield len(found) == n, f"{size * n} texts in batches of {size} make {n} batches, not {len(found)}"
        cost = sum(len(batch) * lengths[batch.astype(int)].max() for batch in found)
        fewest = size * np.sort(lengths)[::-1][::size].sum()  # the longest together, then the next
        hint = (
            f"lengths {lengths.tolist()}, batches of {size}: {fewest} positions are enough, you have {cost}"
        )
        yield cost <= fewest, hint


CHECKERS = {
    "3.2.1": count_pieces,
    "3.2.2": pooled_cosine,
    "3.2.3": mean_pool,
    "3.2.4": count_attention_weights,
    "3.2.5": gelu,
    "3.2.6": batches,
}
