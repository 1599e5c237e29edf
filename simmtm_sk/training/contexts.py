"""What is learned before a forecast is: the encoder's windows, and the unit of each series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.forecast_windows import ForecastWindows, observed_length, subsample, training_length
from ..nn.forecast import normalized
from ..nn.normalization import visible_statistics

MOST_PRETRAINED = 20_000  # windows that an encoder is pre-trained on

Values = NDArray[np.floating[Any]]


def pretraining_windows(series: Sequence[Values], context_length: int) -> Values:
    """Return windows for the encoder, each standardised: (n, 1, context_length) float32."""
    windows = ForecastWindows(series, context_length, 1)
    index = subsample(np.arange(len(windows)), MOST_PRETRAINED)
    context = normalized(windows.contexts(windows.series[index], windows.origin[index]), "mean")
    varies = (context.scale > 0)[:, 0]
    standard = context.standard.masked_fill(~context.observed, torch.nan)
    # constant windows have nothing to teach; if there are no others, they must do
    kept = standard[varies] if bool(varies.any()) else torch.zeros(1, context_length)
    values: Values = kept[:, None].float().numpy()
    return values


def training_std(series: Sequence[Values], held_out: float) -> NDArray[np.float64]:
    """Return the standard deviation of each series' training part; 1 for a constant one."""
    tensors = [
        torch.as_tensor(np.array(training_part(values, held_out), np.float64)) for values in series
    ]
    std = np.array([float(visible_statistics(t, ~t.isnan())[1]) for t in tensors])
    return np.where(std > 0, std, 1.0)


def training_part(series: Values, held_out: float) -> Values:
    """Return what lies before the held-out part of a series, see `ForecastWindows.split`."""
    return series[: training_length(observed_length(series), held_out)]
