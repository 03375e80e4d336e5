"""Histories as arrays: padding, training windows and batches (NumPy only)."""

import numpy as np

from llmrec_ref.splits import flatten

NEWEST_ONLY = 0.2  # share of cloze windows in which only the newest item is hidden


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
    """Cut training sequences into windows of at most max_len + 1 items.

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
    """Shuffle windows into batches of similar length, to spend little on padding.

    Lengths are rounded up to ``max_len``, its half, quarter or eighth. The shapes of an epoch do not depend
    on ``rng``.

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
    batches = []
    for rows, width in _buckets([len(window) - 1 for window in windows], max_len, batch_size, rng):
        padded = pad_left([windows[row] for row in rows], width + 1)
        item_ids, targets = padded[:, :-1], padded[:, 1:]
        batches.append((item_ids, np.where(item_ids > 0, targets, 0)))  # the first item follows nothing
    return batches


def cloze_batches(windows, max_len, mask, mask_probability, batch_size, rng):
    """Shuffle windows into batches of similar length, and hide items in them.

    Each item is hidden with ``mask_probability``, and at least one a window. One window
    in five has its newest item hidden and no other: that is how the model is asked in
    the end (Sun et al., CIKM 2019, section 3.6).

    Args:
        windows: From `training_windows`, at most ``max_len`` items each.
        max_len: Positions a model sees.
        mask: The token that stands for a hidden item.
        mask_probability: Of each item, in (0, 1].
        batch_size: Windows B a batch; the last may be smaller.
        rng: ``np.random.Generator``.

    Returns:
        List of (item_ids, targets), both int64 (B, L) with L <= max_len:
        ``targets[b, l]`` is the item that the mask in ``item_ids[b, l]`` hides; 0 = not
        hidden.

    Raises:
        ValueError: ``batch_size`` is below 1, or ``mask_probability`` outside (0, 1].
    """
    _check_mask_probability(mask_probability)
    lengths, batches = [len(window) for window in windows], []
    for rows, width in _buckets(lengths, max_len, batch_size, rng):
        items = pad_left([windows[row] for row in rows], width)  # (B, L)
        draw = np.where(items > 0, rng.random(items.shape), np.inf)  # never padding
        by_chance = draw <= mask_probability
        smallest = draw == draw.min(axis=1, keepdims=True)  # one item of each window
        nothing_hidden = ~by_chance.any(axis=1, keepdims=True)
        hidden = by_chance | (nothing_hidden & smallest)
        newest_only = rng.random(len(items)) < NEWEST_ONLY
        newest = np.arange(width) == width - 1
        hidden[newest_only] = newest
        batches.append((np.where(hidden, mask, items), np.where(hidden, items, 0)))
    return batches


def sample_negatives(shape, probabilities, rng):
    """Draw items that serve as negative examples.

    Args:
        shape: Of the result (..., k): k draws for each target, with replacement.
        probabilities: Float (n_items + 1,), how often each item is drawn; entry 0 is 0. They need not sum to
            one.
        rng: ``np.random.Generator``.

    Returns:
        ``(negatives, log_counts)``: int64 and float32 (..., k); the second is the logarithm of how often each
        is expected among the k: what the logQ correction subtracts.

    Raises:
        ValueError: k is below 1, or probabilities are negative or all 0.
    """
    _check_size(n_negatives=shape[-1])
    q = np.asarray(probabilities, dtype=float)
    if np.any(q < 0) or q[0] != 0 or not q.any():
        raise ValueError("probabilities must be at least 0, 0 for padding, and above 0 for some item.")
    q = q / q.sum()
    negatives = rng.choice(len(q), size=shape, p=q)
    return negatives, np.log(shape[-1] * q[negatives]).astype(np.float32)


def check_config(config):
    """Refuse settings with which no model can be built.

    Args:
        config: dict of a model's settings: sizes, ``dropout``, and ``mask_probability`` if it has one.

    Raises:
        ValueError: A size is below 1, or ``max_len`` has no place for an item beside the mask; ``n_heads``
            does not divide ``dim``; or a probability is none.
    """
    rates = {"dropout", "mask_probability"}
    _check_size(**{name: size for name, size in config.items() if name not in rates})
    if not 0 <= config["dropout"] < 1:
        raise ValueError(f"dropout={config['dropout']} must be at least 0 and below 1.")
    if config["dim"] % config.get("n_heads", 1):
        raise ValueError(
            f"n_heads={config['n_heads']} must divide dim={config['dim']}: choose another number of heads."
        )
    if "mask_probability" in config:
        _check_mask_probability(config["mask_probability"])
        if config["max_len"] < 2:
            raise ValueError("max_len=1 has no place for an item beside the mask: choose at least 2.")


def _buckets(lengths, max_len, batch_size, rng):
    """Shuffle windows into batches (row numbers, width) of similar length."""
    _check_size(batch_size=batch_size)
    widths = _widths(lengths, max_len)
    order = rng.permutation(len(lengths))
    order = order[np.argsort(widths[order], kind="stable")]
    batches = np.split(order, np.arange(batch_size, len(order), batch_size))
    return [(batches[i], widths[batches[i]].max()) for i in rng.permutation(len(batches))]


def _widths(lengths, max_len):
    """Round lengths up to ``max_len``, its half, quarter or eighth."""
    sizes = np.array([-(-max_len // part) for part in (8, 4, 2, 1)])
    return sizes[np.searchsorted(sizes, np.minimum(lengths, max_len))]


def pad_to_bucket(histories, max_len):
    """Lay histories into an array as wide as in training: see `pad_left`."""
    longest = max(map(len, histories), default=max_len)
    return pad_left(histories, _widths([longest], max_len)[0])


def _check_size(**sizes):
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name}={size}: it must be at least 1.")


def _check_mask_probability(mask_probability):
    if not 0 < mask_probability <= 1:
        raise ValueError(f"mask_probability={mask_probability} must be above 0 and at most 1.")
