"""Events of histories, looked up with their times, in words."""

import numpy as np
import pandas as pd

from llmrec_ref.text.templates import fill
from llmrec_ref.text.words import is_id, item_words, moment_words

STORES = ("another store", "the usual store")
OPINIONS = ("disliked", "liked")  # a rating of 3 or less, and above


class EventRows:
    """The interactions of a data set, found by user and history, as rows in words.

    Args:
        dataset: A `Dataset`.
        item_ids: ``split.item_ids``.
        template: A `Template`, for the column ``item_text`` of every event.

    Attributes:
        own: The columns that describe an event's item.
    """

    def __init__(self, dataset, item_ids, template):
        table = dataset.interactions
        self.words = item_words(dataset)
        self.template, self.own = template, (*self.words, "item_text")
        self.cells, self.items = self.words.to_numpy(object), {}
        self.time_unit = dataset.time_unit
        self.item_rows = self.words.index.get_indexer(table["item_id"])
        self.numbers = pd.Index(item_ids[1:]).get_indexer(table["item_id"]) + 1
        self.stores = table["store_id"].to_numpy() if "store_id" in table else None
        names = [c for c in table if not is_id(c) and c not in self.own]
        self.columns = {name: table[name].to_numpy() for name in names}
        users = pd.Index(dataset.users["user_id"]).get_indexer(table["user_id"])
        order = np.lexsort((self.columns["timestamp"], users))  # stable
        ends = np.cumsum(np.bincount(users, minlength=len(dataset.users)))
        self.of_user = np.split(order, ends[:-1])

    def find(self, queries, query):
        """Return the rows of a query's history, oldest first, int64.

        Raises:
            ValueError: The user is unknown, the query has no time, or the history is
                not among the user's events.
        """
        user, history = queries.users[query], queries.histories[query]
        if user < 0 or queries.times is None:
            what = "is of an unknown user" if user < 0 else "has no prediction time"
            raise ValueError(
                f"Query {query} {what}, so nobody can say what was before it: write "
                "its events as rows with times and call user_text."
            )
        rows = self.of_user[user]
        places = _subsequence(self.numbers[rows], history)
        if places is None:
            raise ValueError(
                f"The history of query {query} is not among its user's events: pass "
                "the data set that was split."
            )
        return rows[places]

    def newest(self, rows, last):
        """Write the newest of some rows as dicts, oldest first; None: all of them."""
        usual = None
        if self.stores is not None and len(rows):
            stores, counts = np.unique(self.stores[rows], return_counts=True)
            usual = stores[counts.argmax()]  # of the events before alone
        shown = rows if last is None else rows[max(0, len(rows) - last) :]
        return [self._in_words(row, usual) for row in shown]

    def _item(self, place):
        """Write an item once, however often it occurs."""
        if place not in self.items:
            found = dict(zip(self.words, self.cells[place], strict=True))
            self.items[place] = found | {"item_text": fill(self.template.item, found)}
        return self.items[place]

    def _in_words(self, row, usual):
        """Write one event: its item, its own columns, its moment, store and opinion."""
        found = dict(self._item(self.item_rows[row]))
        for name, column in self.columns.items():
            found[name] = None if pd.isna(column[row]) else column[row]
        found |= moment_words(found["timestamp"], self.time_unit)
        if usual is not None:
            found["store"] = STORES[int(self.stores[row] == usual)]
        if "rating" in self.columns:
            rating = self.columns["rating"][row]
            found["opinion"] = None if pd.isna(rating) else OPINIONS[int(rating > 3)]
        return found


def _subsequence(items, history):
    """Return where a history stands among a user's items, in order; None if nowhere."""
    n = len(history)
    if np.array_equal(items[:n], history):
        return np.arange(n)
    places, start = [], 0
    for item in history:
        found = np.flatnonzero(items[start:] == item)
        if not len(found):
            return None
        places.append(start + found[0])
        start = places[-1] + 1
    return np.array(places, np.int64)
