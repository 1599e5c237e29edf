"""What the columns of a CSV file are: time, series, label or values."""

from __future__ import annotations

import csv
import itertools
import re
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

KINDS = ("log", "table", "long")

_LABELS = {"label", "labels", "class", "classes", "target", "targets", "y", "category", "activity"}
_TIMES = {
    *("time", "t", "date", "datetime", "timestamp", "ts", "step", "tick", "frame", "epoch"),
    *("second", "seconds", "minute", "hour", "day", "week", "month", "year"),
}
_SERIES = {
    *("id", "series", "sample", "subject", "case", "instance", "unit", "sensor", "device"),
    *("item", "patient", "run"),
}
_DATE = re.compile(r"\d+[-/.:T ]\d+[-/.:T ]?\d*")  # what begins a date or a time of the day
_STAMP = 1e8  # smaller numbers do not look like seconds since 1970
_MANY = 10  # columns of values that are rather points of a series than channels
_REPEATED = 0.05  # share of time points that may be there twice
_NUMERIC = 0.8  # share of numbers that makes a column with some text one of numbers


@dataclass
class Columns:
    """A file, and which of its columns is what.

    Attributes
    ----------
    frame : DataFrame
        What ``pd.read_csv`` makes of the file with ``options``.
    options : dict
        Arguments of ``pd.read_csv`` beside the path.
    time, series, label : column name or None
    values : list of column names
        Numbers.
    left_out : list of column names
        Neither.
    kind : str
        One of `KINDS`.
    """

    frame: pd.DataFrame
    options: dict[str, Any]
    time: Any = None
    series: Any = None
    label: Any = None
    values: list[Any] = field(default_factory=list)
    left_out: list[Any] = field(default_factory=list)
    kind: str = "log"


def read_columns(path: Path, kind: str | None = None) -> Columns:
    """Read a file and find out what its columns are.

    Parameters
    ----------
    path : Path
        A CSV file: separated by commas, semicolons or tabs, with or without names of columns.
    kind : {"log", "table", "long"} or None, default=None
        How to read it; None is what it looks like.

    Returns
    -------
    Columns

    Raises
    ------
    ValueError
        If the file holds no numbers, or not what ``kind`` needs.
    """
    options = _options(path)
    frame = pd.read_csv(path, **options)
    options |= _not_numbers(frame)
    frame = pd.read_csv(path, **options)
    columns = Columns(frame, options)
    columns.time = _time(columns)
    columns.series = _series(columns) if kind in (None, "long") else None
    columns.label = _label(columns)
    special = {columns.time, columns.series, columns.label} - {None}
    for name in frame:
        if name not in special:
            number = pd.api.types.is_numeric_dtype(frame[name]) and not _counts_rows(frame, name)
            (columns.values if number else columns.left_out).append(name)
    if not columns.values:
        raise ValueError(f"holds no columns of numbers; its columns are {[*frame.columns]}.")
    columns.kind = _kind(columns) if kind is None else kind
    if columns.kind == "long" and (columns.time is None or columns.series is None):
        raise ValueError(
            "has no column that says which series a row is of, and one with its time: no two of "
            f"{[*frame.columns]} name every row once."
        )
    if columns.kind == "log" and columns.label in frame:
        columns.left_out.append(columns.label)
        columns.label = None
    if columns.kind == "table" and columns.time is not None:
        columns.left_out.append(columns.time)
        columns.time = None
    return columns


def _options(path: Path) -> dict[str, Any]:
    """Return encoding, separator and decimal point, and whether the first line is a header."""
    options: dict[str, Any]
    content = path.read_bytes()
    try:
        text, options = content.decode("utf-8-sig"), {}
    except UnicodeDecodeError:
        text, options = content.decode("latin-1"), {"encoding": "latin-1"}
    lines = [line for line in text.splitlines()[:20] if line.strip()]
    if not lines:
        raise ValueError("is empty.")
    separator = max(",;\t", key=lambda sign: min(line.count(sign) for line in lines))
    if separator != ",":
        options["sep"] = separator
    if separator == ";" and re.search(r"(^|;)-?\d+,\d+(;|$)", lines[-1].strip()):
        options["decimal"] = ","
    first = next(csv.reader(lines[:1], delimiter=separator))
    try:
        numbers = [float(cell.replace(",", ".")) for cell in first if cell]
    except ValueError:
        return options
    counting = len(numbers) > 2 and all(b - a == 1 for a, b in itertools.pairwise(numbers))
    return options if counting else {**options, "header": None}


def _not_numbers(frame: pd.DataFrame) -> dict[str, Any]:
    """Return text among numbers, which is a missing value."""
    texts: set[str] = set()
    for name in _texts(frame):
        cells = frame[name].dropna().astype(str)
        number = pd.to_numeric(cells, errors="coerce").notna()
        if _NUMERIC <= number.mean() < 1:
            texts.update(cells[~number])
    return {"na_values": sorted(texts)} if texts else {}


