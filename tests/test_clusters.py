"""What runs elsewhere, or block by block, gives what one call in this process gives."""

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV, KFold
from sktime.classification.model_selection import TSCGridSearchCV

from tests.classifiers import X_NEW, X, classifier, small, y

GRID = {"transformer__mask_ratio": [0.3, 0.6], "transformer__temperature": [0.05, 0.5]}


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="dask[distributed] is not installed")
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


@pytest.mark.slow  # two worker processes import everything first
def test_a_grid_on_a_cluster_equals_one_in_this_process(client):
    here = searched(GridSearchCV)
    with joblib.parallel_config("dask"):
        there = searched(GridSearchCV)
    assert scores(there) == scores(here)
    assert there.best_params_ == here.best_params_
    np.testing.assert_array_equal(there.predict_proba(X_NEW), here.predict_proba(X_NEW))


@pytest.mark.slow
def test_sktimes_search_on_a_cluster(client):
    here, there = searched(TSCGridSearchCV), searched(TSCGridSearchCV, backend="dask")
    assert scores(there) == scores(here)
    np.testing.assert_array_equal(there.predict_proba(X_NEW), here.predict_proba(X_NEW))


# -- collections larger than memory ---------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return small(masking="geometric", pooling=("max", "std")).fit(X)


def test_a_dask_array_is_embedded_block_by_block_when_it_is_asked_for(fitted):
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    seen = []

    def embed(block):
        seen.append(len(block))
        return fitted.transform(block)

    n_features = fitted.transform(X[:1]).shape[1]
    blocks = array.from_array(np.concatenate([X, X_NEW]), chunks=(10, -1, -1))
    embedded = blocks.map_blocks(
        embed,
        drop_axis=[1, 2],
        new_axis=1,
        chunks=(blocks.chunks[0], (n_features,)),
        meta=np.empty((0, 0)),
    )
    assert embedded.shape == (36, n_features)
    assert seen == []
    some = embedded[:5].compute(scheduler="synchronous")
    assert seen == [10]  # the block that they are in
    np.testing.assert_allclose(some, fitted.transform(X[:5]), rtol=1e-10)
    whole = embedded.compute(scheduler="threads")
    np.testing.assert_allclose(whole, fitted.transform(np.concatenate([X, X_NEW])), rtol=1e-10)


def test_a_folder_of_parquet_files_is_embedded_file_by_file(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    tables = [pd.DataFrame(x[:, 0]).add_prefix("t") for x in (X, X_NEW)]
    fitted = small(masking="geometric", pooling=("max", "std")).fit(tables[0])
    for i, table in enumerate(tables):
        table.to_parquet(tmp_path / f"{i}.parquet")
    for file in sorted(tmp_path.glob("*.parquet")):
        np.save(file.with_suffix(".npy"), fitted.transform(pd.read_parquet(file)))
    parts = [np.load(file) for file in sorted(tmp_path.glob("*.npy"))]
    whole = fitted.transform(pd.concat(tables))
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-10)
