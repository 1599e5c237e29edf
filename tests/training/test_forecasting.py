"""Fitting a forecast: the closed form, gradient steps, their mean, and errors that are left."""

import copy
import itertools
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge

from simmtm_sk import PatchEncoder
from simmtm_sk.data.windows import Windows
from simmtm_sk.nn.forecast import NORMALIZATIONS, Forecast, seasonal_mean
from simmtm_sk.nn.model import Objective, SimMTM
from simmtm_sk.nn.normalization import interpolated
from simmtm_sk.nn.ridge import PENALTIES, solve
from simmtm_sk.training import forecasting
from simmtm_sk.training.forecasting import (
    FEWEST_INDEPENDENT,
    FEWEST_TRAINED,
    N_BLOCKS,
    Baseline,
    ClosedForm,
    Task,
    best_baseline,
    best_period,
    clearly_best,
    error_unit,
    finetune_forecast,
    fit_forecast,
    held_out_error,
    independent_windows,
    network_share,
    pooled_errors,
    residuals,
    widening,
    window_ridge,
)
from simmtm_sk.training.loop import Plan

CONTEXT, HORIZON = 12, 4
ENCODER = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
STRATEGIES = ("linear-probe", "fine-tune", "probe-then-fine-tune", "from-scratch")
every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)


def seasons(n=120, n_series=2, noise=0.2, seed=0):
    draw = np.random.default_rng(seed)
    time = np.arange(n)
    return [
        10 * i + (1 + i) * (np.sin(2 * np.pi * time / (6 + i)) + noise * draw.normal(size=n))
        for i in range(n_series)
    ]


def task(series=None, fraction=0.25, context_length=CONTEXT, horizon=HORIZON):
    series = seasons() if series is None else series
    windows = Windows(series, context_length, horizon)
    spread = np.array([max(np.nanstd(one), 1e-9) for one in series])
    return Task(windows, spread, *windows.split(fraction))


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SimMTM(ENCODER.build(1, CONTEXT), 1, CONTEXT, 4, Objective(0.1, 0.1, 1.0)).eval()


def forecast_model(normalization="last", heads=True):
    made = Forecast(network(), CONTEXT, HORIZON, normalization, 0.1).eval()
    if heads:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            torch.nn.init.normal_(made.token_head.weight, std=0.1)
            torch.nn.init.normal_(made.token_head.bias, std=0.1)
    return made


def plan(**params):
    given = {"n_epochs": 2, "batch_size": 32, "lr": 1e-3, "weight_decay": 0.0, "seed": 0}
    return Plan(**{**given, **params})


def fit(strategy, given=None, normalization="last", refit=False, net=None, **params):
    return fit_forecast(
        task() if given is None else given,
        network() if net is None else net,
        strategy,
        normalization,
        refit,
        0.0,
        plan(**params),
    )


def outputs(model, given, index):
    with torch.no_grad():
        return model(given.batch(index, model.normalization).context).double()


# -- windows to learn from ------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_interpolated_equals_pandas(missing):
    draw = np.random.default_rng(0)
    values = np.where(draw.random((30, 9)) < missing, np.nan, draw.normal(size=(30, 9)))
    values[:, 4] = 1.0  # at least one value in each row
    expected = pd.DataFrame(values.T).interpolate(limit_direction="both").to_numpy().T
    given = torch.tensor(values)
    np.testing.assert_allclose(interpolated(given, ~given.isnan()), expected, atol=1e-12)
    nothing = torch.full((1, 3), torch.nan)
    assert (interpolated(nothing, ~nothing.isnan()) == 0).all()


@every_normalization
def test_targets_are_in_the_units_of_their_contexts(normalization):
    given = task()
    batch = given.batch(given.train, normalization)
    for k in (0, 17, len(given.train) - 1):
        i, t = given.windows.series[given.train[k]], given.windows.origin[given.train[k]]
        y = seasons()[i]
        context, target = y[t - CONTEXT : t], y[t : t + HORIZON]
        center = context[-1] if normalization == "last" else context.mean()
        np.testing.assert_allclose(batch.target[k], (target - center) / context.std())
        assert float(batch.relative[k]) == pytest.approx(context.std() / y.std())


def test_what_is_missing_or_without_a_unit_is_no_target():
    y = seasons(n_series=1)[0]
    y[20:40] = 3.0
    y[60] = np.nan
    given = task([y], fraction=0.0)
    batch = given.batch(given.train, "last")
    for k, t in enumerate(given.windows.origin[given.train]):
        constant = np.ptp(y[t - CONTEXT : t][~np.isnan(y[t - CONTEXT : t])]) == 0
        expected = ~np.isnan(y[t : t + HORIZON]) & ~constant
        assert batch.observed[k].tolist() == expected.tolist()
        if constant:
            assert (batch.filled_target()[k] == 0).all()
            assert batch.weight("last")[k] == batch.weight("standard")[k] == 0
    assert not batch.filled_target().isnan().any()


