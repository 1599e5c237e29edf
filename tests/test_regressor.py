"""`SimMTMRegressor`; what it shares with the classifier is tested there in detail."""

import copy
import json

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler

from simmtm_sk import SimMTMRegressor, save
from simmtm_sk.probing import regression_head
from simmtm_sk.training.strategies import STRATEGIES
from tests import classifiers
from tests.classifiers import same_weights
from tests.small import LEARNED

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def walks(n, seed):
    """Series whose target is the logarithm of their scale."""
    draw = np.random.default_rng(seed)
    y = draw.uniform(-1, 1, n)
    return np.exp(y)[:, None, None] * draw.normal(size=(n, 2, 20)), y


X, y = walks(30, 0)
X_NEW, y_new = walks(15, 1)


def small(**params):
    return classifiers.small(**{"pooling": LEARNED, **params})


def regressor(**params):
    given = {"transformer": small(), "num_epochs": 2, "lr": 0.01, "random_state": 0}
    return SimMTMRegressor(**{**given, **params})


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, y)


# -- the four strategies --------------------------------------------------------------------------


@every_strategy
def test_every_strategy_learns(strategy):
    estimator = regressor(strategy=strategy, num_epochs=40).fit(X, y)
    assert estimator.score(X_NEW, y_new) > 0.6
    predicted = estimator.predict(X_NEW)
    assert predicted.shape == (15,)
    assert predicted.dtype == np.float64
    embedding = estimator.transformer_.transform(X_NEW.astype(np.float32))
    np.testing.assert_allclose(predicted, estimator.head_.scores(embedding)[:, 0], atol=1e-4)


def test_the_linear_probe_is_the_transformer_and_a_ridge(fitted):
    by_hand = small(random_state=fitted.transformer_.random_state).fit(X)
    assert same_weights(fitted.transformer_, by_hand)
    head = regression_head(by_hand.transform(X.astype(np.float32)), y)
    expected = head.scores(by_hand.transform(X_NEW.astype(np.float32)))[:, 0]
    np.testing.assert_allclose(fitted.predict(X_NEW), expected, rtol=1e-4, atol=1e-5)
    assert fitted.history_ == []


def test_from_scratch_is_fine_tuning_without_pretraining(pretrainings):
    control = regressor(strategy="from-scratch", transformer=small(random_state=3)).fit(X, y)
    untrained = small(random_state=3, num_epochs=0)
    expected = regressor(strategy="fine-tune", transformer=untrained).fit(X, y)
    assert pretrainings() == 0
    np.testing.assert_array_equal(control.predict(X_NEW), expected.predict(X_NEW))
    regressor(strategy="fine-tune").fit(X, y)
    assert pretrainings() == 1


def test_fine_tuning_starts_at_the_probe_or_at_the_mean(fitted):
    """Whatever the units of the target; coordinates on the graph of neighbours are left out."""
    plain = small(neighborhood_weight=0.0)
    for unit, center in ((1.0, 0.0), (1e3, -5e4)):
        target = unit * y + center
        probe, other, without_opinion = (
            regressor(transformer=plain, strategy=strategy, lr=1e-9).fit(X, target).predict(X_NEW)
            for strategy in ("linear-probe", "probe-then-fine-tune", "fine-tune")
        )
        np.testing.assert_allclose(other, probe, atol=1e-3 * unit)
        np.testing.assert_allclose(without_opinion, target.mean(), atol=1e-3 * unit)


@every_strategy
def test_units_and_origin_of_the_target_mean_nothing(strategy):
    plain = regressor(strategy=strategy).fit(X, y)
    scaled = regressor(strategy=strategy).fit(X, 1e6 * y - 3e4)
    exact = strategy == "linear-probe"
    np.testing.assert_allclose(
        scaled.predict(X_NEW),
        1e6 * plain.predict(X_NEW) - 3e4,
        rtol=1e-7 if exact else 1e-3,
        atol=1e-3 if exact else 1e3,
    )


@every_strategy
def test_a_constant_target_is_predicted(strategy):
    with pytest.warns(UserWarning, match=r"single label seen in y, 7\.5"):
        estimator = regressor(strategy=strategy).fit(X, np.full(30, 7.5))
    np.testing.assert_allclose(estimator.predict(X_NEW), 7.5, atol=1e-6)


@every_strategy
def test_a_frozen_transformer_and_a_saved_one_are_the_same(strategy, tmp_path, pretrainings):
    given = small(random_state=0, masking="geometric").fit(X)
    before = copy.deepcopy(given)
    path = save(given, tmp_path / "encoder")
    results = [
        regressor(strategy=strategy, transformer=transformer).fit(X_NEW, y_new)
        for transformer in (FrozenEstimator(given), path, str(path))
    ]
    for one in results:
        np.testing.assert_array_equal(one.predict(X), results[0].predict(X))
        assert same_weights(one.transformer_, given) == (strategy == "linear-probe")
    assert same_weights(given, before)


# -- what comes in --------------------------------------------------------------------------------


@every_strategy
def test_series_without_a_number_take_part_in_pretraining_only(strategy):
    known = np.arange(30) % 3 > 0
    target = np.where(known, y, np.nan)
    estimator = regressor(strategy=strategy, transformer=small(random_state=0)).fit(X, target)
    frozen = FrozenEstimator(small(random_state=0).fit(X))
    if strategy != "from-scratch":
        by_hand = regressor(strategy=strategy, transformer=frozen).fit(X[known], y[known])
        np.testing.assert_array_equal(estimator.predict(X_NEW), by_hand.predict(X_NEW))
        other = np.where(known[:, None, None], X, X.cumsum(2))
        changed = regressor(strategy=strategy, transformer=small(random_state=0))
        assert not same_weights(changed.fit(other, target).transformer_, estimator.transformer_)
    assert np.isfinite(estimator.predict(X_NEW)).all()


