"""How many values intervals hold, and the pinball loss, on ETTh1, ETTm1, Weather and illness.

python benchmarks/intervals.py --data-home DIR [--tasks NAME ...] [--shard I/N] [--results DIR]

The default forecaster without an encoder, fitted as in forecasting.py; evenly spaced origins of the
test part, as they are, with a tenth of all values missing ("gaps"), and with the last day shifted
by five standard deviations ("shift"). ``coverage_*`` are shares of values inside of intervals,
``pinball`` is the mean loss of 19 quantiles in units of the standard deviation, half of the CRPS.
Writes results/intervals.csv, a row for every set, horizon and kind.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from forecasting import MEMORY, PERIOD, TASKS, horizons, load_series
from probe import benchmark_parser, run_all

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


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
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
        inside, pinball = np.zeros(len(COVERAGES)), 0.0
        for origin in origins:
            context = changed(series.values[max(0, origin - MEMORY) : origin], kind, period)
            target = series.values[origin : origin + horizon].T + 5 * (kind == "shift")
            quantiles = dict(zip(ALPHAS, intervals(*fitted[horizon], context), strict=True))
            for place, coverage in enumerate(COVERAGES):
                low, high = (quantiles[0.5 + sign * coverage / 2] for sign in (-1, 1))
                inside[place] += np.mean((low <= target) & (target <= high)) / len(origins)
            for level in LEVELS:
                error = target - quantiles[level]
                pinball += np.maximum(level * error, (level - 1) * error).mean()
        shares = zip(COVERAGES, inside, strict=True)
        row = {f"coverage_{coverage}": round(float(share), 4) for coverage, share in shares}
        row["pinball"] = round(float(pinball / len(origins) / len(LEVELS)), 4)
        yield run, [row]


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
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="NAME")
    arguments = parser.parse_args()
    groups = [
        [
            {"task": task, "horizon": horizon, "kind": kind}
            for horizon in (horizons(task)[0], horizons(task)[-1])
            for kind in ("as it is", "gaps", "shift")
        ]
        for task in arguments.tasks
    ]
    run_all("intervals.csv", groups, partial(measured, home=arguments.data_home), arguments)


if __name__ == "__main__":
    main()
