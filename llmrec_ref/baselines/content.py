"""Content: what is like what you had, by item features alone."""

import numbers

import numpy as np

from llmrec_ref.baselines.shared import (
    as_scores,
    check_rows,
    feature_table,
    history_means,
)
from llmrec_ref.splits import Queries, check_histories

MEASURES = ("cosine", "dot")


class Content:
    r"""Items like those of the history: no training, so new items are scored too.

    .. math:: s_{ui} = \frac{z_u^\top z_i}{\lVert z_u \rVert \lVert z_i \rVert}, \qquad
        z_u = \frac{1}{|H_u|} \sum_{t \in H_u} z_{x_t}

    with :math:`H_u` all events of the history or its newest, and :math:`z_i` the
    features of item i. It is Rocchio's classifier for positive examples alone (Pazzani
    and Billsus, Content-based recommendation systems, in The Adaptive Web, LNCS 4321,
    2007, doi 10.1007/978-3-540-72079-9_10).

    An item that the history holds several times counts each time: bought ten times, it
    says ten times as much about its buyer, and ``last`` counts events. Where the
    features are of length 1, both measures rank alike, as the length of z_u is the same
    for all items.

    Args:
        features: Z_I, float (n_items + 1, D), one row an item number; row 0, padding,
            is not looked at.
        last: How many of the newest events make z_u; None: all.
        measure: ``"cosine"``; or ``"dot"``, the product without the lengths. A row of
            zeros has the cosine 0 with everything.

    Raises:
        ValueError: Features that are no finite matrix, ``last`` below 1 or an unknown
            measure.
    """

    def __init__(self, features, last=None, measure="cosine"):
        self.items = feature_table(features)
        if last is not None and not (isinstance(last, numbers.Integral) and last >= 1):
            raise ValueError(
                f"last={last!r}: give a number of events from 1, or None for all."
            )
        if measure not in MEASURES:
            raise ValueError(
                f"measure={measure!r} is unknown: pass one of {', '.join(MEASURES)}."
            )
        self.last, self.measure = last, measure

    def fit(self, split):
        """Check that there is a row of features an item: nothing else is learned."""
        check_rows(self.items, split.n_items)
        return self

    def score(self, queries):
        """Compare the mean of each history with every item."""
        check_histories(queries, len(self.items) - 1)
        if self.last:
            newest = [history[-self.last :] for history in queries.histories]
            queries = Queries(newest, queries.users, queries.times)
        users, items = history_means(queries, self.items), self.items
        if self.measure == "cosine":
            users, items = _unit(users), _unit(items)
        return as_scores(users @ items.T)


def _unit(rows):
    """Give each row the length 1, or leave it where it is zero."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths, lengths, 1)
