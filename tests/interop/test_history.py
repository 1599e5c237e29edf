"""What was seen: series of a container, and what comes after them."""

import numpy as np
import pandas as pd
import pytest
from sktime.utils._testing.hierarchical import _make_hierarchical

from simmtm_sk.interop.history import History, matched_columns
from tests.interop.timelines import (
    INDICES,
    LOOKLESS,
    MONTHS,
    every_index,
    every_inferable_index,
    frame,
    panel,
)


def table(history):
    """A history as a container again, with what it would call its time points."""
    frames = [
        pd.DataFrame(i.values.T, i.calendar.after(i.first, np.arange(i.values.shape[1])))
        for i in history.instances
    ]
    for one in frames:
        one.columns = history.columns
    if not history.is_panel:
        return frames[0].rename_axis(history.index_names[0])
    keys = [i.name if len(i.name) > 1 else i.name[0] for i in history.instances]
    return pd.concat(frames, keys=keys, names=history.index_names)


def extended(y, new, container="pd.DataFrame"):
    return table(History.of(y).extended(new, container))


# -- instances ------------------------------------------------------------------------------------


def test_instances_are_the_series_of_a_container():
    y = panel()
    first, second = History.of(y).instances
    assert (first.name, second.name) == (("b",), ("a",))
    np.testing.assert_array_equal(first.values, y.loc["b"].to_numpy().T)
    np.testing.assert_array_equal(second.values, y.loc["a"].to_numpy().T)
    assert (first.time(), second.time()) == (MONTHS[23], MONTHS[19])
    (single,) = History.of(y.loc["b"]).instances
    assert single.name == ()
    np.testing.assert_array_equal(single.values, first.values)


def test_instances_of_a_hierarchy():
    y = _make_hierarchical((2, 3), min_timepoints=5, max_timepoints=9, random_state=0)
    instances = History.of(y).instances
    assert len(instances) == 6
    for instance in instances:
        np.testing.assert_array_equal(instance.values, y.loc[instance.name].to_numpy().T)
        assert instance.time() == y.loc[instance.name].index[-1]


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
        History.of(y)
    whole = pd.concat({"ok": frame(MONTHS).astype(object), 7: y}, names=["id", "month"])
    with pytest.raises(error, match=rf"^instance \(7,\) of {message}"):
        History.of(whole)


def test_a_column_without_any_value_is_named():
    y = frame(MONTHS)
    y["c1"] = np.nan
    with pytest.raises(ValueError, match=r"^column 'c1' of y has no observed value"):
        History.of(y)
    with pytest.raises(ValueError, match=r"column 'c1' of instance \('p',\) of y"):
        History.of(pd.concat({"p": y}, names=["id", "month"]))


# -- new data -------------------------------------------------------------------------------------


@every_index
def test_new_points_are_appended(index):
    y = frame(index)
    merged = extended(y[:15], y[15:])
    pd.testing.assert_frame_equal(merged, y, check_freq=False)


def test_a_gap_is_missing_values_and_known_points_are_replaced():
    y = frame(MONTHS)
    merged = extended(y[:10], y[14:])
    assert merged.index.equals(MONTHS)
    assert merged[10:14].isna().all(axis=None)
    other = frame(MONTHS, seed=1)
    merged = extended(y[:10], other[8:12])
    pd.testing.assert_frame_equal(merged, pd.concat([y[:8], other[8:12]]))


def test_what_lies_behind_the_cutoff_is_forgotten():
    y = frame(MONTHS)
    pd.testing.assert_frame_equal(extended(y, y[5:9]), y[:9])


def test_instances_stay_in_their_order():
    y = panel(lengths=(24, 24))
    early, late = (y[y.index.get_level_values(1).isin(part)] for part in (MONTHS[:9], MONTHS[9:]))
    pd.testing.assert_frame_equal(extended(early, late), y)
    turned = pd.concat([late.loc[["a"]], late.loc[["b"]]])
    pd.testing.assert_frame_equal(extended(early, turned), y)
    some = extended(early, late.loc[["a"]])
    pd.testing.assert_frame_equal(some, pd.concat([early.loc[["b"]], y.loc[["a"]]]))


def test_a_missing_value_does_not_replace_a_known_one():
    y = frame(MONTHS)
    new = y[8:12].copy()
    new.iloc[1, 0] = np.nan
    pd.testing.assert_frame_equal(extended(y[:10], new), y[:12])


def test_earlier_time_points_are_put_in_front():
    y = frame(MONTHS)
    pd.testing.assert_frame_equal(extended(y[5:10], y[2:12]), y[2:12])


def test_arrays_go_on_where_the_series_ended():
    """Whatever its time index is; in sktime's form, arrays begin at 0."""
    for name in ("numbers", "from 7 on", "days", "without holidays"):
        y = frame(INDICES[name])
        new = y[15:].set_axis([0, 1], axis=1).reset_index(drop=True)
        pd.testing.assert_frame_equal(extended(y[:15], new, "np.ndarray"), y, check_freq=False)
    y = panel(lengths=(24, 24))
    new = pd.concat({0: y.loc["b"][15:], 1: y.loc["a"][15:]})
    new.index = pd.MultiIndex.from_product([[0, 1], range(9)])
    early = y[y.index.get_level_values(1) < MONTHS[15]]
    pd.testing.assert_frame_equal(extended(early, new, "numpy3D"), y)
    with pytest.raises(ValueError, match="needs the instances"):
        extended(early, new.loc[[0]], "numpy3D")


