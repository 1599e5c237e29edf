"""What a forecast is learned from: windows, normalised, with targets and weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.forecast_windows import ForecastWindows, Index
from ..nn.forecast import Normalized, normalized
from ..nn.normalization import interpolated

N_BLOCKS = 4  # parts of the held-out time that have to agree on a choice
_BATCH = 2_048
_LEAST_SCALE = 0.1  # of a context, in units of its series' standard deviation


@dataclass(frozen=True)
class Task:
    """Windows to learn from.

    Attributes
    ----------
    windows : ForecastWindows
    series_std : ndarray, shape (n_series,)
        Unit in which errors of each series count.
    train, held_out : ndarray of int
        Numbers of windows. ``held_out`` is empty where there are too few.
    """

    windows: ForecastWindows
    series_std: NDArray[np.float64]
    train: Index
    held_out: Index

    def batch(self, index: Index, normalization: str) -> Batch:
        """Gather windows and normalise them."""
        series, origin = self.windows.series[index], self.windows.origin[index]
        target = self.windows.targets(series, origin)
        context = normalized(self.windows.contexts(series, origin), normalization)
        unit = context.scale.masked_fill(context.scale == 0, 1)
        observed = ~target.isnan() & (context.scale > 0)
        relative = (
            context.scale / torch.as_tensor(self.series_std[series], device=target.device)[:, None]
        )
        return Batch(context, (target - context.center) / unit, observed, relative)

    def batches(self, index: Index, normalization: str) -> Iterator[Batch]:
        """Gather windows batch by batch."""
        for start in range(0, len(index), _BATCH):
            yield self.batch(index[start : start + _BATCH], normalization)

    def blocks(self, index: Index) -> list[Index]:
        """Split windows by the time of their origin into `N_BLOCKS` parts; empty ones are left out.

        Each series is split by its own time.
        """
        first = np.full(len(self.series_std), np.iinfo(np.intp).max)
        last = np.zeros(len(self.series_std), np.intp)
        series, origin = self.windows.series[index], self.windows.origin[index]
        np.minimum.at(first, series, origin)
        np.maximum.at(last, series, origin)
        share = (origin - first[series]) / (last - first + 1)[series]
        block = np.floor(N_BLOCKS * share)
        return [index[block == i] for i in range(N_BLOCKS) if (block == i).any()]


@dataclass(frozen=True)
class Batch:
    """Contexts and what follows them.

    Attributes
    ----------
    context : Normalized
    target : Tensor, shape (n, horizon)
        Normalised like the context.
    observed : Tensor of bool, the same shape
        False where a target is missing, or its context constant, hence without a unit.
    relative : Tensor, shape (n, 1)
        Scale of the context in units of its series.
    """

    context: Normalized
    target: Tensor
    observed: Tensor
    relative: Tensor

    def weight(self, normalization: str) -> Tensor:
        """How much the squared error of each window counts in training: (n,).

        "last" and "mean" minimise the error in the unit of the series, "standard" in that of the
        context, unless that is so small that noise would be all that counted.
        """
        if normalization == "standard":
            return (self.relative / _LEAST_SCALE).clamp(max=1).square()[:, 0]
        return self.relative.square()[:, 0]

    def filled_target(self) -> Tensor:
        """Targets with gaps interpolated; zero where the context is constant."""
        if bool(self.observed.all()):
            return self.target
        last = self.context.window[:, -1:]
        known = torch.cat([torch.ones_like(last, dtype=torch.bool), self.observed], 1)
        filled = interpolated(torch.cat([last, self.target], 1), known)
        return filled[:, 1:].masked_fill(self.relative == 0, 0)
