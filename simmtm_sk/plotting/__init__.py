"""Pictures of a fitted transformer or forecaster, as displays in the manner of scikit-learn.

``SomeDisplay.from_estimator(...)`` computes and draws; the display keeps the numbers, so that
``plot`` can draw them again elsewhere. matplotlib comes with the extra ``simmtm_sk[plot]``.
"""

from .anomalies import AnomalyDisplay
from .embedding import EmbeddingDisplay
from .forecast import ForecastDisplay
from .imputation import ImputationDisplay
from .losses import LossDisplay
from .reconstruction import ReconstructionDisplay

__all__ = [
    "AnomalyDisplay",
    "EmbeddingDisplay",
    "ForecastDisplay",
    "ImputationDisplay",
    "LossDisplay",
    "ReconstructionDisplay",
]
