"""How a `GapFiller` gets into an artifact and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..nn.gaps import N_CLASSES
from ..persistence import ArtifactError, StateReader, TensorReader
from .filler import GapFiller
from .members import Choices, Members, Rebuild
from .mixture import WindowMixture
from .units import Units

Floats = NDArray[np.float64]


def saved_filler(filler: GapFiller) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return what can be JSON, and arrays."""
    members, choices = filler.members, filler.members.choices
    state = {
        "period": choices.period,
        "groups": [group.tolist() for group in choices.groups],
        "window_lengths": choices.window_lengths,
        "whole": choices.whole,
        "examples": choices.examples,
    }
    arrays = {"weights": filler.weights, "calibration": filler.calibration}
    arrays |= {f"units.{name}": value for name, value in vars(choices.units).items()}
    for number, mixtures in enumerate(members.windows):
        for length, mixture in mixtures.items():
            arrays |= _saved(mixture, f"group{number}.windows{length}.")
    if members.whole is not None:
        arrays |= _saved(members.whole, "whole.")
    if members.examples is not None:
        arrays["examples"] = members.examples
    return state, arrays


def restored_filler(
    state: StateReader, tensors: TensorReader, n_channels: int, rebuild: Rebuild | None
) -> GapFiller:
    """Undo `saved_filler`."""
    period, whole = state.integer("period", 0), state.integer("whole", 0)
    length = state.integer("examples", 0)
    window_lengths = state.items("window_lengths", int)
    groups = [np.array(group, np.intp) for group in state.items("groups", list)]
    state.finish()
    if sorted(np.concatenate([*groups, []]).tolist()) != list(range(n_channels)):
        raise ArtifactError("filler.groups must name every channel once.")
    units = tensors.under("units.")
    choices = Choices(
        Units(**{name: units.take(name, (n_channels,)).numpy() for name in Units.names()}),
        period,
        groups,
        window_lengths,
        whole,
        length,
    )
    windows = [
        {
            length: _restored(tensors.under(f"group{number}.windows{length}."), len(group) * length)
            for length in window_lengths
        }
        for number, group in enumerate(groups)
    ]
    over_series = _restored(tensors.under("whole."), n_channels * whole) if whole else None
    examples = None
    if length:
        shape = (None, n_channels, length)
        examples = tensors.take("examples", shape, missing=True).numpy()
    members = Members(choices, windows, over_series, examples, rebuild)
    weights = tensors.take("weights", (len(members.names), N_CLASSES)).numpy()
    calibration = tensors.take("calibration", (N_CLASSES,), low=0).numpy()
    return GapFiller(members, weights, calibration)


def _saved(mixture: WindowMixture, prefix: str) -> dict[str, Floats]:
    return {
        prefix + name: getattr(mixture, name) for name in ("means", "covariances", "log_shares")
    }


def _restored(tensors: TensorReader, size: int) -> WindowMixture:
    means: torch.Tensor = tensors.take("means", (None, size))
    n_components = len(means)
    covariances = tensors.take("covariances", (n_components, size, size))
    log_shares = tensors.take("log_shares", (n_components,))
    return WindowMixture(means.numpy(), covariances.numpy(), log_shares.numpy())
