"""Rows go where their time is: sorted, gaps left open, and what is no regular time refused."""

import datetime

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data.time_index import as_time, places

rng = np.random.default_rng(0)
KEPT = [0, 1, 4, 5, 9, 10, 13]  # of a grid; some neighbours, some gaps


def index(kind):
    """Fourteen regular time points."""
    match kind:
        case "numbers":
            return pd.Index(np.arange(14) * 3 + 5)
        case "floats":
            return pd.Index(np.arange(14) * 0.1 + 0.7)
        case "spans":
            return pd.timedelta_range("7min", periods=14, freq="90s")
        case "periods":
            return pd.period_range("2023-11", periods=14, freq="M")
        case "objects":
            return pd.Index([d.date() for d in pd.date_range("2024-02-25", periods=14)])
        case "zone":
            return pd.date_range("2024-03-28", periods=14, freq="D", tz="Europe/Berlin")
        case "hours in a zone":
            return pd.date_range("2024-03-30 20:00", periods=14, freq="h", tz="Europe/Berlin")
        case freq:
            return pd.date_range("2023-11-01", periods=14, freq=freq)


KINDS = ["numbers", "floats", "spans", "periods", "objects", "zone", "hours in a zone"]
FREQUENCIES = ["10ms", "h", "D", "B", "W", "2W", "MS", "ME", "BMS", "QS", "YS", "YE"]


def positions(times, series=None):
    series = np.zeros(len(times), int) if series is None else np.asarray(series)
    return places(times, series).position.tolist()


@pytest.mark.parametrize("kind", KINDS + FREQUENCIES)
def test_a_regular_index_has_no_gaps(kind):
    times = index(kind)
    assert positions(times) == list(range(14))
    plain = pd.Index(list(times))  # which knows no frequency
    assert positions(plain) == list(range(14))


@pytest.mark.parametrize("kind", [k for k in KINDS + FREQUENCIES if k != "BMS"])
def test_time_points_that_are_left_out_are_gaps(kind):
    assert positions(index(kind)[KEPT]) == KEPT


@pytest.mark.parametrize("kind", KINDS + FREQUENCIES)
def test_rows_are_sorted_by_time(kind):
    times = index(kind)
    shuffled = rng.permutation(14)
    order, position = places(times[shuffled], np.zeros(14, int))
    assert times[shuffled][order].equals(times.sort_values())
    assert position.tolist() == list(range(14))


def test_series_begin_with_their_own_first_time_point():
    times, series = pd.Index([0, 1, 2, 7, 8, 10, 5]), [0, 0, 0, 1, 1, 1, 2]
    assert positions(times, series) == [0, 1, 2, 0, 1, 3, 0]


def test_the_grid_is_that_of_all_series():
    times, series = pd.Index([0, 2, 4, 0, 1, 3]), [0, 0, 0, 1, 1, 1]
    assert positions(times, series) == [0, 2, 4, 0, 1, 3]


def test_steps_that_only_have_a_divisor_in_common():
    assert positions(pd.Index([0, 4, 10, 14])) == [0, 2, 5, 7]


def test_rows_of_several_series_may_be_mixed():
    order, position = places(pd.Index([1, 0, 0, 1, 2]), np.array([0, 1, 0, 1, 1]))
    assert order.tolist() == [2, 0, 1, 3, 4]
    assert position.tolist() == [0, 1, 0, 1, 2]


def test_rows_in_order_need_no_order():
    assert places(pd.Index([0, 1, 5, 6]), np.array([0, 0, 1, 1])).order is None


def test_codes_say_which_time_a_row_has():
    placed = places(pd.Index([7, 9, 8]), np.array([0, 0, 0]), np.array([1, 0, 2]))
    assert placed.order.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match="row 1 of X has no time point"):
        places(pd.Index([7, 9]), np.array([0, 0]), np.array([1, -1]))


def test_jitter_is_not_a_gap():
    times = np.arange(20) + rng.uniform(-0.04, 0.04, 20)
    assert positions(pd.Index(times)) == list(range(20))
    stamps = pd.Timestamp("2024") + pd.to_timedelta(times, unit="s")
    assert positions(stamps[[0, 1, 2, 5, 6, 9]]) == [0, 1, 2, 5, 6, 9]


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (pd.Index([0, 1, 1, 2]), r"rows 1 and 2 of X are the same time point, 1,.*duplicated"),
        (pd.DatetimeIndex(["2024", "2023", "2024"]), "rows 0 and 2 .* same time point, 2024"),
        (pd.Index([0, np.nan, 1]), "row 1 of X has no time point"),
        (pd.DatetimeIndex(["2024", None]), "row 1 of X has no time point"),
        (pd.Index(rng.random(30).cumsum()), "irregular: steps between them.*resample"),
        (pd.Index([0, 1, 2, 100_000]), "irregular.*4 rows of series 0 .* over 100001 points"),
        (pd.Index(["a", "b"]), "string values, such as 'a', .*pd.to_datetime"),
        (pd.Index(["2024-01-01", "2024-01-02"]), "string values"),
        (pd.Index([0, "a"]), "no time points"),
        (
            pd.Index(
                [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02", tz="UTC")], dtype=object
            ),
            r"partly without a time zone: tz_localize",
        ),
    ],
)
def test_what_is_no_regular_time_is_refused(times, message):
    with pytest.raises((ValueError, TypeError), match=message):
        places(times, np.zeros(len(times), int))


def test_what_counts_as_time():
    dates = pd.DatetimeIndex(["2024-01-01", "2024-01-02"])
    assert as_time(pd.Index([d.date() for d in dates])).equals(dates)
    assert as_time(pd.Index([datetime.datetime(2024, 1, 1), None], dtype=object)).isna()[1]
    assert as_time(pd.CategoricalIndex([3, 1])).tolist() == [3, 1]
    assert as_time(pd.Index([1, 2], dtype="Int64")).tolist() == [1, 2]
    zones = [pd.Timestamp("2024-01-01", tz=zone) for zone in ("Asia/Tokyo", "Europe/Berlin")]
    assert as_time(pd.Index(zones, dtype=object)).diff()[1] == pd.Timedelta(hours=8)
    for none in (pd.Index([True, False]), pd.Index([(1, 2), (3, 4)], tupleize_cols=False)):
        with pytest.raises(TypeError, match="no time points"):
            as_time(none)


def test_no_rows():
    assert positions(pd.Index([])) == []
