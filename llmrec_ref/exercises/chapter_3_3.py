"""Checkers of chapter III.3, *Features that recommend what nobody has bought yet*."""

import numpy as np

from llmrec_ref.exercises.tools import array, cases, close, near, of_function, of_number


@of_number()
def cosine_of_a_newcomer(answer):
    """3.3.1: the cosine of a new film with the mean of two."""
    person, film = np.array([[1.0, 0.0], [0.0, 1.0]]).mean(axis=0), np.array([0.6, 0.8])
    yield not near(answer, person @ film), "that is the dot product: divide by the length of the mean too"
    yield -1 <= answer <= 1, "a cosine lies between -1 and 1"
    expected = person @ film / (np.sqrt(person @ person) * np.sqrt(film @ film))
    yield near(answer, expected, rtol=1e-3), "the mean of (1, 0) and (0, 1) is (.5, .5): what is its length?"


@of_number()
def ndcg_by_chance(answer):
    """3.3.2: the expected NDCG@10 of one target among 40 in random order."""
    yield not near(answer, 10 / 40, rtol=1e-3), "that is the HR@10: a low place in the list counts less"
    gains = 1 / np.log2(np.arange(10) + 2)
    yield not near(answer, gains.mean(), rtol=1e-3), "the target is among the ten one time in four only"
    yield not near(answer, 1 / 40, rtol=1e-3), "that is the HR@1: places two to ten count as well"
    hint = "each of the 40 places is as likely, and place r + 1 of the first ten is worth 1 / log2(r + 2)"
    yield near(answer, gains.sum() / 40, rtol=1e-3), hint


@of_function
def newest_mean(answer):
    """3.3.3: ``newest_mean(Z, histories, n)``: unit vectors of the newest n items' mean."""
    Z = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, -1.0]])
    found = array(answer(Z, [np.array([3, 1, 1])], 2))
    yield found.shape == (1, 2), f"one person and two columns give the shape (1, 2), not {found.shape}"
    yield not close(found, [[0, -1]]), "the newest items stand last in a history"
    yield close(found, [[1, 0]]), "the newest two of 3, 1, 1 have the row (1, 0), and so has their mean"
    for rng in cases(10):
        Z = np.vstack([np.zeros(3), rng.normal(size=(8, 3))])
        histories, n = (
            [rng.integers(1, 9, size=rng.integers(1, 7)) for _ in range(4)],
            int(rng.integers(1, 5)),
        )
        means = np.array([sum(Z[item] for item in h[-n:]) / len(h[-n:]) for h in histories])
        found = array(answer(Z, histories, n))
        yield found.shape == means.shape, "return one row a history, with the columns of Z"
        unit = close((found**2).sum(axis=1), np.ones(len(means)))
        yield unit, "each vector has length 1 of its own: divide by the norm along the last axis"
        expected = means / np.sqrt((means**2).sum(axis=1))[:, None]
        hint = f"histories of {[len(h) for h in histories]} items, n={n}: a short one has fewer than n"
        yield close(found, expected), hint


@of_function
def out_of_fold(answer):
    """3.3.4: ``out_of_fold(R, folds, fit)``: each score from a fit that did not see its pair."""
    R, folds = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]]), np.array([[0, 1, 1], [1, 0, 1]])
    found = array(answer(R, folds, lambda seen: seen))
    yield found.shape == R.shape, f"scores have the shape of R, {R.shape}, not {found.shape}"
    hint = "a first model that says what it was shown must say 0 of all pairs: it has not seen them"
    yield close(found, np.zeros_like(R)), hint
    yield (
        close(answer(R, np.zeros_like(folds), lambda seen: seen + 1), np.ones_like(R)),
        "add nothing to fit's",
    )
    for rng in cases(10):
        shape, n_folds = tuple(rng.integers(2, 6, size=2)), int(rng.integers(2, 4))
        R, folds = (rng.random(shape) < 0.6) * 1.0, rng.integers(n_folds, size=shape)
        fits = []

        def popularity(seen, fits=fits):
            fits.append(seen.sum())
            return np.tile(seen.sum(axis=0), (len(seen), 1))

        found = array(answer(R, folds, popularity))
        hidden = [np.where(folds == fold, 0, R).sum(axis=0) for fold in range(n_folds)]
        expected = np.array([[hidden[f][j] for j, f in enumerate(row)] for row in folds])
        hint = (
            "fit to R with one fold set to 0, keep the scores of that fold's pairs, and do so for each fold"
        )
        yield close(found, expected), hint
        yield len(fits) <= n_folds, f"{n_folds} folds need {n_folds} fits, you made {len(fits)}"


@of_function
def item_table(answer):
    """3.3.5: ``item_table(Z, A, a, E, seen)``: the rows of an item table of text and ids."""
    Z, A, a = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), np.zeros(3)
    E, seen = np.ones((2, 3)), np.array([True, False])
    found = array(answer(Z, A, a, E, seen))
    yield found.shape == (2, 3), f"two items of width 3 make the shape (2, 3), not {found.shape}"
    yield not close(found[1], [1, 2, 3]), "the second item was never seen: its id row means nothing"
    yield close(found, [[2, 4, 5], [0, 1, 2]]), "the first row is A z + e = (1, 3, 4) + (1, 1, 1)"
    for rng in cases(10):
        n, F, D = (int(size) for size in rng.integers(2, 6, size=3))
        Z, A, a, E = (rng.normal(size=shape) for shape in ((n, F), (D, F), (D,), (n, D)))
        seen = rng.random(n) < 0.5
        rows = [A @ z + a + (e if known else 0) for z, e, known in zip(Z, E, seen, strict=True)]
        yield close(answer(Z, A, a, E, seen), rows), "row i is A z_i + a, and e_i more where seen[i]"


@of_function
def softmax_of_seen(answer):
    """3.3.6: ``softmax_of_seen(logits, seen)``: probabilities of items that could be chosen."""
    found = array(answer(np.log([[1.0, 2.0, 1.0]]), np.array([True, True, False])))
    yield found.shape == (1, 3), f"probabilities have the shape of the logits, (1, 3), not {found.shape}"
    yield (
        not close(found, [[0.25, 0.5, 0]]),
        "what is left must sum to 1: leave the unseen out of the sum too",
    )
    yield close(found, [[1 / 3, 2 / 3, 0]]), "odds of 1 to 2 with the third out give 1/3, 2/3 and 0"
    for rng in cases(10):
        n = int(rng.integers(2, 7))
        logits, seen = rng.normal(0, 2, size=(3, n)), rng.random(n) < 0.5
        seen[rng.integers(n)] = True
        p = np.array([[np.exp(z) * known for z, known in zip(row, seen, strict=True)] for row in logits])
        expected = p / p.sum(axis=1, keepdims=True)
        yield close(answer(logits, seen), expected), "each row: exp of the seen logits, divided by their sum"
        found = array(answer(logits + 800, seen))
        hint = "add 800 to all logits: nothing may change, and exp(800) is infinite"
        yield close(found, expected, rtol=1e-3, atol=1e-4), hint


CHECKERS = {
    "3.3.1": cosine_of_a_newcomer,
    "3.3.2": ndcg_by_chance,
    "3.3.3": newest_mean,
    "3.3.4": out_of_fold,
    "3.3.5": item_table,
    "3.3.6": softmax_of_seen,
}
