"""What every display needs of matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def pyplot() -> Any:
    """Return matplotlib's interface, or say how to get it."""
    try:
        from matplotlib import pyplot as interface
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib, which comes with the extra: pip install 'simmtm_sk[plot]'"
        ) from error
    return interface


def axes(given: Axes | None) -> Axes:
    """Return where to draw: what was given, or the axes of a new figure."""
    new: Axes = pyplot().subplots(layout="constrained")[1] if given is None else given
    return new
