"""Forecasts by gradient steps, their mean with the ridge, and what must not break them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from simmtm_sk.nn.forecast import seasonal_mean
from simmtm_sk.training import closed_form, forecasting
from simmtm_sk.training.closed_form import Baseline, window_ridge
from simmtm_sk.training.forecasting import finetune_forecast, held_out_error, network_share
from simmtm_sk.training.task import Task
from tests.training.forecasts import (
    CONTEXT,
    HORIZON,
    PlainRidge,
    every_baseline,
    every_normalization,
    every_strategy,
    fit,
    forecast_model,
    network,
    outputs,
    plan,
    seasons,
    task,
    with_baseline,
)

PROBES = ("linear-probe", "probe-then-fine-tune")

# -- gradient steps -------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["fine-tune", "from-scratch", "probe-then-fine-tune"])
def test_a_network_that_is_trained_is_a_copy(strategy):
    given, before = network(), network()
    fitted = fit(strategy, net=given, lr=0.01, n_epochs=3)
    assert len(fitted.history) == 3
    for a, b in zip(given.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    if strategy != "probe-then-fine-tune":  # which may go back to its start
        trained = fitted.model.network.backbone.state_dict()
        assert any(
            not torch.equal(a, b)
            for a, b in zip(trained.values(), before.backbone.state_dict().values(), strict=True)
        )


@every_normalization
def test_steps_lower_the_error_that_is_chosen_by(normalization):
    """In the unit of each series: windows of small scale do not count as much as others."""
    series = [one * np.r_[np.full(60, 0.05), np.ones(60)] for one in seasons()]
    given, model = task(series), forecast_model(normalization)
    expected = held_out_error(model, given, given.train)
    still = plan(n_epochs=1, batch_size=len(given.train), lr=1e-12)
    model.dropout.p = 0.0
    history, _ = finetune_forecast(model, given, still)
    assert history[0]["train_total"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [nn.Dropout, nn.Dropout1d, nn.AlphaDropout])
def test_the_encoder_keeps_its_dropout(kind):
    """In training its modules have the probability of the head; afterwards their own again."""
    model, seen = forecast_model(), []
    model.network.backbone.blocks[0].dropout = dropout = kind(0.3)
    model.dropout.p = 0.2
    dropout.register_forward_pre_hook(lambda module, _: seen.append(module.p))
    finetune_forecast(model, task(), plan())
    assert set(seen) == {0.2}
    assert dropout.p == 0.3


@pytest.mark.parametrize("lr", [1e-9, 1e-2, 1.0])
def test_fine_tuning_a_probe_never_makes_it_worse(lr):
    given = task()
    probe, tuned = (fit(s, given, lr=lr, n_epochs=4) for s in PROBES)
    before, after = (held_out_error(f.model, given, given.held_out) for f in (probe, tuned))
    assert after <= before * (1 + 1e-6)
    assert tuned.choices == probe.choices


def test_a_probe_with_nothing_held_out_stays_as_it_is():
    given = task(fraction=0.0)
    probe, tuned = (fit(s, given, lr=0.01) for s in PROBES)
    assert tuned.history == []
    expected = outputs(probe.model, given, given.train)
    torch.testing.assert_close(outputs(tuned.model, given, given.train), expected)


@every_normalization
@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 1.0])
def test_the_mean_of_network_and_ridge_by_hand(normalization, share):
    given = task()
    model = forecast_model(normalization)
    ridge, start = window_ridge(given, Baseline(normalization))[0], seasonal_mean(12, 4, 6)
    forecasting.start_at(model, start)
    alone = outputs(model, given, given.held_out)
    window = given.batch(given.held_out, normalization).context.window
    linear = window @ ridge.coef.T + ridge.intercept
    forecasting.average(model, ridge, share, start)
    expected = share * alone + (1 - share) * linear
    torch.testing.assert_close(
        outputs(model, given, given.held_out), expected, rtol=1e-4, atol=1e-4
    )


def test_the_share_of_the_network_is_the_best_of_all():
    given = task()
    model = forecast_model()
    ridge, start = window_ridge(given, Baseline("last"))[0], seasonal_mean(CONTEXT, HORIZON, 1)
    errors = {}
    for share in forecasting.NETWORK_SHARES:
        mixed = copy.deepcopy(model)
        forecasting.start_at(mixed, start)
        forecasting.average(mixed, ridge, share, start)
        errors[share] = held_out_error(mixed, given, given.held_out)
    forecasting.start_at(model, start)
    assert network_share(model, given, ridge) == min(errors, key=errors.get)


@pytest.mark.parametrize("strategy", ["fine-tune", "from-scratch"])
@every_baseline
def test_the_mean_is_never_worse_than_the_ridge(baseline, strategy, monkeypatch):
    """On the windows that the share is chosen on; also if the network learns nothing useful."""
    given = task(seasons(noise=0.05))
    with_baseline(monkeypatch, baseline)
    for lr in (1e-9, 0.01):
        fitted = fit(strategy, given, lr=lr, n_epochs=4)
        batch = given.batch(given.held_out, baseline.normalization)
        ridge = PlainRidge(given, baseline, fitted.choices["penalty"], given.train)
        error = (ridge.predict(batch.context.window) - batch.target.numpy()) ** 2
        limit = (error.mean(1) * batch.weight("last").numpy()).mean()
        assert held_out_error(fitted.model, given, given.held_out) <= limit * (1 + 1e-5)


@every_strategy
def test_every_strategy_beats_repeating_the_last_value(strategy):
    given = task()
    fitted = fit(strategy, given, "auto", n_epochs=5)
    naive = forecast_model(heads=False)
    naive_error = held_out_error(naive, given, given.held_out)
    assert held_out_error(fitted.model, given, given.held_out) < 0.5 * naive_error


@pytest.mark.parametrize("strategy", ["linear-probe", "fine-tune", "from-scratch"])
def test_held_out_targets_are_not_trained_on(strategy):
    """With nothing left to choose, other values there change no weight."""
    series = seasons()
    other = [np.r_[y[:93], y[93:] * np.linspace(-1, 2, len(y) - 93)] for y in series]
    fitted = []
    for values in (series, other):
        given = task(values)
        given = Task(given.windows, np.ones(2), given.train, given.held_out)
        boundary = min(given.windows.origin[given.held_out])
        assert boundary == 90
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(forecasting, "NETWORK_SHARES", (0.5,))
            patch.setattr(closed_form, "TOKEN_SCALES", (0.3,))
            patch.setattr("simmtm_sk.nn.ridge.PENALTIES", (0.1,))
            fitted.append(fit(strategy, given, n_epochs=1))
    for a, b in zip(*(f.model.state_dict().values() for f in fitted), strict=True):
        assert torch.equal(a, b)


# -- what must not break it -----------------------------------------------------------------------


@every_strategy
@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_series_that_never_vary(strategy, fraction):
    fitted = fit(strategy, task([np.full(60, 3.0)], fraction), "auto")
    values = fitted.model.state_dict().values()
    assert all(value.isfinite().all() for value in values)
    assert fitted.residuals.isnan().all()


@every_strategy
def test_training_windows_that_never_vary(strategy):
    y = np.r_[np.zeros(90), seasons(n_series=1)[0][:40]]
    fitted = fit(strategy, task([y]), "auto")
    assert all(value.isfinite().all() for value in fitted.model.state_dict().values())


@every_strategy
def test_the_same_seed_gives_the_same_bits(strategy):
    results = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(results))
        state = torch.get_rng_state()
        results.append(fit(strategy, seed=seed, lr=0.01).model.state_dict())
        assert torch.equal(torch.get_rng_state(), state)
    for a, b in zip(results[0].values(), results[1].values(), strict=True):
        assert torch.equal(a, b)
