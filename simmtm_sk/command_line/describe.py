"""``describe``: how a CSV file, or a folder of them, is read, and the code that uses it.

The lines that are printed are those that were run to describe what they read.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data import panel_values, series_ends
from . import jobs
from .columns import Columns, read_columns
from .time_steps import regular_rows

_LONGEST_HORIZON = 48
_SHORTEST_LOG = 400  # points from which on it is worth while to look for anomalies


@dataclass
class Source:
    """Lines that read a file, and what is known of it beforehand.

    Attributes
    ----------
    said : list of str
        What the file is taken for.
    lines : list of str
        They leave the series in ``X``, and labels, if any, in ``y``.
    kind : str
        "log", "table", "long" or "folder".
    """

    said: list[str]
    lines: list[str]
    kind: str


def describe(path: Path, kind: str | None = None) -> str:
    """Say how a file is read, as what, and with which code.

    Parameters
    ----------
    path : Path
        A CSV file, or a folder with one for each series.
    kind : {"log", "table", "long"} or None, default=None
        How to read it; None is what it looks like.

    Returns
    -------
    str
        Text for a terminal; its code is indented by four blanks.

    Raises
    ------
    ValueError, TypeError
        If the file cannot be read as series; with what is wrong.
    FileNotFoundError
        If there is none.
    """
    if not path.exists():
        raise FileNotFoundError("there is no such file or folder.")
    source = _folder(path) if path.is_dir() else _file(path, read_columns(path, kind))
    namespace: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec("\n".join(source.lines), namespace)
    X, y = namespace["X"], namespace.get("y")
    values = np.asarray(panel_values([X] if source.kind == "log" else X))
    text = [f"{path}", *(f"  {line}" for line in [*source.said, *_shape(values, y)])]
    for title, code in _jobs(source, values, X, y):
        text += ["", f"{title}:", "", *(f"    {line}".rstrip() for line in code)]
    return "\n".join(text)


# -- how it is read -------------------------------------------------------------------------------


def _file(path: Path, columns: Columns) -> Source:
    options = "".join(f", {name}={value!r}" for name, value in columns.options.items())
    lines = ["import pandas as pd", "", f"frame = pd.read_csv({str(path)!r}{options})"]
    said, more = {"log": _log, "table": _table, "long": _long}[columns.kind](columns)
    if columns.options.get("na_values"):
        said.append(f"Read as missing: {', '.join(map(repr, columns.options['na_values']))}.")
    if columns.left_out:
        said.append(f"Left out: {', '.join(map(repr, columns.left_out))}.")
    return Source(said, lines + more, columns.kind)


def _log(columns: Columns) -> tuple[list[str], list[str]]:
    said = ["One series: rows are time points. If rows are series, say --as table."]
    if columns.time is None:
        said.append("There is no column of time: rows are taken to be equally far apart.")
        return said, [f"X = frame[{columns.values!r}]"]
    stamps = pd.Index(columns.frame[columns.time])
    more, mended = regular_rows(stamps)
    lines = [f"X = frame.set_index({columns.time!r})[{columns.values!r}]", *mended]
    return [*said, f"Time: {columns.time!r}, {more}", f"Channels: {_names(columns.values)}."], lines


def _table(columns: Columns) -> tuple[list[str], list[str]]:
    said = ["A series a row. If rows are time points of one series, say --as log."]
    lines = []
    if columns.label is not None:
        said.append(f"Labels: {columns.label!r}.")
        lines = [f"y = frame.pop({columns.label!r})"]
    if columns.left_out:
        lines.append(f"frame = frame.drop(columns={columns.left_out!r})")
    return said, [*lines, "X = frame.to_numpy()[:, None]  # (n_series, 1 channel, length)"]


def _long(columns: Columns) -> tuple[list[str], list[str]]:
    series, time = columns.series, columns.time
    said = [
        f"A row for every series ({series!r}) and time point ({time!r}).",
        f"Channels: {_names(columns.values)}.",
    ]
    lines = [f"X = frame.set_index([{series!r}, {time!r}])[{columns.values!r}]"]
    if columns.label is not None:
        said.append(f"Labels: {columns.label!r}.")
        lines.append(f"y = frame.groupby({series!r}, sort=False)[{columns.label!r}].first()")
    return said, lines


def _folder(path: Path) -> Source:
    """Read every file as one series; the first word of names that repeat is a label."""
    files = sorted(path.glob("*.csv"))
    if not files:
        raise ValueError("this folder holds no files *.csv.")
    parts = [read_columns(file, "log") for file in files]
    first = parts[0]
    for file, part in zip(files, parts, strict=True):
        if part.values != first.values or part.options != first.options:
            raise ValueError(
                f"{file.name} has the columns {part.values}, read with {part.options}, but "
                f"{files[0].name} has {first.values}, read with {first.options}."
            )
    options = "".join(f", {name}={value!r}" for name, value in first.options.items())
    index = "" if first.time is None else f".set_index({first.time!r})"
    lines = [
        "from pathlib import Path",
        "",
        "import pandas as pd",
        "",
        f"files = sorted(Path({str(path)!r}).glob('*.csv'))",
        f"X = [pd.read_csv(file{options}){index}[{first.values!r}] for file in files]",
    ]
    said = [
        f"{len(files)} files, each a series of its own.",
        f"Channels: {_names(first.values)}.",
    ]
    words = [file.stem.replace("-", "_").split("_")[0] for file in files]
    if 1 < len({*words}) <= len(files) / 2:
        said.append(f"Labels: the first word of their names: {', '.join(sorted({*words}))}.")
        lines.append("y = [file.stem.replace('-', '_').split('_')[0] for file in files]")
    return Source(said, lines, "folder")


def _names(names: list[Any]) -> str:
    shown = ", ".join(str(name) for name in names[:6])
    return shown if len(names) <= 6 else f"{shown}, ... ({len(names)})"


# -- what was read, and what can be done with it --------------------------------------------------


def _shape(values: np.ndarray, y: Any) -> list[str]:
    n_series, n_channels, _ = values.shape
    ends = series_ends(values)
    lengths = f"{ends.min()}" if ends.min() == ends.max() else f"{ends.min()} to {ends.max()}"
    within = np.arange(values.shape[2]) < ends[:, None, None]
    missing = np.isnan(values) & within
    said = [f"Read: {n_series} series, {n_channels} channels, {lengths} time points."]
    if missing.any():
        longest = max(_longest_run(channel) for series in missing for channel in series)
        said.append(
            f"Gaps: {missing.sum()} values ({missing.sum() / (within.sum() * n_channels):.1%}), "
            f"the longest of {longest} time points."
        )
    else:
        said.append("Gaps: none.")
    if y is not None:
        labels = pd.Series(y)
        counts = labels.value_counts()
        if labels.isna().any():
            said.append(f"Without a label: {labels.isna().sum()}; they are learned from, too.")
        if not jobs.is_number(y):
            classes = ", ".join(f"{label} ({n})" for label, n in counts[:8].items())
            said.append(f"Classes: {classes}{', ...' if len(counts) > 8 else '.'}")
    return said


def _longest_run(missing: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], missing.astype(int), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _jobs(source: Source, values: np.ndarray, X: Any, y: Any) -> list[tuple[str, list[str]]]:
    """Return titles and code of what can be done, ready to paste."""
    n_series = len(values)
    done = []
    if y is not None:
        title = "Predict numbers" if jobs.is_number(y) else "Classify"
        lines = source.lines
        if source.kind == "long":  # scikit-learn counts the rows of a frame
            lines = [
                *lines,
                "X = [rows.droplevel(0) for _, rows in X.groupby(level=0, sort=False)]",
            ]
        done.append((title, jobs.supervised(lines, y)))
    elif n_series > 2:
        done.append(("Embed and find groups", jobs.groups(source.lines, n_series)))
    if source.kind in ("log", "long") and isinstance(X, pd.DataFrame):
        horizon = max(1, min(_LONGEST_HORIZON, int(series_ends(values).min()) // 5))
        done.append(("Forecast", jobs.forecast(source.lines, horizon)))
    if source.kind == "log" and values.shape[2] >= _SHORTEST_LOG:
        done.append(("Find anomalies", jobs.anomalies(source.lines)))
    if (np.isnan(values) & (np.arange(values.shape[2]) < series_ends(values)[:, None, None])).any():
        lines = source.lines
        if source.kind == "log" and not isinstance(X.index, pd.DatetimeIndex):
            lines = [*lines, "X = [X]  # a list of one series: rows are not dates"]
        done.append(("Fill gaps", jobs.fill(lines, values)))
    return done
