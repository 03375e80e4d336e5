"""All interactions of a data set in numbers, user by user in order of time."""

from copy import copy

import numpy as np
import pandas as pd

from llmrec_ref.splits.parts import Part, Queries, Split


class Events:
    """What each user did, oldest first; ties keep the order of the source.

    Args:
        dataset: A `Dataset`.
        seed: Seed of the item numbers.

    Attributes:
        items: One int64 array of item numbers for each row of ``dataset.users``.
        times: The same for the timestamps.
        item_ids: As in `Split`.
        n_items: Size of the catalogue.
        repeats: ``dataset.repeats``.

    Raises:
        ValueError: There are no interactions, or one of an unknown user or item.
    """

    def __init__(self, dataset, seed):
        self.item_ids, self.repeats = _number_items(dataset, seed), dataset.repeats
        self.n_items = len(self.item_ids) - 1
        table = dataset.interactions
        if not len(table):
            raise ValueError(
                f"{dataset.name} has no interactions: was everything filtered out?"
            )
        items = pd.Index(self.item_ids[1:]).get_indexer(table["item_id"]) + 1
        users = pd.Index(dataset.users["user_id"]).get_indexer(table["user_id"])
        if items.min() < 1 or users.min() < 0:
            raise ValueError(
                f"{dataset.name} has interactions whose user or item is not in its "
                "tables: add it."
            )
        times = table["timestamp"].to_numpy(np.int64)
        order = np.lexsort((times, users))  # stable
        ends = np.cumsum(np.bincount(users, minlength=len(dataset.users)))
        self.items = np.split(items[order].astype(np.int64), ends[:-1])
        self.times = np.split(times[order], ends[:-1])

    def only(self, wanted):
        """Keep the events of some items; the catalogue and its numbers stay.

        Args:
            wanted: bool (n_items + 1,).

        Returns:
            `Events`.
        """
        kept = copy(self)
        masks = [wanted[items] for items in self.items]
        for name in ("items", "times"):
            lists = zip(getattr(self, name), masks, strict=True)
            setattr(kept, name, [values[mask] for values, mask in lists])
        return kept

    def part(self, users, n_seen, targets=None, times=None, n_left_out=0):
        """Ask about users whose first ``n_seen[user]`` items are their history.

        Args:
            users: int64 (n,), row numbers of users.
            n_seen: int64, one number for each row of ``dataset.users``.
            targets: n arrays of item numbers; None: without targets, for training.
            times: int64 (n,), prediction times, or None.
            n_left_out: As in `Part`.

        Returns:
            A `Part`.
        """
        histories = [self.items[user][: n_seen[user]] for user in users]
        if targets is None:
            targets = [np.empty(0, np.int64)] * len(users)
        queries = Queries(histories, users, times)
        return Part(queries, targets, self.repeats, self.n_items, int(n_left_out))

    def split(self, n_train, validation, test):
        """Train on the first ``n_train[user]`` items of each user who has any."""
        train = self.part(np.flatnonzero(n_train), n_train)
        return Split(train, validation, test, self.n_items, self.item_ids)


def _number_items(dataset, seed):
    """Number the items by a seeded permutation: object (n_items + 1,), their ids."""
    # sorted by repr: any hashable ids have one order, whatever the order of rows
    ids = sorted(dataset.items["item_id"].tolist(), key=repr)
    order = np.random.default_rng(seed).permutation(len(ids))
    numbered = np.empty(len(ids) + 1, object)
    numbered[1:] = [ids[place] for place in order]
    return numbered
