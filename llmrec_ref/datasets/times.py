"""Times of a reader's file: numbers or dates, one reading for the whole column."""

import re

import numpy as np
import pandas as pd

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}  # ticks a second
WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EARLY, LATE = 315_532_800, 4_102_444_800  # seconds: the years 1980 and 2100
ROUNDED = r"\d(\.\d{1,6})?[eE]\+?\d{2}"  # as spreadsheets show large numbers, and then save them
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
MONTH = r"(?i)(?<![a-z])(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
DATE = re.compile(
    r"(?P<a>\d{1,2})(?P<mark>[./-])(?P<b>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})"
    r"(?:[T,\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?\s*(?P<half>[AaPp][Mm])?)?"
)


def read_times(column, source, dayfirst, time_unit, notes):
    """Read a column of times without gaps.

    Args:
        column: Series of numbers, dates or text.
        source: What messages call the file.
        dayfirst: Whether 05/06/2024 is the 5th of June; None: found from all rows.
        time_unit: ``"s"``, ``"ms"``, ``"us"``, ``"ns"``, ``"steps"``, or None: found from all values.
        notes: List to which sentences are added.

    Returns:
        ``(seconds, exact, unit)``: int64 timestamps, an array that orders them exactly, and ``"seconds"``
        or ``"steps"``.

    Raises:
        ValueError: A time cannot be read, or can be read in two ways that give different orders.
    """
    if isinstance(column.dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    if pd.api.types.is_timedelta64_dtype(column):
        raise ValueError(
            f"{source}: timestamps are durations: add them to a date, or count from a first event"
        )
    if pd.api.types.is_object_dtype(column) and not column.map(lambda v: isinstance(v, str)).all():
        as_dates = column.map(lambda value: hasattr(value, "year"))
        column = pd.to_datetime(column, utc=True) if as_dates.all() else column.astype(str)
    if pd.api.types.is_datetime64_any_dtype(column):
        _note_idle(notes, time_unit=time_unit, dayfirst=dayfirst)
        return *_ticks(column), "seconds"
    if pd.api.types.is_numeric_dtype(column):
        numbers = column.to_numpy()
    elif column.str.fullmatch(NUMBER).mean() > 0.5:
        rounded = column.str.fullmatch(ROUNDED).to_numpy(bool)
        if rounded.any():
            place = int(np.argmax(rounded))
            raise ValueError(
                f"{source}: timestamp '{column.iloc[place]}' in data row {place + 1} has been rounded by a "
                "spreadsheet: export the column with all its digits"
            )
        numbers = _exact_numbers(column)
    else:
        codes, texts = pd.factorize(column)
        _note_idle(notes, time_unit=time_unit)
        seconds, exact = _ticks(_dates(pd.Series(texts), codes, source, dayfirst, notes))
        return seconds[codes], exact[codes], "seconds"
    _note_idle(notes, dayfirst=dayfirst)
    bad = ~np.isfinite(numbers)
    if bad.any():
        _refuse(source, column, bad)
    unit, numbers = _unit(numbers, source, time_unit, notes)
    return _floor(numbers, UNITS.get(unit, 1)), numbers, "steps" if unit == "steps" else "seconds"


def _ticks(dates):
    """Return dates as int64 seconds, and as ticks that order them exactly."""
    try:
        exact, ticks = dates.dt.as_unit("ns").astype("int64").to_numpy(), UNITS["ns"]
    except pd.errors.OutOfBoundsDatetime:  # before 1678 or after 2262
        exact, ticks = dates.dt.as_unit("us").astype("int64").to_numpy(), UNITS["us"]
    return _floor(exact, ticks), exact


def _note_idle(notes, **arguments):
    for name, value in arguments.items():
        if value is not None:
            notes.append(f"{name}={value!r} has no meaning for these timestamps.")


def _exact_numbers(column):
    if column.str.fullmatch(r"[+-]?\d{1,18}|1\d{18}").all():
        return column.astype("int64").to_numpy()
    return pd.to_numeric(column, errors="coerce").to_numpy("float64", na_value=np.nan)


def _floor(numbers, ticks):
    return (numbers // ticks).astype("int64")


def _unit(numbers, source, said, notes):
    """Name the unit of numbers; return it with the numbers, dates' in nanoseconds."""
    low, high = numbers.min(), numbers.max()
    if said:
        if said != "steps" and max(abs(low), abs(high)) / UNITS[said] > 253_402_300_799:
            raise ValueError(f"{source}: timestamp {high} lies after the year 9999 in time_unit={said!r}")
        return said, numbers
    digits = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(str(int(low))))
    if digits and len(str(int(high))) == len(str(int(low))) and (numbers % 1 == 0).all():
        dates = pd.to_datetime(pd.Series(numbers).astype("int64").astype(str), format=digits, errors="coerce")
        if dates.notna().all() and dates.dt.year.between(1900, 2100).all():
            notes.append(
                f"Timestamps such as {int(numbers[0])} were read as dates, year first; "
                "time_unit= says otherwise."
            )
            return "ns", dates.dt.as_unit("ns").astype("int64").to_numpy()
    for unit, ticks in UNITS.items():
        if EARLY * ticks <= low and high < LATE * ticks:
            if unit != "s":
                notes.append(f"Timestamps were read as {WORDS[unit]} since 1970; time_unit= says otherwise.")
            return unit, numbers
    if high < EARLY:
        notes.append(
            "Timestamps would be seconds before 1980: they were taken for an order and nothing more; "
            'time_unit="s" says otherwise.'
        )
        return "steps", numbers
    if high < LATE:
        notes.append(f"{(numbers < EARLY).sum():,} timestamps lie before 1980.")
        return "s", numbers
    raise ValueError(
        f"{source}: timestamps from {low} to {high} are not all seconds, milliseconds or microseconds "
        'from 1980 to 2100: say what they are, time_unit="s", "ms", "us", "ns" or "steps" '
        "(an order and nothing more)"
    )


def _dates(texts, codes, source, dayfirst, notes):
    """Read distinct dates, each one by the same format."""
    written, texts = texts, texts.str.replace(r"\s*(UTC|GMT)$", "", regex=True)
    texts = texts.str.replace(r"(:\d\d),(\d+)", r"\1.\2", regex=True)
    dates = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)  # year first: one reading
    parts = texts.str.extract(DATE.pattern)[0:] if dates.isna().all() else None
    if parts is not None:
        whole = texts.str.fullmatch(DATE.pattern).astype(bool)
        if whole.any():
            if not whole.all():
                _refuse(source, texts[codes], ~whole.to_numpy()[codes])
            return _day_and_month(texts, parts, codes, source, dayfirst, notes)
        if texts.str.contains(MONTH).all():  # the month has a name: one reading
            dates = pd.to_datetime(texts, format="mixed", dayfirst=True, errors="coerce", utc=True)
    _note_idle(notes, dayfirst=dayfirst)
    if dates.isna().any():
        _refuse(source, written[codes], dates.isna().to_numpy()[codes])
    return dates


