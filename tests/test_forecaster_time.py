"""`SimMTMForecaster`: containers, time points and missing values."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sktime.forecasting.base import ForecastingHorizon
from sktime.utils._testing.hierarchical import _make_hierarchical

from simmtm_sk import load
from simmtm_sk.training.strategies import STRATEGIES
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


@pytest.mark.parametrize("strategy", ["closed-form", *STRATEGIES])
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


def test_a_forecast_begins_with_the_last_value_observed():
    """Each column's own, as if the rest had not been there yet."""
    y = table()
    y.iloc[69:, 0] = np.nan
    estimator = forecaster().fit(table(66), fh=range(1, 7))
    rolled = estimator.predict_rolling(y, origins=[72, 69])
    # three steps later, the forecast of three months before is the one of now
    np.testing.assert_allclose(rolled[0, :3, 0], rolled[1, 3:, 0])
    whole = estimator.predict_rolling(table(), origins=[72])
    np.testing.assert_array_equal(rolled[0, :, 1], whole[0, :, 1])
    updated = estimator.update(y[66:], update_params=False).predict()
    np.testing.assert_allclose(updated, rolled[0], rtol=1e-6)


def test_a_season_is_forecast_over_missing_values():
    y = pd.Series(10 * np.sin(2 * np.pi * np.arange(84) / 12), pd.period_range("2000-01", periods=84, freq="M"))  # fmt: skip # noqa: E501
    for missing in (1, 6, 11):
        given = y[:72].copy()
        given[-missing:] = np.nan
        estimator = forecaster(context_length=24).fit(given, fh=range(1, 13))
        assert np.abs(estimator.predict() - y[72:]).max() < 0.5


def test_intervals_are_wider_where_values_are_missing():
    whole = forecaster().fit(Y, fh=[1, 4])
    y = Y.copy()
    y[-6:] = np.nan
    width = [
        np.diff(e.predict_interval(coverage=0.8), axis=1).ravel()
        for e in (whole, copy.deepcopy(whole).update(y[-6:], update_params=False))
    ]
    np.testing.assert_array_equal(width[0], width[1])  # known values stay
    late = copy.deepcopy(whole)
    later = pd.Series(np.nan, pd.period_range("2006-01", periods=6, freq="M"), name="y")
    late.update(later, update_params=False)
    assert (np.diff(late.predict_interval(coverage=0.8), axis=1).ravel() > width[0]).all()


def test_intervals_where_nothing_but_the_last_value_is_known():
    """The model is right to the last digit; what it does not see is as uncertain as the series."""
    y = pd.Series(np.sin(2 * np.pi * np.arange(400) / 12))
    covered = []
    for missing in range(100, 112):  # at every phase
        given = y[:160].copy()
        given[-missing:] = np.nan
        estimator = forecaster(strategy="closed-form", context_length=24).fit(
            given, fh=range(1, 13)
        )
        lower, upper = estimator.predict_interval(coverage=0.8).to_numpy().T
        covered.append((lower <= y[160:172]) & (y[160:172] <= upper))
    assert 0.7 < np.mean(covered) < 0.9
    constant = forecaster(strategy="closed-form", context_length=24)
    constant.fit(pd.Series([3.0] * 100 + [np.nan] * 40), fh=[1])
    assert constant.predict_interval().to_numpy().tolist() == [[3.0, 3.0]]


# -- calendars ------------------------------------------------------------------------------------

CALENDARS = {
    "holidays": pd.offsets.CustomBusinessDay(holidays=["2000-04-21", "2000-04-24", "2001-01-01"]),
    "Sunday to Thursday": pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue Wed Thu"),
    "business hours": pd.offsets.BusinessHour(start="10:00", end="18:00"),
    "half months": pd.offsets.SemiMonthEnd(),
    "the same day of every month": pd.DateOffset(months=1),
}


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
@pytest.mark.parametrize("freq", CALENDARS.values(), ids=CALENDARS)
def test_calendars(freq, zone, tmp_path):
    """In a series, a panel and a list, after updates and loading."""
    index = pd.date_range("2000-01-20 12:00", periods=100, freq=freq, tz=zone)
    series = pd.Series(values(100), index)
    parts = [pd.DataFrame({"v": values(100, seed=k)}, index) for k in range(2)]
    product = pd.MultiIndex.from_product([range(2), index])
    many = pd.DataFrame({"v": values(200)}, product)
    at = product.get_level_values(1)
    for first, more in (
        (series[:50], series[50:70]),
        ([part[:50] for part in parts], [part[50:70] for part in parts]),
        (many[at < index[50]], many[(at >= index[50]) & (at < index[70])]),
    ):
        estimator = forecaster().fit(first, fh=range(1, 21))
        loaded = load(estimator.save(tmp_path / "model"), transformer=small())
        for one in (estimator, loaded):
            assert times_of(one.predict()) == index[50:70].tolist()
            one.update(more, update_params=False)
            assert times_of(one.predict()) == index[70:90].tolist()
        absolute = ForecastingHorizon(index[[50, 61]], is_relative=False)
        assert times_of(forecaster().fit(first, fh=absolute).predict()) == index[[50, 61]].tolist()


