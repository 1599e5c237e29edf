"""Standardised instance statistics: plain arithmetic, units, noise, missing values."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.normalization import instance_stats, normalize
from simmtm_sk.nn.stats_scaler import InstanceStatsScaler
from tests.reference.masking import random_case, visible_all

DTYPES = [torch.float32, torch.float64]


def random_levels(n=50, n_channels=2, dtype=torch.float64, offset=0.0):
    """Levels of series that differ in mean and scale, and everything in them visible."""
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(n, n_channels, 30, generator=generator, dtype=torch.float64)
    mean, log_std = torch.randn(2, n, n_channels, 1, generator=generator, dtype=torch.float64)
    values = (noise * log_std.exp() + 3 * mean + offset).to(dtype)
    return instance_stats(values, visible_all(values))


def test_scaler_equals_numpy():
    train, test = random_levels().split(25)
    scaled = InstanceStatsScaler(2).double().fit(train)(test)
    expected = (test.numpy() - train.numpy().mean(0)) / train.numpy().std(0)
    np.testing.assert_allclose(scaled, expected.clip(-5, 5), rtol=1e-12)


def test_scaler_is_the_identity_before_it_is_fitted():
    x = random_levels().clamp(-5, 5)
    assert InstanceStatsScaler(2).double()(x).equal(x)


def test_scaler_goes_no_further_than_five_spreads():
    scaler = InstanceStatsScaler(1).fit(torch.tensor([[1.0, 0.0], [3.0, 2.0]]))
    far = torch.tensor([[1e30, -torch.inf], [6.5, -4.5], [7.0, -3.5]])
    assert scaler(far).tolist() == [[5.0, -5.0], [4.5, -5.0], [5.0, -4.5]]


def test_scaler_travels_with_the_state():
    train, test = random_levels().split(25)
    scaler = InstanceStatsScaler(2).fit(train)
    assert list(scaler.state_dict()) == ["center", "std", "scale", "origin", "unit"]
    assert not list(scaler.parameters())
    copy = InstanceStatsScaler(2)
    copy.load_state_dict(scaler.state_dict())
    assert copy(test).equal(scaler(test))
    assert copy.amplitudes(test).equal(scaler.amplitudes(test))


@pytest.mark.parametrize("unit", [1e-30, 1e-13, 1e13, 1e30])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_depends_on_the_unit_of_the_series(dtype, unit):
    """Constant channels included, which have no scale of their own."""
    values, visible = random_case((40, 2, 13), dtype, seed=5)
    values[3:6, 0] = 7.0
    values[7, 1] = -2.0
    usual = instance_stats(values, visible)
    other = instance_stats((values.double() * unit).to(dtype), visible)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {}
    before, after = (InstanceStatsScaler(2).fit(stats) for stats in (usual, other))
    torch.testing.assert_close(after(other), before(usual), **tolerance)
    torch.testing.assert_close(after.relative(other), before.relative(usual), **tolerance)
    torch.testing.assert_close(after.amplitudes(other), before.amplitudes(usual), **tolerance)
    torch.testing.assert_close(after.scale, before.scale * unit, rtol=1e-4, atol=0)
    assert before(usual).isfinite().all()
    assert before.relative(usual).isfinite().all()
    assert not before.is_foreign(usual)
    assert not after.is_foreign(other)


def test_relative_statistics():
    """Around the usual ones, means in units of the usual scale; noise and the unknown are zero."""
    train = torch.tensor([[1.0, 0.7], [5.0, 0.7], [3.0, 0.7]], dtype=torch.float64)
    scaler = InstanceStatsScaler(1).fit(train)
    new = torch.tensor([[7.0, 2.0], [torch.nan, torch.nan]], dtype=torch.float64)
    np.testing.assert_allclose(scaler.relative(new), [[4 / np.exp(0.7), 0], [0, 0]])
    far = torch.tensor([[1e60, 0.7]], dtype=torch.float64)  # finite in single precision, too
    assert scaler.relative(far).tolist() == [[1e15, 0]]
    pair = torch.tensor([[7.0, 1.0, 2.0, 2.0]], dtype=torch.float64)  # of two channels
    np.testing.assert_allclose(scaler.relative(pair), [[4 / np.exp(0.7), -2 / np.exp(0.7), 0, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_of_normalised_series_are_zeros(dtype):
    """What rounding leaves of mean and scale is noise, and must not become a feature."""
    values, visible = random_case((40, 2, 25), torch.float64)
    done = normalize(values, visible).to(dtype)
    stats = instance_stats(done, visible)
    assert stats.any()
    scaler = InstanceStatsScaler(2).to(dtype).fit(stats)
    assert (scaler(stats) == 0).all()
    assert (scaler(random_levels(dtype=dtype)) == 0).all()  # ever after


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize(("share", "kept"), [(0.04, False), (0.06, True)])
def test_a_twentieth_of_the_series_own_scale_is_the_threshold(unit, share, kept):
    log_unit = np.log(unit)
    stats = torch.tensor([[1 - share, log_unit - share], [1 + share, log_unit + share]]).double()
    stats[:, 0] *= unit
    scaled = InstanceStatsScaler(1).double().fit(stats)(stats)
    expected = [[-1.0, -1.0], [1.0, 1.0]] if kept else [[0.0, 0.0], [0.0, 0.0]]
    np.testing.assert_allclose(scaled, expected, rtol=1e-6)


def test_what_missing_values_alone_could_do_is_no_level():
    """The second channel has nothing missing, its differences count."""
    stats = torch.tensor([[0.9, 0.9, -0.1, -0.1], [1.1, 1.1, 0.1, 0.1]]).double()
    scaled = InstanceStatsScaler(2).fit(stats, torch.tensor([0.2, 0.0]))(stats)
    np.testing.assert_allclose(scaled, [[0.0, -1.0, 0.0, -1.0], [0.0, 1.0, 0.0, 1.0]], rtol=1e-6)
    few = InstanceStatsScaler(2).fit(stats, torch.tensor([0.08, 0.0]))(stats)
    np.testing.assert_allclose(few[1], [1.0, 1.0, 1.0, 1.0], rtol=1e-6)


def test_missing_values_alone_make_no_level_foreign():
    scaler = InstanceStatsScaler(1).fit(torch.zeros(20, 2))
    gappy = drawn_levels(20, (0.0, 0.0), (0.25, 0.25))
    assert scaler.is_foreign(gappy)
    assert not scaler.is_foreign(gappy, torch.tensor([0.4]))


def test_a_level_on_the_threshold_is_not_foreign_where_it_was_noise():
    scaler = InstanceStatsScaler(1).fit(drawn_levels(30, (0.0, 0.0), (0.03, 0.03)))
    assert not scaler.is_foreign(drawn_levels(30, (0.0, 0.0), (0.08, 0.08)))


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
def test_the_units_of_a_data_set_do_not_matter(unit):
    values, visible = random_case((20, 2, 13), share=0.8)
    values = values * torch.linspace(0.5, 2, 20, dtype=torch.float64)[:, None, None]

    def scaled(x):
        stats = instance_stats(x, visible)
        return InstanceStatsScaler(2).double().fit(stats)(stats)

    torch.testing.assert_close(scaled(values * unit), scaled(values))


@pytest.mark.parametrize("n_unobserved", [1, 9])
@pytest.mark.parametrize("constant", [False, True])
def test_one_channel_does_not_disturb_another(n_unobserved, constant):
    """Where a channel is constant or missing, the stats of the other one is what it was."""
    values, _ = random_case((10, 2, 13))
    values = values * torch.linspace(0.5, 2, 10, dtype=torch.float64)[:, None, None]
    alone = values[:, :1]
    stats = instance_stats(alone, visible_all(alone))
    expected = InstanceStatsScaler(1).double().fit(stats)(stats)
    values[:n_unobserved, 1] = 4.0 if constant else torch.nan
    stats = instance_stats(values, ~values.isnan())
    scaled = InstanceStatsScaler(2).double().fit(stats)(stats)
    assert scaled.isfinite().all()
    torch.testing.assert_close(scaled[:, [0, 2]], expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaler_knows_a_single_series_and_constant_ones(dtype):
    one = random_levels(1, dtype=dtype)
    assert (InstanceStatsScaler(2).to(dtype).fit(one)(one) == 0).all()
    constant = torch.full((4, 1, 6), 3.0, dtype=dtype)
    stats = instance_stats(constant, visible_all(constant))
    assert (InstanceStatsScaler(1).to(dtype).fit(stats)(stats) == 0).all()


@pytest.mark.parametrize("offset", [1e3, 1e6, 1.6e9])
def test_float32_scaler_keeps_the_digits_of_float64_levels(offset):
    """Seconds since 1970 differ by days, not by rounding."""
    plain, shifted = random_levels(), random_levels(offset=offset)
    expected = InstanceStatsScaler(2).fit(plain)(plain)
    torch.testing.assert_close(
        InstanceStatsScaler(2).fit(shifted)(shifted),
        expected,
        rtol=1e-4,
        atol=1e-4,
        check_dtype=False,
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_scaler_works_in_float64_whatever_the_dtype_of_the_levels(dtype):
    stats = random_levels(dtype=dtype)
    scaler = InstanceStatsScaler(2).fit(stats)
    assert {x.dtype for x in scaler.state_dict().values()} == {torch.float64}
    expected = stats.double().numpy()
    np.testing.assert_allclose(scaler.center, expected.mean(0), rtol=1e-12)
    np.testing.assert_allclose(scaler.std, expected.std(0), rtol=1e-12)
    assert scaler(stats).dtype == torch.float64


def with_unknown(stats, seed=3, share=0.3):
    """Some channels of some series without a visible point: mean and logarithm are NaN."""
    generator = torch.Generator().manual_seed(seed)
    unknown = torch.rand(len(stats), stats.shape[1] // 2, generator=generator) < share
    return stats.masked_fill(unknown.repeat(1, 2), torch.nan)


def test_scaler_is_fitted_to_known_levels_alone():
    stats = with_unknown(random_levels(n_channels=3))
    scaler = InstanceStatsScaler(3).fit(stats)
    known = stats.numpy()
    assert 0 < np.isnan(known).sum() < known.size
    np.testing.assert_allclose(scaler.center, np.nanmean(known, 0), rtol=1e-12)
    np.testing.assert_allclose(scaler.std, np.nanstd(known, 0), rtol=1e-12)


def test_unknown_levels_become_zero_and_known_ones_do_not_notice():
    stats = random_levels(n_channels=3)
    scaler = InstanceStatsScaler(3).fit(stats)
    unknown = with_unknown(stats)
    expected = scaler(stats).masked_fill(unknown.isnan(), 0)
    assert scaler(unknown).equal(expected)
    assert InstanceStatsScaler(3)(unknown).equal(unknown.nan_to_num(0).clamp(-5, 5))


def test_a_channel_never_seen_in_fit_is_zero_ever_after():
    stats = random_levels()
    seen = stats.clone()
    seen[:, [1, 3]] = torch.nan
    scaler = InstanceStatsScaler(2).fit(seen)
    assert all(x.isnan().sum() == 0 for x in scaler.state_dict().values())
    scaled = scaler(stats)
    assert (scaled[:, [1, 3]] == 0).all()
    expected = InstanceStatsScaler(1).fit(stats[:, [0, 2]])(stats[:, [0, 2]])
    torch.testing.assert_close(scaled[:, [0, 2]], expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("share", "kept"), [(0.04, False), (0.06, True)])
@pytest.mark.parametrize("rest", ["constant", "unobserved"])
def test_the_threshold_is_the_median_over_varying_observed_rows(dtype, share, kept, rest):
    """Three series vary, by 1, 4 and 100; nine others have no scale that could count."""
    values = torch.zeros(12, 1, 2, dtype=dtype)
    scale = torch.tensor([1.0, 4.0, 100.0], dtype=dtype)[:, None]
    values[:3, 0] = scale * torch.tensor([-1.0, 1.0], dtype=dtype)
    values[3:] = 0.0 if rest == "constant" else torch.nan
    stats = instance_stats(values, ~values.isnan())
    # means with a std of `share` median scales; those of unobserved rows stay unknown
    signs = torch.tensor([1.0, -1.0, 0.0], dtype=dtype).repeat(4)
    stats[:, 0] += 4 * share * 1.5**0.5 * signs
    scaled = InstanceStatsScaler(1).fit(stats)(stats)[:, 0]
    known = ~stats[:, 0].isnan()
    expected = (1.5**0.5 * signs).double().masked_fill(~known, 0) * kept
    torch.testing.assert_close(scaled, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [1e-30, 1e30, 1e100])
def test_scaled_levels_of_any_size_are_finite(size):
    values, visible = random_case((10, 2, 13))
    stats = instance_stats(values * size, visible)
    assert InstanceStatsScaler(2).fit(stats)(stats).isfinite().all()


# -- instance statistics of other data ------------------------------------------------------------


def drawn_levels(n, center, std, seed=0):
    """Of one channel: a mean and a log scale for every series."""
    draw = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, 2, generator=draw, dtype=torch.float64)
    return torch.tensor(center, dtype=torch.float64) + noise * torch.tensor(std)


@pytest.mark.parametrize(
    ("center", "std", "foreign"),
    [
        ((1.0, 0.0), (2.0, 1.0), False),
        ((1.5, 0.5), (1.5, 0.7), False),
        ((6.0, 0.0), (2.0, 1.0), True),  # around another mean
        ((1.0, 4.0), (2.0, 1.0), True),  # on another scale
        ((1.0, 0.0), (0.3, 1.0), True),  # within a small part of the means
    ],
)
def test_levels_are_foreign_where_they_would_say_little(center, std, foreign):
    scaler = InstanceStatsScaler(1).fit(drawn_levels(200, (1.0, 0.0), (2.0, 1.0)))
    assert scaler.is_foreign(drawn_levels(50, center, std, seed=1)) is foreign
    assert not scaler.is_foreign(drawn_levels(9, center, std, seed=1))


def test_levels_that_were_noise_and_now_vary_are_foreign():
    normalised = torch.zeros(30, 2, dtype=torch.float64) + 1e-9 * drawn_levels(30, (0, 0), (1, 1))
    scaler = InstanceStatsScaler(1).fit(normalised)
    assert not scaler.is_foreign(normalised[:20] * 3)
    assert scaler.is_foreign(drawn_levels(20, (0.0, 0.0), (1.0, 1.0)))


# -- amplitudes ------------------------------------------------------------------------------------


def test_amplitudes_are_scales_in_units_of_the_usual_one():
    draw = np.random.default_rng(0)
    logs = np.log([[1.0, 50.0]]) + draw.normal(0, 0.5, (31, 2))
    stats = torch.tensor(np.hstack([draw.normal(size=(31, 2)), logs]))
    amplitudes = InstanceStatsScaler(2).fit(stats).amplitudes(stats)
    np.testing.assert_allclose(amplitudes, np.exp(logs - np.median(logs, axis=0)))
    unknown = InstanceStatsScaler(2).fit(stats).amplitudes(torch.full((1, 4), torch.nan))
    assert unknown.tolist() == [[1.0, 1.0]]


def test_scales_that_differ_by_noise_alone_are_one_amplitude():
    """As in archives whose series are all normalised, up to rounding."""
    draw = np.random.default_rng(0)
    stats = torch.tensor(np.hstack([draw.normal(size=(20, 1)), draw.normal(0, 0.01, (20, 1))]))
    assert (InstanceStatsScaler(1).fit(stats).amplitudes(stats) == 1).all()


def test_one_amplitude_before_fit():
    stats = torch.tensor([[0.0, 0.0]])
    assert InstanceStatsScaler(1).amplitudes(stats).item() == 1
