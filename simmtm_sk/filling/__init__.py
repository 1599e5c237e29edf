"""Gaps in series: what fills them, and how much each of several ways counts."""

from .filler import Filled, GapFiller
from .stored import restored_filler, saved_filler

__all__ = ["Filled", "GapFiller", "restored_filler", "saved_filler"]
