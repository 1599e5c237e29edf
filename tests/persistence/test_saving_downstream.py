"""Saving and loading of classifiers and regressors: the same bits back."""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sktime.base import load as sktime_load

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMRegressor,
    SimMTMTransformer,
    load,
    save,
)
from simmtm_sk.training.isolation import isolated_torch
from tests.persistence.artifacts import (
    KIND,
    STRATEGIES,
    TARGET,
    TOKENS,
    OwnEncoder,
    X,
    classifier,
    half_mask,
    regressor,
    small,
)
from tests.persistence.edited import edit, members


def assert_same_classifier(loaded, estimator):
    assert type(loaded) is SimMTMClassifier
    for values in (X, X.astype(np.float32), X[:, :, :7], list(X)):
        np.testing.assert_array_equal(loaded.predict_proba(values), estimator.predict_proba(values))
        predicted, expected = loaded.predict(values), estimator.predict(values)
        assert predicted.dtype == expected.dtype
        assert predicted.tolist() == expected.tolist()
        assert {type(p) for p in predicted.tolist()} == {type(p) for p in expected.tolist()}
    assert loaded.classes_.dtype == estimator.classes_.dtype
    assert loaded.classes_.tolist() == estimator.classes_.tolist()
    assert loaded.history_ == estimator.history_
    assert loaded.transformer_.history_ == estimator.transformer_.history_
    embedding = estimator.transformer_.transform(X)
    np.testing.assert_array_equal(loaded.transformer_.transform(X), embedding)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_round_trip_of_a_classifier(tmp_path, strategy):
    estimator = classifier(strategy=strategy, num_epochs=2).fit(X, np.array(["a", "b"])[KIND])
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    given, got = (e.get_params() for e in (estimator, loaded))
    nested = {"transformer", "transformer__encoder"}
    assert {k: v for k, v in got.items() if k not in nested} == {
        k: v for k, v in given.items() if k not in nested
    }
    assert [repr(got[k]) for k in nested] == [repr(given[k]) for k in nested]
    assert not hasattr(loaded.transformer, "network_")  # what was given was not fitted
    assert loaded.score(X, np.array(["a", "b"])[KIND]) == estimator.score(
        X, np.array(["a", "b"])[KIND]
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_round_trip_of_a_regressor(tmp_path, strategy):
    estimator = regressor(strategy=strategy).fit(X, TARGET)
    loaded = load(save(estimator, tmp_path / "model"))
    assert type(loaded) is SimMTMRegressor
    for values in (X, X.astype(np.float32), X[:, :, :7]):
        np.testing.assert_array_equal(loaded.predict(values), estimator.predict(values))
    assert loaded.history_ == estimator.history_
    assert loaded.score(X, TARGET) == estimator.score(X, TARGET)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["walk", "ünï"]),
        np.array([3, 7]),
        np.array([3, 7], np.uint8),
        np.array([1.0, 2.0], np.float32),
        np.array([0.1, 1 / 3]),
        np.array([False, True]),
        np.array(["walk", "run"], object),
        np.array([3, 7], object),
    ],
    ids=lambda labels: f"{labels.dtype}-{labels[0]}",
)
def test_labels_of_every_type(tmp_path, labels):
    estimator = classifier().fit(X, labels[KIND])
    assert_same_classifier(load(estimator.save(tmp_path / "model")), estimator)


@pytest.mark.parametrize(
    "transformer",
    [
        None,
        SimMTMTransformer(
            encoder=PatchEncoder(patch_length=4, **TOKENS), num_epochs=0, random_state=0
        ),
        SimMTMTransformer(num_epochs=0, max_length=8, pooling=("scale", "max"), random_state=0),
    ],
    ids=str,
)
def test_transformers_of_every_kind(tmp_path, transformer):
    params = {"strategy": "from-scratch"} if transformer is None else {}
    estimator = classifier(transformer=transformer, **params).fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    assert repr(loaded.transformer) == repr(transformer)


