"""Earlier formats, brought into the form of the present one before anything reads them."""

from __future__ import annotations

from torch import Tensor

# Version 1 had other names for the statistics of instances, and for standard deviations.
_RENAMED_SINCE_1 = {
    "backbone.level.": "backbone.stats_embedding.",
    "level.": "stats_scaler.",
    "spread": "std",
}


def upgraded_tensors(tensors: dict[str, Tensor], format_version: int) -> dict[str, Tensor]:
    """Return tensors of an artifact by the names of the present format.

    Parameters
    ----------
    tensors : dict of Tensor
    format_version : int
        Version of the format that they are named in.
    """
    return {_present_name(k): v for k, v in tensors.items()} if format_version == 1 else tensors


def _present_name(name: str) -> str:
    if name == "spread":
        return "series_std"
    for old, new in _RENAMED_SINCE_1.items():
        name = name.replace(old, new)
    return name
