"""Masks of the views: which points of a series a view may see (True = visible)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .contracts import Mask

MaskFunction = Callable[[int, int, float, float, torch.Generator], Tensor]


def geometric_mask(
    n_series: int,
    length: int,
    mask_ratio: float,
    mask_length: float,
    generator: torch.Generator,
) -> Tensor:
    """Hide spans of points: visible and hidden spans alternate as a two-state Markov chain.

    Every series has a chain of its own, started in its stationary law, so that the expected
    hidden share is ``mask_ratio`` at every point and no span continues in the next series.

    Parameters
    ----------
    n_series, length : int
        Shape of the mask.
    mask_ratio : float in (0, 1)
        Expected share of hidden points, r.
    mask_length : float >= 1
        Mean length of a hidden span, in points. A visible span then lasts
        ``mask_length * (1 - r) / r`` points on average; where that would be less than one point,
        hidden spans are lengthened to ``r / (1 - r)``, which keeps the share.
    generator : torch.Generator
        Source of randomness; the mask is made on its device.

    Returns
    -------
    Tensor of bool, shape (n_series, length)
        True where the point is visible.

    References
    ----------
    Zerveas et al., "A transformer-based framework for multivariate time series representation
    learning", KDD 2021, section 3.2; used by SimMTM, arXiv:2302.00861, appendix A.

    Examples
    --------
    >>> import torch
    >>> mask = geometric_mask(1000, 200, 0.5, 3.0, torch.Generator().manual_seed(0))
    >>> mask.shape, bool(abs(mask.float().mean() - 0.5) < 0.01)
    (torch.Size([1000, 200]), True)
    """
    odds = mask_ratio / (1 - mask_ratio)
    leave_hidden = 1 / max(mask_length, odds, 1.0)
    leave_visible = leave_hidden * odds

    # One uniform number drives a point's transition from either state: below both probabilities
    # either state is left (a flip), between them only the more volatile one is, so that the
    # chain ends in the steadier state wherever it was (a reset), above them nothing happens.
    # The state is then the value of the last reset, flipped once per flip since.
    device = generator.device
    draw = torch.rand(n_series, length, generator=generator, device=device)
    flip = draw < min(leave_hidden, leave_visible)
    reset = ~flip & (draw < max(leave_hidden, leave_visible))
    steadier_is_visible = leave_visible < leave_hidden
    start_visible = torch.rand(n_series, 1, generator=generator, device=device) >= mask_ratio
    flip[:, 0] = False  # the first point has no transition behind it, only the starting law
    reset[:, 0] = True

    # parity of the flips so far; carried along from the last reset with its position, as one
    # number, so that a running maximum finds both
    parity = flip.cumsum(1, dtype=torch.int32).bitwise_and_(1)
    position = torch.arange(length, dtype=torch.int32, device=device)
    last_reset = torch.where(reset, 2 * position + parity, 0).cummax(1).values
    odd_flips = (parity ^ last_reset).bitwise_and_(1).bool()
    state_at_reset = torch.where(last_reset < 2, start_visible, steadier_is_visible)
    return state_at_reset ^ odd_flips


def random_mask(
    n_series: int,
    length: int,
    mask_ratio: float,
    mask_length: float,
    generator: torch.Generator,
) -> Tensor:
    """Hide every point independently with probability ``mask_ratio``.

    Takes the arguments of `geometric_mask`; ``mask_length`` has no effect.

    Examples
    --------
    >>> import torch
    >>> random_mask(2, 5, 0.5, 1.0, torch.Generator().manual_seed(0)).shape
    torch.Size([2, 5])
    """
    draw = torch.rand(n_series, length, generator=generator, device=generator.device)
    return draw >= mask_ratio


def patch_mask(
    n_series: int,
    length: int,
    mask_ratio: float,
    mask_length: float,
    generator: torch.Generator,
    *,
    patch_length: int,
) -> Tensor:
    """Hide whole patches: the chain of `geometric_mask` over patches instead of points.

    ``mask_length`` stays in points: a hidden span lasts ``max(1, mask_length / patch_length)``
    patches on average.

    Examples
    --------
    >>> import torch
    >>> mask = patch_mask(1, 8, 0.5, 4, torch.Generator().manual_seed(1), patch_length=4)
    >>> bool((mask[:, :4] == mask[:, :1]).all())
    True
    """
    n_patches = -(-length // patch_length)
    spans = max(1.0, mask_length / patch_length)
    patches = geometric_mask(n_series, n_patches, mask_ratio, spans, generator)
    return patches.repeat_interleave(patch_length, 1)[:, :length]


def mask_function(masking: str | MaskFunction | Mask, patch_length: int) -> MaskFunction | Mask:
    """Return what a value of ``masking=`` stands for; what is no name is returned as it is."""
    if not isinstance(masking, str):
        return masking
    functions: dict[str, MaskFunction] = {
        "geometric": geometric_mask,
        "patch": partial(patch_mask, patch_length=patch_length),
        "random": random_mask,
    }
    return functions[masking]


def masked_views(
    observed: Tensor,
    n_masks: int,
    mask: MaskFunction | Mask,
    mask_ratio: float,
    mask_length: float,
    generator: torch.Generator,
    values: Tensor | None = None,
) -> Tensor:
    """Draw the visible points of ``n_masks`` views of every series.

    Parameters
    ----------
    observed : Tensor of bool, shape (n_series, n_channels, length)
        Points that exist; missing values and padding stay hidden in every view.
    n_masks : int
        Views of each series, M.
    mask : callable or Mask
        ``mask(n_rows, length, mask_ratio, mask_length, generator) -> (n_rows, length)`` bool, every
        channel of every series in a row of its own.
    mask_ratio, mask_length : float
        Handed to a callable.
    generator : torch.Generator
        Source of randomness, on the device of ``observed``.
    values : Tensor, shape (n_series, n_channels, length), or None
        What a `Mask` looks at.

    Returns
    -------
    Tensor of bool, shape (n_masks * n_series, n_channels, length)
        All first views, then all second views, and so on. Every channel keeps at least one visible
        point where it has an observed one.

    Raises
    ------
    ValueError
        If ``mask`` returns anything but truth values of the shape it should.
    """
    length = observed.shape[-1]
    rows = observed.expand(n_masks, *observed.shape).reshape(-1, length)
    if isinstance(mask, Mask):
        seen = torch.zeros_like(observed, dtype=torch.float32) if values is None else values
        drawn = [
            _checked(mask.draw(seen, observed, generator), observed.shape) for _ in range(n_masks)
        ]
        visible = torch.cat(drawn).reshape(rows.shape).to(rows.device) & rows
    else:
        each = mask(len(rows), length, mask_ratio, mask_length, generator)
        visible = _checked(each, rows.shape).to(rows.device) & rows
    # a view without any visible point gets one of the observed points back, drawn at random
    draw = torch.rand(rows.shape, generator=generator, device=rows.device)
    rescued = draw.masked_fill(~rows, -1).argmax(1, keepdim=True)
    is_rescued = torch.zeros_like(rows).scatter(1, rescued, ~visible.any(1, keepdim=True))
    visible |= is_rescued & rows
    return visible.reshape(-1, *observed.shape[1:])


def _checked(drawn: Any, shape: torch.Size) -> Tensor:
    drawn_shape, kind = getattr(drawn, "shape", None), getattr(drawn, "dtype", type(drawn).__name__)
    if drawn_shape != shape or kind != torch.bool:
        raise ValueError(
            f"masking must return a bool tensor of shape {tuple(shape)} (True = visible), "
            f"got {kind} of shape {tuple(drawn_shape or ())}."
        )
    mask: Tensor = drawn
    return mask
