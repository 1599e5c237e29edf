"""Weights of series, checked."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data.weights import read_weights


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
