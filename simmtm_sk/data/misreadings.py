"""Containers that can be read, but were probably meant in another way: a warning says so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .frames import is_nested, rows_are_time
from .numbers import is_plain
from .panel import Panel

_SHORT, _MANY = 20, 10  # points that are few for a series, channels that are many
_STAMP = 1e8  # smaller numbers do not look like a date
_ROWS = 5  # fewer are no evidence


def announce_misreadings(X: Any, values: Panel) -> None:
    """Warn where a container looks like another one than it is read as.

    Parameters
    ----------
    X : any accepted container
    values : ndarray or MappedPanel, shape (n_series, n_channels, length)
        How it was read.

    Warns
    -----
    UserWarning
        If time and channels seem to be exchanged, if series have a single point, if a table seems
        to have a row for every time point, or if a channel seems to be time.
    """
    said = _shape(values)
    if isinstance(X, pd.DataFrame) and not is_nested(X):
        said = (_long_format(X) if not rows_are_time(X) else None) or _time_column(X) or said
    elif isinstance(X, list | tuple) and X and isinstance(X[0], pd.DataFrame):
        said = _time_column(X[0]) or said
    if said:
        warnings.warn(said, stacklevel=4)


def announce_order(X: Any, y: Any) -> None:
    """Warn where ``y`` has an index with the series of ``X`` in another order.

    Parameters
    ----------
    X : DataFrame or any other accepted container
    y : Series, DataFrame or any other labels
    """
    if not isinstance(X, pd.DataFrame) or not isinstance(y, pd.DataFrame | pd.Series):
        return
    names: Any = X.index
    if names.nlevels > 1:
        names = names.droplevel(-1).unique()
    if len(names) != len(y) or not names.is_unique or not y.index.is_unique:
        return
    if not names.equals(y.index) and names.isin(y.index).all():
        warnings.warn(
            "the index of y has the series of X in another order; labels are taken by position, "
            "as everywhere in scikit-learn. If they belong together by name, "
            "y.loc[...] puts them in the order of X.",
            stacklevel=4,
        )


def _shape(values: Panel) -> str | None:
    n_series, n_channels, length = values.shape
    if length <= _SHORT and n_channels >= max(_MANY, 2 * length):
        return (
            f"X is read as {n_series} series of {n_channels} channels and {length} time points, "
            "(n_series, n_channels, length). If it is (n_series, length, n_channels), "
            "X.transpose(0, 2, 1) is right."
        )
    if n_series > 1 and length == 1:
        return (
            f"X is read as {n_series} series of a single time point each. One series of "
            f"{n_series} points is X.reshape(1, -1)."
        )
    return None


def _long_format(table: pd.DataFrame) -> str | None:
    """Recognise a table with a row for every series and time point."""
    if not is_plain(table) or not 3 <= table.shape[1] <= _SHORT or len(table) < 2 * _ROWS:
        return None
    for name, column in table.items():
        ids = column.to_numpy()
        if not _is_whole(ids):
            continue
        same = ids[1:] == ids[:-1]
        runs = len(ids) - same.sum()
        if runs != column.nunique() or runs > len(ids) / 2:
            continue
        for other, values in table.items():
            if other != name and _grows(values.to_numpy(), same):
                return (
                    f"X is a table and read as {len(table)} series, one a row. It looks like one "
                    f"row for every series ({name!r}) and time point ({other!r}): then "
                    f"X.set_index([{name!r}, {other!r}]) is right."
                )
    return None


def _time_column(frame: pd.DataFrame) -> str | None:
    """Recognise a column that counts the rows, or holds stamps."""
    if len(frame) < _ROWS or frame.shape[1] == 1 or not is_plain(frame):
        return None
    same = np.ones(len(frame) - 1, bool)
    if isinstance(frame.index, pd.MultiIndex):
        codes = np.stack(frame.index.codes[:-1])
        same = (codes[:, 1:] == codes[:, :-1]).all(0)
    for name, column in frame.items():
        if same.sum() >= _ROWS - 1 and _grows(column.to_numpy(), same):
            return (
                f"the column {name!r} of X looks like time, not like a channel: it grows steadily. "
                f"X.drop(columns={name!r}) leaves it out, X.set_index({name!r}, append=True) makes "
                "it the time of the rows."
            )
    return None


def _grows(values: NDArray[Any], same: NDArray[np.bool_]) -> bool:
    """Whether whole numbers grow within series, by equal steps or as dates do."""
    steps = np.diff(values.astype(np.float64))[same]
    if not len(steps) or not (steps > 0).all() or not _is_whole(values):
        return False
    return bool((steps == steps[0]).all() or values.min() > _STAMP)


def _is_whole(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())
