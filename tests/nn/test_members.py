import numpy as np
import pytest
import torch

from simmtm_sk.nn.members import (
    Member,
    SeasonalProfile,
    WindowRidge,
    context_of,
    prior_weights,
    resolution,
)

NAN = float("nan")


def contexts(n=5, length=24, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, length, generator=draw, dtype=torch.float64)


def context(values, series=None):
    series = torch.zeros(len(values), dtype=torch.int64) if series is None else series
    return context_of(values, series)


def fill(ridge, seed=0):
    draw = torch.Generator().manual_seed(seed)
    ridge.coef = torch.randn(ridge.coef.shape, generator=draw, dtype=torch.float64)
    return ridge


# -- contexts -------------------------------------------------------------------------------------


def test_gaps_are_interpolated_and_ends_repeated():
    made = context(torch.tensor([[NAN, 1.0, NAN, 3.0, NAN]], dtype=torch.float64))
    assert made.values.tolist() == [[1.0, 1.0, 2.0, 3.0, 3.0]]
    assert made.first.tolist() == [[1]]
    assert made.last.tolist() == [[3.0]]


def test_nothing_observed_is_zero():
    made = context(torch.full((1, 4), NAN, dtype=torch.float64))
    assert made.values.tolist() == [[0.0] * 4]
    assert made.first.tolist() == [[4]]


# -- resolution -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "recent", "fineness"), [(50, 10, 4), (50, 50, 1), (7, 0, 2)])
def test_every_point_is_in_one_mean(length, recent, fineness):
    summary = resolution(length, recent, fineness)
    assert torch.allclose(summary.sum(0), torch.ones(summary.shape[1], dtype=torch.float64))
    assert ((summary > 0).sum(1) == 1).all()


def test_recent_points_are_kept():
    assert torch.equal(resolution(30, 12, 3)[-12:, -12:], torch.eye(12, dtype=torch.float64))


def test_older_means_are_longer():
    sizes = (resolution(200, 10, 8) > 0).sum(0)
    assert (sizes[2:] <= sizes[1:-1]).all()
    assert sizes[1] > 10


# -- members --------------------------------------------------------------------------------------


def ridge_of(length, n_recent, fineness, n_maps, anchored):
    return WindowRidge(Member("ridge", length, anchored, n_recent, fineness, n_maps), 3)


def test_ridge_to_the_mean_is_a_linear_map():
    ridge = fill(ridge_of(8, 4, 2, n_maps=1, anchored=False))
    values = contexts()
    expected = values[:, -8:] @ ridge.summary @ ridge.coef[0]
    torch.testing.assert_close(ridge(context(values)), expected)


def test_anchored_ridge_follows_every_level():
    ridge = fill(ridge_of(8, 4, 2, n_maps=1, anchored=True))
    values = contexts()
    torch.testing.assert_close(ridge(context(values + 5)), ridge(context(values)) + 5)


def test_ridges_on_one_context_do_not_disturb_each_other():
    ridges = [
        fill(ridge_of(length, n_recent, fineness, 1, anchored))
        for length, n_recent, fineness in ((8, 8, 1), (8, 4, 2), (12, 4, 2))
        for anchored in (True, False)
    ]
    values = contexts()
    shared = context(values)
    for ridge in ridges:
        anchor = values[:, -1:] if ridge.anchored else 0.0
        window = values[:, -ridge.spec.length :] - anchor
        expected = anchor + window @ ridge.summary @ ridge.coef[0]
        torch.testing.assert_close(ridge(shared), expected)


def test_own_ridge_takes_the_map_of_the_series():
    own = fill(ridge_of(8, 8, 1, n_maps=2, anchored=True))
    series = torch.tensor([0, 1, 1, 0, 1])
    values = contexts()
    forecast = own(context(values, series))
    for number in (0, 1):
        single = ridge_of(8, 8, 1, n_maps=1, anchored=True)
        single.coef = own.coef[[number]]
        rows = series == number
        torch.testing.assert_close(forecast[rows], single(context(values[rows])))


