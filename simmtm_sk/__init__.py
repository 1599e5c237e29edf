"""Self-supervised pre-training for time series, as scikit-learn and sktime estimators."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .classifier import SimMTMClassifier
from .detector import SimMTMDetector
from .encoders import ConvEncoder, PatchEncoder, PointEncoder
from .imputer import SimMTMImputer
from .objectives import SimMTMObjective
from .persistence import ArtifactError, load, save
from .regressor import SimMTMRegressor
from .transformer import SimMTMTransformer

if TYPE_CHECKING:
    from .forecaster import SimMTMForecaster

__all__ = [
    "ArtifactError",
    "ConvEncoder",
    "PatchEncoder",
    "PointEncoder",
    "SimMTMClassifier",
    "SimMTMDetector",
    "SimMTMForecaster",
    "SimMTMImputer",
    "SimMTMObjective",
    "SimMTMRegressor",
    "SimMTMTransformer",
    "load",
    "save",
]


__version__ = version("simmtm_sk")


def __getattr__(name: str) -> Any:
    """Import the forecaster when it is asked for: sktime's forecasting takes long to import."""
    if name == "SimMTMForecaster":
        from .forecaster import SimMTMForecaster

        return SimMTMForecaster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
