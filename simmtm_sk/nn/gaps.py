"""What may stand in gaps: straight lines, what a decoder says, and that led through lines."""

from __future__ import annotations

import torch
from torch import Tensor

from .normalization import around, interpolated

NEAREST = (1, 2, 4, 8, 16, 32)  # distance to the next visible point: one class up to each
N_CLASSES = len(NEAREST) + 1
N_WAYS = 3


def distance_classes(visible: Tensor) -> Tensor:
    """Return the class of every point by its distance to the next visible one of its channel.

    Parameters
    ----------
    visible : Tensor of bool, shape (..., length)

    Returns
    -------
    Tensor of int, the shape of ``visible``
        0 up to a distance of 1, 1 of 2, 2 up to 4, and so on; the last one where none is visible.

    Examples
    --------
    >>> import torch
    >>> distance_classes(torch.tensor([True, False, False, False, False, True])).tolist()
    [0, 0, 1, 1, 0, 0]
    """
    at = torch.arange(visible.shape[-1], device=visible.device)
    before, behind = around(visible)
    far = NEAREST[-1] + 1
    distance = torch.minimum(
        (at - before).masked_fill(before < 0, far),
        (behind - at).masked_fill(behind == visible.shape[-1], far),
    )
    return torch.bucketize(distance, torch.tensor(NEAREST, device=visible.device))


def ways_to_fill(decoded: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """Return what may stand in gaps, see `filled`.

    Parameters
    ----------
    decoded : Tensor, shape (n_rows, n_channels, length)
        What a decoder says of every point, in the units of ``values``.
    values, visible : Tensor, the same shape
        Hidden values may be anything.

    Returns
    -------
    Tensor, shape (3, n_rows, n_channels, length)
        Straight lines through visible points; what was decoded; straight lines plus what was
        decoded less the straight lines through *its* values at visible points, so that the curve
        is the decoder's and its ends are what was observed.
    """
    straight = interpolated(values, visible)
    bent = straight + decoded - interpolated(decoded, visible)
    return torch.stack([straight, decoded, bent])


def filled(decoded: Tensor, values: Tensor, visible: Tensor, weights: Tensor) -> Tensor:
    """Fill gaps by a weighted mean of straight lines and what was decoded.

    Parameters
    ----------
    decoded, values, visible : Tensor, shape (n_rows, n_channels, length)
        As in `ways_to_fill`.
    weights : Tensor, shape (3, 7)
        Of every way, by the class of the distance to the next visible point.

    Returns
    -------
    Tensor, shape (n_rows, n_channels, length)
        Visible points as they are.

    Examples
    --------
    >>> import torch
    >>> values, visible = torch.tensor([[[0.0, 9.0, 2.0]]]), torch.tensor([[[True, False, True]]])
    >>> decoded = torch.tensor([[[1.0, 3.0, 3.0]]])
    >>> halves = torch.tensor([[0.5], [0.5], [0.0]]).expand(3, 7)
    >>> filled(decoded, values, visible, halves).tolist()
    [[[0.0, 2.0, 2.0]]]
    """
    share = weights.to(decoded)[:, distance_classes(visible)]
    mean = (share * ways_to_fill(decoded, values, visible)).sum(0)
    return torch.where(visible, values, mean)
