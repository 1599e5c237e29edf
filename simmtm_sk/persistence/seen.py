"""What `fit` has seen of the series, saved and restored: sizes, and names of channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .readers import StateReader

_SIZES = ("n_features_in_", "n_channels_", "length_")
SEEN = (*_SIZES, "feature_names_in_")


def saved_seen(estimator: Any) -> dict[str, Any]:
    """Return it as JSON."""
    seen = {name: vars(estimator)[name] for name in _SIZES if name in vars(estimator)}
    if hasattr(estimator, "feature_names_in_"):
        seen["feature_names_in_"] = list(estimator.feature_names_in_)
    return seen


def restore_seen(estimator: Any, state: StateReader, otherwise: Any = None) -> None:
    """Set it on an estimator; sizes that were not saved are those of ``otherwise``, if given."""
    for name in _SIZES:
        is_saved = otherwise is None or name in state
        setattr(estimator, name, state.integer(name, 1) if is_saved else getattr(otherwise, name))
    if "feature_names_in_" in state:
        length = estimator.n_features_in_
        names = state.items("feature_names_in_", str, int, float, length=length)
        estimator.feature_names_in_ = np.array(names, dtype=object)
