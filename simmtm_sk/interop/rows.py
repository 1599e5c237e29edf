"""Rows of a long table: which belong to which instance, and in which order of time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.numbers import as_float
from .calendar import kind_of, refuse_text

COMPLEX = "y must hold real numbers, got complex ones; take their real part, or their abs."


@dataclass(frozen=True)
class Rows:
    """The rows of a container of y, instance by instance and in order of time.

    Attributes
    ----------
    names : list of tuple
        Of the instances, in the order in which they first occur; an empty one for a single series.
    order : ndarray of int, shape (n_rows,)
        Where the rows stand in the container.
    starts : ndarray of int, shape (n_instances,)
        The first row of each instance, among those in order.
    times : Index
        All time points that occur, sorted.
    position : ndarray of int, shape (n_rows,)
        Number of each row's time point in ``times``.
    owner : str
        What messages call the container.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.MultiIndex.from_tuples([("b", 2), ("a", 5), ("b", 1)])
    >>> rows = Rows.of(index)
    >>> rows.names, rows.order.tolist(), rows.starts.tolist()
    ([('b',), ('a',)], [2, 0, 1], [0, 2])
    """

    names: list[tuple[Any, ...]]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    times: pd.Index
    position: NDArray[np.intp]
    owner: str = "y"

    @classmethod
    def of(cls, index: pd.Index, owner: str = "y") -> Rows:
        """Group the rows of an index whose last level are time points.

        Raises
        ------
        TypeError
            If they are no dates, periods or integers.
        ValueError
            If they are missing somewhere, or occur twice in an instance.
        """
        level: Any
        if isinstance(index, pd.MultiIndex):
            level, codes = index.levels[-1], np.asarray(index.codes[-1], np.intp)
        elif index.is_unique:
            level, codes = index, np.arange(len(index))
        else:
            codes, level = index.factorize()
        kind_of(level)
        if (codes < 0).any() or level.hasnans:
            raise ValueError(
                f"a time point of {owner} is missing (NaT); drop these rows, or fill it in."
            )
        times, position = _sorted(level, codes)
        instance, names = _instances(index, owner)
        order = np.lexsort((position, instance))
        instance, position = instance[order], position[order]
        starts = np.flatnonzero(np.diff(instance, prepend=-1))
        rows = cls(names, order, starts, times, position, owner)
        again = np.flatnonzero((np.diff(instance) == 0) & (np.diff(position) == 0))
        if len(again):
            raise ValueError(
                f"{rows.label(int(instance[again[0]]))} has the time point "
                f"{times[position[again[0]]]} more than once; keep one row of each, as in "
                f"{owner}[~{owner}.index.duplicated()]."
            )
        return rows

    @property
    def in_order(self) -> bool:
        """Whether the container has its rows in this order already."""
        return bool((np.diff(self.order) == 1).all())

    @property
    def ends(self) -> NDArray[np.intp]:
        """Behind the last row of each instance."""
        return np.append(self.starts[1:], len(self.order)).astype(np.intp)

    def split(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Split what stands in order, row by row, into instances."""
        return np.split(values, self.starts[1:])

    def times_of(self, instance: int) -> pd.Index:
        """Return the time points of an instance."""
        return self.times[self.position[self.starts[instance] : self.ends[instance]]]

    def label(self, instance: int) -> str:
        """Return what messages call an instance."""
        name = self.names[instance]
        return f"instance {name!r} of {self.owner}" if name else self.owner


def in_plain_numbers(y: Any) -> Any:
    """Return lists of numbers as arrays, masked values as NaN, objects that are numbers as floats.

    Raises
    ------
    TypeError
        If there are complex numbers.
    """
    if isinstance(y, list) and y and all(isinstance(v, Number) or v is None for v in y):
        y = np.asarray(y, np.float64) if None in y else np.asarray(y)
    if isinstance(y, np.ma.MaskedArray):
        mask, y = np.ma.getmaskarray(y), y.data
        y = np.where(mask, np.nan, y.astype(np.float64)) if y.dtype.kind in "fiub" else y
    if isinstance(y, np.ndarray) and y.dtype.kind == "c":
        raise TypeError(COMPLEX)
    if isinstance(y, np.ndarray) and y.dtype == object:
        return as_float(y, "y")
    if isinstance(y, pd.Series | pd.DataFrame):
        dtypes = [y.dtype] if isinstance(y, pd.Series) else list(y.dtypes)
        if any(getattr(dtype, "kind", "") == "c" for dtype in dtypes):
            raise TypeError(COMPLEX)
    if isinstance(y, pd.Series) and _are_numbers(y):
        return y.where(y.notna(), np.nan).astype(np.float64)
    if isinstance(y, pd.DataFrame):
        objects = [j for j, dtype in enumerate(y.dtypes) if pd.api.types.is_object_dtype(dtype)]
        if objects and all(_are_numbers(y.iloc[:, j]) for j in objects):
            return y.where(y.notna(), np.nan).astype(np.float64)
    return y


def _are_numbers(column: pd.Series[Any]) -> bool:
    """Whether a column of objects holds numbers and missing values alone."""
    if not pd.api.types.is_object_dtype(column.dtype):
        return False
    kind = pd.api.types.infer_dtype(column, skipna=True)
    return kind in ("integer", "floating", "mixed-integer-float", "decimal", "boolean")


def in_time_order(y: Any, owner: str = "y") -> Any:
    """Return a series, a frame or a list of them with rows in order of time.

    What has no time points that can be sorted is returned as it is: sktime says why.

    Raises
    ------
    TypeError
        If the time points are text.
    """
    if isinstance(y, list):
        return [in_time_order(frame, owner) for frame in y]
    if not isinstance(y, pd.DataFrame | pd.Series) or not len(y):
        return y
    refuse_text(y.index, owner)
    if _is_sorted(y.index):
        return y
    try:
        rows = Rows.of(y.index, owner)
    except TypeError:
        return y
    return y if rows.in_order else y.iloc[rows.order]


def _is_sorted(index: pd.Index) -> bool:
    return index.nlevels == 1 and index.is_monotonic_increasing and index.is_unique


def _sorted(level: Any, codes: NDArray[Any]) -> tuple[pd.Index, NDArray[np.intp]]:
    """Return the time points that occur, sorted and with their frequency, and each row's number."""
    used, inverse = np.unique(codes, return_inverse=True)
    times = level if len(used) == len(level) else level[used]
    if not times.is_monotonic_increasing:
        order = times.argsort()
        rank = np.empty(len(order), np.intp)
        rank[order] = np.arange(len(order))
        times, inverse = times[order], rank[inverse]
    if getattr(level, "freq", None) is not None and getattr(times, "freq", None) is None:
        with suppress(ValueError):  # rows between are absent
            times = type(times)(times, freq=level.freq)
    return times, inverse.astype(np.intp)


def _instances(index: pd.Index, owner: str) -> tuple[NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return each row's number of instance, and the names of the instances."""
    if not isinstance(index, pd.MultiIndex):
        return np.zeros(len(index), np.intp), [()]
    key = np.zeros(len(index), np.int64)
    for level, codes in zip(index.levels[:-1], index.codes[:-1], strict=True):
        if (np.asarray(codes) < 0).any():
            raise ValueError(
                f"the name of an instance of {owner} is missing; drop these rows, or name it."
            )
        key = key * len(level) + codes
    instance, _ = pd.factorize(key)
    first = np.unique(instance, return_index=True)[1]
    names = index[first].droplevel(-1)
    return instance.astype(np.intp), [
        name if isinstance(name, tuple) else (name,) for name in names
    ]
