"""What is strange in series: scores of points by several members, in one unit."""

from .scorer import AnomalyScorer, restored_scorer, saved_scorer

__all__ = ["AnomalyScorer", "restored_scorer", "saved_scorer"]
