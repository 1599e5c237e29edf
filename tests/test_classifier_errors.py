"""`SimMTMClassifier`: what cannot work is refused before any work."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sktime.exceptions import NotFittedError as SktimeNotFittedError

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
    save,
)
from tests.classifiers import X_NEW, X, classifier, kind, small, y, y_new
from tests.transformers import CountingMask


@pytest.fixture(scope="module")
def pretrained():
    return small(random_state=0).fit(X)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, y)


# -- errors, before any work ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (y[:-1], "X has 24 series, but y has 23 labels"),
        ([], "X has 24 series, but y has 0 labels"),
        (None, "X has 24 series, but y has no labels"),
        (np.full(24, np.nan), "y has no label: every entry"),
        (np.full(24, None), "y has no label: every entry"),
        (np.where(kind, 1, np.nan), "y has a single class, 1.0, beside"),
        ([1, "a"] * 12, "y mixes numbers .1. and text"),
        ([(1, 2), (3, 4)] * 12, "labels of the type tuple"),
        (np.eye(2)[kind], "one-hot form of labels.*argmax"),
        (np.where(kind, 1.0, np.inf), "contains infinity"),
    ],
    ids=["few", "none", "None", "nan", "all None", "one class", "mixed", "tuples", "hot", "inf"],
)
def test_labels_that_cannot_work(labels, message, pretrainings):
    with pytest.raises((ValueError, TypeError), match=message):
        classifier().fit(X, labels)
    assert pretrainings() == 0


@pytest.mark.parametrize(
    "params",
    [
        {"strategy": "linear"},
        {"head": "svm"},
        {"class_weight": "unbalanced"},
        {"num_epochs": 0},
        {"num_epochs": "many"},
        {"batch_size": 0},
        {"lr": 0.0},
        {"encoder_lr_share": -0.1},
        {"weight_decay": -1.0},
        {"dropout": 1.0},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"random_state": "seed"},
        {"transformer": StandardScaler()},
        {"transformer": 3},
    ],
    ids=str,
)
def test_parameters_that_cannot_work_are_named(params, pretrainings):
    (name,) = params
    with pytest.raises((ValueError, TypeError), match=name):
        classifier(**params).fit(X, y)
    assert pretrainings() == 0


def test_class_weights_of_unknown_classes(pretrainings):
    with pytest.raises(ValueError, match="class"):
        classifier(class_weight={"a": 1.0, "c": 1.0}).fit(X, y)
    assert pretrainings() == 0


@pytest.mark.parametrize(
    "values",
    [
        np.full((24, 2, 20), np.inf),
        np.full((24, 2, 20), np.nan),
        X[..., :0],
        X[None],
        X.astype(str),
    ],
    ids=["infinite", "missing", "empty", "4D", "text"],
)
def test_series_that_cannot_work(values, pretrainings):
    labels = y[: len(values)]
    with pytest.raises((ValueError, TypeError), match="X"):
        classifier().fit(values, labels)
    assert pretrainings() == 0


def test_a_transformer_that_cannot_work(pretrained, tmp_path, pretrainings):
    frozen = FrozenEstimator
    with pytest.raises(NotFittedError, match="SimMTMTransformer has not been fitted"):
        classifier(transformer=frozen(small())).fit(X, y)
    scaler = StandardScaler().fit(X[:, 0])
    with pytest.raises(TypeError, match=r"must hold a SimMTMTransformer; .* a StandardScaler"):
        classifier(transformer=frozen(scaler)).fit(X, y)
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\), .* was fitted on 2"):
        classifier(transformer=frozen(pretrained)).fit(X[:, :1], y)
    with pytest.raises(FileNotFoundError, match="no artifact at"):
        classifier(transformer=tmp_path / "nowhere").fit(X, y)
    (tmp_path / "other.zip").write_bytes(b"hello")
    with pytest.raises(ArtifactError, match="not an artifact of simmtm_sk"):
        classifier(transformer=str(tmp_path / "other.zip")).fit(X, y)
    path = save(
        classifier(transformer=small(masking="geometric")).fit(X, y), tmp_path / "classifier"
    )
    CountingMask.calls = 0
    with pytest.raises(TypeError, match=r"must hold a SimMTMTransformer; .* a SimMTMClassifier"):
        classifier(transformer=path).fit(X, y)
    assert pretrainings() == 0


def test_a_channel_independent_transformer_takes_any_channels():
    encoder = ConvEncoder(d_model=4, n_layers=1, channel_independent=True)
    frozen = FrozenEstimator(small(encoder=encoder, random_state=0).fit(X[:, :1]))
    for strategy in ("linear-probe", "fine-tune"):
        estimator = classifier(strategy=strategy, transformer=frozen).fit(X, y)
        assert estimator.predict(X_NEW).shape == (12,)


def test_other_channels_in_predict(fitted):
    for values in (X_NEW[:, :1], X_NEW[:, 0], np.concatenate([X_NEW, X_NEW], 1)):
        with pytest.raises(ValueError, match=r"X has \d channel\(s\), .* fitted on 2"):
            fitted.predict(values)
        with pytest.raises(ValueError, match=r"X has \d channel\(s\), .* fitted on 2"):
            fitted.predict_proba(values)


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_before_fit(method):
    for error in (NotFittedError, SktimeNotFittedError):
        with pytest.raises(error, match="SimMTMClassifier has not been fitted"):
            getattr(classifier(), method)(X)


def test_ctrl_c_while_a_head_is_solved():
    """Nothing is fitted but the transformer, and it can be used."""
    presses = [KeyboardInterrupt]

    def press(module, values):
        for key in presses:
            raise key

    transformer = SimMTMTransformer(
        encoder=ConvEncoder(d_model=4), num_epochs=0, random_state=0
    ).fit(X)
    transformer.network_.backbone.register_forward_pre_hook(press)
    estimator = SimMTMClassifier(transformer=FrozenEstimator(transformer), random_state=0)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(X, y)
    with pytest.raises(NotFittedError):
        estimator.predict(X)
    presses.clear()
    again = SimMTMClassifier(transformer=FrozenEstimator(estimator.transformer_), random_state=0)
    assert again.fit(X, y).score(X_NEW, y_new) > 0.8


def test_a_single_class_is_predicted_ever_after(pretrainings):
    with pytest.warns(UserWarning, match="single label seen in y, 'a'"):
        estimator = classifier().fit(X, np.full(24, "a"))
    assert pretrainings() == 0
    assert estimator.predict(X_NEW).tolist() == ["a"] * 12
    np.testing.assert_array_equal(estimator.predict_proba(X_NEW), np.ones((12, 1)))


def test_parameters_of_the_transformer_are_named_as_such():
    given = SimMTMClassifier(transformer="somewhere.zip")
    with pytest.raises(ValueError, match=r"no parameter mask_ratio; .* transformer__mask_ratio"):
        given.set_params(mask_ratio=0.3)


def test_an_encoder_by_name_is_told_what_one_is():
    with pytest.raises(ValueError, match=r"must be an encoder, such as ConvEncoder\(\).*'conv'"):
        SimMTMTransformer(encoder="conv").fit(X)


def test_a_path_is_no_series():
    with pytest.raises(TypeError, match=r"X is str 'series.csv'.*pandas.read_csv"):
        SimMTMTransformer().fit("series.csv")
