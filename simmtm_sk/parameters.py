"""What the parameters of estimators may be, said once: by the annotations of their constructor.

``n_masks: AtLeastOne = 2`` tells readers, mypy and scikit-learn's validation the same.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from numbers import Integral, Real
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

AtLeastZero = Annotated[int, Interval(Integral, 0, None, closed="left")]
AtLeastOne = Annotated[int, Interval(Integral, 1, None, closed="left")]
AtLeastTwo = Annotated[int, Interval(Integral, 2, None, closed="left")]
AtLeastOnePoint = Annotated[float, Interval(Real, 1, None, closed="left")]
Positive = Annotated[float, Interval(Real, 0, None, closed="neither")]
NotNegative = Annotated[float, Interval(Real, 0, None, closed="left")]
Finite = Annotated[float, Interval(Real, None, None, closed="neither")]
ShareBelowOne = Annotated[float, Interval(Real, 0, 1, closed="left")]
UpToHalf = Annotated[float, Interval(Real, 0, 0.5, closed="right")]
InnerShare = Annotated[float, Interval(Real, 0, 1, closed="neither")]
Seed = Annotated[int | np.random.RandomState | None, "random_state"]
Verbosity = Annotated[int, "verbose"]


class Built(HasMethods):
    """An object with the method ``build``; ``like`` says which, and names one."""

    def __init__(self, like: str) -> None:
        super().__init__("build")
        self.like = like

    def __str__(self) -> str:
        return f"{self.like} (an object with a method 'build')"


def constraints(annotated: Callable[..., Any]) -> dict[str, list[Any]]:
    """Return what scikit-learn's ``_parameter_constraints`` is made of.

    Parameters
    ----------
    annotated : callable
        A constructor, or a dataclass. What an annotation accepts are the alternatives of a union:
        whatever `typing.Annotated` adds to a type, one of the strings of `typing.Literal`, None,
        or an object of the class. ``Any`` accepts everything.

    Returns
    -------
    dict of str to list

    Examples
    --------
    >>> def constructor(self, lr: Positive | Literal["auto"] = "auto", device: str = "cpu"): ...
    >>> for name, accepted in constraints(constructor).items():
    ...     print(name, *accepted)
    lr a float in the range (0.0, inf) a str among {'auto'}
    device <class 'str'>
    """
    hints = get_type_hints(annotated, include_extras=True)
    hints.pop("return", None)
    return {name: _accepted(hint) for name, hint in hints.items() if hint is not Any}


def _accepted(hint: Any) -> list[Any]:
    kind = get_origin(hint)
    if kind is Annotated:
        return list(hint.__metadata__)
    if kind in (Union, types.UnionType):
        return [accepted for alternative in get_args(hint) for accepted in _accepted(alternative)]
    if kind is Literal:
        return [StrOptions(set(get_args(hint)))]
    return [{bool: "boolean", types.NoneType: None}.get(hint, hint)]
