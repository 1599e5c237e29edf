"""Ridge regression from sums, against the normal equations and scikit-learn on stacked rows."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from simmtm_sk.nn.ridge import PENALTIES, Moments, Prior, choose, merged, solve

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5)) @ RNG.normal(size=(5, 5)) + RNG.normal(size=5)
Y = X[:, :3] @ RNG.normal(size=(3, 2)) + 0.5 * RNG.normal(size=(40, 2)) + 4
WEIGHT = RNG.uniform(0, 2, 40)
ONES = torch.ones(5, dtype=torch.float64)


def moments(x=X, y=Y, weight=WEIGHT, batches=3):
    made = Moments(x.shape[1], y.shape[1])
    for rows in np.array_split(np.arange(len(x)), batches):
        made.add(*(torch.tensor(part[rows]) for part in (x, y, weight)))
    return made


def by_sklearn(penalty, scale=None, weight=WEIGHT):
    """The same problem in scikit-learn's terms."""
    scale = np.ones(5) if scale is None else scale
    scaled = X * scale
    center = np.average(scaled, axis=0, weights=weight)
    variance = np.average((scaled - center) ** 2, axis=0, weights=weight).mean()
    model = Ridge(alpha=penalty * variance * weight.sum(), solver="cholesky")
    model.fit(scaled, Y, sample_weight=weight)
    return model.coef_ * scale, model.intercept_


# -- sums -----------------------------------------------------------------------------------------


def test_means_and_spread_are_those_of_the_rows():
    center, mean = moments().means()
    np.testing.assert_allclose(center, np.average(X, axis=0, weights=WEIGHT))
    np.testing.assert_allclose(mean, np.average(Y, axis=0, weights=WEIGHT))
    variance = np.average((X - center.numpy()) ** 2, axis=0, weights=WEIGHT)
    np.testing.assert_allclose(moments().std(), variance**0.5)
    assert float(moments().total) == pytest.approx(WEIGHT.sum())


def test_a_constant_feature_has_no_spread():
    for value in (0.0, 1.0, 1e8, 1 / 3):
        x = np.c_[X[:, :1], np.full(40, value)]
        spread = moments(x).std().tolist()
        assert spread[0] > 0.1
        assert spread[1] == 0


def test_batches_and_merging_equal_all_at_once():
    whole = moments(batches=1)
    first, second = (moments(X[rows], Y[rows], WEIGHT[rows]) for rows in (slice(15), slice(15, 40)))
    for other in (moments(batches=7), merged([first, second]), merged([second, first])):
        for name in ("xx", "xy", "yy"):
            torch.testing.assert_close(getattr(other, name), getattr(whole, name))
    assert float(first.total) == pytest.approx(WEIGHT[:15].sum())  # merging leaves both alone


def test_sum_of_squares_equals_the_direct_one():
    coef, intercept = RNG.normal(size=(2, 5)), RNG.normal(size=2)
    squares = (X @ coef.T + intercept - Y) ** 2 * WEIGHT[:, None]
    got = moments().sum_of_squares(torch.tensor(coef), torch.tensor(intercept))
    assert float(got) == pytest.approx(squares.sum(0).mean())


def test_float32_rows_are_summed_in_double_precision():
    made = Moments(1, 1)
    row = torch.tensor([[0.1]], dtype=torch.float32)
    for _ in range(1000):
        made.add(row, row, torch.ones(1))
    assert float(made.xx[0, 0]) == pytest.approx(1000 * float(row) ** 2, rel=1e-12)


# -- solutions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", PENALTIES[::4])
@pytest.mark.parametrize("weight", [WEIGHT, np.ones(40)], ids=["weights", "alike"])
def test_solve_equals_sklearn(penalty, weight):
    fit = solve(moments(weight=weight), penalty, ONES)
    coef, intercept = by_sklearn(penalty, weight=weight)
    np.testing.assert_allclose(fit.coef, coef, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(fit.intercept, intercept, rtol=1e-7, atol=1e-9)
    assert fit.penalty == penalty
    assert np.isnan(fit.error)


def test_a_scale_makes_a_feature_cheaper():
    scale = np.array([1.0, 0.2, 3.0, 1.0, 0.5])
    fit = solve(moments(), 0.1, torch.tensor(scale))
    coef, intercept = by_sklearn(0.1, scale)
    np.testing.assert_allclose(fit.coef, coef, rtol=1e-7)
    np.testing.assert_allclose(fit.intercept, intercept, rtol=1e-7)


def test_scale_zero_leaves_a_feature_out():
    scale = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0], dtype=torch.float64)
    fit = solve(moments(), 0.1, scale)
    assert (fit.coef[:, [1, 4]] == 0).all()
    alone = solve(moments(X[:, [0, 2, 3]]), 0.1, ONES[:3])
    torch.testing.assert_close(fit.coef[:, [0, 2, 3]], alone.coef)
    torch.testing.assert_close(fit.intercept, alone.intercept)


