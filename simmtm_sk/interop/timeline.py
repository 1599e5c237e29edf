"""Between sktime's containers of y and plain series: instances, their time index, their cutoff."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sktime.datatypes import get_cutoff, update_data
from sktime.forecasting.base import ForecastingHorizon

from ..persistence import StateReader, TensorReader

PLAIN = (str, int, float, bool, type(None))  # what names in an artifact can be
_FIXED_ZONE = re.compile(r"UTC([+-]\d\d:\d\d)?")
_FREQUENCY = re.compile(
    r"-?\d{0,9}(ns|us|ms|s|min|h|D|B|C|bh|cbh|W|WOM|LWOM|SME|SMS|M|ME|MS|BME|BMS|CBME|CBMS"
    r"|Q|QE|QS|BQE|BQS|Y|YE|YS|BYE|BYS)(-[A-Z0-9]{1,4})?"
)


@dataclass(frozen=True)
class Instance:
    """One instance of a panel, or the only one there is.

    Attributes
    ----------
    name : tuple
        Its levels of a MultiIndex; empty for a single series.
    values : ndarray, shape (n_columns, length)
        float64, NaN = missing.
    cutoff : Index
        The last time point alone, with a frequency where the index has one.
    """

    name: tuple[Any, ...]
    values: NDArray[np.float64]
    cutoff: pd.Index


def instances(y: pd.DataFrame) -> list[Instance]:
    """Split a container of y; a row is a time point.

    Raises
    ------
    ValueError
        If a series has no observed value, an infinite one, or time points that are not regular.
    TypeError
        If it holds something that is no number.
    """
    result = []
    for name, frame in _frames(y):
        label = f"instance {name!r} of y" if name else "y"
        try:
            values = frame.to_numpy(np.float64, na_value=np.nan).T
        except (TypeError, ValueError) as error:
            raise TypeError(f"{label} must hold numbers ({error}).") from error
        if np.isinf(values).any():
            raise ValueError(f"{label} contains infinity; values must be finite, or NaN.")
        for column, series in zip(frame.columns, values, strict=True):
            if np.isnan(series).all():
                raise ValueError(f"column {column!r} of {label} has no observed value.")
        check_regular(frame.index, label)
        numbers = pd.DataFrame(values.T, frame.index)
        result.append(Instance(name, values, get_cutoff(numbers, return_index=True)))
    return result


def check_regular(index: pd.Index, label: str) -> None:
    """Refuse time points that no forecasting horizon can count."""
    step: Any = None
    match index:
        case pd.DatetimeIndex() | pd.TimedeltaIndex():
            known = len(index) < 3 or index.freq is not None or pd.infer_freq(index) is not None
        case pd.PeriodIndex():
            step, freq = np.diff(index.asi8), index.freq
            known = freq is not None and bool((step == freq.n).all())
        case _:
            step = np.diff(index)
            known = bool((step == 1).all())
    if not known:
        raise ValueError(
            f"the time index of {label} is irregular: time points must follow each other at one "
            "frequency, without gaps. Insert missing time points as NaN, as in y.asfreq('D') or "
            "y.reindex(range(...))."
        )


def extended(y: pd.DataFrame, new: pd.DataFrame, cutoff: pd.Index) -> pd.DataFrame:
    """Add newly seen data to y, and forget what lies behind the cutoff.

    Time points between the two become missing values. Instances stay in the order of y; new ones
    come last.

    Raises
    ------
    ValueError
        If ``new`` has other columns, or is a panel where y is not.
    """
    if list(y.columns) != list(new.columns):
        raise ValueError(
            f"y has the columns {list(new.columns)}, but the forecaster was fitted on "
            f"{list(y.columns)}."
        )
    if y.index.nlevels != new.index.nlevels:
        raise ValueError(
            f"y has {new.index.nlevels} index level(s), but the forecaster was fitted on "
            f"{y.index.nlevels}."
        )
    known = {name: frame.index for name, frame in _frames(y)}
    merged: pd.DataFrame = update_data(y, new)
    merged = merged[merged.index.get_level_values(-1) <= cutoff[0]]
    found = dict(_frames(merged))
    pieces = {
        name: found[name].reindex(_grid(found[name].index, index))
        for name, index in known.items()
        if name in found
    }
    pieces |= {name: frame for name, frame in found.items() if name not in known}
    if merged.index.nlevels == 1:
        return pieces[()]
    return pd.concat(pieces, names=merged.index.names)


def horizon_steps(fh: ForecastingHorizon, seen: Sequence[Instance]) -> NDArray[np.intp]:
    """Return how many steps behind each instance's cutoff a horizon is: (n_instances, n_steps)."""
    if _counts_steps(fh):
        return np.tile(np.asarray(fh.to_pandas(), np.intp), (len(seen), 1))
    return np.stack([_steps_behind(fh, one.cutoff) for one in seen])


