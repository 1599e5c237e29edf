"""Frequencies and time zones as data."""

import datetime
import json

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.interop.offsets import decoded_offset, decoded_zone, encoded_offset, encoded_zone

O = pd.offsets  # noqa: E741
OFFSETS = [
    O.Hour(6), O.Minute(15), O.Milli(5), O.Day(), O.Week(), O.Week(weekday=3),
    O.BusinessDay(2), O.BusinessDay(offset=pd.Timedelta(hours=3)),
    O.CustomBusinessDay(holidays=["2023-12-25"]),
    O.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu"),
    O.CustomBusinessDay(calendar=np.busdaycalendar(weekmask="1010101", holidays=["2024-01-01"])),
    O.BusinessHour(), O.BusinessHour(start=["08:00", "13:00"], end=["12:00", "17:30"]),
    O.CustomBusinessHour(holidays=["2024-01-01"], start="07:00"),
    O.SemiMonthEnd(), O.SemiMonthBegin(day_of_month=10),
    O.CustomBusinessMonthEnd(holidays=["2024-01-31"]),
    pd.DateOffset(months=1), pd.DateOffset(months=2, days=3), pd.DateOffset(2),
    O.WeekOfMonth(week=2, weekday=3), O.LastWeekOfMonth(weekday=1), O.QuarterEnd(startingMonth=1),
    O.YearBegin(month=4), O.FY5253(weekday=5, startingMonth=12, variation="last"),
    O.FY5253Quarter(weekday=5, startingMonth=12, variation="last", qtr_with_extra_week=1),
    O.Easter(),
]  # fmt: skip


@pytest.mark.parametrize("offset", OFFSETS, ids=str)
def test_frequencies_survive(offset):
    state = json.loads(json.dumps(encoded_offset(offset)))
    got = decoded_offset(state)
    expected = pd.date_range("2023-12-20 10:00", periods=40, freq=offset)
    assert pd.date_range("2023-12-20 10:00", periods=40, freq=got).equals(expected)
    assert encoded_offset(got) == state


def test_frequencies_that_are_no_data():
    class Own(O.BusinessDay):
        pass

    for offset in (Own(offset=pd.Timedelta(hours=1)), pd.DateOffset(weekday=object())):
        with pytest.raises(TypeError, match="cannot be saved"):
            encoded_offset(offset)


@pytest.mark.parametrize(
    "state",
    [
        "__import__('os')",
        "D" * 50,
        "1e9D",
        {"class": "Popen", "n": 1, "normalize": False, "params": {}},
        {"class": "__init__", "n": 1, "normalize": False, "params": {}},
    ],
    ids=str,
)
def test_what_is_no_frequency(state):
    with pytest.raises(ValueError, match="there is no frequency"):
        decoded_offset(state)


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", datetime.timezone(datetime.timedelta(hours=-3)), datetime.UTC]
)
def test_time_zones_survive(zone):
    index = pd.date_range("2024-03-30", periods=4, tz=zone)
    name = json.loads(json.dumps(encoded_zone(index.tz)))
    assert index.tz_convert("UTC").tz_convert(decoded_zone(name)).tolist() == index.tolist()


@pytest.mark.parametrize("name", ["Mars/Base", "dateutil//etc/passwd", "UTC+1", 3])
def test_what_is_no_time_zone(name):
    with pytest.raises(ValueError, match="there is no time zone"):
        decoded_zone(name)
    assert decoded_zone(None) is None
    assert encoded_zone(None) is None
