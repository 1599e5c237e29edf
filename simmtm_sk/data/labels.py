"""Labels and targets: read without a change of type; what is no label is told apart."""

from __future__ import annotations

import warnings
from numbers import Number
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from .numbers import as_float, objects
from .saved_labels import SAVED, encoded_labels

Values = NDArray[Any]

UNLABELLED = -1  # the class number of a series without a label


class Labels(NamedTuple):
    """What a classifier learns from.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
        The labels that occur, sorted, of the type they were given in.
    codes : ndarray of int64, shape (n_series,)
        Index into ``classes``, `UNLABELLED` where a series has no label.
    """

    classes: Values
    codes: NDArray[np.int64]


def read_labels(y: Any, unlabelled: Any = None) -> Labels:
    """Give the labels of series numbers.

    Parameters
    ----------
    y : array-like, Series or list of shape (n_series,)
        None, NaN, NaT, pandas.NA and masked entries mark series without a label.
    unlabelled : label or None, default=None
        A value that marks them as well.

    Returns
    -------
    Labels

    Raises
    ------
    ValueError
        If there is no label at all, or one that is infinite.
    TypeError
        If labels are of different types, or of one that cannot be saved.

    Warns
    -----
    UserWarning
        If a class reads like a mark of missing labels: -1 beside 0, 1, ..., or the text "nan".

    Examples
    --------
    >>> read_labels([3, None, 7, 3])
    Labels(classes=array([3, 7]), codes=array([ 0, -1,  1,  0]))
    """
    values, known = _known_labels(y)
    if unlabelled is not None:
        marked = np.array([label == unlabelled for label in values.tolist()], bool)
        known[known] = ~marked
        values = values[~marked]
    if not len(values):
        raise ValueError("y has no label: every entry marks an unlabelled series.")
    if values.dtype.kind == "f" and np.isinf(values).any():
        raise ValueError("y contains infinity; labels must be finite, NaN where unknown.")
    if values.dtype.kind == "c":
        raise ValueError(f"y holds complex numbers; labels are {SAVED}.")
    classes, numbers = np.unique(values, return_inverse=True)
    encoded_labels(classes)  # refuses what could not be saved, before anything is trained
    _announce_marks(classes)
    codes = np.full(len(known), UNLABELLED, np.int64)
    codes[known] = numbers
    return Labels(classes, codes)


def one_column(y: Any) -> Any:
    """Return labels or targets of one output without their second dimension; None if of several.

    Raises
    ------
    ValueError, TypeError
        If they are no column at all.

    Examples
    --------
    >>> one_column(np.array([[3], [7]])).tolist()
    [3, 7]
    """
    if isinstance(y, str | bytes | dict | set) or not hasattr(y, "__len__"):
        raise TypeError(f"y must be a list, an array or a Series of labels, got {y!r:.200}.")
    if isinstance(y, torch.Tensor):
        y = y.detach().cpu().numpy()
    if isinstance(y, list | tuple) and any(isinstance(label, list | np.ndarray) for label in y):
        y = np.array(y)
    n_dimensions = getattr(y, "ndim", 1)
    if n_dimensions == 1:
        return y
    if n_dimensions != 2:
        raise ValueError(f"y has {n_dimensions} dimensions; it must have one, (n_series,).")
    if y.shape[1] == 1:
        return y.iloc[:, 0] if isinstance(y, pd.DataFrame) else y[:, 0]
    return None


def refuse_one_hot(y: Any) -> None:
    """Refuse several columns of labels if they are the one-hot form of a single one."""
    table = np.asarray(y)
    hot = (table == 1).sum(1) if table.dtype.kind in "biufO" else np.zeros(len(table))
    if (hot == 1).all() and ((table == 0) | (table == 1)).all():
        raise ValueError(
            f"y has {table.shape[1]} columns of 0 and 1, with one 1 in every row: the one-hot form "
            "of labels. Give the labels themselves: y.idxmax(axis=1) for a frame, "
            "y.argmax(axis=1) for an array."
        )


