"""What the chapters' checkers share: how an answer is read, called and compared."""

from copy import deepcopy
from functools import wraps

import numpy as np


def raw(value):
    """Return an array of its own type, or one NaN where rows differ in length."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(np.nan)


def floats(value):
    """Return an array of floats, or None where ``value`` is not made of numbers."""
    try:
        found = raw(value)
        return found.astype(float) if found.dtype.kind in "iufO" and value is not None else None
    except (TypeError, ValueError):
        return None


def array(value):
    """Return an array of floats, or NaN without axes where a part is no number."""
    found = floats(value)
    return np.asarray(np.nan) if found is None else found


def number(value):
    """Return one number of any kind (int, Fraction, array) as a float, else None."""
    found = floats(value)
    return found.item() if found is not None and found.ndim == 0 else None


def parts(value, n):
    """Return the n things in a tuple, list, array or iterator as a list, else None."""
    try:
        found = None if isinstance(value, str | dict | set) else list(value)
    except TypeError:
        return None
    return found if found is not None and len(found) == n else None


def close(value, expected, rtol=1e-5, atol=1e-6):
    """Return whether ``value`` has the shape of ``expected`` and about its numbers."""
    value = array(value)
    return value.shape == np.shape(expected) and np.allclose(value, expected, rtol=rtol, atol=atol)


def near(value, expected, rtol=1e-5):
    """Return whether a number is the expected one but for a share ``rtol`` of it."""
    return close(value, expected, rtol=rtol, atol=0)


def cases(n=20):
    """Return independent random generators, the same ones every time."""
    return np.random.default_rng(0).spawn(n)


def padded(rng, B, L):
    """Return random items int (B, L), padded on the left, at least one item a row."""
    return np.where(np.arange(L) < rng.integers(0, L, size=(B, 1)), 0, rng.integers(1, 9, (B, L)))


def same(after, before):
    """Return whether an argument is still what it was, NaN included."""
    if isinstance(before, list | tuple):
        return len(after) == len(before) and all(map(same, after, before))
    if isinstance(before, np.ndarray):
        return np.array_equal(after, before, equal_nan=True)
    return after == before


def of_number(hint="give one number, such as 0.25 or 1 / 4"):
    """Make a checker of an answer that is one number, which it gets as a float."""

    def wrap(checker):
        @wraps(checker)
        def pairs(answer):
            value = number(answer)
            yield value is not None, hint
            yield from checker(value)

        return pairs

    return wrap


def of_function(checker):
    """Make a checker of a function; a change to what it was given is told first."""

    @wraps(checker)
    def pairs(answer):
        yield callable(answer), "give the function itself, without calling it"
        kept = True

        def call(*given):
            nonlocal kept
            copies = deepcopy(given)
            value = answer(*copies)
            kept = kept and same(copies, given)
            return value

        for pair in checker(call):
            yield kept, "what your function was given has changed: work on a copy"
            yield pair

    return pairs
