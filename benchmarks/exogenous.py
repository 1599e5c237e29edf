"""Exogenous data that are known in advance, and what they are worth to the default forecaster.

python benchmarks/exogenous.py [--shard I/N] [--results DIR] [--time-limit S]

From each of the last origins of a series, a year is forecast by models fitted to everything before.
"Least squares" is the regression of the series on X, the quarter, and time. Writes
results/exogenous.csv, a row for every series and method, and the table of docs/forecasting.rst.
"""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from probe import Row, benchmark_parser, run_all
from sktime.datasets import load_uschange
from tables import ROOT, insert, restructured

from simmtm_sk import SimMTMForecaster

N_ORIGINS = 40
YEAR = 4
COVERAGE = 0.8
Bounds = tuple[np.ndarray, np.ndarray, np.ndarray]  # forecast, lower and upper end of an interval
Method = Callable[[pd.Series, pd.DataFrame, pd.DataFrame, int], Bounds]


def sets() -> dict[str, tuple[pd.Series, pd.DataFrame]]:
    """Each of five quarterly series, the other four known in advance."""
    consumption, others = load_uschange()
    table = pd.concat([consumption, others], axis=1)
    return {name: (table[name], table.drop(columns=name)) for name in table}


def forecaster(y: pd.Series, X: pd.DataFrame | None, ahead: pd.DataFrame | None, n: int) -> Bounds:
    """The default, with or without X."""
    fitted = SimMTMForecaster(random_state=0).fit(y, X=X, fh=range(1, n + 1))
    interval = fitted.predict_interval(X=ahead, coverage=COVERAGE).to_numpy()
    return fitted.predict(X=ahead).to_numpy(), interval[:, 0], interval[:, 1]


def without(y: pd.Series, X: pd.DataFrame, ahead: pd.DataFrame, n: int) -> Bounds:
    return forecaster(y, None, None, n)


def seasonal_naive(y: pd.Series, X: pd.DataFrame, ahead: pd.DataFrame, n: int) -> Bounds:
    last = y.to_numpy()[-n:]
    return last, np.full(n, np.nan), np.full(n, np.nan)


def least_squares(y: pd.Series, X: pd.DataFrame, ahead: pd.DataFrame, n: int) -> Bounds:
    both = pd.concat([X, ahead])
    step = np.arange(len(both))
    features = np.column_stack([both, step, np.eye(n)[step % n]])
    coef, *_ = np.linalg.lstsq(features[: len(y)], y.to_numpy(), rcond=None)
    return features[len(y) :] @ coef, np.full(n, np.nan), np.full(n, np.nan)


METHODS: dict[str, Method] = {
    "seasonal naive": seasonal_naive,
    "least squares with X": least_squares,
    "without X": without,
    "with X": forecaster,
}


def measure(group: list[Row]) -> Iterator[tuple[Row, list[Row]]]:
    known = sets()
    for run in group:
        (y, X), n = known[str(run["set"])], YEAR
        errors, inside = [], []
        start = time.perf_counter()
        for origin in range(len(y) - n - N_ORIGINS + 1, len(y) - n + 1):
            later = slice(origin, origin + n)
            forecast, low, high = METHODS[str(run["method"])](y[:origin], X[:origin], X[later], n)
            truth = y[later].to_numpy()
            errors.append(np.abs(forecast - truth).mean())
            inside.append(np.where(np.isnan(low), np.nan, (low <= truth) & (truth <= high)).mean())
        seconds = (time.perf_counter() - start) / N_ORIGINS
        scores = {"mae": round(float(np.mean(errors)), 5), "coverage": round(np.mean(inside), 3)}
        yield run, [{**scores, "n_origins": N_ORIGINS, "seconds": round(seconds, 3)}]


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute errors of every method, and what the intervals hold."""
    wide = rows.pivot(index="set", columns="method", values="mae").map("{:.3f}".format)
    wide = wide[list(METHODS)]
    held = rows[rows["method"] == "with X"].set_index("set")["coverage"]
    wide[f"intervals of {COVERAGE:.0%} hold"] = held.map("{:.0%}".format)
    return wide.rename_axis(None).rename_axis(None, axis=1)


def main() -> None:
    arguments = benchmark_parser(__doc__).parse_args()
    runs: list[list[Row]] = [[{"set": s, "method": m} for m in METHODS] for s in sets()]
    run_all("exogenous.csv", runs, measure, arguments)
    rows = pd.read_csv(arguments.results / "exogenous.csv")
    insert(ROOT / "docs" / "forecasting.rst", "exogenous", restructured(table(rows)))


if __name__ == "__main__":
    main()