def test_targets_of_any_type(fitted):
    whole = np.arange(30) % 7
    expected = regressor().fit(X, whole.astype(float)).predict(X_NEW)
    for target in (whole, whole.astype(np.float32), whole.astype(object), whole.tolist()):
        np.testing.assert_array_equal(regressor().fit(X, target).predict(X_NEW), expected)
    np.testing.assert_array_equal(
        regressor().fit(X, pd.Series(y)).predict(X_NEW), fitted.predict(X_NEW)
    )
    gaps = np.array([None if i % 5 == 0 else v for i, v in enumerate(y)], object)
    np.testing.assert_array_equal(
        regressor().fit(X, gaps).predict(X_NEW),
        regressor().fit(X, gaps.astype(float)).predict(X_NEW),
    )


def test_containers_agree(fitted):
    frames = [pd.DataFrame(x.T) for x in X]
    new = [pd.DataFrame(x.T) for x in X_NEW]
    for container in (list(X), frames, pd.concat(dict(enumerate(frames)), names=["id", "time"])):
        estimator = regressor().fit(container, y)
        np.testing.assert_array_equal(estimator.predict(new), fitted.predict(X_NEW))


@every_strategy
def test_missing_values_and_unequal_lengths(strategy):
    lengths = 20 - np.arange(30) % 5
    padded = np.where(np.arange(20) < lengths[:, None, None], X, np.nan)
    padded[::4, 0, 3:6] = np.nan
    series = [x[:, :n] for x, n in zip(padded, lengths, strict=True)]
    one, other = (regressor(strategy=strategy).fit(given, y) for given in (padded, series))
    np.testing.assert_array_equal(one.predict(X_NEW[..., :7]), other.predict(X_NEW[..., :7]))
    assert np.isfinite(one.predict(padded)).all()


# -- errors, before any work ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (y[:-1], "X has 30 series, but y has 29 labels"),
        (None, "X has 30 series, but y has no labels"),
        (np.full(30, np.nan), "y has no number"),
        (np.where(y > 0, y, np.inf), "y contains infinity"),
        (np.where(y > 0, y, -np.inf), "y contains infinity"),
        (np.where(y > 0, "high", "low"), "y must hold numbers"),
        (np.array([*y[:-1], "x"], object), "y must hold numbers"),
    ],
    ids=["too few", "None", "nan", "inf", "-inf", "text", "some text"],
)
def test_targets_that_cannot_work(target, message, pretrainings):
    with pytest.raises(ValueError, match=message):
        regressor().fit(X, target)
    assert pretrainings() == 0


@pytest.mark.parametrize(
    "params", [{"strategy": "linear"}, {"lr": 0.0}, {"num_epochs": 0}, {"transformer": 3}], ids=str
)
def test_parameters_that_cannot_work_are_named(params, pretrainings):
    (name,) = params
    with pytest.raises((ValueError, TypeError), match=name):
        regressor(**params).fit(X, y)
    assert pretrainings() == 0


def test_a_transformer_that_cannot_work(pretrainings):
    with pytest.raises(NotFittedError, match="SimMTMTransformer has not been fitted"):
        regressor(transformer=FrozenEstimator(small())).fit(X, y)
    with pytest.raises(TypeError, match=r"must hold a SimMTMTransformer; .* a StandardScaler"):
        regressor(transformer=FrozenEstimator(StandardScaler().fit(X[:, 0]))).fit(X, y)
    frozen = FrozenEstimator(small(num_epochs=0, random_state=0).fit(X))
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\), .* was fitted on 2"):
        regressor(transformer=frozen).fit(X[:, :1], y)
    assert pretrainings() == 0


def test_predict_on_other_channels_and_before_fit(fitted):
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\), .* fitted on 2"):
        fitted.predict(X_NEW[:, :1])
    with pytest.raises(NotFittedError, match="SimMTMRegressor has not been fitted"):
        regressor().predict(X_NEW)


# -- reproducible ---------------------------------------------------------------------------------


@every_strategy
def test_the_same_random_state_gives_the_same_bits(strategy):
    first = regressor(strategy=strategy, dropout=0.2).fit(X, y)
    expected = first.predict(X_NEW)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(9)
    np.testing.assert_array_equal(clone(first).fit(X, y).predict(X_NEW), expected)
    assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    assert torch.initial_seed() == 9
    np.testing.assert_array_equal(first.fit(X_NEW, y_new).fit(X, y).predict(X_NEW), expected)
    other = clone(first).set_params(random_state=1).fit(X, y)
    assert not np.array_equal(other.predict(X_NEW), expected)


def test_the_history_is_in_units_of_the_variance():
    settings = {"strategy": "fine-tune", "validation_fraction": 0.5, "lr": 1e-9}
    for unit in (1.0, 1e4):
        estimator = regressor(**settings, batch_size=15).fit(X, unit * y)
        assert json.loads(json.dumps(estimator.history_)) == estimator.history_
        record = estimator.history_[0]
        assert record["train_total"] == pytest.approx(1, abs=0.3)  # nothing learned: the mean
        assert record["valid_criterion"] == pytest.approx(1, abs=0.3)
