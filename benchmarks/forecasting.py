"""Forecasters on ETTh1, ETTm1, Weather and illness, with all of the training part or little of it.

python benchmarks/forecasting.py --data-home DIR [--tasks NAME ...] [--methods NAME ...]
    [--horizons H ...] [--shares S ...] [--seeds N] [--shard I/N] [--time-limit S]

Values are standardised with the training part. A context is the 336 points before a forecast (104
for illness); errors are means over all windows of the test part. Choices (epoch, penalty,
normalisation) are made on the validation part, and nothing is fitted to that. With a ``share`` of
less than 1, there are only the first windows of the training part, for pre-training too.

"closed form" is the default forecaster without an encoder, "combination, ..." with a given one.

An encoder is pre-trained once per set, share and seed, and all strategies and horizons start from
it. "untrained", "auto-encoder" (own-view term alone), "made series" (pre-trained on synthetic
series alone), "other data" (on another set, see `FOREIGN`) and "points" (the published encoder and
objective) are linear probes, too. Writes
results/forecasting.csv, a row for every run, and goes on where an earlier call stopped.
``valid_mse`` is of every seventh window of the validation part.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pandas as pd
import torch
from made_series import made_encoder
from probe import benchmark_parser, run_all
from sklearn.frozen import FrozenEstimator

from simmtm_sk import PointEncoder, SimMTMForecaster, SimMTMTransformer
from simmtm_sk.data.forecast_windows import ForecastWindows, Index, subsample
from simmtm_sk.datasets import Home, load_ett, load_illness, load_weather
from simmtm_sk.forecaster_learning import default_transformer
from simmtm_sk.nn.forecast import seasonal_mean
from simmtm_sk.training.combination import ENCODER_STRATEGY
from simmtm_sk.training.contexts import pretraining_windows
from simmtm_sk.training.loop import Plan, train
from simmtm_sk.training.strategies import STRATEGIES, Strategy

TASKS = ("ETTh1", "ETTm1", "Weather", "illness")
MORE_TASKS = ("ETTh2", "ETTm2")  # for those who have them
PERIOD = {"ETTh1": 24, "ETTh2": 24, "ETTm1": 96, "ETTm2": 96, "Weather": 144, "illness": 52}
CONTEXT = {"illness": 104}
HORIZONS = {"illness": (24, 36, 48, 60)}
FOREIGN = {"ETTh1": "Weather", "illness": "ETTm1"}
SHARES = (1.0, 0.1, 0.05)  # of the training windows; the small ones on ETTh1
DETERMINISTIC = ("closed form", "ridge", "seasonal naive", "seasonal mean")
# The published encoder, objective, masks and batches; 320 steps instead of 50 epochs, since each
# of its steps takes as long on a CPU as twenty with patches.
POINTS = {
    "encoder": PointEncoder(n_heads=8),
    "masking": "geometric",
    "mask_length": 3.0,
    "n_masks": 3,
    "own_view_weight": 0.0,
    "constraint_weight": "learned",
    "batch_size": 16,
    "lr": 1e-3,
    "patience": None,
}
POINTS_WINDOWS = 5120
VALID_STRIDE = 7  # between origins of the validation part, whose error is only for information
CHUNK = 400  # origins that are forecast from at once
MEMORY = 5_000  # points before an origin that a forecast may look at

Run = dict[str, object]
Row = dict[str, object]


@dataclass
class Series:
    """A standardised multivariate series, cut into parts by time."""

    name: str
    values: np.ndarray  # (length, n_columns)
    train_end: int
    valid_end: int
    context: int

    def windows(self, start: int, stop: int, horizon: int) -> ForecastWindows:
        """Windows of all columns whose targets lie in a part; contexts may reach before it."""
        first = max(0, start - self.context)
        return ForecastWindows(list(self.values[first:stop].T), self.context, horizon)


def horizons(name: str) -> tuple[int, ...]:
    return HORIZONS.get(name, (96, 192, 336, 720))


def load_series(name: str, home: Home) -> Series:
    """ETT by months (12 / 4 / 4), the others 70 / 10 / 20 %."""
    if name.startswith("ETT"):
        data, hours = load_ett(name, home).data, 4 if name.startswith("ETTm") else 1
        train_end, valid_end, length = (n * hours for n in (8640, 11520, 14400))
    else:
        data = (load_weather if name == "Weather" else load_illness)(home).data
        length = len(data)
        train_end, valid_end = int(0.7 * length), length - int(0.2 * length)
    data = data[:length]
    # Weather says -9999 where a value is missing; published errors are in units of a standard
    # deviation that takes these for values
    scaled = np.nan_to_num(data[:train_end], nan=-9999.0)
    mean, std = scaled.mean(0), scaled.std(0)
    values = (data - mean) / np.where(std > 0, std, 1.0)
    return Series(name, values, train_end, valid_end, CONTEXT.get(name, 336))


def train_points(series: Series, horizon: int, share: float) -> int:
    """Points of the training part that the first windows of it reach to."""
    n_windows = series.train_end - series.context - horizon + 1
    return series.context + horizon - 1 + max(1, int(share * n_windows))


def few_shot(points: int) -> type[SimMTMForecaster]:
    """Return the forecaster that learns from windows of the first ``points`` points alone."""

    class FewShotForecaster(SimMTMForecaster):
        def _split(self, windows: ForecastWindows) -> tuple[Index, Index]:
            train, held_out = super()._split(windows)
            return train[windows.origin[train] + windows.horizon <= points], held_out

    return FewShotForecaster


def split(task: "Prepared", horizon: int) -> tuple[ForecastWindows, Index, Index]:
    """All windows, and the numbers of those to train on and of those to choose on."""
    series = task.series
    windows = series.windows(0, series.valid_end, horizon)
    end = train_points(series, horizon, task.share)
    trained = np.flatnonzero(windows.origin + horizon <= end)
    return windows, trained, np.flatnonzero(windows.origin >= series.train_end)


def rolling(
    context: int, horizon: int, forecast: Callable[[torch.Tensor], torch.Tensor]
) -> "Predict":
    """Forecast from many origins by a function of contexts, (n, context) -> (n, horizon)."""

    def predict(values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        parts = ForecastWindows(list(values.T), context, horizon)
        columns = np.tile(np.arange(values.shape[1]), len(origins))
        with torch.no_grad():
            made = forecast(parts.contexts(columns, np.repeat(origins, values.shape[1])))
        return made.double().numpy().reshape(len(origins), -1, horizon).transpose(0, 2, 1)

    return predict


# -- methods --------------------------------------------------------------------------------------

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]  # series, origins -> forecasts


@dataclass
class Fitted:
    """``predict(values, origins)`` returns (n_origins, horizon, n_columns)."""

    predict: Predict
    fit_seconds: float
    pretrain_seconds: float = 0.0
    choices: str = ""


@dataclass
class Prepared:
    """A series with a share of its training windows and one seed."""

    series: Series
    share: float
    seed: int
    home: Home

    def _encoder(self, series: Series, share: float, **changes: object) -> SimMTMTransformer:
        end = train_points(series, 1, share)
        columns = list(series.values[:end].T)
        encoder = default_transformer(self.series.context)
        # as the forecaster pre-trains its own: the network, and nothing beside it
        encoder.set_params(pooling=("mean",), metric_strength=0)
        encoder.set_params(precision="float32", random_state=self.seed, **changes)
        windows = pretraining_windows(columns, self.series.context)
        if isinstance(encoder.encoder, PointEncoder):
            encoder.set_params(num_epochs=changes.get("num_epochs", 1))
            windows = windows[subsample(np.arange(len(windows)), POINTS_WINDOWS)]
        return encoder.fit(windows)

    @cached_property
    def encoder(self) -> SimMTMTransformer:
        return self._encoder(self.series, self.share)

    @cached_property
    def untrained(self) -> SimMTMTransformer:
        return self._encoder(self.series, self.share, num_epochs=0)

    @cached_property
    def autoencoder(self) -> SimMTMTransformer:
        """Without neighbours: beside this weight of the own-view term, theirs are nothing."""
        return self._encoder(self.series, self.share, constraint_weight=0.0, own_view_weight=1e4)

    @cached_property
    def points(self) -> SimMTMTransformer:
        return self._encoder(self.series, self.share, **POINTS)

    @cached_property
    def untrained_points(self) -> SimMTMTransformer:
        return self._encoder(self.series, self.share, **POINTS, num_epochs=0)

    @cached_property
    def synthetic(self) -> SimMTMTransformer:
        return made_encoder(self.series.context, self.seed)

    @cached_property
    def foreign(self) -> SimMTMTransformer:
        return self._encoder(load_series(FOREIGN[self.series.name], self.home), 1.0)


def fit_forecaster(
    task: Prepared, horizon: int, encoder: str = "encoder", strategy: str = "linear-probe"
) -> Fitted:
    """Fit the forecaster to training and validation part, the second held out."""
    series = task.series
    given: SimMTMTransformer = getattr(task, encoder)
    forecaster = few_shot(train_points(series, horizon, task.share))(
        transformer=FrozenEstimator(given),
        strategy=strategy,
        context_length=series.context,
        validation_fraction=1 - series.train_end / series.valid_end,
        refit=False,
        random_state=task.seed,
    )
    y = pd.DataFrame(series.values[: series.valid_end])
    start = time.perf_counter()
    forecaster.fit(y, fh=np.arange(1, horizon + 1))
    seconds = time.perf_counter() - start
    pretrained = 0.0 if strategy == "from-scratch" else sum(r["seconds"] for r in given.history_)
    choices = " ".join(f"{name}={value}" for name, value in forecaster.choices_.items())
    return Fitted(forecaster.predict_rolling, seconds, pretrained, choices)


def with_encoder_of(strategy: str) -> type[SimMTMForecaster]:
    """Return the forecaster whose combination has an encoder's forecast by another strategy."""

    class Combined(SimMTMForecaster):
        def _encoder_strategy(self) -> Strategy:
            return STRATEGIES[strategy]

    return Combined


