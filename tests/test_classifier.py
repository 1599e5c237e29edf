"""`SimMTMClassifier` keeps what the documentation promises."""

import copy
import json
import pickle
import random
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sktime.exceptions import NotFittedError as SktimeNotFittedError

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
    save,
)
from simmtm_sk.joint_training import FEWEST_HELD_OUT, stratified_part
from simmtm_sk.probing import classification_head
from simmtm_sk.training.strategies import STRATEGIES
from tests.small import LEARNED
from tests.transformers import CountingMask

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def waves(n, seed):
    """Two kinds of series that differ in their period, two channels."""
    draw = np.random.default_rng(seed)
    kind = np.arange(n) % 2
    period = np.where(kind, 5, 11)[:, None, None]
    X = np.sin(2 * np.pi * np.arange(20) / period + draw.uniform(0, 6, (n, 2, 1)))
    return X + 0.3 * draw.normal(size=X.shape), kind


X, kind = waves(24, 0)
X_NEW, kind_new = waves(12, 1)
y, y_new = np.array(["a", "b"])[kind], np.array(["a", "b"])[kind_new]


@pytest.fixture
def pretrainings():
    """A function that tells how many steps of pre-training there were in the test so far."""
    CountingMask.calls = 0
    return lambda: CountingMask.calls


def small(**params):
    """One epoch of one step."""
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "num_epochs": 1,
        "projection_dim": 4,
        "metric_strength": 0.0,  # its views are masked, too
        "validation_fraction": 0.0,
        "masking": CountingMask(),
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def classifier(**params):
    given = {
        "transformer": small(),
        "head": "ridge",
        "num_epochs": 2,
        "lr": 0.01,
        "random_state": 0,
    }
    return SimMTMClassifier(**{**given, **params})


@pytest.fixture(scope="module")
def pretrained():
    return small(random_state=0).fit(X)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, y)


def same_weights(one, other):
    pairs = zip(
        one.network_.state_dict().values(), other.network_.state_dict().values(), strict=True
    )
    return all(torch.equal(a, b) for a, b in pairs)


def same_head(one, other):
    return all(np.array_equal(a, vars(other)[name]) for name, a in vars(one).items())


def ragged(values):
    """Series of unequal length, as a list and padded."""
    lengths = 20 - np.arange(len(values)) % 5
    padded = np.where(np.arange(20) < lengths[:, None, None], values, np.nan)
    return [x[:, :n] for x, n in zip(values, lengths, strict=True)], padded


def frames(series):
    return [pd.DataFrame(x.T) for x in series]


def multiindex(series):
    return pd.concat({f"s{i}": f for i, f in enumerate(frames(series))}, names=["id", "time"])


def nested(series):
    columns = {f"c{j}": [pd.Series(x[j]) for x in series] for j in range(len(series[0]))}
    return pd.DataFrame(columns)


# -- the four strategies --------------------------------------------------------------------------


@every_strategy
def test_every_strategy_learns(strategy):
    estimator = classifier(strategy=strategy, num_epochs=15).fit(X, y)
    assert estimator.score(X_NEW, y_new) > 0.8
    predicted, probabilities = estimator.predict(X_NEW), estimator.predict_proba(X_NEW)
    assert probabilities.shape == (12, 2)
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert predicted.tolist() == estimator.classes_[probabilities.argmax(1)].tolist()
    assert estimator.classes_.tolist() == ["a", "b"]


@every_strategy
def test_predictions_are_the_heads_scores_of_the_embedding(strategy):
    estimator = classifier(strategy=strategy, transformer=small(max_length=9)).fit(X, y)
    embedding = estimator.transformer_.transform(X_NEW.astype(np.float32))
    np.testing.assert_allclose(
        estimator.predict_proba(X_NEW), estimator.head_.probabilities(embedding), atol=1e-4
    )


@pytest.mark.parametrize("head", ["ridge", "logistic", "auto"])
def test_the_linear_probe_is_the_transformer_and_a_head(head):
    estimator = classifier(head=head, class_weight={"a": 3.0, "b": 1.0}).fit(X, y)
    by_hand = small(random_state=estimator.transformer_.random_state).fit(X)
    assert same_weights(estimator.transformer_, by_hand)
    embedding = by_hand.transform(X.astype(np.float32))
    expected = classification_head(
        embedding, kind, head, np.where(kind == 0, 3.0, 1.0)
    ).probabilities(by_hand.transform(X_NEW.astype(np.float32)))
    np.testing.assert_allclose(estimator.predict_proba(X_NEW), expected, atol=2e-3)
    assert estimator.history_ == []