def _texts(frame: pd.DataFrame) -> list[Any]:
    return [name for name in frame if pd.api.types.infer_dtype(frame[name]) == "string"]


def _words(name: Any) -> set[str]:
    return {*re.split(r"[^a-z]+", str(name).lower())}


def _counts_rows(frame: pd.DataFrame, name: Any) -> bool:
    """Whether a column is the index that ``DataFrame.to_csv`` writes, or numbers the series."""
    values = frame[name]
    counted = pd.api.types.is_integer_dtype(values) and bool((values.diff()[1:] == 1).all())
    return counted and (str(name).startswith("Unnamed") or bool(_words(name) & _SERIES))


# -- time -----------------------------------------------------------------------------------------


def _time(columns: Columns) -> Any:
    """Find the first column of dates, of stamps, or of growing numbers with a name of time."""
    frame = columns.frame
    for name in _texts(frame):
        cells = frame[name].astype(str)
        if cells.str.match(_DATE).all() and _reads_dates(columns, name):
            return name
    for name in frame:
        values = frame[name]
        if not pd.api.types.is_numeric_dtype(values) or values.isna().any() or len(values) < 2:
            continue
        if _is_numbered(name, frame):
            continue
        grows = (values.diff()[1:] > 0).mean() > 1 / 2
        stamps = values.min() > _STAMP and bool((values == values.round()).all())
        if grows and (stamps or (_words(name) & _TIMES and values.nunique() > 2)):
            return name
    return None


def _is_numbered(name: Any, frame: pd.DataFrame) -> bool:
    """Whether a column is one of many that differ by a number alone: t0, t1, t2, ..."""
    stem = re.sub(r"\d+$", "", str(name))
    alike = [other for other in frame if re.fullmatch(re.escape(stem) + r"\d+", str(other))]
    return stem != str(name) and len(alike) >= _MANY


def _reads_dates(columns: Columns, name: Any) -> bool:
    """Turn text into dates, the day first if only then they grow; False if they are none."""
    tried = []
    for day_first in (False, True):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of formats; the dates are shown
                dates = pd.to_datetime(columns.frame[name], dayfirst=day_first)
        except (ValueError, TypeError):
            continue
        tried.append((int((dates.diff()[1:] > pd.Timedelta(0)).sum()), not day_first, dates))
    if not tried:
        return False
    _, month_first, dates = max(tried, key=lambda reading: reading[:2])
    columns.frame[name] = dates
    columns.options |= {"parse_dates": [name]} | ({} if month_first else {"dayfirst": True})
    return True


# -- series, label, kind --------------------------------------------------------------------------


def _series(columns: Columns) -> Any:
    """Find the column that, with the time, names every row once."""
    frame, time = columns.frame, columns.time
    if time is None or frame[time].duplicated().mean() <= _REPEATED:
        return None
    named = [name for name in frame if _words(name) & _SERIES]
    whole = [name for name in frame if pd.api.types.is_integer_dtype(frame[name])]
    for name in dict.fromkeys([*named, *_texts(frame), *whole]):
        repeats = frame[name].nunique() <= len(frame) / 2
        if name != time and repeats and not frame.duplicated([name, time]).any():
            return name
    raise ValueError(
        f"has several rows for each time point of {time!r}, and no column that says which series "
        "a row is of. If rows are series, --as table reads it."
    )


def _label(columns: Columns) -> Any:
    """Find the column with the class or the target of a series."""
    frame: Any = columns.frame
    other = [name for name in frame if name not in (columns.time, columns.series)]
    if columns.series is not None:
        by_series = frame.groupby(columns.series)
        other = [name for name in other if by_series[name].nunique().max() == 1]
    named = [name for name in other if _words(name) & _LABELS]
    texts = [name for name in other if name in _texts(frame) and frame[name].duplicated().any()]
    if named or texts:
        return [*named, *texts][0]
    if columns.options.get("header", 0) is None and len(other) > 2:
        for name in (other[0], other[-1]):  # where archives have them
            values = frame[name].dropna()
            whole = bool((values == values.round()).all())
            if whole and 2 <= values.nunique() <= max(2, len(frame) / 3):
                return name
    return None


def _kind(columns: Columns) -> str:
    if columns.series is not None:
        return "long"
    if columns.time is not None:
        return "log"
    stems = [re.fullmatch(r"\D*\d+(\.\d+)?", str(name)) for name in columns.values]
    points = len(stems) >= _MANY or (all(stems) and len(stems) > 2)
    wide = len(columns.frame.columns) > len(columns.frame)
    return "table" if points or wide else "log"
