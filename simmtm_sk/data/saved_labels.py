"""Labels as JSON, in every type that classes can have."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .numbers import objects

Values = NDArray[Any]

SAVED = "text, bytes, bools, integers, floats, dates or intervals of them"
MOST_BYTES = 2**24  # of labels that are read from JSON


def encoded_labels(classes: Values) -> dict[str, Any]:
    """Return labels as JSON.

    Raises
    ------
    TypeError
        If they are of a type that cannot be saved.

    Examples
    --------
    >>> encoded_labels(np.array([b"a", b"b"]))
    {'dtype': '|S1', 'labels': ['a', 'b']}
    """
    match classes.dtype.kind:
        case "S":
            labels = [label.decode("latin-1") for label in classes.tolist()]
        case "M" | "m":
            labels = classes.view(np.int64).tolist()
        case "f" if classes.dtype.itemsize > 8:
            raise TypeError(f"labels of type {classes.dtype} cannot be saved; floats can.")
        case "O":
            labels = [_encoded(label) for label in classes]
        case _:
            labels = classes.tolist()
    return {"dtype": "T" if classes.dtype.kind == "T" else classes.dtype.str, "labels": labels}


def decoded_labels(state: Any) -> Values:
    """Undo `encoded_labels`; what that would not have written, sorted classes, is refused.

    Raises
    ------
    ValueError, TypeError
        If ``state`` is something else, or would take far more memory than it does itself.

    Examples
    --------
    >>> decoded_labels({"dtype": "<M8[D]", "labels": [0, 1]}).tolist()
    [datetime.date(1970, 1, 1), datetime.date(1970, 1, 2)]
    """
    if not isinstance(state, dict) or set(state) != {"dtype", "labels"}:
        raise ValueError("labels must be a dict of their dtype and of themselves.")
    dtype, labels = np.dtype(str(state["dtype"])), state["labels"]
    if dtype.kind not in "OUSTbiufMm" or not isinstance(labels, list):
        raise ValueError(f"labels cannot be of dtype {dtype!s:.40}.")
    if dtype.itemsize * len(labels) > MOST_BYTES:
        raise ValueError(f"{len(labels)} labels of dtype {dtype!s:.40} are too large.")
    match dtype.kind:
        case "S":
            classes = np.array([label.encode("latin-1") for label in labels], dtype)
        case "M" | "m":
            classes = np.array(labels, np.int64).view(dtype)
        case "O":
            classes = objects([_decoded(label) for label in labels])
        case _:
            classes = np.array(labels, dtype)
    if encoded_labels(classes) != state or not (classes[:-1] < classes[1:]).all():
        raise ValueError("labels are not what their dtype can hold, or not different and sorted.")
    return classes


def _encoded(label: Any) -> Any:
    """Return one label; those that JSON does not know are a dict with their kind."""
    match label:
        case np.bool_() | np.number() | np.str_():
            return label.item()
        case bool() | int() | float() | str():
            return label
        case bytes():
            return {"bytes": label.decode("latin-1")}
        case pd.Interval():
            return {"interval": [_encoded(label.left), _encoded(label.right), label.closed]}
        case pd.Timestamp() if label.tz is None:
            return {"timestamp": label.isoformat()}
        case pd.Timedelta():
            return {"timedelta": label.isoformat()}
        case datetime.datetime() if label.tzinfo is None and not isinstance(label, pd.Timestamp):
            return {"datetime": label.isoformat()}
        case datetime.date() if not isinstance(label, datetime.datetime):
            return {"date": label.isoformat()}
    raise TypeError(
        f"labels of the type {type(label).__name__}, such as {label!r}, cannot be saved; they must "
        f"be {SAVED}. Text of them is [str(label) for label in y]."
    )


def _decoded(label: Any) -> Any:
    if not isinstance(label, dict):
        return label
    ((kind, value),) = label.items()
    match kind:
        case "bytes":
            return value.encode("latin-1")
        case "interval":
            left, right, closed = value
            return pd.Interval(_decoded(left), _decoded(right), closed)
        case "timestamp":
            return pd.Timestamp(value)
        case "timedelta":
            return pd.Timedelta(value)
        case "datetime":
            return datetime.datetime.fromisoformat(value)
        case "date":
            return datetime.date.fromisoformat(value)
    raise ValueError(f"there is no kind of label {kind!r}.")