@pytest.mark.parametrize("strategy", ["fine-tune", "probe-then-fine-tune", "from-scratch"])
def test_all_other_strategies_train_the_encoder(strategy, pretrained):
    estimator = classifier(strategy=strategy, transformer=FrozenEstimator(pretrained)).fit(X, y)
    assert not same_weights(estimator.transformer_, pretrained)
    assert [record["epoch"] for record in estimator.history_] == [2]  # epochs of one step


def test_from_scratch_is_fine_tuning_without_pretraining(pretrained, pretrainings):
    control = classifier(strategy="from-scratch", transformer=small(random_state=3)).fit(X, y)
    untrained = small(random_state=3, num_epochs=0)
    expected = classifier(strategy="fine-tune", transformer=untrained).fit(X, y)
    assert pretrainings() == 0
    assert same_weights(control.transformer_, expected.transformer_)
    np.testing.assert_array_equal(control.predict_proba(X_NEW), expected.predict_proba(X_NEW))
    # of a frozen transformer only the settings matter
    frozen = FrozenEstimator(small(random_state=3).fit(X_NEW))
    CountingMask.calls = 0
    again = classifier(strategy="from-scratch", transformer=frozen).fit(X, y)
    assert pretrainings() == 0
    assert same_head(again.head_, control.head_)


def test_the_probe_is_where_its_fine_tuning_starts():
    probe, other = (
        classifier(strategy=strategy, lr=1e-9).fit(X, y).predict_proba(X_NEW)
        for strategy in ("linear-probe", "probe-then-fine-tune")
    )
    np.testing.assert_allclose(other, probe, atol=1e-4)
    without_opinion = classifier(strategy="fine-tune", lr=1e-9).fit(X, y).predict_proba(X_NEW)
    np.testing.assert_allclose(without_opinion, 0.5, atol=1e-3)


def test_an_encoder_without_a_share_of_the_rate_stays_as_it_is(pretrained):
    frozen = FrozenEstimator(pretrained)
    estimator = classifier(strategy="fine-tune", transformer=frozen, encoder_lr_share=0.0)
    assert same_weights(estimator.fit(X, y).transformer_, pretrained)
    assert np.abs(estimator.head_.coef).max() > 0


@every_strategy
def test_any_encoder_and_any_pooling(strategy):
    encoder = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=2, d_feedforward=4)
    for params in ({"encoder": encoder}, {"pooling": ("scale",)}, {"pooling": ("mean",)}):
        estimator = classifier(strategy=strategy, transformer=small(**params)).fit(X, y)
        assert np.isfinite(estimator.predict_proba(X_NEW)).all()


def test_class_weights_matter_in_fine_tuning():
    encoder = small(pooling=LEARNED)
    shares = [
        classifier(
            transformer=encoder,
            strategy="fine-tune",
            class_weight={"a": w, "b": 1.0},
            num_epochs=5,
        )
        .fit(X, y)
        .predict_proba(X_NEW)[:, 0]
        .mean()
        for w in (0.1, 1.0, 10.0)
    ]
    assert shares == sorted(shares)
    assert shares[2] - shares[0] > 0.1
    rare = np.r_[0:24:2, 1:8:2]  # 12 of "a", 4 of "b"
    heads = [
        classifier(class_weight=w).fit(X[rare], y[rare]).head_
        for w in ("balanced", {"a": 16 / 24, "b": 2.0}, None)
    ]
    assert same_head(heads[0], heads[1])
    assert not same_head(heads[0], heads[2])


# -- where the encoder comes from -----------------------------------------------------------------


@every_strategy
def test_a_frozen_transformer_and_a_saved_one_are_the_same(strategy, tmp_path):
    """Neither is trained again (or changed), and unlabelled training finds its weights there."""
    given = small(random_state=0, masking="geometric").fit(X)
    path = save(given, tmp_path / "encoder")
    before = copy.deepcopy(given), path.read_bytes()
    results = [
        classifier(strategy=strategy, transformer=transformer).fit(X_NEW, y_new)
        for transformer in (FrozenEstimator(given), path, str(path))
    ]
    for one in results:
        np.testing.assert_array_equal(one.predict_proba(X), results[0].predict_proba(X))
        assert one.transformer_ is not given
        assert same_weights(one.transformer_, given) == (strategy == "linear-probe")
    assert same_weights(given, before[0])
    np.testing.assert_array_equal(given.transform(X), before[0].transform(X))
    assert path.read_bytes() == before[1]