def test_numbers_that_begin_anew_do_not_replace_what_is_known():
    y = frame(pd.RangeIndex(24))
    with pytest.raises(ValueError, match=r"y begins at 0 once more, .* an index from 15 on"):
        extended(y[:15], y[15:].reset_index(drop=True))
    pd.testing.assert_frame_equal(extended(y, y[:9]), y[:9])  # these are the same


def test_a_series_without_name_is_the_only_column_there_is():
    y = frame(MONTHS, 1)
    unnamed = y[9:].set_axis([0], axis=1)
    pd.testing.assert_frame_equal(extended(y[:9], unnamed, "pd.Series"), y)
    with pytest.raises(ValueError, match="has the columns"):
        extended(y[:9], unnamed.set_axis(["x"], axis=1), "pd.Series")
    pd.testing.assert_frame_equal(
        extended(y[:9].set_axis([0], axis=1), y[9:], "pd.Series"), y.set_axis([0], axis=1)
    )


def test_columns_are_known_by_their_names():
    y = frame(MONTHS)
    pd.testing.assert_frame_equal(extended(y[:9], y[9:][["c1", "c0"]]), y)
    assert matched_columns(pd.Index(["a", "b"]), pd.Index(["b", "a"]), False).tolist() == [1, 0]
    for other in (["a"], ["a", "c"], ["a", "b", "c"], ["a", "a"]):
        with pytest.raises(ValueError, match=r"y has the columns \['a'.* fitted on \['a', 'b'\]"):
            matched_columns(pd.Index(["a", "b"]), pd.Index(other), False)


def test_data_that_do_not_continue():
    y = frame(MONTHS)
    with pytest.raises(ValueError, match=r"y has the columns \['c0', 'x'\], .* \['c0', 'c1'\]"):
        extended(y[:9], y[9:].rename(columns={"c1": "x"}))
    with pytest.raises(ValueError, match=r"y has 2 index level\(s\), .* fitted on 1"):
        extended(y[:9], panel())
    days = frame(pd.date_range("2000-01-01", periods=9, freq="D"))
    shifted = frame(pd.date_range("2000-01-10 12:00", periods=9, freq="D"))
    with pytest.raises(ValueError, match="do not continue"):
        extended(days, shifted)
    with pytest.raises(ValueError, match="do not continue"):
        extended(days, y)
    new = pd.concat({"c": y[9:]}, names=["id", "month"])
    with pytest.raises(ValueError, match="the instances that the forecaster was fitted on"):
        extended(panel(), new)


# -- calendars ------------------------------------------------------------------------------------


@every_inferable_index
def test_a_panel_has_the_calendar_of_its_series(index):
    single = History.of(frame(index)).instances[0].calendar
    for y in (panel(index=index), panel(index=index, lengths=(24, 2))):
        history = History.of(y)
        assert history.instances[0].calendar is history.instances[1].calendar
        for instance, n in zip(history.instances, (24, len(y.loc["a"])), strict=True):
            assert instance.first == single.ordinals(index)[0]
            assert instance.last == single.ordinals(index)[n - 1]
            later = instance.calendar.after(instance.first, np.arange(24))
            assert later.tolist() == index.tolist()


@pytest.mark.parametrize("name", sorted(LOOKLESS))
def test_a_calendar_that_cannot_be_seen_is_told_or_refused(name):
    index = INDICES[name]
    y = panel(index=index)
    with pytest.raises(ValueError, match=r"irregular: .*y\.index\.freq"):
        History.of(y)
    assert History.of(y, index.freq).instances[0].calendar.freq == index.freq
    product = pd.MultiIndex.from_product([["b", "a"], index])
    same = frame(product)
    assert History.of(same).instances[1].calendar.freq == index.freq


def test_instances_may_have_calendars_of_their_own():
    index = pd.date_range("2000-01-03", periods=24, freq="W-MON")
    y = pd.concat({"a": frame(index), "b": frame(index + pd.Timedelta("1D"))})
    one, other = History.of(y).instances
    assert one.time(1).day_name() == "Monday"
    assert other.time(1).day_name() == "Tuesday"
    far = pd.concat({"a": frame(index), "b": frame(index + pd.Timedelta("700D"))})
    assert [i.time(1).day_name() for i in History.of(far).instances] == ["Monday"] * 2
    y = pd.concat([y, pd.concat({"c": frame(index[:2])})])
    with pytest.raises(ValueError, match=r"frequency of instance \('c',\) of y cannot be told"):
        History.of(y)


def test_complex_values_are_refused():
    with pytest.raises(TypeError, match="real numbers, got complex"):
        History.of(frame(MONTHS) * 1j)
