"""Fitting a combination of simple forecasts: members, weights, errors, and members once more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import ForecastWindows, observed_length, training_length
from ..nn.members import Combination
from .forecasting import Fitted
from .members import choose_members, panel_of, solve_ridges
from .rolling import roll, rolling_residuals
from .weights import combination_weights


def fit_combination(
    series: Sequence[NDArray[np.floating[Any]]],
    look_back: int,
    horizon: int,
    held_out: float,
    refit: bool,
    device: torch.device,
) -> Fitted[Combination]:
    """Fit members and their weights.

    Parameters
    ----------
    series : sequence of ndarray, each (length,)
        NaN = missing.
    look_back : int
        Points of the window that ridges look at.
    horizon : int
    held_out : float
        Share of every series, at its end, that only weights and errors are taken from, unless
        ``refit``.
    refit : bool
        Fit members to the whole series when weights are known.
    device : torch.device
    """
    ends = np.array([observed_length(values) for values in series])
    train = np.array([training_length(end, held_out) for end in ends])
    panel = panel_of(series, train, device)
    members = choose_members(panel, look_back, horizon)
    combination = Combination(members, horizon, len(series), look_back).to(device)
    combination.center, combination.scale = panel.center, panel.scale
    windows = ForecastWindows(series, combination.context_length, horizon, device)
    with torch.no_grad():
        rolling = roll(combination, panel, windows)
        fold = torch.as_tensor(rolling.fold, device=device)
        combination.weights = combination_weights(rolling.errors, fold)
        residuals, residual_series = rolling_residuals(combination, rolling, windows)
        solve_ridges(combination, panel, panel.lengths if refit else panel.train)
    choices = {"weights": combination.weights_by_step()}
    std = panel.scale.cpu().numpy().copy()
    return Fitted(combination.cpu(), std, residuals, residual_series, choices, [])