def test_a_frozen_transformer_is_not_trained(pretrained, pretrainings):
    for strategy in ("linear-probe", "fine-tune", "probe-then-fine-tune"):
        classifier(strategy=strategy, transformer=FrozenEstimator(pretrained)).fit(X, y)
    assert pretrainings() == 0
    classifier().fit(X, y)
    assert pretrainings() == 1


def test_an_own_transformer_is_cloned():
    """Also a fitted one: without a FrozenEstimator around it, its weights are not meant."""
    own = small()
    estimator = classifier(transformer=own).fit(X, y)
    assert estimator.transformer is own
    assert not hasattr(own, "network_")
    assert own.random_state is None
    with pytest.warns(UserWarning, match=r"fitted already.*FrozenEstimator"):
        again = classifier(transformer=small().fit(X_NEW)).fit(X, y)
    assert same_weights(again.transformer_, estimator.transformer_)


def test_the_seed_is_the_transformers_unless_it_has_its_own():
    other = classifier(random_state=1).fit(X, y)
    same = classifier(random_state=0).fit(X, y)
    assert not same_weights(other.transformer_, same.transformer_)
    with_own = [
        classifier(transformer=small(random_state=5), random_state=s).fit(X, y) for s in (0, 1)
    ]
    assert same_weights(with_own[0].transformer_, with_own[1].transformer_)


# -- what comes in --------------------------------------------------------------------------------


def test_containers_of_two_channels_agree(fitted):
    expected = fitted.predict_proba(X_NEW)
    for container in (list, frames, multiindex, nested):
        estimator = classifier().fit(container(X), y)
        np.testing.assert_array_equal(estimator.predict_proba(container(X_NEW)), expected)
        np.testing.assert_array_equal(estimator.predict(X_NEW), fitted.predict(X_NEW))


def test_containers_of_one_channel_agree():
    single, new = X[:, :1], X_NEW[:, :1]
    expected = classifier().fit(single, y).predict_proba(new)
    for container in (
        lambda x: x[:, 0],
        lambda x: pd.DataFrame(x[:, 0]).add_prefix("t"),
        lambda x: list(x[:, 0]),
        lambda x: x[:, 0].tolist(),
    ):
        estimator = classifier().fit(container(single), y)
        np.testing.assert_array_equal(estimator.predict_proba(container(new)), expected)


@every_strategy
def test_series_of_unequal_length(strategy):
    series, padded = ragged(X)
    new, new_padded = ragged(X_NEW)
    estimator = classifier(strategy=strategy).fit(padded, y)
    expected = estimator.predict_proba(new_padded)
    for container in (list, frames, multiindex, nested):
        other = classifier(strategy=strategy).fit(container(series), y)
        np.testing.assert_array_equal(other.predict_proba(container(new)), expected)
    whole = classifier(strategy=strategy).fit(X, y).predict_proba(X_NEW)
    assert not np.allclose(whole, expected)


@every_strategy
def test_missing_values(strategy):
    gaps = X.copy()
    gaps[::3, :, 4:9] = np.nan
    gaps[1::3, 1] = np.nan
    estimator = classifier(strategy=strategy, num_epochs=15).fit(gaps, y)
    assert estimator.score(X_NEW, y_new) > 0.8
    assert np.isfinite(estimator.predict_proba(gaps)).all()


def test_series_of_another_length(fitted):
    for new in (X_NEW[..., :9], np.tile(X_NEW, 3), [X_NEW[0][:, :4], X_NEW[1]]):
        assert fitted.predict(new).shape == (len(new),)
    np.testing.assert_array_equal(
        fitted.predict_proba(X_NEW[..., :9]), fitted.predict_proba(list(X_NEW[..., :9]))
    )


def test_float32_changes_next_to_nothing(fitted):
    close = fitted.predict_proba(X_NEW.astype(np.float32))
    np.testing.assert_allclose(close, fitted.predict_proba(X_NEW), atol=1e-3)


