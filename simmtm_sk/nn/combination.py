"""A weighted mean of forecasts: simple ones in closed form, and that of an encoder."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from .forecast import Forecast
from .level_shifts import level_shift
from .members import Context, Member, context_of, prior_weights
from .normalization import visible_statistics

LARGE = 1e300  # a step that there never is


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
    center, scale : Tensor, shape (n_series,)
        What series are standardised by.
    usual_jump : Tensor, shape (n_series,)
        The largest step between two points that is no level shift, see `level_shift`; infinite at
        first.
    prior : Tensor, shape (n_members,)
        What weights are shrunken to, see `prior_weights`.
    weights : Tensor, shape (n_members, horizon)
        Of the members in their mean; the prior ones at first.
    encoder_share : Tensor, shape (horizon,)
        Of the encoder's forecast; zero without one.
    """

    context_share = 0.9  # of the context's variance in the unit of errors

    center: Tensor
    scale: Tensor
    usual_jump: Tensor
    prior: Tensor
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
        self.register_buffer("usual_jump", torch.full((n_series,), LARGE, dtype=torch.float64))
        self.register_buffer("prior", prior_weights(self.specs), persistent=False)
        self.register_buffer("weights", self.prior[:, None].repeat(1, horizon))
        self.register_buffer("encoder_share", torch.zeros(horizon, dtype=torch.float64))
        self.encoder = encoder

    @property
    def period(self) -> int:
        """The shortest period of a season, 0 without one."""
        return min((spec.period for spec in self.specs if spec.period > 1), default=0)

    def weights_by_step(self) -> dict[str, dict[str, float]]:
        """Return the weight of every forecast, by the steps that share it."""
        by_name = self.weights_by_name()
        names, weights = list(by_name), torch.stack([*by_name.values()])
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
        context, shift = self._context(values, series)
        return torch.stack([member(context) + shift[:, -1:] for member in self.members])

    def predict(self, values: Tensor, series: Tensor) -> Tensor:
        """Return forecasts in the unit of the values, (n, context_length) -> (n, horizon)."""
        context, shift = self._context(values, series)
        center, unit = self.center[series, None], self.scale[series, None]
        moved = shift * unit
        forecast = center + moved[:, -1:]
        for weight, member in zip(self.weights, self.members, strict=True):
            forecast = forecast + unit * weight * member(context)
        if self.encoder is None:
            return forecast
        recent = slice(-self.encoder.context_length, None)
        other = self.encoder.predict(values[:, recent] - moved[:, recent], series)
        return torch.lerp(forecast, other + moved[:, -1:], self.encoder_share)

    def members_ahead(self, values: Tensor, series: Tensor) -> dict[str, Tensor]:
        """Return what every member and the encoder say, by name, in the unit of the values.

        ``values`` (n, context_length) -> forecasts (n, horizon).
        """
        center, unit = self.center[series, None], self.scale[series, None]
        made = center + unit * self.forecasts(values, series)
        by_name = {spec.name: forecast for spec, forecast in zip(self.specs, made, strict=True)}
        if self.encoder is not None:
            moved = self._context(values, series)[1] * unit
            recent = (values - moved)[:, -self.encoder.context_length :]
            by_name["encoder"] = self.encoder.predict(recent, series) + moved[:, -1:]
        return by_name

    def weights_by_name(self) -> dict[str, Tensor]:
        """Return the weight of every forecast by step, each (horizon,)."""
        of_members = self.weights * (1 - self.encoder_share)
        by_name = {spec.name: w for spec, w in zip(self.specs, of_members, strict=True)}
        return by_name if self.encoder is None else {**by_name, "encoder": self.encoder_share}

    def context_std(self, values: Tensor, series: Tensor) -> Tensor:
        """Return standard deviations of contexts, (n, context_length) -> (n, 1).

        Of the last `look_back` points without a level shift. Behind one, the mean squared change
        from one period to the next is added to their variance: so uncertain is its size.
        """
        shift = self._context(values, series)[1] * self.scale[series, None]
        recent = (values - shift)[:, -self.look_back :]
        std = visible_statistics(recent, ~recent.isnan())[1]
        lag = max(self.period, 1)
        unit = self.scale[series, None]  # squares of very large or small values are no numbers
        change = ((recent[:, lag:] - recent[:, :-lag]) / unit).square().nanmean(1, keepdim=True)
        doubt = torch.where(shift[:, -1:] != 0, change.nan_to_num(0.0).sqrt() * unit, 0.0)
        return torch.hypot(std, doubt)

    def _context(self, values: Tensor, series: Tensor) -> tuple[Context, Tensor]:
        """Return contexts in units of the series without level shifts, and these."""
        standard = (values - self.center[series, None]) / self.scale[series, None]
        context = context_of(standard, series)
        n_recent = self.period or self.look_back
        shift = level_shift(context.values, self.usual_jump[series], n_recent, self.period)
        return replace(context, values=context.values - shift), shift
