"""From the containers of numpy, pandas and sktime to rows of (values, observed)."""

from .containers import check_numeric, holds_strings, is_nested, is_sktime_panel, panel_values
from .panel import MappedPanel, Panel, chunks, on_disk
from .window_dataset import WindowDataset

__all__ = [
    "MappedPanel",
    "Panel",
    "WindowDataset",
    "check_numeric",
    "chunks",
    "holds_strings",
    "is_nested",
    "is_sktime_panel",
    "on_disk",
    "panel_values",
]
