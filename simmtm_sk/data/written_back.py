"""Values written back into the container that they were read from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .containers import is_table, panel_values
from .frames import is_nested
from .numbers import as_float, frame_values
from .panel import Panel
from .window_dataset import series_ends

Leaf = Callable[[Any], Any]
_FRAMES = (pd.DataFrame, pd.Series)
_PARTS = (list, tuple, np.ndarray, *_FRAMES)


class WrittenBack:
    """Where in a container every value of its panel is from.

    Parameters
    ----------
    X : any accepted container
    channels : sequence or None, default=None
        As for `panel_values`.

    Attributes
    ----------
    lengths : ndarray of int, shape (n_series,)
        How long the series are, gaps at their ends included.

    Examples
    --------
    >>> X = [np.array([1.0, np.nan]), np.array([2.0, 3.0, np.nan])]
    >>> places = WrittenBack(X)
    >>> places.lengths.tolist()
    [2, 3]
    >>> [x.tolist() for x in places.written(np.full((2, 1, 3), 9.0))]
    [[1.0, 9.0], [2.0, 3.0, 9.0]]
    """

    def __init__(self, X: Any, channels: Sequence[Any] | None = None) -> None:
        self._X = X
        self._n_values = 0
        # the container again, with the number of every value in its place: read as it was
        self._numbers = np.asarray(panel_values(_mapped(X, self._numbered), channels))
        self.lengths = series_ends(self._numbers)

    def written(self, values: Panel) -> Any:
        """Return a container like the given one, with values of the panel where it has none."""
        there = ~np.isnan(self._numbers)
        flat = np.full(self._n_values, np.nan)
        flat[self._numbers[there].astype(np.int64)] = np.asarray(values)[there]
        start = 0

        def filled(leaf: Any) -> Any:
            nonlocal start
            own = flat[start : start + leaf.size].reshape(leaf.shape)
            start += leaf.size
            return _filled(leaf, own)

        return _mapped(self._X, filled)

    def _numbered(self, leaf: Any) -> Any:
        numbers = np.arange(self._n_values, self._n_values + leaf.size, dtype=np.float64)
        self._n_values += leaf.size
        numbers = numbers.reshape(leaf.shape)
        if isinstance(leaf, pd.DataFrame):
            return pd.DataFrame(numbers, leaf.index, leaf.columns)
        return pd.Series(numbers, leaf.index) if isinstance(leaf, pd.Series) else numbers


def _mapped(X: Any, change: Leaf) -> Any:
    """Return a container with its frames and arrays of numbers changed one by one."""
    if isinstance(X, _FRAMES):
        if not is_nested(X):
            return change(X)
        cells = [_cell(cell, change) for cell in np.asarray(X, object).ravel()]
        array = np.empty(X.size, object)
        array[:] = cells
        same = array.reshape(X.shape)
        if isinstance(X, pd.Series):
            return pd.Series(same, X.index, name=X.name)
        return pd.DataFrame(same, X.index, X.columns)
    if isinstance(X, list | tuple) and any(isinstance(x, _PARTS) for x in X) and not is_table(X):
        return [_mapped(x, change) for x in X]
    if isinstance(X, np.ndarray) and X.dtype == object and not is_table(X):
        array = np.empty(len(X), object)
        array[:] = [_mapped(x, change) for x in X]
        return array
    return change(np.asanyarray(X))


def _cell(cell: Any, change: Leaf) -> Any:
    """Change a series in a cell; one without any time point is None or NaN."""
    if isinstance(cell, pd.Series):
        return change(cell)
    return change(np.asarray(cell)) if isinstance(cell, np.ndarray | list | tuple) else cell


def _filled(leaf: Any, values: NDArray[np.float64]) -> Any:
    """Return a frame or an array with values where it has none; what has all stays as it is."""
    given = frame_values(leaf) if isinstance(leaf, pd.DataFrame) else as_float(leaf, "X")
    missing = np.isnan(given)
    if not missing.any():
        return leaf.copy()
    whole = np.where(missing, values, given).astype(given.dtype)
    if isinstance(leaf, pd.Series):
        return pd.Series(whole, leaf.index, name=leaf.name)
    if not isinstance(leaf, pd.DataFrame):
        return whole
    result = leaf.copy()
    for column in np.flatnonzero(missing.any(0)):
        result.isetitem(int(column), whole[:, column])
    return result
