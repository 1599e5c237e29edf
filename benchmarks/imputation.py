"""Filling gaps: the imputer beside what is used for it, on long series and on archive sets.

python benchmarks/imputation.py --data-home DIR [--tasks NAME ...] [--part test] [--shard I/N]

Long series: 60 stretches of 96 points, evenly spaced over the test part of ETTh1, ETTm1, Weather
and illness, with single points of every channel hidden (10, 30, 50, 70 %) or blocks of 12 points
(12.5, 25, 37.5, 50 %); errors in units of the training part's standard deviation. Methods see the
training part, and of a stretch what is visible. Archive sets: a sixth of every test series hidden
in one piece.
Writes results/imputation.csv, a row for each task, kind of gap, ratio and method. "--part valid"
is what choices were made on.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache, partial

import numpy as np
import pandas as pd
from forecasting import PERIOD
from numpy.lib.stride_tricks import sliding_window_view
from probe import benchmark_parser, run_all
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer
from sktime.transformations.series.impute import Imputer
from tasks import load_small

from simmtm_sk import SimMTMImputer
from simmtm_sk.datasets import Home, load_ett, load_illness, load_weather
from simmtm_sk.filling.mixture import WindowMixture
from simmtm_sk.filling.windows import by_windows

SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "OSULeaf", "ECG200", "SwedishLeaf", "Plane")
LONG = ("illness", "ETTh1", "ETTm1", "Weather")
RATIOS = {"points": (0.1, 0.3, 0.5, 0.7), "blocks": (0.125, 0.25, 0.375, 0.5)}
STRETCH, N_STRETCHES, BLOCK = 96, 60, 12
SEEN_BY_RIVALS = 2000  # rows of the training part, for imputers that compare rows

Row = dict[str, object]
Panel = np.ndarray  # (n, n_channels, length), NaN where hidden


# -- rivals: series by series, or rows of time by channels ----------------------------------------


def frame_by_frame(fill: Callable[[pd.DataFrame], pd.DataFrame], X: Panel) -> Panel:
    """Fill every series as a frame (length, n_channels); what stays is the channel's mean."""
    filled = np.stack([fill(pd.DataFrame(x.T)).to_numpy().T for x in X])
    return np.where(np.isnan(filled), np.nanmean(X, (0, 2))[:, None], filled)


