"""`InstanceStatsScaler`: what instance normalisation takes away, free of the unit of the series."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

_LOWEST_SCALE = 1e-12  # what a series without any variation counts as, in units of the usual one
_FARTHEST = 1e15  # from the usual, in units of it; beyond, double precision ends
_LOWEST_STD = 0.05  # of a level over the series, in units of their own scale


class InstanceStatsScaler(nn.Module):
    """Standardise `instance_stats` with their statistics over the training series.

    Everything it returns is free of the unit that the series are in.

    Parameters
    ----------
    n_channels : int

    Attributes
    ----------
    center, std : Tensor, shape (2 * n_channels,)
        Of the statistics; an infinite standard deviation where differences were noise.
    scale : Tensor, shape (n_channels,)
        The usual standard deviation of a series.
    origin, unit : Tensor, shape (2 * n_channels,)
        What `relative` takes off, and divides by.

    Examples
    --------
    >>> import torch
    >>> scaler = InstanceStatsScaler(1).fit(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
    >>> scaler(torch.tensor([[4.0, 0.5]])).tolist()
    [[2.0, 0.0]]
    """

    center: Tensor
    std: Tensor
    scale: Tensor
    origin: Tensor
    unit: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        # double precision also in a float32 network: a large offset must not swallow differences
        self.register_buffer("center", torch.zeros(2 * n_channels, dtype=torch.float64))
        self.register_buffer("std", torch.ones(2 * n_channels, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(n_channels, dtype=torch.float64))
        self.register_buffer("origin", torch.zeros(2 * n_channels, dtype=torch.float64))
        self.register_buffer("unit", torch.ones(2 * n_channels, dtype=torch.float64))

    def fit(self, stats: Tensor, missing: Tensor | None = None) -> InstanceStatsScaler:
        """Learn centre and std from (n_series, 2 * n_channels) stats.

        Differences under a twentieth of the series' own scale are noise, as in archives whose
        series are all normalised already, or were before they were rounded or resampled: such a
        level is zero ever after. Where values are missing, so are differences that these alone
        could make: with a share s of a series missing, under s times its scale. ``missing`` is that
        share in every channel, (n_channels,).
        """
        stats = stats.to(self.center)
        log_scale = stats.chunk(2, dim=1)[1]
        varying = log_scale.masked_fill(log_scale.isinf(), torch.nan)
        self.scale = scale = varying.nanmedian(0).values.exp().nan_to_num(1.0)
        stats = self._without_infinity(stats)
        center = stats.nanmean(0)
        std = (stats - center).square().nanmean(0).sqrt()
        share = torch.zeros_like(scale) if missing is None else missing.to(scale)
        least = share.clamp(min=_LOWEST_STD)
        noise = torch.cat([least * scale, least])
        self.center = center.nan_to_num(0.0)
        self.origin = self.center.clone()
        self.unit = torch.cat([scale, torch.ones_like(scale)])
        self.std = std.masked_fill(~(std > noise), torch.inf)
        return self

    def is_foreign(self, stats: Tensor, missing: Tensor | None = None) -> bool:
        """Whether series vary around another level than those of `fit`, or on a finer scale.

        By one and a half standard deviations, or a third of one, and clearly more than noise; fewer
        than ten series are never foreign, lest chance decide. ``missing`` as in `fit`.
        """
        if len(stats) < 10:
            return False
        n_channels = stats.shape[1] // 2
        share = torch.zeros(n_channels) if missing is None else missing
        # a level that barely counts here may barely not have counted there
        given = InstanceStatsScaler(n_channels).fit(stats, share.clamp(min=3 * _LOWEST_STD))
        varying = given.std.isfinite()
        elsewhere = (given.center - self.center).abs() > 1.5 * self.std
        finer = given.std < self.std / 3
        return bool((varying & (elsewhere | finer)).any())

    def amplitudes(self, stats: Tensor) -> Tensor:
        """Return the scale of each channel in units of the usual one: (n_rows, n_channels).

        1 where differences of scale were noise in the training series, and where it is unknown.
        """
        relative = stats.chunk(2, dim=1)[1] - self.scale.log()
        noise = self.std.chunk(2)[1].isinf()
        return relative.masked_fill(noise, 0).nan_to_num(0.0).clamp(-20, 20).exp()

    def relative(self, stats: Tensor) -> Tensor:
        """Return the statistics around the usual ones, in double precision.

        Means are in units of the channel's usual standard deviation. Statistics that are unknown,
        or were noise in the training series, as in archives whose series are all normalised
        already, are zero: standardised, the noise would look like a feature. A scaler of one
        channel serves any number of them, (n_series, 2 * n_channels).
        """
        stats = stats.to(self.center)
        repeats = stats.shape[1] // len(self.center)
        origin, unit, noise = (
            x.repeat_interleave(repeats) for x in (self.origin, self.unit, self.std.isinf())
        )
        around = (self._without_infinity(stats, repeats) - origin) / unit
        return around.masked_fill(noise, 0).nan_to_num(0.0).clamp(-_FARTHEST, _FARTHEST)

    def forward(self, stats: Tensor) -> Tensor:
        """Standardise, clipped at five standard deviations; unknown statistics become zero."""
        stats = self._without_infinity(stats)
        return ((stats - self.center) / self.std).clamp(-5, 5).nan_to_num(0.0)

    def _without_infinity(self, stats: Tensor, repeats: int = 1) -> Tensor:
        """Let constant channels have the logarithm of a tiny scale."""
        lowest = self.scale.log().repeat_interleave(repeats) + math.log(_LOWEST_SCALE)
        return torch.where(stats.isinf(), torch.cat([lowest, lowest]).to(stats), stats)
