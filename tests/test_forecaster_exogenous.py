"""`SimMTMForecaster`: exogenous data that are known in advance."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk import load
from tests.forecasters import MONTHS, forecaster, numbers, small, table, values

X = pd.DataFrame(np.random.default_rng(0).normal(size=(72, 2)), MONTHS, ["x", "z"])
Y = pd.Series(values(), MONTHS, name="y") + 10 * X["x"]


def error(predicted, truth):
    return np.abs(np.ravel(predicted) - np.ravel(truth)).mean()


@pytest.mark.parametrize("strategy", ["linear-probe", "fine-tune", "combination"])
def test_known_effects_are_forecast(strategy):
    estimator = forecaster(strategy=strategy).fit(Y[:60], X=X[:60], fh=range(1, 13))
    without = forecaster(strategy=strategy).fit(Y[:60], fh=range(1, 13)).predict()
    predicted = estimator.predict(X=X[60:])
    assert error(predicted, Y[60:]) < 0.3 * error(without, Y[60:])
    assert estimator.covariate_coef_.shape == (1, 2)
    np.testing.assert_allclose(estimator.covariate_coef_, [[10, 0]], atol=0.3)
    assert not hasattr(estimator.fit(Y[:60], fh=1), "covariate_coef_")


def test_what_is_left_is_forecast_as_it_is():
    """Forecast and intervals are those of y without the effects, plus the effects to come."""
    estimator = forecaster(context_length=12).fit(Y[:60], X=X[:60], fh=[1, 5])
    effect = (X - X[:60].mean()) @ estimator.covariate_coef_[0]
    rest = forecaster(context_length=12).fit(Y[:60] - effect[:60], fh=[1, 5])
    to_come = effect.iloc[[60, 64]]
    np.testing.assert_allclose(estimator.predict(X=X[60:]), rest.predict() + to_come)
    np.testing.assert_allclose(
        estimator.predict_interval(X=X[60:]), rest.predict_interval().add(to_come, axis=0)
    )


def test_data_that_say_nothing_change_nothing():
    noise = pd.DataFrame(np.random.default_rng(9).normal(size=(72, 1)), MONTHS)
    y = pd.Series(values(), MONTHS)
    estimator = forecaster().fit(y[:60], X=noise[:60], fh=[1, 2])
    assert (estimator.covariate_coef_ == 0).all()
    expected = forecaster().fit(y[:60], fh=[1, 2])
    np.testing.assert_array_equal(estimator.predict(X=noise[60:]), expected.predict())


def both(n):
    """Two columns, two instances; effects of their own."""
    y = pd.concat({"p": table(n), "q": table(n)})
    x = pd.concat({"p": X[:n], "q": 2 * X[:n] + 1})
    y["a"] += 10 * x["x"]
    y["b"] -= 1e4 * x["z"]
    return y, x


def test_panels():
    (y, x), (whole, all_x) = both(60), both(72)
    estimator = forecaster().fit(y, X=x, fh=[1, 2])
    assert estimator.covariate_coef_.shape == (4, 2)
    np.testing.assert_allclose(estimator.covariate_coef_[::2], [[10, 0]] * 2, atol=0.5)
    late = all_x[all_x.index.get_level_values(1) > MONTHS[59]]
    predicted = estimator.predict(X=late)
    truth = whole.loc[predicted.index]
    assert ((predicted - truth).abs().mean() < 0.2 * truth.std()).all()


@pytest.mark.parametrize("update_params", [False, True])
def test_updates(update_params):
    estimator = forecaster().fit(Y[:50], X=X[:50], fh=[1, 2])
    array = forecaster().fit(Y[:50].to_numpy(), X=X[:50].to_numpy(), fh=[1, 2])
    estimator.update(Y[50:60], X=X[50:60], update_params=update_params)
    array.update(Y[50:60].to_numpy(), X=X[50:60].to_numpy(), update_params=update_params)
    predicted = estimator.predict(X=X[60:62])
    assert error(predicted, Y[60:62]) < 2
    np.testing.assert_allclose(numbers(array.predict(X=X[60:62].to_numpy())), predicted)
    rolled = estimator.predict_rolling(Y[:60], origins=[60], X=X[:62])
    np.testing.assert_allclose(rolled.ravel(), predicted, rtol=1e-6)


def test_round_trip(tmp_path):
    estimator = forecaster().fit(Y[:60], X=X[:60], fh=[1, 5])
    loaded = load(estimator.save(tmp_path / "model"), transformer=small())
    for update in (False, True):
        for one in (estimator, loaded):
            if update:
                one.update(Y[60:64], X=X[60:64])
        pd.testing.assert_series_equal(loaded.predict(X=X[60:]), estimator.predict(X=X[60:]))
    np.testing.assert_array_equal(loaded.covariate_coef_, estimator.covariate_coef_)


def test_what_lacks_is_named():
    estimator = forecaster().fit(Y[:60], X=X[:60], fh=[1, 5])
    with pytest.raises(ValueError, match="predict needs X at the time points of fh"):
        estimator.predict()
    with pytest.raises(ValueError, match="X has no row for 2005-05"):
        estimator.predict(X=X[60:64])
    with pytest.raises(ValueError, match=r"X has the columns \['x'\]"):
        estimator.predict(X=X[["x"]])
    with pytest.raises(ValueError, match="fit has had X, and update must have the same"):
        estimator.update(Y[60:])
    with pytest.raises(ValueError, match="X must have 2 column"):
        estimator.predict_rolling(Y)
    without = forecaster().fit(Y[:60], fh=[1])
    with pytest.warns(UserWarning, match="X is ignored, as fit has had none"):
        without.predict(X=X[60:])


@pytest.mark.parametrize("factor", [1e-290, 1e-30, 1e30, 1e300])
def test_units_mean_nothing(factor):
    plain = forecaster(strategy="closed-form").fit(Y[:60], X=X[:60], fh=[1, 5])
    scaled = forecaster(strategy="closed-form").fit(factor * Y[:60], X=X[:60], fh=[1, 5])
    both = forecaster(strategy="closed-form").fit(factor * Y[:60], X=factor * X[:60], fh=[1, 5])
    expected = plain.predict_interval(X=X[60:])
    for estimator, given in ((scaled, X), (both, factor * X)):
        interval = estimator.predict_interval(X=given[60:])
        np.testing.assert_allclose(interval / factor, expected, rtol=1e-9)


def test_intervals_hold_as_much_as_they_say():
    """Coefficients are learned from all that errors are taken from; that costs no coverage."""
    draw = np.random.default_rng(0)
    covered = []
    for _ in range(30):
        known = draw.normal(size=(162, 3))
        y = known.sum(1) + 3 * np.sin(np.arange(162) / 2) + draw.normal(size=162)
        estimator = forecaster(strategy="closed-form", context_length="auto")
        estimator.fit(pd.Series(y[:150]), X=pd.DataFrame(known[:150]), fh=range(1, 13))
        ahead = pd.DataFrame(known[150:], index=range(150, 162))
        lower, upper = estimator.predict_interval(X=ahead, coverage=0.8).to_numpy().T
        covered.append((lower <= y[150:]) & (y[150:] <= upper))
    assert 0.75 < np.mean(covered) < 0.9
