"""How wrong forecasts are: the errors that intervals and quantiles are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from ..data.forecast_windows import Index, subsample
from ..nn.forecast import Forecast
from .task import Task

FEWEST_INDEPENDENT = 10  # held-out windows, below which the errors of all steps are put together
FEWEST_OWN_ERRORS = 100  # of a series, that its intervals are made of; otherwise those of all
MOST_RESIDUALS = 2_000  # windows behind the quantiles


def calibrated_errors(model: Forecast, task: Task) -> tuple[Tensor, Index]:
    """Return `residuals` as intervals take them, see `calibrated`."""
    errors, series = residuals(model, task)
    held_out = independent_windows(task.windows.series[task.held_out], task.windows.horizon)
    return calibrated(errors, series, held_out if len(task.held_out) else None)


def calibrated(errors: Tensor, series: Index, n_independent: float | None) -> tuple[Tensor, Index]:
    """Return errors as intervals take them: wider and pooled where windows are few.

    Parameters
    ----------
    errors : Tensor, shape (n, horizon)
    series : ndarray of int, shape (n,)
    n_independent : float or None
        Held-out windows that have no target in common. None leaves the errors as they are.
    """
    errors = errors.cpu()
    if n_independent is None:
        return errors, series
    errors = errors * widening(n_independent)
    if n_independent >= FEWEST_INDEPENDENT:
        return errors, series
    pooled = pooled_errors(errors)
    return pooled, np.zeros(len(pooled), np.intp)


def residuals(model: Forecast, task: Task) -> tuple[Tensor, Index]:
    """Return errors on held-out windows, in units of `error_unit`, and the series each is of.

    Where nothing is held out, those of going on with the last value (or the mean) on all windows,
    in both directions: what a head gets wrong on its own training windows would be too little.
    """
    held_out = len(task.held_out) > 0
    index = subsample(task.held_out if held_out else task.train, MOST_RESIDUALS)
    pieces = []
    with torch.inference_mode():
        for batch in task.batches(index, model.normalization):
            forecast = model(batch.context) if held_out else 0.0
            unit = error_unit(batch.relative, model.context_share)
            error = (batch.target - forecast) * batch.relative / unit
            pieces.append(error.masked_fill(~batch.observed, torch.nan).float())
    errors, series = torch.cat(pieces), task.windows.series[index]
    if not held_out:
        return torch.cat([errors, -errors]), np.tile(series, 2)
    return errors, series


def widening(n_independent: float) -> float:
    """Return the factor by which errors on few windows are taken to be larger.

    As in the prediction interval of a mean, for n windows that do not overlap: errors on what
    choices were made on are too small, and the next one is as uncertain as their mean.
    """
    return float(np.sqrt((n_independent + 1) / max(n_independent - 1, 0.5)))


def independent_windows(series: Index, horizon: int) -> float:
    """Return how many windows one after the other, each of the series given, share no target."""
    return float(np.ceil(np.bincount(series) / horizon).sum())


def pooled_errors(errors: Tensor) -> Tensor:
    """Return what errors every step may have, where few windows cannot tell for each of them.

    The errors of all steps in units of the root mean square up to their step, in both directions,
    times that of each step.

    Parameters
    ----------
    errors : Tensor, shape (n, horizon)
        NaN where unknown.

    Returns
    -------
    Tensor, shape (m, horizon)

    Examples
    --------
    >>> import torch
    >>> pooled_errors(torch.tensor([[1.0, 7.0]]))
    tensor([[ 1.0000,  5.0000],
            [ 1.4000,  7.0000],
            [-1.0000, -5.0000],
            [-1.4000, -7.0000]])
    """
    observed = ~errors.isnan()
    squares = errors.square().masked_fill(~observed, 0).sum(0).cumsum(0)
    scale = (squares / observed.sum(0).cumsum(0).clamp(min=1)).sqrt()
    relative = (errors / scale.masked_fill(scale == 0, 1))[observed]
    if not len(relative):
        return errors
    chosen = relative[torch.as_tensor(subsample(np.arange(len(relative)), MOST_RESIDUALS // 2))]
    return torch.cat([chosen, -chosen])[:, None] * scale


def error_unit(relative: Tensor, context_share: float) -> Tensor:
    """Return the unit of residuals, in units of the series: between context and series.

    Parameters
    ----------
    relative : Tensor
        Standard deviation of contexts, in units of the series.
    context_share : float
        Share of the context's variance in the squared unit; the rest is the variance of the series.
    """
    return (context_share * relative.square() + 1 - context_share).sqrt()


def column_quantiles(
    errors: NDArray[np.floating[Any]], series: Index, n_series: int, alpha: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of the errors of every series, (n_alpha, n_series, horizon).

    A series that has few errors takes those of all.

    Parameters
    ----------
    errors : ndarray, shape (n, horizon)
        NaN where unknown.
    series : ndarray of int, shape (n,)
        The series that each row is of.
    n_series : int
    alpha : sequence of float
        Which quantiles, from 0 to 1.
    """
    counts = np.bincount(series, minlength=n_series)
    everyone = error_quantiles(errors, alpha)
    quantiles = [
        error_quantiles(errors[series == i], alpha) if count >= FEWEST_OWN_ERRORS else everyone
        for i, count in enumerate(counts)
    ]
    return np.stack(quantiles, 1)


