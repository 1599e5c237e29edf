"""From the containers of numpy, pandas and sktime to rows of (values, observed)."""

from .channel_names import channel_order, column_names
from .containers import channel_names, is_sktime_panel, is_table, panel_values
from .frames import is_nested
from .misreadings import announce_misreadings, announce_order
from .panel import MappedPanel, Panel, chunks, on_disk
from .tables import plain_table
from .window_dataset import RowSource, WindowDataset, series_ends
from .written_back import WrittenBack

__all__ = [
    "MappedPanel",
    "Panel",
    "RowSource",
    "WindowDataset",
    "WrittenBack",
    "announce_misreadings",
    "announce_order",
    "channel_names",
    "channel_order",
    "chunks",
    "column_names",
    "is_nested",
    "is_sktime_panel",
    "is_table",
    "on_disk",
    "panel_values",
    "plain_table",
    "series_ends",
]