def _day_and_month(texts, parts, codes, source, dayfirst, notes):
    example = texts[0]
    if len(parts["year"].iloc[0]) == 2 and dayfirst is None and parts["mark"].iloc[0] != ".":
        raise ValueError(
            f"{source}: which part of {example!r} is the day? Say dayfirst=True or dayfirst=False; if the "
            "year comes first, write it with four digits"
        )
    if parts["year"].str.len().nunique() + parts["mark"].nunique() > 2:
        odd = (parts["year"].str.len() != len(parts["year"].iloc[0])) | (
            parts["mark"] != parts["mark"].iloc[0]
        )
        _refuse(source, texts[codes], odd.to_numpy()[codes])
    parts["year"] = parts["year"].where(parts["year"].str.len() == 4, "20" + parts["year"])
    clock, possible = _clock(parts)

    def read(day, month):
        text = parts["year"] + "-" + parts[month].str.zfill(2) + "-" + parts[day].str.zfill(2) + "T" + clock
        return pd.to_datetime(text.where(possible), format="ISO8601", errors="coerce", utc=True)

    readings = {True: read("a", "b"), False: read("b", "a")}
    if dayfirst is None:
        dayfirst = parts["mark"].iloc[0] == "." or _is_day_first(readings, source, example)
    dates = readings[dayfirst]
    if dates.isna().any():
        _refuse(source, texts[codes], dates.isna().to_numpy()[codes])
    notes.append(
        f"Dates such as {example} were read {'day' if dayfirst else 'month'} first; dayfirst= says otherwise."
    )
    return dates


def _is_day_first(readings, source, example):
    """Choose the reading that reads all rows; ValueError if both do, in different orders."""
    good = [first for first, dates in readings.items() if dates.notna().all()]
    if len(good) == 2:
        ranks = [np.unique(dates, return_inverse=True)[1] for dates in readings.values()]
        if (ranks[0] != ranks[1]).any():
            raise ValueError(
                f"{source}: dates such as {example!r} can be read day first or month first, with "
                "different orders: say dayfirst=True or dayfirst=False"
            )
        return False
    # where neither reads all rows, the one that reads more names the row that it cannot read
    return good[0] if good else readings[True].notna().sum() > readings[False].notna().sum()


def _clock(parts):
    """Return times of day as text, and whether their hours are possible."""
    hour, half = parts["hour"].fillna("0").astype(int), parts["half"].str.lower()
    possible = half.isna() | hour.between(1, 12)
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "pm"))
    clock = hour.astype(str).str.zfill(2) + ":" + parts["minute"].fillna("00")
    return clock + ":" + parts["second"].fillna("00"), possible


def _refuse(source, column, bad):
    place = int(np.argmax(bad))
    raise ValueError(
        f"{source}: timestamp '{column.iloc[place]}' in data row {place + 1} is neither a number "
        "(seconds since 1970) nor a date in the same format as the others, "
        "such as 2024-05-31 or 2024-05-31 18:30:00"
    )
