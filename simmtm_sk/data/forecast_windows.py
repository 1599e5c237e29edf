"""Windows: contexts of series and what follows them, gathered by index and never copied whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Index = NDArray[np.intp]


class ForecastWindows:
    """Pairs of a context and the values that follow it, one pair for every origin of every series.

    An origin is the number of points that lie before the forecast: the context of origin t ends
    with point t - 1, its targets begin with point t. A series ends with its last observed value.
    One that is too short for a whole pair has one with a shorter context, filled up in front with
    missing values.

    Parameters
    ----------
    series : sequence of ndarray, each (length,)
        NaN = missing; of any lengths.
    context_length, horizon : int
        Points of a context, and of its targets.
    device : torch.device, default=cpu
        Where tensors are returned.

    Attributes
    ----------
    series, origin : ndarray of int, shape (n_windows,)
        Which series each pair is from, and where its forecast begins; series by series, in time.
    lengths : ndarray of int, shape (n_series,)
    content : Tensor, shape (n,)
        All series, one after the other with gaps between them.

    Examples
    --------
    >>> import numpy as np
    >>> windows = ForecastWindows([np.arange(6.0), np.arange(3.0)], context_length=3, horizon=2)
    >>> list(zip(windows.series.tolist(), windows.origin.tolist()))
    [(0, 3), (0, 4), (1, 1)]
    >>> windows.contexts(windows.series, windows.origin).tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [nan, nan, 0.0]]
    >>> windows.targets(windows.series, windows.origin).tolist()
    [[3.0, 4.0], [4.0, 5.0], [1.0, 2.0]]
    """

    def __init__(
        self,
        series: Sequence[NDArray[np.floating[Any]]],
        context_length: int,
        horizon: int,
        device: torch.device | None = None,
    ) -> None:
        self.context_length, self.horizon = context_length, horizon
        self.device = device or torch.device("cpu")
        self.lengths = np.array([len(x) for x in series])
        before, behind = np.full(context_length, np.nan), np.full(horizon, np.nan)
        padded = [part for x in series for part in (before, x, behind)]
        flat = torch.as_tensor(np.concatenate(padded).astype(np.float64), device=self.device)
        self.content = flat
        self._contexts = flat.unfold(0, context_length, 1)
        self._targets = flat.unfold(0, horizon, 1)
        self._offset = np.r_[0, np.cumsum(self.lengths + context_length + horizon)[:-1]]
        self._ends = np.array([observed_length(x) for x in series])
        last = np.maximum(self._ends - horizon, 1)
        first = np.minimum(context_length, last)
        counts = last - first + 1
        self.series = np.repeat(np.arange(len(series)), counts)
        rank = np.arange(len(self.series)) - np.repeat(counts.cumsum() - counts, counts)
        self.origin = first[self.series] + rank

    def __len__(self) -> int:
        return len(self.series)

    def contexts(self, series: Index, origin: Index) -> Tensor:
        """Return the points before each origin: (n, context_length), NaN where there are none."""
        return self._contexts[torch.as_tensor(self._offset[series] + origin, device=self.device)]

    def targets(self, series: Index, origin: Index) -> Tensor:
        """Return the points from each origin on: (n, horizon), NaN where there are none."""
        start = self._offset[series] + self.context_length + origin
        return self._targets[torch.as_tensor(start, device=self.device)]

    def split(self, fraction: float) -> tuple[Index, Index]:
        """Hold out the last part of every series.

        Returns
        -------
        train, held_out : ndarray of int
            Numbers of windows. All targets of ``train`` lie before all targets of ``held_out`` in
            their series; windows between the two are left out. ``held_out`` is empty, and
            everything in ``train``, if either would be empty.
        """
        boundary = np.array([training_length(end, fraction) for end in self._ends])[self.series]
        # a series of a single point has a window without targets
        held_out = np.flatnonzero(
            (self.origin >= boundary) & (self.origin < self._ends[self.series])
        )
        train = np.flatnonzero(self.origin + self.horizon <= boundary)
        if not len(train) or not len(held_out):
            return np.arange(len(self)), held_out[:0]
        return train, held_out


def observed_length(series: NDArray[np.floating[Any]]) -> int:
    """Return the length up to the last observed value; the whole length if there is none.

    Examples
    --------
    >>> import numpy as np
    >>> observed_length(np.array([1.0, np.nan, 2.0, np.nan]))
    3
    """
    observed = np.flatnonzero(~np.isnan(series))
    return int(observed[-1]) + 1 if len(observed) else len(series)


def training_length(length: int, fraction: float) -> int:
    """Return how many points lie before the held-out part of a series."""
    return length - int(fraction * length)


def subsample(index: Index, most: int) -> Index:
    """Return at most ``most`` entries, evenly spaced.

    Examples
    --------
    >>> import numpy as np
    >>> subsample(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(index) <= most:
        return index
    kept: Index = index[np.linspace(0, len(index) - 1, most).round().astype(int)]
    return kept
