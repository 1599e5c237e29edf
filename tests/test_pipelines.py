"""The transformer inside the tools of scikit-learn and of sktime."""

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sktime.classification.model_selection import TSCGridSearchCV

from simmtm_sk import ConvEncoder, SimMTMTransformer
from tests.small import LEARNED
from tests.transformers import CountingMask


def waves(n, seed):
    """Two kinds of series that differ in their period, two channels."""
    draw = np.random.default_rng(seed)
    y = np.arange(n) % 2
    period = np.where(y, 7, 11)[:, None, None]
    X = np.sin(2 * np.pi * np.arange(30) / period + draw.uniform(0, 6, (n, 2, 1)))
    return X + 0.7 * draw.normal(size=X.shape), np.array(["a", "b"])[y]


X, y = waves(36, 0)
X_NEW, y_new = waves(20, 1)


def small(**params):
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "num_epochs": 1,
        "projection_dim": 4,
        "random_state": 0,
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def pipeline(**params):
    embed = small(pooling=LEARNED)
    return Pipeline([("embed", embed), ("clf", RidgeClassifierCV())], **params)


def multiindex(series):
    names = [f"s{i}" for i in range(len(series))]
    return pd.concat([pd.DataFrame(x.T) for x in series], keys=names, names=["id", "time"])


# -- scikit-learn ---------------------------------------------------------------------------------


GRID = [
    {"embed__mask_ratio": [0.3, 0.6]},
    {"embed__n_masks": [1, 3]},
    {"embed__temperature": [0.05, 0.5]},
    {"embed__constraint_weight": [0.0, "learned"]},
    {"embed__encoder__d_model": [2, 6]},
]


@pytest.fixture(scope="module")
def searched():
    return GridSearchCV(pipeline(), GRID, cv=2, error_score="raise").fit(X, y)


def test_grid_search_over_the_methods_parameters(searched):
    results = searched.cv_results_
    assert len(results["params"]) == 10
    # every candidate's score is what the same steps give by hand
    for params, *scores in zip(
        results["params"], results["split0_test_score"], results["split1_test_score"], strict=True
    ):
        by_hand = cross_val_score(pipeline().set_params(**params), X, y, cv=2)
        assert scores == by_hand.tolist()
    assert len({tuple(s) for s in zip(*scores_of(results), strict=True)}) > 1
    assert searched.predict(X_NEW).shape == (20,)


def scores_of(results):
    return [results[f"split{i}_test_score"] for i in range(2)]


