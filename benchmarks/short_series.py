"""The default forecaster on short series that come with sktime, beside what is used for them.

python benchmarks/short_series.py [--shard I/N] [--results DIR] [--time-limit S]

sktime's ForecastingBenchmark: from each of the last origins of a series, forecasts of a whole
horizon are made by models fitted to everything before. MASE is in units of the mean error of
repeating the last season within what was fitted to, sMAPE in percent. "..., encoder of made
series" has one that is pre-trained on windows of synthetic series alone, the same for every series;
"..., untrained encoder" the same one with its initial weights. Writes results/short_series.csv, a
row for every series and method.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import numpy as np
import pandas as pd
from made_series import made_encoder
from probe import benchmark_parser, run_all
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.frozen import FrozenEstimator
from sktime.benchmarking.forecasting import ForecastingBenchmark
from sktime.datasets import (
    load_airline,
    load_lynx,
    load_PBS_dataset,
    load_shampoo_sales,
    load_uschange,
)
from sktime.forecasting.base import BaseForecaster
from sktime.performance_metrics.forecasting import (
    MeanAbsolutePercentageError,
    MeanAbsoluteScaledError,
)
from sktime.split import ExpandingWindowSplitter

from simmtm_sk import SimMTMForecaster

N_ORIGINS = 24
MADE_LENGTH = 48  # points of windows of made series
SCORES = {"mase": "MeanAbsoluteScaledError_mean", "smape": "MeanAbsolutePercentageError_mean"}
SECONDS = ("fit_time_mean", "pred_time_mean")
Row = dict[str, object]
Forecast = Callable[[np.ndarray, int, int], np.ndarray]  # values, horizon, season


def series() -> dict[str, tuple[np.ndarray, int, int]]:
    """Values, horizon and season; quarterly changes have none that helps."""
    change, others = load_uschange()
    quarterly = pd.concat([change, others], axis=1)
    return {
        "airline": (load_airline().to_numpy(float), 12, 12),
        "lynx": (load_lynx().to_numpy(float), 10, 10),
        "shampoo": (load_shampoo_sales().to_numpy(float), 6, 1),
        # prescriptions end two years before the series does
        "PBS": (np.trim_zeros(load_PBS_dataset().to_numpy(float), "b"), 12, 12),
        **{name: (quarterly[name].to_numpy(float), 4, 1) for name in quarterly},
    }


# -- methods --------------------------------------------------------------------------------------


def naive(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    return np.repeat(values[-1], horizon)


def seasonal_naive(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    return np.resize(values[-season:], horizon)


def seasonal_factors(values: np.ndarray, season: int) -> np.ndarray:
    """Classical multiplicative decomposition; ones where there is no season or a value <= 0."""
    if season == 1 or values.min() <= 0 or len(values) < 2 * season:
        return np.ones(season)
    kernel = np.ones(season + 1 - season % 2) / season
    if season % 2 == 0:
        kernel[[0, -1]] /= 2
    trend = np.convolve(values, kernel, "valid")
    first = len(kernel) // 2
    ratio = values[first : first + len(trend)] / trend
    phase = (first + np.arange(len(ratio))) % season
    factors = np.array([ratio[phase == k].mean() for k in range(season)])
    return factors / factors.mean()


def theta(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """Exponential smoothing with half of the linear trend, deseasonalised (M3's winner)."""
    factors = seasonal_factors(values, season)
    length = len(values)
    adjusted = values / np.resize(factors, length)
    slope = np.polyfit(np.arange(length), adjusted, 1)[0] / 2

    def smoothed(alpha: float) -> tuple[float, float]:
        level, error = adjusted[0], 0.0
        for value in adjusted[1:]:
            error += (value - level) ** 2
            level += alpha * (value - level)
        return error, level

    alphas = np.linspace(0.05, 1, 39)
    alpha = min(alphas, key=lambda a: smoothed(a)[0])
    drift = slope * (np.arange(horizon) + (1 - (1 - alpha) ** length) / alpha)
    future = factors[(length + np.arange(horizon)) % season]
    return (smoothed(alpha)[1] + drift) * future


def holt_winters(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """ETS(A, Ad, A), or (A, Ad, N) without a season; least squares of one-step errors."""
    scale = values.std() or 1.0
    y = values / scale

    def run(params: np.ndarray) -> tuple[float, float, float, np.ndarray, float]:
        alpha, beta, gamma, phi = expit(params[:4])
        phi = 0.8 + 0.18 * phi
        seasonal = y[:season] - y[:season].mean() if season > 1 else np.zeros(1)
        seasonal, level, slope, error = seasonal.copy(), y[:season].mean(), 0.0, 0.0
        for step, value in enumerate(y):
            k = step % season
            residual = value - level - phi * slope - seasonal[k]
            error += residual**2 if step >= season else 0.0
            level, slope = level + phi * slope + alpha * residual, phi * slope + beta * residual
            if season > 1:
                seasonal[k] += gamma * residual
        return error, level, slope, seasonal, phi

    start = np.array([0.0, -3.0, -2.0, 1.0])
    best = minimize(lambda p: run(p)[0], start, method="Nelder-Mead", options={"maxiter": 300})
    _, level, slope, seasonal, phi = run(best.x)
    damped = slope * np.cumsum(phi ** np.arange(1, horizon + 1))
    return scale * (level + damped + seasonal[(len(y) + np.arange(horizon)) % season])


def linear(values: np.ndarray, horizon: int, season: int) -> np.ndarray:
    """NLinear in closed form: a ridge on the window minus its last value."""
    length = max(8, min(2 * season, (len(values) - horizon) // 3))
    windows = np.lib.stride_tricks.sliding_window_view(values, length + horizon)
    x, y = windows[:, :length], windows[:, length:]
    x, y = x - x[:, -1:], y - windows[:, length - 1 : length]
    gram = x.T @ x
    coef = np.linalg.solve(gram + 1e-2 * np.trace(gram) / length * np.eye(length), x.T @ y)
    last = values[-length:]
    return last[-1] + (last - last[-1]) @ coef


METHODS: dict[str, Forecast] = {
    "naive": naive,
    "seasonal naive": seasonal_naive,
    "Theta": theta,
    "ETS": holt_winters,
    "NLinear, closed form": linear,
}


class Plain(BaseForecaster):
    """A forecast by one of `METHODS` as sktime's benchmark takes it."""

    _tags: ClassVar = {"requires-fh-in-fit": False, "y_inner_mtype": "pd.Series"}

    def __init__(self, method: str, season: int) -> None:
        self.method, self.season = method, season
        super().__init__()
        self.set_config(remember_data=True)

    def _fit(self, y: pd.Series, X: None, fh: object) -> "Plain":
        return self

    def _predict(self, fh: object, X: None) -> pd.Series:
        ahead = self.fh.to_relative(self.cutoff).to_numpy()
        forecast = METHODS[self.method](self._y.to_numpy(), int(ahead.max()), self.season)
        return pd.Series(forecast[ahead - 1], self.fh.to_absolute_index(self.cutoff))


DEFAULT = "SimMTMForecaster()"
WITH_ENCODER = {  # and the epochs that it is pre-trained for
    f"{DEFAULT}, untrained encoder": 0,
    f"{DEFAULT}, encoder of made series": "auto",
}


def forecaster(method: str, season: int) -> BaseForecaster:
    if method in METHODS:
        return Plain(method, season)
    given = None
    if method in WITH_ENCODER:
        given = FrozenEstimator(made_encoder(MADE_LENGTH, 0, WITH_ENCODER[method]))
    return SimMTMForecaster(transformer=given, random_state=0)


# -- runs -----------------------------------------------------------------------------------------


def first_origin(length: int, horizon: int) -> int:
    """The first of the origins that are forecast from, all at least half of the series away."""
    return max(length - horizon - N_ORIGINS + 1, length // 2)


def measured(runs: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    for run in runs:
        values, horizon, season = series()[str(run["series"])]
        first = first_origin(len(values), horizon)
        benchmark = ForecastingBenchmark()
        benchmark.add_task(
            partial(pd.Series, values),
            ExpandingWindowSplitter(list(range(1, horizon + 1)), initial_window=first),
            [MeanAbsoluteScaledError(sp=season), MeanAbsolutePercentageError(symmetric=True)],
        )
        benchmark.add_estimator(forecaster(str(run["method"]), season), "it")
        (result,) = benchmark.run().to_dict("records")
        if benchmark.failed_experiments:
            raise RuntimeError(f"{run}: {benchmark.failed_experiments}")
        yield (
            run,
            [
                {
                    "mase": round(result[SCORES["mase"]], 4),
                    "smape": round(100 * result[SCORES["smape"]], 2),
                    "seconds": round(sum(result[name] for name in SECONDS), 3),
                }
            ],
        )


def main() -> None:
    arguments = benchmark_parser(__doc__).parse_args()
    names = [DEFAULT, *WITH_ENCODER, *METHODS]
    groups = [[{"series": name, "method": method} for method in names] for name in series()]
    run_all("short_series.csv", groups, measured, arguments)


if __name__ == "__main__":
    main()
