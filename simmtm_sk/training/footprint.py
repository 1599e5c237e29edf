"""Whether a pre-training can fit into memory at all, found out before anything is taken."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from .pretraining import Pretraining

# weights, gradients, two moments of the optimiser, and the weights to go back to
_COPIES_OF_WEIGHTS = 5
_COPIES_OF_BATCH = 3  # values, what is rebuilt from them, gradients
_MOST_LAYERS = 16  # are built to count weights; more follow from these
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check_memory_suffices(
    settings: Pretraining, n_channels: int, length: int, n_rows: int, device: torch.device
) -> None:
    """Refuse what cannot fit into the memory of a device, whatever else is there.

    Counts what is held for sure: the weights with all that belongs to them, and the values of a
    batch; what fits by this count may still be too much.

    Parameters
    ----------
    settings : Pretraining
    n_channels, length : int
        Of a row.
    n_rows : int
    device : torch.device

    Raises
    ------
    MemoryError
        Names the parameters to lower.
    """
    n_weights = count_weights(settings, n_channels, length)
    weights = 4 * _COPIES_OF_WEIGHTS * n_weights
    in_a_batch = min(n_rows, settings.plan.batch_size) * (settings.n_masks + 1)
    batch = 4 * _COPIES_OF_BATCH * in_a_batch * n_channels * length
    available = memory_of(device)
    if weights + batch <= available:
        return
    if weights > batch:
        cause = f"the network has {n_weights:,} weights; lower the encoder's d_model or n_layers"
    else:
        cause = (
            f"a batch has {in_a_batch:,} rows of {n_channels} x {length:,} values; lower "
            "batch_size, n_masks or max_length"
        )
    raise MemoryError(
        f"pre-training would take more than {(weights + batch) / 2**30:,.1f} GB, and "
        f"{device.type} has {available / 2**30:,.1f} GB: {cause}."
    )


def count_weights(settings: Pretraining, n_channels: int, length: int) -> int:
    """Count the weights of a network without making them; 0 where an encoder of a user's cannot."""
    n_layers = getattr(settings.encoder, "n_layers", 0)
    if not isinstance(n_layers, int) or n_layers <= _MOST_LAYERS:
        return _count(settings, n_channels, length)
    few, more = (
        _count(_with_layers(settings, n), n_channels, length)
        for n in (_MOST_LAYERS // 2, _MOST_LAYERS)
    )
    if more == few:  # no more than the series has use for
        return more
    return more + (more - few) * (n_layers - _MOST_LAYERS) // (_MOST_LAYERS // 2)


def _with_layers(settings: Pretraining, n_layers: int) -> Pretraining:
    encoder: Any = copy.copy(settings.encoder)
    encoder.n_layers = n_layers
    return replace(settings, encoder=encoder)


def _count(settings: Pretraining, n_channels: int, length: int) -> int:
    try:
        with torch.device("meta"):
            network = settings.drawn_network(n_channels, length)
    except Exception:  # not everything works without numbers; what is wrong shows when it is built
        return 0
    return sum(p.numel() for p in network.parameters())


def memory_of(device: torch.device) -> float:
    """Return the bytes that a process can have at most; infinity where nobody says."""
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory)
    limits = [math.inf]
    with contextlib.suppress(AttributeError, ValueError, OSError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for limit in _CGROUPS:
        with contextlib.suppress(ValueError, OSError):
            limits.append(int(Path(limit).read_text()))
    with contextlib.suppress(ImportError):
        import resource  # not on Windows

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        limits.append(soft if soft != resource.RLIM_INFINITY else math.inf)
    return float(min(limits))
