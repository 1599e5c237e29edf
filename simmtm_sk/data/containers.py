"""The one place that knows containers: all of them become (n_series, n_channels, length).

Missing values and the padding behind shorter series are NaN; nothing else marks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .channel_names import Names, are_names, channel_order, column_names
from .frames import (
    from_cells,
    from_list,
    from_rows,
    from_wide,
    is_nested,
    is_wide,
    rows_are_time,
    wide_levels,
)
from .numbers import Floats, as_float, frame_values, objects
from .panel import MappedPanel, Panel, chunks, on_disk
from .tables import plain_table

ACCEPTED = (
    "a numpy array (n_series, n_channels, length), or a list of such arrays, whose series follow "
    "one another; an array or numeric DataFrame "
    "(n_series, length), one series a row; a list of arrays (length,) or (n_channels, length); "
    "or an sktime panel (pd-multiindex, nested_univ, df-list)"
)
_SERIES = (list, tuple, np.ndarray, pd.Series)
_FRAMES = (pd.DataFrame, pd.Series)


def is_sktime_panel(X: object) -> bool:
    """Recognise the pandas containers whose rows or cells are sktime's, not tabular rows."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return is_nested(X) or rows_are_time(X)
    return isinstance(X, list) and bool(X) and isinstance(X[0], pd.DataFrame)


def is_table(X: Any) -> bool:
    """Whether rows are series: everything of two dimensions that is not an sktime container."""
    if isinstance(X, pd.DataFrame | pd.Series):
        return not (is_sktime_panel(X) or is_wide(X))
    if isinstance(X, list | tuple):
        return all(isinstance(x, list | tuple) and not _holds_series(x) for x in X) and (
            len({len(x) for x in X}) == 1
        )
    return getattr(X, "ndim", 2) == 2 and not (isinstance(X, np.ndarray) and _is_ragged(X))


def channel_names(X: Any) -> Names | None:
    """Return what a container calls its channels; None if it does not.

    Examples
    --------
    >>> channel_names([pd.DataFrame({"acc": [1.0], "gyr": [2.0]})])
    ['acc', 'gyr']
    >>> channel_names(pd.DataFrame([[1.0, 2.0]])) is None
    True
    """
    frame = X[0] if isinstance(X, list | tuple) and X else X
    if not isinstance(frame, pd.DataFrame):
        return None
    if is_wide(frame):
        names = [*dict.fromkeys(column_names(wide_levels(frame.columns)[0]))]
    elif frame is not X or is_sktime_panel(frame):
        names = column_names(frame.columns)
    else:  # the columns of a table are time points
        return None
    return names if are_names(names) else None


def panel_values(X: Any, channels: Sequence[Any] | None = None) -> Panel:
    """Turn any accepted container into one array, or what reads like one from files.

    Parameters
    ----------
    X : array-like, DataFrame, list or sktime panel
        See `ACCEPTED`. Rows are sorted by the time in their index, and time points that it leaves
        out are missing values.
    channels : sequence of str, int or float, or None, default=None
        The names of the channels in the order that is wanted, where the container names them.

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
    values: Panel
    if isinstance(X, pd.DataFrame | pd.Series):
        values = _from_pandas(X)
    elif isinstance(X, list | tuple):
        values = _from_sequence(X)
    else:
        values = _from_array(X)
    own = None if channels is None else channel_names(X)
    order = None if own is None or channels is None else channel_order(own, channels)
    if order is not None:
        values = np.asarray(values)[:, order]
    _check(values)
    return values


def _from_pandas(X: pd.DataFrame | pd.Series) -> Floats:
    if is_nested(X):
        return from_cells(X)
    if rows_are_time(X):
        return from_rows(X)
    frame = pd.DataFrame(X)
    return from_wide(frame) if is_wide(frame) else frame_values(plain_table(frame))[:, None, :]


def _from_sequence(X: Sequence[Any]) -> Panel:
    """Read a list: of frames, of arrays of several series each, or of one series each."""
    if not len(X):
        raise ValueError("X is empty: a list without a series; a minimum of 1 is required.")
    if any(isinstance(x, _FRAMES) for x in X):
        return from_list([_frame(x, i) for i, x in enumerate(X)])
    if X and all(isinstance(x, np.ndarray) and x.ndim == 3 for x in X):
        return _concatenated(X)
    if any(isinstance(x, np.ndarray) for x in X):
        return _stack([_one_series(x, i) for i, x in enumerate(X)])
    try:
        return _from_array(np.array(X))
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        return _stack([_one_series(x, i) for i, x in enumerate(X)])


def _from_array(X: Any) -> Panel:
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    if _is_ragged(array):
        return _from_sequence([*array]) if array.ndim == 1 else from_cells(pd.DataFrame(array))
    if array.ndim == 0:
        raise TypeError(f"X is {type(X).__name__} {X!r:.60}; accepted are {ACCEPTED}.")
    if array.ndim == 1:
        raise ValueError(
            "X has 1 dimension. Reshape your data: X.reshape(1, -1) is one series, one channel; a "
            f"series a row is an array (n_series, length). Accepted are {ACCEPTED}."
        )
    if array.ndim == 2:
        array = array[:, None, :]
    if array.ndim != 3:
        raise ValueError(f"X has {array.ndim} dimension(s); accepted are {ACCEPTED}.")
    return _concatenated([array])


def _is_ragged(array: NDArray[Any]) -> bool:
    """Whether the entries of an array are series."""
    return array.dtype == object and _holds_series(array.flat)


def _holds_series(entries: Iterable[Any]) -> bool:
    return any(isinstance(entry, _SERIES) for entry in entries)


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
        as_float(array[:0])  # refuses what is no number
    parts = [array if on_disk(array) else as_float(array) for array in arrays]
    if any(map(on_disk, parts)):
        return MappedPanel(parts)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _one_series(x: Any, number: int) -> Floats:
    """Return a series of a list as (n_channels, length)."""
    name = f"series {number} of X"
    if isinstance(x, np.ndarray) and x.ndim == 2:  # as most are, of which there may be many
        return as_float(x, name)
    if isinstance(x, list | tuple) and _holds_series(x):
        channels = [_channel(channel, f"channel {c} of {name}") for c, channel in enumerate(x)]
        return _stack(channels)[:, 0]
    array = _numbers(x, name)
    if array.ndim == 1:
        return array[None]
    if array.ndim != 2:
        raise ValueError(
            f"series {number} has {array.ndim} dimensions; a series is (length,) or "
            "(n_channels, length), and only a list of nothing but arrays "
            "(n_series, n_channels, length) holds several series in each."
        )
    return array


def _channel(x: Any, name: str) -> Floats:
    array = _numbers(x, name)
    if array.ndim != 1:
        raise ValueError(f"{name} has {array.ndim} dimensions; it must have one, time.")
    return array[None]


def _numbers(x: Any, name: str) -> Floats:
    """Return an array, or a list of nothing but numbers, as floats."""
    if isinstance(x, list | tuple):
        return as_float(objects(x), name)
    if not hasattr(x, "__array__"):
        raise TypeError(f"{name} is {x!r}; it must be an array, a list of numbers or a frame.")
    return as_float(x if isinstance(x, np.ndarray) else np.asarray(x), name)


def _frame(x: Any, number: int) -> pd.DataFrame | pd.Series[Any]:
    """Return a series beside frames as a frame; the rows of an array are numbered."""
    if isinstance(x, _FRAMES):
        return x
    return pd.DataFrame(_one_series(x, number).T)


def _stack(series: list[Floats]) -> Floats:
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
