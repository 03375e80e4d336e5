"""The three tables of a data set, and the filters that keep a part of them."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Dataset:
    """A data set as three tables.

    Attributes:
        name: Short name, such as ``"ml-100k"``.
        interactions: One row an event, in the order of the source. Columns ``user_id``,
            ``item_id`` (any hashable id), ``timestamp`` (int64) and what else the source knows
            (``rating``, ``quantity``, ``basket_id``, ...).
        items: One row an item that has an interaction or a description. Columns ``item_id`` and
            ``title`` (str; the id itself where the source has no text).
        users: One row a user. Column ``user_id``, and demographics where the source has them.
            ``Queries.users`` are row numbers into this table.
        licence: The terms of use, in a sentence.
        repeats: True where a user meets the same item again and again (groceries).
        time_unit: ``"seconds"`` since 1970-01-01 UTC, or ``"steps"`` where the source gives only
            an order, which ``timestamp`` keeps.
        notes: Sentences: what was read, guessed or dropped of a reader's own file, and what filters kept.
    """

    name: str
    interactions: pd.DataFrame
    items: pd.DataFrame
    users: pd.DataFrame
    licence: str
    repeats: bool = False
    time_unit: str = "seconds"
    notes: tuple[str, ...] = ()

    def summary(self):
        """Describe the data set in one row.

        Returns:
            DataFrame with one row, indexed by name. int64 ``users``, ``items``, ``interactions``; float64
            ``density`` (share of all user-item pairs that occur), ``median_history`` (events of the median
            user) and ``repeated`` (share of events whose user-item pair stands in an earlier row); str
            ``first_date`` and ``last_date`` (ISO 8601, UTC; None where the time unit is steps).
        """
        events = self.interactions
        repeated = events.duplicated(["user_id", "item_id"])
        dates = [None, None]
        if self.time_unit == "seconds":
            ends = pd.to_datetime([events["timestamp"].min(), events["timestamp"].max()], unit="s")
            dates = ends.strftime("%Y-%m-%d")
        row = {
            "users": len(self.users),
            "items": len(self.items),
            "interactions": len(events),
            "density": (~repeated).sum() / (len(self.users) * len(self.items)),
            "median_history": events["user_id"].value_counts().median(),
            "repeated": repeated.mean(),
            "first_date": dates[0],
            "last_date": dates[1],
        }
        return pd.DataFrame([row], index=[self.name])


def keep(dataset, min_user, min_item, min_rating):
    """Filter a data set; arguments, result and errors as `datasets.load`."""
    rows = dataset.interactions
    if min_rating is not None:
        if "rating" not in rows or not pd.api.types.is_numeric_dtype(rows["rating"]):
            raise ValueError(f"{dataset.name} has no numeric column 'rating': leave min_rating out")
        rows = rows[rows["rating"] >= min_rating]
    while True:
        events_of_user = rows.groupby("user_id")["user_id"].transform("size")
        events_of_item = rows.groupby("item_id")["item_id"].transform("size")
        keep = (events_of_user >= min_user) & (events_of_item >= min_item)
        if keep.all():
            break
        rows = rows[keep]
    if rows.empty:
        raise ValueError(
            f"nothing is left of {dataset.name} with min_user={min_user}, min_item={min_item}, "
            f"min_rating={min_rating}: lower them"
        )
    items, users = dataset.items, dataset.users
    return replace(
        dataset,
        interactions=rows.reset_index(drop=True),
        items=items[items["item_id"].isin(rows["item_id"])].reset_index(drop=True),
        users=users[users["user_id"].isin(rows["user_id"])].reset_index(drop=True),
    )


def long_table(users, sequences):
    """One row an event from one sequence a user; timestamps count from 0."""
    lengths = np.array([len(sequence) for sequence in sequences])
    step = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    return pd.DataFrame(
        {"user_id": np.repeat(users, lengths), "item_id": np.concatenate(sequences), "timestamp": step}
    )
