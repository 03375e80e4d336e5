"""How users, items and events are put into words: parts with named columns."""

from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

from llmrec_ref.text.words import is_id


@dataclass(frozen=True)
class Template:
    """Sentences with columns in braces, in parts.

    A part names its columns as ``str.format`` does, and is left out where one of them
    is missing: ``("{title}", " ({release_year})")`` gives "Toy Story (1995)" or "Toy
    Story". Any column of the tables may be named but one that holds ids: an id is a
    number that a language model reads as a word, and may give the answer away.

    Attributes:
        item: Parts of an item, from the columns of `item_words`.
        user: Parts of a user, from the columns of `user_words`.
        event: Parts of an event: columns of `item_words` and of the interactions;
            ``item_text``; ``weekday`` and ``hour``; ``store`` ("the
            usual store" or "another store"); ``opinion`` ("liked", of ratings above 3,
            or "disliked").
        heading: Parts that stand once before all events of one moment (a basket).
        before: What stands before the events.
        nobody: The text of a user of whom nothing is known.

    Raises:
        ValueError: A part names a column that holds ids, or is no format string.
    """

    item: tuple[str, ...]
    user: tuple[str, ...] = ()
    event: tuple[str, ...] = ("{title}",)
    heading: tuple[str, ...] = ()
    before: str = "Before, newest first: "
    nobody: str = "a person of whom nothing is known"

    def __post_init__(self):
        for name in ("item", "user", "event", "heading"):
            parts = getattr(self, name)
            if isinstance(parts, str):
                raise ValueError(f'Template: {name} is a tuple of parts: ("{parts}",).')
            for column in columns_of(tuple(parts)):
                if is_id(column):
                    raise ValueError(
                        f"The template asks for {column!r}, which holds ids: an id is "
                        "no word and may give the answer away; name columns of words."
                    )


@lru_cache(maxsize=1000)
def columns_of(parts):
    """Return the names of the columns that a tuple of parts asks for, in order.

    Raises:
        ValueError: A part is no format string, or names no column between its braces.
    """
    found = []
    for part in parts:
        try:
            fields = [field for _, field, _, _ in Formatter().parse(part)]
        except ValueError as error:
            raise ValueError(f"The part {part!r} cannot be read: {error}.") from None
        found += [field for field in fields if field is not None]
    for column in found:
        if not column.replace(" ", "_").isidentifier():
            raise ValueError(f"A part names {column!r}: write a column: {{title}}.")
    return list(dict.fromkeys(found))


def fill(parts, row):
    """Write the parts whose columns are known, one after the other.

    Args:
        parts: Tuple of str, as in `Template`.
        row: Mapping from column to str; None where nothing is known.

    Returns:
        Str, without the punctuation that a missing first or last part leaves over; ""
        if every part is left out.

    Raises:
        ValueError: The row has no such column; names those it has.
    """
    written = []
    for part in parts:
        columns = columns_of((part,))
        missing = [column for column in columns if column not in row]
        if missing:
            known = ", ".join(c for c in map(str, row) if not is_id(c)) or "none"
            raise ValueError(
                f"The template asks for {missing[0]!r}, but the columns are: {known}."
            )
        if all(row[column] is not None for column in columns):
            written.append(part.format_map(row))
    return "".join(written).strip(" ,;:")


FILMS = Template(
    item=("{title}", " ({release_year})", ", {genres}"),
    user=("A {gender} of {age}", ", {occupation}"),
    event=("{title}", " ({release_year})"),
    before="Watched, newest first: ",
)
OPINIONS = Template(
    item=FILMS.item,
    event=("{opinion} {title}",),
    before="Newest first: ",
    nobody="A viewer",
)
GROCERIES = Template(
    item=(
        "{product_type}",
        ", {product_category}",
        ", {department}",
        ", {brand} brand",
        ", {package_size}",
    ),
    user=(
        "household of {household_size}",
        ", {household_comp}",
        ", age {age}",
        ", income {income}",
        ", {home_ownership}",
        ", {marital_status}",
    ),
    event=("{title}",),
    heading=("{weekday}, {hour} h", ", {store}", ": "),
    before="Bought, newest first: ",
    nobody="a household of which nothing is known",
)
OWN = Template(item=("{title}",))
TEMPLATES = {"ml-100k": FILMS, "complete-journey": GROCERIES}


def template_of(dataset):
    """Return a data set's own template, or `OWN`, which needs a title only."""
    return TEMPLATES.get(dataset.name, OWN)