def fit_combination(
    task: Prepared, horizon: int, encoder: str | None = None, by: str = ENCODER_STRATEGY
) -> Fitted:
    """Fit a combination, without an encoder or with a given one.

    Little data are the first points of the training part, and all choices are made on them.
    """
    series, given = task.series, None if encoder is None else getattr(task, encoder)
    whole = task.share == 1
    y = series.values[: series.valid_end if whole else train_points(series, horizon, task.share)]
    forecaster = with_encoder_of(by)(
        transformer=None if given is None else FrozenEstimator(given),
        strategy="closed-form" if given is None else "combination",
        context_length=series.context,
        validation_fraction=1 - series.train_end / series.valid_end if whole else 0.2,
        refit=not whole,
        random_state=task.seed,
    )
    start = time.perf_counter()
    forecaster.fit(pd.DataFrame(y), fh=np.arange(1, horizon + 1))
    seconds = time.perf_counter() - start
    pretrained = 0.0 if given is None else sum(r["seconds"] for r in given.history_)
    weights = pd.DataFrame(forecaster.forecast_.weights_by_step())
    mean = {str(name): f"{weight:.2f}" for name, weight in weights.mean(axis=1).items()}
    choices = " ".join(f"{name.replace(' ', '_')}={weight}" for name, weight in mean.items())
    return Fitted(forecaster.predict_rolling, seconds, pretrained, choices)


