"""Linear heads against scikit-learn and against sums written out."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifierCV, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from simmtm_sk.probing import (
    ALPHAS,
    MOST_FOR_LOGISTIC,
    MOST_UNLABELLED,
    STRENGTHS,
    LinearHead,
    classification_head,
    regression_head,
    standardization,
)
from simmtm_sk.spreading import N_NEIGHBORS, REACH, spread_labels


def blobs(n, n_features, n_classes, seed=0, apart=1.0):
    """Gaussian classes of unequal size, features of very different location and scale."""
    draw = np.random.default_rng(seed)
    y = np.minimum(draw.integers(n_classes + 1, size=n), n_classes - 1)  # the last is the largest
    y[: 2 * n_classes] = np.tile(np.arange(n_classes), 2)
    centres = apart * draw.normal(size=(n_classes, n_features))
    E = centres[y] + draw.normal(size=(n, n_features))
    E = E * np.logspace(-2, 3, n_features) + 10 * np.arange(n_features)
    order = draw.permutation(n)
    return E[order], y[order]


def standardized(E):
    return StandardScaler().fit_transform(E)


def left_out_predictions(Z, targets, alpha, weights):
    """A ridge regression for every series, fitted on all others."""
    rows = range(len(Z))
    return np.array(
        [
            Ridge(alpha=alpha)
            .fit(np.delete(Z, i, 0), np.delete(targets, i, 0), np.delete(weights, i))
            .predict(Z[i : i + 1])
            .ravel()
            for i in rows
        ]
    )


def ridge_by_hand(Z, targets, weights):
    """The penalty of the smallest weighted squared error of left-out series, and its fit."""
    left_out = [left_out_predictions(Z, targets, alpha, weights) for alpha in ALPHAS]
    errors = [(weights[:, None] * (p - targets) ** 2).mean() for p in left_out]
    best = int(np.argmin(errors))
    return Ridge(alpha=ALPHAS[best]).fit(Z, targets, weights), left_out[best]


def one_against_rest(y):
    return np.stack([np.where(y == k, 1.0, -1.0) for k in range(y.max() + 1)], 1)


def log_loss(scores, y, weights):
    """A class of n members counts as n + 1 hits and one miss, shared by the other classes."""
    log_likelihood, n_classes = log_softmax(scores, axis=1), y.max() + 1
    total = 0.0
    for likelihoods, k, weight in zip(log_likelihood, y, weights, strict=True):
        n_members = (y == k).sum()
        seen = np.full(n_classes, 1 / (n_classes - 1))
        seen[k] = n_members + 1
        total -= weight * (seen / seen.sum()) @ likelihoods
    return total


def factor_between(scores, others):
    """The number that makes ``others`` of ``scores``; there must be one."""
    factor = float((scores * others).sum() / (others**2).sum())
    np.testing.assert_allclose(scores, factor * others, rtol=1e-6, atol=1e-6 * np.abs(scores).max())
    return factor


# -- ridge ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(14, 4), (9, 20)], ids=["tall", "wide"])
@pytest.mark.parametrize("noise", [0.1, 30.0])
def test_regression_is_a_ridge_with_the_best_penalty_for_left_out_series(shape, noise):
    draw = np.random.default_rng(1)
    E, _ = blobs(*shape, 2)
    y = standardized(E)[:, :3] @ [3.0, -2.0, 1.0] + noise * draw.normal(size=len(E)) + 50
    head = regression_head(E, y)
    ridge, _ = ridge_by_hand(standardized(E), y[:, None], np.ones(len(y)))
    np.testing.assert_allclose(head.coef, ridge.coef_.reshape(1, -1), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(head.scores(E)[:, 0], ridge.predict(standardized(E)).ravel())
    assert head.coef.shape == (1, shape[1])
    assert head.intercept.shape == (1,)


def test_noise_is_answered_with_a_stronger_penalty():
    """So that the test above has seen more than one of them."""
    draw = np.random.default_rng(0)
    E = draw.normal(size=(30, 5))
    clear, noisy = E[:, 0], draw.normal(size=30)
    norms = [np.linalg.norm(regression_head(E, y).coef) for y in (clear, noisy)]
    assert norms[0] == pytest.approx(E[:, 0].std(), rel=1e-3)
    assert norms[1] < 0.5


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 5.0, 1: 1.0, 2: 0.3}], ids=str)
@pytest.mark.parametrize("shape", [(15, 4), (12, 30)], ids=["tall", "wide"])
def test_the_ridge_of_a_classifier_by_hand(shape, class_weight):
    """Least squares on one class against the rest, times the factor that suits left-out series."""
    E, y = blobs(*shape, 3, seed=4)
    counts = np.bincount(y)
    weights = {
        "None": np.ones(len(y)),
        "balanced": (len(y) / (3 * counts))[y],
    }.get(str(class_weight))
    if weights is None:
        weights = np.array([class_weight[k] for k in y])
    head = classification_head(E, y, "ridge", class_weight)
    ridge, left_out = ridge_by_hand(standardized(E), one_against_rest(y), weights)
    factor = factor_between(head.scores(E), ridge.predict(standardized(E)))
    # no factor in the range that is searched makes the left-out series more likely
    grid = np.exp(np.linspace(-3, 4, 400))
    losses = [log_loss(f * left_out, y, weights) for f in grid]
    assert log_loss(factor * left_out, y, weights) <= min(losses) + 1e-3


def test_sharpness_follows_how_sure_one_can_be():
    """Clear classes give probabilities near 0 and 1, meaningless ones give the shares."""
    draw = np.random.default_rng(0)
    y = np.arange(60) % 2
    clear = classification_head(y[:, None] + 0.01 * draw.normal(size=(60, 1)), y, "ridge")
    noise = draw.normal(size=(60, 3))
    unsure = classification_head(noise, y, "ridge")
    assert clear.probabilities(np.array([[0.0], [1.0]])).max(1).min() > 0.9
    assert unsure.probabilities(noise).max() < 0.75


# -- logistic regression --------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, {0: 10.0, 1: 1.0, 2: 1.0}], ids=str)
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [(60, 5), (30, 50)], ids=["tall", "wide"])
def test_logistic_regression_is_scikit_learns(shape, n_classes, class_weight):
    """Also with two classes, where scikit-learn has one output and the head has two."""
    E, y = blobs(*shape, n_classes, seed=2)
    if class_weight is not None:
        class_weight = {k: class_weight[k] for k in range(n_classes)}
    head = classification_head(E, y, "logistic", class_weight)
    weights = np.ones(len(y)) if class_weight is None else np.vectorize(class_weight.get)(y)
    folds = StratifiedKFold(min(5, np.bincount(y).min()), shuffle=True, random_state=0)
    Z = standardized(E)
    hits = {}
    for C in STRENGTHS:
        predicted = cross_val_predict(
            LogisticRegression(C=C, max_iter=2000),
            Z,
            y,
            cv=folds,
            params={"sample_weight": weights},
        )
        hits[C] = weights @ (predicted == y)
    expected = LogisticRegression(C=max(hits, key=hits.get), max_iter=2000).fit(Z, y, weights)
    assert head.coef.shape == (n_classes, shape[1])
    np.testing.assert_allclose(head.probabilities(E), expected.predict_proba(Z), atol=2e-3)


# -- which of the two -----------------------------------------------------------------------------


def in_a_row(n):
    """Three classes along a line: least squares never predicts the middle one."""
    draw = np.random.default_rng(0)
    y = np.arange(n) % 3
    return (y + 0.1 * draw.normal(size=n))[:, None], y


def accuracy(head, E, y):
    return (head.scores(E).argmax(1) == y).mean()


def same(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def test_the_logistic_regression_where_it_is_more_accurate():
    E, y = in_a_row(60)
    ridge, logistic = (classification_head(E, y, kind) for kind in ("ridge", "logistic"))
    assert accuracy(ridge, E, y) < 0.75
    assert accuracy(logistic, E, y) > 0.95
    assert same(classification_head(E, y), logistic)


def test_the_ridge_wins_ties():
    E, y = blobs(40, 3, 2, apart=20)
    ridge, logistic = (classification_head(E, y, kind) for kind in ("ridge", "logistic"))
    assert accuracy(ridge, E, y) == accuracy(logistic, E, y) == 1
    assert same(classification_head(E, y), ridge)
    assert not same(ridge, logistic)


def test_the_choice_is_that_of_cross_validation():
    """On data where now one, now the other is ahead."""
    chosen = []
    for seed in (3, 12):
        E, y = blobs(30, 4, 3, seed=seed)
        Z = standardized(E)
        folds = StratifiedKFold(min(5, np.bincount(y).min()), shuffle=True, random_state=0)
        logistic = [LogisticRegression(C=C, max_iter=2000) for C in STRENGTHS]
        hits = [
            (cross_val_predict(model, Z, y, cv=folds) == y).sum()
            for model in (RidgeClassifierCV(ALPHAS), *logistic)
        ]
        chosen.append("logistic" if max(hits[1:]) > hits[0] else "ridge")
        assert same(classification_head(E, y), classification_head(E, y, chosen[-1]))
    assert set(chosen) == {"ridge", "logistic"}


def test_the_ridge_where_cross_validation_is_impossible_or_long():
    E, y = in_a_row(60)
    y[y == 2], y[-1] = 1, 2  # a class of one member
    assert same(classification_head(E, y), classification_head(E, y, "ridge"))
    E, y = in_a_row(MOST_FOR_LOGISTIC + 2)
    assert same(classification_head(E, y), classification_head(E, y, "ridge"))
    assert not same(
        classification_head(E[:90], y[:90]), classification_head(E[:90], y[:90], "ridge")
    )


@pytest.mark.parametrize("kind", ["ridge", "logistic", "auto"])
def test_classes_of_one_member(kind):
    draw = np.random.default_rng(0)
    y = np.array([0, 0, 0, 1, 2])
    E = np.eye(3)[y] + 0.01 * draw.normal(size=(5, 3))
    head = classification_head(E, y, kind)
    assert head.scores(E).argmax(0)[1:].tolist() == [3, 4]  # the likeliest members
    two = classification_head(E[2:4], np.array([0, 1]), kind)
    assert two.scores(E[2:4]).argmax(1).tolist() == [0, 1]


# -- whatever the kind ----------------------------------------------------------------------------

every_kind = pytest.mark.parametrize("kind", ["ridge", "logistic"])


@every_kind
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities(kind, n_classes):
    E, y = blobs(40, 4, n_classes, apart=2)
    head = classification_head(E, y, kind)
    probabilities = head.probabilities(E)
    assert probabilities.shape == (40, n_classes)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(probabilities, softmax(head.scores(E), axis=1))
    assert accuracy(head, E, y) > 0.7


@every_kind
@pytest.mark.parametrize("n_features", [3, 60])
def test_constant_features_are_harmless(kind, n_features):
    """Whatever their number and size, and whatever they are in new series."""
    E, y = blobs(24, n_features, 3)
    constants = np.tile([0.0, 1e-20, 0.1, 1e6, -1e12], (24, 1))
    head = classification_head(np.hstack([constants, E]), y, kind)
    plain = classification_head(E, y, kind)
    expected = plain.scores(E)
    close = {"rtol": 1e-3, "atol": 1e-3 * np.abs(expected).max()}
    np.testing.assert_allclose(head.scores(np.hstack([constants, E])), expected, **close)
    other = np.hstack([constants + np.array([1, 1, 1, 1, 0]), E])
    np.testing.assert_allclose(head.scores(other), expected, **close)
    with_constants = regression_head(np.hstack([constants, E]), y.astype(float))
    np.testing.assert_allclose(
        with_constants.scores(other), regression_head(E, y.astype(float)).scores(E), atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardization_by_hand(dtype):
    E = np.array([[1, 0.1, 5, 0], [3, 0.1, 5, 0], [5, 0.1, 5, 0], [7, 0.1, 6, 0]], dtype)
    center, std = standardization(E)
    assert center.dtype == std.dtype == np.float64
    np.testing.assert_allclose(center, [4, 0.1, 5.25, 0], rtol=1e-7)
    np.testing.assert_allclose(std, [np.sqrt(5), 1, np.sqrt(3) / 4, 1])


def test_a_head_by_hand():
    head = LinearHead(
        center=np.array([1.0, 2.0]),
        spread=np.array([2.0, 4.0]),
        coef=np.array([[1.0, 0.0], [0.5, -1.0]]),
        intercept=np.array([0.0, 10.0]),
    )
    scores = head.scores(np.array([[3.0, 6.0], [1.0, 2.0]], np.float32))
    np.testing.assert_array_equal(scores, [[1.0, 9.5], [0.0, 10.0]])


@every_kind
def test_class_weights_pull_towards_their_class(kind):
    E, y = blobs(60, 3, 2, seed=5, apart=0.3)
    shares = [
        classification_head(E, y, kind, {0: w, 1: 1.0}).probabilities(E)[:, 0].mean()
        for w in (0.2, 1.0, 5.0)
    ]
    assert shares == sorted(shares)
    assert shares[2] - shares[0] > 0.2
    counts = np.bincount(y)
    by_hand = {k: 60 / (2 * counts[k]) for k in (0, 1)}
    balanced = classification_head(E, y, kind, "balanced")
    assert same(balanced, classification_head(E, y, kind, by_hand))
    assert not same(balanced, classification_head(E, y, kind))


@pytest.mark.parametrize("shape", [(24, 5), (24, 60)], ids=["tall", "wide"])
@pytest.mark.parametrize("kind", ["ridge", "logistic", "auto"])
def test_the_same_head_every_time_and_from_the_caller_nothing(kind, shape):
    E, y = blobs(*shape, 3)
    kept = E.copy()
    np.random.seed(0)  # noqa: NPY002
    first = classification_head(E, y, kind)
    assert same(first, classification_head(E, y, kind))
    assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    np.testing.assert_array_equal(E, kept)


@pytest.mark.parametrize("shape", [(24, 5), (24, 60)], ids=["tall", "wide"])
def test_the_order_of_the_series_means_nothing_to_a_ridge(shape):
    E, y = blobs(*shape, 3)
    order = np.random.default_rng(9).permutation(24)
    for fit, target in (
        (lambda E, y: classification_head(E, y, "ridge"), y),
        (regression_head, y.astype(float)),
    ):
        np.testing.assert_allclose(
            fit(E[order], target[order]).scores(E), fit(E, target).scores(E), rtol=1e-4, atol=1e-6
        )


@every_kind
def test_units_and_origin_of_a_feature_mean_nothing(kind):
    E, y = blobs(30, 4, 3)
    moved = E * [1e-3, 1.0, 7.0, 1e5] - [0.0, 5.0, 1e3, -1.0]
    np.testing.assert_allclose(
        classification_head(moved, y, kind).scores(moved),
        classification_head(E, y, kind).scores(E),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_constant_target_is_predicted():
    E, _ = blobs(12, 4, 2)
    np.testing.assert_allclose(regression_head(E, np.full(12, 7.5)).scores(E + 1), 7.5)


def test_regression_is_equivariant():
    E, y = blobs(20, 30, 4)
    y = y + 0.1 * np.arange(20)
    scores = regression_head(E, y).scores(E)
    np.testing.assert_allclose(regression_head(E, 1e3 * y - 7).scores(E), 1e3 * scores - 7)
    plain = RidgeCV(ALPHAS).fit(standardized(E), y)
    np.testing.assert_allclose(scores[:, 0], plain.predict(standardized(E)))


# -- labels that are passed on --------------------------------------------------------------------


def moons(n, seed=0):
    """Two half circles, one in the other's bend; the first two points are their ends."""
    draw = np.random.default_rng(seed)
    y = np.arange(n) % 2
    angle = np.pi * np.r_[0, 0, draw.uniform(size=n - 2)]
    place = np.where(y == 0, angle, angle + np.pi)
    E = np.column_stack([np.cos(place) + y, np.sin(place) + 0.4 * y])
    return E + 0.03 * draw.normal(size=E.shape), y


