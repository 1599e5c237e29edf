"""The ridge of any penalty against scikit-learn's, left-out series against fits without them."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from simmtm_sk.dual_ridge import PENALTIES, DualRidge, left_vectors
from tests.blobs import blobs, standardized

shapes = pytest.mark.parametrize(
    "shape", [(14, 4), (9, 20), (8, 8)], ids=["tall", "wide", "square"]
)


def problem(shape, seed=1):
    draw = np.random.default_rng(seed)
    E, _ = blobs(*shape, 2, seed=seed)
    targets = standardized(E)[:, :2] @ [[3.0, 0.5], [-2.0, 1.0]] + 50
    return (
        standardized(E),
        targets + draw.normal(size=targets.shape),
        draw.uniform(0.3, 3, shape[0]),
    )


def absolute(Z, weights, penalty):
    """The penalty in scikit-learn's units: the mean squared length, for weights of mean one."""
    weights = weights / weights.mean()
    centred = Z - np.average(Z, axis=0, weights=weights)
    return penalty * np.average(np.square(centred).sum(1), weights=weights)


def by_scikit_learn(Z, targets, weights, alpha):
    return Ridge(alpha=alpha).fit(Z, targets, sample_weight=weights / weights.mean())


@shapes
@pytest.mark.parametrize("penalty", [1e-3, 0.3, 10.0])
def test_coefficients(shape, penalty):
    Z, targets, weights = problem(shape)
    ridge = DualRidge(Z, targets, weights).solve(penalty)
    expected = by_scikit_learn(Z, targets, weights, absolute(Z, weights, penalty))
    np.testing.assert_allclose(ridge.coef, expected.coef_, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ridge.intercept, expected.intercept_)
    assert ridge.penalty == penalty


@shapes
@pytest.mark.parametrize("penalty", [1e-3, 0.3, 10.0])
def test_left_out_predictions_are_those_of_fits_without_the_series(shape, penalty):
    """The penalty keeps its size in absolute terms."""
    Z, targets, weights = problem(shape)
    alpha, kept = absolute(Z, weights, penalty), weights / weights.mean()
    expected = []
    for i in range(len(Z)):
        others = Ridge(alpha=alpha).fit(
            np.delete(Z, i, 0), np.delete(targets, i, 0), np.delete(kept, i)
        )
        expected.append(others.predict(Z[i : i + 1])[0])
    ridge = DualRidge(Z, targets, weights).solve(penalty)
    np.testing.assert_allclose(ridge.left_out, expected, rtol=1e-7, atol=1e-8)
    squares = np.square(np.array(expected) - targets).mean(1)
    assert ridge.error == pytest.approx(kept @ squares)


@shapes
def test_the_best_penalty_has_the_smallest_error(shape):
    Z, targets, weights = problem(shape)
    ridge = DualRidge(Z, targets, weights)
    errors = {penalty: ridge.solve(penalty).error for penalty in PENALTIES}
    best = ridge.best()
    assert best.penalty == min(errors, key=errors.get)
    assert best.error == min(errors.values())
    np.testing.assert_array_equal(best.coef, ridge.solve(best.penalty).coef)


def test_noise_is_answered_with_a_stronger_penalty():
    draw = np.random.default_rng(0)
    Z = draw.normal(size=(30, 5))
    clear, noisy = Z[:, :1], draw.normal(size=(30, 1))
    norms = [np.linalg.norm(DualRidge(Z, y, np.ones(30)).best().coef) for y in (clear, noisy)]
    assert norms[0] == pytest.approx(1, rel=1e-3)
    assert norms[1] < 0.5


@shapes
def test_the_unit_of_features_and_weights_means_nothing(shape):
    """Powers of two change no bit."""
    Z, targets, weights = problem(shape)
    ridge, other = DualRidge(Z, targets, weights).best(), DualRidge(4 * Z, targets, weights).best()
    np.testing.assert_array_equal(4 * other.coef, ridge.coef)
    np.testing.assert_array_equal(other.left_out, ridge.left_out)
    np.testing.assert_array_equal(DualRidge(Z, targets, 8 * weights).best().coef, ridge.coef)


def test_a_weight_of_two_is_a_series_twice():
    Z, targets, _ = problem((9, 20))
    twice = np.r_[0, np.arange(9)]
    weights = np.r_[2.0, np.ones(8)]
    ridge = DualRidge(Z, targets, weights).solve(0.1)
    # weights are one on average, so that it is the penalty that is worth less
    other = DualRidge(Z[twice], targets[twice], np.ones(10)).solve(0.1 * 10 / 9)
    np.testing.assert_allclose(ridge.coef, other.coef, rtol=1e-9)
    np.testing.assert_allclose(ridge.intercept, other.intercept)


def test_features_that_never_vary_predict_the_mean():
    targets = np.array([[1.0], [2.0], [6.0]])
    ridge = DualRidge(np.full((3, 4), 7.0), targets, np.array([1.0, 1.0, 2.0])).best()
    np.testing.assert_array_equal(ridge.coef, np.zeros((1, 4)))
    np.testing.assert_allclose(ridge.intercept, [3.75])
    np.testing.assert_allclose(ridge.left_out[:, 0], [14 / 3, 13 / 3, 1.5])


@shapes
def test_left_vectors_rebuild_the_products(shape):
    rows = np.random.default_rng(0).normal(size=shape)
    rows[-1] = rows[0]  # one direction less where there are fewer rows than columns
    vectors, squares = left_vectors(rows)
    np.testing.assert_allclose((vectors * squares) @ vectors.T, rows @ rows.T, atol=1e-10)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(squares)), atol=1e-8)
    assert len(squares) == np.linalg.matrix_rank(rows)
