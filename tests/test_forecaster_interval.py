"""`SimMTMForecaster`: intervals and quantiles."""

import copy
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simmtm_sk import (
    SimMTMForecaster,
)
from simmtm_sk.datasets import load_ett
from tests.forecasters import (
    every_strategy,
    forecaster,
    small,
    table,
)


@every_strategy
def test_quantiles_are_ordered_and_hold_the_forecast(strategy):
    estimator = forecaster(strategy=strategy, num_epochs=4).fit(table(), fh=[1, 2, 6])
    levels = [0.01, 0.1, 0.5, 0.9, 0.99]
    quantiles = estimator.predict_quantiles(alpha=levels)
    predicted = estimator.predict()
    assert quantiles.columns.tolist() == [(name, level) for name in "ab" for level in levels]
    for name in "ab":
        block = quantiles[name].to_numpy()
        assert (np.diff(block, axis=1) >= 0).all()
        assert ((block[:, 0] <= predicted[name]) & (predicted[name] <= block[:, -1])).all()
    interval = estimator.predict_interval(coverage=[0.5, 0.8, 0.98])
    for name in "ab":
        width = [
            (interval[name, c, "upper"] - interval[name, c, "lower"]).to_numpy()
            for c in (0.5, 0.8, 0.98)
        ]
        assert (np.diff(width, axis=0) >= 0).all()
        np.testing.assert_allclose(interval[name, 0.8, "upper"], quantiles[name, 0.9])


@pytest.mark.parametrize("gaps", [False, True])
def test_quantiles_are_those_of_errors_on_held_out_windows(gaps):
    """In a unit between the variation of the context and that of the training part."""
    y = table()
    if gaps:
        y.iloc[64:70, 0] = np.nan
    estimator = forecaster(validation_fraction=0.25).fit(y, fh=[1, 3])
    predicted, levels = estimator.predict(), [0.1, 0.6]
    quantiles = estimator.predict_quantiles(alpha=levels)
    for name in "ab":
        context, seen = y[name].to_numpy()[-12:], y[name].to_numpy()[:54]
        unit = np.sqrt((np.nanstd(context) ** 2 + np.nanstd(seen) ** 2) / 2)
        for k, step in enumerate((1, 3)):
            errors = estimator.residuals_[:, step - 1]
            errors = np.quantile(errors[np.isfinite(errors)], levels, method="weibull")
            expected = predicted[name].iloc[k] + unit * errors
            np.testing.assert_allclose(quantiles[name].iloc[k], expected)


def test_a_column_with_many_errors_has_intervals_of_its_own():
    """One column is far noisier in its held-out part than its past tells, the other is not."""
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(600, 2))
    noise[450:, 0] *= 10
    estimator = forecaster(validation_fraction=0.25).fit(pd.DataFrame(noise), fh=[1])
    lower, upper = estimator.predict_interval(coverage=0.8).to_numpy().reshape(2, 2).T
    assert (upper - lower)[0] > 3 * (upper - lower)[1]


def coverage(estimator, y, seen, origins, level=0.9):
    """Share of what follows the origins that lies in the intervals from there."""
    estimator = copy.deepcopy(estimator)
    steps = estimator.fh.to_numpy() - 1
    hits = []
    for origin in origins:
        if origin > seen:
            estimator.update(y[seen:origin], update_params=False)
            seen = origin
        bounds = estimator.predict_interval(coverage=level).to_numpy()
        bounds = bounds.reshape(len(steps), -1, 2)
        truth = y.to_numpy().reshape(len(y), -1)[origin + steps]
        hits.append((bounds[..., 0] <= truth) & (truth <= bounds[..., 1]))
    return np.mean(hits)


@pytest.mark.parametrize("strategy", ["linear-probe", "fine-tune"])
def test_intervals_cover_what_they_say(strategy):
    draw = np.random.default_rng(0)
    shocks = draw.normal(size=(900, 2))
    noise = np.zeros_like(shocks)
    for t in range(1, 900):
        noise[t] = 0.7 * noise[t - 1] + shocks[t]
    season = 5 * np.sin(2 * np.pi * np.arange(900) / 12)[:, None]
    y = pd.DataFrame((season + noise) * [1, 100], columns=["a", "b"])
    estimator = forecaster(strategy=strategy).fit(y[:700], fh=[1, 4, 12])
    for level in (0.9, 0.5):
        share = coverage(estimator, y, 700, range(700, 888, 3), level)
        assert level - 0.1 < share < level + 0.07


HOME = Path(
    os.environ.get("SIMMTM_DATA_HOME") or Path(__file__).resolve().parents[2] / "shared" / "data"
)


@pytest.mark.slow
@pytest.mark.skipif(not (HOME / "ETT/ETTh1.csv").is_file(), reason=f"there is no ETTh1 in {HOME}")
@pytest.mark.parametrize("context_length", [96, 336])
def test_intervals_cover_the_test_months_of_etth1(context_length):
    """A year of training, four months held out, and the four months after them."""
    bunch = load_ett("ETTh1", data_home=HOME)
    y = pd.DataFrame(bunch.data, bunch.index, bunch.feature_names)[: 20 * 30 * 24]
    estimator = SimMTMForecaster(
        transformer=small(num_epochs=0, random_state=0),
        strategy="linear-probe",
        context_length=context_length,
        validation_fraction=0.25,
        random_state=0,
    ).fit(y[: 16 * 30 * 24], fh=[1, 24, 96, 192])
    seen = 16 * 30 * 24
    share = coverage(estimator, y, seen, range(seen, 20 * 30 * 24 - 192, 61))
    assert 0.85 < share < 0.95