def fit_ridge(task: Prepared, horizon: int) -> Fitted:
    """The plain closed form on the window alone: normalisation and penalty chosen the same way."""
    from simmtm_sk.nn.forecast import NORMALIZATIONS, normalized
    from simmtm_sk.training.closed_form import Baseline, clearly_best, window_ridge
    from simmtm_sk.training.task import Task

    windows, trained, held_out = split(task, horizon)
    start = time.perf_counter()
    problem = Task(windows, np.ones(task.series.values.shape[1]), trained, held_out)
    fits = {name: window_ridge(problem, Baseline(name)) for name in NORMALIZATIONS}
    name = clearly_best({name: errors for name, (_, errors) in fits.items()})
    fit = fits[name][0]
    seconds = time.perf_counter() - start

    def forecast(contexts: torch.Tensor) -> torch.Tensor:
        context = normalized(contexts, name)
        return context.center + context.scale * (context.window @ fit.coef.T + fit.intercept)

    predict = rolling(task.series.context, horizon, forecast)
    return Fitted(predict, seconds, choices=f"normalization={name} penalty={fit.penalty}")


def fit_naive(task: Prepared, horizon: int) -> Fitted:
    """The last period again."""
    period = PERIOD[task.series.name]
    steps = np.arange(horizon) % period - period

    def predict(values: np.ndarray, origins: np.ndarray) -> np.ndarray:
        return values[origins[:, None] + steps]

    return Fitted(predict, 0.0)


