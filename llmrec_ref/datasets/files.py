"""Readers' own files: bytes to a frame of text; nothing is guessed without a note."""

import codecs
import csv
import gzip
import io
import json
import re
import zlib

import numpy as np
import pandas as pd
from tqdm import tqdm

from llmrec_ref.datasets.columns import find_roles, header_hint, plain_name
from llmrec_ref.datasets.events import to_dataset
from llmrec_ref.datasets.table import long_table
from llmrec_ref.datasets.times import EARLY

KINDS = ("csv", "tsv", "dat", "data", "inter", "jsonl", "parquet", "txt")
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "::": "double colons"}


def read_file(path, columns, sep, encoding, drop_missing, **options):
    """Read a reader's own file; arguments and errors as `load`, but for ``repeats``."""
    kind = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if kind not in KINDS:
        raise ValueError(
            f"{path}: the name must end in .csv, .csv.gz, .tsv, .tsv.gz, .parquet or .txt "
            "(also .jsonl, .dat, .data, .inter)"
        )
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty: it needs a header and rows")
    if kind in ("parquet", "jsonl") and (sep or (encoding and kind == "parquet")):
        raise ValueError(f"{path}: sep and encoding are for text tables, not for .{kind}")
    if kind == "txt" and columns is None and sep is None:
        if any(value is not None for value in (options["dayfirst"], options["time_unit"])) or drop_missing:
            raise ValueError(
                f"{path}: lists of items have no times and no gaps; for a table name its columns= or sep="
            )
        events = read_sequences(path, encoding)
        notes = [f"Read {len(events):,} interactions of {path.name}: one line a user, oldest item first."]
        return to_dataset(path.name, events, {}, notes, drop_missing, **options | {"time_unit": "steps"})
    notes = []
    with tqdm(total=2, desc=f"reading {path.name}", delay=2, leave=False) as bar:  # shows for large files
        if kind == "parquet":
            frame = _read_parquet(path)
        elif kind == "jsonl":
            frame = _read_json_lines(path, _text(path, encoding))
        else:
            frame, columns = _read_text(path, kind, columns, sep, encoding, notes)
        bar.update()
        return read_frame(frame, str(path), path.name, columns, drop_missing, notes, **options)


def read_frame(frame, source, name, columns, drop_missing, notes=(), **options):
    """Read a DataFrame; arguments, result and errors as `load`."""
    frame = frame.reset_index(drop=all(level is None for level in frame.index.names))
    frame.columns = [str(column) for column in frame.columns]
    notes = list(notes)
    frame = _plain_cells(frame, notes)
    if isinstance(columns, list):
        if len(columns) != frame.shape[1]:
            raise ValueError(f"{source} has {frame.shape[1]} columns, but columns= names {len(columns)}")
        frame.columns, columns = columns, None
    if frame.empty:
        raise ValueError(f"{source} has a header but no rows: nothing to load")
    roles = find_roles(source, list(frame.columns), columns)
    said = {role.removesuffix("_id"): column for role, column in roles.items() if column}
    said = ", ".join(f"{role} = {c if isinstance(c, str) else ' or '.join(c)}" for role, c in said.items())
    notes = [f"Read {len(frame):,} rows of {name}: {said}.", *notes]
    return to_dataset(source, frame, roles, notes, drop_missing, name=name, **options)


def read_sequences(path, encoding=None):
    """Read one line a user: user id, then item ids, oldest first.

    Args:
        path: Path of the file.
        encoding: As in `load`.

    Returns:
        DataFrame with int64 columns ``user_id``, ``item_id``, ``timestamp`` (counts from 0 for each user).

    Raises:
        ValueError: Something else than integers, an item 0, a line without item, or a user twice.
    """
    rows = []
    for number, line in enumerate(_text(path, encoding).splitlines(), 1):
        try:
            rows.append(np.array(line.split(), dtype=np.int64))
        except (ValueError, OverflowError):
            raise ValueError(
                f"{path}, line {number}: only integers may stand here (user id, then item ids, oldest "
                'first); for a table give its columns, such as columns=["user", "item", "timestamp"]'
            ) from None
        if len(rows[-1]) < 2:
            raise ValueError(f"{path}, line {number}: a line needs a user id and at least one item id")
        if (rows[-1][1:] == 0).any():
            raise ValueError(
                f"{path}, line {number}: 0 is padding here, not an item: remove it, or number items from 1"
            )
    users = np.array([row[0] for row in rows])
    if len(np.unique(users)) < len(users):
        again = users[pd.Series(users).duplicated()][0]
        raise ValueError(f"{path}: user {again} has more than one line; join them, oldest item first")
    return long_table(users, [row[1:] for row in rows])


