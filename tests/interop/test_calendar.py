"""Which time points follow each other."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.interop.calendar import calendar_of
from tests.interop.timelines import INDICES, LOOKLESS, every_index


@every_index
def test_time_points_follow_each_other_as_in_the_index(index):
    """From every place in it, by any steps, and back."""
    for freq_is_known in (True, False):
        given = index
        if not freq_is_known and isinstance(index, pd.DatetimeIndex):
            given = pd.DatetimeIndex(index, freq=None)
            if any(index is INDICES[name] for name in LOOKLESS):
                continue
        calendar = calendar_of(given, "y")
        ordinals = calendar.ordinals(index)
        assert calendar.index(ordinals).equals(index)
        for start in (0, 3, 10):
            after = calendar.after(int(ordinals[start]), np.arange(1, 24 - start))
            assert after.tolist() == index[start + 1 :].tolist()
            some = calendar.after(int(ordinals[start]), [2, 5, 9])
            assert some.tolist() == index[[start + 2, start + 5, start + 9]].tolist()
            steps = calendar.steps(int(ordinals[start]), index[[start + 9, start + 2]])
            assert steps.tolist() == [9, 2]
        assert (calendar.steps(int(ordinals[5]), index[:6]) <= 0).all()


def test_consecutive_time_points_keep_their_frequency():
    for name in ("days", "without holidays", "half months"):
        index = INDICES[name]
        calendar = calendar_of(index, "y")
        assert calendar.after(int(calendar.ordinals(index)[0]), [1, 2, 3]).freq == index.freq


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("days", ["2000-01-05 12:00"]),
        ("quarters of an hour", ["2000-01-01 03:59"]),
        ("weekdays", ["2000-01-08"]),
        ("without holidays", ["2000-01-17"]),
        ("business hours", ["2000-01-04 18:00"]),
        ("half months", ["2000-02-14"]),
        ("month ends", ["2000-03-31 00:00:00.001"]),
    ],
)
def test_what_is_no_time_point_of_a_calendar(name, times):
    index = INDICES[name]
    calendar = calendar_of(index, "y")
    off = pd.DatetimeIndex(times, tz=index.tz)
    with pytest.raises(ValueError, match=r"2000-.* is no time point of y, whose frequency is"):
        calendar.steps(int(calendar.ordinals(index)[0]), off)


def test_periods_and_numbers_between_the_steps():
    for name, between in (
        ("pairs of months", pd.period_range("2000-02", periods=1, freq="2M")),
        ("numbers", None),
    ):
        calendar = calendar_of(INDICES[name], "y")
        if between is not None:
            with pytest.raises(ValueError, match="no time point of y"):
                calendar.steps(int(calendar.ordinals(INDICES[name])[0]), between)


def test_an_instant_is_the_same_in_every_time_zone():
    index = INDICES["hours over it"]
    calendar = calendar_of(index, "y")
    elsewhere = index[[4, 20]].tz_convert("Asia/Tokyo")
    assert calendar.steps(int(calendar.ordinals(index)[0]), elsewhere).tolist() == [4, 20]
    assert calendar.own(elsewhere).equals(index[[4, 20]])
    with pytest.raises(TypeError, match="no time zone, but those of y have a"):
        calendar.own(index.tz_localize(None))
    with pytest.raises(TypeError, match="have a time zone, but those of y have no"):
        calendar_of(INDICES["days"], "y").own(index)


@pytest.mark.parametrize(
    "freq",
    [
        pd.offsets.CustomBusinessDay(holidays=["2000-01-06", "2000-01-17"]),
        pd.offsets.CustomBusinessHour(holidays=["2000-01-17", "2000-01-06"]),
        pd.offsets.CustomBusinessMonthEnd(holidays=["2000-05-31"]),
    ],
    ids=["days", "hours", "month ends"],
)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_holidays_are_known_as_far_as_they_are_listed(freq, zone):
    final = pd.Timestamp(max(freq.holidays), tz=zone)
    index = pd.date_range("2000-01-03 09:00", periods=100, freq=freq, tz=zone)
    calendar = calendar_of(index, "y")
    days = index.normalize()
    n_until = int((days <= final).sum())
    origin = calendar.ordinals(index)
    calendar.check_known(int(origin[0]), n_until - 1)
    with pytest.raises(ValueError, match=r"holidays .* are known up to 2000-.*freq = pd.offsets"):
        calendar.check_known(int(origin[0]), n_until)
    calendar.check_known(int(origin[n_until]), 20)  # y itself has gone on without more of them


def test_other_kinds_of_time_are_refused():
    for name, other in (("days", "periods"), ("periods", "days"), ("numbers", "days")):
        with pytest.raises(TypeError, match="must be a"):
            calendar_of(INDICES[name], "y").own(INDICES[other])
    with pytest.raises(TypeError, match=r"frequency W-SUN, but those of y have frequency M"):
        calendar_of(INDICES["periods"], "y").own(INDICES["weeks"])


@every_index
def test_gaps_and_repetitions_are_refused(index):
    with pytest.raises(ValueError, match=r"^the time index of y is irregular: .*asfreq"):
        calendar_of(index.delete(5), "y")
    with pytest.raises(ValueError, match=r"^y has the time point .* more than once"):
        calendar_of(index.append(index[-1:]), "y")


def test_steps_of_two_cannot_be_counted_by_a_horizon():
    with pytest.raises(ValueError, match="irregular"):
        calendar_of(pd.RangeIndex(0, 20, 2), "y")


def test_two_dates_do_not_tell_their_frequency():
    assert calendar_of(pd.DatetimeIndex(["2000-01-01", "2000-01-02"]), "y") is None
    known = calendar_of(pd.DatetimeIndex(["2000-01-07", "2000-01-10"]), "y", pd.offsets.BDay())
    assert known.freq == pd.offsets.BDay()


def test_what_is_no_time():
    with pytest.raises(TypeError, match="must hold dates, periods or integers"):
        calendar_of(pd.Index(["2000-01-01", "2000-01-02"]), "y")
    with pytest.raises(TypeError, match="must hold dates, periods or integers"):
        calendar_of(pd.Index([0.5, 1.5]), "y")
