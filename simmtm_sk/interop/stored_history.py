"""Series seen and horizons as JSON and tensors, for artifacts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from sktime.forecasting.base import ForecastingHorizon

from .calendar import Calendar
from .history import History, Instance
from .horizon import counts_steps
from .offsets import decoded_offset, decoded_zone, encoded_offset, encoded_zone

KINDS = ("DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "Index")
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
    encoded = {id(i.calendar): _encoded_calendar(i.calendar) for i in instances}
    state = {
        "columns": [plain_name(name) for name in history.columns],
        "index_names": [plain_name(name) for name in history.index_names],
        "instances": [[plain_name(level) for level in i.name] for i in instances],
        "times": [encoded[id(i.calendar)] for i in instances],
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


def decoded_history(state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> History:
    """Undo `encoded_history`."""
    ends = np.cumsum(state["lengths"])
    values = np.split(tensors["values"].numpy(), ends[:-1])
    points = np.split(tensors["points"].numpy(), ends[:-1])
    known: dict[Calendar, Calendar] = {}
    instances = []
    for name, kind, v, p in zip(state["instances"], state["times"], values, points, strict=True):
        calendar = _decoded_calendar(kind)
        calendar = known.setdefault(calendar, calendar)
        instances.append(Instance(tuple(name), v.T, calendar, int(p[0]), int(p[-1])))
    return History(instances, pd.Index(state["columns"]), state["index_names"])


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


def decoded_horizon(state: dict[str, Any]) -> ForecastingHorizon:
    """Undo `encoded_horizon`."""
    if "relative" in state:
        return ForecastingHorizon(state["relative"], is_relative=True)
    points = _decoded_calendar(state["kind"]).index(np.asarray(state["points"], np.int64))
    return ForecastingHorizon(points, is_relative=state["is_relative"])


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


def _decoded_calendar(state: dict[str, Any]) -> Calendar:
    kind = "Index" if state["class"] == "RangeIndex" else state["class"]
    if kind not in KINDS:
        raise ValueError(f"there is no time index {kind!r}.")
    unit = state.get("unit")
    if unit not in (UNITS if kind in KINDS[:2] else (None,)):
        raise ValueError(f"there is no unit of time {unit!r}.")
    return Calendar(
        kind, decoded_offset(state.get("freq")), unit, decoded_zone(state.get("zone"))
    )
