"""Units that channels are filled in."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Units:
    """Standard units of channels, of the logarithm where values are positive and skewed.

    Attributes
    ----------
    center, std : ndarray, shape (n_channels,)
    smallest : ndarray, shape (n_channels,)
        The smallest value that has a logarithm; 0 where none is taken.
    """

    center: Floats
    std: Floats
    smallest: Floats

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the attributes."""
        return [field.name for field in fields(cls)]

    @classmethod
    def of(cls, values: Floats) -> Units:
        """Choose them for a panel."""
        smallest = np.nanmin(values, (0, 2))
        positive = smallest > 0
        logs = np.log(np.where(positive, values.swapaxes(1, 2), 1.0)).swapaxes(1, 2)
        skewed = _skewness(values)
        taken = positive & (skewed > 0) & (np.abs(_skewness(logs)) < skewed)
        scaled = np.where(taken[:, None], logs, values)
        center, std = np.nanmean(scaled, (0, 2)), np.nanstd(scaled, (0, 2))
        unit = np.where(std > 1e-12 * np.abs(center), std, 1.0)
        return cls(center, unit, np.where(taken, smallest, 0.0))

    def standard(self, values: Floats) -> Floats:
        """Return values of a panel in these units."""
        smallest = self.smallest[:, None]
        taken = smallest > 0
        logs = np.log(np.maximum(np.where(taken, values, 1.0), np.where(taken, smallest, 1.0)))
        return (np.where(taken, logs, values) - self.center[:, None]) / self.std[:, None]

    def given(self, standard: Floats, std: Floats) -> tuple[Floats, Floats]:
        """Undo `standard` for values and their standard deviations."""
        values = standard * self.std[:, None] + self.center[:, None]
        taken = self.smallest[:, None] > 0
        powers = np.exp(np.where(taken, values, 0.0))
        return np.where(taken, powers, values), std * self.std[:, None] * powers


def _skewness(values: Floats) -> Floats:
    """Return that of every channel of a panel, 0 where it does not vary."""
    rest = values - np.nanmean(values, (0, 2))[:, None]
    spread = np.nanmean(rest**2, (0, 2))
    third = np.nanmean(rest**3, (0, 2))
    return np.where(spread > 0, third / np.where(spread > 0, spread, 1) ** 1.5, 0)