def slowly_spread(Z, y, n_classes):
    """The limit of passing on, solved for; neighbours found one by one."""
    n = len(Z)
    lengths = np.linalg.norm(Z, axis=1)
    graph = np.zeros((n, n))
    for i in range(n):
        cosine = [Z[i] @ Z[j] / (lengths[i] * lengths[j]) for j in range(n)]
        nearest = [j for j in np.argsort(cosine)[::-1] if j != i][:N_NEIGHBORS]
        graph[i, nearest] = graph[nearest, i] = 1
    degree = graph.sum(1)
    given = np.zeros((n, n_classes))
    for i, label in enumerate(y):
        given[i, label] = 1
    found = np.linalg.solve(np.eye(n) - REACH * graph / np.sqrt(np.outer(degree, degree)), given)
    found = found / found.sum(0)
    return found / found.sum(1, keepdims=True)


def test_spread_labels_by_hand():
    E, y = blobs(40, 6, 3, apart=0.7)
    order = np.argsort(np.arange(40) % 13, kind="stable")
    E, y = E[order], y[order]
    Z = standardized(E)
    assert set(y[:9]) == {0, 1, 2}
    np.testing.assert_allclose(spread_labels(Z, y[:9], 3), slowly_spread(Z, y[:9], 3), atol=1e-6)


