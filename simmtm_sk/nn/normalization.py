"""Instance normalisation with the statistics of the visible points alone.

What it takes away is standardised in `simmtm_sk.nn.stats_scaler`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .traceable import power_of_two


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
    return normalized_with_statistics(values, visible)[0]


def normalized_with_statistics(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return `normalize`, and both of `visible_statistics`, from one look at the values."""
    kept, unit, mean, std = _in_units(values, visible)
    return _normalized(kept, mean, std, visible), mean * unit, std * unit


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


def around(visible: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the last visible point up to every point is, and the first from there on.

    Along the last axis; -1 and its length where there is none.
    """
    length = visible.shape[-1]
    at = torch.arange(length, device=visible.device).expand(visible.shape)
    before = at.masked_fill(~visible, -1).cummax(-1).values
    behind = at.masked_fill(~visible, length).flip(-1).cummin(-1).values.flip(-1)
    return before, behind


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
    before, behind = around(visible)
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


def _in_units(values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Visible values, mean and standard deviation in units near the largest magnitude.

    There the squares of huge values stay finite and those of tiny ones above zero; being a power of
    two, the unit costs no digits.
    """
    kept = values.masked_fill(~visible, 0)
    count = visible.sum(-1, keepdim=True).clamp(min=1).to(kept.dtype)
    unit = power_of_two(kept.abs().amax(-1, keepdim=True))
    kept = kept / unit
    mean = kept.sum(-1, keepdim=True) / count
    centred = (kept - mean).masked_fill(~visible, 0)
    std = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    # less than a few roundings of the largest value is no variation at all
    return kept, unit, mean, std.masked_fill(std <= 8 * torch.finfo(std.dtype).eps, 0)
