"""Recommendations with titles, for a user of the data set or for any history."""

import numbers
from difflib import get_close_matches

import numpy as np
import pandas as pd

from llmrec_ref.evaluate import ask
from llmrec_ref.splits import Queries


def recommend(model, dataset, split, user_or_history, k=10):
    """Recommend the items with the highest scores, to a user or to any history.

    Ids are compared as text, so that ``196`` and ``"196"`` name the same user. Items of the history are
    left out, unless ``dataset.repeats``.

    Args:
        model: A recommender, or its ``score``, as `evaluate` takes it: column 0 is not looked at.
        dataset: The `Dataset` that knows the titles and, for a user, the history.
        split: The `Split` whose item numbers the model was trained on.
        user_or_history: A user's id, or any sequence of item ids (list, tuple, array of NumPy, pandas or
            Arrow, Series, Index), oldest first; a title that only one item has stands for its id. A
            user's history is all that the data set knows of them, in order of time.
        k: Length of the list; where fewer items are left, all of them.

    Returns:
        DataFrame: Best first; ``rank`` (int64, from 1), ``item_id``, ``title`` and ``score`` (float32).

    Raises:
        ValueError: If the history is empty, ``k`` is no whole number from 1, or the scores have a wrong
            type or shape or hold NaN.
        KeyError: If the user or an item is unknown, or several items have a title; the message names
            the closest ids, or theirs.
    """
    user, history = -1, user_or_history
    if not pd.api.types.is_list_like(history, allow_sets=False):
        user = _numbers([history], dataset.users["user_id"], "user")[0]
        events = dataset.interactions[dataset.interactions["user_id"] == dataset.users["user_id"].iloc[user]]
        history = events.sort_values("timestamp", kind="stable")["item_id"]
    items = pd.DataFrame(
        {"item_id": split.item_ids[1:]}, index=pd.RangeIndex(1, split.n_items + 1, name="item")
    )
    items["title"] = items["item_id"].map(dataset.items.set_index("item_id")["title"])
    return recommend_items(model, items, history, k, repeats=dataset.repeats, user=user)


def recommend_items(model, items, history, k=10, *, repeats=False, user=-1):
    """Do as `recommend` without a data set: with what ``train.load`` returns.

    Args:
        model: As in `recommend`.
        items: DataFrame, one row an item, index 1..n_items in order; columns ``item_id`` and ``title``.
        history: Any sequence of item ids, or of titles that only one item has, oldest first.
        k: As in `recommend`.
        repeats: Whether an item of the history may be recommended again.
        user: Row number in ``dataset.users``, for a model that looks at users; -1 = unknown.

    Returns:
        DataFrame: As `recommend`.

    Raises:
        ValueError: As `recommend`.
        KeyError: As `recommend`.
    """
    if not isinstance(k, numbers.Integral) or k < 1:
        raise ValueError(f"k is the length of the list: a whole number from 1, not {k!r}")
    if not pd.api.types.is_list_like(history, allow_sets=False):
        raise ValueError(f"a history is a sequence of item ids, oldest first, not {history!r}")
    history = list(history)
    if not history:
        raise ValueError("the history is empty: name at least one item")
    seen = _numbers(history, items["item_id"], "item", items["title"]) + 1
    scores = ask(model, Queries([seen], np.array([user])), len(items))[0].copy()
    scores[0] = -np.inf  # padding, whatever a recommender gives it
    if not repeats:
        scores[seen] = -np.inf
    best = np.argsort(-scores, kind="stable")[:k]
    best = best[scores[best] > -np.inf]  # padding and, where they are left out, seen items
    table = items.loc[best, ["item_id", "title"]].reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(best) + 1))
    return table.assign(score=scores[best])


def _numbers(wanted, known, kind, titles=()):
    """Return where each of the ``wanted`` ids or titles stands among all, int64."""
    ids = [str(name) for name in known]
    places = {name: place for place, name in enumerate(ids)}
    titled = {}
    for place, title in enumerate(titles):
        if pd.notna(title):
            titled.setdefault(str(title).casefold(), []).append(place)
    found = []
    for name in wanted:
        # a column with a gap turns integers into floats: 114.0 asks for 114
        text = str(int(name)) if isinstance(name, float) and name.is_integer() else str(name)
        same = [places[text]] if text in places else titled.get(text.casefold(), [])
        if len(same) > 1:
            some = ", ".join(ids[place] for place in same[:10])
            raise KeyError(f"{len(same)} {kind}s have the title {text!r}: name one by its id: {some}")
        if not same:
            close = ", ".join(get_close_matches(text, ids)) or "none"
            alike = get_close_matches(text.casefold(), titled)
            alike = ", ".join(str(titles.iloc[titled[title][0]]) for title in alike)
            alike = f"; known titles: {alike}" if alike else ""
            raise KeyError(f"unknown {kind} {text!r}; known ids close to it: {close}{alike}")
        found += same
    return np.array(found, dtype=np.int64)
