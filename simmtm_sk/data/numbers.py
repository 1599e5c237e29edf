"""Numbers of any type as floats, NaN where missing; what is no number is refused by name."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .panel import float_dtype

Floats = NDArray[np.floating[Any]]

_REFUSED = {
    "c": "complex numbers",
    "M": "dates",
    "m": "spans of time",
    "S": "bytes",
    "U": "strings",
    "T": "strings",
    "V": "records",
}
_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((str,), "U"),
    ((bytes,), "S"),
    ((complex, np.complexfloating), "c"),
    ((datetime.date, np.datetime64, pd.Period), "M"),
    ((datetime.timedelta, np.timedelta64), "m"),
)

_AS_THEY_ARE = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


def as_float(values: Any, name: str = "X") -> Floats:
    """Return numbers as floats; not copied if they are that already and nothing is masked.

    Parameters
    ----------
    values : ndarray, masked array, Series or extension array
        None, NA and masked entries are NaN.
    name : str, default="X"
        What to call them in errors.

    Returns
    -------
    ndarray of float32, where that is what was given, or float64

    Raises
    ------
    TypeError, ValueError
        If they are no real numbers.

    Examples
    --------
    >>> as_float(np.ma.array([1, 2], mask=[False, True]))
    array([ 1., nan])
    """
    if type(values) is np.ndarray and values.dtype in _AS_THEY_ARE:
        return values
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        floats = as_float(values.data, name)
        return np.where(mask, floats.dtype.type(np.nan), floats) if mask.any() else floats
    if not isinstance(values, np.ndarray):
        values = _unboxed(values, name)
    kind = values.dtype.kind
    if kind == "O":
        return _from_objects(values, name)
    if kind in _REFUSED:
        raise _refusal(kind, name, values.dtype)
    return np.asarray(values.astype(float_dtype(values.dtype), copy=False))


def frame_values(frame: pd.DataFrame, name: str = "X") -> Floats:
    """Return the numbers of a frame, (n_rows, n_columns); errors name the column.

    Examples
    --------
    >>> frame_values(pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.5, 2.5]}))
    array([[1. , 1.5],
           [nan, 2.5]])
    """
    values = frame.to_numpy()
    # what pandas hands out as it is, hence read-only, are columns of one of numpy's types; to look
    # at the types of columns would take longer than all the rest, for every frame of a list
    at_once = values.shape[1] > 1 and not values.flags.writeable and values.dtype.kind in "biuf"
    if at_once or is_plain(frame):
        return as_float(values, name)
    columns = []
    for label, column in frame.items():
        try:
            columns.append(as_float(column, f"column {label!r} of {name}"))
        except (TypeError, ValueError) as error:
            if "Complex" in str(error):
                raise
            raise TypeError(
                f"{name} has categorical (non-numeric) columns: {error} Names of series and "
                "time points belong in the index, as in X.set_index(['id', 'time'])."
            ) from error
    return np.stack(columns, axis=1)


def objects(values: Sequence[Any]) -> NDArray[Any]:
    """Return a list as an array of its elements, whatever these are."""
    return np.fromiter(values, object, len(values))


def is_plain(frame: pd.DataFrame) -> bool:
    """Whether all columns have one of numpy's types of real numbers."""
    return all(isinstance(d, np.dtype) and d.kind in "biuf" for d in set(frame.dtypes))


def _unboxed(values: Any, name: str) -> NDArray[Any]:
    """Return the content of a Series or an extension array."""
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return np.asarray(values)
    if isinstance(dtype, pd.CategoricalDtype):
        raise TypeError(f"{name} must hold numbers, got categories.")
    if isinstance(dtype, pd.SparseDtype):
        return np.asarray(values)
    kind = getattr(dtype, "kind", "O")
    if kind in "biuf":  # nullable and arrow numbers
        unboxed: NDArray[Any] = pd.Series(values).to_numpy(
            float_dtype(dtype.numpy_dtype), na_value=np.nan
        )
        return unboxed
    if kind in _REFUSED:
        raise _refusal(kind, name, dtype)
    return np.asarray(values, dtype=object)


def _from_objects(values: NDArray[Any], name: str) -> Floats:
    """Return the numbers among Python objects."""
    types = {type(value) for value in values.flat}
    missing = {type(None), type(pd.NA), type(pd.NaT), type(np.ma.masked)}
    for kind_of_value in types - missing:
        for refused, kind in _KINDS:
            if issubclass(kind_of_value, refused):
                raise _refusal(kind, name, kind_of_value.__name__)
    if types & missing:
        hidden = np.array([type(value) in missing for value in values.flat], bool)
        values = np.where(hidden.reshape(values.shape), np.nan, values)
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must hold numbers, got dtype object ({error}).") from error


def _refusal(kind: str, name: str, dtype: Any) -> Exception:
    if kind == "c":
        return ValueError(
            f"Complex data not supported: {name} must hold real numbers. Real and imaginary part "
            "can be channels of their own."
        )
    hint = " Times belong in the index of a frame, as in X.set_index('time')." * (kind in "Mm")
    error = ValueError if kind in "SUT" else TypeError
    return error(f"{name} must hold numbers, got {_REFUSED[kind]} of type {dtype}.{hint}")
