"""`Members`: everything that finds anomalies alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, maximum_filter1d
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from ..filling.mixture import WindowMixture, number_of_components
from ..filling.windows import related_groups

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Embed = Callable[[Floats], Floats]  # of windows in standard units: (n, n_features)
Scalar = TypeVar("Scalar", bound=np.generic)

LONG, SHORT = 48, 16  # points in windows
MOST_LONG, MOST_SHORT = 1_000, 3_000  # windows that are kept
LARGEST = 512  # numbers in short windows, points × channels
N_NEIGHBORS = 6  # neighbouring windows overlap: the first few may be the window itself
MOST_COMPONENTS = 8
NOISE = 0.05  # standard deviations that are nothing, in units of the series'
STILL = 1e-3  # the smallest standard deviation that is told from none
N_PERIODS = 7  # that the scale of what is left of a season is averaged over
MOST_BRIDGED = 4  # points of a gap; a window with a longer one says nothing
EVERY, AT_ONCE = 4, 1_000  # windows that are embedded


@dataclass(frozen=True)
class Windows:
    """What members are made from: windows of series in standard units.

    Attributes
    ----------
    short, long : ndarray, shape (n_windows, n_channels, length)
    period : int
        The season, in points; 0 is none.
    """

    short: Floats
    long: Floats
    period: int

    @classmethod
    def of(cls, series: list[Floats], missing: list[Mask], period: int) -> Windows:
        """Take windows at even distances, none with a long gap if there are others.

        Series, and what of them was bridged, each of shape (n_channels, length).
        """
        n_channels, longest = series[0].shape[0], max(x.shape[1] for x in series)
        long = max(2, min(LONG, longest // 4))
        short = max(2, min(SHORT, longest // 4, LARGEST // n_channels))
        gaps = [_long_gaps(x) for x in missing]
        return cls(
            _spread(series, gaps, short, MOST_SHORT), _spread(series, gaps, long, MOST_LONG), period
        )


class Members:
    """Members by name, all of them made from windows, so that an artifact has to hold these alone.

    "conditional"
        A hidden stretch in the middle of a short window beside what Gaussians over such windows
        expect there, in their standard deviations.
    "neighbors"
        Distance of a long window to the sixth nearest of those that were seen; between their
        embeddings, if there is an encoder.
    "isolation"
        `sklearn.ensemble.IsolationForest` on long windows.
    "stillness"
        How little a channel moves for 16 points.
    "rolling"
        Distance to the mean of the last 96 points, in their standard deviations.
    "season"
        Distance to what nearby periods had at the same phase, over its rolling mean; if there is a
        season.
    """

    def __init__(self, windows: Windows, embed: Embed | None = None) -> None:
        self.windows, self._embed = windows, embed
        n_windows, self.n_channels, _ = windows.short.shape
        self._groups = related_groups(windows.short)
        n_components = number_of_components(n_windows, MOST_COMPONENTS)
        self._mixtures = [
            WindowMixture.fit(_flat(windows.short[:, group]), len(group), n_components)
            for group in self._groups
        ]
        long = _flat(windows.long)
        seen = long if embed is None else embed(windows.long)
        n_neighbors = min(N_NEIGHBORS, len(seen))
        self._neighbors = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(seen)
        self._forest = IsolationForest(random_state=0).fit(long)

    @property
    def names(self) -> list[str]:
        """What the members are called, in their order."""
        always = ["conditional", "neighbors", "isolation", "stillness", "rolling"]
        return always + ["season"] * bool(self.windows.period)

    def scores(self, series: Floats, missing: Mask) -> dict[str, Floats]:
        """Return what every member says of every point.

        Parameters
        ----------
        series : ndarray, shape (n_channels, length)
            In standard units, gaps bridged.
        missing : ndarray of bool, same shape
            What was bridged.

        Returns
        -------
        dict of str to ndarray, shape (n_channels, length) or (1, length)
            Higher is stranger; each channel, and each member, in a unit of its own. Minus infinity
            where a member has nothing to say: in gaps, and where a window has a long one.
        """
        size, length = self.windows.long.shape[2], series.shape[1]
        windows = _all(series, size)
        long_gaps = _long_gaps(missing)
        bridged = _any(long_gaps, size).any(0, keepdims=True)
        visible = pd.DataFrame(np.where(missing, np.nan, series).T)
        of_windows = {
            "neighbors": self._distances(windows)[None],
            "isolation": -self._forest.score_samples(_flat(windows))[None],
        }
        scores = {
            "conditional": self._conditional(series, missing),
            **{
                name: _at_center(np.where(bridged, -np.inf, said), size, length)
                for name, said in of_windows.items()
            },
            "stillness": _stillness(series, long_gaps, self.windows.short.shape[2]),
            "rolling": _rolling(visible),
        }
        if self.windows.period:
            scores["season"] = _season(visible, self.windows.period)
        return {
            name: np.where(missing if len(said) == len(missing) else missing.all(0), -np.inf, said)
            for name, said in scores.items()
        }

    def _distances(self, windows: Floats) -> Floats:
        """Return how far long windows are from those that were seen."""
        if self._embed is None:
            return self._to_nearest(_flat(windows))
        some = windows[::EVERY]
        parts = [
            self._to_nearest(self._embed(some[start : start + AT_ONCE]))
            for start in range(0, len(some), AT_ONCE)
        ]
        return np.repeat(np.concatenate(parts), EVERY)[: len(windows)]

    def _to_nearest(self, rows: Floats) -> Floats:
        """Return the distance to the last of the nearest neighbours."""
        return np.asarray(self._neighbors.kneighbors(rows)[0][:, -1], np.float64)

    def _conditional(self, series: Floats, missing: Mask) -> Floats:
        """Return the deviation of the hidden middle of short windows, by channel."""
        size = self.windows.short.shape[2]
        windows, gaps = _all(series, size), _all(missing, size)
        middle = slice((size - max(1, size // 4)) // 2, (size + max(1, size // 4)) // 2)
        squares = np.empty(windows[:, :, middle].shape)
        for group, mixture in zip(self._groups, self._mixtures, strict=True):
            part, hidden = windows[:, group], gaps[:, group].copy()
            hidden[:, :, middle] = True
            expected = mixture.expected(_flat(part), _flat(hidden))
            deviation = (_flat(part) - expected.mean) ** 2 / np.maximum(expected.variance, 1e-9)
            squares[:, group] = deviation.reshape(part.shape)[:, :, middle]
        there = ~gaps[:, :, middle]
        mean = (squares * there).sum(2) / np.maximum(there.sum(2), 1)
        deviation = np.where(there.any(2), np.sqrt(mean), -np.inf)
        return _at_center(deviation.T, size, series.shape[1])


def _spread(series: list[Floats], gaps: list[Mask], size: int, most: int) -> Floats:
    """Return windows at even distances, at most so many of all series together."""
    clear = [~_any(x, size).any(0) for x in gaps]
    if not any(x.any() for x in clear):
        clear = [np.ones_like(x) for x in clear]
    step = -(-sum(int(x.sum()) for x in clear) // most)
    return np.concatenate(
        [_all(x, size)[np.flatnonzero(kept)[::step]] for x, kept in zip(series, clear, strict=True)]
    )


def _long_gaps(missing: Mask) -> Mask:
    """Return the points of gaps that are too long to be bridged."""
    return np.asarray(binary_opening(missing, np.ones((1, MOST_BRIDGED + 1))), bool)


def _all(series: NDArray[Scalar], size: int) -> NDArray[Scalar]:
    """Return the windows that begin at every point: (n_windows, n_channels, size)."""
    missing = max(0, size - series.shape[1])
    padded = np.pad(series, ((0, 0), (0, missing)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, size, axis=1).swapaxes(0, 1)


def _flat(windows: NDArray[Scalar]) -> NDArray[Scalar]:
    return windows.reshape(len(windows), -1)


def _at_center(scores: Floats, size: int, length: int) -> Floats:
    """Return the scores of windows as those of the points in their middle."""
    before = (size - 1) // 2
    padded = np.pad(scores, ((0, 0), (before, size - 1 - before)), mode="edge")
    return padded[:, :length]


def _any(gaps: Mask, size: int) -> Mask:
    """Return which windows have a gap, by channel: (n_channels, n_windows)."""
    return np.asarray(_all(gaps, size).any(2).T, bool)


def _stillness(series: Floats, gaps: Mask, size: int) -> Floats:
    """Return minus the logarithm of the smallest standard deviation of the windows on a point."""
    still = -np.log(_all(series, size).std(2).T + STILL)
    still = _at_center(np.where(_any(gaps, size), -np.inf, still), size, series.shape[1])
    return np.asarray(maximum_filter1d(still, size - 1, axis=1), np.float64)


def _rolling(frame: pd.DataFrame) -> Floats:
    past = frame.rolling(2 * LONG, min_periods=8)
    mean, std = past.mean().shift(1), past.std().shift(1)
    return ((frame - mean).abs() / (std + NOISE)).fillna(0).to_numpy(np.float64).T


def _season(frame: pd.DataFrame, period: int) -> Floats:
    nearby = np.stack([frame.shift(k * period).to_numpy() for k in (-2, -1, 1, 2)])
    known = ~np.isnan(nearby).all(0)
    expected = np.where(known, np.nanmedian(np.where(known, nearby, 0), 0), frame)
    rest = frame - expected
    level = rest.rolling(period, center=True, min_periods=1).median()
    size = (rest - level).abs()
    scale = size.rolling(N_PERIODS * period, center=True, min_periods=1).mean()
    return (size / (scale + NOISE)).to_numpy(np.float64).T