def test_holidays_that_are_not_known_yet(tmp_path):
    """Nobody has listed whether there are any behind the last one: no date beyond it is right."""
    holidays = ["2023-12-25", "2024-01-01"]
    index = pd.bdate_range("2023-09-01", "2023-12-22", freq="C", holidays=holidays)
    y = pd.Series(values(len(index)), index)
    known = forecaster().fit(y, fh=range(1, 5))
    assert known.predict().index[-1] == pd.Timestamp("2023-12-29")
    with pytest.raises(ValueError, match=r"known up to 2024-01-01, .* reaches 2024-01-04"):
        forecaster().fit(y, fh=range(1, 8))
    with pytest.raises(ValueError, match=r"known up to 2024-01-01, .* reaches 2024-01-05"):
        forecaster().fit(y, fh=ForecastingHorizon(pd.DatetimeIndex(["2024-01-05"]), False))
    # on a Saturday, so no business day falls on it
    y.index.freq = pd.offsets.CustomBusinessDay(holidays=[*holidays, "2024-01-06"])
    later = forecaster().fit(y, fh=range(1, 8))
    for estimator in (later, load(later.save(tmp_path / "model"), transformer=small())):
        assert estimator.predict().index[-1] == pd.Timestamp("2024-01-04")


def times_of(forecast):
    """Time points of the first instance of any container."""
    if isinstance(forecast, list):
        forecast = forecast[0]
    if forecast.index.nlevels > 1:
        forecast = forecast.loc[0]
    return forecast.index.tolist()


def test_rows_in_any_order():
    expected = forecaster().fit(Y, fh=[1, 2]).predict()
    shuffled = Y.sample(frac=1, random_state=0)
    pd.testing.assert_series_equal(forecaster().fit(shuffled, fh=[1, 2]).predict(), expected)
    y = panel()
    by_time = y.sample(frac=1, random_state=0)
    by_time = pd.concat([by_time.loc[["q"]], by_time.loc[["p"]]])
    one, other = (forecaster().fit(given, fh=[1, 2]).predict() for given in (y, by_time))
    pd.testing.assert_frame_equal(one, other)
    with pytest.raises(ValueError, match=r"y has the time point 2000-04 more than once"):
        forecaster().fit(pd.concat([Y, Y[3:4]]), fh=1)


# -- parts of a panel -----------------------------------------------------------------------------


def test_one_short_series_does_no_harm_to_others():
    names, t = "abcdef", np.arange(324)
    index = pd.date_range("2024", periods=324, freq="h")
    truth = {
        name: 100 + np.where((t + 3 * k) % 24 < 8, 10.0, 0.0) + values(324, seed=k, period=99)
        for k, name in enumerate(names)
    }
    known = {name: pd.DataFrame({"v": v[:300]}, index[:300]) for name, v in truth.items()}

    def error(frames):
        predicted = forecaster(context_length="auto").fit(pd.concat(frames), fh=range(1, 25)).predict()  # fmt: skip # noqa: E501
        return np.mean([np.abs(predicted.loc[n, "v"] - v[300:]) for n, v in truth.items()])

    assert error({**known, "new": known["a"][-20:]}) < 1.1 * error(known)


# -- bounds ---------------------------------------------------------------------------------------


def test_bounds():
    counts = pd.Series(np.random.default_rng(0).poisson(0.4, 72).astype(float), MONTHS)
    free, bounded = (
        forecaster(lower=lower, upper=upper).fit(counts, fh=range(1, 7))
        for lower, upper in ((None, None), (0, 0.5))
    )
    for method in ("predict", "predict_interval", "predict_quantiles"):
        before, after = (getattr(e, method)() for e in (free, bounded))
        np.testing.assert_array_equal(after, before.clip(0, 0.5))
    assert (free.predict_interval().iloc[:, 0] < 0).any()
    rolled = bounded.predict_rolling(counts)
    np.testing.assert_array_equal(rolled, free.predict_rolling(counts).clip(0, 0.5))
    with pytest.raises(ValueError, match=r"lower must be less than upper, got lower=2"):
        forecaster(lower=2, upper=1).fit(counts, fh=1)
