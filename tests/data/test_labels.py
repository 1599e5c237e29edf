"""Labels come back as what they were; marks of missing ones are no labels."""

import datetime

import numpy as np
import pandas as pd
import pytest
import torch

from simmtm_sk.data.labels import (
    is_missing,
    one_column,
    read_labels,
    read_targets,
    refuse_one_hot,
)

TEXT = np.dtypes.StringDType
DAYS = pd.date_range("2024-01-01", periods=3)
HUGE = 2**70
# what is given; the classes and their type; the numbers of the classes
GIVEN = {
    "integers and None": ([1, 0, None], [0, 1], "int64", [1, 0, -1]),
    "integers and NaN in a list": ([1, 0, np.nan], [0, 1], "int64", [1, 0, -1]),
    "float64": (np.array([1.0, 0.5, np.nan]), [0.5, 1.0], "float64", [1, 0, -1]),
    "uint8": (np.array([255, 0], np.uint8), [0, 255], "uint8", [1, 0]),
    "integers beyond int64": ([HUGE, 1], [1, HUGE], "object", [1, 0]),
    "integers beyond int64 and below zero": ([2**63, -1], [-1, 2**63], "object", [1, 0]),
    "bools": ([True, False, None], [False, True], "bool", [1, 0, -1]),
    "bytes": (np.array([b"bb", b"a"]), [b"a", b"bb"], "|S2", [1, 0]),
    "bytes that end with zeros": ([b"a\0", b"a"], [b"a", b"a\0"], "object", [1, 0]),
    "text": (np.array(["b", "a"]), ["a", "b"], "<U1", [1, 0]),
    "text objects": (np.array(["b", None, "a"], object), ["a", "b"], "object", [1, -1, 0]),
    "StringDType": (np.array(["b", "a"], TEXT()), ["a", "b"], TEXT(), [1, 0]),
    "StringDType, None": (
        np.array(["b", None, "a"], TEXT(na_object=None)),
        ["a", "b"],
        TEXT(),
        [1, -1, 0],
    ),
    "pandas text": (pd.Series(["b", None, "a"]), ["a", "b"], "object", [1, -1, 0]),
    "nullable text": (pd.Series(["b", pd.NA], dtype="string"), ["b"], "object", [0, -1]),
    "nullable integers": (pd.array([2, None, 1], dtype="Int8"), [1, 2], "int8", [1, -1, 0]),
    "nullable bools": (pd.Series([True, None], dtype="boolean"), [True], "bool", [0, -1]),
    "masked": (np.ma.array([7, 3, 9], mask=[0, 0, 1]), [3, 7], "int64", [1, 0, -1]),
    "masked in a list": ([7, np.ma.masked, 3], [3, 7], "int64", [1, -1, 0]),
    "categories": (pd.Categorical(["b", None, "a"]), ["a", "b"], "object", [1, -1, 0]),
    "categories of integers": (pd.Categorical([3, 1, None]), [1, 3], "int64", [1, 0, -1]),
    "datetime64": (
        np.array(["2024-01-02", "NaT", "2024-01-01"], "M8[D]"),
        [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)],
        "<M8[D]",
        [1, -1, 0],
    ),
    "timedelta64": (
        np.array([2, 1], "m8[h]"),
        [datetime.timedelta(hours=1), datetime.timedelta(hours=2)],
        "<m8[h]",
        [1, 0],
    ),
    "dates": ([d.date() for d in DAYS[:2]], [d.date() for d in DAYS[:2]], "object", [0, 1]),
    "datetimes": (
        [datetime.datetime(2024, 1, 1, 5)],
        [datetime.datetime(2024, 1, 1, 5)],
        "object",
        [0],
    ),
    "Timestamps": ([*DAYS[:2], pd.NaT], [*DAYS[:2]], "object", [0, 1, -1]),
    "Timedeltas": ([pd.Timedelta("1h")], [pd.Timedelta("1h")], "object", [0]),
    "intervals": (
        pd.cut(pd.Series([1.0, 4.0, np.nan]), [0, 2, 5]),
        [pd.Interval(0, 2), pd.Interval(2, 5)],
        "object",
        [0, 1, -1],
    ),
    "intervals of dates": (
        pd.IntervalIndex.from_breaks(DAYS, closed="left"),
        [pd.Interval(DAYS[0], DAYS[1], "left"), pd.Interval(DAYS[1], DAYS[2], "left")],
        "object",
        [0, 1],
    ),
}


