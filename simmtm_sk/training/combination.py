"""Fitting a combination of simple forecasts: members, weights, errors, and members once more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import ForecastWindows, observed_length, training_length
from ..nn.combination import Combination
from ..nn.forecast import Forecast
from .forecasting import Fitted
from .members import choose_members, panel_of, unproven_prior, usual_jump
from .ridges import solve_ridges
from .rolling import HELD_OUT, Rolling, forecast_errors, roll, rolling_residuals
from .weights import combination_weights

ENCODER_STRATEGY = "linear-probe"  # how the encoder's forecast is fitted
ENCODER_MARGIN = 0.002  # share of the error that an encoder must save,
ENCODER_SHARE = 1 / 5  # and what its weight is shrunken to


def fit_combination(
    series: Sequence[NDArray[np.floating[Any]]],
    look_back: int,
    horizon: int,
    held_out: float,
    refit: bool,
    device: torch.device,
    fit_encoder: Callable[[], Forecast] | None = None,
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
    fit_encoder : callable or None, default=None
        Returns the forecast of an encoder, fitted to the training part. It counts if it makes the
        combination better on the held-out part.
    """
    ends = np.array([observed_length(values) for values in series])
    train = np.array([training_length(end, held_out) for end in ends])
    panel = panel_of(series, train, device)
    members = choose_members(panel, look_back, horizon)
    combination = Combination(members, horizon, len(series), look_back).to(device)
    combination.center, combination.scale = panel.center, panel.scale
    combination.usual_jump = usual_jump(panel)
    windows = ForecastWindows(series, combination.context_length, horizon, device)
    with torch.no_grad():
        rolling = roll(combination, panel, windows)
        if not len(rolling.series):
            combination.prior = unproven_prior(combination, panel)
        fold = torch.as_tensor(rolling.fold, device=device)
        combination.weights = combination_weights(
            rolling.errors, fold, rolling.n_independent, combination.prior
        )
        if fit_encoder is not None and (rolling.fold == HELD_OUT).any():
            _add_encoder(combination, rolling, windows, fit_encoder())
        residuals, residual_series = rolling_residuals(combination, rolling, windows)
        solve_ridges(combination, panel, panel.lengths if refit else panel.train)
    choices = {"weights": combination.weights_by_step()}
    std = panel.scale.cpu().numpy().copy()
    return Fitted(combination.cpu(), std, residuals, residual_series, choices, [])


def _add_encoder(
    combination: Combination, rolling: Rolling, windows: ForecastWindows, encoder: Forecast
) -> None:
    """Let an encoder's forecast count as much as the held-out part says, if it is of use there."""
    held_out = rolling.fold == HELD_OUT
    series, origin = rolling.series[held_out], rolling.origin[held_out]
    mean = torch.einsum("mh,mnh->nh", combination.weights, rolling.errors[:, held_out].double())
    encoder = encoder.to(windows.device)
    errors = forecast_errors(combination, encoder, windows, series, origin)
    both, prior = torch.stack([mean, errors]), torch.tensor([1 - ENCODER_SHARE, ENCODER_SHARE])
    one_fold = torch.zeros(len(series), dtype=torch.int64)
    n_independent = rolling.n_independent * len(series) / len(rolling.series)
    share = combination_weights(both, one_fold, n_independent, prior)[1]
    combined = torch.lerp(mean, errors, share)
    saved = 1 - combined.square().sum() / mean.square().sum()
    if float(saved) > ENCODER_MARGIN:
        combination.encoder, combination.encoder_share = encoder, share