def test_a_series_is_classified_alone_as_among_others(fitted):
    together = fitted.predict_proba(X_NEW)
    alone = np.concatenate([fitted.predict_proba(x[None]) for x in X_NEW])
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_series_that_are_normalised_already():
    """Level and scale are the same up to rounding; rounding must not decide about a class."""

    def normalised(values):
        return (values - values.mean(2, keepdims=True)) / values.std(2, keepdims=True)

    estimator = classifier(class_weight="balanced").fit(normalised(X), y)
    expected = estimator.predict_proba(normalised(X_NEW))
    for factor in (1 + 1e-7, 1.001):
        other = estimator.predict_proba(normalised(X_NEW) * factor)
        np.testing.assert_allclose(other, expected, atol=0.05)


# -- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["walk", "run"]),
        np.array([3, 7]),
        np.array([3, 7], np.int8),
        np.array([1.0, 2.0]),
        np.array([False, True]),
        np.array(["walk", "run"], object),
        np.array(["-1", "1"]),
        np.array(["-1", "1"], object),
    ],
    ids=lambda labels: f"{labels.dtype}-{labels[0]}",
)
@pytest.mark.parametrize("container", [np.asarray, pd.Series, list])
def test_labels_come_back_as_they_are(labels, container, fitted):
    wanted = labels[kind]
    estimator = classifier().fit(X, container(wanted))
    predicted = estimator.predict(X_NEW)
    assert estimator.classes_.tolist() == sorted(labels.tolist())
    right = np.mean([a == b for a, b in zip(predicted, labels[kind_new], strict=True)])
    assert right == estimator.score(X_NEW, labels[kind_new]) > 0.8
    given = np.asarray(container(wanted))
    assert predicted.dtype.kind == given.dtype.kind
    assert {type(label) for label in predicted.tolist()} == {type(labels.tolist()[0])}
    # the names of the classes change nothing but their order
    order = [0, 1] if labels[0] < labels[1] else [1, 0]
    np.testing.assert_allclose(
        estimator.predict_proba(X_NEW)[:, order], fitted.predict_proba(X_NEW), atol=1e-6
    )


def test_three_classes():
    three = np.array(["x", "y", "z"])[np.arange(24) % 3]
    for strategy in STRATEGIES:
        estimator = classifier(strategy=strategy).fit(X, three)
        probabilities = estimator.predict_proba(X_NEW)
        assert probabilities.shape == (12, 3)
        np.testing.assert_allclose(probabilities.sum(1), 1)


# -- unlabelled series ----------------------------------------------------------------------------


KNOWN = np.arange(24) % 4 < 2  # both classes


def marked(marker):
    """Labels of which half are replaced by the marker; and the classes."""
    match marker:
        case "-1":
            return np.where(KNOWN, kind, -1), [0, 1]
        case "NaN":
            return np.where(KNOWN, kind + 0.5, np.nan), [0.5, 1.5]
        case "None":
            return np.array([label if k else None for label, k in zip(y, KNOWN, strict=True)]), [
                "a",
                "b",
            ]
        case _:
            labels = np.array(y, object)
            labels[~KNOWN] = np.nan
            return labels, ["a", "b"]


@pytest.mark.parametrize("marker", ["-1", "NaN", "None", "NaN among text"])
@pytest.mark.parametrize("strategy", ["linear-probe", "fine-tune"])
def test_unlabelled_series_take_part_in_pretraining(marker, strategy):
    """And, with the ridge, in nothing else."""
    labels, classes = marked(marker)
    given = {"strategy": strategy, "unlabelled": -1 if marker == "-1" else None}
    estimator = classifier(**given).fit(X, labels)
    assert estimator.classes_.tolist() == classes
    encoder = small(random_state=0).fit(X)
    frozen = classifier(strategy=strategy, transformer=FrozenEstimator(encoder))
    by_hand = frozen.fit(X[KNOWN], y[KNOWN])
    seeded = classifier(**given, transformer=small(random_state=0)).fit(X, labels)
    np.testing.assert_array_equal(seeded.predict_proba(X_NEW), by_hand.predict_proba(X_NEW))
    # other unlabelled series make another encoder
    other = np.where(KNOWN[:, None, None], X, np.cumsum(X, 2))
    changed = classifier(**given).fit(other, labels)
    assert not same_weights(changed.transformer_, estimator.transformer_)


