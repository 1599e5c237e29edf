"""Classifier and regressor inside the tools of scikit-learn and of sktime."""

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import accuracy_score, mean_squared_error, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sktime.benchmarking.classification import ClassificationBenchmark
from sktime.classification.compose import ClassifierPipeline
from sktime.classification.model_selection import TSCGridSearchCV
from sktime.transformations.panel.interpolate import TSInterpolator

from simmtm_sk import SimMTMClassifier, SimMTMRegressor, save
from tests.classifiers import X_NEW, X, small, y, y_new

X_NEW, y_new = X_NEW[:10], y_new[:10]
numbers = X.std((1, 2))  # one for each series


def classifier(**params):
    given = {"transformer": small(), "head": "ridge", "num_epochs": 2, "random_state": 0}
    return SimMTMClassifier(**{**given, **params})


def regressor(**params):
    return SimMTMRegressor(transformer=small(), random_state=0).set_params(**params)


@pytest.fixture(scope="module")
def frozen():
    return FrozenEstimator(small(random_state=0).fit(X_NEW))


def multiindex(series):
    names = [f"s{i}" for i in range(len(series))]
    return pd.concat([pd.DataFrame(x.T) for x in series], keys=names, names=["id", "time"])


def split_scores(search):
    return [search.cv_results_[f"split{i}_test_score"].tolist() for i in range(2)]


# -- scikit-learn ---------------------------------------------------------------------------------

GRID = [
    {"transformer__mask_ratio": [0.2, 0.8]},
    {"transformer__encoder__d_model": [2], "strategy": ["linear-probe", "from-scratch"]},
]


@pytest.fixture(scope="module")
def searched():
    return GridSearchCV(classifier(), GRID, cv=2, error_score="raise").fit(X, y)


def test_grid_search_over_parameters_of_the_transformer(searched):
    assert len(searched.cv_results_["params"]) == 4
    for i, params in enumerate(searched.cv_results_["params"]):
        by_hand = cross_val_score(classifier().set_params(**params), X, y, cv=2)
        assert [scores[i] for scores in split_scores(searched)] == by_hand.tolist()
    best = clone(classifier()).set_params(**searched.best_params_).fit(X, y)
    np.testing.assert_array_equal(searched.predict_proba(X_NEW), best.predict_proba(X_NEW))


