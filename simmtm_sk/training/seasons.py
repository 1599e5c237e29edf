"""Which periods series have."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_SEASON = 0.1  # by how much points of the same phase must be more alike than others
LONGEST_PERIOD = 2_048
FEWEST_PERIODS = 3  # that a period must be seen to come again,
FEWEST_MULTIPLES = 2  # and a multiple of the season
_SERIES_AT_ONCE = 1_024
_SHARE_OF_BEST = 0.7  # of the best period's score, that makes a shorter one the season
_MULTIPLE_GAINS = 0.05  # in score, that a multiple of the season must have to count beside it


def find_periods(values: Tensor, lengths: Tensor) -> list[int]:
    """Return the periods of a season that series have in common: none, one, or one and a multiple.

    A period counts by how much more alike points a few periods apart are than points at all other
    distances, in the mean over series.

    Parameters
    ----------
    values : Tensor of float64, shape (n_series, length)
        Without missing values, standardised; what lies behind the end of a series is ignored.
    lengths : Tensor of int, shape (n_series,)

    Examples
    --------
    >>> import torch
    >>> day = torch.sin(torch.arange(96, dtype=torch.float64) * 2 * torch.pi / 12)
    >>> find_periods(day[None], torch.tensor([96]))
    [12]
    """
    likeness = _autocorrelation(values, lengths)
    longest = min(LONGEST_PERIOD, (len(likeness) - 1) // FEWEST_PERIODS)
    if longest < 2:
        return []
    scores = {period: _score(likeness, period, FEWEST_PERIODS) for period in range(2, longest + 1)}
    best = max(scores.values())
    if best < max(LEAST_SEASON, 3 / float(lengths.sum()) ** 0.5):
        return []
    shortest = next(
        period
        for period, score in scores.items()
        if score >= _SHARE_OF_BEST * best and score >= scores.get(period + 1, score)
    )
    season = _refined(likeness, shortest)
    longest = min(LONGEST_PERIOD, (len(likeness) - 1) // FEWEST_MULTIPLES)
    multiples = {
        period: _score(likeness, period, min(FEWEST_PERIODS, (len(likeness) - 1) // period))
        for period in range(2 * season, longest + 1, season)
    }
    gain = max(multiples.values(), default=scores[shortest]) - scores[shortest]
    if gain < _MULTIPLE_GAINS:
        return [season]
    enough = scores[shortest] + 0.9 * gain
    return [season, next(period for period, score in multiples.items() if score >= enough)]


def _score(likeness: Tensor, period: int, n_periods: int) -> float:
    """Return how much more alike the same phases are than all points up to that distance.

    As a share of what these differ, so that slow changes of the level do not hide a season.
    """
    farthest = n_periods * period
    same = float(likeness[period : farthest + 1 : period].mean())
    every = float(likeness[1 : farthest + 1].mean())
    return (same - every) / max(1 - every, 1e-9)


def _refined(likeness: Tensor, period: int) -> int:
    """Return the period nearby that still fits many periods later."""
    n_periods = min((len(likeness) - 1) // (period + 1), 20)
    nearby = range(max(2, period - period // 50), period + period // 50 + 1)
    return max(nearby, key=lambda p: _score(likeness, p, n_periods)) if n_periods > 1 else period


def _autocorrelation(values: Tensor, lengths: Tensor) -> Tensor:
    """Return the mean autocorrelation of series without their trends, up to half their length."""
    n_lags = int(lengths.double().quantile(0.5)) // 2
    at = torch.arange(values.shape[1], device=values.device)
    inside = at < lengths[:, None]
    time = at - (lengths[:, None] - 1) / 2
    time = time.to(values).masked_fill(~inside, 0)
    kept = values.masked_fill(~inside, 0)
    mean = kept.sum(1, keepdim=True) / lengths[:, None].clamp(min=1)
    slope = (kept * time).sum(1, keepdim=True) / time.square().sum(1, keepdim=True).clamp(min=1)
    kept = (kept - mean - slope * time).masked_fill(~inside, 0)
    padded = 1 << (2 * values.shape[1]).bit_length()
    products = torch.zeros(n_lags + 1, dtype=values.dtype, device=values.device)
    for start in range(0, len(kept), _SERIES_AT_ONCE):
        power = torch.fft.rfft(kept[start : start + _SERIES_AT_ONCE], padded).abs().square().sum(0)
        products += torch.fft.irfft(power, padded)[: n_lags + 1]
    pairs = (lengths[:, None] - torch.arange(n_lags + 1, device=values.device)).clamp(min=0).sum(0)
    covariance = products / pairs.clamp(min=1)
    return (covariance / covariance[0].clamp(min=1e-300)).cpu()
