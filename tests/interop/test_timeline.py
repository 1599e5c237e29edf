"""Containers of y as plain series, and back."""

import json

import numpy as np
import pandas as pd
import pytest
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils._testing.hierarchical import _make_hierarchical

from simmtm_sk.interop.timeline import (
    check_regular,
    decoded_frame,
    decoded_horizon,
    encoded_frame,
    encoded_horizon,
    extended,
    forecast_frame,
    horizon_steps,
    instances,
    plain_name,
)
from simmtm_sk.persistence import StateReader, TensorReader

MONTHS = pd.period_range("2000-01", periods=24, freq="M", name="month")
INDICES = {
    "periods": MONTHS,
    "weeks": pd.period_range("2000-01-03", periods=24, freq="W-SUN"),
    "pairs of months": pd.period_range("2000-01", periods=24, freq="2M"),
    "days": pd.date_range("2000-01-01", periods=24, freq="D"),
    "days, inferred": pd.DatetimeIndex(pd.date_range("2000-01-01", periods=24, freq="D").values),
    "month ends": pd.date_range("2000-01-31", periods=24, freq="ME", unit="s"),
    "over a change of the clock": pd.date_range("2000-03-25", periods=24, freq="D", tz="CET"),
    "hours over it": pd.date_range("2000-03-25 20:00", periods=24, freq="h", tz="Europe/Berlin"),
    "numbers": pd.RangeIndex(24),
    "from 7 on": pd.RangeIndex(7, 31, name="n"),
    "integers": pd.Index(np.arange(7, 31)),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)


def frame(index, n_columns=2, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(index), n_columns))
    return pd.DataFrame(values, index, [f"c{j}" for j in range(n_columns)])


def panel(names=("b", "a"), lengths=(24, 20), index=MONTHS):
    """Instances out of order, of unequal length, ending at different times."""
    parts = {name: frame(index[:n], seed=n) for name, n in zip(names, lengths, strict=True)}
    return pd.concat(parts, names=["id", index.name])


# -- instances ------------------------------------------------------------------------------------


def test_instances_are_the_series_of_a_container():
    y = panel()
    first, second = instances(y)
    assert (first.name, second.name) == (("b",), ("a",))
    np.testing.assert_array_equal(first.values, y.loc["b"].to_numpy().T)
    np.testing.assert_array_equal(second.values, y.loc["a"].to_numpy().T)
    assert (first.cutoff[0], second.cutoff[0]) == (MONTHS[23], MONTHS[19])
    (single,) = instances(y.loc["b"])
    assert single.name == ()
    np.testing.assert_array_equal(single.values, first.values)


def test_instances_of_a_hierarchy():
    y = _make_hierarchical((2, 3), min_timepoints=5, max_timepoints=9, random_state=0)
    found = instances(y)
    assert len(found) == 6
    for one in found:
        np.testing.assert_array_equal(one.values, y.loc[one.name].to_numpy().T)
        assert one.cutoff[0] == y.loc[one.name].index[-1]


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (np.inf, ValueError, "y contains infinity"),
        (-np.inf, ValueError, "y contains infinity"),
        ("x", TypeError, "y must hold numbers"),
    ],
)
def test_values_that_are_no_series(value, error, message):
    y = frame(MONTHS).astype(object)
    y.iloc[3, 1] = value
    with pytest.raises(error, match=f"^{message}"):
        instances(y)
    whole = pd.concat({"ok": frame(MONTHS).astype(object), 7: y}, names=["id", "month"])
    with pytest.raises(error, match=rf"^instance \(7,\) of {message}"):
        instances(whole)


def test_a_column_without_any_value_is_named():
    y = frame(MONTHS)
    y["c1"] = np.nan
    with pytest.raises(ValueError, match=r"^column 'c1' of y has no observed value"):
        instances(y)
    with pytest.raises(ValueError, match=r"column 'c1' of instance \('p',\) of y"):
        instances(pd.concat({"p": y}, names=["id", "month"]))


@every_index
def test_regular_time_points(index):
    check_regular(index, "y")
    with pytest.raises(ValueError, match=r"^the time index of y is irregular: .*asfreq"):
        check_regular(index.delete(5), "y")


def test_steps_of_two_cannot_be_counted_by_a_horizon():
    with pytest.raises(ValueError, match="irregular"):
        check_regular(pd.RangeIndex(0, 20, 2), "y")


# -- horizons -------------------------------------------------------------------------------------


