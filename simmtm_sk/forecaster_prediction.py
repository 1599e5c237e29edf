"""How a fitted forecaster forecasts: from the end of what it has seen, or from many origins."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sktime.forecasting.base import ForecastingHorizon

from .data.forecast_windows import ForecastWindows, Index, observed_length
from .forecaster_state import StoredForecaster
from .interop.history import History, matched_columns
from .interop.horizon import Steps, horizon_steps
from .nn.combination import Combination
from .training.residuals import column_quantiles, lagged_quantiles, unrelated_quantiles
from .training.rollout import Rollout, roll_out
from .transformer_user import Values


class PredictingForecaster(StoredForecaster):
    """Base of `SimMTMForecaster`: from ``forecast_`` to numbers in the units of y."""

    def _forecast_from_end(self) -> Rollout:
        """Forecast every column of every instance from its end."""
        columns = self._without_effects()
        context_length = self.forecast_.context_length
        n_points = context_length + self.forecast_.look_back  # values may be missing at the end
        contexts = [column[-n_points:] for column in columns]
        windows = ForecastWindows(contexts, context_length, self.horizon_, self._device())
        last = np.array([column[observed_length(column) - 1] for column in columns])
        series = np.arange(len(columns))
        return roll_out(self.forecast_, windows, series, windows.lengths, self._series_std, last)

    def _quantiles_from_end(self, forecast: Rollout, alpha: list[float]) -> NDArray[np.float64]:
        """Return quantiles of what `_forecast_from_end` has: (n_quantiles, n_series, horizon)."""
        n_series = len(forecast.values)
        errors = column_quantiles(self.residuals_, self._residual_series, n_series, alpha)
        errors = lagged_quantiles(errors, forecast.lag, alpha) * forecast.unit
        columns = self._without_effects()
        for series in np.flatnonzero(forecast.lag >= self.forecast_.look_back).tolist():
            errors[:, series] = unrelated_quantiles(columns[series], alpha)
        quantiles: NDArray[np.float64] = forecast.values + errors
        return quantiles

    def _members_ahead(self, number: int, coverage: float | None) -> dict[str, Any]:
        """Return what a `ForecastDisplay` draws for the series of that number."""
        columns = self._without_effects()
        if not 0 <= number < len(columns):
            raise ValueError(f"series must be from 0 to {len(columns) - 1}, got {number}.")
        seen = columns[number][: observed_length(columns[number])]
        ahead, model = self._forecast_from_end(), self.forecast_
        drawn: dict[str, Any] = {
            "recent": seen,
            "forecast": self._bounded(ahead.values[number]),
            "members": {},
            "weights": {},
        }
        if coverage is not None:
            ends = [0.5 - coverage / 2, 0.5 + coverage / 2]
            interval = self._quantiles_from_end(ahead, ends)[:, number]
            drawn |= {"interval": self._bounded(interval), "coverage": coverage}
        if isinstance(model, Combination):
            windows = ForecastWindows([seen], model.context_length, self.horizon_)
            context = windows.contexts(np.zeros(1, np.intp), windows.lengths)
            with torch.inference_mode():
                members = model.members_ahead(context, torch.tensor([number]))
            drawn["members"] = {name: values[0].numpy() for name, values in members.items()}
            drawn["weights"] = {n: w.numpy() for n, w in model.weights_by_name().items()}
        return drawn

    def _effects(self, X: Any, steps: Steps) -> NDArray[np.float64] | float:
        """Return what exogenous data will do, (n_instances, n_steps, n_columns)."""
        if self._covariates is None:
            if X is not None:
                warnings.warn("X is ignored, as fit has had none.", stacklevel=4)
            return 0.0
        if X is None:
            raise ValueError("predict needs X at the time points of fh, as fit has had X.")
        ahead = self._covariates.ahead(X, self._seen, steps, self._X_is_array)
        return self._covariates.effects_at(ahead, self.covariate_coef_)

    def _bounded(self, forecast: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.lower is None and self.upper is None:
            return forecast
        return np.clip(forecast, self.lower, self.upper)

    def _blocks(self, forecast: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
        """Rearrange (n_instances * n_columns, horizon) as (n_instances, n_steps, n_columns)."""
        by_instance = forecast.reshape(len(steps), -1, self.horizon_)
        chosen: NDArray[np.float64] = np.take_along_axis(by_instance, steps[:, None] - 1, 2)
        return chosen.transpose(0, 2, 1)

    def _steps(self, seen: History, fh: ForecastingHorizon) -> Steps:
        """Return the steps that each instance is from the points of ``fh``."""
        steps = horizon_steps(fh, seen)
        if steps.min() < 1:
            raise NotImplementedError(
                f"{type(self).__name__} cannot forecast in-sample; fh has the step {steps.min()}."
            )
        if self.is_fitted and steps.max() > self.horizon_:
            raise ValueError(
                f"fh is up to {steps.max()} steps ahead, but the forecaster was fitted for "
                f"{self.horizon_}."
            )
        return steps

    def _without_effects(self) -> Sequence[Values]:
        """Return every column of every instance without what exogenous data do to it."""
        series = self._seen.series
        if self._covariates is None:
            return series
        return self._covariates.taken_off(series, self.covariate_coef_)

    def _rolling_values(self, y: Any) -> Values:
        """Return the columns of a long series, (n_columns, length), in the order seen in `fit`."""
        frame = pd.DataFrame(y)
        known = self._seen.columns
        if len(frame.columns) != len(known):
            raise ValueError(
                f"y has {len(frame.columns)} column(s), but the forecaster was fitted on "
                f"{len(known)}."
            )
        unnamed = len(known) == 1 or not isinstance(y, pd.DataFrame)
        places = matched_columns(known, frame.columns, unnamed)
        values: Values = frame.iloc[:, places].to_numpy(np.float64).T
        if np.isinf(values).any():
            raise ValueError("y contains infinity; values must be finite, or NaN.")
        if self._seen.is_panel:
            raise ValueError("predict_rolling takes single series; this forecaster has a panel.")
        return values

    def _origins(self, origins: ArrayLike | None, length: int) -> Index:
        """Return how many points lie before each forecast, all within a series of that length."""
        if origins is None:
            origins = np.arange(self.context_length_, length - self.horizon_ + 1)
        origin = np.asarray(origins, np.intp).ravel()
        if origin.size and not (origin.min() >= 1 and origin.max() <= length):
            raise ValueError(f"origins must lie between 1 and {length}, the length of y.")
        return origin

    def _rolled(self, values: Values, origin: Index) -> Values:
        """Forecast every column from every origin, (n_origins, n_columns, horizon)."""
        n_columns = len(values)
        series = np.tile(np.arange(n_columns), len(origin))
        origin = np.repeat(origin, n_columns)
        windows = ForecastWindows(
            list(values), self.forecast_.context_length, self.horizon_, self._device()
        )
        last = pd.DataFrame(values.T).ffill().to_numpy()[origin - 1, series]
        std = self._series_std[series]
        forecast = roll_out(self.forecast_, windows, series, origin, std, last, errors=False)
        return forecast.values.reshape(-1, n_columns, self.horizon_)

    def _rolling_effects(self, X: Any, length: int) -> NDArray[np.float64]:
        """Return what exogenous data do to every column, (n_columns, length)."""
        if self._covariates is None:
            return np.zeros((len(self._seen.columns), length))
        n_covariates = len(self._covariates.columns)
        values = np.full((n_covariates, length), np.nan)
        given = np.empty((0, 0)) if X is None else pd.DataFrame(X).to_numpy(np.float64)
        if given.shape[1] != n_covariates or len(given) < length - self.horizon_:
            raise ValueError(
                f"X must have {n_covariates} column(s) like that of fit, and a row for every time "
                f"point of y and of its forecasts, got shape {given.shape}."
            )
        values[:, : len(given)] = given[:length].T
        (effects,) = self._covariates.effects_at(values[None], self.covariate_coef_)
        of_columns: NDArray[np.float64] = effects.T
        return of_columns