def test_class_weights_keep_their_keys(tmp_path):
    for labels, weight in (
        (KIND, {0: 2.0, 1: 0.5}),
        (np.array(["a", "b"])[KIND], {"a": 2.0, "b": 0.5}),
        (KIND + 1.0, {1.0: 2.0, 2.0: 0.5}),
        (KIND, {np.int64(0): np.float64(2.0), np.int64(1): 1.0}),
        (KIND, "balanced"),
    ):
        estimator = classifier(class_weight=weight).fit(X, labels)
        loaded = load(estimator.save(tmp_path / "model"))
        assert loaded.class_weight == weight
        again = clone(loaded).fit(X, labels)
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_frozen_transformer_stays_one(fitted, tmp_path, strategy):
    """What is loaded predicts the same; where the encoder was kept, it can be fitted again too."""
    estimator = classifier(transformer=FrozenEstimator(fitted), strategy=strategy).fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    assert isinstance(loaded.transformer, FrozenEstimator)
    again = clone(loaded).fit(X, KIND)
    assert np.isfinite(again.predict_proba(X)).all()
    if strategy in ("linear-probe", "from-scratch"):
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert_same_classifier(loaded, estimator)  # fitting a clone changed nothing


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_as_the_transformer(fitted, tmp_path, kind):
    """It is only needed to fit again."""
    path = fitted.save(tmp_path / "encoder")
    estimator = classifier(transformer=kind(path), strategy="fine-tune").fit(X, KIND)
    model = estimator.save(tmp_path / "model")
    path.unlink()
    loaded = load(model)
    assert_same_classifier(loaded, estimator)
    assert str(loaded.transformer) == str(path)
    with pytest.raises(FileNotFoundError, match="encoder"):
        loaded.fit(X, KIND)


def test_what_is_loaded_can_be_used_like_any_other(tmp_path):
    estimator = classifier().fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(load(loaded.save(tmp_path / "second")), estimator)
    assert_same_classifier(pickle.loads(pickle.dumps(loaded)), estimator)
    again = clone(loaded).fit(X, KIND)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\)"):
        loaded.predict(X[:, :1])
    again = loaded.fit(X, KIND)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


def test_sktime_loads_classifiers_and_regressors(tmp_path):
    estimator = classifier().fit(X, KIND)
    path = estimator.save(tmp_path / "model")
    for loaded in (sktime_load(path), sktime_load(estimator.save())):
        assert_same_classifier(loaded, estimator)
    other = regressor().fit(X, TARGET)
    np.testing.assert_array_equal(sktime_load(other.save()).predict(X), other.predict(X))


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("frozen", [False, True])
def test_own_objects_inside_a_transformer_are_given_to_load(tmp_path, make, frozen):
    target = KIND if make is classifier else TARGET
    own = small(encoder=OwnEncoder(), masking=half_mask)
    given = FrozenEstimator(own.fit(X)) if frozen else own
    estimator = make(transformer=given).fit(X, target)
    path = estimator.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"'transformer' .*load\(path, transformer=\.\.\.\)"):
        load(path)
    template = small(encoder=OwnEncoder(), masking=half_mask)
    loaded = load(path, transformer=FrozenEstimator(template) if frozen else template)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    if frozen:  # the frozen one is then the one that was loaded
        np.testing.assert_array_equal(clone(loaded).fit(X, target).predict(X), estimator.predict(X))


