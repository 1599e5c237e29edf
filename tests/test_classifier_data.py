"""`SimMTMClassifier`: series and labels that come in."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator

from simmtm_sk import (
    ConvEncoder,
    SimMTMClassifier,
)
from simmtm_sk.probing import classification_head
from simmtm_sk.training.strategies import STRATEGIES
from tests.classifiers import (
    X_NEW,
    X,
    classifier,
    every_strategy,
    kind,
    kind_new,
    ragged,
    same_weights,
    small,
    waves,
    y,
    y_new,
)
from tests.transformers import frames, multiindex, nested


@pytest.fixture(scope="module")
def pretrained():
    return small(random_state=0).fit(X)


@pytest.fixture(scope="module")
def fitted():
    return classifier().fit(X, y)


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
    known = np.arange(56) < 4  # too few of two classes for "auto" to spread them
    fitted = classifier(**given, unlabelled=-1).fit(many, np.where(known, kinds, -1))
    E = pretrained.transform(many.astype(np.float32))
    by_hand = classification_head(E[known], kinds[known], head, unlabelled=E[~known])
    if strategy == "linear-probe":
        probabilities = by_hand.probabilities(pretrained.transform(X_NEW.astype(np.float32)))
        np.testing.assert_allclose(fitted.predict_proba(X_NEW), probabilities, atol=1e-6)
        np.testing.assert_allclose(fitted.head_.center, by_hand.center, atol=1e-5)
    alone = classifier(**given).fit(many[known], kinds[known])
    assert same_weights(fitted.transformer_, pretrained) == (strategy == "linear-probe")
    if head == "spread":
        assert not np.allclose(fitted.predict_proba(X_NEW), alone.predict_proba(X_NEW))


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


def test_pandas_marks_of_missing_labels():
    draw = np.random.default_rng(0)
    values = draw.normal(size=(12, 1, 10))
    labels = pd.Series(["a", "b", None] * 4, dtype="string")
    transformer = small(encoder=ConvEncoder(d_model=4, n_layers=1), num_epochs=1)
    classifier = SimMTMClassifier(transformer=transformer, random_state=0).fit(values, labels)
    assert classifier.classes_.tolist() == ["a", "b"]