def read_targets(y: Any) -> NDArray[np.float64]:
    """Return numbers to predict, NaN where unknown.

    Parameters
    ----------
    y : array-like, Series or list of shape (n_series,)
        None, NaN, NA and masked entries mark series without a number.

    Raises
    ------
    ValueError, TypeError
        If they are no real numbers, infinite, or all unknown.

    Examples
    --------
    >>> read_targets([1, None])
    array([ 1., nan])
    """
    targets = as_float(y if hasattr(y, "dtype") else objects(y), "y").astype(np.float64)
    if np.isinf(targets).any():
        raise ValueError("y contains infinity; targets must be finite, or NaN where unknown.")
    if np.isnan(targets).all():
        raise ValueError("y has no number: every entry marks an unlabelled series.")
    return targets


def is_missing(values: Any) -> NDArray[np.bool_]:
    """Where an array, a Series or a list of any type has None, NaN, NaT, NA or a masked entry.

    Examples
    --------
    >>> is_missing(["a", None, float("nan")]).tolist()
    [False, True, True]
    """
    if isinstance(values, np.ma.MaskedArray):
        return np.asarray(np.ma.getmaskarray(values) | is_missing(values.data))
    if not hasattr(values, "dtype"):
        values = objects(values)
    if isinstance(values, np.ndarray) and values.dtype.kind == "T":
        values = values.astype(object)
    missing = np.array(pd.isna(values))
    if values.dtype == object:
        missing |= np.array([value is np.ma.masked for value in values], bool)
    return missing


def _known_labels(y: Any) -> tuple[Values, NDArray[np.bool_]]:
    """Return the labels that there are, and where they are."""
    given: Any = y if hasattr(y, "dtype") else objects(y)
    known = ~is_missing(given)
    values = np.asarray(given[known])
    if values.dtype.kind == "T":
        values = values.astype(np.dtypes.StringDType())  # without an entry for missing ones
    if values.dtype == object and len(values):
        _check_one_type(values)
        if given is not y or isinstance(values[0], Number | np.generic):  # text stays an object
            values = _as_numpy_would(values.tolist())
    return values, known


def _as_numpy_would(labels: list[Any]) -> Values:
    """Return labels in the type that numpy gives them, if that loses nothing."""
    array = np.array(labels)
    whole = all(isinstance(label, int | np.integer) for label in labels)
    lossy = array.ndim != 1 or array.tolist() != labels or (whole and array.dtype.kind == "f")
    return objects(labels) if lossy else array


def _check_one_type(labels: Values) -> None:
    """Refuse labels that numpy would make text of, or that cannot be sorted."""
    kinds: dict[str, Any] = {}
    for label in labels:
        match label:
            case str():
                kinds.setdefault("text", label)
            case bool() | np.bool_():
                kinds.setdefault("bools", label)
            case Number() | np.number():
                kinds.setdefault("numbers", label)
            case _:
                kinds.setdefault(type(label).__name__, label)
    if len(kinds) > 1:
        examples = " and ".join(f"{kind} ({label!r})" for kind, label in kinds.items())
        raise TypeError(
            f"y mixes {examples}; labels must be of one type. Text of them all is "
            "[str(label) for label in y]."
        )


def _announce_marks(classes: Values) -> None:
    """Warn of classes that elsewhere mark series without a label."""
    if classes.dtype.kind in "iuf" and classes[0] == -1 and len(classes) > 2 and classes[1] >= 0:
        warnings.warn(
            "the label -1 is taken for a class like any other. If it marks series without a label, "
            "say so: SimMTMClassifier(unlabelled=-1), or give None in its place.",
            stacklevel=4,
        )
    if classes.dtype.kind in "UTO":
        marks = [label for label in classes if label in ("nan", "NaN", "None", "<NA>", "NaT")]
        if marks:
            warnings.warn(
                f"the labels {marks} are taken for classes like any other. If they mark series "
                "without a label, give None in their place.",
                stacklevel=4,
            )
