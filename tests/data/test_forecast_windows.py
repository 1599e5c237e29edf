"""Windows: every pair of a context and what follows it, against a loop over time points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simmtm_sk.data.forecast_windows import (
    ForecastWindows,
    observed_length,
    subsample,
    training_length,
)


def ragged(lengths, missing=0.0, trailing=0):
    """Series of the given lengths, with gaps, the last points of every second one missing."""
    rng = np.random.default_rng(sum(lengths))
    series = [rng.normal(size=n) for n in lengths]
    for i, one in enumerate(series):
        one[rng.random(len(one)) < missing] = np.nan
        one[0] = 1.0  # somewhere there is a value
        if i % 2 and trailing:
            one[max(1, len(one) - trailing) :] = np.nan
    return series


def by_loop(series, context_length, horizon):
    """All pairs, in an obvious way: (series, origin, context, targets)."""
    pairs = []
    for i, one in enumerate(series):
        end = max(t + 1 for t in range(len(one)) if not np.isnan(one[t]))
        whole = range(context_length, end - horizon + 1)
        # too short for a whole pair: the longest context that leaves a horizon behind it
        for origin in whole or [max(1, min(context_length, end - horizon))]:
            at = range(origin - context_length, origin + horizon)
            values = [one[t] if 0 <= t < len(one) else np.nan for t in at]
            pairs.append((i, origin, values[:context_length], values[context_length:]))
    return pairs


lengths_of_series = st.lists(st.integers(1, 30), min_size=1, max_size=6)
sizes = {"context_length": st.integers(2, 12), "horizon": st.integers(1, 9)}


@settings(max_examples=80)
@given(
    lengths=lengths_of_series,
    missing=st.sampled_from([0.0, 0.5]),
    trailing=st.sampled_from([0, 4]),
    **sizes,
)
def test_pairs_equal_a_loop(lengths, missing, trailing, context_length, horizon):
    series = ragged(lengths, missing, trailing)
    windows = ForecastWindows(series, context_length, horizon)
    expected = by_loop(series, context_length, horizon)
    assert len(windows) == len(expected)
    assert windows.series.tolist() == [pair[0] for pair in expected]
    assert windows.origin.tolist() == [pair[1] for pair in expected]
    contexts = windows.contexts(windows.series, windows.origin)
    targets = windows.targets(windows.series, windows.origin)
    assert contexts.dtype == targets.dtype == torch.float64
    np.testing.assert_array_equal(contexts, [pair[2] for pair in expected])
    np.testing.assert_array_equal(targets, [pair[3] for pair in expected])
    assert windows.lengths.tolist() == lengths


def test_any_origin_can_be_asked_for():
    """Also those that begin no pair: next to the start, and behind the end."""
    windows = ForecastWindows([np.arange(1.0, 5.0), np.arange(9.0, 12.0)], 3, 2)
    series, origin = np.array([1, 0, 0]), np.array([3, 1, 4])
    nan = np.nan
    np.testing.assert_array_equal(
        windows.contexts(series, origin), [[9, 10, 11], [nan, nan, 1], [2, 3, 4]]
    )
    np.testing.assert_array_equal(windows.targets(series, origin), [[nan, nan], [2, 3], [nan, nan]])


@settings(max_examples=80)
@given(
    lengths=lengths_of_series,
    trailing=st.sampled_from([0, 4]),
    fraction=st.sampled_from([0.0, 0.1, 0.34, 0.9]),
    **sizes,
)
def test_nothing_held_out_is_trained_on(lengths, trailing, fraction, context_length, horizon):
    series = ragged(lengths, 0.3, trailing)
    windows = ForecastWindows(series, context_length, horizon)
    train, held_out = windows.split(fraction)
    assert len(train)
    if not len(held_out):
        np.testing.assert_array_equal(train, np.arange(len(windows)))
        return
    assert fraction > 0
    assert not set(train) & set(held_out)
    for i, one in enumerate(series):
        end = max(t + 1 for t in range(len(one)) if not np.isnan(one[t]))
        boundary = end - int(fraction * end)
        last_seen = windows.origin[train[windows.series[train] == i]] + horizon - 1
        first_asked = windows.origin[held_out[windows.series[held_out] == i]]
        assert (last_seen < boundary).all()
        assert (first_asked >= boundary).all()
    # whatever lies on one side of the boundary is used
    ends = np.array([observed_length(one) for one in series])[windows.series]
    boundaries = ends - (fraction * ends).astype(int)
    assert len(train) == (windows.origin + horizon <= boundaries).sum()
    assert len(held_out) == ((windows.origin >= boundaries) & (windows.origin < ends)).sum()


def test_the_split_by_hand():
    windows = ForecastWindows([np.arange(20.0)], context_length=4, horizon=3)
    train, held_out = windows.split(0.25)  # 15 points, 5 points
    assert windows.origin[train].tolist() == list(range(4, 13))
    assert windows.origin[held_out].tolist() == [15, 16, 17]


def test_without_a_whole_window_on_either_side_everything_is_for_training():
    series = [np.arange(20.0)]
    for horizon, fraction in ((6, 0.25), (3, 0.0), (12, 0.5)):
        windows = ForecastWindows(series, 4, horizon)
        train, held_out = windows.split(fraction)
        assert train.tolist() == list(range(len(windows)))
        assert held_out.tolist() == []


def test_missing_values_at_the_end_are_not_what_is_held_out():
    values = np.r_[np.arange(20.0), np.full(30, np.nan)]
    padded, plain = (ForecastWindows([one], 4, 3) for one in (values, values[:20]))
    assert padded.origin.tolist() == plain.origin.tolist()
    for one, other in zip(padded.split(0.25), plain.split(0.25), strict=True):
        assert one.tolist() == other.tolist()


@pytest.mark.parametrize(
    ("series", "length"),
    [([1.0, 2.0], 2), ([1.0, np.nan], 1), ([np.nan, 3.0, np.nan], 2), ([np.nan, np.nan], 2)],
    ids=str,
)
def test_a_series_ends_with_its_last_observed_value(series, length):
    assert observed_length(np.array(series)) == length


def test_part_to_train_on():
    assert [training_length(n, 0.2) for n in (1, 4, 5, 10, 14)] == [1, 4, 4, 8, 12]
    assert training_length(7, 0.0) == 7


def test_thinned_is_evenly_spaced_and_keeps_both_ends():
    index = np.arange(5, 1005)
    kept = subsample(index, 7)
    assert len(kept) == 7
    assert kept[[0, -1]].tolist() == [5, 1004]
    assert np.ptp(np.diff(kept)) <= 1
    np.testing.assert_array_equal(subsample(index, 1000), index)
    np.testing.assert_array_equal(subsample(index[:0], 3), index[:0])
