"""Weights of series in fit and score of classifier and regressor, and on their way there."""

import numpy as np
import pytest
import sklearn
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_validate

from simmtm_sk import SimMTMClassifier, SimMTMRegressor
from simmtm_sk.training.strategies import STRATEGIES
from tests.blobs import same
from tests.small import X as SERIES
from tests.small import small

X = np.concatenate([SERIES, SERIES[:, ::-1] + 1])
LABELS = np.where(X[:, 0, -1] > np.median(X[:, 0, -1]), "high", "low")
NUMBERS = X[:, 0].std(1)
WEIGHTS = np.linspace(0.5, 1.5, len(X))
SETTINGS = {"num_epochs": 2, "random_state": 0}

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def classifier(**params):
    return SimMTMClassifier(**{"transformer": small(), **SETTINGS, **params})


def regressor(**params):
    return SimMTMRegressor(**{"transformer": small(), **SETTINGS, **params})


both = pytest.mark.parametrize(("estimator", "y"), [(classifier, LABELS), (regressor, NUMBERS)])


@both
@every_strategy
def test_weights_count_in_every_strategy_and_their_unit_does_not(estimator, y, strategy):
    plain, even, uneven, doubled = (
        estimator(strategy=strategy).fit(X, y, sample_weight=weights).head_
        for weights in (None, np.ones(len(X)), WEIGHTS, 2 * WEIGHTS)
    )
    assert same(plain, even)
    assert not same(plain, uneven)
    for name, value in vars(doubled).items():
        np.testing.assert_allclose(value, getattr(uneven, name), rtol=1e-4, atol=1e-5)


@both
@every_strategy
def test_series_of_weight_zero_take_part_in_pretraining_only(estimator, y, strategy):
    """As much as if they had no label, whatever it was."""
    gone = np.arange(len(X)) % 5 == 0
    weights = np.where(gone, 0.0, WEIGHTS)
    fitted = estimator(strategy=strategy, **({"head": "ridge"} if y is LABELS else {}))
    fitted.fit(X, y, sample_weight=weights)
    unknown = y.astype(object)
    unknown[gone] = None if y is LABELS else np.nan
    other = estimator(strategy=strategy, **({"head": "ridge"} if y is LABELS else {}))
    other.fit(X, unknown if y is LABELS else unknown.astype(float), sample_weight=weights)
    assert same(fitted.head_, other.head_)


def test_class_weights_multiply():
    doubled = np.where(LABELS == "low", 2.0, 1.0) * WEIGHTS
    by_class = classifier(class_weight={"low": 2.0}).fit(X, LABELS, sample_weight=WEIGHTS)
    assert same(by_class.head_, classifier().fit(X, LABELS, sample_weight=doubled).head_)
    counts = {label: WEIGHTS[label == LABELS].sum() for label in ("low", "high")}
    even = WEIGHTS / np.vectorize(counts.get)(LABELS)
    balanced = classifier(class_weight="balanced").fit(X, LABELS, sample_weight=WEIGHTS)
    expected = classifier().fit(X, LABELS, sample_weight=even)
    np.testing.assert_allclose(balanced.head_.coef, expected.head_.coef, rtol=1e-6, atol=1e-9)


def test_weights_of_unlabelled_series_mean_nothing():
    some = np.where(np.arange(len(X)) % 3 == 0, None, LABELS)
    other = np.where(some == None, 7.0, WEIGHTS)  # noqa: E711
    heads = [classifier().fit(X, some, sample_weight=w).head_ for w in (WEIGHTS, other)]
    assert same(*heads)


@both
def test_scores_are_weighted(estimator, y):
    fitted = estimator().fit(X, y)
    rule = accuracy_score if y is LABELS else r2_score
    wrong = y[::-1]
    assert fitted.score(X, wrong, sample_weight=WEIGHTS) == pytest.approx(
        rule(wrong, fitted.predict(X), sample_weight=WEIGHTS)
    )
    assert fitted.score(X, wrong) == pytest.approx(rule(wrong, fitted.predict(X)))


@both
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(3), "shape"),
        (np.full(len(X), -1.0), "negative"),
        (np.full(len(X), np.nan), "NaN"),
        (np.zeros(len(X)), "zero for every series"),
    ],
)
def test_weights_that_cannot_work_are_refused_before_any_work(estimator, y, weights, message):
    unfitted = estimator(transformer=small(masking=lambda *_: pytest.fail("it has trained")))
    with pytest.raises(ValueError, match=message):
        unfitted.fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match=message):
        estimator().fit(X, y).score(X, y, sample_weight=weights)


def test_a_class_or_a_regression_without_any_weight():
    with pytest.raises(ValueError, match=r"no series of \['low'\] has a weight"):
        classifier().fit(X, LABELS, sample_weight=np.where(LABELS == "low", 0, 1))
    with pytest.raises(ValueError, match=r"no series of \['low'\] has a weight"):
        classifier(class_weight={"low": 0.0}).fit(X, LABELS)
    numbers, weights = NUMBERS.copy(), np.zeros(len(X))
    numbers[:4], weights[:4] = np.nan, 1
    with pytest.raises(ValueError, match="no series with a number"):
        regressor().fit(X, numbers, sample_weight=weights)


@both
def test_several_columns_of_y_have_no_weights(estimator, y):
    with pytest.raises(ValueError, match="several columns"):
        estimator().fit(X, np.column_stack([y, y]), sample_weight=WEIGHTS)


@both
def test_metadata_routing(estimator, y):
    expected = estimator().fit(X, y).predict(X)
    with sklearn.config_context(enable_metadata_routing=True):
        np.testing.assert_array_equal(estimator().fit(X, y).predict(X), expected)
        asking = estimator().set_fit_request(sample_weight=True)
        asking.set_score_request(sample_weight=True)
        grid = {"transformer__mask_ratio": [0.4]}
        search = GridSearchCV(asking, grid, cv=2, refit=True).fit(X, y, sample_weight=WEIGHTS)
        routed = cross_validate(asking, X, y, cv=2, params={"sample_weight": WEIGHTS})
        plain = cross_validate(estimator(), X, y, cv=2)
    best = estimator().set_params(transformer__mask_ratio=0.4).fit(X, y, sample_weight=WEIGHTS)
    assert same(search.best_estimator_.head_, best.head_)
    assert not np.array_equal(routed["test_score"], plain["test_score"])
