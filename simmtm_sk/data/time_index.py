"""Time: which point of a regular grid every row of a series is.

Rows are sorted by time within their series. A series begins with its own first time point; points
that a regular index leaves out are gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Index = NDArray[np.intp]

_TOLERANCE = 0.1  # of a step, by which a time point may miss its place
_SPARSEST = 50  # points of a grid for every row; with more, the rows are on no grid
_SHORT = 200  # points that a series may always have


class Places(NamedTuple):
    """Where the rows of a container go.

    Attributes
    ----------
    order : ndarray of int, shape (n_rows,), or None
        The rows, series by series, in time; None if they are so already.
    position : ndarray of int64, shape (n_rows,)
        The place of each of these in its series.
    """

    order: Index | None
    position: Ints


def places(times: pd.Index, series: Ints, codes: Index | None = None) -> Places:
    """Find the place of every row in its series.

    Parameters
    ----------
    times : Index
        Time points: dates, periods, spans of time or numbers.
    series : ndarray of int64, shape (n_rows,)
        Which series a row belongs to, 0, 1, ...
    codes : ndarray of int, shape (n_rows,), or None, default=None
        Which of ``times`` a row has, -1 for none; None where they are one for each row.

    Returns
    -------
    Places

    Raises
    ------
    TypeError
        If the index does not hold time.
    ValueError
        If a time point is missing, or occurs twice in a series, or if they are irregular.

    Examples
    --------
    >>> order, position = places(pd.Index([3, 1, 0]), np.array([0, 0, 0]))
    >>> order.tolist(), position.tolist()
    ([2, 1, 0], [0, 1, 3])
    """
    if not len(series):
        return Places(None, np.zeros(0, np.int64))
    times = as_time(times)
    codes = np.arange(len(times)) if codes is None else codes
    missing = pd.isna(times)[codes] | (codes < 0)
    if missing.any():
        raise ValueError(
            f"row {int(missing.argmax())} of X has no time point (NaN or NaT in the time index); "
            "X[X.index.get_level_values(-1).notna()] leaves such rows out."
        )
    numbers = _numbers(times)[codes]
    order = None
    first = _begins(series)
    if first.sum() > series.max(initial=0) + 1 or (np.diff(numbers)[~first[1:]] < 0).any():
        order = np.lexsort((numbers, series))
        numbers, codes = numbers[order], codes[order]
        first = _begins(series[order])
    within = ~first[1:]
    _refuse_repeated(times, codes, order, within & (np.diff(numbers) == 0))
    steps = np.zeros(len(first), np.int64)
    steps[1:][within] = _grid_steps(times, numbers, codes, within)
    total, start = steps.cumsum(), np.flatnonzero(first)
    position = total - np.repeat(total[start], np.diff(start, append=len(first)))
    _refuse_sparse(position, start)
    return Places(order, position)


def as_time(index: pd.Index) -> pd.Index:
    """Return an index of dates, periods, spans of time or numbers as pandas' own; refuse others."""
    if not len(index):
        return pd.Index([], dtype=np.int64)
    if isinstance(index, pd.CategoricalIndex):
        index = index.astype(index.categories.dtype)
    if isinstance(index, pd.PeriodIndex) or index.dtype.kind in "iuf":
        return index
    if index.dtype.kind == "M":  # of arrow's types too
        return index if isinstance(index, pd.DatetimeIndex) else pd.DatetimeIndex(index)
    if index.dtype.kind == "m":
        return index if isinstance(index, pd.TimedeltaIndex) else pd.TimedeltaIndex(index)
    kind = pd.api.types.infer_dtype(index, skipna=True)
    if kind in ("date", "datetime", "datetime64"):
        return _dates(index)
    if kind in ("integer", "floating", "mixed-integer-float", "empty"):
        return pd.Index(index.to_numpy(np.float64, na_value=np.nan))
    raise TypeError(
        f"the time index of X holds {kind} values, such as {index[0]!r}, and no time points: "
        "dates, periods, spans of time or numbers. pd.to_datetime(...) makes dates of text: "
        "X.index = pd.to_datetime(X.index), or for an index of several levels "
        "X.index = X.index.set_levels(pd.to_datetime(X.index.levels[-1]), level=-1)."
    )


