"""Features of pairs of a query and an item: behaviour, words in common, closeness."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from llmrec_ref.baselines.shared import check_rows, feature_table
from llmrec_ref.splits import flatten

DAY = 86_400


def behaviour(pairs, dataset, item_ids, days=28):
    """What was bought, how often and how lately: nothing of what a product is.

    Args:
        pairs: `LabelledPairs` of a data set whose times are seconds.
        dataset: The `Dataset` that they are of.
        item_ids: ``PairSplit.item_ids``.
        days: How far back ``popularity`` looks.

    Returns:
        DataFrame, float64, one row a pair: ``frequency``, log(1 + how often the history
        holds the item); ``recency``, -log(1 + how many events came after the last of
        them), of an item it does not hold all events; ``popularity``, log(1 + how often
        anybody bought the item in the ``days`` before the prediction time).
    """
    counts = _counts(pairs.queries, len(item_ids))
    frequency = counts[pairs.rows, pairs.items]
    ages = _ages(pairs, len(item_ids))
    popularity = _popularity(pairs, dataset, item_ids, days * DAY)
    return pd.DataFrame(
        dict(
            frequency=np.log1p(np.asarray(frequency).ravel()),
            recency=-np.log1p(ages),
            popularity=np.log1p(popularity),
        )
    )


def same_words(pairs, columns):
    """Count the events of a history that agree with the item in a column.

    Args:
        pairs: `LabelledPairs`.
        columns: DataFrame, one row an item number from 0 (padding), such as texts,
            types and categories; what is missing agrees with nothing.

    Returns:
        DataFrame, float64, one row a pair and a column each: log(1 + count).
    """
    found = {}
    for name in columns:
        codes = pd.factorize(columns[name])[0] + 1  # 0: missing
        counts = _counts(pairs.queries, codes.max() + 1, codes)
        asked = codes[pairs.items]
        agreed = np.asarray(counts[pairs.rows, asked]).ravel()
        found[name] = np.log1p(np.where(asked > 0, agreed, 0))
    return pd.DataFrame(found)


def closeness(pairs, features):
    """How near an item is to those of the history: the nearest, and all in the mean.

    Args:
        pairs: `LabelledPairs`.
        features: Z_I, float (n_items + 1, D), row 0 padding.

    Returns:
        DataFrame, float64, one row a pair: ``nearest`` and ``mean``, the largest and
        the mean cosine with the distinct items of the history, but the item itself; 0
        where there is no other.

    Raises:
        ValueError: Features that are no finite matrix, or have no row for an item.
    """
    table = feature_table(features)
    if len(table) <= (most := pairs.items.max()):
        check_rows(table, most)
    lengths = np.linalg.norm(table, axis=1, keepdims=True)
    table = (table / np.where(lengths, lengths, 1)).astype(np.float32)
    found = np.zeros((len(pairs), 2))
    for query, places in _by_query(pairs):
        others = np.unique(pairs.queries.histories[query])
        items = pairs.items[places]
        cosine = table[items] @ table[others].T  # (candidates, others)
        itself = items[:, None] == others
        n = (~itself).sum(axis=1)
        found[places, 0] = np.where(itself, -1, cosine).max(axis=1, initial=-1)
        found[places, 1] = np.where(itself, 0, cosine).sum(axis=1) / np.maximum(n, 1)
        found[places[n == 0]] = 0
    return pd.DataFrame(found, columns=["nearest", "mean"])


def _by_query(pairs):
    """Yield each query that is asked, and the places of its pairs."""
    order = np.argsort(pairs.rows, kind="stable")
    queries, starts = np.unique(pairs.rows[order], return_index=True)
    yield from zip(queries, np.split(order, starts[1:]), strict=True)


def _counts(queries, n, codes=None):
    """How often each history holds each item, or code of an item: CSR (queries, n)."""
    items, offsets = flatten(queries.histories)
    items = items if codes is None else codes[items]
    counts = sp.csr_array((np.ones(len(items)), items, offsets), (len(queries), n))
    counts.sum_duplicates()
    return counts


def _ages(pairs, n):
    """How many events of the history came after the last of the item."""
    last, found = np.full(n, -1), np.zeros(len(pairs))
    for query, places in _by_query(pairs):
        history = pairs.queries.histories[query]
        last[history] = np.arange(len(history))  # of a repeated item the last one stays
        found[places] = len(history) - 1 - last[pairs.items[places]]
        last[history] = -1
    return found


def _popularity(pairs, dataset, item_ids, seconds):
    """How often each pair's item was bought by anybody shortly before."""
    table, times = dataset.interactions, pairs.queries.times[pairs.rows]
    items = pd.Index(item_ids[1:]).get_indexer(table["item_id"]) + 1
    moments, found = table["timestamp"].to_numpy(), np.zeros(len(pairs))
    for time in np.unique(times):
        recent = (moments >= time - seconds) & (moments < time)
        counts = np.bincount(items[recent], minlength=len(item_ids))
        here = times == time
        found[here] = counts[pairs.items[here]]
    return found
