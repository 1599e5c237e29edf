"""A weighted mean of forecasts: simple ones in closed form, and that of an encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .forecast import Forecast
from .members import Member, context_of


class Combination(nn.Module):
    """A weighted mean of members, weights by step of the horizon.

    Parameters
    ----------
    members : sequence of Member
    horizon, n_series : int
    look_back : int
        Points whose standard deviation is the unit of errors.
    encoder : Forecast or None, default=None
        A forecast that counts beside the mean of the members.

    Attributes
    ----------
    weights : Tensor, shape (n_members, horizon)
        Of the members in their mean.
    encoder_share : Tensor, shape (horizon,)
        Of the encoder's forecast; zero without one.
    """

    center: Tensor
    scale: Tensor
    weights: Tensor
    encoder_share: Tensor

    def __init__(
        self,
        members: Sequence[Member],
        horizon: int,
        n_series: int,
        look_back: int,
        encoder: Forecast | None = None,
    ) -> None:
        super().__init__()
        self.specs, self.horizon, self.look_back = list(members), horizon, look_back
        self.context_length = max(look_back, *(member.length for member in members))
        self.members = nn.ModuleList([member.build(horizon) for member in members])
        self.register_buffer("center", torch.zeros(n_series, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_series, dtype=torch.float64))
        equal = torch.full((len(members), horizon), 1 / len(members), dtype=torch.float64)
        self.register_buffer("weights", equal)
        self.register_buffer("encoder_share", torch.zeros(horizon, dtype=torch.float64))
        self.encoder = encoder

    def weights_by_step(self) -> dict[str, dict[str, float]]:
        """Return the weight of every forecast, by the steps that share it."""
        names = [member.name for member in self.specs]
        weights = self.weights * (1 - self.encoder_share)
        if self.encoder is not None:
            names, weights = [*names, "encoder"], torch.cat([weights, self.encoder_share[None]])
        changes = (weights[:, 1:] != weights[:, :-1]).any(0).nonzero()[:, 0] + 1
        described: dict[str, dict[str, float]] = {}
        for start, end in itertools.pairwise([0, *changes.tolist(), self.horizon]):
            steps = str(end) if end - start == 1 else f"{start + 1}-{end}"
            of_steps = [round(weight, 4) for weight in weights[:, start].tolist()]
            described[steps] = dict(zip(names, of_steps, strict=True))
        return described

    def forecasts(self, values: Tensor, series: Tensor) -> Tensor:
        """Return the forecast of every member in units of the series, (n_members, n, horizon).

        Parameters
        ----------
        values : Tensor of float64, shape (n, context_length)
            NaN = missing.
        series : Tensor of int, shape (n,)
            Which series each context is of.
        """
        unit = self.scale[series, None]
        context = context_of((values - self.center[series, None]) / unit, series)
        return torch.stack([member(context) for member in self.members])

    def predict(self, values: Tensor, series: Tensor) -> Tensor:
        """Return forecasts in the unit of the values, (n, context_length) -> (n, horizon)."""
        mean = torch.einsum("mh,mnh->nh", self.weights, self.forecasts(values, series))
        mean = mean * self.scale[series, None] + self.center[series, None]
        if self.encoder is None:
            return mean
        other = self.encoder.predict(values[:, -self.encoder.context_length :], series)
        return (1 - self.encoder_share) * mean + self.encoder_share * other
