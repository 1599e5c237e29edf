import numpy as np
import pytest
import torch

from simmtm_sk.training.seasons import find_periods


def found(*series):
    lengths = [len(values) for values in series]
    padded = np.full((len(series), max(lengths)), 1e6)
    for row, values in zip(padded, series, strict=True):
        row[: len(values)] = (values - np.mean(values)) / np.std(values)
    return find_periods(torch.as_tensor(padded), torch.tensor(lengths))


def noise(length, seed=0):
    return np.random.default_rng(seed).normal(size=length)


@pytest.mark.parametrize("period", [4, 7, 12, 24, 52, 143])
def test_the_period_of_a_season(period):
    time = np.arange(12 * period)
    season = np.sin(2 * np.pi * time / period) + 0.5 * np.cos(4 * np.pi * time / period)
    assert found(season + 0.3 * noise(len(time))) == [period]


def test_a_trend_does_not_hide_the_season():
    time = np.arange(144)
    assert found(np.sin(2 * np.pi * time / 12) + 0.1 * time) == [12]


def test_a_week_beside_the_day():
    time = np.arange(24 * 7 * 12)
    working = (time // 24) % 7 < 5
    day = np.sin(2 * np.pi * time / 24) * np.where(working, 1, 0.4)
    assert found(day + 0.1 * noise(len(time))) == [24, 168]


def test_a_week_needs_to_be_seen_twice_and_a_day_three_times():
    time = np.arange(24 * 7 * 4 + 12)
    working = (time // 24) % 7 < 5
    day = np.sin(2 * np.pi * time / 24) * np.where(working, 1, 0.4)
    assert found(day + 0.1 * noise(len(time))) == [24, 168]
    assert found(day[: 24 * 7 * 4 - 12]) == [24]
    assert found(day[:120]) == []


def test_two_long_periods_whose_multiples_are_too_long():
    time = 2 * np.pi * np.arange(300)
    assert found(np.sin(time / 39) + 0.8 * np.sin(time / 26)) == [26]


@pytest.mark.parametrize("length", [30, 200, 2_000])
def test_noise_and_random_walks_have_none(length):
    for seed in range(5):
        assert found(noise(length, seed)) == []
        assert found(noise(length, seed).cumsum()) == []


def test_series_of_a_panel_agree():
    seasons = [np.sin(2 * np.pi * (np.arange(n) + n) / 10) + noise(n, n) for n in (60, 80, 100)]
    assert found(*seasons) == [10]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_short_series_have_none(length):
    rising = torch.arange(length, dtype=torch.float64)[None]
    assert find_periods(rising, torch.tensor([length])) == []


def test_constant_series_have_none():
    assert find_periods(torch.zeros(2, 50, dtype=torch.float64), torch.tensor([50, 40])) == []
