"""Every container gets its values back where they came from."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data import WrittenBack, panel_values

NAN = np.nan
WIDE = [["a", "b"], [1, 0]]  # channel, time
INDEX = pd.MultiIndex.from_tuples([("b", 2), ("a", 0), ("a", 1), ("b", 0)])
CONTAINERS = {
    "array": np.array([[[1, NAN, 3], [4, 5, NAN]]]),
    "table": np.array([[1, NAN, 3], [4, 5, NAN]], np.float32),
    "list of lists": [[1, None, 3], [4, 5, None]],
    "unequal lists": [[1.0, NAN], [4.0]],
    "list of arrays": [np.array([1, NAN]), np.array([NAN, 2, 3])],
    "several series each": [np.full((2, 1, 3), 2.0), np.array([[[1, NAN, 3]]])],
    "frame": pd.DataFrame({"a": [1, NAN], "b": [2, 3]}),
    "nullable": pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": [2, 3]}),
    "dates": pd.DataFrame({"x": [1, NAN, 3]}, pd.date_range("2024", periods=3)[[2, 0, 1]]),
    "series": pd.Series([1, NAN, 3], pd.date_range("2024", periods=3), name="x"),
    "panel": pd.DataFrame({"x": [1, NAN, 3, 4], "y": [5, 6, 7, NAN]}, INDEX),
    "frames": [pd.DataFrame({"x": [1, NAN]}), pd.DataFrame({"x": [NAN, 2, 3]})],
    "cells": pd.DataFrame({"x": [pd.Series([1, NAN]), pd.Series([2.0, 3, 4])]}),
    "wide": pd.DataFrame([[1, NAN, 3, 4]], columns=pd.MultiIndex.from_product(WIDE)),
}


@pytest.mark.parametrize("X", CONTAINERS.values(), ids=CONTAINERS)
def test_values_are_written_where_they_were_read(X):
    places = WrittenBack(X)
    values = panel_values(X)
    number = np.arange(values.size).reshape(values.shape) + 100.0
    written = places.written(number)
    assert isinstance(written, type(X)) or isinstance(X, list)
    again = panel_values(written)
    inside = np.arange(values.shape[2]) < places.lengths[:, None, None]
    absent = np.isnan(again)  # time points that an index leaves out
    wanted = np.where(np.isnan(values) & inside & ~absent, number, values)
    np.testing.assert_array_equal(again, wanted)
    assert (absent | (again >= 100) | (again == values)).all()


def test_lengths_count_gaps_at_the_end():
    assert WrittenBack([np.array([1, NAN, NAN]), np.array([1.0])]).lengths.tolist() == [3, 1]
    assert WrittenBack(np.array([[1, NAN], [1, 2]])).lengths.tolist() == [2, 2]


def test_what_has_no_gap_keeps_its_type():
    X = pd.DataFrame({"count": [1, 2], "x": [1.0, NAN]}, pd.date_range("2024", periods=2))
    written = WrittenBack(X).written(np.full((1, 2, 2), 9.0))
    assert written["count"].dtype == X["count"].dtype
    assert written["x"].tolist() == [1.0, 9.0]