def error_quantiles(
    errors: NDArray[np.floating[Any]], alpha: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of the observed errors of every step, (n_alpha, horizon).

    A step that was never observed has the errors of all others; without any, errors are zero.

    Examples
    --------
    >>> import numpy as np
    >>> error_quantiles(np.array([[1.0, np.nan], [3.0, np.nan]]), [0.5]).tolist()
    [[2.0, 2.0]]
    """
    observed = ~np.isnan(errors)
    steps = [errors[seen, h] for h, seen in enumerate(observed.T)]
    others = errors[observed] if observed.any() else np.zeros(1)
    # the place of a quantile among n errors that leaves room for unseen ones
    quantiles = [
        np.quantile(step if len(step) else others, alpha, method="weibull") for step in steps
    ]
    return np.stack(quantiles, 1)


def unrelated_quantiles(
    series: NDArray[np.floating[Any]], alpha: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of the difference between two values of a series far apart: (n_alpha, 1).

    Parameters
    ----------
    series : ndarray, shape (length,)
        NaN = missing.
    alpha : sequence of float
    """
    spread = np.sqrt(2) * np.nanstd(series)  # of the difference of two that are independent
    return np.asarray(spread * ndtri(np.asarray(alpha))[:, None])


def lagged_quantiles(
    quantiles: NDArray[np.float64], lag: Index, alpha: Sequence[float]
) -> NDArray[np.float64]:
    """Return quantiles of errors of forecasts that begin some steps before their origin.

    Step h of such a forecast is step h + lag, and has its errors. Beyond the last step, a forecast
    goes on from itself: the errors of both stretches add up as independent ones do.

    Parameters
    ----------
    quantiles : ndarray, shape (n_alpha, n_series, horizon)
    lag : ndarray of int, shape (n_series,)
    alpha : sequence of float
        Which quantiles these are.

    Examples
    --------
    >>> import numpy as np
    >>> lagged_quantiles(np.array([[[3.0, 4.0]]]), np.array([3]), [0.9]).round(2).tolist()
    [[[5.66, 6.4]]]
    """
    if not lag.any():
        return quantiles
    horizon = quantiles.shape[2]
    whole, step = np.divmod(lag[:, None] + np.arange(horizon), horizon)
    last = np.take_along_axis(quantiles, step[None], 2)
    before = np.sqrt(whole) * quantiles[:, :, -1:]
    lagged = np.where(whole == 0, last, np.sign(last + before) * np.hypot(last, before))
    # what chance does to quantiles of few errors must not turn their order round
    ordered = np.empty_like(lagged)
    ordered[np.argsort(alpha)] = np.sort(lagged, axis=0)
    return ordered
