"""`GapFiller`: gaps filled by several members, each counted as it did where gaps were made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import subsample
from ..nn.gaps import N_CLASSES
from ..training.weights import FEWEST_POINTS, weights_by_class
from .made_gaps import STRETCH, distance_classes, made_gaps
from .members import Choices, Members, Rebuild
from .neighbors import FEWEST_SERIES
from .simple import within
from .windows import LENGTHS

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]

MOST_WINDOWS = 10_000  # that a mixture is learned from
MOST_IN_TRIAL = 3_000  # where only weights are learned
PRIOR = 0.8  # weight of the windows where nothing is known; others share the rest
MOST_POINTS = 6_000  # of series with made gaps
FEWEST_STRETCHES = 32  # with made gaps: series that are few get others again
_REPEATED = 10  # hidden points whose errors count as one


@dataclass(frozen=True)
class Filled:
    """A panel without gaps.

    Attributes
    ----------
    values : ndarray, shape (n_series, n_channels, length)
        NaN behind the end of a series.
    std : ndarray, same shape
        Standard deviation of what was filled in, 0 where a value was observed.
    """

    values: Floats
    std: Floats


class GapFiller:
    """Members, their weights, and how wrong they are.

    Parameters
    ----------
    members : Members
    weights : ndarray, shape (n_members, n_classes)
        By distance to the next observed point.
    calibration : ndarray, shape (n_classes,)
        Squared errors over what the windows expected them to be.
    """

    def __init__(self, members: Members, weights: Floats, calibration: Floats) -> None:
        self.members, self.weights, self.calibration = members, weights, calibration

    @classmethod
    def fit(cls, values: Floats, lengths: Lengths, rebuild: Rebuild | None) -> GapFiller:
        """Learn from series; weights from gaps that are made in a quarter that members do not see.

        Parameters
        ----------
        values : ndarray, shape (n_series, n_channels, length)
            NaN in gaps, and behind the end of a series.
        lengths : ndarray of int, shape (n_series,)
        rebuild : callable or None
            What an encoder makes of such a panel.
        """
        split = _split(values, lengths)
        longest = int((lengths if split is None else split[1]).max())
        choices = Choices.of(values, lengths, longest)
        members = Members.fit(values, lengths, choices, rebuild, MOST_WINDOWS)
        if split is None:
            return cls(members, np.tile(_prior(members)[:, None], N_CLASSES), np.ones(N_CLASSES))
        rest, rest_lengths, part, part_lengths = split
        trial = Members.fit(rest, rest_lengths, choices, rebuild, MOST_IN_TRIAL)
        return cls(members, *_learned(trial, part, part_lengths))

    def fill(self, values: Floats, lengths: Lengths) -> Filled:
        """Fill the gaps of series, given as to `fit`."""
        hidden = np.isnan(values) & within(values, lengths)
        if not hidden.any():
            return Filled(values, np.zeros_like(values))
        estimates, variance = self.members.estimates(values, lengths)
        kind = distance_classes(values)
        mean = np.einsum("m...,m...->...", self.weights[:, kind], np.stack(estimates))
        std = np.sqrt(variance * self.calibration[kind])
        mean, std = self.members.choices.units.given(mean, std)
        return Filled(np.where(hidden, mean, values), np.where(hidden, std, 0.0))


def _split(values: Floats, lengths: Lengths) -> tuple[Floats, Lengths, Floats, Lengths] | None:
    """Return series to learn from and series to make gaps in: others, or later parts."""
    if len(values) >= FEWEST_SERIES:
        late = np.arange(len(values)) % 4 == 3
        kept = subsample(np.flatnonzero(late), max(1, MOST_POINTS // values.shape[2]))
        return values[~late], lengths[~late], values[kept], lengths[kept]
    cut = int(0.75 * lengths.min())
    if cut < 3 * LENGTHS[0]:
        return None
    part = values[:, :, cut : cut + max(STRETCH, MOST_POINTS // len(values))]
    return (
        values[:, :, :cut],
        np.minimum(lengths, cut),
        part,
        np.minimum(lengths - cut, part.shape[2]),
    )


def _learned(members: Members, values: Floats, lengths: Lengths) -> tuple[Floats, Floats]:
    """Return weights and calibration by class, from gaps that are made."""
    n_stretches = len(values) * max(1, values.shape[2] // (2 * STRETCH))
    repeats = -(-FEWEST_STRETCHES // n_stretches)
    values, lengths = np.tile(values, (repeats, 1, 1)), np.tile(lengths, repeats)
    hidden = made_gaps(values.shape) & ~np.isnan(values)
    seen = np.where(hidden, np.nan, values)
    estimates, variance = members.estimates(seen, lengths)
    kind = distance_classes(seen)
    standard = members.choices.units.standard(values)
    prior = torch.from_numpy(_prior(members))
    errors = np.stack([(estimate - standard)[hidden] for estimate in estimates])
    weights = weights_by_class(
        torch.from_numpy(errors), torch.from_numpy(kind[hidden]), N_CLASSES, prior, _REPEATED
    ).numpy()
    calibration: list[float] = []
    for number in range(N_CLASSES):
        at = kind[hidden] == number
        if at.sum() < FEWEST_POINTS and calibration:
            calibration.append(calibration[-1])
            continue
        expected = max(float(variance[hidden][at].mean()), 1e-9) if at.any() else 1.0
        squared = float(((weights[:, number] @ errors[:, at]) ** 2).mean()) if at.any() else 1.0
        calibration.append(squared / expected)
    return weights, np.asarray(calibration)


def _prior(members: Members) -> Floats:
    others = len(members.names) - 1
    return np.array([PRIOR] + [(1 - PRIOR) / others] * others)