def test_profile_is_the_mean_of_the_phase():
    values = contexts(length=13)
    forecast = SeasonalProfile(4, 3, 6)(context(values)).numpy()
    for row, ahead in zip(values.numpy(), forecast, strict=True):
        expected = [np.mean([row[13 - 4 * k + h % 4] for k in (1, 2, 3)]) for h in range(6)]
        np.testing.assert_allclose(ahead, expected)


def test_profile_forgets_as_exponential_smoothing_does():
    """Course and level of a period, each smoothed from period to period."""
    values = contexts(length=120)
    forecast = SeasonalProfile(4, 30, 4, memory=0.5, level_memory=0.2)(context(values)).numpy()
    for row, ahead in zip(values.numpy(), forecast, strict=True):
        course, level = np.zeros(4), 0.0
        for period in row.reshape(30, 4):
            course = 0.5 * course + 0.5 * (period - period.mean())
            level = 0.2 * level + 0.8 * period.mean()
        np.testing.assert_allclose(ahead, course + level, rtol=1e-6, atol=1e-8)


def test_profile_counts_observed_periods_alone():
    values = contexts(length=12)
    values[:, :5] = NAN
    forecast = SeasonalProfile(4, 3, 4, 0.5, 0.5)(context(values))
    torch.testing.assert_close(forecast, values[:, -4:])


def test_profile_without_a_period_is_the_last_value():
    values = contexts(length=8)
    values[:, :6] = NAN
    forecast = SeasonalProfile(4, 2, 3, 0.5)(context(values))
    torch.testing.assert_close(forecast, values[:, -1:].expand(-1, 3))


def test_profile_of_single_points_is_their_mean():
    values = contexts()
    expected = values[:, -3:].mean(1, keepdim=True).expand(-1, 2)
    torch.testing.assert_close(SeasonalProfile(1, 3, 2)(context(values)), expected)


# -- what they are called -------------------------------------------------------------------------


def test_names_are_distinct():
    members = (
        Member("ridge", 8, n_recent=8),
        Member("ridge", 20, anchored=False, n_recent=4, fineness=2, n_maps=2),
        Member("profile", 12, period=4, n_periods=3),
        Member("profile", 12, period=4, n_periods=3, memory=0.5, level_memory=0.8),
        Member("profile", 1, period=1, n_periods=1),
        Member("profile", 5, period=1, n_periods=5),
    )
    names = [member.name for member in members]
    assert names[:2] == ["ridge 8", "own ridge 20 to the mean"]
    assert names[2:4] == ["profile 3 x 4", "profile of 4, memory 0.5"]
    assert names[4:] == ["last value", "mean of 5"]


@pytest.mark.parametrize(("length", "recent", "fineness"), [(50, 10, 4), (50, 50, 1), (7, 0, 2)])
def test_features_are_counted(length, recent, fineness):
    member = Member("ridge", length, n_recent=recent, fineness=fineness)
    assert member.n_features == member.summary().shape[1]


# -- how much they count before errors are known --------------------------------------------------


def test_ridges_of_all_and_of_each_share_a_weight():
    ridge, own = Member("ridge", 8, n_recent=8), Member("ridge", 8, n_recent=8, n_maps=3)
    others = [
        Member("ridge", 8, n_recent=8, modelled=True),
        Member("profile", 4, period=4, n_periods=1),
        Member("profile", 8, period=4, n_periods=2),
        Member("profile", 1, period=1, n_periods=1),
    ]
    expected = {
        (ridge,): [2, 2, 0.3, 1, 1],
        (ridge, own): [1, 1, 2, 0.3, 1, 1],
    }
    for ridges, weights in expected.items():
        found = prior_weights([*ridges, *others])
        assert found.tolist() == pytest.approx(np.array(weights) / np.sum(weights))


def test_ridges_that_see_few_windows_count_less():
    members = [
        Member("ridge", 8, n_recent=8),
        Member("ridge", 8, n_recent=8, modelled=True),
        Member("profile", 8, period=4, n_periods=2),
    ]
    assert prior_weights(members, 0.25).tolist() == pytest.approx([0.5 / 3.5, 2 / 3.5, 1 / 3.5])
    assert prior_weights(members, 0.0)[0] == 0
