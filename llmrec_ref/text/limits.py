"""What equal texts cost: how many there are, and the best recall they leave."""

import numpy as np
import pandas as pd


def distinct_texts(texts):
    """Count how many items a text can tell apart.

    Args:
        texts: List of str from `item_texts`; entry 0, of padding, is not looked at.

    Returns:
        DataFrame with one row: ``items``, ``distinct`` texts, ``alone`` (items whose
        text no other item has), ``largest`` (items that share the most frequent text)
        and that ``text``.

    Raises:
        ValueError: No item has a text.
    """
    if len(texts) < 2:
        raise ValueError("There is no item: texts hold padding and one text an item.")
    counts = pd.Series(list(texts[1:])).value_counts()
    row = {"items": len(texts) - 1, "distinct": len(counts)}
    row |= {"alone": int((counts == 1).sum()), "largest": int(counts.iloc[0])}
    return pd.DataFrame([row | {"text": counts.index[0]}])


def best_recall(texts, part, k, filter_seen=None, candidates=None):
    r"""Return the highest Recall@k that a ranking by text alone can expect.

    Items with equal texts have equal scores, so such a ranking lists them in a block,
    in an order that it cannot choose. Let a query have the targets Y, and let a text c
    belong to :math:`n_c` eligible items, :math:`m_c` of them targets. If s places of
    the list fall into the block of c, the expected number of targets there, over the
    random order of the block, is :math:`s\, m_c / n_c`. To place k items is therefore a
    knapsack whose goods can be divided: it is filled best by descending density,

    .. math:: \mathrm{Recall@k} \le \frac{1}{|Y|} \sum_c s_c \frac{m_c}{n_c}, \qquad
        s_c = \min\Bigl(n_c,\; k - \sum_{c' \text{ before } c} n_{c'}\Bigr)_+

    with the texts in descending order of :math:`m_c / n_c`, and a ranking by text can
    do just that: whole blocks in this order, the last cut at place k. With all texts
    distinct the bound is that of any ranking, min(k, \|Y\|) / \|Y\|. `evaluate` counts
    ties against the recommender, so what it reports for a ranking by text is lower.

    Args:
        texts: List of str from `item_texts`.
        part: A `Part`.
        k: Length of the list.
        filter_seen: As in `evaluate`: items of the history are not eligible, targets
            neither; a query left without target does not count.
        candidates: As in `evaluate`.

    Returns:
        Float in [0, 1], a mean over queries.

    Raises:
        ValueError: The part has another catalogue than the texts, or no target is left.
    """
    if part.n_items not in (None, len(texts) - 1):
        raise ValueError(
            f"{len(texts) - 1} items have texts, but the part has {part.n_items}: pass "
            "item_texts of its own split."
        )
    filter_seen = not part.repeats if filter_seen is None else filter_seen
    classes = pd.factorize(np.asarray(texts, object))[0]
    eligible = np.ones(len(texts), bool)
    if candidates is not None:
        eligible = np.isin(np.arange(len(texts)), candidates)
    eligible[0] = False
    sizes = np.bincount(classes[eligible], minlength=classes.max() + 1)
    recalls = []
    for history, targets in zip(part.queries.histories, part.targets, strict=True):
        seen = np.unique(history) if filter_seen else history[:0]
        targets = targets[eligible[targets] & ~np.isin(targets, seen)]
        if len(targets):
            hidden = classes[seen[eligible[seen]]]
            recalls.append(_best_recall(classes[targets], sizes, hidden, k))
    if not recalls:
        raise ValueError("No target is left: pass filter_seen=False, or other queries.")
    return float(np.mean(recalls))


def _best_recall(targets, sizes, hidden, k):
    """Fill k places with blocks by density: for one query, targets given as classes."""
    texts, m = np.unique(targets, return_counts=True)
    n = sizes[texts] - (hidden[:, None] == texts).sum(axis=0)
    order = np.argsort(-m / n)
    m, n = m[order], n[order]
    left = k - (np.cumsum(n) - n)  # places that the blocks before leave over
    return (np.clip(left, 0, n) * m / n).sum() / m.sum()
