"""The one place that knows containers: all of them become (n_series, n_channels, length).

Missing values and the padding behind shorter series are NaN; nothing else marks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_numeric_dtype

from .panel import MappedPanel, Panel, chunks, float_dtype, on_disk

ACCEPTED = (
    "a numpy array (n_series, n_channels, length), or a list of such arrays, whose series follow "
    "one another; an array or numeric DataFrame "
    "(n_series, length), one series a row; a list of arrays (length,) or (n_channels, length); "
    "or an sktime panel (pd-multiindex, nested_univ, df-list)"
)


def is_sktime_panel(X: object) -> bool:
    """Recognise the pandas containers whose rows or cells are sktime's, not tabular rows."""
    if isinstance(X, pd.Series):
        return True
    if isinstance(X, pd.DataFrame):
        index = X.index
        in_time = (pd.MultiIndex, pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)
        return isinstance(index, in_time) or is_nested(X)
    return isinstance(X, list) and bool(X) and isinstance(X[0], pd.DataFrame)


def check_numeric(X: object) -> None:
    """Refuse frames with columns that are no numbers, before anything converts them quietly."""
    if isinstance(X, pd.DataFrame) and not is_nested(X):
        names = [str(name) for name, dtype in X.dtypes.items() if not is_numeric_dtype(dtype)]
        if names:
            raise TypeError(
                f"X has categorical (non-numeric) columns {names}; series must hold numbers."
            )


def panel_values(X: object) -> Panel:
    """Turn any accepted container into one array, or what reads like one from files.

    Parameters
    ----------
    X : array-like, DataFrame, list or sktime panel
        See `ACCEPTED`.

    Returns
    -------
    ndarray or MappedPanel of float32 or float64, shape (n_series, n_channels, length)
        float32 stays float32, everything else becomes float64; NaN is a missing value or the
        padding of a shorter series. An array that already has this form is not copied. A
        ``numpy.memmap`` of two or three dimensions, or a list with any of three, stays on disk
        whatever its dtype: it is converted where it is read.

    Raises
    ------
    TypeError
        If ``X`` is no container of series, or holds something that is not a number.
    ValueError
        If the dimensions or channels do not fit, a value is infinite or a series has no observed
        value at all.

    Examples
    --------
    >>> import numpy as np
    >>> panel_values([np.array([1.0, 2.0]), np.array([3.0])])
    array([[[ 1.,  2.]],
    <BLANKLINE>
           [[ 3., nan]]])
    """
    check_numeric(X)
    values: Panel
    if isinstance(X, pd.DataFrame | pd.Series):
        values = _from_pandas(X)
    elif isinstance(X, list | tuple) and _is_sequence_of_series(X):
        if all(isinstance(x, np.ndarray) and x.ndim == 3 for x in X):
            values = _concatenated(X)
        else:
            values = _stack([_channels_first(x, i) for i, x in enumerate(X)])
    else:
        values = _from_array(X)
    _check(values)
    return values


def _from_array(X: object) -> Panel:
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3:
        raise ValueError(f"X has {array.ndim} dimension(s); accepted are {ACCEPTED}.")
    return _concatenated([array])


def _concatenated(arrays: Sequence[NDArray[Any]]) -> Panel:
    """Arrays (n_i, n_channels, length) one after the other; those on disk stay there."""
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1:
        raise ValueError(
            "arrays of several series each must have the same channels and length; got "
            f"(n_channels, length) of {shapes}. Series of unequal length are a list of arrays "
            "(length,) or (n_channels, length), one for each series, or are padded with NaN."
        )
    for array in filter(on_disk, arrays):
        _as_float(array[:0])  # refuses what is no number
    parts = [array if on_disk(array) else _as_float(array) for array in arrays]
    if any(map(on_disk, parts)):
        return MappedPanel(parts)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _from_pandas(X: pd.DataFrame | pd.Series) -> NDArray[np.floating[Any]]:
    if isinstance(X, pd.Series):
        return _as_float(X.to_numpy())[None, None, :]
    if isinstance(X.index, pd.MultiIndex):
        # all levels but the last, which is time, name the series (hierarchies included)
        levels = list(range(X.index.nlevels - 1))
        groups = X.groupby(level=levels, sort=False)
        return _stack([_channels_first(group, name) for name, group in groups])
    if is_nested(X):
        return _stack([_nested_row(row) for row in X.itertuples(index=False, name=None)])
    if is_sktime_panel(X):  # one series whose rows are time points
        return _as_float(X.to_numpy()).T[None]
    return _as_float(X.to_numpy())[:, None, :]