def test_a_constant_feature_gets_no_coefficient():
    """Nor does its rounding error, whatever the penalty."""
    x = np.c_[X[:, :2], np.full(40, 1e3 + 0.1)]
    fit = solve(moments(x), PENALTIES[0], ONES[:3])
    assert (fit.coef[:, 2] == 0).all()
    torch.testing.assert_close(fit.coef[:, :2], solve(moments(x[:, :2]), 1e-6, ONES[:2]).coef)
    one_row = solve(moments(X[:1], Y[:1], np.array([0.3])), PENALTIES[0], ONES)
    assert (one_row.coef == 0).all()
    np.testing.assert_allclose(one_row.intercept, Y[0])


def test_rows_without_weight_do_not_count():
    weight = np.where(np.arange(40) < 25, WEIGHT, 0)
    fit, expected = (
        solve(made, 0.01, ONES)
        for made in (moments(weight=weight), moments(X[:25], Y[:25], WEIGHT[:25]))
    )
    torch.testing.assert_close(fit.coef, expected.coef)
    torch.testing.assert_close(fit.intercept, expected.intercept)


@pytest.mark.parametrize("made", [Moments(5, 2), moments(weight=np.zeros(40))], ids=["none", "0"])
def test_without_rows_the_map_is_zero(made):
    for fit in (solve(made, 0.1, ONES), choose(made, moments(), ONES)):
        assert (fit.coef == 0).all()
        assert (fit.intercept == 0).all()


# -- the choice -----------------------------------------------------------------------------------


def test_choose_equals_trying_every_penalty():
    train = moments(X[:12], Y[:12], WEIGHT[:12])
    held_out = moments(X[12:], Y[12:], WEIGHT[12:])
    best = choose(train, held_out, ONES)
    errors = {}
    for penalty in PENALTIES:
        fit = solve(train, penalty, ONES)
        error = (X[12:] @ fit.coef.numpy().T + fit.intercept.numpy() - Y[12:]) ** 2
        errors[penalty] = np.average(error.mean(1), weights=WEIGHT[12:])
    assert best.penalty == min(errors, key=errors.get)
    assert best.error == pytest.approx(errors[best.penalty])
    torch.testing.assert_close(best.coef, solve(train, best.penalty, ONES).coef)
    assert PENALTIES[0] < best.penalty < PENALTIES[-1]


def test_noise_is_penalised_more_than_a_clear_relation():
    noise = RNG.normal(size=(40, 2))
    clear = X[:, :2]
    chosen = [
        choose(moments(X[:20], y[:20], WEIGHT[:20]), moments(X[20:], y[20:], WEIGHT[20:]), ONES)
        for y in (clear, noise)
    ]
    assert chosen[0].penalty == PENALTIES[0]
    assert chosen[1].penalty >= 1


def test_without_held_out_rows_the_most_cautious_penalty_is_taken():
    fit = choose(moments(), Moments(5, 2), ONES)
    assert fit.penalty == PENALTIES[-1]
    torch.testing.assert_close(fit.coef, solve(moments(), PENALTIES[-1], ONES).coef)


# -- priors ---------------------------------------------------------------------------------------

START = torch.tensor(RNG.normal(size=(2, 5)))
ORIGIN = torch.tensor(RNG.normal(size=5))


def test_a_prior_is_what_the_rest_is_solved_for():
    rest = solve(moments(y=Y - X @ START.numpy().T), 0.1, ONES)
    fit = solve(moments(), 0.1, ONES, Prior(START))
    torch.testing.assert_close(fit.coef, START + rest.coef)
    torch.testing.assert_close(fit.intercept, rest.intercept)


def test_an_origin_takes_the_place_of_the_intercept():
    scale, centered = np.array([1.0, 3.0, 0.5, 1.0, 2.0]), X - ORIGIN.numpy()
    variance = np.average((centered * scale) ** 2, axis=0, weights=WEIGHT).mean()
    ridge = Ridge(0.1 * variance * WEIGHT.sum(), fit_intercept=False, solver="cholesky")
    rest = Y - X @ START.numpy().T
    ridge.fit(centered * scale, rest, sample_weight=WEIGHT)
    fit = solve(moments(), 0.1, torch.tensor(scale), Prior(START, ORIGIN))
    expected = X @ START.numpy().T + ridge.predict(centered * scale)
    np.testing.assert_allclose(X @ fit.coef.numpy().T + fit.intercept.numpy(), expected)
    # at the origin it is the prior
    torch.testing.assert_close(fit.coef @ ORIGIN + fit.intercept, START @ ORIGIN)


@pytest.mark.parametrize("origin", [None, ORIGIN])
def test_what_penalties_pull_to(origin):
    fit = solve(moments(), 1e12, ONES, Prior(START, origin))
    torch.testing.assert_close(fit.coef, START)
    if origin is None:
        residual = np.average(Y - X @ START.numpy().T, axis=0, weights=WEIGHT)
        np.testing.assert_allclose(fit.intercept, residual)
    else:
        assert fit.intercept.abs().max() < 1e-9


def test_a_choice_goes_out_from_the_prior():
    prior = Prior(START, ORIGIN)
    train, held_out = moments(X[:12], Y[:12], WEIGHT[:12]), moments(X[12:], Y[12:], WEIGHT[12:])
    best = choose(train, held_out, ONES, prior)
    torch.testing.assert_close(best.coef, solve(train, best.penalty, ONES, prior).coef)
