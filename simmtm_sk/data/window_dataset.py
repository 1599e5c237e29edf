"""The windows of a panel that a network sees, gathered by index and never copied whole."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .panel import MappedPanel, Panel, chunks, windows


class RowSource(Protocol):
    """What pre-training takes its rows from; `WindowDataset` is the one of the package.

    Attributes
    ----------
    device : torch.device
        Where `gather` returns its tensors.
    """

    device: torch.device

    def __len__(self) -> int:
        """Return the number of rows."""

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return the values of rows, which of them exist, and where rows end.

        As `WindowDataset.gather`.
        """


class WindowDataset:
    """The windows of a panel: all of a series, or as many windows as it takes to cover it.

    A series longer than ``max_length`` is cut into the fewest windows that cover it, evenly
    spaced. A series ends at its last observed value; windows without any are left out.

    Parameters
    ----------
    values : ndarray or MappedPanel, shape (n_series, n_channels, length)
        As `panel_values` returns it, NaN = missing. A `MappedPanel` is read batch by batch; an
        array is moved to ``device`` once, and on the CPU looked at where it is.
    max_length : int or None, default=None
        Longest window; None never cuts.
    device : torch.device, default=cpu
        Where `gather` returns its tensors.
    ends : ndarray of int, shape (n_series,), or None, default=None
        Where series end, if not with their own last observed value: channels that are rows of their
        own end with their series.

    Attributes
    ----------
    series, start : ndarray of int, shape (n_rows,)
        The series each row was cut from, and where.
    ends : ndarray of int, shape (n_series,)
        One past the last observed point of every series.
    length : int
        Points of a row; shorter series are padded.
    complete : bool
        Whether nothing is missing in the panel, nor padded.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> rows = WindowDataset(np.arange(10.0).reshape(1, 1, 10), max_length=4)
    >>> len(rows), rows.start.tolist()
    (3, [0, 3, 6])
    >>> values, observed, within = rows.gather(torch.tensor([2]))
    >>> values
    tensor([[[6., 7., 8., 9.]]], dtype=torch.float64)
    """

    def __init__(
        self,
        values: Panel,
        max_length: int | None = None,
        device: torch.device | None = None,
        ends: NDArray[np.intp] | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.n_channels = values.shape[1]
        self.length = min(values.shape[2], max_length or values.shape[2])
        self.ends, self.complete = _scan(values)
        if ends is not None:
            self.ends, self.complete = ends, self.complete and bool((ends == self.ends).all())
        self.series, self.start = _windows(self.ends, self.length)
        if not self.complete:
            kept = _observed_windows(values, self.series, self.start, self.length)
            self.series, self.start = self.series[kept], self.start[kept]
        ends_in_row = self.ends[self.series] - self.start
        self._padded = bool((ends_in_row < self.length).any())
        self._ends = torch.as_tensor(ends_in_row, device=self.device)
        self._mapped = values if isinstance(values, MappedPanel) else None
        if self._mapped is None:
            self._series = torch.as_tensor(self.series, device=self.device)
            self._start = torch.as_tensor(self.start, device=self.device)
            array = np.ascontiguousarray(values)
            # torch has no tensors that must not be written to, and warns
            panel = torch.from_numpy(array if array.flags.writeable else array.copy())
            # views of every window there could be; indexing copies only those that are asked for
            self._windows = panel.to(self.device).unfold(2, self.length, 1)

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
        if self._mapped is None:
            values = self._windows[self._series[index], :, self._start[index]]
        else:
            read = index.cpu().numpy()
            values = torch.from_numpy(
                windows(self._mapped, self.series[read], self.start[read], self.length)
            ).to(self.device)
        if self.complete:
            return values, torch.ones_like(values, dtype=torch.bool), None
        observed = ~values.isnan()
        within = None
        if self._padded:
            within = torch.arange(self.length, device=self.device) < self._ends[index][:, None]
        return values.masked_fill(~observed, 0), observed, within


def series_ends(values: Panel) -> NDArray[np.intp]:
    """Return one past the last observed point of every series, in any of its channels.

    Examples
    --------
    >>> series_ends(np.array([[[1.0, np.nan, np.nan], [1.0, 2.0, np.nan]]])).tolist()
    [2]
    """
    return _scan(values)[0]


def _scan(values: Panel) -> tuple[NDArray[np.intp], bool]:
    """One past the last observed point of every series, and whether nothing is missing."""
    n_series, n_channels, length = values.shape
    ends = np.full(n_series, length, np.intp)
    complete = True
    for part in chunks(n_series, n_channels * length):
        missing = np.isnan(values[part])
        if missing.any():
            observed = ~missing.all(1)
            ends[part] = (observed * np.arange(1, length + 1)).max(1)
            complete = False
    return ends, complete


def _windows(ends: NDArray[np.intp], length: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Series and start of every window of ``length`` points, covering each series to its end."""
    counts = -(-ends // length)  # none for a series without observed points
    series = np.repeat(np.arange(len(ends)), counts)
    rank = np.arange(len(series)) - np.repeat(counts.cumsum() - counts, counts)
    room = np.maximum(0, ends - length)[series]
    return series, room * rank // np.maximum(1, counts - 1)[series]


def _observed_windows(
    values: Panel,
    series: NDArray[np.intp],
    start: NDArray[np.intp],
    length: int,
) -> NDArray[np.bool_]:
    """Whether a window has any observed point; a long gap can swallow one."""
    observed = [
        ~np.isnan(windows(values, series[part], start[part], length)).all((1, 2))
        for part in chunks(len(series), values.shape[1] * length)
    ]
    return np.concatenate(observed)
