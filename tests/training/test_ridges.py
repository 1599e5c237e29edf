import numpy as np
import pytest
import torch
from scipy.linalg import toeplitz
from sklearn.linear_model import Ridge

from simmtm_sk.nn.combination import Combination
from simmtm_sk.nn.members import PENALTY, Member
from simmtm_sk.training.covariances import model_covariance
from simmtm_sk.training.members import panel_of
from simmtm_sk.training.ridges import LEAST_ERROR, MODELLED, POOL, solve_ridges
from tests.training.panels import CPU, panel, walks

HORIZON = 4


def windows_of(made, number, length):
    values = made.values[number, : made.lengths[number]].numpy()
    views = np.lib.stride_tricks.sliding_window_view(values, length + HORIZON)
    return views[:, :length], views[:, length:]


def plain_ridge(features, targets, weights, penalty=PENALTY):
    """The same ridge by scikit-learn: its penalty is relative to the mean of the squares."""
    penalty = penalty * np.mean(weights @ np.square(features))
    return Ridge(penalty, fit_intercept=False, solver="cholesky").fit(features, targets, weights)


def solved(spec, made):
    combination = Combination([spec], HORIZON, len(made.lengths), 8)
    solve_ridges(combination, made, made.lengths)
    return combination.members[0]


def expected_coef(made, spec, *, weighted=True, borrowed=None, likely=0.0):
    """A ridge by scikit-learn: on all windows with their weights, and on borrowed ones."""
    pairs = [windows_of(made, i, spec.length) for i in range(len(made.lengths))]
    x, y = (np.concatenate(part) for part in zip(*pairs, strict=True))
    weights = window_weights(x, y, spec) if weighted else np.ones(len(x))
    if borrowed is not None:
        weights *= np.repeat(borrowed, [len(part) for part, _ in pairs])
    if likely:  # windows that have exactly the covariance of the model
        width = spec.length + HORIZON
        covariance = model_covariance(made.values, made.lengths, [], width)
        rows = np.linalg.cholesky(toeplitz(covariance) + 1e-12 * np.eye(width)).T
        x, y = (np.concatenate(p) for p in ((x, rows[:, : spec.length]), (y, rows[:, -HORIZON:])))
        weights = np.r_[weights, np.full(width, likely)]
    anchor = x[:, -1:] if spec.anchored else 0
    features = (x - anchor) @ spec.summary().numpy()
    return plain_ridge(features, y - anchor, weights, spec.penalty).coef_


def window_weights(x, y, spec):
    anchor = x[:, -1:]
    features = (x - anchor) @ spec.summary().numpy()
    ridge = plain_ridge(features, y - anchor, np.ones(len(x)))
    square = np.square(y - anchor - ridge.predict(features)).mean(1)
    weights = 1 / np.sqrt(square + LEAST_ERROR * square.mean())
    return weights / weights.mean()


@pytest.mark.parametrize(("anchored", "penalty"), [(True, PENALTY), (False, PENALTY), (True, 3.0)])
def test_ridge_on_all_series(anchored, penalty):
    made = panel()
    spec = Member("ridge", 12, anchored, n_recent=4, fineness=3, penalty=penalty)
    expected = expected_coef(made, spec)
    np.testing.assert_allclose(solved(spec, made).coef[0].T, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n_points", "length"), [(17_000, 300), (50, 12)])
def test_ridge_without_weights(n_points, length):
    """On many windows they cost more than they bring, and few do not tell what errs."""
    made = panel(walks((n_points,)))
    spec = Member("ridge", length, n_recent=10, fineness=3)
    expected = expected_coef(made, spec, weighted=False)
    np.testing.assert_allclose(solved(spec, made).coef[0].T, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("anchored", [True, False])
@pytest.mark.parametrize("series", [walks(), walks((120, 30))])
def test_own_ridge_leans_on_those_of_all(series, anchored):
    made = panel(series)
    spec = Member("ridge", 10, anchored, n_recent=10, n_maps=2)
    total = sum(made.lengths.tolist()) - 2 * (10 + HORIZON - 1)
    own = solved(spec, made).coef
    for number in (0, 1):
        borrowed = np.full(2, POOL * 10 / total) + (np.arange(2) == number)
        expected = expected_coef(made, spec, borrowed=borrowed)
        np.testing.assert_allclose(own[number].T, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("anchored", [True, False])
def test_cautious_ridge_leans_on_the_covariance_of_a_model(anchored):
    """As if there were windows that have exactly that covariance."""
    made = panel()
    spec = Member("ridge", 12, anchored, n_recent=12, modelled=True)
    expected = expected_coef(made, spec, likely=MODELLED * 12)
    np.testing.assert_allclose(solved(spec, made).coef[0].T, expected, rtol=1e-5, atol=1e-7)


def test_a_wild_stretch_does_not_decide():
    """A ridge finds what holds elsewhere, though nearly all squares lie in it."""
    wild = np.arange(2_000) // 100 == 10
    steps = np.random.default_rng(0).normal(size=2_000) * np.where(wild, 20, 1)
    values = np.zeros(2_000)
    for at in range(1, 2_000):
        values[at] = (-0.5 if wild[at] else 0.9) * values[at - 1] + steps[at]
    made, spec = panel([values]), Member("ridge", 6, anchored=False, n_recent=6)
    true = np.zeros((HORIZON, 6))
    true[:, -1] = 0.9 ** np.arange(1, HORIZON + 1)
    plain = expected_coef(made, spec, weighted=False)
    weighted = solved(spec, made).coef[0].T.numpy()
    assert np.square(weighted - true).sum() < 0.8 * np.square(plain - true).sum()


def test_cautious_ridge_of_a_walk_is_nearly_the_last_value():
    """Where others follow what chance has put into few windows."""
    errors = []
    for modelled in (False, True):
        spec = Member("ridge", 12, n_recent=12, modelled=modelled)
        errors.append(float(solved(spec, panel(walks((40,), 3))).coef.square().sum()))
    assert errors[1] < 0.1 * errors[0]


def test_series_without_errors():
    """A constant has nothing to learn, and a straight line follows its steps."""
    spec = Member("ridge", 8, n_recent=8)
    assert not solved(spec, panel([np.full(100, 7.0)])).coef.any()
    made = panel([np.arange(100.0)])
    context = made.values[:, -8:] - made.values[:, -1:]
    steps = (context @ solved(spec, made).coef[0])[0] * made.scale
    np.testing.assert_allclose(steps, np.arange(1, HORIZON + 1), rtol=0.1)


def test_ridge_without_windows_is_the_last_value():
    made = panel(walks((12, 9)))
    assert not solved(Member("ridge", 10, n_recent=10), made).coef.any()


def test_only_the_first_points_count():
    series = walks()
    changed = [np.concatenate([values[:60], 1e3 * values[60:]]) for values in series]
    spec, lengths = Member("ridge", 8, n_recent=8), torch.tensor([60, 60])
    coefs = []
    for given in (series, changed):
        made = panel_of(given, np.array([60, 60]), CPU)
        combination = Combination([spec], HORIZON, 2, 8)
        solve_ridges(combination, made, lengths)
        coefs.append(combination.members[0].coef)
    assert torch.equal(*coefs)
