"""What was seen, and horizons, as JSON and tensors."""

import json

import numpy as np
import pandas as pd
import pytest
from sktime.forecasting.base import ForecastingHorizon

from simmtm_sk.interop.history import History
from simmtm_sk.interop.stored_history import (
    decoded_history,
    decoded_horizon,
    encoded_history,
    encoded_horizon,
    plain_name,
)
from simmtm_sk.persistence import StateReader, TensorReader
from tests.interop.timelines import every_index, every_inferable_index, frame, panel


def through_json(state):
    return json.loads(json.dumps(state))


def decoded(state, tensors):
    return decoded_history(StateReader(through_json(state), "y"), TensorReader(tensors))


def assert_survives(y):
    history = History.of(y)
    got = decoded(*encoded_history(history))
    assert got.columns.tolist() == history.columns.tolist()
    assert got.index_names == history.index_names
    for one, other in zip(got.instances, history.instances, strict=True):
        assert (one.name, one.first, one.last) == (other.name, other.first, other.last)
        np.testing.assert_array_equal(one.values, other.values)
        steps = np.arange(1, 40)
        later = other.calendar.after(other.last, steps)
        assert one.calendar.after(one.last, steps).equals(later)


@every_index
def test_a_series_survives(index):
    y = frame(index)
    y.iloc[3, 0] = np.nan
    assert_survives(y)


@every_inferable_index
def test_panels_and_hierarchies_survive(index):
    two = panel(index=index)
    assert_survives(two)
    assert_survives(pd.concat({"x": two, 3: two[:10]}, names=["group", *two.index.names]))


def test_a_calendar_of_many_series_is_written_once():
    days = pd.offsets.CustomBusinessDay(holidays=[f"20{y:02}-01-01" for y in range(99)])
    index = pd.date_range("2000-01-03", periods=30, freq=days)
    y = pd.concat({k: frame(index, seed=k) for k in range(20)}, names=["id", "time"])
    y.index = y.index.set_levels(index, level=-1)
    state, tensors = encoded_history(History.of(y, days))
    assert len(json.dumps(state["times"])) < 3000
    assert len({id(i.calendar) for i in decoded(state, dict(tensors)).instances}) == 1
    for wrong in (1, -1, 20):
        state["times"][1] = wrong
        with pytest.raises(ValueError, match="there is no calendar of instance"):
            decoded(state, dict(tensors))


def test_a_frequency_that_was_not_written_is_seen():
    """As in the first format, which left out what an index did not say."""
    y = frame(pd.date_range("2000-01-03", periods=24, freq="B"))
    state, tensors = encoded_history(History.of(y))
    state["times"][0]["freq"] = None
    (instance,) = decoded(state, tensors).instances
    assert instance.time(1) == pd.Timestamp("2000-02-04")


@pytest.mark.parametrize(
    "kind",
    [
        {"class": "OtherIndex"},
        {"class": "DatetimeIndex", "unit": "d", "freq": "D", "zone": None},
        {"class": "DatetimeIndex", "unit": "ns", "freq": "exit()", "zone": None},
        {"class": "DatetimeIndex", "unit": "ns", "freq": "D", "zone": "/etc/passwd"},
        {"class": "PeriodIndex", "freq": None},
    ],
    ids=str,
)
def test_what_is_no_time_index(kind):
    state, tensors = encoded_history(History.of(frame(pd.RangeIndex(5))))
    state["times"] = [kind]
    with pytest.raises(ValueError, match="there is no"):
        decoded(state, tensors)


@every_index
def test_horizons_survive(index):
    for fh in (
        ForecastingHorizon([1, 5, 12]),
        ForecastingHorizon(index[[3, 7]], is_relative=False),
        ForecastingHorizon(pd.TimedeltaIndex(["1D", "3D"])),
    ):
        got = decoded_horizon(StateReader(through_json(encoded_horizon(fh)), "fh"))
        assert got.is_relative == fh.is_relative
        expected = fh.to_pandas()
        pd.testing.assert_index_equal(got.to_pandas(), expected, exact="equiv", check_names=False)


def test_names_that_json_holds():
    assert [plain_name(n) for n in (None, "a", 3, 0.5, np.int64(4), np.str_("b"))] == [
        None, "a", 3, 0.5, 4, "b",
    ]  # fmt: skip
    with pytest.raises(TypeError, match="must be text or numbers to be saved"):
        plain_name(("a", "b"))
