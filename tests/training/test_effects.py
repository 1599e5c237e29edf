"""Linear effects of exogenous data."""

import numpy as np
import pytest

from simmtm_sk.training.effects import FEWEST_POINTS, covariate_coefs


def covariates(n=200, n_covariates=2, seed=0):
    return np.random.default_rng(seed).normal(size=(n_covariates, n)).cumsum(1)


def noise(n=200, seed=1):
    return np.random.default_rng(seed).normal(size=n)


def test_effects_are_found_beside_noise_and_trend():
    x = covariates()
    y = 3 * x[0] - 0.5 * x[1] + noise().cumsum() + 0.1 * np.arange(200)
    (coef,) = covariate_coefs([y], [x])
    changes = np.column_stack([np.diff(x[0]), np.diff(x[1]), np.ones(199)])
    expected, *_ = np.linalg.lstsq(changes, np.diff(y), rcond=None)
    np.testing.assert_allclose(coef, expected[:2], atol=0.15)
    np.testing.assert_allclose(coef, [3, -0.5], atol=0.3)


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_coefficients_are_in_units_of_both(factor):
    x = covariates()
    y = 3 * x[0] + noise()
    (plain,) = covariate_coefs([y], [x])
    np.testing.assert_allclose(covariate_coefs([factor * y], [x]), [factor * plain])
    np.testing.assert_allclose(covariate_coefs([y + 1e3], [factor * x]), [plain / factor], rtol=1e-6)  # fmt: skip # noqa: E501


def test_random_walks_have_nothing_to_do_with_each_other():
    """However alike their levels may look."""
    series = [noise(seed=k).cumsum() for k in range(20)]
    others = [covariates(seed=100 + k) for k in range(20)]
    coefs = covariate_coefs(series, others)
    assert (coefs == 0).all(1).mean() >= 0.9


def test_values_say_more_than_changes_where_errors_are_soon_forgotten():
    x = np.random.default_rng(99).normal(size=(1, 60))
    error = {True: [], False: []}
    for seed in range(30):
        e = 3 * noise(60, seed)
        (coef,) = covariate_coefs([2 * x[0] + e], [x])
        error[True].append(coef[0] - 2)
        by_changes = np.diff(x[0]) @ np.diff(2 * x[0] + e) / (np.diff(x[0]) @ np.diff(x[0]))
        error[False].append(by_changes - 2)
    kept = [deviation for deviation in error[True] if deviation != -2]  # an effect was found
    assert len(kept) > 20
    assert np.std(kept) < np.std(error[False])


def test_missing_values_take_no_part():
    x = covariates()
    y = 3 * x[0] + noise()
    y[50:60] = np.nan
    (coef,) = covariate_coefs([y], [x])
    np.testing.assert_allclose(coef[0], 3, atol=0.3)


def test_where_there_is_nothing_to_learn_from():
    x = covariates()
    for y in (np.full(200, 7.0), np.full(200, np.nan), x[0][: FEWEST_POINTS - 5]):
        assert (covariate_coefs([y], [x[:, : len(y)]]) == 0).all()
    constant = np.stack([x[0], np.full(200, 3.0)])
    (coef,) = covariate_coefs([2 * x[0]], [constant])
    np.testing.assert_allclose(coef, [2, 0], rtol=1e-3)
    assert covariate_coefs([x[0]], [np.full((1, 200), 3.0)]).tolist() == [[0.0]]
