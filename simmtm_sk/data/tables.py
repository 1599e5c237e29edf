"""Tables, whose rows are series and whose columns are time points."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .numbers import as_float, frame_values, is_plain
from .panel import on_disk

_STAMP = re.compile(  # a date, a time of day, or both
    r"(?=.)(\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{4}-?Q\d)?"
    r"[T ]?(\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?"
)


def plain_table(X: Any) -> Any:
    """Return a table as a frame or an array of numbers that scikit-learn can validate.

    Raises
    ------
    ValueError
        If its columns are numbers or dates that do not grow, for they are time points, or if its
        rows are named by dates in text.
    """
    if isinstance(X, str | bytes | Path):
        raise TypeError(
            f"X is {type(X).__name__} {str(X)[:60]!r}; it must hold the series themselves: "
            "pandas.read_csv(...) or numpy.load(..., mmap_mode='r') reads a file."
        )
    if isinstance(X, pd.DataFrame):
        _check_time_grows(X.columns)
        _refuse_stamps(X.index)
        return X if is_plain(X) else pd.DataFrame(frame_values(X), X.index, X.columns)
    if isinstance(X, list | tuple):
        X = np.array(X)
    return as_float(X) if isinstance(X, np.ndarray) and not on_disk(X) else X


def _refuse_stamps(index: pd.Index) -> None:
    """Refuse a table whose rows are named by dates in text: for they may be time points."""
    if not len(index) or not isinstance(index[0], str) or not _STAMP.fullmatch(index[0]):
        return
    if all(isinstance(label, str) and _STAMP.fullmatch(label) for label in index):
        raise ValueError(
            f"the rows of X are called {index[0]!r}, ..., which looks like time. If they are the "
            "time points of one series, X.index = pd.to_datetime(X.index) says so; if every row is "
            "a series, X.reset_index(drop=True)."
        )


def _check_time_grows(columns: pd.Index) -> None:
    is_time = isinstance(columns, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex)
    counts = is_time or columns.dtype.kind in "iuf"
    if counts and columns.is_unique and not columns.is_monotonic_increasing:
        raise ValueError(
            "the columns of the table X are time points, but not in order: "
            f"{list(columns[:5])}, ... X.sort_index(axis=1) sorts them."
        )