def forecast_frame(
    blocks: NDArray[np.float64],
    seen: Sequence[Instance],
    fh: ForecastingHorizon,
    columns: Any,
    names: Any,
) -> pd.DataFrame:
    """Put forecasts of all instances, (n_instances, n_steps, n_columns), in one container."""
    times = [fh.to_absolute_index(instance.cutoff) for instance in seen]
    if not seen[0].name:
        return pd.DataFrame(blocks[0], index=times[0], columns=columns)
    labels = [
        (*instance.name, time)
        for instance, points in zip(seen, times, strict=True)
        for time in points
    ]
    index = pd.MultiIndex.from_tuples(labels, names=names)
    return pd.DataFrame(np.concatenate(blocks), index=index, columns=columns)


def encoded_frame(y: pd.DataFrame) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return a container of y as JSON and tensors, for an artifact.

    Raises
    ------
    TypeError
        If instances or columns have names that are neither text nor numbers.
    """
    times = [_encoded_index(frame.index) for _, frame in _frames(y)]
    state = {
        "columns": [plain_name(name) for name in y.columns],
        "index_names": [plain_name(name) for name in y.index.names],
        "instances": [[plain_name(level) for level in name] for name, _ in _frames(y)],
        "times": [kind for kind, _ in times],
        "lengths": [len(points) for _, points in times],
    }
    points = np.concatenate([points for _, points in times])
    tensors = {
        "values": torch.tensor(y.to_numpy(np.float64)),
        "points": torch.tensor(points.astype(np.int64)),
    }
    return state, tensors


def decoded_frame(state: StateReader, tensors: TensorReader) -> pd.DataFrame:
    """Undo `encoded_frame`."""
    columns = state.items("columns", *PLAIN)
    names = state.items("index_names", *PLAIN)
    lengths = state.items("lengths", int)
    kinds = state.items("times", dict, length=len(lengths))
    instances = state.items("instances", list, length=len(lengths))
    state.finish()
    n_levels = len(names) - 1
    if not (columns and lengths and names and min(lengths) > 0):
        raise ValueError("y must have columns, an index, and instances that are not empty.")
    if any(len(name) != n_levels or {type(n) for n in name} - {*PLAIN} for name in instances):
        raise ValueError(f"the instances of y must have names of {n_levels} level(s) each.")
    if n_levels == 0 and len(lengths) > 1:
        raise ValueError("y has several instances without a name.")
    n_points = sum(lengths)
    ends = np.cumsum(lengths)[:-1]
    table = tensors.take("values", (n_points, len(columns)), missing=True).numpy()
    times = tensors.take("points", (n_points,), torch.int64).numpy()
    frames = [
        pd.DataFrame(values, _decoded_index(kind, points, names[-1]), columns)
        for values, kind, points in zip(
            np.split(table, ends), kinds, np.split(times, ends), strict=True
        )
    ]
    if n_levels == 0:
        return frames[0]
    keys = [tuple(name) if len(name) > 1 else name[0] for name in instances]
    return pd.concat(frames, keys=keys, names=names)


def encoded_horizon(fh: ForecastingHorizon) -> dict[str, Any]:
    """Return a forecasting horizon as JSON."""
    if _counts_steps(fh):
        return {"relative": [int(step) for step in fh.to_pandas()]}
    kind, points = _encoded_index(fh.to_pandas())
    return {"kind": kind, "points": points.tolist(), "is_relative": fh.is_relative}


def decoded_horizon(state: StateReader) -> ForecastingHorizon:
    """Undo `encoded_horizon`."""
    steps = state.items("relative" if "relative" in state else "points", int)
    if not steps:
        raise ValueError("a forecasting horizon has at least one step.")
    if "kind" not in state:
        state.finish()
        return ForecastingHorizon(steps, is_relative=True)
    points = np.asarray(steps, np.int64)
    index = _decoded_index(state.anything("kind"), points, None)
    is_relative = state.flag("is_relative")
    state.finish()
    return ForecastingHorizon(index, is_relative=is_relative)


def _steps_behind(fh: ForecastingHorizon, cutoff: Any) -> NDArray[np.intp]:
    times = fh.to_absolute(cutoff)
    points = times.to_pandas()
    if getattr(cutoff, "tz", None) is None or cutoff.freq is None:
        return np.asarray(times.to_relative(cutoff).to_pandas(), np.intp)
    # sktime would count by the clock on the wall, which skips and repeats hours
    grid = pd.date_range(cutoff[0], points.max(), freq=cutoff.freq)
    steps = np.where(points <= cutoff[0], 0, grid.get_indexer(points))
    if (steps < 0).any():
        raise ValueError(f"fh has time points that y, at frequency {cutoff.freqstr}, has not.")
    return steps


def _counts_steps(fh: ForecastingHorizon) -> bool:
    """Whether it is relative and in whole steps, not in spans of time."""
    return bool(fh.is_relative) and not isinstance(fh.to_pandas(), pd.TimedeltaIndex)


def _encoded_index(index: pd.Index) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """Return what kind of time an index counts, and its points as integers."""
    match index:
        case pd.DatetimeIndex() | pd.TimedeltaIndex():
            zone = getattr(index, "tz", None)
            kind = {
                "class": type(index).__name__,
                "unit": index.unit,
                "freq": index.freqstr,
                "zone": None if zone is None else str(zone),
            }
            return kind, index.asi8
        case pd.PeriodIndex():
            return {"class": "PeriodIndex", "freq": index.freqstr}, index.asi8
        case _:
            name = "RangeIndex" if isinstance(index, pd.RangeIndex) else "Index"
            return {"class": name}, index.to_numpy(np.int64)


def _decoded_index(kind: Any, points: NDArray[np.int64], name: Any) -> pd.Index:
    match kind:
        case {"class": "DatetimeIndex", "unit": unit, "freq": freq, "zone": zone}:
            times = pd.DatetimeIndex(points.view(f"M8[{_known_unit(unit)}]"))
            if zone is not None:
                times = times.tz_localize("UTC").tz_convert(_known_zone(zone))
            return pd.DatetimeIndex(times, freq=_known_frequency(freq), name=name)
        case {"class": "TimedeltaIndex", "unit": unit, "freq": freq}:
            steps = points.view(f"m8[{_known_unit(unit)}]")
            return pd.TimedeltaIndex(steps, freq=_known_frequency(freq), name=name)
        case {"class": "PeriodIndex", "freq": str(freq)}:
            periods: Any = pd.PeriodIndex  # the stubs lack from_ordinals
            freq = _known_frequency(freq)
            index: pd.Index = periods.from_ordinals(points, freq=freq, name=name)
            return index
        case {"class": "RangeIndex"} if len(points):
            step = int(points[1] - points[0]) if len(points) > 1 else 1
            return pd.RangeIndex(int(points[0]), int(points[-1]) + step, step, name=name)
        case {"class": "RangeIndex" | "Index"}:
            return pd.Index(points, name=name)
    raise ValueError(f"there is no time index {kind!r:.80}.")


def _known_unit(unit: Any) -> str:
    if unit not in ("s", "ms", "us", "ns"):
        raise ValueError(f"time does not count in {unit!r:.40}.")
    return str(unit)


def _known_zone(zone: Any) -> str:
    """Check the name of a time zone; pandas would open the file that "dateutil/..." names."""
    known = isinstance(zone, str) and (
        _FIXED_ZONE.fullmatch(zone) is not None or zone in available_timezones()
    )
    if not known:
        raise ValueError(f"there is no time zone {zone!r:.40}.")
    return str(zone)


def _known_frequency(freq: Any) -> Any:
    """Check the name of a frequency, which pandas parses."""
    if freq is not None and (not isinstance(freq, str) or _FREQUENCY.fullmatch(freq) is None):
        raise ValueError(f"there is no frequency {freq!r:.40}.")
    return freq


def plain_name(name: Any) -> Any:
    """Return the name of an instance or a column as JSON holds it."""
    if isinstance(name, np.generic):
        name = name.item()
    if name is None or isinstance(name, str | int | float):
        return name
    raise TypeError(
        f"names of instances and columns must be text or numbers to be saved, got {name!r}."
    )


def _frames(y: pd.DataFrame) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    if y.index.nlevels == 1:
        return [((), y)]
    levels: list[Any] = list(range(y.index.nlevels - 1))
    groups = y.groupby(level=levels, sort=False)
    return [
        (name if isinstance(name, tuple) else (name,), group.droplevel(levels))
        for name, group in groups
    ]


def _grid(index: pd.Index, before: pd.Index) -> pd.Index:
    """Return all time points from the first to the last of an index, at a known frequency."""
    first, last = index[0], index[-1]
    match before:
        case pd.DatetimeIndex():
            freq = before.freq or (pd.infer_freq(before) if len(before) > 2 else None)
            grid = index if freq is None else pd.date_range(first, last, freq=freq, name=index.name)
        case pd.TimedeltaIndex():
            freq = before.freq or (pd.infer_freq(before) if len(before) > 2 else None)
            grid = index
            if freq is not None:
                grid = pd.timedelta_range(first, last, freq=freq, name=index.name)
        case pd.PeriodIndex():
            grid = pd.period_range(first, last, freq=before.freq, name=index.name)
        case _:
            grid = pd.RangeIndex(first, last + 1, name=index.name)
    if not index.isin(grid).all():
        raise ValueError("the time points of y do not continue those that the forecaster has seen.")
    return grid
