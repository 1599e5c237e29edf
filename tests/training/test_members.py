import numpy as np
import pytest

from simmtm_sk.nn.combination import Combination
from simmtm_sk.nn.members import Member
from simmtm_sk.training.members import (
    choose_members,
    unproven_prior,
    usual_jump,
)
from tests.training.panels import panel, walks

HORIZON = 4


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
