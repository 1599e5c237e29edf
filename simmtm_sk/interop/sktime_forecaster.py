"""What an sktime forecaster needs to keep its pre-training, and to fail without harm."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import pandas as pd
from sktime.datatypes import MTYPE_REGISTER

from ..persistence import StateReader
from .timeline import PLAIN, decoded_horizon, encoded_horizon, plain_name


class SktimeForecasterBridge:
    """Base of `SimMTMForecaster`, in front of sktime's ``BaseForecaster``.

    Each method is here for one trait of sktime 1.2 and can go when the named issue is resolved.
    """

    # sktime would keep a copy of y, which the forecaster does on its own, and warn that it will not
    # one day (deprecated in sktime 1.2)
    _config: ClassVar[dict[str, Any]] = {"remember_data": False}

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

    def update(self, y: Any, X: Any = None, update_params: bool = True) -> Self:
        """Take in new time points, and learn from them if asked to; what fails changes nothing.

        sktime takes note of the container and the cutoff before anything is checked.

        Parameters
        ----------
        y : as in `fit`
            The columns seen in `fit`, and no other instances. Time points already known are
            replaced; what lies behind the end of ``y`` is forgotten; gaps are missing values.
        X : None
            Ignored.
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

    def _restore_sktime_state(self, state: StateReader, y: pd.DataFrame) -> None:
        """Undo `_sktime_state`; ``y`` is what was seen last."""
        forecaster: Any = self
        forecaster._set_cutoff_from_y(y)
        forecaster._fh = decoded_horizon(state.inner("fh"))
        mtype = state.text("mtype", {name for name, *_ in MTYPE_REGISTER})
        names = state.items("feature_names", *PLAIN, length=len(y.columns))
        forecaster._y_metadata = {"mtype": mtype, "feature_names": names}
        forecaster._y_mtype_last_seen = mtype
        name = state.scalar("name")
        forecaster._converter_store_y = {} if name is None else {"name": name}
        forecaster._is_vectorized = False
        if hasattr(self, "pretrained_"):
            forecaster._pretrained_attrs = ["pretrained_"]
        forecaster._is_fitted = True