@every_index
def test_steps_are_counted_from_each_end(index):
    y = panel(index=index, lengths=(24, 20))
    y.index.names = ["id", None]
    seen = instances(y)
    assert horizon_steps(ForecastingHorizon([1, 5]), seen).tolist() == [[1, 5], [1, 5]]
    later = index[[22, 23]]
    absolute = ForecastingHorizon(later, is_relative=False)
    first, second = horizon_steps(absolute, seen).tolist()
    assert max(first) < 1  # in-sample
    assert second == [3, 4]


def test_a_span_of_time_is_a_number_of_steps():
    seen = instances(frame(pd.date_range("2000-01-01", periods=9, freq="12h")))
    fh = ForecastingHorizon(pd.TimedeltaIndex(["1D", "36h"]))
    assert horizon_steps(fh, seen).tolist() == [[2, 3]]


def test_forecasts_are_labelled_instance_by_instance():
    y = panel()
    seen = instances(y)
    blocks = np.arange(8.0).reshape(2, 2, 2)
    got = forecast_frame(blocks, seen, ForecastingHorizon([1, 3]), y.columns, y.index.names)
    assert got.index.names == ["id", "month"]
    assert got.columns.tolist() == ["c0", "c1"]
    assert got.index.tolist() == [
        ("b", MONTHS[23] + 1),
        ("b", MONTHS[23] + 3),
        ("a", MONTHS[19] + 1),
        ("a", MONTHS[19] + 3),
    ]
    np.testing.assert_array_equal(got, np.arange(8.0).reshape(4, 2))
    single = forecast_frame(
        blocks[:1], instances(y.loc["a"]), ForecastingHorizon([2, 4]), y.columns, [None]
    )
    assert single.index.tolist() == [MONTHS[19] + 2, MONTHS[19] + 4]
    np.testing.assert_array_equal(single, blocks[0])


# -- new data -------------------------------------------------------------------------------------


@every_index
def test_new_points_are_appended(index):
    y = frame(index)
    merged = extended(y[:15], y[15:], index[-1:])
    pd.testing.assert_frame_equal(merged, y, check_freq=False)


def test_a_gap_is_missing_values_and_known_points_are_replaced():
    y = frame(MONTHS)
    merged = extended(y[:10], y[14:], MONTHS[-1:])
    assert merged.index.equals(MONTHS)
    assert merged[10:14].isna().all(axis=None)
    other = frame(MONTHS, seed=1)
    merged = extended(y[:10], other[8:12], MONTHS[11:12])
    pd.testing.assert_frame_equal(merged, pd.concat([y[:8], other[8:12]]))


def test_what_lies_behind_the_cutoff_is_forgotten():
    y = frame(MONTHS)
    pd.testing.assert_frame_equal(extended(y, y[5:9], MONTHS[8:9]), y[:9])


def test_instances_stay_in_their_order():
    y = panel(lengths=(24, 24))
    early, late = (y[y.index.get_level_values(1).isin(part)] for part in (MONTHS[:9], MONTHS[9:]))
    pd.testing.assert_frame_equal(extended(early, late, MONTHS[-1:]), y)
    new = pd.concat([late.loc[["a"]], late.loc[["b"]].rename({"b": "A"}, level=0)])
    got = extended(early, new, MONTHS[-1:]).index.get_level_values(0).unique().tolist()
    assert got == ["b", "a", "A"]


def test_data_that_do_not_continue():
    y = frame(MONTHS)
    with pytest.raises(ValueError, match=r"y has the columns \['c1', 'c0'\], .* \['c0', 'c1'\]"):
        extended(y[:9], y[9:][["c1", "c0"]], MONTHS[-1:])
    with pytest.raises(ValueError, match=r"y has 2 index level\(s\), .* fitted on 1"):
        extended(y[:9], panel(), MONTHS[-1:])
    days = frame(pd.date_range("2000-01-01", periods=9, freq="D"))
    shifted = frame(pd.date_range("2000-01-10 12:00", periods=9, freq="D"))
    with pytest.raises(ValueError, match="do not continue"):
        extended(days, shifted, shifted.index[-1:])


# -- saving ---------------------------------------------------------------------------------------


def through_json(state):
    return json.loads(json.dumps(state))


@every_index
def test_a_frame_survives(index):
    y = frame(index)
    y.iloc[3, 0] = np.nan
    state, tensors = encoded_frame(y)
    pd.testing.assert_frame_equal(decoded(state, tensors), y)


def decoded(state, tensors):
    return decoded_frame(StateReader(through_json(state), "y"), TensorReader(tensors))


@every_index
def test_panels_and_hierarchies_survive(index):
    two = panel(index=index)
    three = pd.concat({"x": two, 3: two[:10]}, names=["group", *two.index.names])
    for y in (two, three):
        state, tensors = encoded_frame(y)
        pd.testing.assert_frame_equal(decoded(state, tensors), y)


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
