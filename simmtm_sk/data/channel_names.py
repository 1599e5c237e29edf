"""Channels by name: what a container calls them, and the order in which they were seen in fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

Names: TypeAlias = list[str | int | float]


def column_names(columns: Iterable[Any]) -> Names:
    """Return labels of columns as JSON can hold them."""
    plain = [label.item() if isinstance(label, np.generic) else label for label in columns]
    return [label if isinstance(label, str | int | float) else str(label) for label in plain]


def are_names(names: Names) -> bool:
    """Whether these are names; numbers that just count and sktime's ``var_0, ...`` are none."""
    counted = range(len(names))
    return names not in ([*counted], *([f"{p}_{i}" for i in counted] for p in ("var", "dim")))


def channel_order(own: Sequence[Any], wanted: Sequence[Any], where: str = "X") -> list[int] | None:
    """Return which of its own channels a container must put where.

    Parameters
    ----------
    own, wanted : sequence
        Names as they are, and as they should be.
    where : str, default="X"
        What to call the container in errors.

    Returns
    -------
    list of int or None
        None where the order is right already.

    Raises
    ------
    ValueError
        If the names are not the same, or a name that has to be moved is there twice.

    Examples
    --------
    >>> channel_order(["gyr", "acc"], ["acc", "gyr"])
    [1, 0]
    """
    own, wanted = list(own), list(wanted)
    if own == wanted:
        return None
    missing = [name for name in wanted if name not in own]
    unexpected = [name for name in own if name not in wanted]
    if missing or unexpected or len(own) != len(wanted):
        raise ValueError(
            f"{where} has the channels {own}, but {wanted} are needed, in any order: missing are "
            f"{missing}, unexpected {unexpected}. X[{wanted}] picks columns by name."
        )
    if len(set(own)) < len(own):
        raise ValueError(f"{where} has channels of the same name: {own}; names must be unique.")
    return [own.index(name) for name in wanted]
