"""Time points of a log: how far apart, and the lines that put them on a regular grid."""

from __future__ import annotations

import numpy as np
import pandas as pd

_SECONDS = 1e11  # smaller stamps are seconds since 1970, larger ones milliseconds
_STAMP = 1e8


def regular_rows(times: pd.Index) -> tuple[str, list[str]]:
    """Say what the time points of a series are, and how to make them regular.

    Parameters
    ----------
    times : Index
        Dates or numbers, in any order.

    Returns
    -------
    said : str
        From when to when, the step, and how many are missing.
    lines : list of str
        Code that puts the frame ``X`` on the grid; what it leaves out are missing values.
    """
    lines = []
    if not isinstance(times, pd.DatetimeIndex) and times.min() > _STAMP:
        unit = "s" if times.min() < _SECONDS else "ms"
        times = pd.DatetimeIndex(times.to_numpy().astype(f"M8[{unit}]"))
        lines.append(f"X.index = pd.to_datetime(X.index, unit={unit!r})")
    repeated = int(times.duplicated().sum())
    if repeated:
        lines.append("X = X[~X.index.duplicated()]")
        times = times[~times.duplicated()]
    if not times.is_monotonic_increasing:
        lines.append("X = X.sort_index()")
        times = times.sort_values()
    step, grid, mended = _dates(times) if isinstance(times, pd.DatetimeIndex) else _numbers(times)
    said = f"{times[0]} to {times[-1]}, every {step}"
    if repeated:
        said += f"; {repeated} rows repeat a time point and are left out"
    absent = grid - len(times)
    if absent > 0:
        said += f"; {absent} time points have no row and are missing values"
    return said + ".", [*lines, *mended]


def _dates(times: pd.DatetimeIndex) -> tuple[str, int, list[str]]:
    """Take the calendar that has all time points and the fewest others; if none has, average."""
    steps = np.diff(times.asi8)
    usual = pd.Timedelta(int(pd.Series(steps).mode()[0]), unit=times.unit)
    grids = {f: pd.date_range(times[0], times[-1], freq=f) for f in (_freq(usual), "MS", "ME", "B")}
    grids = {freq: grid for freq, grid in grids.items() if times.isin(grid).all()}
    if grids:
        freq = min(grids, key=lambda freq: len(grids[freq]))
        return freq, len(grids[freq]), [f"X = X.asfreq({freq!r})"]
    median = pd.Timedelta(int(np.median(steps)), unit=times.unit)
    units = [pd.Timedelta(1, "D"), pd.Timedelta(1, "h"), pd.Timedelta(1, "min")]
    unit = next((unit for unit in units if median >= unit), pd.Timedelta(1, "s"))
    freq = _freq(unit * max(1, round(median / unit)))
    return f"{freq} or so (averaged)", 0, [f"X = X.resample({freq!r}).mean()"]


def _freq(step: pd.Timedelta) -> str:
    freq: str = pd.tseries.frequencies.to_offset(step).freqstr
    return "D" if freq == "24h" else freq


def _numbers(times: pd.Index) -> tuple[str, int, list[str]]:
    values = times.to_numpy(np.float64)
    step = float(np.median(np.diff(values)))
    place = np.rint((values - values[0]) / step)
    if (np.diff(place) < 1).any() or not np.allclose(
        values, values[0] + place * step, atol=step / 10
    ):
        raise ValueError(
            f"its time points are irregular: steps go from {np.diff(values).min():g} to "
            f"{np.diff(values).max():g}."
        )
    length = int(place[-1]) + 1
    number = f"{step:g}"
    return (
        number,
        length,
        [
            f"X.index = ((X.index - {values[0]:g}) / {number}).to_numpy().round().astype(int)",
            f"X = X.reindex(range({length}))",
        ],
    )