@pytest.mark.parametrize("label", ["b", 3, b"x", np.datetime64("2024-03-01"), True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_single_class_survives(label, frozen, fitted, tmp_path):
    given = {"transformer": FrozenEstimator(fitted)} if frozen else {}
    with pytest.warns(UserWarning, match="single label"):
        single = classifier(**given).fit(frames(X), np.array([label] * 12))
    path = single.save(tmp_path / "model")
    loaded = load(path)
    assert loaded.classes_.dtype == single.classes_.dtype
    assert loaded.predict(frames(X)[:3]).tolist() == [single.classes_[0]] * 3
    assert loaded.predict_proba(X).tolist() == [[1.0]] * 12
    with pytest.raises(ValueError, match="missing"):
        loaded.predict([f.rename(columns={"a": "c"}) for f in frames(X)])
    edit(path, lambda c: c["state"]["classes_"].update(labels=c["state"]["classes_"]["labels"] * 2))
    with pytest.raises(ArtifactError):
        load(path)


def frames(values):
    return [pd.DataFrame(x.T, columns=["a", "b"]) for x in values]


def test_what_has_no_head_of_its_own_is_not_saved(tmp_path):
    several = [
        classifier().fit(X, pd.DataFrame({"one": KIND, "two": KIND})),
        regressor().fit(X, pd.DataFrame({"one": TARGET, "two": -TARGET})),
    ]
    for estimator in several:
        with pytest.raises(ValueError, match=r"no head of its own to save: .*several outputs"):
            estimator.save(tmp_path / "model")
    for estimator in (classifier(), regressor()):
        with pytest.raises(NotFittedError, match="has not been fitted"):
            estimator.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_of_a_classifier_holds_no_object_but_the_class(tmp_path):
    contents = members(classifier().fit(X, KIND).save(tmp_path / "model"))
    assert set(contents) == {"config.json", "weights.safetensors", "_metadata"}
    assert pickle.loads(contents["_metadata"]) is SimMTMClassifier


def test_a_frozen_transformer_comes_back_without_what_fine_tuning_did(tmp_path):
    """Cross-validating a loaded classifier must not start from an encoder that has seen labels."""
    draw = np.random.default_rng(0)
    values, labels = draw.normal(size=(16, 1, 12)), np.tile([0, 1], 8)
    encoder = ConvEncoder(d_model=4, n_layers=2)
    frozen = SimMTMTransformer(encoder=encoder, num_epochs=1, random_state=0).fit(values)
    classifier = SimMTMClassifier(
        transformer=FrozenEstimator(frozen),
        strategy="fine-tune",
        num_epochs=3,
        lr=0.1,
        random_state=0,
    ).fit(values, labels)
    loaded = load(save(classifier, tmp_path / "classifier"))
    np.testing.assert_array_equal(
        loaded.transformer.estimator.transform(values), frozen.transform(values)
    )
    np.testing.assert_array_equal(
        loaded.transformer_.transform(values), classifier.transformer_.transform(values)
    )
    tuned, before = loaded.transformer_.transform(values), frozen.transform(values)
    assert tuned.shape[1] == before.shape[1] - 16  # without coordinates on the graph of neighbours
    assert np.abs(tuned - before[:, :-16]).max() > 1e-3


def test_loading_does_not_wait_for_a_fit_in_another_thread(tmp_path):
    """A service that loads a model while another one is trained."""
    y = pd.Series(X[0].ravel())
    forecaster = SimMTMForecaster(transformer=small(), random_state=0)
    paths = [
        small().fit(X).save(tmp_path / "transformer"),
        classifier().fit(X, KIND).save(tmp_path / "classifier"),
        regressor().fit(X, TARGET).save(tmp_path / "regressor"),
        forecaster.fit(y, fh=[1]).save(tmp_path / "forecaster"),
        forecaster.set_params(strategy="linear-probe").fit(y, fh=[1]).save(tmp_path / "probe"),
    ]
    begun, loaded = threading.Event(), threading.Event()

    def as_if_in_fit():
        with isolated_torch(0):
            begun.set()
            loaded.wait(60)

    thread = threading.Thread(target=as_if_in_fit)
    thread.start()
    assert begun.wait(10)
    try:
        with ThreadPoolExecutor(1) as pool:
            for path in paths:
                assert pool.submit(load, path).result(timeout=20).is_fitted
    finally:
        loaded.set()
        thread.join()
