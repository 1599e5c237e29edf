"""Parameters of estimators as JSON, and back: constructors of this package, never code."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

from .archive import ArtifactError, number_of
from .readers import is_scalar

# Folders belong to a machine. Joblib's cache is a folder of pickles, so a file that could name it
# could have code executed by the next fit; a checkpoint's folder is written to.
OF_THE_MACHINE = ("memory", "checkpoint_dir")


class HasParams(Protocol):
    """An object with parameters, as scikit-learn and sktime mean it."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""


def encoded_params(estimator: HasParams) -> dict[str, Any]:
    """Return the parameters of an estimator as JSON, without those of the machine."""
    params = estimator.get_params(deep=False)
    return {k: None if k in OF_THE_MACHINE else _encoded(v) for k, v in params.items()}


def decoded_params(params: Any, template: Any = None) -> dict[str, Any]:
    """Undo `encoded_params`; what could not be saved is taken from ``template``, if not None.

    Raises
    ------
    ArtifactError
        If something could not be saved and there is no template, or if this is no such JSON.
    """
    return {
        k: getattr(template, k) if template is not None and _is_unsaved(v) else _decoded(v, k)
        for k, v in _of_no_machine(params).items()
    }


def exported_class(name: Any) -> Any:
    """Return a class by its name; only estimators and encoders that this package exports."""
    import simmtm_sk

    exported = getattr(simmtm_sk, name) if name in simmtm_sk.__all__ else None
    if not (isinstance(exported, type) and issubclass(exported, BaseEstimator)):
        raise ArtifactError(f"simmtm_sk has no class {str(name)[:60]!r}.")
    return exported


def constructed(kind: Any, params: dict[str, Any]) -> Any:
    """Make an object of a class and check its parameters as `fit` would, before anything is built.

    Raises
    ------
    Exception
        Of any kind, if the class does not have these parameters, or not with these values.
    """
    estimator = kind(**params)
    estimator._validate_params()
    return estimator


def _encoded(value: Any) -> Any:
    """Return a parameter as JSON; estimators and encoders become their class and parameters."""
    import simmtm_sk

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return {"tuple": [_encoded(v) for v in value]}
    if isinstance(value, dict):  # keys may be numbers
        return {"dict": [[_encoded(k), _encoded(v)] for k, v in value.items()]}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, FrozenEstimator):
        return {"frozen": _encoded(value.estimator)}
    if isinstance(value, BaseEstimator) and type(value) in vars(simmtm_sk).values():
        return {"class": type(value).__name__, "params": encoded_params(value)}
    named = value if hasattr(value, "__qualname__") else type(value)
    return {"not_saved": f"{named.__module__}.{named.__qualname__}"}


def _of_no_machine(params: Any) -> dict[str, Any]:
    """Leave out what `encoded_params` would not have written."""
    if not isinstance(params, dict):
        raise ArtifactError("the parameters are no JSON object.")
    return {k: v for k, v in params.items() if k not in OF_THE_MACHINE}


def _is_unsaved(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"not_saved"}


def _decoded(value: Any, name: str) -> Any:
    value = number_of(value)
    if is_scalar(value):
        return value
    match value:
        case {"tuple": list(items), **rest} if not rest:
            return tuple(_decoded(item, name) for item in items)
        case {"dict": list(pairs), **rest} if not rest:
            return {_decoded(k, name): _decoded(v, name) for k, v in pairs}
        case {"frozen": dict(inner), **rest} if not rest:
            return FrozenEstimator(_decoded(inner, name))
        case {"class": kind, "params": params, **rest} if not rest:
            inner = {k: _decoded(v, name) for k, v in _of_no_machine(params).items()}
            return constructed(exported_class(kind), inner)
        case {"not_saved": str(what), **rest} if not rest:
            raise ArtifactError(
                f"the parameter {name!r} was or held an object that cannot be saved "
                f"({what[:80]}); give it to load: load(path, {name}=...)."
            )
    raise ArtifactError(f"the parameter {name!r} is nothing that save writes.")