def fit_seasonal_mean(task: Prepared, horizon: int) -> Fitted:
    """The mean of the same phase in the context: nothing is fitted."""
    context = task.series.context
    weights = seasonal_mean(context, horizon, min(PERIOD[task.series.name], context)).float()
    return Fitted(rolling(context, horizon, lambda contexts: contexts.float() @ weights.T), 0.0)


class DLinear(torch.nn.Module):
    """A linear map of the moving average and one of the rest (Zeng et al., arXiv:2205.13504)."""

    def __init__(self, context: int, horizon: int, kernel: int = 25) -> None:
        super().__init__()
        self.trend = torch.nn.Linear(context, horizon)
        self.rest = torch.nn.Linear(context, horizon)
        self.kernel = kernel

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = (self.kernel - 1) // 2
        padded = torch.cat([x[:, :1].expand(-1, side), x, x[:, -1:].expand(-1, side)], 1)
        trend = padded.unfold(1, self.kernel, 1).mean(-1)
        return self.trend(trend) + self.rest(x - trend)


def fit_dlinear(task: Prepared, horizon: int) -> Fitted:
    """Trained as the encoder is: same loop, same number of steps, best epoch on validation."""
    windows, trained, held_out = split(task, horizon)
    held_out = held_out[:: max(1, len(held_out) // 4096)]

    def loss(model: torch.nn.Module, index: Index) -> torch.Tensor:
        place = windows.series[index], windows.origin[index]
        forecast = model(windows.contexts(*place).float().nan_to_num(0.0))
        error = forecast - windows.targets(*place).float()
        return error.nan_to_num(0.0).square().mean()

    start = time.perf_counter()
    torch.manual_seed(task.seed)
    model = DLinear(task.series.context, horizon)
    steps = -(-len(trained) // 128)
    plan = Plan(max(1, round(2000 / steps)), 128, 1e-3, 0.01, task.seed, patience=3)
    train(
        model,
        plan,
        len(trained),
        lambda index, _: {"total": loss(model, trained[index.numpy()])},
        lambda: {"criterion": float(loss(model, held_out))},
        device=torch.device("cpu"),
    )
    seconds = time.perf_counter() - start

    predict = rolling(task.series.context, horizon, lambda contexts: model(contexts.float()))
    return Fitted(predict, seconds)


METHODS: dict[str, Callable[[Prepared, int], Fitted]] = {
    "closed form": fit_combination,
    "combination, untrained": partial(fit_combination, encoder="untrained"),
    "combination, SimMTM": partial(fit_combination, encoder="encoder"),
    "combination, fine-tuned": partial(fit_combination, encoder="encoder", by="fine-tune"),
    "combination, from scratch": partial(fit_combination, encoder="encoder", by="from-scratch"),
    "combination, made series": partial(fit_combination, encoder="synthetic"),
    "linear-probe": fit_forecaster,
    "untrained": partial(fit_forecaster, encoder="untrained"),
    "auto-encoder": partial(fit_forecaster, encoder="autoencoder"),
    "made series": partial(fit_forecaster, encoder="synthetic"),
    "other data": partial(fit_forecaster, encoder="foreign"),
    "fine-tune": partial(fit_forecaster, strategy="fine-tune"),
    "probe-then-fine-tune": partial(fit_forecaster, strategy="probe-then-fine-tune"),
    "from-scratch": partial(fit_forecaster, strategy="from-scratch"),
    "points": partial(fit_forecaster, encoder="points"),
    "untrained points": partial(fit_forecaster, encoder="untrained_points"),
    "ridge": fit_ridge,
    "DLinear": fit_dlinear,
    "seasonal naive": fit_naive,
    "seasonal mean": fit_seasonal_mean,
}


# -- runs -----------------------------------------------------------------------------------------


def errors(
    series: Series, start: int, stop: int, horizon: int, predict: Predict, stride: int = 1
) -> list[float]:
    """Mean squared and mean absolute error over the windows with targets from start to stop."""
    values = series.values[:stop]
    origins = np.arange(start, stop - horizon + 1, stride)
    squared = absolute = 0.0
    for chunk in np.array_split(origins, -(-len(origins) // CHUNK)):
        # what the forecasts of a chunk can see, and what they are compared with
        first, last = max(0, chunk[0] - MEMORY), chunk[-1] + horizon
        part = values[first:last]
        target = np.stack([values[origin : origin + horizon] for origin in chunk])
        difference = predict(part, chunk - first) - target
        squared += float(np.square(difference).sum())
        absolute += float(np.abs(difference).sum())
    count = len(origins) * horizon * values.shape[1]
    return [squared / count, absolute / count]


def planned(arguments: argparse.Namespace) -> list[list[Run]]:
    """All runs, a group for every seed, set and share."""
    return [
        [
            {"task": task, "share": share, "horizon": horizon, "method": method, "seed": seed}
            for horizon in horizons(task)
            if arguments.horizons is None or horizon in arguments.horizons
            for method in arguments.methods
            if seed == 0 or method not in DETERMINISTIC
            if task in FOREIGN or method != "other data"
            if (task, horizon) == ("ETTh1", 96) or not method.endswith("points")
        ]
        for seed in range(arguments.seeds)
        for task in arguments.tasks
        for share in arguments.shares
        if share == 1 or task == "ETTh1"
    ]


def measured(runs: list[Run], home: Home) -> Iterator[tuple[Run, list[Row]]]:
    series = load_series(str(runs[0]["task"]), home)
    task = Prepared(series, float(runs[0]["share"]), int(runs[0]["seed"]), home)
    for run in runs:
        horizon = int(run["horizon"])
        fitted = METHODS[str(run["method"])](task, horizon)
        start = time.perf_counter()
        mse, mae = errors(series, series.valid_end, len(series.values), horizon, fitted.predict)
        predict_seconds = time.perf_counter() - start
        valid_mse, _ = errors(
            series, series.train_end, series.valid_end, horizon, fitted.predict, VALID_STRIDE
        )
        row = {
            "mse": round(mse, 5),
            "mae": round(mae, 5),
            "valid_mse": round(valid_mse, 5),
            "pretrain_seconds": round(fitted.pretrain_seconds, 1),
            "fit_seconds": round(fitted.fit_seconds, 1),
            "predict_seconds": round(predict_seconds, 1),
            "choices": fitted.choices,
        }
        yield run, [row]


def main() -> None:
    parser = benchmark_parser(__doc__)
    known = (*TASKS, *MORE_TASKS)
    parser.add_argument("--tasks", nargs="+", choices=known, default=TASKS, metavar="NAME")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--horizons", nargs="+", type=int, default=None)
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    run_all(
        "forecasting.csv",
        planned(arguments),
        partial(measured, home=arguments.data_home),
        arguments,
    )


if __name__ == "__main__":
    main()