def _nested_row(cells: Iterable[Any]) -> NDArray[np.floating[Any]]:
    channels = [_as_float(np.asarray(cell)) for cell in cells]
    length = max(map(len, channels))
    padded = [np.pad(c, (0, length - len(c)), constant_values=np.nan) for c in channels]
    return np.stack(padded)


def is_nested(X: pd.DataFrame | pd.Series) -> bool:
    """Recognise sktime's frames whose cells are series."""
    if not isinstance(X, pd.DataFrame) or not X.size:
        return False
    return isinstance(X.iloc[0, 0], pd.Series | np.ndarray)


def _is_sequence_of_series(X: Sequence[object]) -> bool:
    """Recognise a list of arrays or frames, as opposed to a list of lists of numbers."""
    return bool(len(X)) and all(isinstance(x, np.ndarray | pd.DataFrame | pd.Series) for x in X)


def _channels_first(x: Any, name: object) -> NDArray[np.floating[Any]]:
    """One series as (n_channels, length); a DataFrame has a row per time point."""
    array = _as_float(x.to_numpy() if isinstance(x, pd.DataFrame | pd.Series) else x)
    if array.ndim == 1:
        return array[None]
    if array.ndim != 2:
        raise ValueError(
            f"series {name!r} has {array.ndim} dimensions; a series is (length,) or "
            "(n_channels, length), and only a list of nothing but arrays "
            "(n_series, n_channels, length) holds several series in each."
        )
    return array.T if isinstance(x, pd.DataFrame) else array


def _stack(series: list[NDArray[np.floating[Any]]]) -> NDArray[np.floating[Any]]:
    channels = {len(x) for x in series}
    if len(channels) > 1:
        raise ValueError(
            f"all series must have the same channels; got series with {sorted(channels)} channels."
        )
    length = max((x.shape[1] for x in series), default=0)
    dtype = np.result_type(*series) if series else np.float64
    stacked = np.full((len(series), max(channels, default=1), length), np.nan, dtype)
    for row, x in zip(stacked, series, strict=True):
        row[:, : x.shape[1]] = x
    return stacked


def _as_float(array: NDArray[Any]) -> NDArray[np.floating[Any]]:
    if holds_strings(array):
        raise ValueError(f"X must hold numbers, got strings; accepted are {ACCEPTED}.")
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: X must hold real numbers.")
    try:
        return array.astype(float_dtype(array.dtype), copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(
            f"X must hold numbers, got dtype {array.dtype} ({error}); accepted are {ACCEPTED}."
        ) from error


def holds_strings(array: NDArray[Any]) -> bool:
    """Whether an array holds text, which numpy would convert where it looks like numbers."""
    if array.dtype.kind == "O":
        return any(isinstance(x, str | bytes) for x in array.flat)
    return array.dtype.kind in "US"


def _check(values: Panel) -> None:
    """Refuse empty data, infinite values and series without any observed value."""
    n_series, n_channels, length = values.shape
    if 0 in values.shape:
        raise ValueError(
            f"X is empty: {n_series} series (samples) of {n_channels} channel(s) and "
            f"{length} time point(s); a minimum of 1 is required of each."
        )
    for part in chunks(n_series, n_channels * length):
        chunk = values[part]
        if np.isfinite(chunk).all():
            continue
        infinite = np.isinf(chunk).any((1, 2))
        if infinite.any():
            raise ValueError(
                f"Input X contains infinity (first in series {part.start + infinite.argmax()}); "
                "values must be finite, or NaN where missing."
            )
        missing = np.isnan(chunk).all((1, 2))
        if missing.any():
            raise ValueError(
                f"series {part.start + missing.argmax()} of X has no observed value "
                "(every point is NaN); drop it."
            )
