"""`SimMTMRegressor`: from a series to a number."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sktime.regression.base import BaseRegressor

from .data.labels import one_column, read_targets
from .data.weights import read_weights
from .downstream import PretrainedEstimator
from .embedding import Features
from .encoders import ConvEncoder
from .joint_training import Targets
from .parameters import (
    AtLeastOne,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    Verbosity,
    constraints,
)
from .persistence import StateReader, TensorReader
from .probing import LinearHead, location_and_unit, regression_head
from .training.finetuning import squared_error
from .training.isolation import torch_as_it_starts
from .training.settings import draw_seed
from .training.strategies import STRATEGIES
from .transformer import SimMTMTransformer
from .transformer_user import Values, followed


class SimMTMRegressor(PretrainedEstimator, RegressorMixin, BaseRegressor, BaseEstimator):
    """Predict a number from a time series by an embedding that needs no labels.

    Works in scikit-learn's tools and in sktime's.

    Parameters
    ----------
    transformer, strategy
        As in `SimMTMClassifier`. The linear probe is a ridge regression.
    num_epochs, batch_size, lr, encoder_lr_share, weight_decay, dropout
        Fine-tuning, as in `SimMTMClassifier`.
    validation_fraction, patience
        As in `SimMTMClassifier`; the held-out part takes its share of every fifth of ``y``.
    random_state, verbose
        As in `SimMTMClassifier`.

    Attributes
    ----------
    transformer_ : SimMTMTransformer
        The fitted encoder, fine-tuned if the strategy says so.
    head_ : simmtm_sk.probing.LinearHead
        Its one output is the prediction.
    n_channels_, length_ : int
        Channels, and points of the longest series, seen in ``fit``.
    n_features_in_ : int
        Columns of a table, channels otherwise.
    feature_names_in_ : ndarray
        Names of the channels, or of the columns of a table, if ``fit`` saw any.
    history_ : list of dict
        Records of fine-tuning, as in `SimMTMTransformer`, losses in units of the variance of ``y``;
        empty for "linear-probe".

    See Also
    --------
    SimMTMClassifier : For classes.

    Notes
    -----
    *Unlabelled series*, marked by None, NaN or NA in ``y``, take part in the embedding only.

    Examples
    --------
    >>> import numpy as np
    >>> from simmtm_sk import ConvEncoder, SimMTMRegressor, SimMTMTransformer
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(60, 1, 32)).cumsum(2)
    >>> y = X.std(axis=(1, 2))
    >>> encoder = SimMTMTransformer(encoder=ConvEncoder(d_model=16), num_epochs=5)
    >>> regressor = SimMTMRegressor(transformer=encoder, random_state=0).fit(X[:40], y[:40])
    >>> regressor.score(X[40:], y[40:]) > 0.5
    True
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "X_inner_mtype": "numpy3D",
        "y_inner_mtype": "numpy1D",
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:unequal_length": True,
        "capability:categorical_in_X": False,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        *,
        transformer: SimMTMTransformer | FrozenEstimator | str | Path | None = None,
        strategy: Annotated[str, StrOptions(set(STRATEGIES))] = "linear-probe",
        num_epochs: AtLeastOne | Literal["auto"] = "auto",
        batch_size: AtLeastOne = 32,
        lr: Positive = 1e-3,
        encoder_lr_share: NotNegative = 1.0,
        weight_decay: NotNegative = 0.01,
        dropout: ShareBelowOne = 0.0,
        validation_fraction: ShareBelowOne = 0.2,
        patience: AtLeastOne | None = 10,
        random_state: Seed = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.transformer = transformer
        self.strategy = strategy
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.encoder_lr_share = encoder_lr_share
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    @torch_as_it_starts()
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SimMTMRegressor:
        """Pre-train if need be, and fit the head.

        Parameters
        ----------
        X : ndarray (n_series, n_channels, length) or (n_series, length), list, or sktime panel
            As in `SimMTMTransformer.fit`; NaN = missing.
        y : array-like of float, shape (n_series,)
            NaN where a series has no value.
        sample_weight : array-like of shape (n_series,), default=None
            As in `SimMTMClassifier.fit`.

        Returns
        -------
        SimMTMRegressor
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter, ``X`` or ``y`` cannot work; nothing has been trained then.
        """
        values = self._checked(X, y)
        column = one_column(y)
        if column is None:
            several: SimMTMRegressor = self._fit_outputs(values, y, sample_weight)
            return several
        self._is_vectorized = False
        targets = read_targets(column)
        weights = np.where(np.isnan(targets), 0, read_weights(sample_weight, len(targets)))
        if not weights.any():
            raise ValueError("no series with a number in y has a weight above zero.")
        if np.nanmin(targets) == np.nanmax(targets):
            warnings.warn(
                f"only single label seen in y, {np.nanmin(targets)}: it will be predicted for all "
                "series.",
                stacklevel=2,
            )
        self._fit(values, targets, weights)
        self._is_fitted = True
        return self

    @followed
    def _fit(
        self, X: Values, y: NDArray[np.float64], weights: NDArray[np.float64]
    ) -> SimMTMRegressor:
        known = weights > 0
        y, weights = y[known], weights[known]
        seed = draw_seed(self.random_state)

        def solved(features: Features) -> LinearHead:
            return regression_head(self._embed(features), y, weights)

        def trained(series: Values, features: Features, start: LinearHead | None) -> LinearHead:
            # networks learn numbers around zero
            center, unit = location_and_unit(y)
            target = torch.tensor(y / unit - center / unit, dtype=torch.float32)
            fifths = np.searchsorted(np.quantile(y, [0.2, 0.4, 0.6, 0.8]), y)
            if start is not None:
                start = rescaled(start, 1 / unit, -center / unit)
            targets = Targets(target, weights, squared_error, 1, fifths)
            return rescaled(self._train(series, features, start, targets, seed), unit, center)

        self._fit_head(X, known, seed, solved, trained)
        return self

    @torch_as_it_starts()
    def _agreement(self, predicted: Values, truth: list[Any], weights: Values) -> float:
        return float(r2_score(read_targets(truth), predicted, sample_weight=weights))

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Predict the number of every series.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        ndarray of shape (n_series,)
        """
        self.check_is_fitted()
        values = self._values(X)
        predicted: NDArray[np.float64] = (
            super().predict(values) if self._is_vectorized else self._predict(values)
        )
        return predicted

    def _predict(self, X: Values) -> NDArray[np.float64]:
        return self.head_.scores(self._embed(X))[:, 0]

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self._restore_head(state, tensors, 1)

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's test suite."""
        small = SimMTMTransformer(
            encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=1, projection_dim=4
        )
        return [
            {"transformer": small},
            {"transformer": small, "strategy": "fine-tune", "num_epochs": 1},
        ]


def rescaled(head: LinearHead, unit: float, center: float) -> LinearHead:
    """Return the head whose output is ``unit`` times that of ``head``, plus ``center``."""
    return replace(head, coef=unit * head.coef, intercept=unit * head.intercept + center)