def test_where_no_label_arrives():
    """Two islands, one of them without a label."""
    Z = np.vstack([np.eye(2)[[0] * 8], np.eye(2)[[1] * 8]]) + 0.01
    np.testing.assert_array_equal(spread_labels(Z, np.array([0, 1]), 3)[8:], 1 / 3)


def test_unlabelled_series_show_where_classes_lie():
    E, y = moons(200)
    E = np.column_stack([E, E[:, 0] ** 2, E[:, 0] ** 3])  # a linear head can bend, then
    alone = classification_head(E[:2], y[:2])
    spread = classification_head(E[:2], y[:2], "spread", None, E[2:])
    assert accuracy(spread, E, y) > accuracy(alone, E, y) + 0.1
    # what else could be chosen where a class has one member
    assert same(classification_head(E[:2], y[:2], unlabelled=E[2:]), spread)


def test_they_never_outvote_the_labels():
    """A thousand of them amid one class."""
    draw = np.random.default_rng(0)
    E, y = blobs(12, 3, 2, apart=3)
    crowd = E[y == 0].mean(0) + 0.1 * E.std(0) * draw.normal(size=(1000, 3))
    head = classification_head(E, y, "spread", None, crowd)
    assert accuracy(head, E, y) == 1
    assert head.probabilities(E)[y == 1, 1].min() > 0.5


