"""Panels: an array (n_series, n_channels, length), or files that are read as if they were one."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CHUNK = 1 << 20  # values that are looked at together when a panel is scanned


class MappedPanel:
    """Memory maps as one panel, their series one after the other, read where they are asked for.

    Parameters
    ----------
    arrays : sequence of ndarray, each (n_i, n_channels, length)
        Of any numeric dtype, and on disk, at least one of them.

    Attributes
    ----------
    shape : tuple of int
    dtype : dtype
        Of what is read: float32 if all parts are, in any byte order, otherwise float64.
    offsets : ndarray of int
        The first series of every part.

    Examples
    --------
    >>> import numpy as np
    >>> panel = MappedPanel([np.zeros((2, 1, 3), np.int16), np.ones((4, 1, 3), np.int16)])
    >>> panel.shape, panel[1:3].tolist()
    ((6, 1, 3), [[[0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]]])
    """

    def __init__(self, arrays: Sequence[NDArray[Any]]) -> None:
        self.arrays = list(arrays)
        first = np.cumsum([0, *map(len, arrays)])
        self.offsets = first[:-1]
        self.shape: tuple[int, int, int] = (int(first[-1]), *arrays[0].shape[1:])
        self.dtype = np.result_type(*(float_dtype(array.dtype) for array in arrays))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: slice) -> NDArray[np.floating[Any]]:
        """Read consecutive series; not copied if they are of one part that needs no conversion."""
        start, stop, _ = index.indices(len(self))
        pieces = [
            part[max(0, start - first) : max(0, stop - first)]
            for part, first in zip(self.arrays, self.offsets, strict=True)
        ]
        pieces = [piece for piece in pieces if len(piece)] or pieces[:1]
        if len(pieces) == 1:
            return pieces[0].astype(self.dtype, copy=False)
        return np.concatenate(pieces, dtype=self.dtype, casting="unsafe")  # as astype does

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self[:], dtype=dtype, copy=copy)

    def reshape(self, *shape: int) -> MappedPanel:
        """Reshape every part, as in ``reshape(-1, 1, length)``: every channel a series."""
        return MappedPanel([part.reshape(shape) for part in self.arrays])


Panel: TypeAlias = NDArray[np.floating[Any]] | MappedPanel


def float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what numbers are computed with: float32 stays, in native byte order, or float64."""
    return np.dtype(np.float32 if dtype.newbyteorder("=") == np.float32 else np.float64)


def on_disk(values: object) -> bool:
    """Whether an array is a memory map or a view of one."""
    base: Any = values if isinstance(values, np.ndarray) else None
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    return base is not None


def chunks(n_rows: int, row_size: int) -> Iterator[slice]:
    """Cut rows of ``row_size`` values each into slices of about `CHUNK` values."""
    step = max(1, CHUNK // row_size)
    return (slice(start, start + step) for start in range(0, n_rows, step))


def windows(
    values: Panel, series: NDArray[np.intp], start: NDArray[np.intp], length: int
) -> NDArray[np.floating[Any]]:
    """Copy windows out of a panel: (n_windows, n_channels, length).

    Examples
    --------
    >>> import numpy as np
    >>> windows(np.arange(10.0).reshape(2, 1, 5), np.array([1, 0]), np.array([2, 0]), 3).tolist()
    [[[7.0, 8.0, 9.0]], [[0.0, 1.0, 2.0]]]
    """
    if isinstance(values, np.ndarray):
        views: NDArray[np.floating[Any]] = sliding_window_view(values, length, axis=2)
        return views[series, :, start]
    gathered = np.empty((len(series), values.shape[1], length), values.dtype)
    owner = np.searchsorted(values.offsets, series, side="right") - 1
    for i in np.unique(owner):
        here = owner == i
        gathered[here] = windows(
            values.arrays[i], series[here] - values.offsets[i], start[here], length
        )
    return gathered
