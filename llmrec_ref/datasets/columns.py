"""Which column of a reader's file is the user, the item, the time."""

import re

# Compared in lower case and without "_", "-" or spaces: userId, USER_ID and "user id" are one name.
ACCEPTED_NAMES = {
    "user_id": ("user", "userid", "visitorid"),
    "item_id": ("item", "itemid", "productid", "movieid"),
    "timestamp": ("timestamp", "time", "date", "datetime"),
    "rating": ("rating",),
    "title": ("title", "text", "name", "description"),
}
NEEDED = ("user_id", "item_id", "timestamp")
# Words that make a column likely, for the example in an error message only.
LIKELY = {
    "user_id": "user|customer|client|person|member|reviewer|visitor",
    "item_id": "item|product|stock|sku|asin|movie|film|book|song|track",
    "timestamp": "time|date|when|day",
}


def plain_name(name):
    """Return a column name without what makes no difference: case, "_", "-", blanks."""
    return re.sub(r"[\s_-]", "", str(name)).lower()


def find_roles(source, columns, said):
    """Find which column plays which role.

    Args:
        source: What messages call the file; None: return what is found, never raise.
        columns: List of the file's column names.
        said: The dict of the argument ``columns`` of `load`, or None.

    Returns:
        Dict role -> column, or for ``"title"`` where nothing was said: role -> list of candidates.

    Raises:
        ValueError: A column is missing, ambiguous or named twice, or ``said`` names what is not there.
    """
    roles = {}
    if source and (twice := [column for column in columns if columns.count(column) > 1]):
        raise ValueError(f"{source}: the header has the column {twice[0]!r} twice: rename or remove one")
    for key, column in (said or {}).items():
        column = column if column is None else str(column)
        role = f"{key}_id" if key in ("user", "item") else key
        if role not in ACCEPTED_NAMES:
            raise ValueError(f"columns= knows user, item, timestamp, title and rating, not {key!r}")
        if column not in columns and not (column is None and role not in NEEDED):
            raise ValueError(f"{source} has no column {column!r}; it has {', '.join(columns)}")
        roles[role] = column
    taken = [column for column in roles.values() if column is not None]
    if len(set(taken)) < len(taken):
        raise ValueError(f"columns= gives one column of {source} two roles: {', '.join(taken)}")
    missing = []
    for role, accepted in ACCEPTED_NAMES.items():
        if role in roles:
            continue
        found = [c for c in columns if plain_name(c) in accepted and c not in taken]
        found.sort(key=lambda c: accepted.index(plain_name(c)))
        if role == "title":
            roles |= {role: found} if found else {}
        elif len(found) > 1 and source:
            raise ValueError(
                f"{source}: {' and '.join(found)} could both be {role}: choose, "
                f'columns={{"{role.removesuffix("_id")}": "{found[0]}"}}'
            )
        elif found:
            roles[role] = found[0]
        elif role in NEEDED:
            missing.append(role)
    if missing and source:
        left = [column for column in columns if column not in taken and column not in roles.values()]
        raise ValueError(f"{source} has no column for {_missing(missing, columns, left)}")
    return roles


def _missing(roles, columns, left):
    """Say which roles no column has, and which of those that are left might have them."""
    likely = {r: next((c for c in left if re.search(LIKELY[r], c.lower())), "...") for r in roles}
    example = ", ".join(f'"{role.removesuffix("_id")}": "{column}"' for role, column in likely.items())
    option = ",".join(f"{role.removesuffix('_id')}={column}" for role, column in likely.items())
    wanted = " and ".join(role.removesuffix("_id") for role in roles)
    return (
        f"{wanted}; it has {', '.join(columns)}: say which, columns={{{example}}} "
        f"(command line: --columns {option})"
    )


def header_hint(row):
    """Write the argument ``columns`` that would probably read a file without header."""
    times = [
        place for place, cell in enumerate(row) if re.fullmatch(r"\d{8,}(\.\d+)?|\d.*[-/.:].*[-/.:].*", cell)
    ]
    time = times[-1] if times and times[-1] > 1 else len(row) - 1
    names = ["user", "item", *(f"column {place}" for place in range(3, len(row) + 1))]
    if len(row) == 4 and time == 3:
        names[2] = "rating"
    names[time] = "timestamp"
    listed = ", ".join(f'"{name}"' for name in names)
    return f"columns=[{listed}] (command line: --columns '{','.join(names)}')"
