"""Instance normalisation with the statistics of the visible points alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_LOWEST_SCALE = 1e-12  # what a series without any variation counts as, in units of the usual one
_FARTHEST = 1e15  # from the usual, in units of it; beyond, double precision ends
_LOWEST_STD = 0.05  # of a level over the series, in units of their own scale


def visible_statistics(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the visible points along time.

    Parameters
    ----------
    values : Tensor, shape (..., length)
        Hidden entries may hold anything, NaN included.
    visible : Tensor of bool, shape (..., length)
        The points that count.

    Returns
    -------
    mean, std : Tensor, shape (..., 1)
        The biased standard deviation; exactly 0 where the visible points are constant up to
        rounding, a single one, or none at all.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([[1.0, 3.0, float("nan")]])
    >>> visible_statistics(values, torch.tensor([[True, True, False]]))
    (tensor([[2.]]), tensor([[1.]]))
    """
    _, unit, mean, std = _in_units(values, visible)
    return mean * unit, std * unit


def normalize(values: Tensor, visible: Tensor) -> Tensor:
    """Subtract the mean and divide by the standard deviation of the visible points; hidden = 0.

    Constant rows become zeros. Shapes as in `visible_statistics`. Per-series normalisation is part
    of SimMTM's forecasting set-up (arXiv:2302.00861); here every view uses only what it can see.

    Examples
    --------
    >>> import torch
    >>> normalize(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([[-1.,  1.,  0.]])
    """
    kept, _, mean, std = _in_units(values, visible)
    return _normalized(kept, mean, std, visible)


def instance_stats(values: Tensor, visible: Tensor) -> Tensor:
    """Return what normalisation takes away: mean and log standard deviation of the visible points.

    Parameters
    ----------
    values, visible : Tensor, shape (n_rows, n_channels, length)
        As in `visible_statistics`.

    Returns
    -------
    Tensor, shape (n_rows, 2 * n_channels)
        First all means, then all logarithms; a constant channel has minus infinity, a channel
        without visible points NaN.

    Examples
    --------
    >>> import torch
    >>> instance_stats(torch.tensor([[[1.0, 3.0]]]), torch.tensor([[[True, True]]]))
    tensor([[2., 0.]])
    """
    _, unit, mean, std = _in_units(values, visible)
    return _stats(mean * unit, std * unit, visible)


@dataclass(frozen=True)
class NormalizedRows:
    """Rows as backbones take them; a slice of it is a slice of every field.

    Attributes
    ----------
    values : Tensor, shape (n_rows, n_channels, length)
        As `normalize` returns them, in the precision of the data.
    visible : Tensor of bool, shape (n_rows, n_channels, length)
    within : Tensor of bool, shape (n_rows, length), or None
        False behind a series' end; None without padding.
    stats : Tensor, shape (n_rows, 2 * n_channels)
        What the normalisation took away, as `instance_stats` returns it.
    """

    values: Tensor
    visible: Tensor
    within: Tensor | None
    stats: Tensor

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice) -> NormalizedRows:
        within = None if self.within is None else self.within[rows]
        return NormalizedRows(self.values[rows], self.visible[rows], within, self.stats[rows])


def normalized_rows(values: Tensor, visible: Tensor, within: Tensor | None) -> NormalizedRows:
    """Return `normalize` and `instance_stats` of rows, both from the same statistics."""
    kept, unit, mean, std = _in_units(values, visible)
    stats = _stats(mean * unit, std * unit, visible)
    return NormalizedRows(_normalized(kept, mean, std, visible), visible, within, stats)


def _normalized(kept: Tensor, mean: Tensor, std: Tensor, visible: Tensor) -> Tensor:
    constant = std == 0
    standard = (kept - mean).div_(std.masked_fill(constant, 1))
    return standard.masked_fill_(~visible | constant, 0)


def _stats(mean: Tensor, std: Tensor, visible: Tensor) -> Tensor:
    pair = torch.stack([mean, std.log()], 1)
    return pair.masked_fill(~visible.any(-1)[:, None, :, None], torch.nan).flatten(1)


def interpolated(values: Tensor, visible: Tensor) -> Tensor:
    """Fill hidden points linearly along time from the visible ones, at either end with the nearest.

    Parameters
    ----------
    values : Tensor, shape (..., length)
        Hidden entries may hold anything, NaN included.
    visible : Tensor of bool, shape (..., length)

    Returns
    -------
    Tensor, the shape of ``values``
        The visible points as they are; zeros where no point of a row is visible.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([[0.0, 1.0, 0.0, 3.0, 0.0]])
    >>> interpolated(values, torch.tensor([[False, True, False, True, False]])).tolist()
    [[1.0, 1.0, 2.0, 3.0, 3.0]]
    """
    last = values.shape[-1] - 1
    at = torch.arange(last + 1, device=values.device).expand(values.shape)
    before = at.masked_fill(~visible, -1).cummax(-1).values
    behind = at.masked_fill(~visible, last + 1).flip(-1).cummin(-1).values.flip(-1)
    before, behind = (
        torch.where(before < 0, behind, before).clamp(max=last),
        torch.where(behind > last, before, behind).clamp(min=0),
    )
    kept = values.masked_fill(~visible, 0)
    left, right = kept.gather(-1, before), kept.gather(-1, behind)
    weight = (at - before).to(values.dtype) / (behind - before).clamp(min=1)
    return torch.where(visible, kept, torch.lerp(left, right, weight))


def without_gaps(
    values: Tensor, observed: Tensor, within: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Interpolate missing values; what is left to hide is padding, and channels without any value.

    Statistics over time tell a gap from a jump no better than the filters that they summarise.

    Parameters
    ----------
    values, observed, within
        Rows, as `simmtm_sk.data.WindowDataset.gather` returns them.

    Returns
    -------
    values, visible, within
        In the same shapes, for `normalized_rows`.
    """
    visible = observed.any(-1, keepdim=True).expand_as(observed)
    if within is not None:
        visible = visible & within[:, None]
    return interpolated(values, observed), visible, within


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


def _in_units(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Visible values, mean and standard deviation in units near the largest magnitude.

    There the squares of huge values stay finite and those of tiny ones above zero; being a power of
    two, the unit costs no digits.
    """
    kept = values.masked_fill(~visible, 0)
    count = visible.sum(-1, keepdim=True).clamp(min=1).to(kept.dtype)
    exponent = torch.frexp(kept.abs().amax(-1, keepdim=True)).exponent - 1
    unit = torch.ldexp(torch.ones_like(count), exponent)
    kept = kept / unit
    mean = kept.sum(-1, keepdim=True) / count
    centred = (kept - mean).masked_fill(~visible, 0)
    std = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    # less than a few roundings of the largest value is no variation at all
    return kept, unit, mean, std.masked_fill(std <= 8 * torch.finfo(std.dtype).eps, 0)
