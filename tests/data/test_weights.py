"""Weights of series, checked."""

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_sample_weight

from simmtm_sk.data.labels import UNLABELLED
from simmtm_sk.data.weights import class_weights, read_weights


@pytest.mark.parametrize(
    "given",
    [
        [0, 1, 2],
        (0.0, 1.0, 2.0),
        np.arange(3, dtype=np.float32),
        pd.Series([0, 1, 2], index=list("cab")),
    ],
    ids=["list", "tuple", "float32", "Series"],
)
def test_weights_of_any_container(given):
    weights = read_weights(given, 3)
    assert weights.dtype == np.float64
    assert weights.tolist() == [0, 1, 2]


def test_all_alike_where_none_are_given():
    assert read_weights(None, 2).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], r"shape \(2,\); one number for each of the 3 series"),
        (np.ones((3, 1)), r"shape \(3, 1\)"),
        (2.0, r"shape \(\)"),
        ([1, np.nan, 1], "NaN or infinity"),
        ([1, np.inf, 1], "NaN or infinity"),
        ([1, -0.5, 1], "contains -0.5; weights cannot be negative"),
        ([0, 0, 0], "zero for every series"),
        (["a", "b", "c"], "must hold numbers"),
        ([1, None, {}], "must hold numbers"),
    ],
)
def test_what_cannot_be_weights(given, message):
    with pytest.raises(ValueError, match=message):
        read_weights(given, 3)


@pytest.mark.parametrize("given", [None, "balanced", {"a": 3.0}, {"a": 0.5, "b": 2.0, "c": 1.0}])
def test_weights_of_classes_are_those_of_scikit_learn(given):
    """Of the labelled series, times their own; those without a label have none."""
    codes = np.array([0, 1, 1, UNLABELLED, 2, 2, 2, UNLABELLED])
    own = np.arange(1.0, 9.0)
    classes, known = np.array(["a", "b", "c"]), codes != UNLABELLED
    repeated = np.repeat(classes[codes[known]], own[known].astype(int))  # a weight is a count
    by_class = dict(zip(repeated, compute_sample_weight(given, repeated), strict=True))
    expected = np.zeros(8)
    expected[known] = own[known] * [by_class[label] for label in classes[codes[known]]]
    np.testing.assert_allclose(class_weights(given, classes, codes, own), expected)


def test_every_class_needs_a_weight():
    classes, codes = np.array(["a", "b"]), np.array([0, 1, 1])
    for given, own in [(None, [0, 1, 1]), ({"b": 0.0}, [1, 1, 1]), ("balanced", [1, 0, 0])]:
        with pytest.raises(ValueError, match="has a weight above zero; one each is needed"):
            class_weights(given, classes, codes, np.array(own, float))
    with pytest.raises(ValueError, match=r"names \['x'\], which y does not have"):
        class_weights({"x": 1.0}, classes, codes, np.ones(3))
