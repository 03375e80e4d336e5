"""Texts of items and of users, written from event rows with their times."""

import numpy as np
import pandas as pd

from llmrec_ref.text.events import EventRows
from llmrec_ref.text.guards import check_targets, check_times
from llmrec_ref.text.templates import fill, template_of
from llmrec_ref.text.words import item_words, user_words


def item_texts(dataset, item_ids, template=None):
    """Write every item of a catalogue as a text (T_I).

    Args:
        dataset: A `Dataset`.
        item_ids: ``split.item_ids``: item number -> the data set's own id.
        template: A `Template`; default: `template_of` the data set.

    Returns:
        List of str: entry 0, of padding, is ""; then one text an item, in the order of
        ``item_ids``. An item without words has a text that says so.

    Raises:
        ValueError: The template names a column that the items do not have, or an item
            is not in the table.
    """
    template = template or template_of(dataset)
    words = item_words(dataset)
    rows = words.index.get_indexer(list(item_ids[1:]))
    if (rows < 0).any():
        lost = item_ids[1 + int(np.argmin(rows))]
        raise ValueError(
            f"{dataset.name} has no item {lost!r}: pass the item_ids of its own split."
        )
    records = words.to_dict("records")
    return [""] + [
        fill(template.item, records[row]) or records[row]["title"] for row in rows
    ]


def user_texts(
    dataset,
    queries,
    item_ids,
    template=None,
    *,
    last=20,
    budget=None,
    count=None,
    targets=None,
    ties=None,
):
    """Write every query as a text (T_U): who asks, and what happened before.

    The events of a history are looked up with their times in ``dataset.interactions``;
    then each text is written by `user_text`, whose guards see these times.

    Args:
        dataset: The `Dataset` that was split.
        queries: `Queries` of known users, with prediction times.
        item_ids: ``split.item_ids``.
        template: As in `item_texts`.
        last: How many of the newest events to write at most; None: all.
        budget: As in `user_text`.
        count: As in `user_text`.
        targets: ``part.targets``, so that a text that names one of them is refused.
        ties: As in `user_text`. `leave_one_out` needs ``"source"`` where the last
            timestamps of a user tie.

    Returns:
        List of str, one a query.

    Raises:
        ValueError: A user is unknown, a query has no time, a history is not among its
            user's events; or as in `user_text`.
    """
    template = template or template_of(dataset)
    events = EventRows(dataset, item_ids, template)
    people = user_words(dataset).to_dict("records")
    described = events.words.to_dict("index") if targets is not None else {}
    texts = []
    for query in range(len(queries)):
        shown = events.newest(events.find(queries, query), last)
        rows = [described[i] for i in item_ids[targets[query]]] if described else []
        named = [
            name for row in rows for name in (row["title"], fill(template.item, row))
        ]
        guards = dict(targets=named, own=events.own, ties=ties)
        who = people[queries.users[query]], shown, queries.times[query], template
        texts.append(user_text(*who, budget, count, **guards))
    return texts


def user_text(
    person,
    events,
    time,
    template,
    budget=None,
    count=None,
    *,
    targets=(),
    own=("title",),
    ties=None,
):
    """Write one user as a text: demographics, then events, the newest first.

    The newest come first, so that an encoder that cuts a long text at its end drops the
    oldest. Nothing else is ever dropped: with a budget the oldest events go, one by
    one, until the text fits.

    Args:
        person: Mapping from column to str, such as a row of `user_words`.
        events: DataFrame, or list of dicts, one row an event, oldest first: with
            ``timestamp`` and the columns that the template names.
        time: When the prediction is made; every event must be before it.
        template: A `Template`.
        budget: How many tokens the text may have; None: any number.
        count: Function from a text to its number of tokens, which must not fall when an
            event is added: ``lambda text: len(tokenizer.encode(text).ids)``.
        targets: Titles that must not be in the text; one of a single word only where
            punctuation stands on both sides, as ordinary text has such words ("kids").
            The item of an event may have an equal title: it happened before.
        own: The columns of an event that describe its own item.
        ties: ``"source"``: an event at the prediction time itself is before it, as the
            order of the source says.

    Returns:
        Str, never empty.

    Raises:
        ValueError: An event is not before the prediction time; the text would name a
            target; the template names a column that is not there; the budget has no
            ``count``, or is too small for the text without events.
    """
    is_frame = isinstance(events, pd.DataFrame)
    records = events.to_dict("records") if is_frame else list(events)
    check_times([record["timestamp"] for record in records], time, ties)
    records = records[::-1]  # newest first
    who = fill(template.user, person) or template.nobody
    written = [fill(template.event, record) for record in records]
    heads = [fill(template.heading, record) for record in records]
    check_targets(targets, who + "\n" + template.before, heads, written, records, own)
    moments = [record["timestamp"] for record in records]

    def text(n):
        """Return the text with the n newest events."""
        groups = _groups(moments[:n], heads, written)
        return f"{who}. {template.before}{'. '.join(groups)}." if n else f"{who}."

    return text(_fitting(text, len(records), budget, count))


def _groups(moments, heads, written):
    """Join the events of one moment behind their heading."""
    if not any(heads):
        return ["; ".join(written[: len(moments)])]
    starts = [n for n, m in enumerate(moments) if n == 0 or m != moments[n - 1]]
    ends = [*starts[1:], len(moments)]
    joined = ["; ".join(written[a:b]) for a, b in zip(starts, ends, strict=True)]
    return [f"{heads[n]}: {group}" for n, group in zip(starts, joined, strict=True)]


def _fitting(text, n, budget, count):
    """Return how many of the n newest events fit into the budget, by bisection."""
    if budget is None:
        return n
    if count is None:
        raise ValueError("A budget needs count=, a function from a text to its tokens.")
    least = count(text(0))
    if least > budget:
        raise ValueError(
            f"The text has {least} tokens before any event, more than the budget of "
            f"{budget}: raise it, or shorten the template."
        )
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if count(text(middle)) <= budget else (low, middle - 1)
        )
    return low
