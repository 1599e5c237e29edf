"""Baselines and ridges, against scikit-learn and by hand."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from simmtm_sk.nn.forecast import NORMALIZATIONS, seasonal_mean
from simmtm_sk.nn.ridge import PENALTIES, solve
from simmtm_sk.training import closed_form
from simmtm_sk.training.closed_form import (
    Baseline,
    ClosedForm,
    best_baseline,
    best_period,
    clearly_best,
    window_ridge,
)
from simmtm_sk.training.forecasting import held_out_error
from tests.training.forecasts import (
    PlainRidge,
    every_baseline,
    every_normalization,
    fit,
    forecast_model,
    network,
    outputs,
    seasons,
    task,
    with_baseline,
)

# -- baselines ------------------------------------------------------------------------------------


def test_the_last_value_unless_another_is_clearly_better():
    draw = np.random.default_rng(0)
    walks = [draw.normal(size=300).cumsum() for _ in range(2)]
    assert best_baseline(task(walks)) == Baseline("last")
    around_a_mean = [5 + draw.normal(size=300) for _ in range(2)]
    assert best_baseline(task(around_a_mean)) != Baseline("last")
    # nothing to choose on
    assert best_baseline(task(around_a_mean, fraction=0.0)) == Baseline("last")


def test_a_given_normalization_is_taken():
    draw = np.random.default_rng(0)
    given = task([draw.normal(size=300)])
    for name in NORMALIZATIONS:
        fitted = fit("linear-probe", given, name)
        assert fitted.choices["normalization"] == fitted.model.normalization == name
    best = best_baseline(given)
    assert asdict(best).items() <= fit("linear-probe", given, "auto").choices.items()


def test_a_season_is_all_that_few_windows_can_tell():
    """The period is repeated where windows are few, and no trend of these is taken for a rule."""
    draw = np.random.default_rng(0)
    time = np.arange(400)
    series = [np.sin(2 * np.pi * time / 6) + 0.5 * draw.normal(size=400) for _ in range(2)]
    for one in series:
        one[:60] += 0.05 * time[:60]
    given = task(series, 0.5, context_length=24)
    given = replace(given, train=given.train[given.windows.origin[given.train] < 56])
    best = best_baseline(given, ["last"])
    assert best == Baseline("last", 6, False)
    plain, chosen = (window_ridge(given, one)[1].sum() for one in (Baseline("last"), best))
    assert chosen < 0.8 * plain


def test_a_drift_is_used_where_it_lasts():
    draw = np.random.default_rng(0)
    series = [(1 + 0.3 * draw.normal(size=300)).cumsum() for _ in range(2)]
    given = task(series)
    with_drift, without = (
        window_ridge(given, Baseline("last", 0, drift))[1].sum() for drift in (True, False)
    )
    assert with_drift < without
    assert best_baseline(given, ["last"]) == Baseline("last")


@every_normalization
@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_the_best_period_by_hand(normalization, slope):
    series = [one + slope * np.arange(120) for one in seasons(n_series=1)]
    given = task(series, context_length=25, horizon=9)
    moments, _ = closed_form.training_moments(given, normalization)
    batch = given.batch(given.train, normalization)
    weight, errors = batch.weight(normalization), {}
    for period in range(1, 13):
        season = batch.context.window @ seasonal_mean(25, 9, period).T
        rest = (batch.target - season).numpy()
        rest = rest - np.average(rest, axis=0, weights=weight)
        errors[period] = np.average(rest**2, axis=0, weights=weight).sum()
    assert best_period(moments) == min(errors, key=errors.get) == 6


# -- the closed form ------------------------------------------------------------------------------


@every_baseline
@pytest.mark.parametrize("refit", [False, True])
def test_without_tokens_the_probe_is_the_plain_ridge(baseline, refit, monkeypatch):
    monkeypatch.setattr(closed_form, "TOKEN_SCALES", (0.0,))
    with_baseline(monkeypatch, baseline)
    given = task()
    fitted = fit("linear-probe", given, refit=refit)
    assert fitted.choices["token_scale"] == 0
    index = np.concatenate([given.train, given.held_out]) if refit else given.train
    expected = PlainRidge(given, baseline, fitted.choices["penalty"], index)
    window = given.batch(given.held_out, baseline.normalization).context.window
    got = outputs(fitted.model, given, given.held_out)
    np.testing.assert_allclose(got, expected.predict(window), atol=1e-5)
    assert (fitted.model.token_head.weight == 0).all()


def test_the_penalty_is_the_best_on_held_out_windows():
    given = task(seasons(noise=1.0))
    chosen = ClosedForm(forecast_model(), given, Baseline("last"), tokens=False).fit
    assert chosen.penalty == window_ridge(given, Baseline("last"))[0].penalty
    batch = given.batch(given.held_out, "last")
    weight = batch.weight("last").numpy()[:, None]
    errors = {}
    for penalty in PENALTIES:
        ridge = PlainRidge(given, Baseline("last"), penalty, given.train)
        forecast = ridge.predict(batch.context.window)
        errors[penalty] = (weight * (forecast - batch.target.numpy()) ** 2).sum()
    assert chosen.penalty == min(errors, key=errors.get)
    assert PENALTIES[0] < chosen.penalty < PENALTIES[-1]


@every_baseline
def test_heads_are_the_closed_form(baseline):
    """Standardised tokens and all: the model's forecast is that of the ridge on raw features."""
    given, normalization = task(), baseline.normalization
    model = forecast_model(normalization)
    closed = ClosedForm(model, given, baseline, tokens=True)
    fit_with_tokens = solve(closed.moments, 1e-3, closed.scales[1.0], closed.prior)
    closed.set_heads(fit_with_tokens)
    batch = given.batch(given.held_out, normalization)
    with torch.no_grad():
        tokens = model.tokens(batch.context.standard.float(), batch.context.observed)
    features = torch.cat([batch.context.window, tokens.double()], 1)
    expected = features @ fit_with_tokens.coef.T + fit_with_tokens.intercept
    torch.testing.assert_close(
        outputs(model, given, given.held_out), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("drift", [True, False])
def test_tokens_bring_no_drift_of_their_own(drift):
    """The mean of a token says nothing about a context, whatever is solved for without drift."""
    given, model = task(), forecast_model()
    closed = ClosedForm(model, given, Baseline("last", 0, drift), tokens=True)
    closed.set_heads(solve(closed.moments, 1e-3, closed.scales[1.0], closed.prior))
    drifts = model.window_head.bias.detach().abs().max() > 1e-3
    assert bool(drifts) is drift


def test_tokens_are_used_at_their_best_share_or_not_at_all(monkeypatch):
    given = task()
    errors = {}
    for share in closed_form.TOKEN_SCALES:
        monkeypatch.setattr(closed_form, "TOKEN_SCALES", (share,))
        fitted = fit("linear-probe", given)
        errors[share] = held_out_error(fitted.model, given, given.held_out)
    monkeypatch.undo()
    best = min(errors, key=errors.get)
    assert best > 0  # or the example would say nothing
    monkeypatch.setattr(closed_form, "clearly_best", lambda errors: next(iter(errors)))
    assert fit("linear-probe", given).choices["token_scale"] == 0
    monkeypatch.setattr(
        closed_form, "clearly_best", lambda blocks: min(blocks, key=lambda c: blocks[c].sum())
    )
    assert fit("linear-probe", given).choices["token_scale"] == best


def test_a_choice_must_be_better_by_a_margin_and_a_standard_error():
    plain = torch.full((4,), 10.0)
    gain = torch.tensor([1.0, 2.0, 1.0, 2.0])  # mean 1.5, standard error .289
    assert clearly_best({"plain": plain, "rich": plain - gain}) == "rich"
    assert clearly_best({"plain": plain, "rich": plain - gain + 1.22}) == "plain"
    assert clearly_best({"plain": plain, "rich": plain - gain + 1.20}) == "rich"
    # without any spread, the margin of 2 % decides
    assert clearly_best({"plain": plain, "rich": plain - 0.19}) == "plain"
    assert clearly_best({"plain": plain, "rich": plain - 0.21}) == "rich"
    # the best of several is what is compared with the first
    assert clearly_best({"plain": plain, "good": plain - gain, "better": plain - 3}) == "better"


def test_a_choice_needs_two_blocks_to_be_clear():
    errors = {"plain": torch.tensor([4.0]), "rich": torch.tensor([1.0])}
    assert clearly_best(errors) == "plain"


def test_a_network_in_a_probe_is_neither_copied_nor_changed():
    given, before = network(), network()
    fitted = fit("linear-probe", net=given)
    assert fitted.model.network is given
    assert fitted.history == []
    for a, b in zip(given.state_dict().values(), before.state_dict().values(), strict=True):
        assert torch.equal(a, b)
