"""Which groups each resample of a bootstrap draws, and how often."""

import numpy as np
import pandas as pd

RESAMPLES = 1000
SLICES = 20  # which keep the counts small


def draws(n):
    """Draw n groups with replacement, `RESAMPLES` times, by a fixed seed.

    Args:
        n: How many groups there are.

    Yields:
        int64 (RESAMPLES / SLICES, n): how often each group is drawn.
    """
    generator = np.random.default_rng(0)
    for _ in range(SLICES):
        yield generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES // SLICES)


def group_codes(groups, n):
    """Number the groups of n values from 0, in order of their first value.

    Args:
        groups: int (n,), -1 = a group of its own each time; None: all are.
        n: How many values there are.

    Returns:
        int64 (n,).
    """
    groups = np.full(n, -1) if groups is None else np.asarray(groups)
    own = groups.max(initial=0) + 1 + np.arange(n)
    return pd.factorize(np.where(groups < 0, own, groups))[0]
