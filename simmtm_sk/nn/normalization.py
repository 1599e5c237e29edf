"""Instance normalisation with the statistics of the visible points alone."""

from __future__ import annotations

import torch
from torch import Tensor


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
        The biased standard deviation; 1 where the visible points are constant (up to rounding),
        a single one, or none at all, so that it can always be divided by.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([[1.0, 3.0, float("nan")]])
    >>> visible_statistics(values, torch.tensor([[True, True, False]]))
    (tensor([[2.]]), tensor([[1.]]))
    """
    kept = values.masked_fill(~visible, 0)
    count = visible.sum(-1, keepdim=True).clamp(min=1).to(kept.dtype)
    # in units near the largest magnitude the squares of huge values stay finite; being a power of
    # two, the unit costs no digits
    exponent = torch.frexp(kept.abs().amax(-1, keepdim=True)).exponent - 1
    unit = torch.ldexp(torch.ones_like(count), exponent)
    kept = kept / unit
    mean = kept.sum(-1, keepdim=True) / count
    centred = (kept - mean).masked_fill(~visible, 0)
    std = (centred.square().sum(-1, keepdim=True) / count).sqrt()
    # in units of the magnitude: less than a few roundings of the sum is no variation at all
    constant = std <= 8 * torch.finfo(std.dtype).eps
    return mean * unit, (std * unit).masked_fill(constant, 1)


def normalize(values: Tensor, visible: Tensor) -> Tensor:
    """Subtract the mean and divide by the standard deviation of the visible points; hidden = 0.

    Shapes as in `visible_statistics`; SimMTM, arXiv:2302.00861, section 4 (per-series
    normalisation), with every view using only what it can see.

    Examples
    --------
    >>> import torch
    >>> normalize(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
    tensor([[-1.,  1.,  0.]])
    """
    mean, std = visible_statistics(values, visible)
    return ((values - mean) / std).masked_fill(~visible, 0)
