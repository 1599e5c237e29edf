"""GELU with the same bits on any number of threads."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_PIECE = 1 << 14  # numbers; torch shares out twice as many and more


def gelu(x: Tensor) -> Tensor:
    """Return x Φ(x), with Φ the normal distribution (Hendrycks, Gimpel, arXiv:1606.08415).

    Torch computes the last few numbers of what a thread gets by another routine than the others,
    which rounds differently. Pieces that it does not share out end at the same numbers however many
    threads there are. While gradients are recorded, micro-batches share the threads instead.

    Examples
    --------
    >>> gelu(torch.tensor([-10.0, 0.0, 10.0])).tolist()
    [-0.0, 0.0, 10.0]
    """
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return F.gelu(x)
    return torch.cat([F.gelu(piece) for piece in torch.split(x.flatten(), _PIECE)]).view_as(x)


class GELU(nn.Module):
    """`gelu`, as a module."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `gelu` of every number."""
        return gelu(x)
