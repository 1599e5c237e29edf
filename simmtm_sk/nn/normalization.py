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
    constant = std == 0
    return ((kept - mean) / std.masked_fill(constant, 1)).masked_fill(~visible | constant, 0)


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
