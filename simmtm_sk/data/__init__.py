"""From the containers of numpy, pandas and sktime to rows of (values, observed)."""

from .containers import is_sktime_panel, panel_values
from .rows import Rows

__all__ = ["Rows", "is_sktime_panel", "panel_values"]
