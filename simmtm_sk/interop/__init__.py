"""The few lines that make sktime and scikit-learn agree on one class."""

from ..data import is_table
from .bridge import SktimeSklearnBridge
from .series import check_series, instance_index, names_seen, read_series

__all__ = [
    "SktimeSklearnBridge",
    "check_series",
    "instance_index",
    "is_table",
    "names_seen",
    "read_series",
]
