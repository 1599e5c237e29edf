import numpy as np
import pytest
import torch
from scipy.linalg import toeplitz
from sklearn.linear_model import Ridge

from simmtm_sk.nn.combination import Combination
from simmtm_sk.nn.members import PENALTY, Member
from simmtm_sk.training.covariances import model_covariance
from simmtm_sk.training.members import (
    LEAST_ERROR,
    MODELLED,
    POOL,
    choose_members,
    panel_of,
    solve_ridges,
    unproven_prior,
    usual_jump,
)

CPU = torch.device("cpu")
HORIZON = 4


def walks(lengths=(120, 90), seed=0):
    draw = np.random.default_rng(seed)
    return [5 + draw.normal(size=n).cumsum() for n in lengths]


def panel(series=None, share=1.0):
    series = walks() if series is None else series
    return panel_of(series, np.array([int(share * len(values)) for values in series]), CPU)


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


# -- panels ---------------------------------------------------------------------------------------


def test_series_are_standardised_by_their_training_parts():
    series = walks()
    made = panel(series, 0.5)
    for number, values in enumerate(series):
        train = values[: len(values) // 2]
        expected = (values - train.mean()) / train.std()
        np.testing.assert_allclose(made.values[number, : len(values)], expected)


def test_gaps_are_filled_and_ends_are_observed():
    series = [np.array([np.nan, 1.0, np.nan, 3.0, 5.0, np.nan])]
    made = panel(series)
    assert made.lengths.tolist() == [5]
    restored = made.values[0, :5] * made.scale + made.center
    np.testing.assert_allclose(restored, [1.0, 1.0, 2.0, 3.0, 5.0])


def test_constant_series_have_a_scale_of_one():
    made = panel([np.full(10, 7.0)])
    assert made.scale.tolist() == [1.0]
    assert not made.values.any()


# -- ridges ---------------------------------------------------------------------------------------


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


def test_jumps_are_usual_where_steps_are_large():
    draw = np.random.default_rng(0)
    walk, noise = draw.normal(size=200).cumsum(), draw.normal(size=200)
    found = usual_jump(panel([walk, noise, walk], 0.5))
    steps = np.abs(np.diff(walk[:100])).max() / walk[:100].std()
    assert found[[0, 2]].tolist() == pytest.approx([steps, steps])
    assert found[1] > 1e100


# -- which members --------------------------------------------------------------------------------


MEANS = ["last value", "mean of 3", "mean of 8", "mean of 28"]
RIDGES = ["ridge 12", "ridge 12 to the mean", "ridge 48", "ridge 48 to the mean"]
CAUTIOUS = "ridge 12, cautious"


def names(series, look_back=12):
    return [member.name for member in choose_members(panel(series), look_back, HORIZON)]


def test_long_series_have_long_ridges():
    assert names(walks((400,))) == [*RIDGES, CAUTIOUS, *MEANS]


def test_ridges_to_the_mean_need_many_windows():
    for length, expected in ((8 * (12 + HORIZON), True), (8 * (12 + HORIZON) - 1, False)):
        assert ("ridge 12 to the mean" in names(walks((length,)))) == expected


def test_several_series_have_ridges_of_their_own():
    of_all = [*RIDGES, CAUTIOUS]
    assert names(walks((400, 400)))[:9] == of_all + [f"own {name}" for name in RIDGES]


def test_short_series_have_means_of_the_last_points():
    assert names(walks((14,))) == MEANS[:3]


def test_seasonal_series_have_profiles():
    time = np.arange(120)
    chosen = names([np.sin(2 * np.pi * time / 6)])
    profiles = [f"profile of 6, memory {memory:g}" for memory in (0.6, 0.85, 0.95)]
    assert chosen[-5:] == ["profile 1 x 6", "profile 20 x 6", *profiles]


def test_a_multiple_of_the_season_has_a_profile():
    """Two days in seven are otherwise."""
    time = np.arange(800)
    week = np.sin(2 * np.pi * time / 6) * np.where(time // 6 % 7 < 5, 1.0, 0.3)
    chosen = names([week])
    assert "profile 1 x 6" in chosen
    assert "profile 4 x 42" in chosen


def test_ridges_count_less_where_few_points_begin_a_window_and_nothing_is_known_of_errors():
    made = panel(walks((60, 60)))
    members = [
        Member("ridge", 12, n_recent=12),
        Member("ridge", 12, n_recent=12, modelled=True),
        Member("profile", 3, period=1, n_periods=3),
    ]
    combination = Combination(members, 36, 2, 12)
    share = (60 - 12 - 36 + 1) / 60
    expected = np.array([2 * share, 2, 1])
    assert unproven_prior(combination, made).tolist() == pytest.approx(expected / expected.sum())
