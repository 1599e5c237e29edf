"""What a forecaster has learned and seen, and how it gets into an artifact and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from .interop.covariates import Covariates
from .interop.sktime_forecaster import SktimeForecasterBridge
from .interop.stored_history import PLAIN, decoded_history, encoded_history, plain_name
from .nn.combination import Combination
from .nn.forecast import NORMALIZATIONS, Forecast
from .persistence import StateReader, TensorReader
from .persistence.combinations import members_state, restored_combination
from .training.isolation import modules_of_our_own
from .training.settings import resolve_device
from .transformer_user import TransformerUser


class StoredForecaster(SktimeForecasterBridge, TransformerUser):
    """First base of `SimMTMForecaster`: its fitted state, saved and restored.

    See `simmtm_sk.persistence.SafeArtifactMixin`; whoever wrote an artifact is not trusted.
    """

    context_length_: int
    horizon_: int
    forecast_: Forecast | Combination
    choices_: dict[str, Any]
    history_: list[dict[str, Any]]
    residuals_: NDArray[np.float32]
    covariate_coef_: NDArray[np.float64]
    _residual_series: NDArray[np.intp]
    _series_std: NDArray[np.float64]
    _covariates: Covariates | None = None

    def _device(self) -> torch.device:
        given = self._given()
        return resolve_device("auto" if given is None else given.device)

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        transformers, tensors = self._transformers_state()
        history, history_tensors = encoded_history(self._seen)
        heads = {
            name: value
            for name, value in self.forecast_.state_dict().items()
            if "network." not in name  # it is among the transformers
        }
        state = {
            "context_length_": self.context_length_,
            "horizon_": self.horizon_,
            "history_": self.history_,
            "encoders": transformers,
            "y": history,
            **self._sktime_state(),
        }
        if isinstance(self.forecast_, Combination):  # its weights say what its choices are
            encoder = self.forecast_.encoder
            state["members"] = members_state(self.forecast_)
            state["encoder_normalization"] = None if encoder is None else encoder.normalization
        else:
            state["choices_"] = self.choices_
        tensors |= {f"forecast.{name}": value for name, value in heads.items()}
        tensors |= {f"y.{name}": value for name, value in history_tensors.items()}
        if self._covariates is not None:
            state["covariates"] = [plain_name(name) for name in self._covariates.columns]
            known = np.concatenate(self._covariates.values, 1)
            tensors["covariates"] = torch.tensor(known)
            tensors["covariate_coef"] = torch.tensor(self.covariate_coef_)
        tensors["residuals"] = torch.as_tensor(self.residuals_)
        tensors["residual_series"] = torch.as_tensor(self._residual_series)
        tensors["series_std"] = torch.as_tensor(self._series_std)
        return state, tensors

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self._restore_transformers(state.inner("encoders"), tensors)
        self.context_length_ = state.integer("context_length_", 2)
        self.horizon_ = state.integer("horizon_", 1)
        self.history_ = state.records("history_")
        self._seen = decoded_history(state.inner("y"), tensors.under("y."))
        n_series = len(self._seen.series)
        heads = tensors.under("forecast.")
        if "members" in state:
            normalization = state.scalar("encoder_normalization")
            encoder = None
            if normalization is not None:
                encoder = self._restored_forecast(heads.under("encoder."), normalization)
            members = state.items("members", dict)
            self.forecast_ = restored_combination(
                members, heads, self.horizon_, n_series, self.context_length_, encoder
            )
            self.choices_ = {"weights": self.forecast_.weights_by_step()}
        else:
            self.choices_ = state.scalars("choices_")
            self.forecast_ = self._restored_forecast(heads, self.choices_.get("normalization"))
        self.residuals_ = tensors.take(
            "residuals", (None, self.horizon_), torch.float32, missing=True
        ).numpy()
        n_errors = len(self.residuals_)
        self._residual_series = tensors.take(
            "residual_series", (n_errors,), torch.int64, low=0, high=n_series - 1
        ).numpy()
        self._series_std = tensors.take("series_std", (n_series,)).numpy()
        self._covariates = self._restored_covariates(state, tensors)
        self._restore_sktime_state(state, self._seen)

    def _restored_covariates(self, state: StateReader, tensors: TensorReader) -> Covariates | None:
        if "covariates" not in state:
            return None
        columns = state.items("covariates", *PLAIN)
        lengths = [instance.values.shape[1] for instance in self._seen.instances]
        known = tensors.take("covariates", (len(columns), sum(lengths)), missing=True).numpy()
        shape = (len(self._seen.series), len(columns))
        self.covariate_coef_ = tensors.take("covariate_coef", shape).numpy()
        tables = np.split(known, np.cumsum(lengths)[:-1], 1)
        return Covariates(pd.Index(columns), tables)

    def _restored_forecast(self, tensors: TensorReader, normalization: Any) -> Forecast:
        """Build the heads when they are known to have the sizes of the tensors that there are."""
        tensors.check_shape("window_head.weight", (self.horizon_, self.context_length_))
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization must be one of {NORMALIZATIONS}, got {normalization!r}."
            )
        with modules_of_our_own(0):
            forecast = Forecast(
                self.transformer_.network_, self.context_length_, self.horizon_, normalization, 0.0
            )
        heads = {k: v for k, v in forecast.state_dict().items() if not k.startswith("network.")}
        tensors.fill(heads)
        return forecast.eval()
