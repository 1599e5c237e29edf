"""`SimMTMImputer`: fill gaps."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.frozen import FrozenEstimator
from sktime.transformations.base import BaseTransformer
from torch import Tensor

from .data import WrittenBack
from .filling import Filled, GapFiller, restored_filler, saved_filler
from .interop import check_series
from .interop.series import names_seen
from .one_thread import one_thread
from .parameters import Verbosity, constraints
from .persistence import StateReader, TensorReader, restore_seen, saved_seen
from .training.isolation import torch_as_it_starts
from .transformer_user import TransformerUser

Values = NDArray[np.float64]


class SimMTMImputer(
    TransformerUser, OneToOneFeatureMixin, TransformerMixin, BaseTransformer, BaseEstimator
):
    """Fill the gaps of time series from what else was observed: before, after, in other channels.

    A weighted mean of what simple members say, all of them solved in closed form: Gaussians over
    short windows of all channels, linear interpolation, the season where there is one, Gaussians
    over whole series and the nearest ones where there are many of one length, and what an encoder
    rebuilds, if one is given. The weights, by the distance to the next observed value, are those
    that did best where gaps were made in a quarter of the series (or in their last quarter), so
    that no member can harm for long.

    The class is a scikit-learn transformer and an sktime transformer at once.

    Parameters
    ----------
    transformer : FrozenEstimator, str, Path or None, default=None
        A fitted `SimMTMTransformer`, frozen, or the file of one: its `reconstruct` is one member
        more. None is no encoder.
    verbose : int, default=0
        1 says what was learned.

    Attributes
    ----------
    members_ : list of str
        Some of "windows", "linear", "season", "series" (whole ones), "neighbors" and "encoder".
    weights_ : ndarray, shape (n_members, 7)
        How much each counts, 1, 2, 3 to 4, 5 to 8, 9 to 16, 17 to 32 and more points from the next
        observed value of the channel.
    periods_ : list of int
        The season, in points; empty if there is none.
    n_channels_, length_, n_features_in_, feature_names_in_
        What `fit` has seen, as in `SimMTMTransformer`.

    See Also
    --------
    SimMTMTransformer : Embeds series with gaps without filling them first.

    Notes
    -----
    *What is filled.* Every missing value of a series, at its start and its end, too: arrays have
    series of one length. Series of a list, or of an sktime panel, end where they end; what is
    missing within is filled. Observed values stay as they are, and time points that a
    regular index leaves out count as gaps, but no rows are added.

    *Windows.* Of 12, 24 and 48 points, as long as they hold 512 numbers at most; up to 21 related
    channels together, more in groups. A mixture of up to 16 Gaussians is fitted to 10 000 windows
    of each length: the conditional mean of what is hidden [1]_, the members of the mixture by the
    likelihood of what is visible. Windows may lie at any level. Overlapping windows count by their
    precision. Channels whose values are positive and skewed are filled as logarithms.

    *Cost.* 10 000 points of seven channels take some seconds; the artifact of such an
    imputer has 20 MB.

    References
    ----------
    .. [1] Little, Rubin, "Statistical Analysis with Missing Data", 3rd ed., 2019, chapter 11.

    Examples
    --------
    >>> import numpy as np
    >>> from simmtm_sk import SimMTMImputer
    >>> waves = np.sin(np.arange(400) / 4 + np.arange(2)[:, None])[None]  # one series, two channels
    >>> X = waves.copy()
    >>> X[0, 0, 100:110] = np.nan
    >>> filled = SimMTMImputer().fit_transform(X)
    >>> bool(np.abs(filled - waves).max() < 0.02)
    True
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "scitype:transform-input": "Series",
        "scitype:transform-output": "Series",
        "scitype:instancewise": False,
        "X_inner_mtype": ["numpy3D", "pd-multiindex", "nested_univ", "df-list"],
        "y_inner_mtype": "None",
        "fit_is_empty": False,
        "requires_y": False,
        "transform-returns-same-time-index": True,
        "capability:multivariate": True,
        "capability:missing_values": True,
        "capability:missing_values:removes": True,
        "capability:unequal_length": True,
        "capability:inverse_transform": False,
        "capability:categorical_in_X": False,
    }

    n_channels_: int
    length_: int
    n_features_in_: int
    filler_: GapFiller

    def __init__(
        self,
        *,
        transformer: FrozenEstimator | str | Path | None = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.transformer = transformer
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    @torch_as_it_starts()
    def fit(self, X: Any, y: Any = None) -> SimMTMImputer:
        """Learn how gaps are filled.

        Parameters
        ----------
        X : ndarray (n_series, n_channels, length) or (n_series, length), list, or sktime panel
            As in `SimMTMTransformer.fit`; NaN = missing. All of it is read into memory.
        y : None
            Ignored, present for pipelines.

        Returns
        -------
        SimMTMImputer
            Itself, fitted.

        Raises
        ------
        ValueError, TypeError
            If a parameter or ``X`` cannot work.
        """
        self.reset()
        self._validate_params()
        values, places = self._read(X, reset=True)
        if self._is_frozen():
            given = self._frozen()
            check_series(given, values, reset=False)
            self.transformer_ = copy.deepcopy(given)
        self._say(
            f"learning to fill gaps of {len(values)} series of up to {values.shape[2]} points"
        )
        with one_thread():
            self.filler_ = GapFiller.fit(values, places.lengths, self._rebuild())
        shares = zip(self.members_, self.weights_.mean(1), strict=True)
        self._say("weights: " + ", ".join(f"{name} {share:.2f}" for name, share in shares))
        self._is_fitted = True
        return self

    def transform(self, X: Any, y: Any = None) -> Any:
        """Fill the gaps of ``X``.

        Parameters
        ----------
        X : as in `fit`
            Any length; the channels seen in `fit`. A table (2D) must have as many columns as the
            table seen in `fit`.
        y : None
            Ignored.

        Returns
        -------
        as ``X``
            A copy without gaps, in the dtype of ``X``.
        """
        values, places = self._read_fitted(X)
        return places.written(self._filled(values, places).values)

    def transform_std(self, X: Any) -> Any:
        """Return how uncertain `transform` is of what it fills in.

        Parameters
        ----------
        X : as in `transform`

        Returns
        -------
        as ``X``
            Standard deviations where ``X`` has gaps, in its units; elsewhere the values of ``X``.
        """
        values, places = self._read_fitted(X)
        return places.written(self._filled(values, places).std)

    @property
    def members_(self) -> list[str]:
        """What is averaged."""
        return self.filler_.members.names

    @property
    def weights_(self) -> NDArray[np.float64]:
        """How much each member counts, by the distance to the next observed value."""
        return self.filler_.weights

    @property
    def periods_(self) -> list[int]:
        """The season, in points."""
        return [self.filler_.members.choices.period] * bool(self.filler_.members.choices.period)

    def _any_channels(self) -> bool:
        return False

    def _read(self, X: Any, *, reset: bool) -> tuple[Values, WrittenBack]:
        """Return series, and where in ``X`` they are from."""
        channels = None if reset else names_seen(self, X)
        values = np.asarray(check_series(self, X, reset=reset), np.float64)
        return values, WrittenBack(X, channels)

    def _read_fitted(self, X: Any) -> tuple[Values, WrittenBack]:
        self.check_is_fitted()
        return self._read(X, reset=False)

    @torch_as_it_starts()
    def _filled(self, values: Values, places: WrittenBack) -> Filled:
        with one_thread():
            return self.filler_.fill(values, places.lengths)

    def _rebuild(self) -> Any:
        """Return what an encoder makes of series, None without one."""
        return self.transformer_._reconstruct if hasattr(self, "transformer_") else None

    # -- saving -----------------------------------------------------------------------------------

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        encoders, weights = self._transformers_state()
        state, arrays = saved_filler(self.filler_)
        tensors = {f"filler.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        return {**saved_seen(self), "filler": state, "encoders": encoders}, {**weights, **tensors}

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        restore_seen(self, state)
        self._restore_transformers(state.inner("encoders"), tensors)
        self.filler_ = restored_filler(
            state.inner("filler"), tensors.under("filler."), self.n_channels_, self._rebuild()
        )
        self._is_fitted = True

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings for sktime's test suite."""
        return [{}, {"verbose": 0}]
