"""`SimMTMOutlierDetector`: find series that are not like the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import NearestNeighbors
from sktime.base import BaseEstimator as SktimeEstimator
from torch import Tensor

from .interop import check_series
from .one_thread import one_thread
from .parameters import Seed, UpToHalf, Verbosity, constraints
from .persistence import ArtifactError, StateReader, TensorReader, restore_seen, saved_seen
from .training.isolation import torch_as_it_starts
from .training.settings import draw_seed
from .transformer import SimMTMTransformer
from .transformer_user import TransformerUser, Values, followed

Floats = NDArray[np.float64]

SAME = 1e-6  # distance that is none, in units of an embedding's length


class SimMTMOutlierDetector(TransformerUser, OutlierMixin, SktimeEstimator, BaseEstimator):
    """Tell whole series that are like those of `fit` from others.

    A series is as strange as its embedding is far from the nearest one of `fit`. A scikit-learn
    outlier detector: give `fit` normal series, or a collection with a few strange ones.

    Parameters
    ----------
    transformer : SimMTMTransformer, FrozenEstimator, str, Path or None, default=None
        What embeds. None is the default `SimMTMTransformer`; an unfitted one is fitted to the
        series of `fit`; a fitted one in a FrozenEstimator, or the file of one, is taken as it is.
    contamination : float in (0, 0.5], default=0.05
        Share of the series of `fit` that lie beyond the threshold.
    random_state : int, RandomState or None, default=None
        Seed of a transformer that has none of its own.
    verbose : int, default=0
        1 prints what the pre-training does.

    Attributes
    ----------
    transformer_ : SimMTMTransformer
        Fitted.
    embeddings_ : ndarray of float64, shape (n_series, n_features)
        Of the series of `fit`; an artifact holds them, too.
    offset_ : float
        The score at the threshold.
    n_channels_, length_, n_features_in_, feature_names_in_
        What `fit` has seen, as in `SimMTMTransformer`.

    See Also
    --------
    SimMTMDetector : Finds anomalous points of long series.

    Notes
    -----
    *No neighbour of itself.* One series of `fit` whose embedding is that of the series in question
    is left out, so that the series of `fit` are judged as new ones are.

    Examples
    --------
    >>> import numpy as np
    >>> from simmtm_sk import SimMTMOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> waves = np.sin(np.arange(60) / 4 + rng.uniform(0, 6, size=(30, 1)))
    >>> X = waves + 0.1 * rng.normal(size=waves.shape)
    >>> X[7] = rng.normal(size=60)
    >>> labels = SimMTMOutlierDetector(random_state=0).fit_predict(X)
    >>> int(labels[7]), int((labels == 1).sum())
    (-1, 28)
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
    }

    transformer_: SimMTMTransformer
    embeddings_: Floats
    offset_: float

    def __init__(
        self,
        *,
        transformer: SimMTMTransformer | FrozenEstimator | str | Path | None = None,
        contamination: UpToHalf = 0.05,
        random_state: Seed = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.transformer = transformer
        self.contamination = contamination
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    @torch_as_it_starts()
    def fit(self, X: Any, y: Any = None) -> SimMTMOutlierDetector:
        """Learn what series are like.

        Parameters
        ----------
        X : ndarray (n_series, n_channels, length) or (n_series, length), list, or sktime panel
            As in `SimMTMTransformer.fit`; two series at least.
        y : None
            Ignored.

        Returns
        -------
        SimMTMOutlierDetector
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or ``X`` cannot work; nothing has been trained then.
        """
        self.reset()
        self._validate_params()
        values = self._read(X, reset=True)
        if len(values) < 2:
            raise ValueError(f"series are told apart from others: n_samples = {len(values)}.")
        self._fit(values)
        self._is_fitted = True
        return self

    @followed
    def _fit(self, X: Values) -> SimMTMOutlierDetector:
        seed = draw_seed(self.random_state)
        self.transformer_ = self._trained_transformer(X, seed, pretrained=True)
        self.embeddings_ = self._embedded(X)
        self.offset_ = float(np.quantile(self._scores(self.embeddings_), self.contamination))
        return self

    def score_samples(self, X: Any) -> Floats:
        """Return minus the distance to the nearest series of `fit`.

        Parameters
        ----------
        X : as in `fit`
            Any length; the channels seen in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_series,)
            Lower is stranger.
        """
        self.check_is_fitted()
        return self._scores(self._embedded(self._read(X, reset=False)))

    def decision_function(self, X: Any) -> Floats:
        """Return `score_samples` less the threshold: negative is an outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return -1 for outliers and 1 for all others."""
        return np.asarray(np.where(self.decision_function(X) < 0, -1, 1), np.int64)

    def _any_channels(self) -> bool:
        return False

    def _read(self, X: Any, *, reset: bool) -> Values:
        return np.asarray(check_series(self, X, reset=reset))

    @torch_as_it_starts()
    def _embedded(self, values: Values) -> Floats:
        embeddings = self.transformer_.transform(values.astype(np.float64))
        return np.asarray(embeddings, np.float64)

    def _scores(self, embeddings: Floats) -> Floats:
        with one_thread():
            neighbors = NearestNeighbors(n_neighbors=2, algorithm="brute").fit(self.embeddings_)
            distances = neighbors.kneighbors(embeddings)[0]
        itself = distances[:, 0] <= SAME * np.linalg.norm(embeddings, axis=1)
        return np.asarray(-np.where(itself, distances[:, 1], distances[:, 0]), np.float64)

    # -- saving -----------------------------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        encoders, weights = self._transformers_state()
        state = {**saved_seen(self), "offset_": self.offset_, "encoders": encoders}
        return state, {**weights, "embeddings": torch.from_numpy(self.embeddings_)}

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        restore_seen(self, state)
        self.offset_ = state.number("offset_")
        self.embeddings_ = tensors.take("embeddings", (None, None)).numpy()
        self._restore_transformers(state.inner("encoders"), tensors)
        n_features = len(self.transformer_.feature_names())
        if len(self.embeddings_) < 2 or self.embeddings_.shape[1] != n_features:
            raise ArtifactError(f"embeddings must be of two series at least, {n_features} numbers.")
        self._is_fitted = True
