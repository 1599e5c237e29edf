"""How a forecaster learns: from which part of the series, with which encoder, and what it keeps."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from sktime.forecasting.base import ForecastingHorizon

from .data.forecast_windows import ForecastWindows, Index
from .encoders import PatchEncoder
from .forecaster_state import StoredForecaster
from .interop.covariates import Covariates
from .interop.history import History
from .nn.combination import Combination
from .nn.contracts import shortest_series
from .nn.forecast import Forecast
from .training.combination import ENCODER_STRATEGY, fit_combination
from .training.contexts import pretraining_windows, training_part, training_std
from .training.effects import covariate_coefs
from .training.forecasting import Fitted, fit_forecast
from .training.settings import FORECASTING, draw_seed, epochs
from .training.strategies import STRATEGIES, Strategy
from .training.task import Task
from .transformer import SimMTMTransformer
from .transformer_user import Values

COMBINATIONS = ("combination", "closed-form")  # the other strategies are the encoder's alone
LONGEST_CONTEXT = 336


class LearningForecaster(StoredForecaster):
    """Base of `SimMTMForecaster`: from what was seen to ``forecast_`` and its errors."""

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

    def _learn_effects(self, seen: History, covariates: Covariates | None) -> Sequence[Values]:
        """Learn what exogenous data do to the series, and return these without it."""
        self._covariates = covariates
        if covariates is None:
            self.__dict__.pop("covariate_coef_", None)
            return seen.series
        covariates.announce_blank()
        centered = [covariates.centered(i, table) for i, table in enumerate(covariates.values)]
        of_series = [table for table in centered for _ in seen.columns]
        self.covariate_coef_ = covariate_coefs(seen.series, of_series)
        return covariates.taken_off(seen.series, self.covariate_coef_)

    def _combined(
        self,
        columns: Sequence[Values],
        context_length: int,
        horizon: int,
        encoder: SimMTMTransformer | None,
        seed: int,
    ) -> Fitted[Combination]:
        """Fit a combination, with an encoder where one is given."""
        if not self._combines_encoder():
            encoder = None
        elif encoder is None:
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
        if encoder is not None:
            self.transformer_ = encoder
            if fitted.model.encoder is None:
                self._say("the encoder makes no held-out forecast better: it has no weight")
        return fitted

    def _combines_encoder(self) -> bool:
        """Return whether an encoder stands beside simple forecasts: one that somebody gave."""
        given = self.transformer is not None or hasattr(self, "pretrained_")
        return given and self.strategy == "combination"

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
