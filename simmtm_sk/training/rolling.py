"""Forecasts from many origins in the past, by members that knew only what lay before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.forecast_windows import ForecastWindows, Index, subsample
from ..nn.combination import Combination
from ..nn.forecast import Forecast, carried_forward
from .members import FEWEST_WINDOWS, FIRST_CUT, Panel
from .residuals import MOST_RESIDUALS, calibrated, error_unit
from .ridges import solve_ridges

CUTS = (FIRST_CUT, 0.55, 0.7, 0.85, 1.0)  # shares of the training part that members are fitted to
HELD_OUT = len(CUTS) - 1  # the fold that lies behind the training part
MOST_ROLLING = 4_000  # forecasts in all
_AT_ONCE = 500  # forecasts


@dataclass(frozen=True)
class Rolling:
    """Forecasts of the members from origins in the past, each fitted to what lay before.

    Attributes
    ----------
    errors : Tensor of float32, shape (n_members, n, horizon)
        In units of the series; 0 where the target is missing.
    observed : Tensor of bool, shape (n, horizon)
    series, origin, fold : ndarray of int, shape (n,)
    n_independent : float
        How many forecasts of a series, one after the other, have no target in common.
    """

    errors: Tensor
    observed: Tensor
    series: Index
    origin: Index
    fold: Index
    n_independent: float


def roll(combination: Combination, panel: Panel, windows: ForecastWindows) -> Rolling:
    """Forecast from origins all over the series with members fitted to what lies before.

    The training part is cut at `CUTS`; members fitted to what lies before a cut forecast from
    origins up to the next one, the last from those behind the training part. Cuts before which
    there is too little to fit a ridge to are left out.
    """
    horizon = combination.horizon
    look_back = min((s.length for s in combination.specs if s.kind == "ridge"), default=1)
    cuts = [(share * panel.train).long() for share in CUTS]
    ends = [*cuts[1:], panel.lengths]
    errors = [torch.zeros(len(combination.specs), 0, horizon, device=panel.values.device)]
    observed = [torch.zeros(0, horizon, dtype=torch.bool, device=panel.values.device)]
    places = [np.zeros((3, 0), np.intp)]
    n_independent = 0.0
    for fold, (cut, end) in enumerate(zip(cuts, ends, strict=True)):
        if int((cut - look_back - horizon + 1).clamp(min=0).sum()) < FEWEST_WINDOWS:
            continue
        last = torch.minimum(end - 1, panel.lengths - horizon)
        series, origin = _places(cut.cpu().numpy(), last.cpu().numpy(), MOST_ROLLING // len(CUTS))
        if not len(series):
            continue
        counts = (last - cut + 1).clamp(min=0).double()
        n_independent += float(counts[counts > 0].mean()) / horizon
        solve_ridges(combination, panel, cut)
        error, seen = _errors(combination, windows, series, origin)
        errors.append(error)
        observed.append(seen)
        places.append(np.stack([series, origin, np.full_like(series, fold)]))
    series, origin, of_fold = np.concatenate(places, 1)
    made = torch.cat(errors, 1), torch.cat(observed)
    return Rolling(*made, series, origin, of_fold, n_independent)


def _places(first: Index, last: Index, most: int) -> tuple[Index, Index]:
    """Return series and origins, at most so many, evenly from those between first and last."""
    counts = np.maximum(last - first + 1, 0)
    behind = counts.cumsum()
    number = subsample(np.arange(counts.sum()), most)
    series = np.searchsorted(behind, number, side="right")
    return series, number - (behind - counts)[series] + first[series]


def _errors(
    combination: Combination, windows: ForecastWindows, series: Index, origin: Index
) -> tuple[Tensor, Tensor]:
    """Return errors of all members from some origins, and which targets were observed."""
    errors, observed = [], []
    for rows in _chunks(len(series)):
        target = _standard_targets(combination, windows, series[rows], origin[rows])
        of = torch.as_tensor(series[rows], device=windows.device)
        forecasts = combination.forecasts(windows.contexts(series[rows], origin[rows]), of)
        observed.append(~target.isnan())
        errors.append((forecasts - target).nan_to_num(0.0).float())
    return torch.cat(errors, 1), torch.cat(observed)


def forecast_errors(
    combination: Combination,
    forecast: Forecast,
    windows: ForecastWindows,
    series: Index,
    origin: Index,
) -> Tensor:
    """Return another forecast's errors in the units of the combination's, (n, horizon)."""
    errors = []
    for rows in _chunks(len(series)):
        target = _standard_targets(combination, windows, series[rows], origin[rows])
        of = torch.as_tensor(series[rows], device=windows.device)
        context = windows.contexts(series[rows], origin[rows])[:, -forecast.context_length :]
        made = forecast.predict(context, of) - combination.center[of, None]
        errors.append((made / combination.scale[of, None] - target).nan_to_num(0.0))
    return torch.cat(errors)


def _standard_targets(
    combination: Combination, windows: ForecastWindows, series: Index, origin: Index
) -> Tensor:
    of = torch.as_tensor(series, device=windows.device)
    target = windows.targets(series, origin)
    return (target - combination.center[of, None]) / combination.scale[of, None]


def rolling_residuals(
    combination: Combination, rolling: Rolling, windows: ForecastWindows
) -> tuple[Tensor, Index]:
    """Return the combination's errors at rolling origins as intervals take them.

    In units of `error_unit`; NaN where the target is missing. Where nothing could be rolled, those
    of going on with the last value, in both directions.
    """
    if not len(rolling.series):
        return _last_value_residuals(combination, windows)
    weights = combination.weights.float()
    errors = -torch.einsum("mh,mnh->nh", weights, rolling.errors)
    errors = errors.masked_fill(~rolling.observed, torch.nan)
    units = [
        _relative_unit(combination, windows, rolling.series[rows], rolling.origin[rows])
        for rows in _chunks(len(rolling.series))
    ]
    spans = (
        np.ptp(rolling.origin[(rolling.fold == fold) & (rolling.series == number)]) + 1
        for fold, number in np.unique(np.stack([rolling.fold, rolling.series]), axis=1).T
    )
    n_independent = sum(float(np.ceil(span / combination.horizon)) for span in spans)
    return calibrated(errors / torch.cat(units).float(), rolling.series, n_independent)


def _last_value_residuals(
    combination: Combination, windows: ForecastWindows
) -> tuple[Tensor, Index]:
    index = subsample(np.arange(len(windows)), MOST_RESIDUALS // 2)
    series, origin = windows.series[index], windows.origin[index]
    of = torch.as_tensor(series, device=windows.device)
    last = carried_forward(windows.contexts(series, origin))[:, -1:]
    errors = (windows.targets(series, origin) - last) / combination.scale[of, None]
    errors = (errors / _relative_unit(combination, windows, series, origin)).float()
    return calibrated(torch.cat([errors, -errors]), np.tile(series, 2), None)


def _relative_unit(
    combination: Combination, windows: ForecastWindows, series: Index, origin: Index
) -> Tensor:
    """Return the unit of errors in units of the series, (n, 1)."""
    of = torch.as_tensor(series, device=windows.device)
    std = combination.context_std(windows.contexts(series, origin), of)
    return error_unit(std / combination.scale[of, None], combination.context_share)


def _chunks(n: int) -> Iterator[slice]:
    """Yield slices of at most `_AT_ONCE` rows."""
    yield from (slice(start, start + _AT_ONCE) for start in range(0, n, _AT_ONCE))