@pytest.mark.slow  # two worker processes import everything first
def test_grid_search_in_two_processes(searched):
    parallel = GridSearchCV(classifier(), GRID, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert split_scores(parallel) == split_scores(searched)
    np.testing.assert_array_equal(parallel.predict_proba(X_NEW), searched.predict_proba(X_NEW))


@pytest.mark.parametrize("estimator", [classifier(), regressor()], ids=["classifier", "regressor"])
def test_cross_validation_equals_folds_by_hand(estimator):
    target = y if isinstance(estimator, SimMTMClassifier) else numbers
    folds = list(KFold(3).split(X))
    predicted = cross_val_predict(estimator, X, target, cv=folds)
    scores = cross_val_score(estimator, X, target, cv=folds, error_score="raise")
    for score, (train, test) in zip(scores, folds, strict=True):
        by_hand = clone(estimator).fit(X[train], target[train])
        assert by_hand.score(X[test], target[test]) == score
        np.testing.assert_array_equal(by_hand.predict(X[test]), predicted[test])


def test_probabilities_for_a_scorer():
    scores = cross_val_score(classifier(), X, y, cv=2, scoring="roc_auc", error_score="raise")
    halves = list(StratifiedKFold(2).split(X, y))
    for score, (train, test) in zip(scores, halves, strict=True):
        second = classifier().fit(X[train], y[train]).predict_proba(X[test])[:, 1]
        assert roc_auc_score(y[test], second) == score
    losses = cross_val_score(classifier(), X, y, cv=2, scoring="neg_log_loss", error_score="raise")
    assert (losses < 0).all()


def test_at_the_end_of_a_pipeline():
    steps = Pipeline([("flip", FunctionTransformer(np.negative)), ("clf", classifier())])
    by_hand = classifier().fit(-X, y)
    np.testing.assert_array_equal(
        steps.fit(X, y).predict_proba(X_NEW), by_hand.predict_proba(-X_NEW)
    )
    assert steps.score(X_NEW, y_new) == by_hand.score(-X_NEW, y_new)
    assert steps.classes_.tolist() == ["a", "b"]
    steps = make_pipeline(FunctionTransformer(np.negative), regressor()).fit(X, numbers)
    np.testing.assert_array_equal(
        steps.predict(X_NEW), regressor().fit(-X, numbers).predict(-X_NEW)
    )


def test_calibration():
    calibrated = CalibratedClassifierCV(classifier(), cv=2, ensemble=True).fit(X, y)
    probabilities = calibrated.predict_proba(X_NEW)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    halves = [pair.estimator for pair in calibrated.calibrated_classifiers_]
    assert [type(half) for half in halves] == [SimMTMClassifier] * 2


def test_voting():
    members = [("one", classifier()), ("two", classifier(random_state=1))]
    voting = VotingClassifier(members, voting="soft").fit(X, y)
    codes = (y == "b").astype(int)  # it hands numbers to its members
    by_hand = [clone(member).fit(X, codes).predict_proba(X_NEW) for _, member in members]
    np.testing.assert_allclose(voting.predict_proba(X_NEW), np.mean(by_hand, 0))
    members = [("one", regressor()), ("two", regressor(random_state=1))]
    voting = VotingRegressor(members).fit(X, numbers)
    by_hand = [clone(member).fit(X, numbers).predict(X_NEW) for _, member in members]
    np.testing.assert_allclose(voting.predict(X_NEW), np.mean(by_hand, 0))


def test_stacking():
    members = [("one", classifier()), ("two", classifier(random_state=1))]
    stack = StackingClassifier(members, LogisticRegression(), cv=2).fit(X, y)
    codes = (y == "b").astype(int)  # it hands numbers to its members
    by_hand = [clone(member).fit(X, codes).predict_proba(X_NEW)[:, 1] for _, member in members]
    np.testing.assert_array_equal(stack.transform(X_NEW), np.stack(by_hand, 1))
    assert set(stack.predict(X_NEW)) <= {"a", "b"}
    members = [("one", regressor()), ("two", regressor(random_state=1))]
    stack = StackingRegressor(members, RidgeCV(), cv=2).fit(X, numbers)
    by_hand = regressor().fit(X, numbers).predict(X_NEW)
    np.testing.assert_array_equal(stack.transform(X_NEW)[:, 0], by_hand)
    assert np.isfinite(stack.predict(X_NEW)).all()


# -- how often it is pre-trained ------------------------------------------------------------------


def test_every_fit_pretrains_once(pretrainings):
    GridSearchCV(classifier(), {"head": ["ridge"]}, cv=2, error_score="raise").fit(X, y)
    assert pretrainings() == 3  # two folds and the refit


def test_a_frozen_transformer_survives_every_tool(frozen, pretrainings):
    estimator = classifier(transformer=frozen)
    expected = clone(estimator).fit(X, y).predict_proba(X_NEW)
    weights = frozen.estimator.transform(X)
    again = clone(estimator).set_params(class_weight="balanced").fit(X, y)
    np.testing.assert_array_equal(again.transformer_.transform(X), weights)
    np.testing.assert_allclose(again.predict_proba(X_NEW), expected)  # the classes are balanced
    grid = {
        "strategy": ["linear-probe", "fine-tune", "probe-then-fine-tune"],
        "head": ["ridge"],
        "lr": [1e-3, 1e-2],
    }
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 6
    CalibratedClassifierCV(estimator, cv=2).fit(X, y)
    cross_val_score(regressor(transformer=frozen), X, numbers, cv=2, error_score="raise")
    TSCGridSearchCV(estimator, {"lr": [1e-2]}, cv=KFold(2), error_score="raise").fit(X, y)
    assert pretrainings() == 0
    np.testing.assert_array_equal(frozen.estimator.transform(X), weights)


def test_a_saved_transformer_in_a_search(tmp_path, pretrainings):
    encoder = small(masking="geometric", random_state=0).fit(X_NEW)
    path = save(encoder, tmp_path / "encoder")
    estimator = classifier(transformer=str(path))
    search = GridSearchCV(estimator, {"class_weight": [None, "balanced"]}, cv=2).fit(X, y)
    by_hand = classifier(transformer=FrozenEstimator(encoder)).fit(X, y)
    np.testing.assert_allclose(search.predict_proba(X_NEW), by_hand.predict_proba(X_NEW))


def test_the_transformers_memory_saves_pretrainings(tmp_path, pretrainings):
    """A grid over everything else pre-trains once per fold, and once for the refit."""
    grid = {"strategy": ["linear-probe", "fine-tune"], "lr": [1e-3, 1e-2]}
    cached = classifier(transformer=small(memory=Memory(tmp_path, verbose=0)))
    search = GridSearchCV(cached, grid, cv=2, error_score="raise").fit(X, y)
    assert pretrainings() == 3
    plain = GridSearchCV(classifier(), grid, cv=2, error_score="raise").fit(X, y)
    assert pretrainings() == 3 + 9
    assert split_scores(search) == split_scores(plain)
    np.testing.assert_array_equal(search.predict_proba(X_NEW), plain.predict_proba(X_NEW))


# -- sktime ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, multiindex], ids=["numpy3D", "pd-multiindex"])
def test_sktimes_grid_search(container):
    grid = {"transformer__mask_ratio": [0.2, 0.8]}
    search = TSCGridSearchCV(classifier(), grid, cv=KFold(2), error_score="raise")
    search.fit(container(X), y)
    by_hand = [
        cross_val_score(classifier(transformer=small(mask_ratio=r)), X, y, cv=KFold(2)).mean()
        for r in (0.2, 0.8)
    ]
    assert search.cv_results_["mean_test_score"].tolist() == pytest.approx(by_hand)
    assert search.predict(container(X_NEW)).shape == (10,)


def test_behind_an_interpolation():
    """Series of unequal length come to the classifier with ten points each."""
    steps = TSInterpolator(10) * classifier()
    assert isinstance(steps, ClassifierPipeline)
    lengths = 20 - np.arange(24) % 5
    series = [pd.DataFrame(x[:, :n].T) for x, n in zip(X, lengths, strict=True)]
    steps.fit(series, y)
    assert steps.classifier_.transformer_.length_ == 10
    new = [pd.DataFrame(x.T) for x in X_NEW]
    by_hand = TSInterpolator(10).fit(series)
    expected = classifier().fit(by_hand.transform(series), y)
    np.testing.assert_array_equal(
        steps.predict_proba(new), expected.predict_proba(by_hand.transform(new))
    )


def test_sktimes_benchmark(tmp_path):
    """It swallows exceptions; there must have been none."""

    def load_waves():
        return multiindex(X), y

    benchmark = ClassificationBenchmark()
    benchmark.add_estimator(classifier())
    benchmark.add_task(load_waves, KFold(2), [accuracy_score])
    results = benchmark.run(str(tmp_path / "results.csv"))
    assert benchmark.failed_experiments in ([], {}, None)
    mean = float(results.filter(regex="accuracy_score_mean").iloc[0, 0])
    assert mean == pytest.approx(cross_val_score(classifier(), X, y, cv=KFold(2)).mean())


def test_sktimes_parameters_and_tags():
    estimator = classifier()
    estimator.set_params(transformer__encoder__d_model=6, transformer__n_masks=3)
    fitted = estimator.fit(X, y).transformer_
    assert fitted.encoder.d_model == 6
    assert fitted.n_masks == 3
    assert estimator.get_fitted_params()["classes"].tolist() == ["a", "b"]
    assert mean_squared_error(numbers, regressor().fit(X, numbers).predict(X)) < numbers.var()
