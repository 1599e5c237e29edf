"""What every display needs of matplotlib."""

from __future__ import annotations

from typing import Any


def pyplot() -> Any:
    """Return matplotlib's interface, or say how to get it."""
    try:
        from matplotlib import pyplot as interface
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib, which comes with the extra: pip install 'simmtm_sk[plot]'"
        ) from error
    return interface
