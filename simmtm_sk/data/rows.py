"""Rows: what a network sees of a panel, gathered by index and never copied whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 1 << 24  # values that are looked at together when a large array is scanned


class Rows:
    """The windows of a panel: all of a series, or as many windows as it takes to cover it.

    A series longer than ``max_length`` is cut into the fewest windows that cover it, evenly
    spaced. A series ends at its last observed value; windows without any are left out.

    Parameters
    ----------
    values : ndarray, shape (n_series, n_channels, length)
        As `panel_values` returns it, NaN = missing. A ``numpy.memmap`` is read batch by batch,
        anything else is moved to ``device`` once.
    max_length : int or None, default=None
        Longest window; None never cuts.
    device : torch.device, default=cpu
        Where `gather` returns its tensors.

    Attributes
    ----------
    series, start : ndarray of int, shape (n_rows,)
        The series each row was cut from, and where.
    ends : ndarray of int, shape (n_series,)
        One past the last observed point of every series.
    length : int
        Points of a row; shorter series are padded.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> rows = Rows(np.arange(10.0).reshape(1, 1, 10), max_length=4)
    >>> len(rows), rows.start.tolist()
    (3, [0, 3, 6])
    >>> values, observed, within = rows.gather(torch.tensor([2]))
    >>> values
    tensor([[[6., 7., 8., 9.]]], dtype=torch.float64)
    """

    def __init__(
        self,
        values: NDArray[np.floating[Any]],
        max_length: int | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.n_channels = values.shape[1]
        self.length = min(values.shape[2], max_length or values.shape[2])
        self.ends, self._complete = _scan(values)
        self.series, self.start = _windows(self.ends, self.length)
        if not self._complete:
            kept = _observed_windows(values, self.series, self.start, self.length)
            self.series, self.start = self.series[kept], self.start[kept]
        ends_in_row = self.ends[self.series] - self.start
        self._padded = bool((ends_in_row < self.length).any())
        self._series, self._start, self._ends = (
            torch.as_tensor(x, device=self.device) for x in (self.series, self.start, ends_in_row)
        )
        self._on_disk = on_disk(values)
        # views of every window there could be; indexing copies only those that are asked for
        self._windows: Any = (
            sliding_window_view(values, self.length, axis=2)
            if self._on_disk
            else torch.tensor(np.ascontiguousarray(values), device=self.device).unfold(
                2, self.length, 1
            )
        )

    def __len__(self) -> int:
        return len(self.series)

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the values of the rows ``index``, which of them exist, and where rows end.

        Parameters
        ----------
        index : Tensor of int64, shape (n_rows,)

        Returns
        -------
        values : Tensor, shape (n_rows, n_channels, length)
            In the dtype of the data; zero where nothing was observed.
        observed : Tensor of bool, the same shape
        within : Tensor of bool, shape (n_rows, length), or None
            False behind the end of the series; None if no series of the panel ends inside a row.
        """
        series, start = self._series[index], self._start[index]
        if self._on_disk:
            values = torch.from_numpy(self._windows[series.numpy(), :, start.numpy()])
            values = values.to(self.device)
        else:
            values = self._windows[series, :, start]
        if self._complete:
            return values, torch.ones_like(values, dtype=torch.bool), None
        observed = ~values.isnan()
        within = None
        if self._padded:
            within = torch.arange(self.length, device=self.device) < self._ends[index][:, None]
        return values.masked_fill(~observed, 0), observed, within


def on_disk(values: NDArray[Any]) -> bool:
    """Whether an array is a memory map or a view of one."""
    base: Any = values
    while base is not None and not isinstance(base, np.memmap):
        base = getattr(base, "base", None)
    return base is not None


def _scan(values: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], bool]:
    """One past the last observed point of every series, and whether nothing is missing."""
    n_series, n_channels, length = values.shape
    ends = np.empty(n_series, np.intp)
    complete = True
    step = max(1, CHUNK // (n_channels * length))
    for i in range(0, n_series, step):
        missing = np.isnan(values[i : i + step])
        observed = ~missing.all(1)
        ends[i : i + step] = (observed * np.arange(1, length + 1)).max(1)
        complete &= not missing.any()
    return ends, complete


def _windows(ends: NDArray[np.intp], length: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Series and start of every window of ``length`` points, covering each series to its end."""
    counts = -(-ends // length)  # none for a series without observed points
    series = np.repeat(np.arange(len(ends)), counts)
    rank = np.arange(len(series)) - np.repeat(counts.cumsum() - counts, counts)
    room = np.maximum(0, ends - length)[series]
    return series, room * rank // np.maximum(1, counts - 1)[series]


def _observed_windows(
    values: NDArray[np.floating[Any]],
    series: NDArray[np.intp],
    start: NDArray[np.intp],
    length: int,
) -> NDArray[np.bool_]:
    """Whether a window has any observed point; a long gap can swallow one."""
    windows = sliding_window_view(values, length, axis=2)
    step = max(1, CHUNK // (values.shape[1] * length))
    chunks = (slice(i, i + step) for i in range(0, len(series), step))
    observed = [~np.isnan(windows[series[c], :, start[c]]).all((1, 2)) for c in chunks]
    return np.concatenate(observed)
