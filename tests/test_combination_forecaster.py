"""The forecaster as a combination of simple forecasts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sktime.datasets import load_airline

from simmtm_sk import PatchEncoder, SimMTMForecaster, SimMTMTransformer, load
from tests.forecasters import small

MONTHS = np.arange(1, 13)


def forecaster(**params):
    return SimMTMForecaster(**{"random_state": 0, **params})


def hours(n_columns=2, length=400, seed=0):
    draw = np.random.default_rng(seed)
    index = pd.date_range("2024-01-01", periods=length, freq="h")
    day = np.sin(2 * np.pi * np.arange(length) / 24)
    values = (
        5 + day[:, None] * np.arange(1, n_columns + 1) + draw.normal(size=(length, n_columns)) / 3
    )
    return pd.DataFrame(values, index, [f"c{number}" for number in range(n_columns)])


def test_airline_is_forecast_better_than_by_the_last_year():
    y = load_airline()
    forecast = forecaster().fit(y[:132], fh=MONTHS).predict()
    last_year = y[120:132].to_numpy()
    assert np.abs(forecast - y[132:]).mean() < 0.6 * np.abs(last_year - y[132:]).mean()


def test_choices_say_the_weights_by_step():
    fitted = forecaster().fit(hours(), fh=MONTHS)
    weights = fitted.choices_["weights"]
    assert list(weights) == ["1", "2", "3-4", "5-8", "9-12"]
    for by_member in weights.values():
        assert sum(by_member.values()) == pytest.approx(1, abs=1e-3)
    assert "profile of 24, memory 0.85" in weights["1"]


def test_rolling_forecasts_are_those_of_predict():
    y = hours()
    fitted = forecaster().fit(y[:360], fh=[1, 5])
    rolled = fitted.predict_rolling(y, [360, 372])
    np.testing.assert_allclose(rolled[0], fitted.predict(), rtol=1e-10)
    fitted.update(y[360:372], update_params=False)
    np.testing.assert_allclose(rolled[1], fitted.predict(), rtol=1e-10)


def test_saved_and_loaded(tmp_path):
    fitted = forecaster().fit(hours(), fh=MONTHS)
    again = load(fitted.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(again.predict(), fitted.predict())
    pd.testing.assert_frame_equal(again.predict_interval(), fitted.predict_interval())
    assert again.choices_ == fitted.choices_


def test_intervals_hold_the_values():
    y = hours(length=900)
    fitted = forecaster().fit(y[:500], fh=MONTHS)
    inside = []
    for start in range(500, 888, 24):
        fitted.update(y[:start], update_params=False)
        interval = fitted.predict_interval(coverage=0.8)
        for column in y:
            values = y[column].iloc[start : start + 12]
            inside.append(
                (values >= interval[column, 0.8, "lower"])
                & (values <= interval[column, 0.8, "upper"])
            )
    assert 0.74 < np.mean(inside) < 0.86


def test_panel_with_unequal_lengths_and_gaps():
    lengths = {"a": 300, "b": 120, "c": 15}
    frames = {name: hours(1, length, length) for name, length in lengths.items()}
    frames["a"].iloc[50:80] = np.nan
    y = pd.concat(frames, names=["id", "time"])
    forecast = forecaster().fit(y, fh=[1, 2, 24]).predict()
    assert forecast.shape == (9, 1)
    assert np.isfinite(forecast).all(axis=None)


def test_update_learns_from_the_new_points():
    y = hours()
    fitted = forecaster().fit(y[:300], fh=MONTHS).update(y[300:])
    pd.testing.assert_frame_equal(fitted.predict(), forecaster().fit(y, fh=MONTHS).predict())


@pytest.mark.parametrize("since", [1, 6, 24])
def test_after_a_level_shift_errors_are_little_larger(since):
    """Five standard deviations up, some hours before the origin."""
    y = hours(1, 900)
    fitted, size = forecaster().fit(y[:600], fh=range(1, 25)), 5 * y.std().item()
    plain, shifted = [], []
    for origin in range(620, 870, 20):
        moved = y.to_numpy().copy()
        moved[origin - since :] += size
        for values, errors in ((y.to_numpy(), plain), (moved, shifted)):
            forecast = fitted.predict_rolling(values[:origin], [origin])[0]
            errors.append(np.abs(forecast - values[origin : origin + 24]).mean())
    assert np.mean(shifted) < 2 * np.mean(plain)


def chaos(length=1_200):
    """The logistic map: the next value is a parabola of the last, and no line of any."""
    values = np.full(length, 0.3)
    for step in range(1, length):
        values[step] = 3.9 * values[step - 1] * (1 - values[step - 1])
    return values


def encoder():
    """An encoder that is as it was initialised."""
    patches = PatchEncoder(patch_length=2, d_model=16, n_layers=1, n_heads=1, d_feedforward=32)
    made = SimMTMTransformer(
        encoder=patches, masking="patch", num_epochs=0, projection_dim=4, random_state=0
    )
    return FrozenEstimator(made.fit(np.random.default_rng(0).normal(size=(20, 1, 8))))


def test_encoder_counts_where_it_is_of_use(tmp_path):
    y = chaos()
    fitted = forecaster(transformer=encoder(), context_length=8).fit(y[:1000], fh=[1])
    assert fitted.choices_["weights"]["1"]["encoder"] > 0.9
    assert fitted.transformer_.network_ is fitted.forecast_.encoder.network
    origins = np.arange(1000, 1200 - 1)
    squares = [
        np.square(made.predict_rolling(y, origins).ravel() - y[1000:-1]).mean()
        for made in (fitted, forecaster(context_length=8).fit(y[:1000], fh=[1]))
    ]
    assert squares[0] < 0.2 * squares[1]
    again = load(fitted.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict(), fitted.predict())
    assert again.choices_ == fitted.choices_


def test_encoder_does_no_harm_where_it_is_of_no_use():
    y = hours(length=900)
    origins = np.arange(600, 900 - 12)
    target = np.stack([y.to_numpy()[origin : origin + 12] for origin in origins])
    squares = [
        np.square(made.fit(y[:600], fh=MONTHS).predict_rolling(y, origins) - target).mean()
        for made in (forecaster(transformer=encoder()), forecaster())
    ]
    assert squares[0] < 1.01 * squares[1]


def test_closed_form_takes_no_encoder():
    y = chaos()
    made = forecaster(strategy="closed-form", transformer=encoder(), context_length=8)
    fitted = made.fit(y[:1000], fh=[1])
    without = forecaster(context_length=8).fit(y[:1000], fh=[1])
    np.testing.assert_array_equal(fitted.predict(), without.predict())
    assert not hasattr(fitted, "transformer_")


def test_an_encoder_is_trained_where_one_is_given(pretrainings):
    assert not hasattr(forecaster().fit(hours(), fh=MONTHS), "transformer_")
    given = small()
    fitted = forecaster(transformer=given).fit(hours(), fh=MONTHS)
    assert pretrainings() > 0
    assert not hasattr(given, "network_")
    assert fitted.transformer_.encoder.patch_length == given.encoder.patch_length


def test_no_chance():
    y = hours()
    first, second = (forecaster(random_state=seed).fit(y, fh=MONTHS).predict() for seed in (0, 1))
    pd.testing.assert_frame_equal(first, second)
