"""A forecast of many steps at once: linear in the context, and in the encoder's tokens for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .model import SimMTM
from .normalization import NormalizedRows, normalized_with_statistics, visible_statistics

NORMALIZATIONS = ("last", "mean", "standard")
_MOST_TOKENS = 24  # neighbouring tokens are averaged where there are more


@dataclass(frozen=True)
class Normalized:
    """Contexts without their level; a forecast is made in these units and shifted back.

    Attributes
    ----------
    window : Tensor, shape (n, context_length)
        Minus ``center``, over ``scale``; gaps filled with the value before them. Zero in front of
        the first observed value, and everywhere if the context is constant.
    standard : Tensor, shape (n, context_length)
        By mean and standard deviation, for the encoder; zero where missing.
    observed : Tensor of bool, shape (n, context_length)
    center, scale : Tensor, shape (n, 1)
        ``scale`` is 0 for a constant context, and the standard deviation otherwise: also where
        only the centre is a choice, it makes series of any unit alike.
    """

    window: Tensor
    standard: Tensor
    observed: Tensor
    center: Tensor
    scale: Tensor


def carried_forward(values: Tensor) -> Tensor:
    """Fill missing values (NaN) with the last observed one of the row, (n, length) -> the same.

    Examples
    --------
    >>> import torch
    >>> carried_forward(torch.tensor([[torch.nan, 1.0, torch.nan]])).tolist()
    [[nan, 1.0, 1.0]]
    """
    position = torch.arange(values.shape[1], device=values.device).expand(values.shape)
    last = torch.where(values.isnan(), 0, position).cummax(1).values
    return values.gather(1, last)


def normalized(context: Tensor, normalization: str) -> Normalized:
    """Normalise contexts, (n, context_length) with NaN = missing.

    "last" subtracts the last observed value, "mean" and "standard" the mean of the context. All
    are divided by the standard deviation of the context; how much an error counts is another
    matter, see `simmtm_sk.training.task.Batch.weight`.
    """
    observed = ~context.isnan()
    standard, mean, std = normalized_with_statistics(context, observed)
    filled = carried_forward(context)
    center = filled[:, -1:] if normalization == "last" else mean
    center = center.nan_to_num(0.0)
    unit = std.masked_fill(std == 0, 1)
    window = ((filled - center) / unit).nan_to_num(0.0).masked_fill(std == 0, 0)
    return Normalized(window, standard, observed, center, std)


def seasonal_mean(context_length: int, horizon: int, period: int) -> Tensor:
    """Return the linear map that forecasts the mean of the same phase in the context.

    Parameters
    ----------
    context_length, horizon : int
    period : int
        At most ``context_length``, of which the last whole periods count; 1 is the plain mean.

    Returns
    -------
    Tensor of float64, shape (horizon, context_length)

    Examples
    --------
    >>> seasonal_mean(5, 3, 2).tolist()
    [[0.0, 0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 0.5, 0.0, 0.5], [0.0, 0.5, 0.0, 0.5, 0.0]]
    """
    n_periods = context_length // period
    step = torch.arange(horizon)[:, None] % period
    place = context_length - period * torch.arange(1, n_periods + 1) + step
    weights = torch.zeros(horizon, context_length, dtype=torch.float64)
    return weights.scatter_(1, place, 1 / n_periods)


class Forecast(nn.Module):
    """Window head and token head on a SimMTM encoder, for one channel at a time.

    Parameters
    ----------
    network : SimMTM
        Takes rows of one channel.
    context_length, horizon : int
    normalization : str
        One of `NORMALIZATIONS`.
    dropout : float
        Share of the standardised tokens that a training step leaves out.
    """

    context_share = 0.5  # of the context's variance in the unit of errors

    center: Tensor
    std: Tensor

    def __init__(
        self,
        network: SimMTM,
        context_length: int,
        horizon: int,
        normalization: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.context_length = context_length
        self.normalization = normalization
        n_tokens = min(-(-context_length // network.patch_length), _MOST_TOKENS)
        n_features = n_tokens * network.d_model
        self.register_buffer("center", torch.zeros(n_features))
        self.register_buffer("std", torch.ones(n_features))
        self.dropout = nn.Dropout(dropout)
        self.window_head = nn.Linear(context_length, horizon)
        self.token_head = nn.Linear(n_features, horizon)
        for parameter in (*self.window_head.parameters(), *self.token_head.parameters()):
            nn.init.zeros_(parameter)

    def tokens(self, standard: Tensor, observed: Tensor) -> Tensor:
        """Return the last layer for standardised contexts, flattened: (n, n_tokens * d_model)."""

        def flat(rows: NormalizedRows) -> tuple[Tensor]:
            points = self.network.layers(rows)[-1]
            if points.shape[1] > _MOST_TOKENS:
                points = F.adaptive_avg_pool1d(points.transpose(1, 2), _MOST_TOKENS).transpose(1, 2)
            return (points.flatten(1),)

        return self.network.by_micro_batches(flat, standard[:, None], observed[:, None], None)[0]

    @property
    def look_back(self) -> int:
        """Points whose standard deviation is the unit of errors."""
        return self.context_length

    def context_std(self, values: Tensor, series: Tensor) -> Tensor:
        """Return standard deviations of contexts, (n, context_length) -> (n, 1)."""
        return visible_statistics(values, ~values.isnan())[1]

    def predict(self, values: Tensor, series: Tensor) -> Tensor:
        """Return forecasts in the unit of the values, (n, context_length) -> (n, horizon).

        ``values`` may have gaps (NaN). Whose contexts they are, ``series``, does not matter.
        """
        context = normalized(values, self.normalization)
        forecast: Tensor = context.center + self(context).double() * context.scale
        return forecast

    def forward(self, context: Normalized) -> Tensor:
        """Return normalised forecasts: (n, horizon)."""
        dtype = self.window_head.weight.dtype
        tokens = self.tokens(context.standard.to(dtype), context.observed)
        forecast: Tensor = self.window_head(context.window.to(dtype)) + self.token_head(
            self.dropout((tokens - self.center) / self.std)
        )
        return forecast
