"""How many values intervals hold, and the pinball loss, on long series and on short ones.

python benchmarks/intervals.py --data-home DIR [--tasks NAME ...] [--shard I/N] [--results DIR]

The default forecaster without an encoder, fitted as in forecasting.py; evenly spaced origins of the
test part, as they are, with a tenth of all values missing ("gaps"), and with the last day shifted
by five standard deviations ("shift"). "short" are the series of short_series.py, each with the
default forecaster fitted to what lies before each of its origins. ``coverage_*`` are shares of
values inside of intervals,
``pinball`` is the mean loss of 19 quantiles in units of the standard deviation, half of the CRPS.
Writes results/intervals.csv, a row for every set or short series, horizon and kind.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from forecasting import MEMORY, PERIOD, TASKS, horizons, load_series
from probe import benchmark_parser, run_all
from short_series import first_origin
from short_series import series as short_series

from simmtm_sk import SimMTMForecaster
from simmtm_sk.data.forecast_windows import ForecastWindows
from simmtm_sk.datasets import Home
from simmtm_sk.training.residuals import column_quantiles
from simmtm_sk.training.rollout import roll_out

N_ORIGINS = 100
LEVELS = np.round(np.arange(0.05, 0.96, 0.05), 2)
COVERAGES = (0.5, 0.8, 0.95)
ALPHAS = sorted({*LEVELS, *(0.5 + s * c / 2 for c in COVERAGES for s in (-1, 1))})
Row = dict[str, object]


def changed(values: np.ndarray, kind: str, period: int) -> np.ndarray:
    """The series before an origin, (length, n_columns)."""
    values = values.copy()
    if kind == "gaps":
        values[np.random.default_rng(0).random(values.shape) < 0.1] = np.nan
    if kind == "shift":
        values[-period:] += 5
    return values


def scores(quantiles: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Shares of values inside of intervals, and the pinball loss; the quantiles are `ALPHAS`."""
    at = dict(zip(ALPHAS, quantiles, strict=True))
    inside = [
        np.mean((at[0.5 - coverage / 2] <= target) & (target <= at[0.5 + coverage / 2]))
        for coverage in COVERAGES
    ]
    errors = [(level, target - at[level]) for level in LEVELS]
    pinball = np.mean([np.maximum(level * error, (level - 1) * error) for level, error in errors])
    return np.array([*inside, pinball])


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    for run, made in short(runs) if runs[0]["kind"] == "short" else long(runs, home):
        names = [*(f"coverage_{coverage}" for coverage in COVERAGES), "pinball"]
        shares = np.mean(made, axis=0).round(4).tolist()
        yield run, [dict(zip(names, shares, strict=True))]


def short(runs: list[Row]) -> Iterator[tuple[Row, list[np.ndarray]]]:
    """The scores at every origin of a short series, the unit being its standard deviation."""
    for run in runs:
        values, horizon, _ = short_series()[str(run["task"])]
        values, made = values / values.std(), []
        for origin in range(first_origin(len(values), horizon), len(values) - horizon + 1):
            forecaster = SimMTMForecaster(random_state=0)
            forecaster.fit(pd.Series(values[:origin]), fh=np.arange(1, horizon + 1))
            quantiles = forecaster.predict_quantiles(alpha=ALPHAS).to_numpy().T
            made.append(scores(quantiles, values[origin : origin + horizon]))
        yield run, made


def long(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[np.ndarray]]]:
    """The scores at evenly spaced origins of a test part."""
    fitted: dict[int, tuple[SimMTMForecaster, np.ndarray]] = {}  # with quantiles of its errors
    for run in runs:
        task, horizon, kind = str(run["task"]), int(str(run["horizon"])), str(run["kind"])
        series, period = load_series(task, home), PERIOD[task]
        if horizon not in fitted:
            forecaster = SimMTMForecaster(
                strategy="closed-form",
                context_length=series.context,
                validation_fraction=1 - series.train_end / series.valid_end,
                refit=False,
            )
            y = pd.DataFrame(series.values[: series.valid_end])
            forecaster.fit(y, fh=np.arange(1, horizon + 1))
            errors = forecaster.residuals_, forecaster._residual_series
            fitted[horizon] = forecaster, column_quantiles(*errors, len(y.columns), ALPHAS)
        origins = np.linspace(series.valid_end, len(series.values) - horizon, N_ORIGINS).astype(int)
        made = []
        for origin in origins:
            context = changed(series.values[max(0, origin - MEMORY) : origin], kind, period)
            target = series.values[origin : origin + horizon].T + 5 * (kind == "shift")
            made.append(scores(intervals(*fitted[horizon], context), target))
        yield run, made


def intervals(fitted: SimMTMForecaster, errors: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Quantiles behind the end of a series, (n_alphas, n_columns, horizon)."""
    columns = list(values.T)
    windows = ForecastWindows(columns, fitted.forecast_.context_length, fitted.horizon_)
    last = pd.DataFrame(values).ffill().to_numpy()[-1].copy()
    numbers = np.arange(len(columns))
    place = numbers, windows.lengths, fitted._series_std
    made = roll_out(fitted.forecast_, windows, *place, last)
    return made.values + errors * made.unit


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=[*TASKS, "short"], default=[*TASKS, "short"])
    arguments = parser.parse_args()
    groups = [
        [
            {"task": task, "horizon": horizon, "kind": kind}
            for horizon in (horizons(task)[0], horizons(task)[-1])
            for kind in ("as it is", "gaps", "shift")
        ]
        for task in arguments.tasks
        if task in TASKS
    ]
    if "short" in arguments.tasks:
        groups += [
            [{"task": name, "horizon": horizon, "kind": "short"}]
            for name, (_, horizon, _) in short_series().items()
        ]
    run_all("intervals.csv", groups, partial(measured, home=arguments.data_home), arguments)


if __name__ == "__main__":
    main()