def test_gaps_in_targets_are_interpolated_from_the_last_value():
    y = np.arange(30.0) ** 2
    y[[16, 17, 21]] = np.nan
    given = task([y], fraction=0.0)
    (k,) = np.flatnonzero(given.windows.origin == 16)
    batch = given.batch(np.array([k]), "last")
    unit = y[4:16].std()
    straight = np.interp([16, 17, 18, 19], [15, 18, 19], [225, 324, 361])
    np.testing.assert_allclose(batch.filled_target()[0], (straight - 225) / unit)


def test_weights_of_errors():
    given = task([np.r_[seasons(n_series=1)[0], 1e-3 * seasons(n_series=1, seed=1)[0]]])
    batch = given.batch(given.train, "last")
    relative = batch.relative[:, 0]
    for name in ("last", "mean"):
        torch.testing.assert_close(batch.weight(name), relative**2)
    # in the unit of the context, so that all count alike, but for those that hardly vary
    weight = batch.weight("standard")
    assert (weight[relative > 0.2] == 1).all()
    assert (weight[relative < 0.01] < 0.02).all()
    assert (relative < 0.01).any()


def test_blocks_are_parts_of_the_time_of_each_series():
    given = task(seasons(100, 1) + seasons(60, 1), fraction=0.4)
    blocks = given.blocks(given.held_out)
    assert len(blocks) == N_BLOCKS
    assert sorted(np.concatenate(blocks)) == sorted(given.held_out)
    for i in (0, 1):
        parts = [given.windows.origin[b[given.windows.series[b] == i]] for b in blocks]
        for earlier, later in itertools.pairwise(parts):
            assert earlier.max() < later.min()
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    assert [len(b) for b in given.blocks(given.held_out[:2])] == [1, 1]


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
    moments, _ = forecasting._window_moments(given, normalization)
    batch = given.batch(given.train, normalization)
    weight, errors = batch.weight(normalization), {}
    for period in range(1, 13):
        season = batch.context.window @ seasonal_mean(25, 9, period).T
        rest = (batch.target - season).numpy()
        rest = rest - np.average(rest, axis=0, weights=weight)
        errors[period] = np.average(rest**2, axis=0, weights=weight).sum()
    assert best_period(moments) == min(errors, key=errors.get) == 6


# -- the closed form ------------------------------------------------------------------------------


class PlainRidge:
    """The ridge on the window alone, by scikit-learn."""

    def __init__(self, given, baseline, penalty, index):
        batch = given.batch(index, baseline.normalization)
        x, weight = batch.context.window.numpy(), batch.weight(baseline.normalization).numpy()
        self.start = np.zeros((given.windows.horizon, x.shape[1]))
        if baseline.period:
            self.start = seasonal_mean(x.shape[1], given.windows.horizon, baseline.period).numpy()
        center = np.average(x, axis=0, weights=weight) if baseline.drift else 0
        unit = np.average((x - center) ** 2, axis=0, weights=weight)
        penalty = penalty * unit[unit > 0].mean() * weight.sum()
        self.ridge = Ridge(penalty, fit_intercept=baseline.drift, solver="cholesky")
        self.ridge.fit(x, batch.target.numpy() - x @ self.start.T, sample_weight=weight)

    def predict(self, x):
        return self.ridge.predict(x) + np.asarray(x) @ self.start.T


BASELINES = (Baseline("last"), Baseline("mean", 6, False), Baseline("standard", 5, True))
every_baseline = pytest.mark.parametrize("baseline", BASELINES)


def with_baseline(monkeypatch, baseline):
    monkeypatch.setattr(forecasting, "best_baseline", lambda task, names: baseline)


