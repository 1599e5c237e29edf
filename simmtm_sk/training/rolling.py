"""Forecasts from many origins in the past, by members that knew only what lay before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data.forecast_windows import ForecastWindows, Index, subsample
from ..nn.members import Combination
from .members import FEWEST_WINDOWS, FIRST_CUT, Panel, solve_ridges

CUTS = (FIRST_CUT, 0.55, 0.7, 0.85, 1.0)  # shares of the training part that members are fitted to
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
    """

    errors: Tensor
    observed: Tensor
    series: Index
    origin: Index
    fold: Index


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
    for fold, (cut, end) in enumerate(zip(cuts, ends, strict=True)):
        if int((cut - look_back - horizon + 1).clamp(min=0).sum()) < FEWEST_WINDOWS:
            continue
        last = torch.minimum(end - 1, panel.lengths - horizon)
        series, origin = _places(cut.cpu().numpy(), last.cpu().numpy(), MOST_ROLLING // len(CUTS))
        if not len(series):
            continue
        solve_ridges(combination, panel, cut)
        error, seen = _errors(combination, windows, series, origin)
        errors.append(error)
        observed.append(seen)
        places.append(np.stack([series, origin, np.full_like(series, fold)]))
    series, origin, of_fold = np.concatenate(places, 1)
    return Rolling(torch.cat(errors, 1), torch.cat(observed), series, origin, of_fold)


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
    for start in range(0, len(series), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        of = torch.as_tensor(series[rows], device=windows.device)
        forecasts = combination.forecasts(windows.contexts(series[rows], origin[rows]), of)
        target = windows.targets(series[rows], origin[rows])
        target = (target - combination.center[of, None]) / combination.scale[of, None]
        seen = ~target.isnan()
        errors.append((forecasts - target).masked_fill(~seen, 0).float())
        observed.append(seen)
    return torch.cat(errors, 1), torch.cat(observed)
