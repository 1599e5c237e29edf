"""`SimMTMForecaster`: new time points, and forecasts from many origins."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sktime.forecasting.base import ForecastingHorizon

from tests.forecasters import (
    MONTHS,
    Y,
    assert_same,
    every_strategy,
    forecaster,
    numbers,
    panel,
    table,
    values,
)


@pytest.fixture(scope="module")
def fitted():
    return forecaster().fit(Y[:60], fh=[1, 2, 3])


# -- going on --------------------------------------------------------------------------------------


@every_strategy
def test_an_update_without_training_forecasts_from_the_new_points(strategy):
    estimator = forecaster(strategy=strategy).fit(table(50), fh=[1, 3])
    heads = copy.deepcopy(estimator.forecast_.state_dict())
    rolled = estimator.predict_rolling(table(), origins=[50, 57, 72])
    for k, (start, origin) in enumerate(((50, 50), (50, 57), (57, 72))):
        if origin > start:
            estimator.update(table()[start:origin], update_params=False)
        predicted = estimator.predict()
        np.testing.assert_allclose(rolled[k], predicted, rtol=1e-6)
        last = table()[:origin].index[-1]
        assert predicted.index.tolist() == [last + 1, last + 3]
    for name, value in estimator.forecast_.state_dict().items():
        assert torch.equal(value, heads[name])


def test_updates_of_a_panel():
    y = panel(lengths=(72, 72))
    at = y.index.get_level_values(1)
    estimator = forecaster().fit(y[at < MONTHS[60]], fh=[1, 2])
    expected = {}
    for name in "qp":
        single = forecaster().fit(y.loc[name][:60], fh=[1, 2])
        single.forecast_ = estimator.forecast_
        expected[name] = single.update(y.loc[name][60:], update_params=False).predict()
    estimator.update(y[at >= MONTHS[60]], update_params=False)
    predicted = estimator.predict()
    assert predicted.index.get_level_values(0).tolist() == ["q", "q", "p", "p"]
    for name in "qp":
        np.testing.assert_allclose(predicted.loc[name], expected[name], rtol=1e-6)


def test_intervals_stay_with_their_instances_in_an_update():
    """An interval's width is in units of the instance's own variation."""
    y = panel(names=("z", "a"), lengths=(72, 72))
    y.loc["z"] *= 1e4
    at = y.index.get_level_values(1)
    estimator = forecaster().fit(y[at < MONTHS[60]], fh=[1])
    before = np.diff(estimator.predict_interval(), axis=1).ravel()
    after = np.diff(
        estimator.update(y[at >= MONTHS[60]], update_params=False).predict_interval(), axis=1
    ).ravel()
    np.testing.assert_allclose(after / before, 1, atol=0.5)


def test_a_part_of_the_instances_may_go_on():
    y = panel(lengths=(72, 60))
    late = y.loc[["q"]][60:]
    early = y.drop(late.index)
    estimator = forecaster().fit(early, fh=[1])
    before = estimator.predict()
    predicted = estimator.update(late, update_params=False).predict()
    assert predicted.index.tolist() == [("q", MONTHS[-1] + 1), ("p", MONTHS[60])]
    np.testing.assert_array_equal(predicted.loc["p"], before.loc["p"])


@every_strategy
def test_an_update_with_training_changes_the_heads(strategy):
    estimator = forecaster(strategy=strategy).fit(Y[:50], fh=[1, 2])
    heads = copy.deepcopy(estimator.forecast_.state_dict())
    estimator.update(Y[50:])
    assert not torch.equal(estimator.forecast_.state_dict()["window_head.weight"], heads["window_head.weight"])  # fmt: skip # noqa: E501
    assert estimator.cutoff[0] == MONTHS[-1]
    if strategy == "linear-probe":  # the encoder is kept, and all else as if fitted at once
        given = FrozenEstimator(estimator.transformer_)
        expected = forecaster(transformer=given).fit(Y, fh=[1, 2])
        np.testing.assert_allclose(estimator.predict(), expected.predict(), rtol=1e-5)


def test_a_gap_before_an_update_is_missing_values():
    y = Y.copy()
    y[50:55] = np.nan
    estimator = forecaster().fit(Y[:50], fh=[1])
    expected = estimator.predict_rolling(y, origins=[72]).ravel()
    predicted = estimator.update(Y[55:], update_params=False).predict()
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)


@pytest.mark.parametrize("update_params", [False, True])
def test_containers_without_time_points_go_on_where_the_series_ended(update_params):
    y = table()
    expected = forecaster().fit(y[:60], fh=[1, 2]).update(y[60:], update_params=update_params)
    new = y[60:].to_numpy()
    for first in (y[:60], y[:60].to_numpy()):
        got = forecaster().fit(first, fh=[1, 2]).update(new, update_params=update_params)
        np.testing.assert_array_equal(got.predict(), expected.predict())
        np.testing.assert_array_equal(got.predict_interval(), expected.predict_interval())
    assert got.cutoff[0] == 71
    for new in (Y[60:].to_numpy(), Y[60:].tolist(), Y[60:].rename(None)):
        got = forecaster().fit(Y[:60], fh=[1, 2]).update(new, update_params=update_params)
        single = forecaster().fit(Y[:60], fh=[1, 2]).update(Y[60:], update_params=update_params)
        np.testing.assert_array_equal(np.ravel(got.predict()), single.predict())
        assert got.cutoff[0] == MONTHS[-1]
    both = np.stack([values(), values(seed=1)])[:, None]
    got = forecaster().fit(both[..., :60], fh=[1]).update(both[..., 60:], update_params=False)
    frames = [pd.DataFrame({"v": one}) for one in both[:, 0]]
    listed = forecaster().fit([frame[:60] for frame in frames], fh=[1])
    listed.update([frame[60:] for frame in frames], update_params=False)
    np.testing.assert_array_equal(np.ravel(got.predict()), numbers(listed.predict()))


def test_columns_in_another_order():
    y = table()
    one, other = (
        forecaster().fit(y[:60], fh=[1, 2]).update(new, update_params=False)
        for new in (y[60:], y[60:][["b", "a"]])
    )
    pd.testing.assert_frame_equal(one.predict(), other.predict())
    pd.testing.assert_frame_equal(one.predict_interval(), other.predict_interval())


UPDATES = {
    "infinity": (lambda: table()[60:] * np.inf, "infinity"),
    "text": (lambda: table()[60:].astype(str), "categorical"),
    "other columns": (lambda: table()[60:].rename(columns={"a": "x"}), "has the columns"),
    "a column less": (lambda: table()[60:][["a"]], "has the columns"),
    "a series": (lambda: table()["a"][60:], "has the columns"),
    "an array": (lambda: table()[60:].to_numpy()[:, :1], "has the columns"),
    "a panel": (lambda: pd.concat({"x": table()[60:]}, names=["id", "time"]), "index level"),
    "another frequency": (lambda: table()[60:].to_timestamp(), None),
    "irregular": (lambda: table().to_timestamp()[60:].iloc[[0, 1, 5]], None),
}


@pytest.mark.parametrize("update_params", [False, True])
@pytest.mark.parametrize(("new", "message"), UPDATES.values(), ids=UPDATES)
def test_an_update_that_fails_changes_nothing(new, message, update_params):
    estimator = forecaster().fit(table(60), fh=[1, 2])
    before = estimator.predict(), estimator.predict_interval(), estimator.cutoff
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.update(new(), update_params=update_params)
    assert_same(estimator.predict(), before[0])
    assert_same(estimator.predict_interval(), before[1])
    assert estimator.cutoff.equals(before[2])
    estimator.update(table()[60:], update_params=False)
    np.testing.assert_allclose(
        estimator.predict(), estimator.predict_rolling(table(), [72])[0], rtol=1e-6
    )


@pytest.mark.parametrize("names", ["r", "qr", "qpr"])
def test_new_instances_need_a_fit(names):
    estimator = forecaster().fit(panel(), fh=[1])
    before = estimator.predict()
    new = panel(names, (72,) * len(names)).groupby(level=0, sort=False).tail(5)
    with pytest.raises(ValueError, match="the instances that the forecaster was fitted on"):
        estimator.update(new)
    assert_same(estimator.predict(), before)


def test_an_absolute_horizon_that_is_past():
    horizon = ForecastingHorizon(MONTHS[60:66], is_relative=False)
    estimator = forecaster().fit(Y[:60], fh=horizon)
    before = estimator.predict()
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.update(Y[60:63])
    assert_same(estimator.predict(), before)
    estimator.update(Y[60:63], update_params=False)
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.predict()
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.predict_rolling(Y)


# -- from many origins -----------------------------------------------------------------------------


def test_rolling_over_all_origins():
    estimator = forecaster().fit(table(60), fh=[1, 3])
    rolled = estimator.predict_rolling(table())
    assert rolled.shape == (72 - 12 - 3 + 1, 2, 2)
    np.testing.assert_array_equal(rolled, estimator.predict_rolling(table(), np.arange(12, 70)))
    np.testing.assert_array_equal(rolled, estimator.predict_rolling(table().to_numpy()))
    assert estimator.cutoff[0] == MONTHS[59]
    # products of other sizes are rounded in another order on some processors
    np.testing.assert_allclose(estimator.predict_rolling(table(), 12), rolled[:1], rtol=1e-6)
    # also from less than a whole context
    assert np.isfinite(estimator.predict_rolling(table(), [1, 5])).all()
    assert estimator.predict_rolling(table(14)).shape == (0, 2, 2)


def test_rolling_only_looks_back(fitted):
    other = Y.copy()
    other[50:] = 0.0
    one, two = (fitted.predict_rolling(y, origins=range(1, 51)) for y in (Y, other))
    np.testing.assert_array_equal(one, two)


def test_rolling_on_what_does_not_fit(fitted):
    two = forecaster().fit(table(), fh=[1])
    for y, message in (
        (table(), r"y has 2 column\(s\), but the forecaster was fitted on 1"),
        (Y.replace(Y.iloc[3], np.inf), "infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.predict_rolling(y)
    with pytest.raises(ValueError, match=r"y has the columns \['b', 'x'\], .* \['a', 'b'\]"):
        two.predict_rolling(table()[["b", "a"]].rename(columns={"a": "x"}))
    np.testing.assert_array_equal(
        two.predict_rolling(table()[["b", "a"]]), two.predict_rolling(table())
    )
    for origins in ([0], [73], [-1, 5]):
        with pytest.raises(ValueError, match="origins must lie between 1 and 72"):
            fitted.predict_rolling(Y, origins)
    with pytest.raises(ValueError, match="single series"):
        forecaster().fit(panel(), fh=[1]).predict_rolling(Y)
    with pytest.raises(NotFittedError):
        forecaster().predict_rolling(Y)
