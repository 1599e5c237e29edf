"""`SimMTMDetector`: find what is strange in series."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from .detection import AnomalyScorer, restored_scorer, saved_scorer
from .interop import check_series
from .interop.sktime_detector import SktimeDetector, each_series
from .one_thread import one_thread
from .parameters import InnerShare, constraints
from .persistence import StateReader, TensorReader
from .training.isolation import torch_as_it_starts
from .transformer_user import TransformerUser

Floats = NDArray[np.float64]


class SimMTMDetector(TransformerUser, SktimeDetector, BaseEstimator):
    """Find anomalies in long series: points, segments, and how strange every point is.

    Six simple members, all without training, say how strange a point is: the deviation from what
    Gaussians over short windows expect of it, the distance to the nearest windows seen, an
    isolation forest on windows, how still a channel is, a rolling mean, and the season where there
    is one. What each says is brought to one unit, the surprise: minus the logarithm of the share of
    stretches of 24 points with something as strange. The score is the root mean square of the
    members'.

    `fit` learns from normal series; or, unsupervised, from the series in question itself, if
    anomalies are in less than about a fifth of it.

    Parameters
    ----------
    transformer : FrozenEstimator, str, Path or None, default=None
        A fitted `SimMTMTransformer`, frozen, or the file of one, fitted to windows or series like
        these: the nearest windows are then looked for among embeddings. None looks among the
        windows themselves.
    false_alarm_rate : float, default=0.01
        Share of normal points to be taken for anomalies: the threshold is a quantile of the scores
        of two halves of the series of `fit`, each scored by what the other half teaches.

    Attributes
    ----------
    threshold_ : float
        Points whose score is higher are anomalies.
    members_ : list of str
        "conditional", "neighbors", "isolation", "stillness", "rolling", and "season" if there is
        one.
    period_ : int
        The season, in points; 0 if there is none.
    n_channels_ : int

    See Also
    --------
    SimMTMImputer : Fills gaps with Gaussians over windows like those in here.

    Notes
    -----
    *Unit of the score.* Nats. A member's surprise is exponential through the median and the 75 %
    quantile of the largest scores of stretches of 24 points of `fit`, so that a few anomalies in
    there do not matter, and 8 at most. Of several channels, the strangest counts.

    *Rate of false alarms.* It is that of series like those of `fit`. Where a series drifts, new
    parts of it are strange, and more of their points are taken for anomalies.

    *Missing values.* A point without any observed channel has the score 0. Gaps of up to four
    points are bridged by straight lines; windows with longer ones say nothing.

    *No training.* All members are simple; nothing is trained, and an encoder is taken as it is.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from simmtm_sk import SimMTMDetector
    >>> rng = np.random.default_rng(0)
    >>> normal = pd.DataFrame({"load": np.sin(np.arange(800) / 4) + 0.1 * rng.normal(size=800)})
    >>> X = normal[400:].reset_index(drop=True)
    >>> X.iloc[200:203] += 3
    >>> detector = SimMTMDetector(false_alarm_rate=0.001).fit(normal)
    >>> bool(detector.transform_scores(X).iloc[200:203].min().item() > detector.threshold_)
    True
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "task": "anomaly_detection",
        "learning_type": "unsupervised",
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:update": True,
        "X_inner_mtype": "pd.DataFrame",
        "fit_is_empty": False,
    }

    threshold_: float
    n_channels_: int
    scorer_: AnomalyScorer
    _learned_from: list[Floats] | None = None  # None in a detector from a file

    def __init__(
        self,
        *,
        transformer: FrozenEstimator | str | Path | None = None,
        false_alarm_rate: InnerShare = 0.01,
    ) -> None:
        self.transformer = transformer
        self.false_alarm_rate = false_alarm_rate
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    def fit(self, X: Any, y: Any = None) -> SimMTMDetector:
        """Learn what is normal.

        Parameters
        ----------
        X : DataFrame or Series, ndarray (length,) or (length, n_channels), or sktime panel
            One series, or several with the same channels; NaN = missing.
        y : None
            Ignored.

        Returns
        -------
        SimMTMDetector
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If the parameter or ``X`` cannot work.
        """
        self.reset()
        self._validate_params()
        self._fit(self._check_X(X))
        self._is_fitted = True
        return self

    @torch_as_it_starts()
    def _fit(self, X: Any, y: Any = None) -> SimMTMDetector:
        series = _all_series(X)
        self.n_channels_ = len(series[0])
        if self._is_frozen():
            given = self._frozen()
            check_series(given, series[0][None], reset=False)
            self.transformer_ = copy.deepcopy(given)
        self._learn(series)
        return self

    @torch_as_it_starts()
    def update(self, X: Any, y: Any = None) -> SimMTMDetector:
        """Learn from more series, as if `fit` had been given all of them.

        Parameters
        ----------
        X : as in `fit`
        y : None
            Ignored.

        Returns
        -------
        SimMTMDetector
            Itself.

        Raises
        ------
        ValueError
            If ``X`` cannot work, or the detector is from a file, which does not hold the series
            that were learned from.
        """
        self.check_is_fitted()
        if self._learned_from is None:
            raise ValueError(
                "a detector from a file does not hold the series that it has learned from: fit it "
                "again on all of them."
            )
        self._learn([*self._learned_from, *map(self._with_channels, _all_series(self._check_X(X)))])
        return self

    def _learn(self, series: list[Floats]) -> None:
        with one_thread():
            self.scorer_ = AnomalyScorer.fit(series, self._encoder())
            scores = self.scorer_.normal_scores(series, self._encoder())
        self.threshold_ = float(np.quantile(scores, 1 - self.false_alarm_rate))
        self._learned_from = series

    @each_series
    def scores_by_member(self, X: Any) -> pd.DataFrame:
        """Return how strange every member finds every point.

        Parameters
        ----------
        X : as in `predict`

        Returns
        -------
        DataFrame, shape (length, n_members)
            In nats, with the index of ``X``.
        """
        self.check_is_fitted()
        frame = self._check_X(X)
        with one_thread():
            return pd.DataFrame(self.scorer_.by_member(self._series(frame)), frame.index)

    @property
    def members_(self) -> list[str]:
        """What is averaged."""
        return self.scorer_.members.names

    @property
    def period_(self) -> int:
        """The season, in points."""
        return self.scorer_.members.windows.period

    def _predict(self, X: pd.DataFrame) -> pd.Series:
        points = np.flatnonzero(self._score(X) > self.threshold_)
        return pd.Series(points, dtype=np.int64, name="ilocs")

    def _transform_scores(self, X: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"scores": self._score(X)}, X.index)

    def _predict_scores(self, X: pd.DataFrame) -> pd.Series:
        scores = self._score(X)
        return pd.Series(scores[scores > self.threshold_], name="scores")

    def _score(self, X: Any) -> Floats:
        series = self._series(X)
        with one_thread():
            return self.scorer_.score(series)

    def _series(self, X: pd.DataFrame) -> Floats:
        """Return a single series with the channels of `fit`: (n_channels, length)."""
        return self._with_channels(_values(X))

    def _with_channels(self, series: Floats) -> Floats:
        if len(series) != self.n_channels_:
            raise ValueError(
                f"X has {len(series)} channels, but fit has seen {self.n_channels_} of them."
            )
        return series

    def _encoder(self) -> Any:
        """Return what embeds windows, None without an encoder."""
        return self.transformer_.transform if hasattr(self, "transformer_") else None

    # -- saving -----------------------------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        state, arrays = saved_scorer(self.scorer_)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        seen = {"n_channels_": self.n_channels_, "threshold_": self.threshold_}
        encoders, weights = self._transformers_state()
        return {**seen, "scorer": state, "encoders": encoders}, {**tensors, **weights}

    @torch_as_it_starts()
    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self.n_channels_ = state.integer("n_channels_", 1)
        self.threshold_ = state.number("threshold_")
        if "encoders" in state:  # older artifacts have none
            self._restore_transformers(state.inner("encoders"), tensors)
        scorer = state.inner("scorer")
        with one_thread():
            self.scorer_ = restored_scorer(scorer, tensors, self.n_channels_, self._encoder())
        self._is_fitted = True

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings for sktime's test suite."""
        return [{}, {"false_alarm_rate": 0.05}]


def _all_series(X: Any) -> list[Floats]:
    """Return the series to learn from."""
    series = [_values(frame) for frame in (X if isinstance(X, list) else [X])]
    if len({len(x) for x in series}) > 1:
        raise ValueError("all series must have the same channels.")
    if any(np.isnan(x).all() for x in series):
        raise ValueError("X has a series without any value.")
    return series


def _values(frame: pd.DataFrame) -> Floats:
    """Return the channels of a series: (n_channels, length)."""
    values = np.ascontiguousarray(frame.to_numpy(np.float64).T)
    if np.isinf(values).any():
        raise ValueError("X holds infinite values: give numbers, and NaN where a value is missing.")
    return values
