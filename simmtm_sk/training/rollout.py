"""Forecasts of a fitted model from any origins of any series."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import ForecastWindows, Index
from ..nn.combination import Combination
from ..nn.forecast import Forecast
from ..nn.normalization import visible_statistics
from .residuals import error_unit

_POINTS_AT_ONCE = 2_000_000  # of contexts that are forecast from together


@dataclass(frozen=True)
class Rollout:
    """Forecasts in the units of their series.

    Attributes
    ----------
    values : ndarray, shape (n, horizon)
    unit : ndarray, shape (n, 1)
        Of their errors, see `error_unit`.
    """

    values: NDArray[np.float64]
    unit: NDArray[np.float64]


def roll_out(
    model: Forecast | Combination,
    windows: ForecastWindows,
    series: Index,
    origin: Index,
    series_std: NDArray[np.float64],
    last: NDArray[np.float64],
) -> Rollout:
    """Forecast from some origins, each of the series of that number.

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
        The last values observed before the origins, which are continued where the whole context
        is missing.
    """
    model = copy.deepcopy(model).to(windows.device).eval()
    std = torch.as_tensor(series_std, device=windows.device)[:, None]
    known = torch.as_tensor(last, device=windows.device)[:, None]
    n_rows = max(1, _POINTS_AT_ONCE // windows.context_length)
    forecasts = [np.empty((0, windows.horizon))]
    units = [np.empty((0, 1))]
    with torch.inference_mode():
        for start in range(0, len(series), n_rows):
            chunk = slice(start, start + n_rows)
            context = windows.contexts(series[chunk], origin[chunk])
            whose = torch.as_tensor(series[chunk], device=windows.device)
            observed = ~context.isnan()
            result = model.predict(context, whose)
            result = torch.where(observed.any(1, keepdim=True), result, known[chunk])
            recent = slice(-model.look_back, None)
            _, scale = visible_statistics(context[:, recent], observed[:, recent])
            unit = std[chunk] * error_unit(scale / std[chunk])
            forecasts.append(result.cpu().numpy())
            units.append(unit.cpu().numpy())
    return Rollout(np.concatenate(forecasts), np.concatenate(units))
