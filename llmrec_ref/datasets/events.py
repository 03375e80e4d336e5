"""From a reader's frame to a Dataset, with a note for each decision."""

from decimal import Decimal

import numpy as np
import pandas as pd

from llmrec_ref.datasets.columns import ACCEPTED_NAMES, NEEDED
from llmrec_ref.datasets.table import Dataset
from llmrec_ref.datasets.times import read_times

GAPS = "na n/a #n/a nan none null (null) nil \\n <na> nat".split()  # what programs write where nothing is
OWN_LICENCE = "Your own file: the terms are yours to know."


def to_dataset(source, frame, roles, notes, drop_missing, name=None, dayfirst=None, time_unit=None):
    """Make a Dataset of a frame whose columns' roles are known; errors as `load`."""
    candidates = roles.get("title", [])
    candidates = [candidates] if isinstance(candidates, str) else list(candidates or [])
    chosen = isinstance(roles.get("title"), str)
    renamed = {column: role for role, column in roles.items() if role != "title" and column is not None}
    clash = {
        c: f"{c} (own)" for c in frame if c in ACCEPTED_NAMES and c not in renamed and c not in candidates
    }
    frame = frame.rename(columns=clash | renamed) if roles else frame
    frame = _drop_gaps(frame, source, notes, drop_missing)
    for role in ("user_id", "item_id"):
        frame[role] = _ids(frame[role], role, source, notes)
    seconds, exact, unit = read_times(frame["timestamp"], source, dayfirst, time_unit, notes)
    frame["timestamp"] = seconds
    for column in frame.columns.difference([*NEEDED, *candidates]):
        frame[column] = _numeric(frame[column])
    _note_cancellations(frame, notes)
    items = _items(frame, candidates, chosen, notes)
    if unit == "seconds" or roles:
        frame = _once_in_order(frame, exact, notes)
    if unit == "seconds":
        _note_ties(frame, notes)
    others = [column for column in frame if column not in NEEDED]
    return Dataset(
        name=name or source,
        interactions=frame[[*NEEDED, *others]],
        items=items,
        users=frame[["user_id"]].drop_duplicates(ignore_index=True),
        licence=OWN_LICENCE,
        time_unit=unit,
        notes=tuple(notes),
    )


def _drop_gaps(frame, source, notes, drop_missing):
    gaps = pd.DataFrame({role: frame[role].isna() | _says(frame[role], [""]) for role in NEEDED})
    gaps["timestamp"] |= _says(frame["timestamp"], GAPS)  # an id may be "NA", a time may not
    bad = gaps.any(axis=1).to_numpy()
    if not bad.any():
        return frame.copy()
    counts = ", ".join(f"{role} is missing in {n:,}" for role, n in gaps.sum().items() if n)
    if not drop_missing:
        raise ValueError(
            f"{source}: {bad.sum():,} of {len(frame):,} rows lack a value ({counts}), the first is data row "
            f"{int(np.argmax(bad)) + 1}: fill them, or drop these rows with drop_missing=True"
        )
    if bad.all():
        raise ValueError(f"{source}: every row lacks a user, an item or a time; nothing is left to load")
    notes.append(f"{bad.sum():,} of {len(frame):,} rows were dropped ({counts}).")
    return frame[~bad].reset_index(drop=True)


def _says(column, words):
    """Whether each cell is one of some words, but for case and blanks around it."""
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return np.zeros(len(column), bool)
    codes, values = pd.factorize(column)
    said = [isinstance(value, str) and value.strip().lower() in words for value in values]
    return np.append(said, False).astype(bool)[codes]  # the last stands for what is missing


def _ids(column, role, source, notes):
    """Ids as int64 where nothing is lost by it, else as text."""
    if pd.api.types.is_integer_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.astype("int64") if column.max() < 2**63 else column.astype(str)
    if pd.api.types.is_float_dtype(column):
        if (column.abs() > 2**53).any():
            raise ValueError(f"{source}: {role} holds floats too large to be exact: pass these ids as text")
        if (column % 1 == 0).all():
            return column.astype("int64")
    codes, values = pd.factorize(column)
    texts = pd.Series([_plain(value) for value in values], dtype=str)
    blank = sum(isinstance(value, str) and value != text for value, text in zip(values, texts, strict=True))
    if blank:
        notes.append(f"{role}: blanks around {blank:,} ids were stripped.")
    whole = texts.str.fullmatch(r"-?(0|[1-9]\d*)\.0*")
    if whole.any() and not texts.str.fullmatch(r"-?\d*\.0*[1-9]\d*").any():  # versions 1.0, 1.1 are names
        notes.append(f"{role}: whole numbers such as {texts[whole].iloc[0]} were read as integers.")
        texts = texts.mask(whole, texts.str.replace(r"\.0*$", "", regex=True))
    odd = texts[texts.str.lower().isin(GAPS)]
    if len(odd):
        notes.append(
            f"{role}: {', '.join(map(repr, odd))} was taken for an id, not for a gap: "
            "empty the cells if it is one."
        )
    rounded = texts[texts.str.fullmatch(r"\d(\.\d+)?[eE]\+\d+")]
    if len(rounded):
        notes.append(
            f"{role}: {len(rounded):,} ids such as {rounded.iloc[0]} look rounded by a spreadsheet, which "
            "makes different ids one: export the column as text."
        )
    # Digits become integers unless that would lose something, as with the leading zeros of an ISBN.
    if texts.str.fullmatch(r"0|[1-9]\d{0,17}").all():
        texts = texts.astype("int64")
    return pd.Series(texts.to_numpy()[codes], dtype=texts.dtype)


