"""Operations that the exporters of torch can follow; elsewhere they are done in the fastest way."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def compared(compare: Callable[..., Tensor], a: Tensor, b: Tensor | float, out: Tensor) -> Tensor:
    """Return a comparison as 0 and 1, written into ``out`` without a pass more.

    An exporter would take the sizes of ``out`` for fixed, so that for it there is a new tensor.

    Examples
    --------
    >>> a = torch.tensor([1.0, 3.0])
    >>> compared(torch.gt, a, 2, torch.empty_like(a))
    tensor([0., 1.])
    """
    if torch.compiler.is_compiling():
        return compare(a, b).to(a)
    return compare(a, b, out=out)


def power_of_two(magnitude: Tensor) -> Tensor:
    """Return the largest power of two that is not larger; one half for zero.

    Examples
    --------
    >>> power_of_two(torch.tensor([0.0, 3.0, 4.0])).tolist()
    [0.5, 2.0, 4.0]
    """
    if torch.compiler.is_compiling():  # ONNX has no frexp; off by one, a unit serves as well
        return torch.where(magnitude > 0, magnitude, 0.5).log2().floor().exp2()
    return torch.ldexp(torch.ones_like(magnitude), torch.frexp(magnitude).exponent - 1)
