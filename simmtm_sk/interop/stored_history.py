"""Series seen and horizons as JSON and tensors, for artifacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sktime.forecasting.base import ForecastingHorizon

from ..persistence import StateReader, TensorReader
from .calendar import Calendar, calendar_of
from .history import History, Instance
from .horizon import counts_steps
from .offsets import decoded_offset, decoded_zone, encoded_offset, encoded_zone

PLAIN = (str, int, float, bool, type(None))  # what names in an artifact can be
KINDS = ("DatetimeIndex", "TimedeltaIndex")  # that have a frequency beside their points
UNITS = ("s", "ms", "us", "ns")


def encoded_history(history: History) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return what has been seen as JSON and tensors.

    Raises
    ------
    TypeError
        If instances or columns have names that are neither text nor numbers, or the frequency or
        the time zone has no form as data.
    """
    instances = history.instances
    firsts: dict[int, int] = {}  # who has a calendar first; the others name it by that number
    times: list[Any] = []
    for i, instance in enumerate(instances):
        first = firsts.setdefault(id(instance.calendar), i)
        times.append(_encoded_calendar(instance.calendar) if first == i else first)
    state = {
        "columns": [plain_name(name) for name in history.columns],
        "index_names": [plain_name(name) for name in history.index_names],
        "instances": [[plain_name(level) for level in i.name] for i in instances],
        "times": times,
        "lengths": [i.values.shape[1] for i in instances],
    }
    values = np.concatenate([i.values.T for i in instances])
    points = np.concatenate(
        [
            i.calendar.ordinals(i.calendar.after(i.first, np.arange(i.values.shape[1])))
            for i in instances
        ]
    )
    tensors = {
        "values": torch.tensor(values),
        "points": torch.tensor(points.astype(np.int64)),
    }
    return state, tensors


def decoded_history(state: StateReader, tensors: TensorReader) -> History:
    """Undo `encoded_history`."""
    columns = state.items("columns", *PLAIN)
    index_names = state.items("index_names", *PLAIN)
    lengths = state.items("lengths", int)
    calendars = state.items("times", dict, int, length=len(lengths))
    names = state.items("instances", list, length=len(lengths))
    state.finish()
    n_levels = len(index_names) - 1
    if not (columns and lengths and index_names and min(lengths) > 0):
        raise ValueError("y must have columns, an index, and instances that are not empty.")
    if any(len(name) != n_levels or {type(n) for n in name} - {*PLAIN} for name in names):
        raise ValueError(f"the instances of y must have names of {n_levels} level(s) each.")
    if n_levels == 0 and len(lengths) > 1:
        raise ValueError("y has several instances without a name.")
    ends = np.cumsum(lengths)[:-1]
    values = tensors.take("values", (sum(lengths), len(columns)), missing=True).numpy()
    points = tensors.take("points", (sum(lengths),), torch.int64).numpy()
    known: dict[Calendar, Calendar] = {}
    instances: list[Instance] = []
    for name, kind, table, times in zip(
        names, calendars, np.split(values, ends), np.split(points, ends), strict=True
    ):
        if isinstance(kind, int):
            if not 0 <= kind < len(instances):
                raise ValueError(f"there is no calendar of instance {kind}.")
            calendar = instances[kind].calendar
        else:
            calendar = _decoded_calendar(kind)
        if calendar.kind in KINDS and calendar.freq is None:  # the first format did not say
            calendar = calendar_of(calendar.index(times), "y") or calendar
        calendar = known.setdefault(calendar, calendar)
        _check_steps(calendar, times)
        instances.append(Instance(tuple(name), table.T, calendar, int(times[0]), int(times[-1])))
    return History(instances, pd.Index(columns), index_names)


def _check_steps(calendar: Calendar, points: NDArray[np.int64]) -> None:
    """Refuse points that do not follow each other, as far as that is seen without counting them."""
    forwards = calendar.freq is None or calendar.freq.n >= 1
    step = calendar.step
    if not forwards or (step is not None and bool((np.diff(points) != step).any())):
        raise ValueError(f"points of y do not follow each other by its frequency {calendar.name}.")


def encoded_horizon(fh: ForecastingHorizon) -> dict[str, Any]:
    """Return a forecasting horizon as JSON."""
    points: Any = fh.to_pandas()
    if counts_steps(fh):
        return {"relative": [int(step) for step in points]}
    freq = points.freq if isinstance(points, pd.PeriodIndex) else None
    calendar = Calendar(
        type(points).__name__ if hasattr(points, "asi8") else "Index",
        freq,
        getattr(points, "unit", None),
        getattr(points, "tz", None),
    )
    ordinals = calendar.ordinals(points).tolist()
    return {
        "kind": _encoded_calendar(calendar),
        "points": ordinals,
        "is_relative": fh.is_relative,
    }


def decoded_horizon(state: StateReader) -> ForecastingHorizon:
    """Undo `encoded_horizon`."""
    steps = state.items("relative" if "relative" in state else "points", int)
    if not steps:
        raise ValueError("a forecasting horizon has at least one step.")
    if "kind" not in state:
        state.finish()
        return ForecastingHorizon(steps, is_relative=True)
    points = np.asarray(steps, np.int64)
    calendar = _decoded_calendar(state.anything("kind"))
    is_relative = state.flag("is_relative")
    state.finish()
    return ForecastingHorizon(calendar.index(points), is_relative=is_relative)


def plain_name(name: Any) -> Any:
    """Return the name of an instance or a column as JSON holds it.

    Raises
    ------
    TypeError
        If it is neither text nor a number.
    """
    if isinstance(name, np.generic):
        name = name.item()
    if name is None or isinstance(name, str | int | float):
        return name
    raise TypeError(
        f"names of instances and columns must be text or numbers to be saved, got {name!r}."
    )


def _encoded_calendar(calendar: Calendar) -> dict[str, Any]:
    return {
        "class": calendar.kind,
        "freq": encoded_offset(calendar.freq),
        "unit": calendar.unit,
        "zone": encoded_zone(calendar.zone),
    }


def _decoded_calendar(state: Any) -> Calendar:
    match state:
        case {"class": "RangeIndex" | "Index"}:
            return Calendar("Index")
        case {"class": "PeriodIndex", "freq": str(freq)}:
            return Calendar("PeriodIndex", decoded_offset(freq))
        case {"class": "DatetimeIndex", "unit": unit, "freq": freq, "zone": zone} if unit in UNITS:
            return Calendar("DatetimeIndex", decoded_offset(freq), unit, decoded_zone(zone))
        case {"class": "TimedeltaIndex", "unit": unit, "freq": freq} if unit in UNITS:
            return Calendar("TimedeltaIndex", decoded_offset(freq), unit)
    raise ValueError(f"there is no time index {state!r:.80}.")
