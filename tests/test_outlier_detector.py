"""Whole series that are not like the others."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score

from simmtm_sk import ArtifactError, SimMTMOutlierDetector, load
from tests.persistence.edited import edit
from tests.small import small
from tests.transformers import frames, multiindex, ragged

QUICK = {"num_epochs": 0, "pooling": ("filters", "scale")}


def waves(n_series, seed):
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, size=(n_series, 2, 1))
    return np.sin(phase + np.arange(40) / 3) + 0.1 * rng.normal(size=(n_series, 2, 40))


def detector(**params):
    return SimMTMOutlierDetector(transformer=small(**QUICK), random_state=0, **params)


@pytest.fixture(scope="module")
def fitted():
    return detector().fit(waves(60, seed=0))


def test_strange_series_score_lower(fitted):
    others = np.random.default_rng(1).normal(size=(20, 2, 40))
    X = np.concatenate([waves(20, seed=2), others])
    strange = np.arange(40) >= 20
    assert roc_auc_score(strange, -fitted.score_samples(X)) == 1
    assert (fitted.predict(others) == -1).all()
    assert (fitted.predict(X[:20]) == 1).mean() > 0.7


def test_a_score_is_minus_the_distance_to_the_nearest_other_series(fitted):
    seen, new = waves(60, seed=0), waves(10, seed=3)
    E, E_new = fitted.transformer_.transform(seen), fitted.transformer_.transform(new)
    expected = [-min(np.linalg.norm(e - other) for other in E) for e in E_new]
    np.testing.assert_allclose(fitted.score_samples(new), expected, rtol=1e-6)
    own = [-min(np.linalg.norm(E[i] - E[j]) for j in range(60) if j != i) for i in range(60)]
    np.testing.assert_allclose(fitted.score_samples(seen), own, rtol=1e-6)


def test_a_series_that_fit_has_seen_twice_is_near_another():
    X = waves(20, seed=0)
    X[7] = X[3]
    scores = detector().fit(X).score_samples(X)
    assert scores[3] > -1e-3 > np.delete(scores, [3, 7]).max()


@pytest.mark.parametrize("contamination", [0.05, 0.3])
def test_share_of_outliers_in_fit(contamination):
    X = waves(60, seed=0)
    fitted = detector(contamination=contamination).fit(X)
    decision = fitted.decision_function(X)
    assert (decision < 0).sum() == 60 * contamination
    np.testing.assert_array_equal(fitted.predict(X), np.where(decision < 0, -1, 1))
    np.testing.assert_allclose(decision, fitted.score_samples(X) - fitted.offset_)


def test_a_fitted_transformer_is_taken_as_it_is(tmp_path):
    X, X_new = waves(60, seed=0), waves(10, seed=3)
    embed = small(**QUICK).fit(X)
    frozen = SimMTMOutlierDetector(transformer=FrozenEstimator(embed)).fit(X)
    np.testing.assert_array_equal(frozen.transformer_.transform(X_new), embed.transform(X_new))
    of_file = SimMTMOutlierDetector(transformer=embed.save(tmp_path / "encoder")).fit(X)
    np.testing.assert_array_equal(of_file.score_samples(X_new), frozen.score_samples(X_new))


def test_containers_and_unequal_lengths_and_gaps():
    series = [*waves(30, seed=0)]
    gappy = [np.where(np.arange(40) == 9, np.nan, x)[:, : 40 - i] for i, x in enumerate(series)]
    expected = detector().fit(gappy).score_samples(ragged())
    for make in (frames, multiindex):
        scores = detector().fit(make(gappy)).score_samples(make(ragged()))
        np.testing.assert_allclose(scores, expected, rtol=1e-9)


def test_same_bits_twice_and_from_files(fitted, tmp_path):
    X = waves(10, seed=3)
    expected = fitted.decision_function(X)
    np.testing.assert_array_equal(detector().fit(waves(60, seed=0)).decision_function(X), expected)
    loaded = load(fitted.save(tmp_path / "detector"))
    np.testing.assert_array_equal(loaded.decision_function(X), expected)


@pytest.mark.parametrize(
    "changes",
    [
        {"tensors": lambda named: named["embeddings"].mul_(np.nan)},
        {"tensors": lambda named: named.update(embeddings=named["embeddings"][:, 1:].contiguous())},
        {"tensors": lambda named: named.update(embeddings=named["embeddings"][:1])},
        {"tensors": lambda named: named.pop("embeddings")},
        {"config": lambda config: config["state"].update(offset_="far")},
    ],
)
def test_edited_artifacts_are_refused(fitted, tmp_path, changes):
    path = fitted.save(tmp_path / "detector")
    edit(path, **changes)
    with pytest.raises(ArtifactError):
        load(path)


def test_bad_input_is_refused(fitted):
    with pytest.raises(ValueError, match="n_samples = 1"):
        detector().fit(waves(1, seed=0))
    with pytest.raises(ValueError, match="contamination"):
        detector(contamination=0.7).fit(waves(5, seed=0))
    with pytest.raises(ValueError, match="channel"):
        fitted.predict(np.zeros((3, 1, 40)))
    with pytest.raises(ValueError, match=r"columns|channels|features"):
        fitted.predict(pd.DataFrame(np.zeros((3, 7))))