def _plain(value):
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value).strip()


def _numeric(column):
    """Numbers where each cell is a plain one, without leading zeros; else as it was."""
    if pd.api.types.is_object_dtype(column):  # of JSON lines, or Decimal
        kinds = (int, float, np.number, Decimal)
        if not column.dropna().map(lambda v: isinstance(v, kinds) and not isinstance(v, bool)).all():
            return column
        texts = column.dropna().map(str)
    elif pd.api.types.is_string_dtype(column):
        texts = column.dropna()
    else:
        return column
    if len(texts) and texts.str.fullmatch(r"-?(0|[1-9]\d{0,17})").all():
        whole = texts.astype("int64")  # with gaps: floats would round large ones
        return whole if len(texts) == len(column) else whole.astype("Int64").reindex(column.index)
    if len(texts) and texts.str.fullmatch(r"-?(0|[1-9]\d*)?(\.\d*)?|nan").all():
        return pd.to_numeric(texts, errors="coerce").reindex(column.index)
    return column


def _note_cancellations(frame, notes):
    cancelled = np.zeros(len(frame), bool)
    for column in frame:
        name = str(column).lower()
        if name in ("quantity", "qty") and pd.api.types.is_numeric_dtype(frame[column]):
            cancelled |= (frame[column] < 0).to_numpy(bool, na_value=False)
        elif name in ("quantity", "qty") and pd.api.types.is_string_dtype(frame[column]):
            cancelled |= frame[column].str.match(r"-\d").fillna(False).to_numpy(bool)
        elif name.startswith("invoice") and pd.api.types.is_string_dtype(frame[column]):
            cancelled |= frame[column].str.match(r"[Cc]\d").fillna(False).to_numpy(bool)
    if cancelled.any():
        notes.append(
            f"{cancelled.sum():,} rows look like cancellations (a negative quantity, or an invoice "
            "that begins with C); they were kept as events: remove them first if they are none."
        )


def _once_in_order(frame, exact, notes):
    """Keep the same person, item and exact time once; order events by exact times."""
    keys = frame[["user_id", "item_id"]].assign(exact=exact)
    again = keys.duplicated().to_numpy()
    if again.any():
        alike = frame[keys.duplicated(keep=False)].astype(str).duplicated()
        odd = again.sum() - alike.sum()
        differ = f" {odd:,} of these differ in another column, where the first row counts." if odd else ""
        notes.append(
            f"{again.sum():,} rows repeat the user, item and time of an earlier row; "
            f"each event was kept once.{differ}"
        )
        frame, exact = frame[~again], exact[~again]
    tied = pd.DataFrame({"second": frame["timestamp"].to_numpy(), "exact": exact}).drop_duplicates()
    if tied["second"].duplicated().any():
        notes.append("Exact times differ within a unit: rows were sorted by them, then rounded down.")
        frame = frame.iloc[np.argsort(exact, kind="stable")]
    return frame.reset_index(drop=True)


def _note_ties(frame, notes):
    times = frame.groupby("user_id")["timestamp"]
    n = int((frame["timestamp"] == times.transform("max")).groupby(frame["user_id"]).sum().gt(1).sum())
    if n:
        notes.append(
            f"{n:,} of {times.ngroups:,} users have several events at their last time: which of them is the "
            "last, the order of the rows decides."
        )


def _items(frame, candidates, chosen, notes):
    """One row an item; its title is the one text a column has for it, else its id."""
    items = frame[["item_id"]].drop_duplicates(ignore_index=True)
    titles = None
    for column in candidates:
        pairs = frame[["item_id", column]].dropna().drop_duplicates()
        if not chosen:
            several = pairs["item_id"].duplicated(keep=False)
            n_several = pairs.loc[several, "item_id"].nunique()
            same = (
                len(items) > 1 and pairs["item_id"].nunique() == len(items) and pairs[column].nunique() == 1
            )
            if same or n_several > len(items) / 2:
                what = "the same for all items" if same else f"different within {n_several:,} items"
                notes.append(
                    f"Column {column!r} is {what}, so it is no title; "
                    f'columns={{"title": "{column}"}} says otherwise.'
                )
                continue
            if n_several:
                notes.append(
                    f"{n_several:,} items have several texts in {column!r} and are called by their id; "
                    f'columns={{"title": "{column}"}} takes the first.'
                )
                pairs = pairs[~several]
        titles = pairs.drop_duplicates("item_id").set_index("item_id")[column]
        break
    own = items["item_id"].astype(str)
    items["title"] = own if titles is None else items["item_id"].map(titles).fillna(own).astype(str)
    if titles is not None:
        del frame[titles.name]
    return items