def linear(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.interpolate(limit_direction="both")


def spline(frame: pd.DataFrame) -> pd.DataFrame:
    def of(column: pd.Series) -> pd.Series:
        return column.interpolate("cubic") if column.notna().sum() > 3 else column

    return linear(frame.apply(of))  # beyond the first and the last value, the next


def seasonal(frame: pd.DataFrame, period: int) -> pd.DataFrame:
    """Trend by a running mean of straight lines, and the mean of what is left of each phase."""
    straight = linear(frame)
    trend = straight.rolling(period, center=True, min_periods=1).mean()
    phase = np.arange(len(frame)) % period
    season = (frame - trend).groupby(phase).transform("mean")
    return frame.fillna(trend + season).fillna(straight)


def sktime_drift(frame: pd.DataFrame) -> pd.DataFrame:
    return Imputer(method="drift").fit_transform(frame)


def by_rows(imputer: object, train: Panel, X: Panel) -> Panel:
    """Fill series as rows, or time points of a single one, with those before and after beside."""
    if len(train) > 1:
        seen = train.reshape(len(train), -1)
        return imputer.fit(seen).transform(X.reshape(len(X), -1)).reshape(X.shape)

    def rows(panel: Panel) -> np.ndarray:
        padded = np.pad(panel, ((0, 0), (0, 0), (1, 1)), constant_values=np.nan)
        shifted = [padded[:, :, k : k + panel.shape[2]] for k in (1, 0, 2)]
        return np.concatenate(shifted, 1).swapaxes(1, 2).reshape(-1, 3 * panel.shape[1])

    seen = rows(train)
    seen = seen[np.linspace(0, len(seen) - 1, min(len(seen), SEEN_BY_RIVALS)).astype(int)]
    filled = imputer.fit(seen).transform(rows(X))[:, : X.shape[1]]
    return filled.reshape(len(X), X.shape[2], X.shape[1]).swapaxes(1, 2)


def one_gaussian(train: Panel, X: Panel) -> Panel:
    """What a single Gaussian over windows of all channels expects: its conditional mean."""
    center, std = np.nanmean(train, (0, 2))[:, None], np.nanstd(train, (0, 2))[:, None]
    points = min(48, train.shape[2], 512 // train.shape[1])
    whole = (frame_by_frame(linear, train) - center) / std
    windows = sliding_window_view(whole, points, axis=2).swapaxes(1, 2)
    windows = windows.reshape(-1, train.shape[1] * points)
    seen = np.linspace(0, len(windows) - 1, min(len(windows), 10_000)).astype(int)
    mixture = WindowMixture.fit(windows[seen], train.shape[1], 1)
    lengths = np.full(len(X), X.shape[2])
    return by_windows((X - center) / std, lengths, {points: mixture})[0] * std + center


def rivals(period: int) -> dict[str, Callable[[Panel, Panel], Panel]]:
    """Each fills what is hidden in the second panel; what is visible there is put back."""
    by_frame = {"linear": linear, "spline": spline, "sktime, drift": sktime_drift}
    if period:
        by_frame["seasonal"] = partial(seasonal, period=period)
    return {
        "one Gaussian": one_gaussian,
        **{name: partial(_second, fill) for name, fill in by_frame.items()},
        "KNNImputer": partial(by_rows, KNNImputer(n_neighbors=5, keep_empty_features=True)),
        "IterativeImputer": partial(
            by_rows,
            IterativeImputer(n_nearest_features=64, random_state=0, keep_empty_features=True),
        ),
    }


def _second(fill: Callable[[pd.DataFrame], pd.DataFrame], train: Panel, X: Panel) -> Panel:
    return frame_by_frame(fill, X)


# -- tasks ----------------------------------------------------------------------------------------


def hidden_stretch(kind: str, ratio: float, shape: tuple[int, int], rng: np.random.Generator):
    """What is hidden of a stretch (n_channels, length)."""
    if kind == "points":
        return rng.random(shape) < ratio
    hidden = np.zeros(shape, bool)
    for channel in hidden:
        while channel.mean() < ratio:
            start = rng.integers(shape[1])
            channel[start : start + BLOCK] = True
    return hidden


@lru_cache(maxsize=1)
def load_series(name: str, home: Home) -> tuple[np.ndarray, int, int]:
    """Values (length, n_channels), NaN = missing, and where validation and test part begin."""
    if name.startswith("ETT"):
        hours = 4 if name == "ETTm1" else 1
        return load_ett(name, home).data[: 14400 * hours], 8640 * hours, 11520 * hours
    data = (load_weather if name == "Weather" else load_illness)(home).data
    return data, int(0.7 * len(data)), int(0.8 * len(data))


def long_task(name: str, kind: str, ratio: float, part: str, home: Home) -> tuple[Panel, ...]:
    """Training part, stretches, what is hidden of them, unit of every channel."""
    values, valid, test = load_series(name, home)
    first, last = (valid, test) if part == "valid" else (test, len(values))
    rng = np.random.default_rng(0)
    starts = np.linspace(first, last - STRETCH, N_STRETCHES).astype(int)
    X = np.stack([values[s : s + STRETCH].T for s in starts])
    hidden = np.stack([hidden_stretch(kind, ratio, X.shape[1:], rng) for _ in X])
    train = values[:valid]
    # Weather says -9999 where a value is missing; published errors take these for values
    return train.T[None], X, hidden & ~np.isnan(X), np.nan_to_num(train, nan=-9999.0).std(0)


def archive_task(name: str, part: str, home: Home) -> tuple[Panel, ...]:
    task = load_small(name, home)
    train, X = (np.asarray(x, np.float64) for x in (task.X_train, task.X_test))
    if part == "valid":
        train, X = train[::2], train[1::2]
    rng = np.random.default_rng(0)
    size = X.shape[2] // 6
    starts = rng.integers(0, X.shape[2] - size + 1, len(X))
    at = np.arange(X.shape[2])
    hidden = (at >= starts[:, None]) & (at < starts[:, None] + size)
    return train, X, np.broadcast_to(hidden[:, None], X.shape), train.std((0, 2))


@lru_cache(maxsize=1)
def fitted(name: str, part: str, home: Home) -> tuple[SimMTMImputer, float]:
    """The imputer for a task, and the seconds that its fit took; gaps of all kinds share it."""
    train = load(name, "points", 0.5, part, home)[0]
    start = time.process_time()
    imputer = SimMTMImputer().fit(train)
    return imputer, time.process_time() - start


def load(name: str, kind: str, ratio: float, part: str, home: Home) -> tuple[Panel, ...]:
    """Training part, series, what is hidden of them, unit of every channel."""
    if name in LONG:
        return long_task(name, kind, ratio, part, home)
    return archive_task(name, part, home)


def measured(runs: list[Row], part: str, home: Home) -> Iterator[tuple[Row, list[Row]]]:
    for run in runs:
        train, X, hidden, unit = load(run["task"], run["gaps"], run["ratio"], part, home)
        gappy = np.where(hidden, np.nan, X)
        own, fit_seconds = run["method"] == "SimMTMImputer", 0.0
        if own:
            imputer, fit_seconds = fitted(run["task"], part, home)
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rivals that do not converge
            rival = None if own else rivals(PERIOD.get(run["task"], 0))[run["method"]]
            filled = imputer.transform(gappy) if own else rival(train, gappy)
        row: Row = {"fit_seconds": round(fit_seconds, 1)}
        row["seconds"] = round(time.process_time() - start, 1)
        error = ((filled - X) / unit[:, None])[hidden]
        row |= {"mse": round(float((error**2).mean()), 5), "mae": round(abs(error).mean(), 5)}
        yield run, [row]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", default=[*SETS, *LONG])
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    arguments = parser.parse_args()
    groups = []
    for task in arguments.tasks:
        gaps = [(k, r) for k, ratios in RATIOS.items() for r in ratios] if task in LONG else []
        for kind, ratio in gaps or [("a sixth", 1 / 6)]:
            for method in ("SimMTMImputer", *rivals(PERIOD.get(task, 0))):
                row = {"task": task, "gaps": kind, "ratio": round(ratio, 3), "method": method}
                groups.append([{**row, "part": arguments.part}])
    run_all(
        "imputation.csv",
        groups,
        lambda runs: measured(runs, arguments.part, arguments.data_home),
        arguments,
    )


if __name__ == "__main__":
    main()
