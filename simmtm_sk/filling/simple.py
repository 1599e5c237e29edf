"""What fills gaps without having learned anything but a season."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..nn.normalization import interpolated

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

_NEAR_PERIODS, _N_ROUNDS = 3, 5


def straight_lines(standard: Floats, lengths: Lengths) -> Floats:
    """Return straight lines in gaps, the next value at the ends; zeros where nothing is known."""
    observed = ~np.isnan(standard)
    filled = interpolated(torch.from_numpy(np.nan_to_num(standard)), torch.from_numpy(observed))
    straight: Floats = filled.numpy() * within(standard, lengths)
    return straight


def seasonal(standard: Floats, straight: Floats, period: int) -> Floats:
    """Return the trend over a period plus what nearby periods had at the same phase.

    NaN where no nearby period was observed. The trend is a running mean of the series with its
    gaps filled, at first by straight lines, then by what came out the last time.
    """
    if standard.shape[2] <= period:
        return np.full_like(straight, np.nan)
    filled = straight
    for _ in range(_N_ROUNDS):
        trend = _running_mean(filled, period)
        season, known = _nearby_periods(standard - trend, period)
        filled = np.where(known, trend + season, straight)
        filled = np.where(np.isnan(standard), filled, standard)
    return np.where(known, filled, np.nan)


def _running_mean(values: Floats, period: int) -> Floats:
    before = period // 2
    padded = np.pad(values, ((0, 0), (0, 0), (before + 1, period - before - 1)), mode="edge")
    padded[:, :, 0] = 0
    sums = np.cumsum(padded, axis=2)
    mean: Floats = (sums[:, :, period:] - sums[:, :, :-period]) / period
    return mean


def _nearby_periods(rest: Floats, period: int) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the mean of what was observed some periods away, nearer ones first, if anything."""
    total, weight = np.zeros_like(rest), np.zeros_like(rest)
    for k in range(1, min(_NEAR_PERIODS, (rest.shape[2] - 1) // period) + 1):
        early, late = slice(None, -k * period), slice(k * period, None)
        for target, source in ((late, early), (early, late)):
            observed = ~np.isnan(rest[:, :, source])
            total[:, :, target] += np.where(observed, rest[:, :, source], 0) / k
            weight[:, :, target] += observed / k
    return total / np.where(weight > 0, weight, 1), weight > 0


def within(values: Floats, lengths: Lengths) -> Any:
    """Return which points are no padding: (n_series, 1, length)."""
    return (np.arange(values.shape[2]) < lengths[:, None])[:, None]