@pytest.mark.parametrize(("y", "classes", "dtype", "codes"), GIVEN.values(), ids=GIVEN)
def test_labels_keep_their_type(y, classes, dtype, codes):
    labels = read_labels(y)
    assert labels.classes.dtype == np.dtype(dtype)
    assert labels.classes.tolist() == classes
    assert [type(label) for label in labels.classes.tolist()] == [type(c) for c in classes]
    assert labels.codes.tolist() == codes


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, "a"], r"mixes numbers \(1\) and text \('a'\).*of one type"),
        (np.array([b"a", "a"], object), "mixes bytes .* and text"),
        (pd.Series([True, 2], dtype=object), "mixes bools .* and numbers"),
        ([1j, 2], "complex"),
        ([0.0, np.inf], "infinity"),
        ([None, np.nan], "every entry marks an unlabelled"),
        ([], "every entry marks an unlabelled"),
        (DAYS.tz_localize("UTC"), "type Timestamp.*cannot be saved"),
        (pd.period_range("2024", periods=2, freq="M"), "type Period.*cannot be saved"),
        (np.array([1, 2], np.longdouble), "cannot be saved; floats can"),
        (np.fromiter([(1, 2), (1, 3)], object, 2), "type tuple.*cannot be saved"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_labels_that_cannot_be_kept_are_refused(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        read_labels(y)


def test_a_label_may_mark_series_without_one():
    assert read_labels([0, -1, 1], unlabelled=-1).codes.tolist() == [0, -1, 1]
    assert read_labels(["a", "?", None], unlabelled="?").codes.tolist() == [0, -1, -1]
    assert read_labels([0.0, -1.0, np.nan], unlabelled=-1).classes.tolist() == [0.0]
    with pytest.raises(ValueError, match="every entry marks"):
        read_labels([-1, -1], unlabelled=-1)


@pytest.mark.parametrize(
    "y", [[-1, 0, 1], [-1.0, 0.0, 2.0], np.array(["a", np.nan]), ["b", "None"]]
)
def test_classes_that_look_like_marks_are_announced(y):
    with pytest.warns(UserWarning, match="taken for .*like any other"):
        assert len(read_labels(y).classes) == len(y)


@pytest.mark.parametrize("y", [[-1, 1], [-1, 0], [-2, -1, 0], [0, 1], ["none", "nano"]])
def test_classes_that_look_like_classes_are_not_announced(y):
    assert len(read_labels(y).classes) == len(set(y))


def test_what_is_missing():
    given = ["a", None, np.nan, pd.NA, pd.NaT, np.ma.masked, 0, "", "nan"]
    expected = [False, True, True, True, True, True, False, False, False]
    assert is_missing(given).tolist() == expected
    assert is_missing(np.ma.array([1.0, np.nan, 3.0], mask=[1, 0, 0])).tolist() == [1, 1, 0]
    assert is_missing(np.array(["NaT", 1], "m8[s]")).tolist() == [True, False]


def test_columns():
    for y in (np.array([3, 7]), [3, 7], pd.Series([3, 7])):
        assert one_column(y) is y
    for y in (np.array([[3], [7]]), [[3], [7]], pd.DataFrame({"y": [3, 7]})):
        assert list(one_column(y)) == [3, 7]
    assert one_column(torch.tensor([[3], [7]])).tolist() == [3, 7]
    assert one_column(np.array([[1, 1], [0, 1]])) is None  # several outputs
    assert one_column(pd.DataFrame({"a": ["x", "y"], "b": [None, "z"]})) is None


@pytest.mark.parametrize("make", [np.array, pd.DataFrame, lambda y: np.array(y, bool)])
def test_the_one_hot_form_is_refused(make):
    with pytest.raises(ValueError, match=r"one-hot form.*idxmax.*argmax"):
        refuse_one_hot(make([[0, 1], [1, 0], [0, 1]]))


@pytest.mark.parametrize("y", ["ab", b"ab", {"a": 1}, {1, 2}, 3, np.zeros((2, 2, 2))])
def test_what_is_no_column_is_refused(y):
    with pytest.raises((TypeError, ValueError), match=r"y must be a list|y has 3 dimensions"):
        one_column(y)


@pytest.mark.parametrize(
    "y",
    [
        [1, None, 2.5],
        np.array([1, None, 2.5], object),
        pd.Series([1, pd.NA, 2.5], dtype="Float32"),
        np.ma.array([1, 9, 2.5], mask=[0, 1, 0]),
        pd.Series([1, np.nan, 2.5]),
    ],
    ids=["list", "objects", "nullable", "masked", "Series"],
)
def test_targets(y):
    targets = read_targets(y)
    assert targets.dtype == np.float64
    np.testing.assert_array_equal(targets, [1, np.nan, 2.5])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (DAYS, "dates"),
        (np.array([1, 2], "m8[h]"), "spans of time"),
        (np.array([1j]), "Complex"),
        (["1", "2"], "strings"),
        (np.array([b"1"]), "bytes"),
        (pd.Categorical([1, 2]), "categories"),
        ([1.0, np.inf], "infinity"),
        ([None, np.nan], "no number"),
    ],
)
def test_targets_that_are_no_numbers(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        read_targets(y)
