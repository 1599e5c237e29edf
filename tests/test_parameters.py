"""Limits of parameters, read off the constructors."""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from sklearn.utils._param_validation import InvalidParameterError, validate_parameter_constraints

import simmtm_sk
from simmtm_sk.parameters import (
    AtLeastOne,
    AtLeastOnePoint,
    AtLeastTwo,
    AtLeastZero,
    Finite,
    InnerShare,
    NotNegative,
    Positive,
    Seed,
    ShareBelowOne,
    Verbosity,
    constraints,
)

CLASSES = [
    item
    for item in vars(simmtm_sk).values()
    if inspect.isclass(item) and hasattr(item, "get_params")
]
INFINITY = float("inf")


def accepts(annotation, value):
    def constructor(self, value): ...

    constructor.__annotations__ = {"value": annotation, "return": None}
    try:
        validate_parameter_constraints(constraints(constructor), {"value": value}, "test")
    except InvalidParameterError:
        return False
    return True


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (AtLeastZero, [0, 7], [-1, 0.0, "0", None]),
        (AtLeastOne, [1, 7], [0, 1.0, None]),
        (AtLeastTwo, [2], [1, 2.5]),
        (AtLeastOnePoint, [1, 1.5], [0.99]),
        (Positive, [1e-9, 3], [0, -1.0, float("nan"), INFINITY]),
        (NotNegative, [0, 0.5], [-1e-9, None]),
        (Finite, [-1e300, 0], [INFINITY, -INFINITY, "0"]),
        (ShareBelowOne, [0, 0.99], [1, -0.1]),
        (InnerShare, [0.01, 0.99], [0, 1]),
        (Seed, [None, 0, 2**31], [-1, 0.5, "0"]),
        (Verbosity, [0, 2, True], [-1, None]),
        (bool, [True, False], [1, 0, None, "yes"]),
        (str, ["", "a"], [None, 1]),
        (Literal["a", "b"], ["a", "b"], ["c", 0, None]),
        (AtLeastOne | None, [1, None], [0, "auto"]),
        (AtLeastOne | Literal["auto"], [1, "auto"], [0, None, "none"]),
        (str | Path | None, ["a", Path(), None], [0, b"a"]),
        (Annotated[tuple[str, ...], tuple, list] | None, [(), [], None], [{}, "a"]),
        (Any, [None, 0, object()], []),
    ],
)
def test_what_an_annotation_accepts(annotation, good, bad):
    assert [value for value in good if not accepts(annotation, value)] == []
    assert [value for value in bad if accepts(annotation, value)] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_every_parameter_has_limits(kind):
    """All but the one that takes anything."""
    limits = kind()._parameter_constraints
    assert set(limits) == set(inspect.signature(kind).parameters) - {"unlabelled"}


@pytest.mark.parametrize("kind", CLASSES)
def test_defaults_are_within_them(kind):
    kind()._validate_params()
