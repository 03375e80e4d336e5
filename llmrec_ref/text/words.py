"""From a data set's columns to words: titles in order, gaps named as such."""

import re

import pandas as pd

from llmrec_ref.datasets.columns import ACCEPTED_NAMES, plain_name

# What catalogues put behind a title: "Godfather, The", "Boot, Das", "Enfer, L'".
ARTICLES = (
    "The A An La Le Les L' Un Une Il Lo Gli El Los Las Der Die Das Den Det De Het Een O"
)
INVERTED = re.compile(
    rf"([^()\s][^()]*), ({'|'.join(ARTICLES.split())})(?=\s*(?:[()]|$))"
)
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
IDS = {
    plain_name(name)
    for role in ("user_id", "item_id")
    for name in (role, *ACCEPTED_NAMES[role])
}


def title_in_order(title):
    """Put the article before the name, outside of brackets and within.

    Args:
        title: Str, such as ``"Big Blue, The (Grand bleu, Le)"``.

    Returns:
        Str, such as ``"The Big Blue (Le Grand bleu)"``; other titles as they are.
    """

    def swap(match):
        name, article = match.groups()
        return article + ("" if article.endswith("'") else " ") + name

    return INVERTED.sub(swap, title)


def is_id(column):
    """Whether a column holds ids, by its name: item_id, basket_id, UserID, "id"."""
    name = str(column)
    return plain_name(name) in IDS | {"id"} or bool(
        re.search(r"[_\s-]id$|[a-z]I[dD]$", name, re.IGNORECASE if "_" in name else 0)
    )


def item_words(dataset):
    """Write the items of a data set in words.

    Films get their titles in order and their genres between commas, products lower-case
    letters. What has no words is named as such: a title that is missing, or is the id
    itself, says so, and all such items share one text.

    Args:
        dataset: A `Dataset`.

    Returns:
        DataFrame, one row for each of ``dataset.items``, indexed by item id: the
        columns that hold no ids, as str; None where nothing is known.
    """
    items = dataset.items.set_index("item_id", drop=False)
    words = pd.DataFrame({c: _texts(items[c]) for c in items if not is_id(c)})
    wordless = words["title"].isna() | (words["title"] == items["item_id"].astype(str))
    kind = "item"
    if dataset.name == "ml-100k":
        kind, wordless = "film", wordless | (words["title"] == "unknown")
        words["title"] = words["title"].map(title_in_order)
        genres = words["genres"].str.lower().str.replace(" ", ", ")
        words["genres"] = genres.where(genres != "unknown", None)
    elif dataset.name == "complete-journey":
        kind, words = "product", words.apply(lambda column: column.str.lower())
    words["title"] = words["title"].mask(wordless, f"{kind} without a description")
    return words.astype(object).where(words.notna(), None)


def user_words(dataset):
    """Write what is known of the users in words; as `item_words`, one row a user."""
    users = dataset.users.set_index("user_id", drop=False)
    words = pd.DataFrame(
        {c: _texts(users[c]) for c in users if not is_id(c)}, index=users.index
    )
    if dataset.name == "ml-100k":
        words["gender"] = words["gender"].map({"M": "man", "F": "woman"})
        no_job = words["occupation"].isin(["none", "other"])
        words["occupation"] = words["occupation"].mask(no_job)
    elif dataset.name == "complete-journey":
        words = words.apply(lambda column: column.str.lower())
    return words.astype(object).where(words.notna(), None)


def moment_words(time, time_unit="seconds"):
    """Write a moment in words.

    Args:
        time: Int, as ``timestamp`` of a `Dataset`.
        time_unit: As `Dataset.time_unit`.

    Returns:
        Dict with ``weekday`` ("Friday") and ``hour`` ("18"), UTC; for steps, which
        have neither, it is empty.
    """
    if time_unit == "steps":
        return {}
    days, seconds = divmod(int(time), 86_400)
    weekday = WEEKDAYS[(days + 3) % 7]  # 1970 began on a Thursday
    return {"weekday": weekday, "hour": str(seconds // 3600)}


def _texts(column):
    """A column as str, blanks as one space and gaps as NA; 3.0 is 3."""
    texts = column.astype("string").str.split().str.join(" ")
    if pd.api.types.is_float_dtype(column):
        texts = texts.str.replace(r"\.0$", "", regex=True)
    return texts.where(texts != "")
