"""How alike points of a series are that lie some steps apart, as few numbers as can say it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from torch import Tensor

SHORTEST_MEMORY = 1.5  # steps after which a component is forgotten to 1/e; others are powers of 2,
LONGEST_MEMORY = 4  # up to so many times the lags that are wanted
SMOOTHNESS = (0.15, 0.5, 1.5)  # of a season's course, from peaks to waves
SEASON_MEMORIES = (10, 100)  # periods after which a season is forgotten to 1/e
WEEK = 7  # seasons: a multiple that may be there though series are too short to show it
ROUNDING = 1e-12  # of the sum of squares, that differences of equal points may come to
_SERIES_AT_ONCE = 1_024

Array = NDArray[np.float64]


def model_covariance(
    values: Tensor, lengths: Tensor, periods: Sequence[int], n_lags: int
) -> Tensor:
    """Return the covariance of points 0, 1, ... steps apart, by a model of few components.

    The components are white noise, first-order autoregressions of many memories and periodic
    covariances that fade, of each period and of the week of the shortest; each counts as much as
    non-negative least squares of the variogram say, with weights n(k) / k for the n(k) pairs of
    points k steps apart (Cressie, 1985). Lags beyond half of a series are not looked at.

    Parameters
    ----------
    values : Tensor of float64, shape (n_series, length)
        Standardised and without missing values; what lies behind the end of a series is ignored.
    lengths : Tensor of int, shape (n_series,)
    periods : sequence of int
        Of the season, the shortest first; may be empty.
    n_lags : int

    Returns
    -------
    Tensor of float64, shape (n_lags,)
        On the device of the values. Zero where series do not vary.

    Examples
    --------
    >>> import torch
    >>> noise = torch.randn(1, 4_000, generator=torch.manual_seed(0), dtype=torch.float64)
    >>> covariance = model_covariance(noise, torch.tensor([4_000]), [], 3)
    >>> [round(value, 1) for value in covariance.tolist()]
    [1.0, 0.0, 0.0]
    """
    semivariance, n_pairs = variogram(values, lengths, n_lags)
    lag = np.flatnonzero(n_pairs)
    shapes = _components(n_lags, [*periods, *(WEEK * period for period in periods[:1])])
    weight = np.sqrt(n_pairs[lag] / lag)
    design = (1 - shapes[:, lag]) * weight
    if not len(lag) or semivariance[lag].max() <= 0:
        return torch.zeros(n_lags, dtype=values.dtype, device=values.device)
    # as nnls, which gives up where it goes in circles
    variances = lsq_linear(design.T, semivariance[lag] * weight, (0, np.inf), method="bvls").x
    return torch.as_tensor(variances @ shapes, dtype=values.dtype, device=values.device)


def variogram(values: Tensor, lengths: Tensor, n_lags: int) -> tuple[Array, Array]:
    """Return half of the mean squared difference of points 0, 1, ... steps apart.

    Parameters
    ----------
    values, lengths, n_lags
        See `model_covariance`.

    Returns
    -------
    semivariance, n_pairs : ndarray, shape (n_lags,)
        Over all series, and from how many pairs of points; both 0 at lag 0 and beyond half of the
        longest series.
    """
    at = torch.arange(values.shape[1], device=values.device)
    padded = 1 << (2 * values.shape[1]).bit_length()
    n_computed = min(n_lags, values.shape[1] // 2 + 1)
    lag = torch.arange(n_computed, device=values.device)
    squares = torch.zeros(n_computed, dtype=values.dtype, device=values.device)
    n_pairs = torch.zeros_like(squares)
    for start in range(0, len(values), _SERIES_AT_ONCE):
        rows = slice(start, start + _SERIES_AT_ONCE)
        length = lengths[rows, None]
        inside = values[rows].masked_fill(at >= length, 0)
        products = torch.fft.irfft(torch.fft.rfft(inside, padded).abs().square(), padded)
        summed = torch.nn.functional.pad(inside.square().cumsum(1), (1, 0))
        counted = (lag <= length // 2) & (lag > 0)
        before = summed.gather(1, (length - lag).clamp(min=0))  # of points with one ahead
        behind = summed[:, -1:] - summed[:, :n_computed]  # and with one behind
        differences = before + behind - 2 * products[:, :n_computed]
        rounding = ROUNDING * summed[:, -1:]
        squares += differences.masked_fill(~counted | (differences < rounding), 0).sum(0)
        n_pairs += ((length - lag) * counted).sum(0)
    result = np.zeros((2, n_lags))
    result[0, :n_computed] = (squares / 2 / n_pairs.clamp(min=1)).cpu().numpy()
    result[1, :n_computed] = n_pairs.cpu().numpy()
    return result[0], result[1]


def _components(n_lags: int, periods: Sequence[int]) -> Array:
    """Return correlations that a covariance is made of, (n_components, n_lags)."""
    lag = np.arange(n_lags)
    n_memories = 1 + int(np.log2(max(LONGEST_MEMORY * n_lags / SHORTEST_MEMORY, 1)))
    memories = SHORTEST_MEMORY * 2.0 ** np.arange(n_memories)
    shapes = [lag == 0, *(np.exp(-lag / memory) for memory in memories)]
    for period in periods:
        for smoothness in SMOOTHNESS:
            course = _periodic(lag, period, smoothness)
            shapes += [course * np.exp(-lag / (n * period)) for n in SEASON_MEMORIES]
    return np.array(shapes, float)


def _periodic(lag: NDArray[np.intp], period: int, smoothness: float) -> Array:
    """Return the correlation of a season's course whose mean over a period is zero."""

    def likeness(steps: NDArray[np.intp]) -> Array:
        value: Array = np.exp(-2 * np.sin(np.pi * steps / period) ** 2 / smoothness**2)
        return value

    mean = likeness(np.arange(period)).mean()
    return np.asarray((likeness(lag) - mean) / (1 - mean))
