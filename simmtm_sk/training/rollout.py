"""Forecasts of a fitted model from any origins of any series."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.forecast_windows import ForecastWindows, Index
from ..nn.combination import Combination
from ..nn.forecast import Forecast
from .residuals import error_unit

_ROWS_AT_ONCE = 4_096  # contexts that are forecast from together,
_POINTS_AT_ONCE = 2_000_000  # and their points


@dataclass(frozen=True)
class Rollout:
    """Forecasts in the units of their series.

    Attributes
    ----------
    values : ndarray, shape (n, horizon)
    unit : ndarray, shape (n, 1)
        Of their errors, see `error_unit`.
    lag : ndarray of int, shape (n,)
        How many values were missing before each origin: a forecast begins with the last value
        observed, so that its first step is that many steps further ahead.
    """

    values: NDArray[np.float64]
    unit: NDArray[np.float64]
    lag: Index


def roll_out(
    model: Forecast | Combination,
    windows: ForecastWindows,
    series: Index,
    origin: Index,
    series_std: NDArray[np.float64],
    last: NDArray[np.float64],
    *,
    errors: bool = True,
) -> Rollout:
    """Forecast from some origins, each of the series of that number.

    Where the values before an origin are missing, the forecast is made from the last one observed
    and goes on from itself until it has come far enough. Where as many are missing as the model
    looks back, the last value is continued.

    Parameters
    ----------
    model : Forecast or Combination
        Stays on its device; what is computed is computed on that of ``windows``.
    windows : ForecastWindows
    series, origin : ndarray of int, shape (n,)
        Whose context, and how many points of the series lie before the forecast.
    series_std : ndarray, shape (n,)
        Standard deviation of each row's series.
    last : ndarray, shape (n,)
        The last values observed before the origins.
    errors : bool, default=True
        Whether the unit of errors is wanted; without it, contexts are not looked at for it, and
        that of the series is returned.
    """
    model = copy.deepcopy(model).to(windows.device).eval()
    std = torch.as_tensor(series_std, device=windows.device)[:, None]
    known = torch.as_tensor(last, device=windows.device)[:, None]
    n_rows = max(1, min(_ROWS_AT_ONCE, _POINTS_AT_ONCE // windows.context_length))
    pieces = [(np.empty((0, windows.horizon)), np.empty((0, 1)), np.empty(0, np.intp))]
    with torch.inference_mode():
        for start in range(0, len(series), n_rows):
            chunk = slice(start, start + n_rows)
            context = windows.contexts(series[chunk], origin[chunk])
            missing = missing_at_end(context, model.look_back)
            lost = missing == model.look_back
            lag = missing.masked_fill(lost, 0)
            if bool(lag.any()):
                context = windows.contexts(series[chunk], origin[chunk] - lag.cpu().numpy())
            whose = torch.as_tensor(series[chunk], device=windows.device)
            result = torch.where(lost[:, None], known[chunk], _ahead(model, context, whose, lag))
            unit = std[chunk]
            if errors:
                relative = model.context_std(context, whose) / unit
                unit = unit * error_unit(relative, model.context_share)
            pieces.append((result.cpu().numpy(), unit.cpu().numpy(), missing.cpu().numpy()))
    values, units, lags = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    return Rollout(values, units, lags)


def missing_at_end(context: Tensor, most: int) -> Tensor:
    """Count the missing values at the end of every row, up to ``most``.

    Examples
    --------
    >>> nan = torch.nan
    >>> missing_at_end(torch.tensor([[1.0, nan, 2.0], [1.0, nan, nan], [nan, nan, nan]]), 3)
    tensor([0, 2, 3])
    """
    if not bool(context[:, -1:].isnan().any()):
        return torch.zeros(len(context), dtype=torch.long, device=context.device)
    observed = ~context.flip(1)[:, :most].isnan()
    first = observed.to(torch.uint8).argmax(1)
    return torch.where(observed.any(1), first, most)


def _ahead(model: Forecast | Combination, context: Tensor, series: Tensor, lag: Tensor) -> Tensor:
    """Return forecasts that begin ``lag`` steps behind their contexts, (n, horizon)."""
    forecast = model.predict(context, series)
    horizon = forecast.shape[1]
    for done in range(0, int(lag.max()) if len(lag) else 0, horizon):
        late = lag > done  # these need another horizon
        length = context.shape[1]
        so_far = torch.cat([context[late], forecast[late]], 1)[:, -length:]
        more = forecast.new_zeros(len(lag), horizon)
        more[late] = model.predict(so_far, series[late])
        forecast = torch.cat([forecast, more], 1)
    step = torch.arange(horizon, device=lag.device)
    return forecast.gather(1, lag[:, None] + step)
