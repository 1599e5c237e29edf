"""Rows by instance and in order of time."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.interop.rows import Rows, in_plain_numbers, in_time_order
from tests.interop.timelines import MONTHS, every_index, frame, panel


@every_index
def test_shuffled_rows_are_put_in_order(index):
    draw = np.random.default_rng(0)
    for y in (frame(index), panel(index=index), pd.concat({"g": panel(index=index)})):
        within = y.groupby(level=list(range(y.index.nlevels - 1)), sort=False) if y.index.nlevels > 1 else [(0, y)]  # fmt: skip # noqa: E501
        shuffled = pd.concat([part.iloc[draw.permutation(len(part))] for _, part in within])
        got = in_time_order(shuffled)
        pd.testing.assert_frame_equal(got, y, check_freq=False)
        rows = Rows.of(shuffled.index)
        assert not rows.in_order
        np.testing.assert_array_equal(shuffled.to_numpy()[rows.order], y.to_numpy())


def test_what_is_in_order_is_not_copied():
    for y in (frame(MONTHS), panel(), frame(MONTHS)["c0"]):
        assert in_time_order(y) is y
    assert in_time_order(3) == 3


def test_rows_that_alternate_between_instances():
    """As in a table sorted by time."""
    y = panel(lengths=(24, 24))
    by_time = y.sort_index(level=1, kind="stable", sort_remaining=False)
    rows = Rows.of(by_time.index)
    assert rows.names == [("b",), ("a",)]
    np.testing.assert_array_equal(by_time.to_numpy()[rows.order], y.to_numpy())
    pieces = rows.split(by_time.to_numpy()[rows.order])
    np.testing.assert_array_equal(pieces[1], y.loc["a"])
    assert rows.times_of(1).equals(MONTHS)


def test_names_of_instances_stay_in_their_order():
    index = pd.MultiIndex.from_tuples([("x", 2, 0), ("x", 1, 0), ("a", 2, 0), ("x", 2, 1)])
    rows = Rows.of(index)
    assert rows.names == [("x", 2), ("x", 1), ("a", 2)]
    assert rows.order.tolist() == [0, 3, 1, 2]
    assert [rows.times_of(i).tolist() for i in range(3)] == [[0, 1], [0], [0]]


def test_a_time_point_twice():
    y = pd.concat([frame(MONTHS), frame(MONTHS[3:4])])
    with pytest.raises(ValueError, match=r"^y has the time point 2000-04 more than once"):
        Rows.of(y.index)
    both = pd.concat({"ok": frame(MONTHS), "bad": y})
    with pytest.raises(ValueError, match=r"^instance \('bad',\) of y has the time point 2000-04"):
        Rows.of(both.index)


def test_missing_time_points_and_names():
    times = pd.DatetimeIndex(["2000-01-01", None, "2000-01-03"])
    with pytest.raises(ValueError, match="time point of y is missing"):
        Rows.of(times)
    with pytest.raises(ValueError, match="time point of y is missing"):
        Rows.of(pd.MultiIndex.from_arrays([["a"] * 3, times]))
    with pytest.raises(ValueError, match="name of an instance of y is missing"):
        Rows.of(pd.MultiIndex.from_arrays([["a", None, "a"], [0, 1, 2]]))


@pytest.mark.parametrize(
    "given",
    [
        [1.0, None, 3.0],
        np.ma.masked_array([1, 5, 3], [False, True, False]),
        pd.Series([1, None, 3.0], dtype=object),
        pd.Series([1, pd.NA, 3], dtype=object),
        pd.Series([Decimal(1), None, Decimal(3)]),
        pd.DataFrame({"v": [1, None, 3.0]}, dtype=object),
    ],
    ids=lambda given: type(given).__name__,
)
def test_numbers_in_any_form(given):
    got = in_plain_numbers(given)
    assert np.asarray(got).dtype == np.float64
    np.testing.assert_array_equal(np.ravel(got), [1.0, np.nan, 3.0])


def test_what_are_no_numbers():
    for given in (pd.Series(["1", "2"], dtype=object), pd.DataFrame({"v": ["x", 1.0]})):
        assert in_plain_numbers(given) is given
    nested = pd.DataFrame({"v": [pd.Series([1.0]), pd.Series([2.0])]})
    assert in_plain_numbers(nested) is nested
    with pytest.raises(TypeError, match="got complex"):
        in_plain_numbers(np.ones(3) * 1j)


DAYS = [f"day {i}" for i in range(4)]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (DAYS, r"the index of y holds text, such as 'day 0'; time points are dates"),
        (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], r"pd\.to_datetime"),
        (
            pd.MultiIndex.from_product([[1, 2], ["b", "a"]]),
            r"the last level of the index of y holds text, such as 'a'",
        ),
    ],
)
def test_times_in_text_are_refused_with_a_value_of_them(index, message):
    y = pd.Series(np.arange(4.0), index)
    with pytest.raises(TypeError, match=message):
        in_time_order(y)
    with pytest.raises(TypeError, match=message):
        in_time_order([y.to_frame(), y.to_frame()])
