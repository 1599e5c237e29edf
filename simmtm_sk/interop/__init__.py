"""The few lines that make sktime and scikit-learn agree on one class."""

from .bridge import SktimeSklearnBridge
from .series import check_series, instance_index, is_table

__all__ = ["SktimeSklearnBridge", "check_series", "instance_index", "is_table"]
