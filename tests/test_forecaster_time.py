"""`SimMTMForecaster`: containers, time points and missing values."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils._testing.hierarchical import _make_hierarchical

from tests.forecasters import (
    DAYS,
    MONTHS,
    Y,
    every_index,
    every_strategy,
    forecaster,
    numbers,
    panel,
    small,
    table,
    values,
    zones_warn,
)

# -- containers ------------------------------------------------------------------------------------


@zones_warn
@every_index
def test_time_points_follow_those_seen(index):
    y = pd.Series(Y.to_numpy(), index)
    estimator = forecaster().fit(y[:60], fh=[1, 5, 12])
    predicted = estimator.predict()
    assert predicted.index.tolist() == index[[60, 64, 71]].tolist()
    plain = forecaster().fit(Y[:60], fh=[1, 5, 12])
    np.testing.assert_array_equal(predicted, plain.predict())
    interval = estimator.predict_interval(coverage=0.8)
    assert interval.index.tolist() == predicted.index.tolist()
    absolute = ForecastingHorizon(index[[60, 64, 71]], is_relative=False)
    other = forecaster().fit(y[:60], fh=absolute).predict()
    pd.testing.assert_series_equal(other, predicted, check_freq=False)


@zones_warn
def test_an_absolute_horizon_over_a_change_of_the_clock():
    index = pd.date_range("2000-03-23 12:00", periods=72, freq="h", tz="Europe/Berlin")
    assert index[59].utcoffset() != index[71].utcoffset()
    y = pd.Series(Y.to_numpy(), index)
    absolute = ForecastingHorizon(index[[60, 71]], is_relative=False)
    got, expected = (forecaster().fit(y[:60], fh=fh).predict() for fh in (absolute, [1, 12]))
    pd.testing.assert_series_equal(got, expected, check_freq=False)


def test_a_horizon_in_spans_of_time():
    y = pd.Series(Y.to_numpy(), DAYS)
    spans = ForecastingHorizon(pd.TimedeltaIndex(["1D", "3D"]))
    got, expected = (forecaster().fit(y, fh=fh).predict() for fh in (spans, [1, 3]))
    pd.testing.assert_series_equal(got, expected, check_freq=False)


def test_steps_do_not_depend_on_gaps_in_the_horizon():
    whole = forecaster().fit(Y, fh=range(1, 13)).predict()
    some = forecaster().fit(Y, fh=[12, 1, 5]).predict()
    np.testing.assert_allclose(some, whole.iloc[[0, 4, 11]], rtol=1e-6)


def test_single_series_in_all_containers():
    expected = forecaster().fit(Y, fh=[1, 5]).predict()
    assert expected.name == "y"
    for container, kind in (
        (Y.to_frame(), pd.DataFrame),
        (Y.to_numpy(), np.ndarray),
        (Y.to_numpy()[:, None], np.ndarray),
        (Y.to_numpy()[None, None], np.ndarray),
        ([Y.to_frame()], list),
        (pd.concat({"x": Y.to_frame()}, names=["id", "time"]), pd.DataFrame),
    ):
        predicted = forecaster().fit(container, fh=[1, 5]).predict()
        assert type(predicted) is kind
        np.testing.assert_array_equal(numbers(predicted), expected)


def test_panels_in_all_containers():
    y = panel(lengths=(72, 72))
    parts = [y.loc["q"], y.loc["p"]]
    expected = forecaster().fit(y, fh=[1, 5]).predict()
    assert expected.index.tolist() == [
        (name, MONTHS[-1] + step) for name in "qp" for step in (1, 5)
    ]
    array = np.stack([part.to_numpy().T for part in parts])
    in_array = forecaster().fit(array, fh=[1, 5]).predict()
    assert in_array.shape == (2, 1, 2)
    in_list = forecaster().fit(parts, fh=[1, 5]).predict()
    assert [frame.index.tolist() for frame in in_list] == [[MONTHS[-1] + 1, MONTHS[-1] + 5]] * 2
    for predicted in (in_array, in_list):
        np.testing.assert_array_equal(numbers(predicted), numbers(expected))


@every_index
def test_instances_of_unequal_length(index):
    y = panel(index=index)
    predicted = forecaster().fit(y, fh=[1, 3]).predict()
    assert predicted.loc["p"].index.tolist() == index[[60, 62]].tolist()
    assert (predicted.loc["q"].index > index[71]).all()
    rows = [y.loc[name].reset_index(drop=True) for name in "qp"]
    expected = forecaster().fit(rows, fh=[1, 3]).predict()
    np.testing.assert_array_equal(numbers(predicted), numbers(expected))


def test_one_absolute_horizon_for_instances_that_end_at_different_times():
    y = panel(lengths=(62, 60))
    horizon = ForecastingHorizon(MONTHS[[62, 63]], is_relative=False)
    predicted = forecaster().fit(y, fh=horizon).predict()
    expected = forecaster().fit(y, fh=range(1, 5)).predict()
    assert predicted.loc["q"].index.tolist() == predicted.loc["p"].index.tolist()
    np.testing.assert_allclose(predicted.loc["q"], expected.loc["q"][:2])
    np.testing.assert_allclose(predicted.loc["p"], expected.loc["p"][2:])


def test_hierarchies():
    y = _make_hierarchical((2, 2), min_timepoints=30, max_timepoints=40, n_columns=2)
    predicted = forecaster().fit(y, fh=[1, 2]).predict()
    assert predicted.index.names == y.index.names
    assert predicted.columns.tolist() == y.columns.tolist()
    assert predicted.index.droplevel(-1).tolist() == [
        name for name in y.index.droplevel(-1).unique() for _ in range(2)
    ]
    flat = [frame.droplevel([0, 1]) for _, frame in y.groupby(level=[0, 1], sort=False)]
    expected = forecaster().fit(flat, fh=[1, 2]).predict()
    np.testing.assert_array_equal(numbers(predicted), numbers(expected))


@every_strategy
def test_the_order_of_columns_and_instances_means_nothing(strategy):
    """Up to the batches of gradient steps, which there is a single one of here."""
    settings = {"strategy": strategy, "batch_size": 1024, "random_state": 0, "dropout": 0.0}
    if strategy != "from-scratch":  # masks, too, are drawn row by row
        settings["transformer"] = FrozenEstimator(small(random_state=0).fit(Y.to_numpy()[None]))
    y = table()
    one, other = (forecaster(**settings).fit(t, fh=[1, 2]) for t in (y, y[["b", "a"]]))
    np.testing.assert_allclose(one.predict(), other.predict()[["a", "b"]], rtol=1e-4)
    y = panel()
    turned = pd.concat([y.loc[["p"]], y.loc[["q"]]])
    one, other = (forecaster(**settings).fit(t, fh=[1, 2]).predict() for t in (y, turned))
    np.testing.assert_allclose(one, other.loc[["q", "p"]], rtol=1e-4)


@every_strategy
def test_units_mean_nothing(strategy):
    for factor, shift in ((1e5, -3e6), (1e-4, 0.0), (1e200, 0.0), (1e-200, 0.0)):
        plain, scaled = (
            forecaster(strategy=strategy, transformer=small(random_state=0)).fit(y, fh=[1, 4])
            for y in (Y, factor * Y + shift)
        )
        np.testing.assert_allclose(
            scaled.predict(), factor * plain.predict() + shift, rtol=1e-5, atol=1e-4 * factor
        )
        interval, expected = (e.predict_interval().to_numpy() for e in (scaled, plain))
        np.testing.assert_allclose(
            interval, factor * expected + shift, rtol=1e-5, atol=1e-4 * factor
        )


# -- missing values --------------------------------------------------------------------------------


@every_strategy
@pytest.mark.parametrize("where", [slice(0, 20), slice(25, 32), slice(69, 72), slice(0, 72, 5)])
def test_missing_values(strategy, where):
    y = Y.copy()
    y.iloc[where] = np.nan
    y.iloc[40] = Y.iloc[40]
    estimator = forecaster(strategy=strategy).fit(y, fh=[1, 2, 3])
    expected = values(75)[-3:]
    assert np.abs(estimator.predict().to_numpy() - expected).max() < 6
    assert np.isfinite(estimator.predict_interval()).all(axis=None)
    assert estimator.predict().index[0] == MONTHS[-1] + 1


def test_values_missing_in_front_are_as_if_they_were_not_there():
    padded = pd.concat([pd.Series(np.nan, pd.period_range("1999-01", "1999-12", freq="M")), Y])
    one, other = (forecaster(transformer=small(random_state=0)).fit(y, fh=1) for y in (padded, Y))
    # the held-out fifth begins elsewhere, so only up to the choices
    np.testing.assert_allclose(one.predict(), other.predict(), rtol=0.05)


def test_where_a_whole_context_is_missing_the_last_value_is_continued():
    y = Y.copy()
    y[40:] = np.nan
    estimator = forecaster().fit(y, fh=[1, 2, 3])
    np.testing.assert_array_equal(estimator.predict(), np.full(3, Y.iloc[39]))
    interval = estimator.predict_interval(coverage=0.9)
    assert (interval.iloc[:, 0] < interval.iloc[:, 1]).all()
    rolled = estimator.predict_rolling(y, origins=[72, 55])
    np.testing.assert_array_equal(rolled, np.full((2, 3, 1), Y.iloc[39]))
    front = np.r_[np.full(20, np.nan), Y.to_numpy()]
    assert np.isnan(estimator.predict_rolling(front, origins=[20])).all()
    assert np.isfinite(estimator.predict_rolling(front, origins=[21])).all()


@every_strategy
def test_constant_series_are_continued(strategy):
    y = pd.DataFrame({"a": np.full(72, 7.25), "b": Y.to_numpy()}, MONTHS)
    predicted = forecaster(strategy=strategy).fit(y, fh=[1, 2]).predict()
    assert predicted["a"].tolist() == [7.25, 7.25]
    alone = forecaster(strategy=strategy).fit(y[["a"]], fh=[1, 2])
    assert alone.predict()["a"].tolist() == [7.25, 7.25]
    assert (alone.predict_interval() == 7.25).all(axis=None)


@every_strategy
def test_a_series_that_begins_to_move_in_its_held_out_part(strategy):
    y = np.r_[np.zeros(60), 5 * np.sin(np.arange(20))]
    estimator = forecaster(strategy=strategy).fit(y, fh=[1, 2])
    assert np.abs(estimator.predict()).max() < 20
    assert np.isfinite(estimator.predict_interval()).all(axis=None)
