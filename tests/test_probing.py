"""Linear heads against scikit-learn and against sums written out."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression, Ridge

from simmtm_sk.dual_ridge import DualRidge
from simmtm_sk.probing import (
    EVEN,
    FEWEST_PER_CLASS,
    FEWEST_UNLABELLED,
    MOST_UNLABELLED,
    STRENGTH,
    USUAL_PENALTY,
    LinearHead,
    classification_head,
    common_scale,
    evenness,
    location_and_unit,
    regression_head,
)
from simmtm_sk.spreading import SpreadingRidge
from tests.blobs import accuracy, blobs, one_against_rest, same, standardized

shapes = pytest.mark.parametrize("shape", [(24, 5), (24, 60)], ids=["tall", "wide"])
every_kind = pytest.mark.parametrize("kind", ["ridge", "logistic"])


def scaled(E):
    """Centred, and divided by one number, so that features keep their proportions."""
    rows = E - E.mean(0)
    return rows / np.sqrt(np.square(rows).sum() / rows.size)


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


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(15, 4), (12, 30)], ids=["tall", "wide"])
def test_the_ridge_of_a_classifier_by_hand(shape, weighted):
    """Least squares on one class against the rest, times the factor that suits left-out series."""
    E, y = blobs(*shape, 3, seed=4)
    weights = np.linspace(0.5, 1.5, len(y)) if weighted else np.ones(len(y))
    head = classification_head(E, y, "ridge", weights if weighted else None)
    ridge = DualRidge(scaled(E), one_against_rest(y, 3), weights).best()
    factor = factor_between(head.scores(E), scaled(E) @ ridge.coef.T + ridge.intercept)
    # no factor in the range that is searched makes the left-out series more likely
    grid = np.exp(np.linspace(-3, 4, 400))
    losses = [log_loss(f * ridge.left_out, y, weights) for f in grid]
    assert log_loss(factor * ridge.left_out, y, weights) <= min(losses) + 1e-3


def test_the_penalty_of_very_few_labels_is_the_usual_one():
    """A series that is left out takes along half of its class, or all of it."""
    for n_members, usual in ((1, True), (FEWEST_PER_CLASS - 1, True), (FEWEST_PER_CLASS, False)):
        y = np.tile([0, 1, 2], n_members)
        E = np.eye(3)[y] + np.random.default_rng(0).normal(size=(len(y), 3)) * 3
        Z = scaled(E)
        ridge = DualRidge(Z, one_against_rest(y, 3), np.ones(len(y)))
        expected = ridge.solve(USUAL_PENALTY) if usual else ridge.best()
        assert usual or expected.penalty != USUAL_PENALTY
        scores = classification_head(E, y, "ridge").scores(E)
        factor_between(scores, Z @ expected.coef.T + expected.intercept)


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


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("shape", [(60, 5), (30, 50)], ids=["tall", "wide"])
def test_logistic_regression_is_scikit_learns(shape, n_classes, weighted):
    """Also with two classes, where scikit-learn has one output and the head has two."""
    E, y = blobs(*shape, n_classes, seed=2)
    weights = np.linspace(0.5, 1.5, len(y)) if weighted else np.ones(len(y))
    head = classification_head(E, y, "logistic", weights)
    Z = scaled(E)
    length = np.sqrt(np.square(Z - np.average(Z, axis=0, weights=weights)).sum(1).mean())
    expected = LogisticRegression(C=STRENGTH, max_iter=5000, tol=1e-7)
    expected.fit(Z / length, y, weights)
    assert head.coef.shape == (n_classes, shape[1])
    np.testing.assert_allclose(head.probabilities(E), expected.predict_proba(Z / length), atol=1e-2)


# -- regression -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(14, 4), (9, 20)], ids=["tall", "wide"])
def test_regression_is_a_ridge_with_the_best_penalty_for_left_out_series(shape, weighted):
    draw = np.random.default_rng(1)
    E, _ = blobs(*shape, 2)
    y = standardized(E)[:, :3] @ [3.0, -2.0, 1.0] + draw.normal(size=len(E)) + 50
    weights = np.linspace(0.5, 1.5, len(y)) if weighted else np.ones(len(y))
    head = regression_head(E, y, weights)
    Z = scaled(E)
    best = DualRidge(Z, y[:, None], weights).best()
    alpha = best.penalty * np.square(Z - np.average(Z, axis=0, weights=weights)).sum(1) @ weights
    ridge = Ridge(alpha=alpha / len(y)).fit(Z, y, weights)
    np.testing.assert_allclose(head.coef[0], ridge.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(head.scores(E)[:, 0], ridge.predict(Z))
    assert head.coef.shape == (1, shape[1])
    assert head.intercept.shape == (1,)


def test_a_constant_target_is_predicted():
    E, _ = blobs(12, 4, 2)
    np.testing.assert_allclose(regression_head(E, np.full(12, 7.5)).scores(E + 1), 7.5)


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e-5, -7.0, 1e30, 1e155, 1e300])
def test_regression_is_equivariant(unit):
    E, y = blobs(20, 30, 4)
    y = y + 0.1 * np.arange(20)
    scores = regression_head(E, y).scores(E)
    np.testing.assert_allclose(regression_head(E, unit * y).scores(E) / unit, scores, rtol=1e-9)
    np.testing.assert_allclose(regression_head(E, 1e3 * y - 7).scores(E), 1e3 * scores - 7)


def test_location_and_unit_by_hand():
    assert location_and_unit(np.array([1.0, 3.0])) == (2.0, 1.0)
    assert location_and_unit(np.array([1e300, 3e300])) == pytest.approx((2e300, 1e300))
    assert location_and_unit(np.array([5.0, 5.0])) == (5.0, 1.0)
    assert location_and_unit(np.zeros(3)) == (0.0, 1.0)


# -- weights --------------------------------------------------------------------------------------

KINDS = ["ridge", "logistic", "spread", "auto", "regression"]


def fitted(kind, E, y, weights, others):
    if kind == "regression":
        return regression_head(E, y.astype(float), weights)
    return classification_head(E, y, kind, weights, others)


@pytest.mark.parametrize("kind", KINDS)
def test_a_series_of_weight_zero_is_not_there(kind):
    E, y = blobs(40, 6, 3)
    weights = np.r_[np.zeros(5), np.linspace(0.5, 1.5, 15)]
    assert set(y[5:20]) == {0, 1, 2}
    head = fitted(kind, E[:20], y[:20], weights, E[20:])
    assert same(head, fitted(kind, E[5:20], y[5:20], weights[5:], E[20:]))


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_ratios_of_weights_matter(kind):
    E, y = blobs(40, 6, 3)
    weights = np.linspace(0.5, 1.5, 20)
    head = fitted(kind, E[:20], y[:20], weights, E[20:])
    assert same(head, fitted(kind, E[:20], y[:20], 4 * weights, E[20:]))
    assert same(
        fitted(kind, E[:20], y[:20], np.full(20, 2.0), E[20:]),
        fitted(kind, E[:20], y[:20], None, E[20:]),
    )
    assert not same(head, fitted(kind, E[:20], y[:20], None, E[20:]))


@pytest.mark.parametrize("kind", ["ridge", "logistic", "spread"])
def test_weights_pull_towards_their_class(kind):
    E, y = blobs(120, 3, 2, seed=5, apart=0.3)
    shares = [
        classification_head(E[:60], y[:60], kind, np.where(y[:60] == 0, weight, 1.0), E[60:])
        .probabilities(E)[:, 0]
        .mean()
        for weight in (0.2, 1.0, 5.0)
    ]
    assert shares == sorted(shares)
    assert shares[2] - shares[0] > 0.2


# -- whatever the kind ----------------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities(kind, n_classes):
    E, y = blobs(40, 4, n_classes, apart=2)
    E = standardized(E)  # else the largest feature is all that counts
    head = classification_head(E, y, kind)
    probabilities = head.probabilities(E)
    assert probabilities.shape == (40, n_classes)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1)
    np.testing.assert_allclose(probabilities, softmax(head.scores(E), axis=1))
    assert accuracy(head, E, y) > 0.7


@pytest.mark.parametrize("kind", ["ridge", "logistic", "auto"])
def test_classes_of_one_member(kind):
    draw = np.random.default_rng(0)
    y = np.array([0, 0, 0, 1, 2])
    E = np.eye(3)[y] + 0.01 * draw.normal(size=(5, 3))
    head = classification_head(E, y, kind)
    assert head.scores(E).argmax(0)[1:].tolist() == [3, 4]  # the likeliest members
    two = classification_head(E[2:4], np.array([0, 1]), kind)
    assert two.scores(E[2:4]).argmax(1).tolist() == [0, 1]


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
def test_the_common_scale_by_hand(dtype):
    """Features keep their proportions."""
    E = np.array([[1, 0.1, 5], [3, 0.1, 5], [5, 0.1, 5], [7, 0.1, 6]], dtype)
    center, std = common_scale(E)
    assert center.dtype == std.dtype == np.float64
    np.testing.assert_allclose(center, [4, 0.1, 5.25], rtol=1e-7)
    np.testing.assert_allclose(std, 3 * [np.sqrt((5 + 0 + 3 / 16) / 3)])
    np.testing.assert_array_equal(common_scale(np.full((3, 2), 0.1))[1], [1, 1])


def test_a_head_by_hand():
    head = LinearHead(
        center=np.array([1.0, 2.0]),
        std=np.array([2.0, 4.0]),
        coef=np.array([[1.0, 0.0], [0.5, -1.0]]),
        intercept=np.array([0.0, 10.0]),
    )
    scores = head.scores(np.array([[3.0, 6.0], [1.0, 2.0]], np.float32))
    np.testing.assert_array_equal(scores, [[1.0, 9.5], [0.0, 10.0]])


@shapes
@pytest.mark.parametrize("kind", ["ridge", "logistic", "auto"])
def test_the_same_head_every_time_and_from_the_caller_nothing(kind, shape):
    E, y = blobs(*shape, 3)
    kept = E.copy()
    np.random.seed(0)  # noqa: NPY002
    first = classification_head(E, y, kind)
    assert same(first, classification_head(E, y, kind))
    assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    np.testing.assert_array_equal(E, kept)


@shapes
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
@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e5])
def test_a_common_unit_and_the_origin_of_features_mean_nothing(kind, unit):
    E, y = blobs(30, 4, 3)
    moved = unit * (E - [0.0, 5.0, 1e3, -1.0])
    expected = classification_head(E, y, kind).scores(E)
    np.testing.assert_allclose(
        classification_head(moved, y, kind).scores(moved), expected, rtol=1e-3, atol=1e-3
    )


@every_kind
def test_the_proportions_of_features_mean_something(kind):
    """A feature that hardly varies hardly counts."""
    E, y = blobs(30, 4, 3)
    E = standardized(E)
    uneven = E * [1e-6, 1.0, 1.0, 1.0]
    expected = classification_head(E[:, 1:], y, kind).scores(E[:, 1:])
    scores = classification_head(uneven, y, kind).scores(uneven)
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-3)
    even = classification_head(E, y, kind).scores(E)
    assert not np.allclose(even, expected, rtol=0.1, atol=0.1)


# -- labels that are passed on --------------------------------------------------------------------


def clouds(seed):
    """Two elongated clouds; the first two series are from opposite ends of them."""
    draw = np.random.default_rng(seed)
    y = np.arange(200) % 2
    place = np.r_[-1.0, 1.0, draw.normal(size=198)]
    E = np.column_stack([place, 3.0 * y]) + 0.3 * draw.normal(size=(200, 2))
    return standardized(E), y


def test_unlabelled_series_show_where_classes_lie():
    gains = []
    for seed in range(4):
        E, y = clouds(seed)
        alone = classification_head(E[:2], y[:2])
        spread = classification_head(E[:2], y[:2], "spread", None, E[2:])
        gains.append(accuracy(spread, E, y) - accuracy(alone, E, y))
        # nothing can be left out, and two classes say too little, so that "auto" is careful
        assert not same(classification_head(E[:2], y[:2], unlabelled=E[2:]), spread)
    assert min(gains) > 0
    assert np.mean(gains) > 0.1


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
    for kind in ("spread", "auto"):
        for nobody in (None, np.empty((0, 3))):
            assert same(classification_head(E, y, kind, None, nobody), ridge)


def test_other_kinds_do_not_look_at_them():
    E, y = blobs(30, 3, 2)
    for kind in ("ridge", "logistic"):
        expected = classification_head(E, y, kind)
        assert same(classification_head(E, y, kind, None, 7 * E[::-1]), expected)


def test_auto_does_not_spread_to_a_handful_of_series():
    place = np.arange(12 + FEWEST_UNLABELLED) % 3  # classes of one size
    E = 4 * np.eye(3)[place] + 0.3 * np.random.default_rng(1).normal(size=(len(place), 3))
    for n_others in (FEWEST_UNLABELLED - 1, FEWEST_UNLABELLED):
        others = E[12 : 12 + n_others]
        spread = classification_head(E[:3], np.arange(3), "spread", None, others)
        auto = classification_head(E[:3], np.arange(3), "auto", None, others)
        assert same(auto, spread) == (n_others == FEWEST_UNLABELLED)


def test_auto_spreads_few_labels_where_classes_come_out_even():
    chosen = set()
    for seed in range(6):
        E, y = blobs(120, 4, 3, seed=seed, apart=3)
        E = standardized(E)
        n_absent = 50 if seed % 2 else 20  # of the last class, which has half of the series
        rare = np.flatnonzero(y == 2)[-n_absent:]
        E, y = np.delete(E, rare, axis=0), np.delete(y, rare)
        first = np.array([np.flatnonzero(y == c)[0] for c in range(3)])
        others = np.delete(E, first, axis=0)
        heads = {
            kind: classification_head(E[first], np.arange(3), kind, None, others)
            for kind in ("spread", "auto")
        }
        told = heads["spread"].scores(others).argmax(1)
        even = evenness(told, 3) >= EVEN
        assert same(heads["auto"], heads["spread"]) == even
        chosen.add(even)
    assert chosen == {True, False}


def test_evenness():
    assert evenness(np.arange(12) % 4, 4) == pytest.approx(1)
    assert evenness(np.zeros(5, int), 4) == pytest.approx(1 / 4)
    assert evenness(np.arange(12) % 2, 4) == pytest.approx(1 / 2)


def test_auto_spreads_unless_left_out_series_speak_against_it():
    """The better of two ridges on the same folds, on data where now one, now the other is."""
    chosen = set()
    for seed in range(8):
        E, y = blobs(80, 4, 3, seed=seed, apart=0.8)
        E = standardized(E)  # else the largest feature is all that counts
        Z, few = scaled(E), y[:24]
        spread = classification_head(E[:24], few, "spread", None, E[24:])
        head = classification_head(E[:24], few, "auto", None, E[24:])
        penalty = DualRidge(Z[:24], one_against_rest(few, 3), np.ones(24)).best().penalty
        alone, with_others = SpreadingRidge(Z, few, np.ones(24), 3, penalty).left_out()
        pays = (with_others.argmax(1) == few).sum() >= (alone.argmax(1) == few).sum()
        assert same(head, spread) == pays
        chosen.add(pays)
    assert chosen == {True, False}


def test_a_part_of_very_many_is_enough():
    draw = np.random.default_rng(0)
    E, y = blobs(10, 3, 2)
    many = E.mean(0) + E.std(0) * draw.normal(size=(2 * MOST_UNLABELLED - 1, 3))
    all_of_them, half = (classification_head(E, y, "spread", None, u) for u in (many, many[::2]))
    assert same(all_of_them, half)
