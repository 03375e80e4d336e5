"""Guards: what must not be in a text is refused in one sentence."""

import re
from functools import lru_cache

import numpy as np


def check_times(times, time, ties):
    """Refuse events that are not before the prediction time."""
    if ties not in (None, "source"):
        raise ValueError(f'ties={ties!r} is unknown: pass "source", or nothing.')
    if (np.diff(times) < 0).any():
        raise ValueError("Events must be in order of time, oldest first: sort them.")
    if len(times) and times[-1] > time:
        raise ValueError(
            f"An event at {times[-1]} is not before the prediction time {time}: "
            "what comes later must not be in the text."
        )
    if len(times) and times[-1] == time and ties is None:
        raise ValueError(
            f"An event shares the prediction time {time}, so is not before it: leave "
            'it out, or pass ties="source": the order of the source stands for time.'
        )


def check_targets(targets, who, heads, written, records, own):
    """Refuse a text that names a target other than as the item of an event before."""
    everything = "\n".join([who, *heads, *written])
    for target in targets:
        if not target or target not in everything:
            continue
        named = _names(who, target)
        for head, text, record in zip(heads, written, records, strict=True):
            described = "\n".join(str(record[c]) for c in own if c in record)
            inside = _names(f"{head}\n{text}", target)
            named = named or (inside and not _names(described, target))
        if named:
            raise ValueError(
                f"The text would name the target {target!r}: find the column that "
                "knows the future, and leave it out."
            )


def _names(text, title):
    """Whether a text names a title: its words in order, or its only word as a phrase.

    A single word, such as "kids", occurs in ordinary text. It counts where nothing but
    punctuation or an end stands beside it.
    """
    return title in text and bool(_pattern(title).search(text))


@lru_cache(maxsize=100_000)
def _pattern(title):
    inside = re.escape(title)
    if " " in title:
        return re.compile(rf"(?<!\w){inside}(?!\w)")
    return re.compile(rf"(?:^|[^\w\s]\s*){inside}(?=\s*(?:[^\w\s]|$))", re.MULTILINE)
