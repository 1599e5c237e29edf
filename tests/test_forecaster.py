"""`SimMTMForecaster`: what its strategies learn, reproducibly."""

import random

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sktime.datasets import load_airline

from simmtm_sk import (
    SimMTMForecaster,
)
from tests.forecasters import (
    Y,
    every_strategy,
    forecaster,
    panel,
    same_weights,
    small,
    values,
)

# -- strategies ------------------------------------------------------------------------------------


@every_strategy
def test_every_strategy_learns_trend_and_season(strategy):
    estimator = forecaster(strategy=strategy, num_epochs=5).fit(Y[:60], fh=range(1, 13))
    error = np.abs(estimator.predict().to_numpy() - Y[60:].to_numpy()).mean()
    naive = np.abs(Y.iloc[59] - Y[60:].to_numpy()).mean()
    assert error < 0.4 * naive
    assert (estimator.context_length_, estimator.horizon_) == (12, 12)
    assert estimator.choices_["normalization"] in ("last", "mean", "standard")
    assert bool(estimator.history_) == (strategy != "linear-probe")


def test_the_encoder_is_that_of_the_training_part():
    """Pre-trained in fit, it has not seen the held-out part; given, it stays as it is."""
    other = Y.copy()
    other[60:] = values(12, 5, 3)
    one, two = (forecaster(validation_fraction=0.2).fit(y, fh=1) for y in (Y, other))
    assert same_weights(one.transformer_, two.transformer_)
    other[50:] = values(22, 5, 3)
    three = forecaster(validation_fraction=0.2).fit(other, fh=1)
    assert not same_weights(one.transformer_, three.transformer_)


def test_from_scratch_never_pretrains(pretrainings):
    estimator = forecaster(strategy="from-scratch").fit(Y, fh=[1, 2])
    assert pretrainings() == 0
    assert estimator.transformer_.num_epochs == 0
    expected = forecaster(strategy="fine-tune", transformer=small(num_epochs=0)).fit(Y, fh=[1, 2])
    np.testing.assert_array_equal(estimator.predict(), expected.predict())


def test_the_default_context_is_a_third_of_the_median_series():
    def context_length(y, fh):
        estimator = forecaster(context_length="auto").fit(y, fh=fh)
        return estimator.context_length_

    assert context_length(Y, [12]) == 20
    assert context_length(panel(), [1, 3]) == 23
    assert context_length(panel("abc", (12, 60, 72)), [1, 3]) == 19
    assert context_length(Y[:14], [1]) == 8
    assert context_length(pd.Series(values(1100)), [2]) == 336


def test_airline():
    """Better than last year's values, in a moment, with defaults."""
    y = load_airline()
    estimator = SimMTMForecaster(strategy="linear-probe", random_state=0)
    predicted = estimator.fit(y[:132], fh=range(1, 13)).predict()
    assert np.abs(predicted - y[132:]).mean() < np.abs(y[120:132].to_numpy() - y[132:]).mean()


def test_every_record_is_printed_when_asked_for(capsys):
    forecaster(strategy="fine-tune", num_epochs=3).fit(Y, fh=1)
    assert capsys.readouterr().out == ""
    estimator = forecaster(strategy="fine-tune", num_epochs=3, verbose=1).fit(Y, fh=1)
    lines = capsys.readouterr().out.splitlines()
    assert sum("fine-tuning" in line for line in lines) == len(estimator.history_)


# -- reproducible ----------------------------------------------------------------------------------


@every_strategy
def test_the_same_random_state_gives_the_same_bits(strategy):
    expected = forecaster(strategy=strategy).fit(Y, fh=[1, 2])
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(9)
    random.seed(5)
    state = random.getstate()
    again = clone(expected).fit(Y, fh=[1, 2])
    np.testing.assert_array_equal(again.predict(), expected.predict())
    np.testing.assert_array_equal(again.predict_interval(), expected.predict_interval())
    assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    assert torch.initial_seed() == 9
    assert random.getstate() == state
    again.fit(Y[10:], fh=1)
    np.testing.assert_array_equal(again.fit(Y, fh=[1, 2]).predict(), expected.predict())
    other = forecaster(strategy=strategy, random_state=1).fit(Y, fh=[1, 2])
    assert not same_weights(other.transformer_, expected.transformer_)
