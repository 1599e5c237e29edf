"""Small forecasting tasks, and the ridge by scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from simmtm_sk import PatchEncoder
from simmtm_sk.data.forecast_windows import ForecastWindows
from simmtm_sk.nn.forecast import NORMALIZATIONS, Forecast, seasonal_mean
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.objectives import SimMTMObjective
from simmtm_sk.training import forecasting
from simmtm_sk.training.closed_form import Baseline
from simmtm_sk.training.forecasting import fit_forecast
from simmtm_sk.training.plan import Plan
from simmtm_sk.training.strategies import STRATEGIES
from simmtm_sk.training.task import Task

CONTEXT, HORIZON = 12, 4
ENCODER = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
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
    windows = ForecastWindows(series, context_length, horizon)
    spread = np.array([max(np.nanstd(one), 1e-9) for one in series])
    return Task(windows, spread, *windows.split(fraction))


def network(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return SimMTM(ENCODER.build(1, CONTEXT), 1, 4, SimMTMObjective(0.1, 0.1, 1.0)).eval()


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
        STRATEGIES[strategy],
        normalization,
        refit,
        0.0,
        plan(**params),
    )


def outputs(model, given, index):
    with torch.no_grad():
        return model(given.batch(index, model.normalization).context).double()


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
    """Let a fit choose it."""
    monkeypatch.setattr(forecasting, "best_baseline", lambda task, names: baseline)
