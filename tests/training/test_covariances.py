import numpy as np
import pytest
import torch

from simmtm_sk.training.covariances import model_covariance, variogram


def padded(series):
    lengths = [len(values) for values in series]
    rows = np.full((len(series), max(lengths)), 1e6)  # what lies behind the end must not matter
    for row, values in zip(rows, series, strict=True):
        row[: len(values)] = values
    return torch.as_tensor(rows), torch.tensor(lengths)


def noise(length, seed=0):
    return np.random.default_rng(seed).normal(size=length)


def autoregression(length, coefficient, seed=0):
    values, steps = np.zeros(length), noise(length, seed) * np.sqrt(1 - coefficient**2)
    for t in range(1, length):
        values[t] = coefficient * values[t - 1] + steps[t]
    return values


@pytest.mark.parametrize("lengths", [(40, 25, 7), (1,), (2, 3), (60,)])
def test_variogram_by_pairs_of_points(lengths):
    series = [noise(n, n).cumsum() for n in lengths]
    found, n_pairs = variogram(*padded(series), 12)
    for lag in range(12):
        squares = [
            (values[t + lag] - values[t]) ** 2 / 2
            for values in series
            for t in range(len(values) - lag)
            if 0 < lag <= len(values) // 2
        ]
        assert n_pairs[lag] == len(squares)
        assert found[lag] == pytest.approx(np.mean(squares) if squares else 0.0, abs=1e-9)


@pytest.mark.parametrize("coefficient", [0.5, 0.9])
def test_an_autoregression_is_recovered(coefficient):
    """Up to a level that differences of points do not depend on."""
    series = [autoregression(5_000, coefficient, seed) for seed in range(8)]
    found = model_covariance(*padded(series), [], 30)
    np.testing.assert_allclose(found[0] - found, 1 - coefficient ** np.arange(30), atol=0.05)


def test_a_season_is_as_likely_again_after_every_period():
    season = np.sin(2 * np.pi * np.arange(2_000) / 20)
    found = model_covariance(*padded([season + 0.5 * noise(2_000)]), [20], 101)
    np.testing.assert_allclose(found[0] - found[[20, 40, 100]], 0.25, atol=0.06)
    np.testing.assert_allclose(found[0] - found[[10, 30, 90]], 1.25, atol=0.06)


def test_the_week_of_a_daily_season_is_seen():
    time = np.arange(24 * 7 * 5)
    day = np.sin(2 * np.pi * time / 24) * (time // 24 % 7 < 5)
    found = model_covariance(*padded([day]), [24], 200)
    assert found[168] > found[[72, 96, 120, 144]].max() + 0.01


@pytest.mark.parametrize("periods", [[], [2], [5, 15]])
def test_windows_have_a_covariance_matrix(periods):
    """No combination of points has a negative variance."""
    found = model_covariance(*padded([noise(100).cumsum(), noise(80, 1)]), periods, 60).numpy()
    at = np.arange(60)
    assert np.linalg.eigvalsh(found[abs(at[:, None] - at)]).min() > -1e-9 * found[0]


@pytest.mark.parametrize("series", [[np.zeros(50)], [np.ones(1)], [np.full(9, 3.0), np.ones(4)]])
def test_constant_series_have_none(series):
    assert not model_covariance(*padded(series), [4], 20).any()


@pytest.mark.parametrize("periods", [[], [3]])
def test_waves_without_noise_have_one(periods):
    """Components are alike there, among which a solver may go in circles."""
    wave = np.abs(np.sin(np.arange(120.0)))
    for n_points in range(20, 121, 4):
        part = wave[:n_points]
        standard = (part - part.mean()) / part.std()
        found = model_covariance(*padded([standard]), periods, 41)
        assert found.isfinite().all()
        assert 0 < found[0] == found.abs().max()
