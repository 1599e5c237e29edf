import numpy as np
import pytest
import torch

from simmtm_sk.data.forecast_windows import ForecastWindows
from simmtm_sk.training.combination import fit_combination
from simmtm_sk.training.rollout import roll_out

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
    return made.predict(torch.as_tensor(context)[None], torch.tensor([number]))[0].numpy()


def test_weights_are_those_of_the_choices():
    fitted = fit([months()])
    weights = fitted.choices["weights"]
    assert list(weights) == ["1", "2", "3-4", "5-8", "9-12"]
    for steps, by_member in weights.items():
        start = int(steps.split("-")[0]) - 1
        np.testing.assert_allclose(
            list(by_member.values()), fitted.model.weights[:, start], atol=1e-4
        )


def test_a_season_is_continued():
    y = months(252, noise=0.0)
    made = fit([y[:240]]).model
    np.testing.assert_allclose(forecast(made, y[:240]), y[240:], atol=0.3)


def test_the_combination_is_better_than_its_members():
    """Of the members, none is clearly better on what follows, and most are worse."""
    series = [months(600, 1.5, seed) for seed in range(4)]
    made = fit([values[:300] for values in series]).model
    windows = ForecastWindows(series, made.context_length, HORIZON)
    place = np.flatnonzero(windows.origin >= 300)
    number = torch.as_tensor(windows.series[place])
    context = windows.contexts(windows.series[place], windows.origin[place])
    target = windows.targets(windows.series[place], windows.origin[place])
    combined = (made.predict(context, number) - target).square().mean()
    members = made.forecasts(context, number) * made.scale[number, None]
    members = (members + made.center[number, None] - target).square().mean((1, 2))
    assert combined < 1.03 * members.min()
    assert combined < members.median()


def test_residuals_are_as_wide_as_errors():
    """Of forecasts of what follows, in the same unit: nine in ten lie in the middle nine tenths."""
    series = [months(600, 1.5, seed) for seed in range(4)]
    fitted = fit([values[:300] for values in series])
    windows = ForecastWindows(series, fitted.model.context_length, HORIZON)
    place = np.flatnonzero(windows.origin >= 300)
    std, last = fitted.series_std[windows.series[place]], np.zeros(len(place))
    at = windows.series[place], windows.origin[place]
    rolled = roll_out(fitted.model, windows, *at, std, last)
    low, high = np.quantile(fitted.residuals.numpy(), [0.05, 0.95], axis=0)
    target = windows.targets(*at).numpy()
    inside = (target > rolled.values + low * rolled.unit) & (
        target < rolled.values + high * rolled.unit
    )
    assert 0.86 < inside.mean() < 0.94


def test_unit_and_level_do_not_matter():
    y = months()
    plain, scaled = fit([y]).model, fit([1e-3 * y - 70]).model
    np.testing.assert_allclose(
        forecast(scaled, 1e-3 * y - 70), 1e-3 * forecast(plain, y) - 70, rtol=1e-7, atol=1e-9
    )


def test_without_refit_the_held_out_part_is_not_fitted():
    y = months()
    changed = y.copy()
    changed[192:] *= 5
    for refit in (False, True):
        coefs = [fit([given], refit=refit).model.members[0].coef for given in (y, changed)]
        assert torch.equal(*coefs) != refit


@pytest.mark.parametrize("length", [1, 2, 5, 14, 20, 40])
def test_short_series(length):
    y = months(length)
    fitted = fit([y], look_back=8)
    assert np.isfinite(forecast(fitted.model, y)).all()
    assert fitted.residuals.shape[1] == HORIZON


def test_missing_values_and_unequal_lengths():
    series = [months(200), months(90, seed=1), months(20, seed=2), np.full(30, np.nan)]
    series[0][::7] = np.nan
    series[1][40:60] = np.nan
    fitted = fit(series)
    made = fitted.model
    assert not fitted.residuals.isnan().all(0).any()
    for number, values in enumerate(series):
        assert np.isfinite(forecast(made, values, number)).all()


def test_constant_series_are_continued():
    series = [np.full(100, 7.0), months()]
    made = fit(series).model
    np.testing.assert_allclose(forecast(made, series[0], 0), 7.0)
