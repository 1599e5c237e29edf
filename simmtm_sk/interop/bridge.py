"""An sktime estimator that scikit-learn's meta-estimators, checks and callbacks accept."""

from __future__ import annotations

from typing import Any

from sklearn.callback import CallbackSupportMixin
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.utils import Tags
from sktime.exceptions import NotFittedError as SktimeNotFittedError

# What scikit-learn leaves on an estimator between construction and fit: callbacks handed down by a
# search, metadata requests, the container wanted by `set_output`.
_KEPT_BY_RESET = (
    "_parent_callback_ctx",
    "_skl_callbacks",
    "_metadata_request",
    "_sklearn_output_config",
)


class NotFittedError(SklearnNotFittedError, SktimeNotFittedError):
    """Both libraries' error, which have no common ancestor of that name."""


class SktimeSklearnBridge(CallbackSupportMixin):
    """First base of every estimator, in front of its sktime base and scikit-learn's BaseEstimator.

    Each method is here for one disagreement and can go when the named issue is resolved.
    """

    def reset(self) -> Any:
        """Forget everything fitted, but not what scikit-learn has attached to the estimator.

        sktime resets in ``fit`` and ``set_params`` and would delete what scikit-learn sets on
        sub-estimators just before it fits them (sktime pull request #11145).
        """
        kept = {name: vars(self)[name] for name in _KEPT_BY_RESET if name in vars(self)}
        super().reset()
        self.__dict__.update(kept)
        return self

    def __hash__(self) -> int:
        """Agree with sktime's ``==``, which compares parameters and leaves objects without a hash.

        scikit-learn's ``ColumnTransformer.set_output`` looks its parts up in a set.
        """
        return hash(type(self))

    def check_is_fitted(self, method_name: str | None = None) -> None:
        """Raise `NotFittedError` before `fit`."""
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This instance of {type(self).__name__} has not been fitted yet; please call "
                "`fit` first."
            )

    def __sklearn_tags__(self) -> Tags:
        """Describe the input: 2D and 3D arrays, NaN = missing (sktime has no scikit-learn tags)."""
        tags: Tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        """Answer `check_is_fitted` from sktime's own flag."""
        return bool(getattr(self, "_is_fitted", False))
