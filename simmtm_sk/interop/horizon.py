"""Horizons as steps behind the end of each instance, and forecasts as sktime's tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sktime.forecasting.base import ForecastingHorizon

from .history import History, Instance

Steps = NDArray[np.intp]


def horizon_steps(fh: ForecastingHorizon, history: History) -> Steps:
    """Return how many steps behind each instance's end a horizon is: (n_instances, n_steps).

    Raises
    ------
    ValueError, TypeError
        If it has time points that the series will never have, or goes on where the holidays of
        their calendar are not known any more.
    """
    resolved: dict[tuple[int, int], Steps] = {}  # once for all instances that end alike
    for instance in history.instances:
        key = (id(instance.calendar), instance.last)
        if key not in resolved:
            try:
                resolved[key] = _steps_of(fh, instance)
                instance.calendar.check_known(instance.last, int(resolved[key].max()))
            except (TypeError, ValueError) as error:
                raise type(error)(f"the forecasting horizon fh does not fit y: {error}") from error
    return np.stack([resolved[id(i.calendar), i.last] for i in history.instances])


def _steps_of(fh: ForecastingHorizon, instance: Instance) -> Steps:
    """Return how many steps behind the end of an instance a horizon is."""
    points = fh.to_pandas()
    if counts_steps(fh):
        return np.asarray(points, np.intp)
    times = instance.time() + points if fh.is_relative else points
    return instance.calendar.steps(instance.last, times)


def counts_steps(fh: ForecastingHorizon) -> bool:
    """Whether it is relative and in whole steps, not in spans of time."""
    return bool(fh.is_relative) and not isinstance(fh.to_pandas(), pd.TimedeltaIndex)


def forecast_frame(
    blocks: NDArray[np.float64], history: History, steps: Steps, columns: Any
) -> pd.DataFrame:
    """Put forecasts of all instances, (n_instances, n_steps, n_columns), in one container.

    Parameters
    ----------
    blocks : ndarray
    history : History
    steps : ndarray of int, shape (n_instances, n_steps)
        As of `horizon_steps`.
    columns : Index or sequence
    """
    instances = history.instances
    if not history.is_panel:
        times = instances[0].calendar.after(instances[0].last, steps[0])
        return pd.DataFrame(blocks[0], index=times, columns=columns)
    resolved: dict[tuple[int, int, bytes], int] = {}
    pieces: list[pd.Index] = []
    number = np.empty(len(instances), np.intp)
    for i, (instance, of_instance) in enumerate(zip(instances, steps, strict=True)):
        key = (id(instance.calendar), instance.last, of_instance.tobytes())
        if key not in resolved:
            resolved[key] = len(pieces)
            pieces.append(instance.calendar.after(instance.last, of_instance))
        number[i] = resolved[key]
    n_steps = steps.shape[1]
    times = (
        pieces[0].append(pieces[1:]).take((number[:, None] * n_steps + np.arange(n_steps)).ravel())
    )
    names = pd.MultiIndex.from_tuples([instance.name for instance in instances]).repeat(n_steps)
    levels = [names.get_level_values(k) for k in range(names.nlevels)]
    index = pd.MultiIndex.from_arrays([*levels, times], names=history.index_names)
    return pd.DataFrame(np.concatenate(blocks), index=index, columns=columns)
