"""Earlier formats, brought into the form of the present one before anything reads them."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import Tensor

# Version 1 had other names for the statistics of instances and for standard deviations, and the
# filters and the weights of the losses in the network of a transformer.
_ROLE = r"^((?:(?:fitted|frozen|pretrained)\.)?)"
_RENAMED_SINCE_1 = [
    (_ROLE + r"filters\.", r"\1embedding.blocks.filters."),
    (_ROLE + r"backbone\.level\.", r"\1backbone.stats_embedding."),
    (_ROLE + r"loss_weights\.", r"\1objective.loss_weights."),
    (_ROLE + r"level\.", r"\1stats_scaler."),
    (r"^spread$", "series_std"),
    (r"\.spread$", ".std"),
]
_CENTER = "stats_scaler.center"


def upgraded_tensors(tensors: dict[str, Tensor], format_version: int) -> dict[str, Tensor]:
    """Return tensors of an artifact by the names of the present format.

    Parameters
    ----------
    tensors : dict of Tensor
    format_version : int
        Version of the format that they are named in.
    """
    if format_version != 1:
        return tensors
    present = {_present_name(name): tensor for name, tensor in tensors.items()}
    return {**_units_of_series(present), **present}


def _units_of_series(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Version 1 embedded the scale of series in their own units."""
    centers = {n.removesuffix("center"): t for n, t in tensors.items() if n.endswith(_CENTER)}
    origins = {f"{scaler}origin": torch.zeros_like(t) for scaler, t in centers.items()}
    return origins | {f"{scaler}unit": torch.ones_like(t) for scaler, t in centers.items()}


def upgraded_state(state: Any, format_version: int) -> Any:
    """Return fitted numbers as the present format has them.

    Version 1 named the frequency of periods as pandas does ("M"), the present one as it does for
    time points ("ME").
    """
    if format_version == 1:
        match state:
            case {"y": {"times": list(calendars)}, "fh": dict(fh)}:
                for calendar in [*calendars, fh.get("kind")]:
                    _upgrade_calendar(calendar)
    return state


def _upgrade_calendar(calendar: Any) -> None:
    match calendar:
        case {"class": "PeriodIndex", "freq": str(freq)}:
            calendar["freq"] = re.sub(r"^(\d*[MQY])(?=-|$)", r"\1E", freq)


def _present_name(name: str) -> str:
    for old, new in _RENAMED_SINCE_1:
        name = re.sub(old, new, name)
    return name
