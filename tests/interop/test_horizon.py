"""Horizons as steps, and forecasts as containers."""

import numpy as np
import pandas as pd
import pytest
from sktime.forecasting.base import ForecastingHorizon

from simmtm_sk.interop.history import History
from simmtm_sk.interop.horizon import forecast_frame, horizon_steps
from tests.interop.timelines import INDICES, MONTHS, every_inferable_index, frame, panel


@every_inferable_index
def test_steps_are_counted_from_each_end(index):
    y = panel(index=index, lengths=(24, 20))
    y.index.names = ["id", None]
    seen = History.of(y)
    assert horizon_steps(ForecastingHorizon([1, 5]), seen).tolist() == [[1, 5], [1, 5]]
    later = index[[22, 23]]
    absolute = ForecastingHorizon(later, is_relative=False)
    first, second = horizon_steps(absolute, seen).tolist()
    assert max(first) < 1  # in-sample
    assert second == [3, 4]


def test_a_span_of_time_is_a_number_of_steps():
    seen = History.of(frame(pd.date_range("2000-01-01", periods=9, freq="12h")))
    fh = ForecastingHorizon(pd.TimedeltaIndex(["1D", "36h"]))
    assert horizon_steps(fh, seen).tolist() == [[2, 3]]


def test_forecasts_are_labelled_instance_by_instance():
    y = panel()
    seen = History.of(y)
    blocks = np.arange(8.0).reshape(2, 2, 2)
    got = forecast_frame(blocks, seen, np.array([[1, 3], [1, 3]]), y.columns)
    assert got.index.names == ["id", "month"]
    assert got.columns.tolist() == ["c0", "c1"]
    assert got.index.tolist() == [
        ("b", MONTHS[23] + 1),
        ("b", MONTHS[23] + 3),
        ("a", MONTHS[19] + 1),
        ("a", MONTHS[19] + 3),
    ]
    np.testing.assert_array_equal(got, np.arange(8.0).reshape(4, 2))
    single = forecast_frame(blocks[:1], History.of(y.loc["a"]), np.array([[2, 4]]), ["c0", "c1"])
    assert single.index.tolist() == [MONTHS[19] + 2, MONTHS[19] + 4]
    np.testing.assert_array_equal(single, blocks[0])


@pytest.mark.parametrize("name", INDICES)
def test_forecasts_stand_at_the_time_points_to_come(name):
    index = INDICES[name]
    history = History.of(frame(index[:20]))
    got = forecast_frame(np.zeros((1, 4, 2)), history, np.array([[1, 2, 3, 4]]), ["c0", "c1"])
    assert got.index.tolist() == index[20:].tolist()


def test_a_horizon_between_time_points_is_refused():
    hours = pd.date_range("2020-01-01", periods=100, freq="h")
    history = History.of(frame(hours))
    for times in (["2020-01-05 04:59"], ["2020-01-05 04:00", "2020-01-05 05:10"]):
        fh = ForecastingHorizon(pd.DatetimeIndex(times), is_relative=False)
        with pytest.raises(ValueError, match=r"horizon fh does not fit y: .* frequency is h"):
            horizon_steps(fh, history)
    spans = ForecastingHorizon(pd.TimedeltaIndex(["90min"]))
    with pytest.raises(ValueError, match="horizon fh does not fit y"):
        horizon_steps(spans, history)
    zoned = ForecastingHorizon(pd.DatetimeIndex(["2020-01-05 04:00"], tz="UTC"), is_relative=False)
    with pytest.raises(TypeError, match=r"horizon fh does not fit y: .* time zone"):
        horizon_steps(zoned, history)
    with pytest.raises(TypeError, match="horizon fh does not fit y"):
        horizon_steps(ForecastingHorizon(MONTHS[:1], is_relative=False), history)
