"""From the containers of numpy, pandas and sktime to rows of (values, observed)."""

from .containers import check_numeric, holds_strings, is_nested, is_sktime_panel, panel_values
from .rows import CHUNK, Rows

__all__ = [
    "CHUNK",
    "Rows",
    "check_numeric",
    "holds_strings",
    "is_nested",
    "is_sktime_panel",
    "panel_values",
]