@every_baseline
@pytest.mark.parametrize("refit", [False, True])
def test_without_tokens_the_probe_is_the_plain_ridge(baseline, refit, monkeypatch):
    monkeypatch.setattr(forecasting, "TOKEN_SCALES", (0.0,))
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
    for share in forecasting.TOKEN_SCALES:
        monkeypatch.setattr(forecasting, "TOKEN_SCALES", (share,))
        fitted = fit("linear-probe", given)
        errors[share] = held_out_error(fitted.model, given, given.held_out)
    monkeypatch.undo()
    best = min(errors, key=errors.get)
    assert best > 0  # or the example would say nothing
    monkeypatch.setattr(forecasting, "clearly_best", lambda errors: next(iter(errors)))
    assert fit("linear-probe", given).choices["token_scale"] == 0
    monkeypatch.setattr(
        forecasting, "clearly_best", lambda blocks: min(blocks, key=lambda c: blocks[c].sum())
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


@pytest.mark.parametrize("lr", [1e-9, 1e-2, 1.0])
def test_fine_tuning_a_probe_never_makes_it_worse(lr):
    given = task()
    probe, tuned = (fit(s, given, lr=lr, n_epochs=4) for s in STRATEGIES[:3:2])
    before, after = (held_out_error(f.model, given, given.held_out) for f in (probe, tuned))
    assert after <= before * (1 + 1e-6)
    assert tuned.choices == probe.choices


def test_a_probe_with_nothing_held_out_stays_as_it_is():
    given = task(fraction=0.0)
    probe, tuned = (fit(s, given, lr=0.01) for s in STRATEGIES[:3:2])
    assert tuned.history == []
    expected = outputs(probe.model, given, given.train)
    torch.testing.assert_close(outputs(tuned.model, given, given.train), expected)


@every_normalization
@pytest.mark.parametrize("share", [0.0, 0.25, 0.6, 1.0])
def test_the_mean_of_network_and_ridge_by_hand(normalization, share):
    given = task()
    model = forecast_model(normalization)
    ridge, start = window_ridge(given, Baseline(normalization))[0], seasonal_mean(12, 4, 6)
    forecasting._start_at(model, start)
    alone = outputs(model, given, given.held_out)
    window = given.batch(given.held_out, normalization).context.window
    linear = window @ ridge.coef.T + ridge.intercept
    forecasting._average(model, ridge, share, start)
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
        forecasting._start_at(mixed, start)
        forecasting._average(mixed, ridge, share, start)
        errors[share] = held_out_error(mixed, given, given.held_out)
    forecasting._start_at(model, start)
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
            patch.setattr(forecasting, "TOKEN_SCALES", (0.3,))
            patch.setattr("simmtm_sk.nn.ridge.PENALTIES", (0.1,))
            fitted.append(fit(strategy, given, n_epochs=1))
    for a, b in zip(*(f.model.state_dict().values() for f in fitted), strict=True):
        assert torch.equal(a, b)


# -- errors ---------------------------------------------------------------------------------------


@every_normalization
def test_residuals_are_errors_in_units_between_context_and_series(normalization):
    given = task()
    model = forecast_model(normalization)
    got, series = residuals(model, given)
    assert got.shape == (len(given.held_out), HORIZON)
    np.testing.assert_array_equal(series, given.windows.series[given.held_out])
    forecast = outputs(model, given, given.held_out)
    for k, number in enumerate(given.held_out):
        i, t = given.windows.series[number], given.windows.origin[number]
        y = seasons()[i]
        context = y[t - CONTEXT : t]
        center = context[-1] if normalization == "last" else context.mean()
        error = y[t : t + HORIZON] - (center + context.std() * forecast[k].numpy())
        unit = np.sqrt((context.std() ** 2 + y.std() ** 2) / 2)
        np.testing.assert_allclose(got[k], error / unit, rtol=1e-4, atol=1e-5)


def test_missing_targets_have_no_residual():
    y = seasons(n_series=1)[0]
    y[100:103] = np.nan
    given = task([y])
    got, _ = residuals(forecast_model(), given)
    missing = [np.isnan(y[t : t + HORIZON]) for t in given.windows.origin[given.held_out]]
    np.testing.assert_array_equal(got.isnan(), missing)


def test_errors_on_few_windows_count_as_larger():
    """Five origins with four steps are two windows that do not overlap, in each of two series."""
    given = task([np.arange(32.0) % 5] * 2)
    assert len(given.held_out) == 10
    assert widening(given) == pytest.approx((5 / 3) ** 0.5)
    fitted = fit("linear-probe", given)
    bare, _ = residuals(fitted.model, given)
    torch.testing.assert_close(fitted.residuals, pooled_errors(bare * (5 / 3) ** 0.5))


def test_errors_on_many_windows_are_taken_as_they_are():
    given = task(seasons(400))
    assert independent_windows(given) >= FEWEST_INDEPENDENT
    fitted = fit("linear-probe", given)
    bare, series = residuals(fitted.model, given)
    torch.testing.assert_close(fitted.residuals, bare * widening(given))
    np.testing.assert_array_equal(fitted.residual_series, series)


def test_pooled_errors_have_the_size_of_their_step_and_no_direction():
    errors = torch.tensor([[3.0, torch.nan, 5.0], [-3.0, 3.0, 4.0]])
    scale = [3, 3, np.sqrt((3 * 9 + 25 + 16) / 5)]
    got = pooled_errors(errors).numpy()
    relative = np.array([1, 5 / scale[2], -1, 1, 4 / scale[2]])
    np.testing.assert_allclose(got, np.r_[relative, -relative][:, None] * scale, rtol=1e-6)
    assert pooled_errors(torch.full((2, 3), torch.nan)).isnan().all()


def test_with_nothing_held_out_errors_are_those_of_the_last_value_in_both_directions():
    given = task([np.arange(60.0)], fraction=0.0)
    got, series = residuals(forecast_model(), given)
    assert len(got) == len(series) == 2 * len(given.train)
    torch.testing.assert_close(got.sort(0).values, (-got).sort(0).values)
    assert (got.abs() > 0).all()
    assert widening(given) == 1


@every_strategy
def test_next_to_no_windows_go_on_with_the_last_value(strategy):
    given = task([np.array([0.0, 0.1, 5.0, 4.0, 7.0, 9.0])], fraction=0.25, context_length=2)
    assert len(given.train) < FEWEST_TRAINED
    assert not len(given.held_out)
    fitted = fit(strategy, given, n_epochs=1)
    assert (outputs(fitted.model, given, given.train) == 0).all()


def test_the_unit_of_errors():
    relative = torch.tensor([0.0, 1.0, 7.0])
    np.testing.assert_allclose(error_unit(relative), [0.5**0.5, 1, 5])


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