def test_without_unlabelled_series_the_spread_is_the_ridge():
    E, y = blobs(20, 3, 2)
    ridge = classification_head(E, y, "ridge")
    for nobody in (None, np.empty((0, 3))):
        assert same(classification_head(E, y, "spread", None, nobody), ridge)


def test_other_kinds_do_not_look_at_them():
    E, y = blobs(30, 3, 2)
    for kind in ("ridge", "logistic"):
        expected = classification_head(E, y, kind)
        assert same(classification_head(E, y, kind, None, 7 * E[::-1]), expected)


def test_auto_leaves_them_out_where_they_mislead():
    """The logistic regression still is the only one to predict the class in the middle."""
    E, y = in_a_row(60)
    head = classification_head(E[:40], y[:40], unlabelled=E[40:])
    assert accuracy(head, E, y) > 0.95
    assert accuracy(classification_head(E[:40], y[:40], "spread", None, E[40:]), E, y) < 0.75


def test_a_part_of_very_many_is_enough():
    draw = np.random.default_rng(0)
    E, y = blobs(10, 3, 2)
    many = E.mean(0) + E.std(0) * draw.normal(size=(2 * MOST_UNLABELLED - 1, 3))
    one, other = (classification_head(E, y, "spread", None, u) for u in (many, many[::2]))
    assert same(one, other)


def test_class_weights_count_for_spread_labels_too():
    E, y = moons(60)
    shares = [
        classification_head(E[:6], y[:6], "spread", {0: w, 1: 1.0}, E[6:]).probabilities(E)[:, 0]
        for w in (0.1, 1.0, 10.0)
    ]
    assert shares[0].mean() < shares[1].mean() - 0.03 < shares[2].mean() - 0.06
