"""Weights of series, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight

from .labels import UNLABELLED


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


def class_weights(
    class_weight: dict[Any, float] | str | None,
    classes: NDArray[Any],
    codes: NDArray[np.int64],
    sample_weight: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the weight of each series: its own times that of its class, zero without a label.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        As in scikit-learn, by label.
    classes : ndarray, shape (n_classes,)
        The labels.
    codes : ndarray of int, shape (n_series,)
        Of each series, the number of its label or `UNLABELLED`.
    sample_weight : ndarray, shape (n_series,)

    Raises
    ------
    ValueError
        If ``class_weight`` names a class that is not there, or a class has no weight.

    Examples
    --------
    >>> class_weights("balanced", np.array(["a", "b"]), np.array([0, 1, 1, 1, -1]), np.ones(5))
    array([2.        , 0.66666667, 0.66666667, 0.66666667, 0.        ])
    """
    if isinstance(class_weight, dict):
        numbers = {label: i for i, label in enumerate(classes)}
        unknown = [label for label in class_weight if label not in numbers]
        if unknown:
            raise ValueError(
                f"class_weight names {unknown}, which y does not have; its classes are "
                f"{classes.tolist()}."
            )
        # scikit-learn wants class numbers
        class_weight = {numbers[label]: weight for label, weight in class_weight.items()}
    known = codes != UNLABELLED
    y, weights = codes[known], sample_weight[known]
    by_class = np.bincount(y, weights, len(classes))
    if by_class.all():
        by_class = compute_class_weight(
            class_weight, classes=np.arange(len(classes)), y=y, sample_weight=weights
        )
    if not by_class.all():
        lacking = classes[by_class == 0].tolist()
        raise ValueError(f"no series of {lacking} has a weight above zero; one each is needed.")
    result = np.zeros(len(codes))
    result[known] = weights * by_class[y]
    return result