@pytest.mark.parametrize("strategy", ["linear-probe", "probe-then-fine-tune"])
@pytest.mark.parametrize("head", ["auto", "spread"])
def test_labels_spread_to_unlabelled_series(strategy, head, pretrained):
    """The same head as on embeddings; none but the labelled series train further."""
    frozen = FrozenEstimator(pretrained)
    given = {"transformer": frozen, "strategy": strategy, "head": head}
    many, kinds = waves(56, 2)
    known = np.arange(56) < 4  # so few that "auto" spreads them
    fitted = classifier(**given, unlabelled=-1).fit(many, np.where(known, kinds, -1))
    E = pretrained.transform(many.astype(np.float32))
    by_hand = classification_head(E[known], kinds[known], head, unlabelled=E[~known])
    if strategy == "linear-probe":
        probabilities = by_hand.probabilities(pretrained.transform(X_NEW.astype(np.float32)))
        np.testing.assert_allclose(fitted.predict_proba(X_NEW), probabilities, atol=1e-6)
        np.testing.assert_allclose(fitted.head_.center, by_hand.center, atol=1e-5)
    alone = classifier(**given).fit(many[known], kinds[known])
    assert not np.allclose(fitted.predict_proba(X_NEW), alone.predict_proba(X_NEW))
    assert same_weights(fitted.transformer_, pretrained) == (strategy == "linear-probe")


def test_a_class_called_minus_one():
    """It is one like any other, unless it is said to mark series without a label."""
    for labels in ([-1, 1], [-1.0, 1.0], ["-1", "1"]):
        fitted = classifier().fit(X, np.array(labels)[kind])
        assert fitted.classes_.tolist() == sorted(labels)
        assert fitted.score(X_NEW, np.array(labels)[kind_new]) > 0.8
    three = np.where(KNOWN, kind, -1)
    with pytest.warns(UserWarning, match=r"label -1 is taken for a class.*unlabelled=-1"):
        assert classifier().fit(X, three).classes_.tolist() == [-1, 0, 1]
    assert classifier(unlabelled=-1).fit(X, three).classes_.tolist() == [0, 1]


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

    transformer = SimMTMTransformer(encoder=ConvEncoder(d_model=4), num_epochs=0).fit(X)
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


# -- held-out part and history --------------------------------------------------------------------


def test_every_class_gives_its_share_to_the_held_out_part():
    strata = np.repeat([0, 1, 2], [50, 26, 4])
    part = stratified_part(strata, 0.2, seed=0)
    assert np.bincount(strata[part], minlength=3).tolist() == [10, 5, 0]
    assert len(set(part.tolist())) == 15
    assert part.tolist() == stratified_part(strata, 0.2, seed=0).tolist()
    assert part.tolist() != stratified_part(strata, 0.2, seed=1).tolist()
    assert len(stratified_part(np.zeros(49, int), 0.2, seed=0)) == 0  # too few to decide anything
    assert len(stratified_part(np.zeros(50, int), 0.2, seed=0)) == FEWEST_HELD_OUT == 10
    assert len(stratified_part(strata, 0.0, seed=0)) == 0


def test_the_history_can_be_written_as_json():
    settings = {"strategy": "fine-tune", "validation_fraction": 0.5, "batch_size": 2}
    estimator = classifier(**settings).fit(X, y)
    assert json.loads(json.dumps(estimator.history_)) == estimator.history_
    assert [record["epoch"] for record in estimator.history_] == [2]
    names = {"epoch", "lr", "grad_norm", "clipped_share", "seconds", "train_total"}
    assert set(estimator.history_[0]) == {*names, "valid_criterion"}
    without = classifier(**{**settings, "validation_fraction": 0.0}).fit(X, y)
    assert not any("valid_criterion" in record for record in without.history_)
    assert estimator.fit(X, y).set_params(strategy="linear-probe").fit(X, y).history_ == []


def test_verbose_prints_a_line_per_evaluation(capsys):
    estimator = classifier(strategy="fine-tune", num_epochs=20, verbose=1).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    fine_tuning = [line for line in lines if "fine-tuning" in line]
    assert len(fine_tuning) == len(estimator.history_) == 2
    assert fine_tuning[0].startswith("[SimMTM] fine-tuning, epoch 10 of 20: training loss ")
    classifier(strategy="fine-tune").fit(X, y)
    assert capsys.readouterr().out == ""


