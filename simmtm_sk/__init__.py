"""Self-supervised pre-training for time series, as scikit-learn and sktime estimators."""

from .encoders import ConvEncoder, PatchEncoder, PointEncoder
from .persistence import ArtifactError, load, save
from .transformer import SimMTMTransformer

__all__ = [
    "ArtifactError",
    "ConvEncoder",
    "PatchEncoder",
    "PointEncoder",
    "SimMTMTransformer",
    "load",
    "save",
]
