"""What an sktime forecaster needs to keep its pre-training, and to fail without harm."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sktime.datatypes import MTYPE_REGISTER
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils.validation.forecasting import check_fh

from ..persistence import StateReader
from .history import History
from .rows import in_plain_numbers, in_time_order
from .stored_history import PLAIN, decoded_horizon, encoded_horizon, plain_name


class SktimeForecasterBridge:
    """Base of `SimMTMForecaster`, in front of sktime's ``BaseForecaster``.

    Each method is here for one trait of sktime 1.2 and can go when the named issue is resolved.
    """

    # sktime would keep a copy of y, which the forecaster does on its own, and warn that it will not
    # one day (deprecated in sktime 1.2)
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}

    _fh: ForecastingHorizon | None
    _seen: History
    _given_freq: Any = None
    _X_is_array = False

    def __init__(self) -> None:
        super().__init__()
        self._y = self._X = None  # sktime looks for them whatever the configuration

    def set_params(self, **params: Any) -> Self:
        """Set parameters; what `pretrain` has learned stays, unless they decide about it.

        sktime's own method forgets pre-training (sktime issue #10155).

        Parameters
        ----------
        **params
            As in scikit-learn; ``transformer__mask_ratio`` reaches into the transformer.

        Returns
        -------
        SimMTMForecaster
            Itself, not fitted any more.
        """
        keeps = not any(name.partition("__")[0] == "transformer" for name in params)
        if keeps and hasattr(self, "_set_params_at"):
            kept: Self = self._set_params_at("pretrained", params)
            return kept
        base: Any = super()
        changed: Self = base.set_params(**params)
        return changed

    def __sklearn_clone__(self) -> Self:
        """Clone for scikit-learn's tools, pre-trained weights included (sktime issue #10155)."""
        forecaster: Any = self
        cloned: Self = forecaster.clone()
        return cloned

    def __dir__(self) -> list[str]:
        """List attributes without looking at them.

        scikit-learn's version would, and sktime's ``fh`` is an error before it is set.
        """
        return list(object.__dir__(self))

    def _check_X_y(  # noqa: N802  (sktime's name)
        self, X: Any = None, y: Any = None, **options: Any
    ) -> Any:
        """Put rows in order of time before sktime looks at them, which refuses any other.

        It would also convert complex numbers to real ones, refuse objects that are numbers, and
        forget the frequency of a list of frames, and that an array has no time points.
        """
        y = in_time_order(in_plain_numbers(y))
        if y is not None:
            self._given_freq = common_freq(y)
        base: Any = super()
        self._X_is_array = isinstance(X, np.ndarray)
        return base._check_X_y(X=in_time_order(X, "X"), y=y, **options)

    def _check_fh(self, fh: Any, pred_int: bool = False) -> ForecastingHorizon:
        """Check that ``fh`` is a horizon, and the one of `fit`.

        sktime would count its steps in periods, which know neither holidays nor time zones and take
        04:59 for 04:00; `horizon_steps` does that instead, against the calendar of ``y``.
        """
        fitted = bool(getattr(self, "is_fitted", False))
        if fh is None and not fitted:
            raise ValueError(
                f"The forecasting horizon `fh` must be passed to `fit` of {type(self).__name__}, "
                "but none was found."
            )
        if fh is not None:
            fh = check_fh(fh)
            if fitted and self._fh is not None and not same_horizon(fh, self._fh):
                raise ValueError(
                    "A different forecasting horizon `fh` has been provided from the one seen in "
                    "`fit`. To change it, fit the forecaster again."
                )
            self._fh = self._fh if fitted and self._fh is not None else fh
        assert self._fh is not None
        return self._fh

    def update(self, y: Any, X: Any = None, update_params: bool = True) -> Self:
        """Take in new time points, and learn from them if asked to; what fails changes nothing.

        sktime takes note of the container and the cutoff before anything is checked.

        Parameters
        ----------
        y : as in `fit`
            The columns seen in `fit`, and no other instances. Time points already known are
            replaced; what lies behind the end of ``y`` is forgotten; gaps are missing values.
            Arrays, which have no time points, continue what has been seen.
        X : as in `fit`
            Of the new time points, where `fit` has had one.
        update_params : bool, default=True
            Fit again, from the weights of ``transformer_`` on. False only forecasts from the new
            points.

        Returns
        -------
        SimMTMForecaster
            Itself.

        Raises
        ------
        ValueError, TypeError
            If ``y`` does not continue what the forecaster has seen.
        """
        before = dict(vars(self))
        store = dict(getattr(self, "_converter_store_y", {}))
        base: Any = super()
        try:
            base.update(y, X, update_params)
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before, _converter_store_y=store)
            raise
        return self

    def _sktime_state(self) -> dict[str, Any]:
        """Return what sktime's `predict` looks up, as JSON for an artifact."""
        forecaster: Any = self
        names = forecaster._y_metadata["feature_names"]
        return {
            "fh": encoded_horizon(forecaster.fh),
            "mtype": forecaster._y_metadata["mtype"],
            "feature_names": [plain_name(name) for name in names],
            "name": forecaster._converter_store_y.get("name"),
        }

    def _saw(self, seen: History) -> None:
        """Remember what was seen; sktime takes the end of an array for that of everything."""
        forecaster: Any = self
        self._seen = seen
        forecaster._set_cutoff(seen.cutoff)
        forecaster._y_metadata["feature_names"] = list(seen.columns)

    def _restore_sktime_state(self, state: StateReader, seen: History) -> None:
        """Undo `_sktime_state`."""
        forecaster: Any = self
        forecaster._set_cutoff(seen.cutoff)
        forecaster._fh = decoded_horizon(state.inner("fh"))
        mtype = state.text("mtype", {name for name, *_ in MTYPE_REGISTER})
        names = state.items("feature_names", *PLAIN, length=len(seen.columns))
        forecaster._y_metadata = {"mtype": mtype, "feature_names": names}
        forecaster._y_mtype_last_seen = mtype
        name = state.scalar("name")
        forecaster._converter_store_y = {} if name is None else {"name": name}
        forecaster._is_vectorized = False
        if hasattr(self, "pretrained_"):
            forecaster._pretrained_attrs = ["pretrained_"]
        forecaster._is_fitted = True


def common_freq(y: Any) -> Any:
    """Return the frequency that all frames of a list have, or None."""
    if not isinstance(y, list) or not all(isinstance(frame, pd.DataFrame) for frame in y):
        return None
    first, *others = (getattr(frame.index, "freq", None) for frame in y)
    return first if all(freq == first for freq in others) else None


def same_horizon(fh: ForecastingHorizon, other: ForecastingHorizon) -> bool:
    """Whether two horizons have the same points."""
    a, b = fh.to_pandas(), other.to_pandas()
    return fh.is_relative == other.is_relative and len(a) == len(b) and bool((a == b).all())
