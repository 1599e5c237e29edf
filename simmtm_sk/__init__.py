"""Self-supervised pre-training for time series, as scikit-learn and sktime estimators."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .classifier import SimMTMClassifier
from .detector import SimMTMDetector
from .encoders import ConvEncoder, PatchEncoder, PointEncoder
from .imputer import SimMTMImputer
from .objectives import SimMTMObjective
from .outlier_detector import SimMTMOutlierDetector
from .persistence import ArtifactError, load, push_to_hub, save
from .regressor import SimMTMRegressor
from .transformer import SimMTMTransformer

if TYPE_CHECKING:
    from .exporting import export
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
    "SimMTMOutlierDetector",
    "SimMTMRegressor",
    "SimMTMTransformer",
    "export",
    "load",
    "push_to_hub",
    "save",
]


__version__ = version("simmtm_sk")


def __getattr__(name: str) -> Any:
    """Import when it is asked for what takes long to import, such as sktime's forecasting."""
    if name == "export":
        from .exporting import export

        return export
    if name == "SimMTMForecaster":
        from .forecaster import SimMTMForecaster

        return SimMTMForecaster
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