# -- reproducible ---------------------------------------------------------------------------------


@every_strategy
def test_the_same_random_state_gives_the_same_bits(strategy):
    settings = {"strategy": strategy, "dropout": 0.2}
    first = classifier(**settings).fit(X, y)
    for other in (classifier(**settings), clone(first), copy.deepcopy(first)):
        other.fit(X, y)
        assert same_weights(first.transformer_, other.transformer_)
        assert same_head(first.head_, other.head_)
    other = clone(first)
    other.set_params(random_state=1).fit(X, y)
    assert not same_head(first.head_, other.head_)
    assert same_head(first.fit(X_NEW, y_new).fit(X, y).head_, clone(first).fit(X, y).head_)


def test_generators_and_none_as_random_state():
    one, two = (classifier(random_state=np.random.RandomState(4)).fit(X, y).head_ for _ in range(2))
    assert same_head(one, two)
    heads = []
    for _ in range(2):
        np.random.seed(0)  # noqa: NPY002
        heads.append(classifier(random_state=None).fit(X, y).head_)
    assert not same_head(*heads)


@every_strategy
def test_the_callers_random_states_and_data_are_untouched(strategy):
    def states():
        return (
            torch.get_rng_state().tolist(),
            joblib.hash(np.random.get_state()),  # noqa: NPY002
            random.getstate(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            joblib.hash((X, y)),
        )

    before = states()
    estimator = classifier(strategy=strategy, dropout=0.1, random_state=None).fit(X, y)
    estimator.predict(X)
    assert states() == before


SCRIPT = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
import numpy as np
from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer
X = np.random.default_rng(0).normal(size=(16, 2, 20)).cumsum(2)
encoder = SimMTMTransformer(
    encoder=ConvEncoder(d_model=4, n_layers=2), num_epochs=1, projection_dim=4, device="cpu"
)
classifier = SimMTMClassifier(
    transformer=encoder, strategy="probe-then-fine-tune", num_epochs=2, random_state=0
).fit(X, np.arange(16) % 2)
print(classifier.predict_proba(X).tobytes().hex())
"""


@pytest.mark.slow
def test_same_bits_in_other_processes_with_other_numbers_of_threads():
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, n_threads], stdout=subprocess.PIPE, text=True
        )
        for n_threads in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert first == second
    assert len(first) > 500


def test_pickles(fitted):
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(other.predict_proba(X_NEW), fitted.predict_proba(X_NEW))


# -- transfer -------------------------------------------------------------------------------------


def test_a_level_that_the_source_did_not_have_is_seen(tmp_path):
    """An encoder pre-trained on normalised series takes every level for noise."""
    draw = np.random.default_rng(0)
    source = draw.normal(size=(20, 1, 24)).cumsum(2)
    source = (source - source.mean(2, keepdims=True)) / source.std(2, keepdims=True)
    encoder = ConvEncoder(d_model=4, n_layers=2)
    frozen = SimMTMTransformer(encoder=encoder, pooling=LEARNED, num_epochs=1, random_state=0).fit(
        source
    )
    labels = np.tile([0, 1], 20)
    values = draw.normal(size=(40, 1, 16)) + 3 * labels[:, None, None]
    before = {k: w.clone() for k, w in frozen.network_.state_dict().items()}
    classifier = SimMTMClassifier(transformer=FrozenEstimator(frozen), random_state=0).fit(
        values[:20], labels[:20]
    )
    assert classifier.score(values[20:], labels[20:]) >= 0.9  # chance without the level
    assert all(torch.equal(w, before[k]) for k, w in frozen.network_.state_dict().items())
    by_path = SimMTMClassifier(transformer=save(frozen, tmp_path / "source"), random_state=0)
    np.testing.assert_array_equal(
        by_path.fit(values[:20], labels[:20]).predict_proba(values),
        classifier.predict_proba(values),
    )


def test_pandas_marks_of_missing_labels():
    draw = np.random.default_rng(0)
    values = draw.normal(size=(12, 1, 10))
    labels = pd.Series(["a", "b", None] * 4, dtype="string")
    transformer = small(encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=1)
    classifier = SimMTMClassifier(transformer=transformer, random_state=0).fit(values, labels)
    assert classifier.classes_.tolist() == ["a", "b"]
