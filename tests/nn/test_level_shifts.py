import numpy as np
import pytest
import torch

from simmtm_sk.nn.level_shifts import LEAST_JUMP, level_shift

PERIOD = 12


def season(n=4, length=60, seed=0):
    draw = np.random.default_rng(seed)
    values = np.sin(2 * np.pi * np.arange(length) / PERIOD) + 0.1 * draw.normal(size=(n, length))
    return torch.as_tensor(values)


def found(values, usual=1.0, n_recent=PERIOD, period=PERIOD):
    return level_shift(values, torch.full((len(values),), usual).double(), n_recent, period)


@pytest.mark.parametrize("since", [1, 2, 7, PERIOD])
@pytest.mark.parametrize("size", [5.0, -8.0])
def test_a_shift_is_found_where_it_begins(since, size):
    values = season()
    values[:, -since:] += size
    shift = found(values)
    assert not shift[:, :-since].any()
    torch.testing.assert_close(
        shift[:, -since:], torch.full_like(shift[:, -since:], size), atol=0.6, rtol=0
    )


def test_without_a_season_it_is_measured_from_the_point_before():
    values = torch.zeros(1, 20, dtype=torch.float64)
    values[:, -3:] = torch.tensor([4.0, 6.0, 5.0])
    assert found(values, period=0)[0, -4:].tolist() == [0.0, 5.0, 5.0, 5.0]


def test_what_is_no_larger_than_usual_is_no_shift():
    values = season()
    values[:, -5:] += 5
    assert not found(values, usual=7.0).any()
    assert not found(season() / 10 * LEAST_JUMP, usual=0.0).any()


def test_what_does_not_stay_is_no_shift():
    values = season()
    values[:, -5] += 9
    assert not found(values).any()


def test_series_differ():
    values = season(2)
    values[0, -5:] += 6
    shift = found(values)
    assert shift[0].any()
    assert not shift[1].any()


@pytest.mark.parametrize("length", [1, 2, PERIOD, PERIOD + 1])
def test_short_contexts(length):
    assert found(season(length=60)[:, :length]).shape == (4, length)