@pytest.mark.slow  # two worker processes import everything first
def test_grid_search_in_two_processes(searched):
    parallel = GridSearchCV(pipeline(), GRID, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    for a, b in zip(scores_of(parallel.cv_results_), scores_of(searched.cv_results_), strict=True):
        np.testing.assert_array_equal(a, b)
    assert parallel.best_params_ == searched.best_params_
    a, b = (search.best_estimator_[0].transform(X_NEW) for search in (parallel, searched))
    np.testing.assert_array_equal(a, b)


def test_parameters_drawn_from_a_distribution():
    """They arrive as numpy's numbers, not Python's."""
    grid = {
        "embed__mask_ratio": np.linspace(0.2, 0.8, 3),
        "embed__n_masks": np.arange(1, 3),
        "embed__temperature": np.array([0.1, 0.3], np.float32),
        "embed__mask_length": np.array([2.0, 5.0]),
        "embed__num_epochs": np.array([1]),
        "embed__batch_size": np.array([16]),
        "embed__lr": np.array([1e-3]),
        "embed__max_length": np.array([20]),
    }
    search = RandomizedSearchCV(pipeline(), grid, n_iter=3, cv=2, random_state=0)
    search.set_params(error_score="raise").fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_unlabelled_search_with_the_own_score():
    search = GridSearchCV(small(), {"mask_ratio": [0.3, 0.6]}, cv=2, error_score="raise").fit(X)
    assert (search.cv_results_["mean_test_score"] <= 0).all()
    assert search.transform(X_NEW).shape[0] == 20


@pytest.mark.parametrize("as_frame", [False, True])
def test_cross_validation_equals_folds_by_hand(as_frame):
    table = pd.DataFrame(X[:, 0]).add_prefix("t") if as_frame else X
    folds = list(KFold(3).split(table))
    scores = cross_val_score(pipeline(), table, y, cv=folds, error_score="raise")
    for score, (train, test) in zip(scores, folds, strict=True):
        values = X[:, 0] if as_frame else X
        embed = small(pooling=LEARNED).fit(values[train])
        clf = RidgeClassifierCV().fit(embed.transform(values[train]), y[train])
        assert clf.score(embed.transform(values[test]), y[test]) == score


@pytest.mark.parametrize("on_the", ["pipeline", "transformer"])
def test_memory_saves_pretrainings(tmp_path, on_the):
    """A grid over the classifier alone pre-trains once per fold, and once for the refit."""
    memory = Memory(tmp_path, verbose=0)
    embed = small(masking=CountingMask(), validation_fraction=0.0, batch_size=99, metric_strength=0)
    if on_the == "transformer":
        embed.set_params(memory=memory)
        steps = make_pipeline(embed, StandardScaler(), LogisticRegression())
    else:
        steps = make_pipeline(embed, StandardScaler(), LogisticRegression(), memory=memory)
    grid = {"logisticregression__C": [0.1, 1.0, 10.0]}
    CountingMask.calls = 0
    search = GridSearchCV(steps, grid, cv=2, error_score="raise").fit(X, y)
    assert CountingMask.calls == 3  # one epoch of one batch each
    plain = clone(steps).set_params(simmtmtransformer__memory=None, memory=None)
    expected = GridSearchCV(plain, grid, cv=2).fit(X, y)
    for a, b in zip(scores_of(search.cv_results_), scores_of(expected.cv_results_), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_frozen_transformer_is_never_trained_again():
    embed = small(masking=CountingMask()).fit(X_NEW)
    expected = embed.transform(X)
    CountingMask.calls = 0
    steps = make_pipeline(FrozenEstimator(embed), LogisticRegression())
    search = GridSearchCV(steps, {"logisticregression__C": [0.1, 1.0]}, cv=2).fit(X, y)
    assert CountingMask.calls == 0
    np.testing.assert_array_equal(search.best_estimator_[0].transform(X), expected)


def test_feature_union():
    union = FeatureUnion([("one", small()), ("two", small(random_state=1, pooling=("max",)))])
    features = union.fit_transform(X)
    expected = [small().fit(X).transform(X), small(random_state=1).fit(X)]
    expected[1] = small(random_state=1, pooling=("max",)).fit(X).transform(X)
    np.testing.assert_array_equal(features, np.concatenate(expected, 1))
    assert len(union.get_feature_names_out()) == features.shape[1]


def test_pandas_output_through_a_pipeline():
    steps = make_pipeline(small(), StandardScaler()).set_output(transform="pandas")
    features = steps.fit_transform(X)
    assert features.columns.tolist() == steps[0].get_feature_names_out().tolist()
    np.testing.assert_allclose(features.mean(), 0, atol=1e-9)


# -- sktime ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [np.asarray, multiindex], ids=["numpy3D", "pd-multiindex"])
def test_a_classifier_behind_the_transformer(container):
    steps = small() * LogisticRegression()
    steps.fit(container(X), y)
    by_hand = small().fit(X)
    classifier = LogisticRegression().fit(by_hand.transform(X), y)
    predicted = steps.predict(container(X_NEW))
    assert len(predicted) == 20
    np.testing.assert_array_equal(predicted, classifier.predict(by_hand.transform(X_NEW)))
    np.testing.assert_allclose(
        steps.predict_proba(container(X_NEW)), classifier.predict_proba(by_hand.transform(X_NEW))
    )


@pytest.mark.parametrize("container", [np.asarray, multiindex], ids=["numpy3D", "pd-multiindex"])
def test_sktimes_grid_search(container):
    steps = small() * LogisticRegression()
    step = next(name for name in steps.get_params() if name.endswith("__mask_ratio"))
    search = TSCGridSearchCV(steps, {step: [0.3, 0.6]}, cv=KFold(2), error_score="raise")
    search.fit(container(X), y)
    assert search.predict(container(X_NEW)).shape == (20,)
    by_hand = cross_val_score(
        make_pipeline(small(mask_ratio=0.6), LogisticRegression()), X, y, cv=KFold(2)
    )
    assert search.cv_results_["mean_test_score"][1] == pytest.approx(by_hand.mean())
