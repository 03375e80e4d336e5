"""Histories as arrays: padding, training windows and batches (NumPy only)."""

import numpy as np

from llmrec_ref.splits import flatten


def pad_left(histories, max_len):
    """Lay histories into one array, newest item last.

    Args:
        histories: Sequence of 1-D int arrays, oldest item first.
        max_len: Width L of the result; a longer history keeps its newest items.

    Returns:
        int64 (B, L), padded with 0 on the left.

    Raises:
        ValueError: ``max_len`` is below 1.
    """
    _check_size(max_len=max_len)
    items, offsets = flatten([history[-max_len:] for history in histories])
    padded = np.zeros((len(histories), max_len), np.int64)
    padded[np.arange(max_len) >= max_len - np.diff(offsets)[:, None]] = items
    return padded


def training_windows(histories, max_len, windows="newest"):
    """Cut training sequences into windows of at most max_len + 1 items, that is max_len targets.

    Args:
        histories: Sequence of 1-D int arrays, oldest item first.
        max_len: Positions a model sees.
        windows: ``"newest"``: one window a user, the newest items. ``"all"``: longer histories are cut from
            the end into windows that share one item, so that every item but the first is a target once.

    Returns:
        List of 1-D arrays, 2..max_len + 1 items each; a user with fewer than two items has no target and no
        window.

    Raises:
        ValueError: Another value of ``windows``, no history with two items, or ``max_len`` below 1.
    """
    _check_size(max_len=max_len)
    if windows not in ("newest", "all"):
        raise ValueError(f'windows must be "newest" or "all", not {windows!r}.')
    cut = [
        history[max(0, end - max_len - 1) : end]
        for history in histories
        for end in (range(len(history), 1, -max_len) if windows == "all" else [len(history)])
        if end > 1
    ]
    if not cut:
        raise ValueError("no training history has two items, so there is no target: load more interactions.")
    return cut


def training_batches(windows, max_len, batch_size, rng):
    """Shuffle windows into batches of similar length, so that little is spent on padding.

    Lengths are rounded up to ``max_len``, its half, quarter or eighth: a compiler that specialises on shapes
    (XLA) meets at most four widths. The shapes of an epoch do not depend on ``rng``.

    Args:
        windows: From `training_windows`.
        max_len: As given there.
        batch_size: Windows B a batch; the last may be smaller.
        rng: ``np.random.Generator``.

    Returns:
        List of (item_ids, targets), both int64 (B, L) with L <= max_len: ``targets[b, l]`` is the item that
        follows ``item_ids[b, l]``; 0 = no target.

    Raises:
        ValueError: ``batch_size`` is below 1.
    """
    _check_size(batch_size=batch_size)
    sizes = np.array([-(-max_len // part) for part in (8, 4, 2, 1)])
    widths = sizes[np.searchsorted(sizes, [len(window) - 1 for window in windows])]
    order = rng.permutation(len(windows))
    order = order[np.argsort(widths[order], kind="stable")]
    batches = []
    for rows in np.split(order, np.arange(batch_size, len(order), batch_size)):
        padded = pad_left([windows[row] for row in rows], widths[rows].max() + 1)
        item_ids, targets = padded[:, :-1], padded[:, 1:]
        batches.append((item_ids, np.where(item_ids > 0, targets, 0)))  # the first item follows nothing
    return [batches[i] for i in rng.permutation(len(batches))]


def _check_size(**sizes):
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size}: it must be at least 1.")
