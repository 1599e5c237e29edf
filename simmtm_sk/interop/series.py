"""Checking X the way scikit-learn does for tables and the way sktime does for panels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import validate_data

from ..data import (
    Panel,
    announce_misreadings,
    channel_names,
    channel_order,
    column_names,
    is_nested,
    is_sktime_panel,
    is_table,
    on_disk,
    panel_values,
    plain_table,
)


def check_series(estimator: Any, X: Any, *, reset: bool) -> Panel:
    """Validate ``X`` and return it as (n_series, n_channels, length), NaN = missing.

    Tables, one series a row, go through scikit-learn's `validate_data`: a table at transform needs
    the columns of the table at fit. Everything else may have any length.

    Parameters
    ----------
    estimator : estimator
        What `read_series` sets on it, and whether it takes any number of channels.
    X : any accepted container
    reset : bool
        True in fit.

    Raises
    ------
    ValueError, TypeError
        If ``X`` cannot be read as series, or does not fit what was seen in fit.
    """
    any_channels = bool(estimator._any_channels())
    given = X
    if is_table(X) and (reset or _fitted_on_table(estimator)):
        given = _validated(estimator, X, reset)
    values = read_series(estimator, given, reset=reset, any_channels=any_channels)
    if reset:
        announce_misreadings(X, values)
    if not reset and values.shape[1] != estimator.n_channels_ and not any_channels:
        raise ValueError(
            f"X has {values.shape[1]} channel(s), but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}; this encoder works across channels and needs the same ones. "
            "A channel-independent encoder (PatchEncoder, PointEncoder, "
            "ConvEncoder(channel_independent=True)) accepts any number."
        )
    return values


def read_series(
    estimator: Any,
    X: Any,
    *,
    reset: bool,
    channels: Sequence[Any] | None = None,
    any_channels: bool = False,
) -> Panel:
    """Return ``X`` as an array, its channels in the order that was seen in fit.

    Parameters
    ----------
    estimator : estimator
        ``n_features_in_`` (columns of a table, channels otherwise), ``n_channels_``, ``length_``,
        and ``feature_names_in_`` where ``X`` names its channels, are set on it if ``reset``.
    X : any accepted container
    reset : bool
        True in fit.
    channels : sequence or None, default=None
        The order of the channels in fit; None is that of ``X``.
    any_channels : bool, default=False
        Whether another number of channels, hence of names, is no error.

    Raises
    ------
    ValueError, TypeError
        If ``X`` cannot be read as series, or names other channels than were seen in fit.
    """
    table = is_table(X)
    names = _table_names(X) if table else channel_names(X)
    if not reset:
        channels = names_seen(estimator, X, any_channels=any_channels)
    if table and names is not None and channels is not None:
        order = channel_order(names, channels)
        X = X if order is None else X.iloc[:, order]
    values = panel_values(X, channels)
    if reset:
        estimator.n_channels_, estimator.length_ = values.shape[1:]
        estimator.n_features_in_ = values.shape[2 if table else 1]
        if names is not None:
            kept = names if channels is None else channels
            estimator.feature_names_in_ = np.array(kept, dtype=object)
    return values


def names_seen(estimator: Any, X: Any, *, any_channels: bool = False) -> Sequence[Any] | None:
    """Return the names in whose order a fitted estimator needs the channels of ``X``, if any.

    If it takes any channels, that is where ``X`` has the very same ones.
    """
    if is_table(X) != _fitted_on_table(estimator):
        return None
    seen: Sequence[Any] | None = getattr(estimator, "feature_names_in_", None)
    if any_channels and seen is not None and set(channel_names(X) or ()) != set(seen):
        return None
    return seen


def _table_names(X: Any) -> list[Any] | None:
    """Return the names of the columns of a table, if they are text, as scikit-learn does."""
    if not isinstance(X, pd.DataFrame) or not all(isinstance(c, str) for c in X.columns):
        return None
    return column_names(X.columns)


def _fitted_on_table(estimator: Any) -> bool:
    return bool(estimator.n_features_in_ == estimator.length_ and estimator.n_channels_ == 1)


def _validated(estimator: Any, X: Any, reset: bool) -> Any:
    table = plain_table(X)
    if getattr(table, "ndim", 2) != 2:
        return table  # whose dimensions are refused with the rest
    try:
        return validate_data(
            estimator,
            table,
            reset=reset,
            skip_check_array=on_disk(X),  # it would convert, hence copy, all of it
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,  # looked at with the rest
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
    if is_nested(X):
        index: pd.Index = X.index
        return index
    names: pd.Index = pd.RangeIndex(1)
    return X.index.droplevel(-1).unique() if X.index.nlevels > 1 else names
