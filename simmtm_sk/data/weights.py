"""Weights of series, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def read_weights(sample_weight: Any, n_series: int) -> NDArray[np.float64]:
    """Return a weight for each series, one where none are given.

    Raises
    ------
    ValueError
        If they are not one finite number for each series, or negative, or all zero.

    Examples
    --------
    >>> read_weights([0, 2], 2)
    array([0., 2.])
    >>> read_weights(None, 2)
    array([1., 1.])
    """
    if sample_weight is None:
        return np.ones(n_series)
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"sample_weight must hold numbers ({error}).") from error
    if weights.shape != (n_series,):
        raise ValueError(
            f"sample_weight has shape {weights.shape}; one number for each of the {n_series} "
            f"series is needed, shape ({n_series},)."
        )
    if not np.isfinite(weights).all():
        raise ValueError("sample_weight contains NaN or infinity; weights must be finite.")
    if (weights < 0).any():
        raise ValueError(f"sample_weight contains {weights.min()}; weights cannot be negative.")
    if not weights.any():
        raise ValueError("sample_weight is zero for every series; one at least needs a weight.")
    return weights