def _plain_cells(frame, notes):
    """Turn categories and Arrow's types into plain ones, nested values into text."""
    nested = []
    for name in frame.columns[frame.columns.duplicated(keep=False) == 0]:
        column = frame[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)
        if isinstance(column.dtype, pd.ArrowDtype):
            column = pd.Series(column.to_numpy(object, na_value=None), dtype=object).infer_objects()
        if pd.api.types.is_object_dtype(column):
            inside = column.map(lambda value: isinstance(value, (dict, list, set, tuple, np.ndarray)))
            if inside.any():
                nested.append(name)
                column = column.mask(
                    inside, column[inside].map(lambda value: json.dumps(value, default=list))
                )
        frame[name] = column
    if nested:
        notes.append(f"Nested values were kept as text: {', '.join(nested)}.")
    return frame


def _read_parquet(path):
    try:
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is no readable Parquet file ({error}): write it again") from error


def _read_json_lines(path, text):
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        try:
            if line.strip():
                records.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}, line {number} is no JSON object ({error})") from None
    return pd.DataFrame(records, dtype=object)  # floats in place of integers with gaps would round ids


def _text(path, encoding):
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a broken gzip archive ({error}): fetch or pack it again") from None
    try:
        return content.decode(encoding or "utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        guess = "utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}, line {line}, is not {encoding or 'UTF-8'} text ({error.reason}): save it as UTF-8, "
            f'or name its encoding, such as encoding="{guess}"'
        ) from None


