"""`AnomalyScorer`: what members say of points, in one unit, and averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import subsample
from ..filling.simple import straight_lines
from ..filling.units import Units
from ..persistence import StateReader, TensorReader
from ..training.seasons import LONGEST_PERIOD, find_periods
from .members import Embed, Members, Windows

Floats = NDArray[np.float64]
Encoder = Callable[[NDArray[np.float32]], Floats]  # of windows in the units of the series

MOST_SURPRISE = 8.0  # nats: one stretch in three thousand
STRETCH = 24  # points: what comes in one of them counts once
MOST_POINTS = 100_000  # of a panel, that tails and thresholds are taken from: some of its series
FEWEST_HELD_OUT = 96  # points of the longest series, for scores of held-out halves
_NEVER = 1e300
_QUANTILES = (0.5, 0.75)  # that the tail goes through: anomalies are in fewer than a quarter


@dataclass(frozen=True)
class Tail:
    """An exponential tail of the largest scores of stretches, through two of their quantiles.

    Stretches, not points: where scores are often large for a moment, as in rough series, a large
    one is nothing; one long anomaly among the stretches does not make itself normal.

    Attributes
    ----------
    start, scale : ndarray, shape (n_columns,)
        The median, and what a score grows by where e times fewer stretches are beyond it.
    """

    start: Floats
    scale: Floats

    @classmethod
    def of(cls, series: list[Floats]) -> Tail:
        """Fit to the scores of series, each of shape (n_columns, length)."""
        largest = [
            np.maximum.reduceat(x, np.arange(0, x.shape[1], STRETCH), axis=1) for x in series
        ]
        start, high = np.transpose([_quantiles(row) for row in np.concatenate(largest, axis=1)])
        rarer = np.log((1 - _QUANTILES[0]) / (1 - _QUANTILES[1]))
        return cls(start, np.maximum((high - start) / rarer, 1e-6))

    def surprise(self, scores: Floats) -> Floats:
        """Return minus the logarithm of the share of stretches that have a score as high.

        Below the median it goes to zero smoothly.
        """
        nats = -np.log(1 - _QUANTILES[0]) + (scores - self.start[:, None]) / self.scale[:, None]
        return np.asarray(np.minimum(np.logaddexp(0, nats), MOST_SURPRISE), np.float64)


def _quantiles(largest: Floats) -> Floats:
    """Return the quantiles of what has been said; where nothing was, nothing will be strange."""
    said = largest[largest > -np.inf]
    return np.quantile(said, _QUANTILES) if len(said) else np.full(2, _NEVER)


class AnomalyScorer:
    """Members, and their tails.

    Parameters
    ----------
    units : Units
    members : Members
    tails : dict of str to Tail
        By member.
    """

    def __init__(self, units: Units, members: Members, tails: dict[str, Tail]) -> None:
        self.units, self.members, self.tails = units, members, tails

    @classmethod
    def fit(cls, series: list[Floats], encoder: Encoder | None = None) -> AnomalyScorer:
        """Learn from series, each of shape (n_channels, length); NaN in gaps."""
        longest = max(x.shape[1] for x in series)
        lengths = np.array([x.shape[1] for x in series])
        panel = np.full((len(series), series[0].shape[0], longest), np.nan)
        for row, x in zip(panel, series, strict=True):
            row[:, : x.shape[1]] = x
        units = Units.of(panel)
        straight = straight_lines(units.standard(panel), lengths)
        periods = find_periods(torch.from_numpy(straight[:, 0]), torch.from_numpy(lengths))
        given = [x[:, :length] for x, length in zip(straight, lengths, strict=True)]
        missing = [np.isnan(x) for x in series]
        windows = Windows.of(given, missing, periods[0] if periods else 0)
        members = Members(windows, _embedding(units, encoder))
        scores = [members.scores(given[row], missing[row]) for row in _some(given)]
        tails = {name: Tail.of([x[name] for x in scores]) for name in members.names}
        return cls(units, members, tails)

    def normal_scores(self, series: list[Floats], encoder: Encoder | None = None) -> Floats:
        """Return the scores of the series of `fit`, halves by what the other halves teach.

        Points that were learned from score lower than new ones. Where halves are too short, or one
        has no values, there are only those.
        """
        halves = [np.array_split(x, 2, axis=1) for x in series]
        known = all(any(np.isfinite(pair[k]).any() for pair in halves) for k in (0, 1))
        if max(x.shape[1] for x in series) < FEWEST_HELD_OUT or not known:
            return np.concatenate([self.score(x) for x in series])
        scores = []
        for seen, unseen in ((0, 1), (1, 0)):
            scorer = self.fit([pair[seen] for pair in halves], encoder)
            scores += [scorer.score(halves[row][unseen]) for row in _some(series)]
        return np.concatenate(scores)

    def by_member(self, series: Floats) -> dict[str, Floats]:
        """Return the surprise of every point in its strangest channel, in nats, by member.

        Parameters
        ----------
        series : ndarray, shape (n_channels, length)
            NaN in gaps.
        """
        standard = self.units.standard(series[None])
        straight = straight_lines(standard, np.array([series.shape[1]]))[0]
        scores = self.members.scores(straight, np.isnan(series))
        return {name: tail.surprise(scores[name]).max(0) for name, tail in self.tails.items()}

    def score(self, series: Floats) -> Floats:
        """Return the root mean square of the members' surprise, shape (length,)."""
        squares = np.stack(list(self.by_member(series).values())) ** 2
        return np.asarray(np.sqrt(squares.mean(0)), np.float64)


def _embedding(units: Units, encoder: Encoder | None) -> Embed | None:
    """Return what embeds windows in standard units; an encoder knows those of the series."""
    if encoder is None:
        return None

    def embed(windows: Floats) -> Floats:
        values, _ = units.given(windows, np.zeros_like(windows))
        return encoder(values.astype(np.float32))

    return embed


def _some(series: list[Floats]) -> NDArray[np.int64]:
    """Return which of the series to score for tails and thresholds."""
    longest = max(x.shape[1] for x in series)
    return subsample(np.arange(len(series)), max(1, MOST_POINTS // longest))


def saved_scorer(scorer: AnomalyScorer) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return what can be JSON, and arrays."""
    windows = scorer.members.windows
    arrays = {"short": windows.short, "long": windows.long}
    arrays |= {f"units.{name}": value for name, value in vars(scorer.units).items()}
    for name, tail in scorer.tails.items():
        arrays |= {f"tails.{name}.start": tail.start, f"tails.{name}.scale": tail.scale}
    return {"period": windows.period}, arrays


def restored_scorer(
    state: StateReader, tensors: TensorReader, n_channels: int, encoder: Encoder | None = None
) -> AnomalyScorer:
    """Undo `saved_scorer`: members are made from the same windows again."""
    period = state.integer("period", 0, 2 * LONGEST_PERIOD)  # refined: a bit longer
    state.finish()
    short, long = (
        tensors.take(name, (None, n_channels, None)).numpy() for name in ("short", "long")
    )
    units = tensors.under("units.")
    restored = Units(**{name: units.take(name, (n_channels,)).numpy() for name in Units.names()})
    members = Members(Windows(short, long, period), _embedding(restored, encoder))
    tails = {}
    for name in members.names:
        own = tensors.under(f"tails.{name}.")
        n_columns = 1 if name in ("neighbors", "isolation") else n_channels
        start, scale = (own.take(part, (n_columns,)).numpy() for part in ("start", "scale"))
        tails[name] = Tail(start, scale)
    return AnomalyScorer(restored, members, tails)
