"""Checking X the way scikit-learn does for tables and the way sktime does for panels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from ..data import (
    Panel,
    check_numeric,
    holds_strings,
    is_nested,
    is_sktime_panel,
    on_disk,
    panel_values,
)


def check_series(estimator: Any, X: Any, *, reset: bool) -> Panel:
    """Validate ``X`` and return it as (n_series, n_channels, length), NaN = missing.

    Tables, one series a row, go through scikit-learn's `validate_data`: a table at transform needs
    the columns of the table at fit. Everything else may have any length.

    Parameters
    ----------
    estimator : estimator
        ``n_features_in_`` (columns of a table, channels otherwise), ``n_channels_`` and ``length_``
        are set on it if ``reset``.
    X : any accepted container
    reset : bool
        True in fit.

    Raises
    ------
    ValueError, TypeError
        If ``X`` cannot be read as series, or does not fit what was seen in fit.
    """
    check_numeric(X)
    if not is_table(X):
        values = panel_values(X)
    elif reset or _fitted_on_table(estimator):
        values = panel_values(_validated(estimator, X, reset))
    else:  # fitted on 3D data: the rows of a table are series of one channel, of any length
        values = panel_values(np.asarray(X))
    n_channels, length = values.shape[1:]
    if reset:
        estimator.n_channels_, estimator.length_ = n_channels, length
        if not is_table(X):
            estimator.n_features_in_ = n_channels
    elif n_channels != estimator.n_channels_ and not estimator._any_channels():
        raise ValueError(
            f"X has {n_channels} channel(s), but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}; this encoder works across channels and needs the same ones. "
            "A channel-independent encoder (PatchEncoder, PointEncoder, "
            "ConvEncoder(channel_independent=True)) accepts any number."
        )
    return values


def is_table(X: Any) -> bool:
    """Whether rows are series: everything of two dimensions that is not an sktime container."""
    if is_sktime_panel(X) or (isinstance(X, np.ndarray) and X.ndim == 3):
        return False
    return not (
        isinstance(X, list | tuple) and len(X) > 0 and isinstance(X[0], np.ndarray | pd.Series)
    )


def _fitted_on_table(estimator: Any) -> bool:
    return bool(estimator.n_features_in_ == estimator.length_ and estimator.n_channels_ == 1)


def _validated(estimator: Any, X: Any, reset: bool) -> Any:
    if holds_strings(np.asarray(X)):  # scikit-learn would convert those that look like numbers
        raise ValueError("X must hold numbers, got strings.")
    try:
        return validate_data(
            estimator,
            X,
            reset=reset,
            skip_check_array=on_disk(X),  # it would convert, hence copy, all of it
            dtype=[np.float64, np.float32],
            ensure_all_finite="allow-nan",
            allow_nd=True,
        )
    except ValueError as error:
        if "features, but" in str(error):
            raise ValueError(
                f"{error}. (Series of another length are embedded as a 3D array "
                "(n_series, n_channels, length) or a list of arrays.)"
            ) from error
        raise


def instance_index(X: Any) -> pd.Index | None:
    """Names of the instances of an sktime container, None for arrays and tables."""
    if not is_sktime_panel(X):
        return None
    if isinstance(X, list):
        return pd.RangeIndex(len(X))
    if isinstance(X.index, pd.MultiIndex):
        return X.index.droplevel(-1).unique()
    return X.index if is_nested(X) else pd.RangeIndex(1)
