"""Tables that scikit-learn can validate, and those whose rows or columns are not what they seem."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data import plain_table

TABLE = pd.DataFrame(np.arange(6.0).reshape(2, 3))
DAYS = pd.date_range("2024-01-01", periods=3)


def test_numbers_stay_what_they_are():
    assert plain_table(TABLE) is TABLE
    values = TABLE.to_numpy()
    assert np.shares_memory(plain_table(values), values)
    named = TABLE.convert_dtypes().set_axis([*"abc"], axis=1)
    pd.testing.assert_frame_equal(plain_table(named), TABLE.set_axis([*"abc"], axis=1))
    np.testing.assert_array_equal(plain_table([[1, None], [2, 3]]), [[1, np.nan], [2, 3]])


@pytest.mark.parametrize(
    "columns", [[2, 0, 1], [0.5, 0.1, 0.2], DAYS[::-1], DAYS.to_period()[::-1]]
)
def test_time_points_that_do_not_grow_are_refused(columns):
    with pytest.raises(ValueError, match=r"time points, but not in order.*sort_index\(axis=1\)"):
        plain_table(TABLE.set_axis(columns, axis=1))


@pytest.mark.parametrize("columns", [[0, 5, 7], DAYS, ["c", "a", "b"], [1, 1, 0]])
def test_other_columns_are_as_they_are(columns):
    table = TABLE.set_axis(columns, axis=1)
    assert plain_table(table) is table


STAMPS = [
    ["2024-01-01", "2024-01-02"],
    ["2024/1/1", "2024/1/2"],
    ["31.12.2023 05:00", "1.1.2024 06:00"],
    ["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01+01:00"],
    ["12:30", "12:31:59"],
    ["2024-Q1", "2024Q2"],
    ["2024-01", "2024-02"],
]


@pytest.mark.parametrize("rows", STAMPS)
def test_rows_named_by_dates_in_text_are_refused(rows):
    with pytest.raises(ValueError, match=r"looks like time.*to_datetime.*reset_index"):
        plain_table(TABLE.set_axis(rows))


@pytest.mark.parametrize(
    "rows", [["a", "b"], ["2024", "7"], ["2024-01-01", "x"], ["", " "], [1, 2]]
)
def test_rows_of_other_names_are_series(rows):
    table = TABLE.set_axis(rows)
    assert plain_table(table) is table
