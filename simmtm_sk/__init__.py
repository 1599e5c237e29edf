"""Self-supervised pre-training for time series, as scikit-learn and sktime estimators."""

from .classifier import SimMTMClassifier
from .encoders import ConvEncoder, PatchEncoder, PointEncoder
from .forecaster import SimMTMForecaster
from .persistence import ArtifactError, load, save
from .regressor import SimMTMRegressor
from .transformer import SimMTMTransformer

__all__ = [
    "ArtifactError",
    "ConvEncoder",
    "PatchEncoder",
    "PointEncoder",
    "SimMTMClassifier",
    "SimMTMForecaster",
    "SimMTMRegressor",
    "SimMTMTransformer",
    "load",
    "save",
]
