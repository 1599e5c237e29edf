import numpy as np
import pytest
import torch

from simmtm_sk.training.combination import fit_combination

CPU = torch.device("cpu")
HORIZON = 12


def months(length=240, noise=0.5, seed=0):
    time = np.arange(length)
    return (
        10
        + 3 * np.sin(2 * np.pi * time / 12)
        + noise * np.random.default_rng(seed).normal(size=length)
    )


def fit(series, look_back=30, held_out=0.2, refit=True):
    return fit_combination(series, look_back, HORIZON, held_out, refit, CPU)


def forecast(made, values, number=0):
    context = np.full(made.context_length, np.nan)
    known = values[-made.context_length :]
    context[-len(known) :] = known
    return made(torch.as_tensor(context)[None], torch.tensor([number]))[0].numpy()


def test_weights_are_those_of_the_choices():
    made, _, choices = fit([months()])
    assert list(choices["weights"]) == ["1-1", "2-2", "3-4", "5-8", "9-12"]
    assert all(list(weights) == choices["members"] for weights in choices["weights"].values())
    for block, weights in choices["weights"].items():
        start = int(block.split("-")[0]) - 1
        np.testing.assert_allclose(list(weights.values()), made.weights[:, start], atol=1e-4)


def test_a_season_is_continued():
    y = months(252, noise=0.0)
    made, _, _ = fit([y[:240]])
    np.testing.assert_allclose(forecast(made, y[:240]), y[240:], atol=0.3)


def test_better_than_the_members_in_the_mean():
    """Of the members, none is much better, and most are worse."""
    made, rolling, _ = fit([months(480, 1.5, seed) for seed in range(4)])
    combined = torch.einsum("mh,mnh->nh", made.weights.float(), rolling.errors)
    squares = rolling.errors.square().mean((1, 2))
    assert combined.square().mean() < squares.median()
    assert combined.square().mean() < 1.02 * squares.min()


def test_unit_and_level_do_not_matter():
    y = months()
    plain, _, _ = fit([y])
    scaled, _, _ = fit([1e-3 * y - 70])
    np.testing.assert_allclose(
        forecast(scaled, 1e-3 * y - 70), 1e-3 * forecast(plain, y) - 70, rtol=1e-7, atol=1e-9
    )


def test_without_refit_the_held_out_part_is_not_fitted():
    y = months()
    changed = y.copy()
    changed[192:] *= 5
    for refit in (False, True):
        coefs = [fit([given], refit=refit)[0].members[0].coef for given in (y, changed)]
        assert torch.equal(*coefs) != refit


@pytest.mark.parametrize("length", [1, 2, 5, 14, 20, 40])
def test_short_series(length):
    y = months(length)
    made, _, _ = fit([y], look_back=8)
    assert np.isfinite(forecast(made, y)).all()


def test_missing_values_and_unequal_lengths():
    series = [months(200), months(90, seed=1), months(20, seed=2), np.full(30, np.nan)]
    series[0][::7] = np.nan
    series[1][40:60] = np.nan
    made, rolling, _ = fit(series)
    assert rolling.errors.isfinite().all()
    for number, values in enumerate(series):
        assert np.isfinite(forecast(made, values, number)).all()


def test_constant_series_are_continued():
    series = [np.full(100, 7.0), months()]
    made, _, _ = fit(series)
    np.testing.assert_allclose(forecast(made, series[0], 0), 7.0)
