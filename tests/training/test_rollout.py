"""Forecasts from any origins, also where the values before them are missing."""

import numpy as np
import pytest
import torch
from torch import nn

from simmtm_sk.data.forecast_windows import ForecastWindows
from simmtm_sk.training.rollout import missing_at_end, roll_out

CONTEXT, HORIZON = 6, 3
NAN = np.nan


class Repeating(nn.Module):
    """The season of six points again; contexts end with a value, if they have one."""

    look_back = CONTEXT
    context_share = 0.5

    def context_std(self, values, series):
        return torch.ones(len(values), 1)

    def predict(self, values, series):
        assert (~values[:, -1].isnan() | values.isnan().all(1)).all()
        return values[:, :HORIZON].clone()


def rolled(series, origin, last=0.0):
    """Roll out from one origin of each series."""
    windows = ForecastWindows(series, CONTEXT, HORIZON)
    n = len(series)
    return roll_out(
        Repeating(), windows, np.arange(n), np.asarray(origin), np.ones(n), np.full(n, last)
    )


SEASON = np.tile([1.0, 5.0, 2.0, 7.0, 3.0, 4.0], 5)


@pytest.mark.parametrize("lag", range(CONTEXT))
def test_a_season_goes_on_over_missing_values(lag):
    """However many are missing: also more than the horizon, which takes further forecasts."""
    values = SEASON.copy()
    values[20 - lag : 20] = NAN
    got = rolled([values, SEASON], [20, 20])
    np.testing.assert_array_equal(got.values, [SEASON[20:23]] * 2)
    assert got.lag.tolist() == [lag, 0]


def test_every_row_has_a_lag_of_its_own():
    short, long = SEASON.copy(), SEASON.copy()
    short[19], long[15:20] = NAN, NAN
    got = rolled([SEASON, short, long], [20, 20, 20])
    assert got.lag.tolist() == [0, 1, 5]
    np.testing.assert_array_equal(got.values, [SEASON[20:23]] * 3)


def test_the_last_value_goes_on_where_nothing_is_left_to_look_back_at():
    values = SEASON.copy()
    values[14:20] = NAN
    got = rolled([values, SEASON], [20, 20], last=9.0)
    np.testing.assert_array_equal(got.values, [[9.0] * 3, SEASON[20:23]])
    assert got.lag.tolist() == [CONTEXT, 0]


def test_the_unit_is_that_of_the_context_that_there_is():
    values = SEASON.copy()
    values[18:20] = NAN
    got, whole = rolled([values], [20]), rolled([SEASON], [18])
    np.testing.assert_array_equal(got.unit, whole.unit)


def test_missing_values_are_counted_from_the_end():
    rows = torch.tensor([[NAN, 1, 2], [1, NAN, NAN], [NAN, NAN, NAN], [1, NAN, 3]])
    assert missing_at_end(rows, 3).tolist() == [0, 2, 3, 0]
    assert missing_at_end(rows, 2).tolist() == [0, 2, 2, 0]


def test_no_origins():
    windows = ForecastWindows([SEASON], CONTEXT, HORIZON)
    nothing = np.empty(0, np.intp)
    got = roll_out(Repeating(), windows, nothing, nothing, np.empty(0), np.empty(0))
    assert got.values.shape == (0, HORIZON)