def _read_text(path, kind, columns, sep, encoding, notes):
    """Return a frame of text cells, and what is left of the argument ``columns``."""
    text = _text(path, encoding)
    if said := re.match(r"sep=(.)\r?\n", text):  # which Excel writes, and reads
        text, sep = text[said.end() :], sep or said[1]
    first = next((line for line in text.splitlines() if line.strip()), "")
    if sep is None:
        usual = {"tsv": "\t", "inter": "\t", "data": "\t", "dat": "::"}.get(kind, ",")
        sep = max(SEPARATORS, key=lambda s: (first.count(s), s == usual))  # the header never holds text
        if usual in first and len(find_roles(None, first.split(usual), None)) >= 2:
            sep = usual
        if sep != usual and sep in first:
            notes.append(f"Cells are separated by {SEPARATORS[sep]}; sep= says otherwise.")
        sep = sep if sep in first else usual
    if len(sep) > 1:  # pandas' fast parser knows single characters
        text, sep = text.replace(sep, "\x1f"), "\x1f"
    quoted = sep not in "\t\x1f" and '"' in text
    options = {"sep": sep, "quoting": csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE}
    if quoted and re.search(re.escape(sep) + ' +"', text):
        options["skipinitialspace"] = True
    if quoted:
        _check_quotes(path, text, sep, "skipinitialspace" in options)
    try:
        # only an empty cell is missing: "NA" and "None" are words, and may be ids
        frame = pd.read_csv(
            io.StringIO(text), header=None, dtype=str, keep_default_na=False, na_values=[""], **options
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(
            f"{path} is not a well-formed table ({str(error).strip()}): every row needs as many cells as "
            "the first; remove lines above the header, and check sep="
        ) from None
    _tidy(frame, sep, quoted, notes)
    return _with_header(path, kind, frame, columns, notes)


def _tidy(frame, sep, quoted, notes):
    """Strip blanks around cells, and quotes around whole columns that mean nothing."""
    blanks = 0
    for column in frame:
        stripped = frame[column].str.strip()
        blanks += int((stripped[1:] != frame[column][1:])[frame[column][1:].notna()].sum())
        frame[column] = stripped.mask(stripped == "")
        wrapped = stripped.str.fullmatch(r'".*"').fillna(True).astype(bool) & stripped.notna()
        if not quoted and wrapped.any() and wrapped[1:].eq(stripped[1:].notna()).all():
            frame[column] = frame[column].str.removeprefix('"').str.removesuffix('"')
            notes.append(f"Quotation marks around every cell of column {column + 1} were taken off.")
    if blanks:
        notes.append(f"Blanks around {blanks:,} cells were stripped.")
    lines = sum(int(frame[column].str.contains("\n", na=False).sum()) for column in frame)
    if lines:
        notes.append(f"{lines:,} quoted cells hold line ends; they were kept.")


def _with_header(path, kind, frame, columns, notes):
    """Take the names of the columns from the argument or the first row."""
    row = [
        re.sub(r":(token|float)(_seq)?$", "", str(cell)) if pd.notna(cell) else "" for cell in frame.iloc[0]
    ]
    if isinstance(columns, list):
        if len(columns) != len(row):
            raise ValueError(f"{path} has {len(row)} columns, but columns= names {len(columns)}")
        names, has_header = columns, [plain_name(c) for c in row] == [plain_name(c) for c in columns]
        columns = None
    else:
        names, has_header = row, True
        numeric = all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in row)
        if kind in ("dat", "data") and len(row) == 4 and numeric and float(row[3]) >= EARLY:
            names, has_header = ["user", "item", "rating", "timestamp"], False
            notes.append("There is no header: the columns were taken for user, item, rating, timestamp.")
        elif not isinstance(columns, dict) and any(re.fullmatch(r"-?\d[\d.,:/ T-]*", cell) for cell in row):
            raise ValueError(f"{path} seems to have no header: name its columns, {header_hint(row)}")
    again = (frame.iloc[:, :] == frame.iloc[0]).sum(axis=1) == frame.iloc[0].notna().sum()
    keep = ~again if has_header else np.ones(len(frame), bool)
    if has_header and again.sum() > 1:
        notes.append(f"The header stands again in {again.sum() - 1:,} rows; they were dropped.")
    frame = frame[keep].reset_index(drop=True)
    unnamed = [place for place, name in enumerate(names) if not name]
    named = {place: f"unnamed {place + 1}" for place in unnamed if frame[place].notna().any()}
    frame = frame.drop(columns=[place for place in unnamed if place not in named])
    frame.columns = [names[place] or named[place] for place in frame.columns]
    return frame, columns


def _check_quotes(path, text, sep, skip):
    """Refuse quotes that open and never properly close: they swallow rows."""

    def refuse(line):
        raise ValueError(
            f"{path}, line {line}: a quotation mark opens a cell that swallows what follows: double it "
            "inside quotes, or remove it; where quotes mean nothing, "
            "pass pandas.read_csv(path, quoting=3) to load"
        )

    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, strict=True, skipinitialspace=skip)
    lines = text.split("\n")
    start, width, shapes, suspects = 1, None, set(), []
    try:
        for cells in reader:
            width = width or len(cells)
            if reader.line_num > start:  # a cell with line ends: could its lines be rows?
                inside = [line for cell in cells for line in cell.splitlines()[1:]]
                ends = [lines[n - 1].rstrip("\r").replace('"', "") for n in (start, reader.line_num)]
                suspects += [(start, [line]) for line in inside] + [(start, ends)]
            elif start > 1 and len(cells) == width:  # not the header
                shapes.add(_shape(cells))
            start = reader.line_num + 1
    except csv.Error:
        refuse(start)
    for line, rows in suspects:
        cells = [row.split(sep) for row in rows]
        if all(len(row) == width and _shape(row) in shapes for row in cells):
            refuse(line)


def _shape(cells):
    """Which cells are numbers or dates: a table is alike in that, prose is not."""
    return tuple(bool(re.fullmatch(r"[\d.:/ T-]+", cell)) for cell in cells)
