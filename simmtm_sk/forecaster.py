"""`SimMTMForecaster`: pre-train on a panel, forecast anything."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sktime.forecasting.base import BaseForecaster, ForecastingHorizon

from .data.forecast_windows import ForecastWindows, Index, observed_length
from .encoders import PatchEncoder
from .forecaster_state import StoredForecaster
from .interop.covariates import Covariates
from .interop.history import History, matched_columns
from .interop.horizon import Steps, forecast_frame, horizon_steps
from .nn.combination import Combination
from .nn.contracts import shortest_series
from .nn.forecast import NORMALIZATIONS, Forecast
from .training.combination import ENCODER_STRATEGY, fit_combination, pays_for_encoder
from .training.contexts import pretraining_windows, training_part, training_std
from .training.effects import covariate_coefs
from .training.forecasting import Fitted, fit_forecast
from .training.isolation import torch_as_it_starts
from .training.residuals import column_quantiles, lagged_quantiles, unrelated_quantiles
from .training.rollout import Rollout, roll_out
from .training.settings import FORECASTING, draw_seed, epochs, resolve_device
from .training.strategies import STRATEGIES, Strategy
from .training.task import Task
from .transformer import SimMTMTransformer
from .transformer_user import TransformerUser, Values, followed

COMBINATIONS = ("combination", "closed-form")  # the other strategies are the encoder's alone
LONGEST_CONTEXT = 336


class SimMTMForecaster(StoredForecaster, BaseForecaster, BaseEstimator):
    """Forecast time series by simple forecasts and a pre-trained encoder, all steps at once.

    One model serves all columns and all instances of a panel: every column is a series of its own.
    By default, a forecast is the weighted mean of ridge regressions on windows of different
    lengths, of seasonal profiles and, where it makes them better, of a forecast by a SimMTM
    encoder. All but the encoder is solved exactly, in seconds. The encoder learns without any
    forecasting task, from the series of `fit`, or before that from a panel in `pretrain`.

    Parameters
    ----------
    transformer : SimMTMTransformer, FrozenEstimator, str or Path, default=None
        The encoder. None, or an unfitted transformer: pre-trained on windows of the series in `fit`
        (by a "combination" only if these are long), or by `pretrain`. A fitted one in a
        `sklearn.frozen.FrozenEstimator`, or the path of a saved one: used as it is, or where the
        strategy trains on from. None stands for a `PatchEncoder` with masks on whole patches.
    strategy : str, default="combination"
        * "combination": members are ridges on the window and on a longer one at coarser resolution,
          following the level or not, of all series and of each; profiles of the last 1 to 28
          periods of a season found in the series, or means of the last points where there is none;
          and a linear probe of the encoder. Their weights, by step, are those of the smallest error
          at rolling origins, shrunken, see `simmtm_sk.training.weights`.
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
        The encoder in use, fine-tuned if the strategy says so; not there where a combination has
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
    ['ridge 40', 'profile 1 x 12', 'profile 3 x 12']
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
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TransformerUser._parameter_constraints,
        "strategy": [StrOptions({*COMBINATIONS, *STRATEGIES})],
        "context_length": [Interval(Integral, 2, None, closed="left"), StrOptions({"auto"})],
        "normalization": [StrOptions({"auto", *NORMALIZATIONS})],
        "refit": ["boolean"],
        "lower": [Interval(Real, None, None, closed="neither"), None],
        "upper": [Interval(Real, None, None, closed="neither"), None],
    }

    def __init__(
        self,
        *,
        transformer: SimMTMTransformer | FrozenEstimator | str | Path | None = None,
        strategy: str = "combination",
        context_length: int | str = "auto",
        normalization: str = "auto",
        num_epochs: int | str = "auto",
        batch_size: int = 128,
        lr: float = 1e-3,
        encoder_lr_share: float = 1.0,
        weight_decay: float = 0.01,
        dropout: float = 0.3,
        validation_fraction: float = 0.2,
        patience: int | None = 3,
        refit: bool = True,
        lower: float | None = None,
        upper: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
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
            self.pretrained_ = self._pretrained(continued, values)
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

    def _learn(
        self,
        seen: History,
        fh: ForecastingHorizon,
        encoder: SimMTMTransformer | None,
        covariates: Covariates | None,
    ) -> None:
        """Fit to what was seen, with an encoder that has learned already, or a new one."""
        horizon = self._horizon(seen, fh)
        context_length = self._resolved_context(seen, horizon)
        columns = self._learn_effects(seen, covariates)
        seed = draw_seed(self.random_state)
        fitted: Fitted[Forecast] | Fitted[Combination]
        if self.strategy in COMBINATIONS:
            self._say(f"fitting and weighing simple forecasts of {len(columns)} series")
            fitted = self._combined(columns, context_length, horizon, encoder, seed)
        else:
            if encoder is None:
                encoder = self._encoder(columns, context_length, seed)
            fitted = self._by_encoder(columns, context_length, horizon, encoder, seed)
            encoder.network_ = fitted.model.network
            self.transformer_ = encoder
        self.forecast_ = fitted.model
        self.context_length_, self.horizon_ = context_length, horizon
        self.choices_, self.history_ = fitted.choices, fitted.history
        self._series_std = fitted.series_std
        self.residuals_ = fitted.residuals.numpy()
        self._residual_series = fitted.residual_series
        self._seen = seen

    def _learn_effects(self, seen: History, covariates: Covariates | None) -> list[Values]:
        """Learn what exogenous data do to the series, and return these without it."""
        self._covariates = covariates
        if covariates is None:
            self.__dict__.pop("covariate_coef_", None)
            return [*seen.series]
        centered = [covariates.centered(i, table) for i, table in enumerate(covariates.values)]
        of_series = [table for table in centered for _ in seen.columns]
        self.covariate_coef_ = covariate_coefs(seen.series, of_series)
        return self._without_effects(seen)

    def _without_effects(self, seen: History) -> list[Values]:
        """Return every column of every instance without what exogenous data do to it."""
        if self._covariates is None:
            return [*seen.series]
        effects = self._covariates.effects(self.covariate_coef_)
        return [values - effect for values, effect in zip(seen.series, effects, strict=True)]

    def _combined(
        self,
        columns: Sequence[Values],
        context_length: int,
        horizon: int,
        encoder: SimMTMTransformer | None,
        seed: int,
    ) -> Fitted[Combination]:
        """Fit a combination, with an encoder if there is one or the series can pay for it."""
        alone = self.strategy == "closed-form"
        given = not alone and (self._is_frozen() or hasattr(self, "pretrained_"))
        train = [training_part(column, float(self.validation_fraction)) for column in columns]
        if alone:
            encoder = None
        elif encoder is None and (given or pays_for_encoder(train)):
            encoder = self._encoder(columns, context_length, seed)

        def fit_encoder() -> Forecast:
            assert encoder is not None
            return self._by_encoder(columns, context_length, horizon, encoder, seed).model

        fitted = fit_combination(
            columns,
            context_length,
            horizon,
            float(self.validation_fraction),
            self.refit,
            self._device(),
            None if encoder is None else fit_encoder,
        )
        if encoder is not None and (given or fitted.model.encoder is not None):
            self.transformer_ = encoder
        return fitted

    def _by_encoder(
        self,
        columns: Sequence[Values],
        context_length: int,
        horizon: int,
        encoder: SimMTMTransformer,
        seed: int,
    ) -> Fitted[Forecast]:
        """Fit a forecast on an encoder."""
        windows = ForecastWindows(columns, context_length, horizon, self._device())
        train, held_out = self._split(windows)
        series_std = training_std(columns, self.validation_fraction if len(held_out) else 0.0)
        strategy = self._encoder_strategy()
        self._say(f"choosing and fitting forecasts on {len(windows)} windows")
        plan = self._plan(epochs(self.num_epochs, len(train), self.batch_size, FORECASTING), seed)
        monitor = self._monitor(plan) if strategy.trains else None
        return fit_forecast(
            Task(windows, series_std, train, held_out),
            encoder.network_,
            strategy,
            self.normalization,
            self.refit and self.strategy != "combination",
            float(self.dropout),
            plan,
            monitor,
            self._checkpoint_dir(),
        )

    def _split(self, windows: ForecastWindows) -> tuple[Index, Index]:
        """Return the windows to learn from and those to choose on."""
        return windows.split(float(self.validation_fraction))

    def _encoder(
        self, columns: Sequence[Values], context_length: int, seed: int
    ) -> SimMTMTransformer:
        """Return an encoder to start from, of our own."""
        pretrained = self._encoder_strategy().pretrains
        if pretrained and hasattr(self, "pretrained_"):
            return copy.deepcopy(self.pretrained_)
        fraction = float(self.validation_fraction)
        seen_in_training = [training_part(column, fraction) for column in columns]
        values = pretraining_windows(seen_in_training, context_length)
        return self._trained_transformer(values, seed, pretrained, embeds=False)

    def _encoder_strategy(self) -> Strategy:
        """Return how the forecast of an encoder is fitted."""
        return STRATEGIES[ENCODER_STRATEGY if self.strategy == "combination" else self.strategy]

    def _default_transformer(self, values: Values) -> SimMTMTransformer:
        return default_transformer(values.shape[2])

    def _resolved_context(self, seen: History, horizon: int) -> int:
        lengths = sorted(instance.values.shape[1] for instance in seen.instances)
        patch_length = self._shortest_context()
        context_length = self.context_length
        if isinstance(context_length, str):
            typical = lengths[len(lengths) // 2]  # a few short series may do with less
            context_length = min(LONGEST_CONTEXT, (typical - horizon) // 3)
            return int(max(8, patch_length, context_length))
        if patch_length > context_length:
            raise ValueError(
                f"patches of {patch_length} points are longer than the {context_length} points "
                "that forecasts are made from; choose a smaller patch_length of the encoder, or a "
                "larger context_length."
            )
        return int(context_length)

    def _shortest_context(self) -> int:
        """Return how many points the encoder needs that was given."""
        given = self._frozen() if self._is_frozen() else self.transformer
        encoder = None if given is None else given.encoder
        return 1 if encoder is None else shortest_series(encoder)

    def _horizon(self, seen: History, fh: ForecastingHorizon) -> int:
        """Return the number of steps to learn; an error if there is nothing to learn from."""
        horizon = int(self._steps(seen, fh).max())
        longest = max(instance.values.shape[1] for instance in seen.instances)
        if longest < horizon + 2:
            raise ValueError(
                f"y is too short: to forecast {horizon} step(s) ahead, at least one series must "
                f"have {horizon + 2} time points, but the longest has {longest}."
            )
        return horizon

    def _device(self) -> torch.device:
        given = self._given()
        return resolve_device("auto" if given is None else given.device)

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
        errors = column_quantiles(
            self.residuals_, self._residual_series, len(forecast.values), alpha
        )
        errors = lagged_quantiles(errors, forecast.lag, alpha) * forecast.unit
        columns = self._without_effects(self._seen)
        for series in np.flatnonzero(forecast.lag >= self.forecast_.look_back):
            errors[:, series] = unrelated_quantiles(columns[series], alpha)
        quantiles = forecast.values + errors
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
        frame = pd.DataFrame(y)
        known = self._seen.columns
        if len(frame.columns) != len(known):
            raise ValueError(
                f"y has {len(frame.columns)} column(s), but the forecaster was fitted on "
                f"{len(known)}."
            )
        unnamed = len(known) == 1 or not isinstance(y, pd.DataFrame)
        places = matched_columns(known, frame.columns, unnamed)
        values = frame.iloc[:, places].to_numpy(np.float64).T
        if np.isinf(values).any():
            raise ValueError("y contains infinity; values must be finite, or NaN.")
        if self._seen.is_panel:
            raise ValueError("predict_rolling takes single series; this forecaster has a panel.")
        length = values.shape[1]
        if origins is None:
            origins = np.arange(self.context_length_, length - self.horizon_ + 1)
        origin = np.asarray(origins, np.intp).ravel()
        if origin.size and not (origin.min() >= 1 and origin.max() <= length):
            raise ValueError(f"origins must lie between 1 and {length}, the length of y.")
        n_columns = len(values)
        series = np.tile(np.arange(n_columns), len(origin))
        origin = np.repeat(origin, n_columns)
        (steps,) = self._steps(self._seen, self.fh)
        effects = self._rolling_effects(X, length + int(steps.max()))
        values = values - effects[:, :length]
        windows = ForecastWindows(
            list(values), self.forecast_.context_length, self.horizon_, self._device()
        )
        last = pd.DataFrame(values.T).ffill().to_numpy()[origin - 1, series]
        std = self._series_std[series]
        forecast = roll_out(self.forecast_, windows, series, origin, std, last)
        to_come = effects[series[:, None], origin[:, None] + steps - 1]
        rolled = (forecast.values[:, steps - 1] + to_come).reshape(-1, n_columns, len(steps))
        return self._bounded(rolled.transpose(0, 2, 1))

    def _rolling_effects(self, X: Any, length: int) -> NDArray[np.float64]:
        """Return what exogenous data do to every column, (n_columns, length)."""
        if self._covariates is None:
            return np.zeros((len(self._seen.columns), length))
        n_covariates = len(self._covariates.columns)
        values = np.full((n_covariates, length), np.nan)
        given = np.empty((0, 0)) if X is None else pd.DataFrame(X).to_numpy(np.float64)
        if given.shape[1] != n_covariates or len(given) < length - self.horizon_:
            raise ValueError(
                f"X must have {n_covariates} column(s) like that of fit, and a row for every time "
                f"point of y and of its forecasts, got shape {given.shape}."
            )
        values[:, : len(given)] = given[:length].T
        (effects,) = self._covariates.effects_at(values[None], self.covariate_coef_)
        of_columns: NDArray[np.float64] = effects.T
        return of_columns

    def _forecast_from_end(self) -> Rollout:
        """Forecast every column of every instance from its end."""
        columns = self._without_effects(self._seen)
        context_length = self.forecast_.context_length
        n_points = context_length + self.forecast_.look_back  # values may be missing at the end
        contexts = [column[-n_points:] for column in columns]
        windows = ForecastWindows(contexts, context_length, self.horizon_, self._device())
        last = np.array([column[observed_length(column) - 1] for column in columns])
        series = np.arange(len(columns))
        return roll_out(self.forecast_, windows, series, windows.lengths, self._series_std, last)

    def _effects(self, X: Any, steps: Steps) -> NDArray[np.float64] | float:
        """Return what exogenous data will do, (n_instances, n_steps, n_columns)."""
        if self._covariates is None:
            if X is not None:
                warnings.warn("X is ignored, as fit has had none.", stacklevel=4)
            return 0.0
        if X is None:
            raise ValueError("predict needs X at the time points of fh, as fit has had X.")
        ahead = self._covariates.ahead(X, self._seen, steps, self._X_is_array)
        return self._covariates.effects_at(ahead, self.covariate_coef_)

    def _bounded(self, forecast: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.lower is None and self.upper is None:
            return forecast
        return np.clip(forecast, self.lower, self.upper)

    def _blocks(self, forecast: NDArray[np.float64], steps: Steps) -> NDArray[np.float64]:
        """Rearrange (n_instances * n_columns, horizon) as (n_instances, n_steps, n_columns)."""
        by_instance = forecast.reshape(len(steps), -1, self.horizon_)
        chosen: NDArray[np.float64] = np.take_along_axis(by_instance, steps[:, None] - 1, 2)
        return chosen.transpose(0, 2, 1)

    def _steps(self, seen: History, fh: ForecastingHorizon) -> Steps:
        """Return the steps that each instance is from the points of ``fh``."""
        steps = horizon_steps(fh, seen)
        if steps.min() < 1:
            raise NotImplementedError(
                f"{type(self).__name__} cannot forecast in-sample; fh has the step {steps.min()}."
            )
        if self.is_fitted and steps.max() > self.horizon_:
            raise ValueError(
                f"fh is up to {steps.max()} steps ahead, but the forecaster was fitted for "
                f"{self.horizon_}."
            )
        return steps

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
            {"transformer": small, "strategy": "linear-probe"},
            {
                "transformer": small,
                "strategy": "fine-tune",
                "num_epochs": 1,
                "context_length": 4,
            },
        ]


def default_transformer(context_length: int) -> SimMTMTransformer:
    """Return what ``transformer=None`` stands for: patches, and masks on whole ones.

    At least 12 patches, of at most 16 points; with masks on points, a patch encoder learns little
    that helps a forecast.
    """
    patch_length = min(16, max(1, context_length // 12))
    return SimMTMTransformer(
        encoder=PatchEncoder(patch_length=patch_length),
        masking="patch",
        mask_length=float(patch_length),
        batch_size=96,
    )
