"""`SimMTMForecaster`: pre-train on a panel, forecast anything."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import StrOptions
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from .encoders import PatchEncoder
from .forecaster_learning import COMBINATIONS, LearningForecaster
from .forecaster_prediction import PredictingForecaster
from .interop.covariates import Covariates
from .interop.history import History
from .interop.horizon import forecast_frame
from .nn.forecast import NORMALIZATIONS
from .parameters import (
    AtLeastOne,
    AtLeastTwo,
    Finite,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    Verbosity,
    constraints,
)
from .training.contexts import pretraining_windows
from .training.isolation import torch_as_it_starts
from .training.settings import draw_seed
from .training.strategies import STRATEGIES
from .transformer import SimMTMTransformer
from .transformer_user import followed


class SimMTMForecaster(LearningForecaster, PredictingForecaster, BaseForecaster, BaseEstimator):
    """Forecast time series by simple forecasts and a pre-trained encoder, all steps at once.

    One model serves all columns and all instances of a panel: every column is a series of its own.
    By default, a forecast is the weighted mean of ridge regressions on windows of different
    lengths, of seasonal profiles and, where one is given and makes them better, of a forecast by a
    SimMTM encoder. All but the encoder is solved exactly, in seconds. The encoder learns without
    any forecasting task, from the series of `fit`, or before that from a panel in `pretrain`.

    Parameters
    ----------
    transformer : SimMTMTransformer, FrozenEstimator, str or Path, default=None
        The encoder. An unfitted transformer is pre-trained on windows of the series in `fit`, or by
        `pretrain`. A fitted one in a `sklearn.frozen.FrozenEstimator`, or the path of a saved one:
        used as it is, or where the strategy trains on from. None: a "combination" has an encoder
        after `pretrain` alone, since beside its other members one that is trained on the same
        series has hardly made a forecast better; elsewhere, and in `pretrain`, None stands for a
        `PatchEncoder` with masks on whole patches.
    strategy : str, default="combination"
        * "combination": members are ridges on the window and on a longer one at coarser resolution,
          following the level or not, of all series and of each; profiles of the last 1 or 28
          periods of a season found in the series, and such that fade with time, or means of the
          last points where there is none; and a linear probe of the encoder. Their weights, by
          step, are those of the smallest error at rolling origins, shrunken, see
          `simmtm_sk.training.weights`.
        * "closed-form": the same without an encoder. The others are the encoder alone:
        * "fine-tune": encoder and head are trained; the forecast is a weighted mean of theirs and
          of the ridge on the window, with weights chosen on held-out windows.
        * "linear-probe": the encoder stays as it is; one ridge on window and representations.
        * "probe-then-fine-tune": from the linear probe on, at a tenth of the learning rate; undone
          if no epoch is better on held-out windows.
        * "from-scratch": as "fine-tune", from the encoder's initial weights; the control.
    context_length : int >= 2 or "auto", default="auto"
        Points of the window that a forecast is made from; profiles and the long ridges of a
        combination look back further. "auto" is a third of what the median series has beyond the
        horizon, from 8 (or the encoder's ``patch_length``) to 336; in front of shorter series,
        values are missing.
    normalization : {"auto", "last", "mean", "standard"}, default="auto"
        What is taken off a context before, and put back after: its last value, its mean, or its
        mean with errors counted in units of its standard deviation. "auto" is "last", unless
        another one is clearly better on held-out windows.
    num_epochs : int >= 1 or "auto", default="auto"
        Passes of fine-tuning over the windows; "auto" chooses by their number, see
        `simmtm_sk.training.settings.FORECASTING`.
    batch_size : int >= 1, default=128
        Windows in a step of fine-tuning.
    lr : float > 0, default=1e-3
        Peak learning rate of fine-tuning.
    encoder_lr_share : float >= 0, default=1.0
        The encoder learns at this share of it.
    weight_decay : float >= 0, default=0.01
        Of fine-tuning.
    dropout : float in [0, 1), default=0.3
        Share of the representations that a step of fine-tuning leaves out, inside the encoder and
        before the head.
    validation_fraction : float in [0, 1), default=0.2
        Share of every series, at its end, that choices are made on: normalisation, season, drift,
        penalty, epoch, weights; intervals are calibrated on it, too. A combination takes weights
        and intervals from origins before that part, also, with members fitted to what lies before
        them.
    patience : int >= 1 or None, default=3
        Evaluations without improvement after which fine-tuning stops.
    refit : bool, default=True
        Solve ridges again on the whole series when everything is chosen.
    lower, upper : float or None, default=None
        Bounds of what can be: forecasts, intervals and quantiles beyond them are set to them, as in
        ``lower=0`` for counts.
    random_state : int, RandomState or None, default=None
        As in `SimMTMTransformer`.
    verbose : int, default=0
        1 prints a line per evaluation of fine-tuning.

    Attributes
    ----------
    pretrained_ : SimMTMTransformer
        The encoder that `pretrain` has learned; only there after it.
    transformer_ : SimMTMTransformer
        The encoder, fine-tuned if the strategy says so; not there where a combination was given
        none.
    forecast_ : simmtm_sk.nn.combination.Combination or simmtm_sk.nn.forecast.Forecast
        The forecast as a module, on the CPU.
    context_length_, horizon_ : int
        Points of the window; steps up to the last one of ``fh``.
    choices_ : dict
        Of a combination "weights", a dict of member and weight for every block of steps. Otherwise
        what the held-out windows decided: "normalization", "period" and "drift" of the forecast
        that the ridge goes out from, see `simmtm_sk.training.closed_form.Baseline`; "penalty",
        None where nothing was learned; "token_scale" or "network_share", how much the encoder
        counts.
    covariate_coef_ : ndarray, shape (n_series, n_covariates)
        What one unit more of each column of ``X`` adds to each column of each instance; only there
        if `fit` has had ``X``.
    history_ : list of dict
        Records of fine-tuning; empty where there is none.
    residuals_ : ndarray, shape (n, horizon)
        Errors on held-out windows, or at rolling origins, behind intervals, in units between the
        standard deviations of context and series; larger than they were where the windows are few,
        see `simmtm_sk.training.residuals.widening`.

    See Also
    --------
    SimMTMTransformer : The encoder.

    Notes
    -----
    *Pre-trained weights survive* `clone`, `set_params` of everything but ``transformer``, and
    therefore searches, pipelines and `evaluate`. A search over parameters of the transformer
    pre-trains anew for each candidate.

    *Missing values* take part neither in what the encoder sees nor in its targets; members of a
    combination see them interpolated, other ridges filled with the value before. Where the last
    values of a column are missing, its forecast begins with the last one observed, goes on from
    itself, and has wider intervals. *Constant contexts* are continued as they are; where as many
    values are missing as a context has, so is the last one before them.

    *Time points* must follow each other at one frequency: that of the index, of the index of all
    instances together, or the one it has by its looks. Rows are put in order of time. Absolute
    horizons are counted on that calendar, in whatever time zone they are given.

    *Short series*: the longest one must have two points more than ``fh`` has steps. A context that
    begins before its series does is filled up with missing values.

    *Exogenous data* that are known in advance (prices, holidays, a weather forecast) add a linear
    effect to each column, learned in closed form; the rest is forecast as it would be without
    them. Where cross-validation finds no effect, there is none. `predict` needs them at the
    time points of ``fh``, `update` at the new ones.

    Examples
    --------
    >>> from simmtm_sk import SimMTMForecaster
    >>> from sktime.datasets import load_airline
    >>> y = load_airline()
    >>> forecaster = SimMTMForecaster().fit(y[:132], fh=range(1, 13))
    >>> forecaster.predict().shape
    (12,)
    >>> list(forecaster.choices_["weights"]["1"])[:3]
    ['ridge 40', 'ridge 40, cautious', 'profile 1 x 12']
    """

    _tags: ClassVar[dict[str, Any]] = {
        "authors": "simmtm_sk developers",
        "maintainers": "simmtm_sk developers",
        "python_dependencies": "torch",
        "y_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "X_inner_mtype": ["pd.DataFrame", "pd-multiindex", "pd_multiindex_hier"],
        "capability:multivariate": True,
        "capability:exogenous": True,
        "capability:insample": False,
        "capability:pred_int": True,
        "capability:pred_int:insample": False,
        "capability:missing_values": True,
        "capability:update": True,
        "capability:pretrain": True,
        "pretrain:fitted_params": ["pretrained_"],
        "capability:categorical_in_X": False,
        "capability:unequal_length": True,
        "requires-fh-in-fit": True,
        "capability:random_state": True,
        "property:randomness": "derandomized",
    }

    def __init__(
        self,
        *,
        transformer: SimMTMTransformer | FrozenEstimator | str | Path | None = None,
        strategy: Annotated[str, StrOptions({*COMBINATIONS, *STRATEGIES})] = "combination",
        context_length: AtLeastTwo | Literal["auto"] = "auto",
        normalization: Annotated[str, StrOptions({"auto", *NORMALIZATIONS})] = "auto",
        num_epochs: AtLeastOne | Literal["auto"] = "auto",
        batch_size: AtLeastOne = 128,
        lr: Positive = 1e-3,
        encoder_lr_share: NotNegative = 1.0,
        weight_decay: NotNegative = 0.01,
        dropout: ShareBelowOne = 0.3,
        validation_fraction: ShareBelowOne = 0.2,
        patience: AtLeastOne | None = 3,
        refit: bool = True,
        lower: Finite | None = None,
        upper: Finite | None = None,
        random_state: Seed = None,
        verbose: Verbosity = 0,
    ) -> None:
        self.transformer = transformer
        self.strategy = strategy
        self.context_length = context_length
        self.normalization = normalization
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.encoder_lr_share = encoder_lr_share
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.refit = refit
        self.lower = lower
        self.upper = upper
        self.random_state = random_state
        self.verbose = verbose
        super().__init__()

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    def _validate_params(self) -> None:
        super()._validate_params()
        if self.lower is not None and self.upper is not None and self.lower >= self.upper:
            raise ValueError(
                f"lower must be less than upper, got lower={self.lower} and upper={self.upper}."
            )

    # -- pre-training -----------------------------------------------------------------------------

    @followed
    @torch_as_it_starts()
    def _pretrain(self, y: pd.DataFrame, X: Any = None, fh: Any = None) -> SimMTMForecaster:
        self._validate_params()
        seed = draw_seed(self.random_state)
        seen = History.of(y, self._given_freq)
        values = pretraining_windows(seen.series, self._resolved_context(seen, 1))
        last = getattr(self, "pretrained_", None)
        if last is None and self._is_frozen():
            last = copy.deepcopy(self._template(values))
        if last is None:
            self.pretrained_ = self._trained_transformer(
                values, seed, pretrained=True, embeds=False
            )
        else:  # go on from its weights
            continued = copy.deepcopy(last)
            continued.warm_start = True  # set_params would forget them
            self.pretrained_ = self._pretrained(continued, values, trained_on=True)
            self.pretrained_.warm_start = last.warm_start
        return self

    # -- fitting ----------------------------------------------------------------------------------

    @followed
    @torch_as_it_starts()
    def _fit(self, y: pd.DataFrame, X: Any, fh: ForecastingHorizon) -> SimMTMForecaster:
        self._validate_params()
        seen = History.of(y, self._given_freq)
        self._learn(seen, fh, None, X if X is None else Covariates.of(X, seen, self._X_is_array))
        return self

    @followed
    @torch_as_it_starts()
    def _update(
        self, y: pd.DataFrame, X: Any = None, update_params: bool = True
    ) -> SimMTMForecaster:
        seen = self._seen.extended(y, self._y_mtype_last_seen)
        covariates = self._covariates
        if (X is None) != (covariates is None):
            had = "no X" if covariates is None else "X"
            raise ValueError(f"fit has had {had}, and update must have the same columns.")
        if covariates is not None:
            covariates = covariates.extended(X, self._seen, seen, self._X_is_array)
        if update_params:
            self._learn(seen, self.fh, getattr(self, "transformer_", None), covariates)
        self._covariates = covariates
        self._saw(seen)
        return self

    # -- forecasting ------------------------------------------------------------------------------

    @torch_as_it_starts()
    def _predict(self, fh: ForecastingHorizon, X: Any) -> pd.DataFrame:
        steps = self._steps(self._seen, fh)
        blocks = self._blocks(self._forecast_from_end().values, steps) + self._effects(X, steps)
        return forecast_frame(self._bounded(blocks), self._seen, steps, self._seen.columns)

    @torch_as_it_starts()
    def _predict_quantiles(
        self, fh: ForecastingHorizon, X: Any, alpha: list[float]
    ) -> pd.DataFrame:
        steps = self._steps(self._seen, fh)
        forecast = self._forecast_from_end()
        quantiles = self._quantiles_from_end(forecast, alpha)
        effects = self._effects(X, steps)
        blocks = [self._bounded(self._blocks(level, steps) + effects) for level in quantiles]
        # a column's quantiles stand side by side
        table = np.stack(blocks, -1).reshape(*blocks[0].shape[:2], -1)
        names = self._get_columns("predict_quantiles", alpha=alpha)
        return forecast_frame(table, self._seen, steps, names)

    @torch_as_it_starts()
    def predict_rolling(
        self,
        y: pd.Series | pd.DataFrame | NDArray[Any],
        origins: ArrayLike | None = None,
        X: pd.DataFrame | NDArray[Any] | None = None,
    ) -> NDArray[np.float64]:
        """Forecast from many origins of a long series at once, without any update.

        The same numbers as ``update(..., update_params=False)`` and `predict` at every origin,
        thousands of times faster. The state of the forecaster does not change.

        Parameters
        ----------
        y : Series, DataFrame or ndarray, shape (length,) or (length, n_columns)
            A single series with the columns seen in `fit`, a row per time point; NaN = missing.
            Its index is not looked at.
        origins : array-like of int, default=None
            How many points of ``y`` lie before each forecast, from 1 to ``length``. None is every
            origin with a whole context before and a whole horizon behind it.
        X : DataFrame or ndarray, shape (n, n_covariates), default=None
            Where `fit` has had exogenous data, those of the time points of ``y`` and of all
            forecasts, in the order of the columns in `fit`.

        Returns
        -------
        ndarray, shape (n_origins, n_steps, n_columns)
            Steps as in ``fh``. NaN where no value has been observed before the origin.

        Raises
        ------
        ValueError
            If ``y`` has other columns or infinite values, or an origin lies outside of it.

        Examples
        --------
        >>> from simmtm_sk import SimMTMForecaster
        >>> from sktime.datasets import load_airline
        >>> y = load_airline()
        >>> forecaster = SimMTMForecaster()
        >>> forecaster.fit(y[:100], fh=[1, 2, 3]).predict_rolling(y, origins=[100, 101]).shape
        (2, 3, 1)
        """
        self.check_is_fitted()
        values = self._rolling_values(y)
        length = values.shape[1]
        origin = self._origins(origins, length)
        (steps,) = self._steps(self._seen, self.fh)
        effects = self._rolling_effects(X, length + int(steps.max()))
        rolled = self._rolled(values - effects[:, :length], origin)[:, :, steps - 1]
        rolled = rolled + effects[:, origin[:, None] + steps - 1].swapaxes(0, 1)
        return self._bounded(rolled.transpose(0, 2, 1))

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Small settings for sktime's test suite."""
        small = SimMTMTransformer(
            encoder=PatchEncoder(patch_length=2, d_model=4, n_layers=1, n_heads=1, d_feedforward=4),
            masking="patch",
            num_epochs=1,
            projection_dim=4,
        )
        return [
            {"transformer": small},
            {"transformer": small, "strategy": "linear-probe"},
            {
                "transformer": small,
                "strategy": "fine-tune",
                "num_epochs": 1,
                "context_length": 4,
            },
        ]