def _dates(index: pd.Index) -> pd.DatetimeIndex:
    """Return objects that are dates as such; those of several time zones in UTC."""
    zones = {date.tzinfo for date in index if isinstance(date, datetime)}
    if None in zones and len(zones) > 1:
        raise ValueError(
            "the time points of X are partly with and partly without a time zone: tz_localize "
            "those without, as in frame.index = frame.index.tz_localize('UTC')."
        )
    return pd.to_datetime(index, utc=True) if len(zones) > 1 else pd.DatetimeIndex(index)


def _numbers(times: pd.Index) -> NDArray[Any]:
    """Return time points as numbers that grow with time."""
    if isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return times.asi8
    kind = np.float64 if times.dtype.kind == "f" else np.int64
    return times.to_numpy(kind)


def _begins(series: Ints) -> NDArray[np.bool_]:
    """Where another series begins than in the row before."""
    return np.asarray(np.diff(series, prepend=-1) != 0)


def _refuse_repeated(
    times: pd.Index, codes: Index, order: Index | None, repeated: NDArray[np.bool_]
) -> None:
    if repeated.any():
        at = int(repeated.argmax())
        rows = (at, at + 1) if order is None else sorted(order[at : at + 2].tolist())
        raise ValueError(
            f"the rows {rows[0]} and {rows[1]} of X are the same time point, {times[codes[at]]}, "
            "of one series. If they are repeated, X[~X.index.duplicated()] keeps the first of each."
        )


def _refuse_sparse(position: Ints, start: Index) -> None:
    counts = np.diff(start, append=len(position))
    lengths = position[start + counts - 1] + 1
    sparse = lengths > np.maximum(_SHORT, _SPARSEST * counts)
    if sparse.any():
        _refuse_irregular(
            f"on the finest grid that has them all, the {counts[sparse][0]} rows of series "
            f"{int(sparse.argmax())} are spread over {lengths[sparse][0]} points"
        )


def _refuse_irregular(what: str) -> NoReturn:
    raise ValueError(
        f"the time points of X are irregular: {what}. Put them on a regular grid, as in "
        "X.resample('1min').mean() for a frame of one series and "
        "X.groupby(level=0).resample('1min', level=1).mean() for a panel; or, where only the order "
        "counts, number the rows, as in X.set_index(X.groupby(level=0).cumcount(), append=True)"
        ".droplevel(1)."
    )


# -- the grid -------------------------------------------------------------------------------------


def _grid_steps(
    times: pd.Index, numbers: NDArray[Any], codes: Index, within: NDArray[np.bool_]
) -> Ints:
    """Count the grid steps from each row to the next one of the same series."""
    steps = np.diff(numbers)[within]
    if not len(steps) or steps.min() == steps.max() or _has_frequency(times, codes):
        return np.ones(len(steps), np.int64)
    if isinstance(times, pd.DatetimeIndex):
        for calendar in _calendars(times[codes]):
            counted = _multiples(np.diff(calendar)[within])
            if counted is not None:
                return counted
    counted = _multiples(steps)
    if counted is None:
        _refuse_irregular(f"steps between them go from {steps.min()} to {steps.max()}")
    return counted


def _has_frequency(times: pd.Index, codes: Index) -> bool:
    """Whether pandas knows the rows, of a single series then, to be regular."""
    known = isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex) and times.freq is not None
    return known and len(times) == len(codes) and bool((np.diff(codes) == 1).all())


def _calendars(dates: pd.DatetimeIndex) -> Iterator[Ints]:
    """Count dates in months and in business days, if they are all such."""
    local = dates.tz_localize(None)
    days = local.normalize()
    if (local - days).nunique() > 1:
        return
    if local.is_month_end.all() or local.day.nunique() == 1:
        yield np.asarray(local.year * 12 + local.month, np.int64)
    if (local.dayofweek < 5).all():
        yield np.busday_count("1970-01-01", days.to_numpy("M8[D]")).astype(np.int64)


def _multiples(steps: NDArray[Any]) -> Ints | None:
    """Return steps in units of the one that they are all multiples of; None if there is none."""
    units = [np.median(steps), steps.min()]
    if steps.dtype.kind == "i":
        units.append(np.gcd.reduce(steps))
    for unit in units:
        counted = np.rint(steps / unit)
        if counted.min() >= 1 and (np.abs(steps / unit - counted) <= _TOLERANCE).all():
            return np.asarray(counted, np.int64)
    return None
