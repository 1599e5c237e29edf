"""Views of a series that mean the same: some of it hidden, or its time stretched a little."""

from __future__ import annotations

import torch
from torch import Tensor

from .contracts import Mask
from .masking import MaskFunction, masked_views
from .normalization import interpolated

N_KNOTS = 6  # along a series, between which the speed of time changes linearly
STRETCH = 0.3  # standard deviation of the speed, which is 1 on average
SLOWEST = 0.05
CROP = 0.1  # largest share that is cut off at either end


def hidden_views(
    values: Tensor,
    ends: Tensor,
    n_views: int,
    mask: MaskFunction | Mask,
    mask_ratio: float,
    mask_length: float,
    generator: torch.Generator,
) -> Tensor:
    """Hide points, as in pre-training, and interpolate them, as embeddings do with gaps.

    Parameters
    ----------
    values : Tensor, shape (n_series, n_channels, length)
        Without gaps; zero behind a series' end.
    ends : Tensor of int, shape (n_series,)
        One past the last point of every series.
    n_views : int
        Views of each series.
    mask, mask_ratio, mask_length, generator
        As in `simmtm_sk.nn.masking.masked_views`.

    Returns
    -------
    Tensor, shape (n_views * n_series, n_channels, length)
        All first views, then all second views, and so on.

    Examples
    --------
    >>> from simmtm_sk.nn.masking import geometric_mask
    >>> draw = torch.Generator().manual_seed(0)
    >>> line = torch.arange(5.0).reshape(1, 1, 5)
    >>> hidden_views(line, torch.tensor([5]), 2, geometric_mask, 0.5, 2.0, draw).squeeze().tolist()
    [[2.0, 2.0, 2.0, 3.0, 4.0], [1.0, 1.0, 2.0, 2.0, 2.0]]
    """
    within = _within(values, ends)
    visible = masked_views(
        within.expand_as(values), n_views, mask, mask_ratio, mask_length, generator, values
    )
    filled = interpolated(values.repeat(n_views, 1, 1), visible)
    return filled.masked_fill(~within.repeat(n_views, 1, 1), 0)


def warped_views(values: Tensor, ends: Tensor, n_views: int, generator: torch.Generator) -> Tensor:
    """Let time pass at a speed that varies, and cut off a little at both ends.

    The speed changes linearly between `N_KNOTS` normal draws around 1, of standard deviation
    `STRETCH` and nowhere under `SLOWEST`; up to `CROP` of the series is cut off at either end, and
    what is left takes the whole time. All channels have the same time.

    Parameters
    ----------
    values, ends, n_views, generator
        As in `hidden_views`.

    Returns
    -------
    Tensor, shape (n_views * n_series, n_channels, length)

    Examples
    --------
    >>> draw = torch.Generator().manual_seed(0)
    >>> line = torch.arange(5.0).reshape(1, 1, 5)
    >>> [round(x, 1) for x in warped_views(line, torch.tensor([5]), 1, draw).flatten().tolist()]
    [0.0, 1.0, 2.1, 3.1, 3.9]
    """
    n_rows, length = n_views * len(values), values.shape[-1]
    values, ends = values.repeat(n_views, 1, 1), ends.repeat(n_views)
    device, dtype = values.device, values.dtype
    last = (ends - 1).clamp(min=0)[:, None]
    share = torch.arange(length, device=device) / last.clamp(min=1)
    knots = torch.randn(n_rows, N_KNOTS, generator=generator, device=device)
    speed = at(knots[:, None], (share * (N_KNOTS - 1)).clamp(max=N_KNOTS - 1))[:, 0]
    time = ((1 + STRETCH * speed).abs() + SLOWEST).cumsum(1)
    time = time - time[:, :1]
    time = time / time.gather(1, last).clamp(min=SLOWEST)
    cut = CROP * torch.rand(2, n_rows, 1, generator=generator, device=device)
    place = (cut[0] + (1 - cut.sum(0)) * time) * last
    return at(values, torch.minimum(place, last).to(dtype)).masked_fill(~_within(values, ends), 0)


def at(values: Tensor, place: Tensor) -> Tensor:
    """Read between the points, linearly.

    Parameters
    ----------
    values : Tensor, shape (n_rows, n_channels, length)
    place : Tensor, shape (n_rows, n_places)
        Between 0 and length - 1.

    Returns
    -------
    Tensor, shape (n_rows, n_channels, n_places)

    Examples
    --------
    >>> at(torch.tensor([[[0.0, 2.0, 3.0]]]), torch.tensor([[0.5, 2.0]]))
    tensor([[[1., 3.]]])
    """
    before = place.long()
    weight = (place - before)[:, None].to(values.dtype)
    behind = (before + 1).clamp(max=values.shape[-1] - 1)
    left, right = (
        values.gather(2, index[:, None].expand(-1, values.shape[1], -1))
        for index in (before, behind)
    )
    return torch.lerp(left, right, weight)


def _within(values: Tensor, ends: Tensor) -> Tensor:
    """Say which points lie before the end of each series: (n_rows, 1, length)."""
    return (torch.arange(values.shape[-1], device=values.device) < ends[:, None])[:, None]
