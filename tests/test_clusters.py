"""On a cluster of two worker processes searches find, and series become, what they do in one."""

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, KFold
from sktime.classification.model_selection import TSCGridSearchCV

from tests.classifiers import X_NEW, X, classifier, small, y

distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
pytestmark = pytest.mark.slow  # two worker processes import everything first

GRID = {"transformer__mask_ratio": [0.3, 0.6], "transformer__temperature": [0.05, 0.5]}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def searched(search, **params):
    estimator = classifier(transformer=small(masking="geometric", pooling=("max", "std")))
    return search(estimator, GRID, cv=KFold(2), error_score="raise", **params).fit(X, y)


def scores(search):
    return {name: v.tolist() for name, v in search.cv_results_.items() if "test_score" in name}


def test_a_grid_on_a_cluster_equals_one_in_this_process(client):
    here = searched(GridSearchCV)
    with joblib.parallel_config("dask"):
        there = searched(GridSearchCV)
    assert scores(there) == scores(here)
    assert there.best_params_ == here.best_params_
    np.testing.assert_array_equal(there.predict_proba(X_NEW), here.predict_proba(X_NEW))


def test_sktimes_search_on_a_cluster(client):
    here, there = searched(TSCGridSearchCV), searched(TSCGridSearchCV, backend="dask")
    assert scores(there) == scores(here)
    np.testing.assert_array_equal(there.predict_proba(X_NEW), here.predict_proba(X_NEW))
