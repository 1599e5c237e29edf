"""Mixtures of Gaussians over the windows of series: fitted, and asked about gaps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..data.forecast_windows import subsample
from .mixture import WindowMixture, number_of_components

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

LENGTHS = (12, 24, 48)  # points
LARGEST = 512  # numbers in a window: points × channels
MOST_CHANNELS = 21  # in one group
MOST_COMPONENTS = 16
N_REFITS = 3  # of a Gaussian to windows that have gaps themselves
_AT_ONCE = 20_000  # windows
_MOST_POINTS = 10_000  # that channels are compared at


def related_groups(straight: Floats) -> list[NDArray[np.intp]]:
    """Return channels in groups of related ones, as even as can be."""
    n_channels = straight.shape[1]
    n_groups = -(-n_channels // MOST_CHANNELS)
    if n_groups == 1:
        return [np.arange(n_channels)]
    points = straight.swapaxes(0, 1).reshape(n_channels, -1)
    points = points[:, subsample(np.arange(points.shape[1]), _MOST_POINTS)]
    related = np.abs(np.nan_to_num(np.corrcoef(points)))
    left, groups = np.arange(n_channels), []
    for number in range(n_groups):
        size = -(-len(left) // (n_groups - number))
        first = left[related[np.ix_(left, left)].sum(1).argmax()]
        chosen = left[np.argsort(-related[first, left], kind="stable")[:size]]
        groups.append(np.sort(chosen))
        left = np.setdiff1d(left, chosen)
    return groups


def window_lengths(longest: int, n_channels: int) -> list[int]:
    """Return the lengths of windows that series and their channels allow."""
    fitting = [x for x in LENGTHS if x <= longest and x * n_channels <= LARGEST]
    return fitting or [max(1, min(longest, LENGTHS[0], LARGEST // n_channels))]


def fit_windows(
    standard: Floats, straight: Floats, lengths: Lengths, length: int, most: int
) -> WindowMixture:
    """Fit a mixture to windows of the series, complete ones where there are enough."""
    n_channels = standard.shape[1]
    latest = lengths - length
    series = np.repeat(np.arange(len(lengths)), np.maximum(latest + 1, 0))
    first = np.cumsum(np.maximum(latest + 1, 0)) - np.maximum(latest + 1, 0)
    starts = np.arange(len(series)) - first[series]
    gaps = np.pad(np.cumsum(np.isnan(standard).sum(1), 1), ((0, 0), (1, 0)))
    n_gaps = gaps[series, starts + length] - gaps[series, starts]
    complete = np.flatnonzero(n_gaps == 0)
    if len(complete) >= min(most, len(series) // 2):
        chosen = subsample(complete, most)
    else:
        order = np.argsort(n_gaps, kind="stable")
        fewest = order[: max(most, len(order) // 2)]
        chosen = subsample(np.sort(fewest), most)
    at = starts[chosen, None, None] + np.arange(length)
    where = (series[chosen, None, None], np.arange(n_channels)[:, None], at)
    windows = straight[where].reshape(len(chosen), -1)
    hidden = np.isnan(standard[where]).reshape(windows.shape)
    if hidden.any():
        for _ in range(N_REFITS):
            windows = WindowMixture.fit(windows, n_channels, 1).expected(windows, hidden).mean
    n_components = number_of_components(len(windows), MOST_COMPONENTS)
    return WindowMixture.fit(windows, n_channels, n_components)


def by_windows(
    standard: Floats, lengths: Lengths, mixtures: dict[int, WindowMixture]
) -> tuple[Floats, Floats]:
    """Return mean and variance by all windows over a gap, each by its precision and its place."""
    n_channels = standard.shape[1]
    total, precision, hats = (np.zeros_like(standard) for _ in range(3))
    for length, mixture in mixtures.items():
        series, starts = _windows_with_gaps(standard, lengths, length)
        hat = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)).astype(float)
        at = starts[:, None] + np.arange(length)
        inside = at < standard.shape[2]
        at = np.minimum(at, standard.shape[2] - 1)
        for rows in np.array_split(np.arange(len(starts)), len(starts) // _AT_ONCE + 1):
            where = (series[rows, None, None], np.arange(n_channels)[:, None], at[rows, None])
            windows = np.where(inside[rows, None], standard[where], np.nan)
            flat = windows.reshape(len(rows), -1)
            expected = mixture.expected(flat, np.isnan(flat))
            variance = expected.variance.reshape(windows.shape)
            weight = np.where(np.isnan(windows) & inside[rows, None], hat, 0)
            sure = weight / np.maximum(variance, 1e-6)
            np.add.at(total, where, sure * expected.mean.reshape(windows.shape))
            np.add.at(precision, where, sure)
            np.add.at(hats, where, weight)
    known = precision > 0
    precision = np.where(known, precision, 1)
    return np.where(known, total / precision, np.nan_to_num(standard)), hats / precision


def _windows_with_gaps(
    standard: Floats, lengths: Lengths, length: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return series and start of overlapping windows that cover all gaps."""
    starts = np.arange(0, max(1, standard.shape[2]), max(1, length // 3))
    latest = np.maximum(lengths - length, 0)
    allowed = np.minimum(starts, latest[:, None])  # the last ones end with the series
    gap = np.isnan(standard).any(1) & (np.arange(standard.shape[2]) < lengths[:, None])
    before = np.pad(np.cumsum(gap, 1), ((0, 0), (1, 0)))
    ends = np.minimum(allowed + length, standard.shape[2])
    has_gap = np.take_along_axis(before, ends, 1) > np.take_along_axis(before, allowed, 1)
    has_gap &= np.diff(allowed, axis=1, prepend=-1) > 0
    series, number = np.nonzero(has_gap)
    return series, allowed[series, number]
