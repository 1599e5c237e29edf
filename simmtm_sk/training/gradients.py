"""Gradients of a batch; of its halves one after the other where the whole does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from .distributed import Ranks

Losses = Callable[[Tensor, torch.Generator], dict[str, Tensor]]


class HasSlices(Protocol):
    """Remembers between steps how many slices a batch is computed in."""

    n_slices: int


def gradients(
    optimizer: torch.optim.Optimizer,
    memory: HasSlices,
    losses: Losses,
    index: Tensor,
    generator: torch.Generator,
    ranks: Ranks | None = None,
) -> dict[str, Tensor]:
    """Leave the gradients of a batch's total loss in the parameters.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Of the parameters, whose old gradients are dropped.
    memory : object with ``n_slices``
        Set to 2, with a warning, when a batch does not fit into memory: it and all
        later ones are computed in halves, whose gradients are averaged.
    losses : callable
        ``losses(index, generator)`` returns scalar tensors by name, one of them "total".
    index : Tensor of int, shape (n_rows,)
    generator : torch.Generator
    ranks : Ranks or None, default=None
        Processes that compute the same batch together: none may halve it alone.

    Returns
    -------
    dict of scalar tensors
        The losses, detached and still on the device.

    Raises
    ------
    MemoryError
        If half a batch does not fit, or the share of a rank.
    """
    try:
        return _gradients(optimizer, memory.n_slices, losses, index, generator)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        if memory.n_slices > 1 or len(index) < 2 or ranks is not None:
            part = "half" if ranks is None else f"the share of rank {ranks.rank} of"
            raise MemoryError(
                f"{part} a batch of {len(index)} rows does not fit into memory; lower batch_size, "
                "n_masks or max_length, or the size of the encoder (d_model, n_layers)."
            ) from error
    memory.n_slices = 2
    warnings.warn(
        f"a batch of {len(index)} rows does not fit into memory; it is computed in two halves from "
        "here on, whose gradients are averaged. Rows have half as many neighbours.",
        UserWarning,
        stacklevel=2,
    )
    return gradients(optimizer, memory, losses, index, generator)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether memory is wanting, on a GPU or, where torch has no type for it, on the CPU."""
    return isinstance(error, torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error)


def _gradients(
    optimizer: torch.optim.Optimizer,
    n_slices: int,
    losses: Losses,
    index: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Leave gradients in the parameters; returns the losses, detached and still on the device."""
    optimizer.zero_grad(set_to_none=True)
    means: dict[str, Tensor] = {}
    for rows in index.tensor_split(n_slices):
        share = len(rows) / len(index)
        terms = losses(rows, generator)
        (share * terms["total"]).backward()  # type: ignore[no-untyped-call]
        for name, value in terms.items():
            means[name] = means.get(name, 0.0) + share * value.detach()
    return means
