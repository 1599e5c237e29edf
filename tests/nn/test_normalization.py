"""Normalisation by visible points, and what it takes away: plain arithmetic, extremes, no leaks."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simmtm_sk.nn.normalization import (
    InstanceStatsScaler,
    instance_stats,
    interpolated,
    normalize,
    visible_statistics,
)
from tests.reference import masking as slow
from tests.reference.masking import normalized

DTYPES = [torch.float32, torch.float64]
POISON = [torch.nan, torch.inf, -torch.inf, 1e30, -1.0]


def random_case(shape, dtype=torch.float64, seed=0, share=0.6):
    generator = torch.Generator().manual_seed(seed)
    values = 3 + 2 * torch.randn(shape, generator=generator, dtype=dtype)
    return values, torch.rand(shape, generator=generator) < share


def visible_all(values):
    return torch.ones_like(values, dtype=torch.bool)


@pytest.mark.parametrize("shape", [(4, 9), (3, 2, 17), (2, 3, 2, 5), (1, 1000)])
def test_statistics_equal_numpy(shape):
    values, visible = random_case(shape)
    visible[..., 0] = True
    visible[..., 1] = True
    mean, std = visible_statistics(values, visible)
    shown = np.where(visible, values, np.nan)
    np.testing.assert_allclose(mean, np.nanmean(shown, -1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(std, np.nanstd(shown, -1, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("share", [0.1, 0.6, 1.1])
def test_normalize_equals_slow_version(dtype, tolerance, share):
    values, visible = random_case((20, 3, 11), dtype, share=share)
    expected = normalized(values, visible).to(dtype)
    torch.testing.assert_close(normalize(values, visible), expected, rtol=tolerance, atol=tolerance)


def test_every_view_is_normalised_by_its_own_visible_points():
    values = torch.tensor([[1.0, 3.0, 9.0, 0.0]]).expand(3, 4)
    views = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    expected = [[-1.0, 1.0, 0.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    torch.testing.assert_close(normalize(values, views), torch.tensor(expected))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e-30, -1e30, 1e30])
@pytest.mark.parametrize("n_visible", [1, 2, 3, 1000])
def test_constant_series_become_zero(dtype, constant, n_visible):
    values = torch.full((1, 1000), 5.0, dtype=dtype)
    values[:, :n_visible] = constant
    visible = (torch.arange(1000) < n_visible)[None]
    mean, std = visible_statistics(values, visible)
    assert mean.item() == pytest.approx(constant, rel=1e-6)
    assert std.item() == 0
    assert (normalize(values, visible) == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_visible(dtype):
    values, _ = random_case((2, 6), dtype)
    mean, std = visible_statistics(values, torch.zeros(2, 6, dtype=torch.bool))
    assert mean.tolist() == [[0.0], [0.0]]
    assert std.tolist() == [[0.0], [0.0]]
    assert (normalize(values, torch.zeros(2, 6, dtype=torch.bool)) == 0).all()


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-3, 1e3, 1e19, 1e30])
def test_scale_does_not_matter(scale):
    values = torch.tensor([[1.0, -2.0, 4.0, 0.5]])
    result = normalize(values * scale, visible_all(values))
    tolerance = 1e-4 if scale == 1e-40 else 1e-6  # denormal numbers have few digits
    torch.testing.assert_close(
        result, normalize(values, visible_all(values)), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize(
    ("dtype", "offset", "tolerance"),
    [(torch.float32, 1e3, 1e-3), (torch.float64, 1e9, 1e-6), (torch.float64, -1e12, 1e-3)],
)
def test_large_offset(dtype, offset, tolerance):
    wave = torch.sin(torch.arange(50, dtype=dtype))[None]
    shifted = normalize(wave + offset, visible_all(wave))
    torch.testing.assert_close(
        shifted, normalize(wave, visible_all(wave)), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("size", [1.0, 1e10, 1e30])
def test_rounding_noise_on_a_constant_is_not_blown_up(size):
    """A constant up to the last digit has nothing to show, whatever its size."""
    values = torch.tensor([[size, size, size]])
    values[0, 1] = torch.nextafter(values[0, 1], torch.tensor(torch.inf))
    assert normalize(values, visible_all(values)).abs().max() <= 2


LARGEST = torch.finfo(torch.float32).max
SMALLEST = 2.0**-149
finite_numbers = st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, 1.0, 1e30, LARGEST, -LARGEST, SMALLEST, -SMALLEST]
)


@settings(max_examples=300)
@example([(0.0, True), (SMALLEST, True)])
@example([(LARGEST, True), (-LARGEST, True), (-LARGEST, True)])
@given(st.lists(st.tuples(finite_numbers, st.booleans()), min_size=1, max_size=12))
def test_any_finite_series(points):
    """No standardised value of n points exceeds sqrt(n), but for rounding of a tiny deviation."""
    values = torch.tensor([[value for value, _ in points]], dtype=torch.float32)
    visible = torch.tensor([[shown for _, shown in points]])
    result = normalize(values, visible)
    assert (result.abs() <= 2 * len(points) ** 0.5).all()
    assert (result[~visible] == 0).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_hidden_values_change_no_bit(dtype, poison, share):
    values, visible = random_case((30, 2, 13), dtype, seed=4, share=share)
    poisoned = values.masked_fill(~visible, poison)
    assert normalize(poisoned, visible).equal(normalize(values, visible))
    for got, expected in zip(
        visible_statistics(poisoned, visible), visible_statistics(values, visible), strict=True
    ):
        assert got.equal(expected)


def test_hidden_values_get_no_gradient():
    values, visible = random_case((5, 8))
    values = values.masked_fill(~visible, 7.0).requires_grad_()
    normalize(values, visible).square().sum().backward()
    assert (values.grad[~visible] == 0).all()
    assert values.grad.isfinite().all()


# -- instance statistics: what normalisation takes away -------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("shape", [(4, 1, 9), (3, 2, 17), (1, 5, 1000)])
def test_levels_equal_numpy(shape, dtype, tolerance):
    values, visible = random_case(shape, dtype)
    visible[..., :2] = True
    shown = np.where(visible, values.double(), np.nan)
    expected = np.concatenate([np.nanmean(shown, -1), np.log(np.nanstd(shown, -1))], 1)
    got = instance_stats(values, visible)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.1])
def test_levels_equal_slow_version(share):
    """Channels with no visible point, or a single one, among others."""
    values, visible = random_case((30, 3, 7), share=share)
    expected = slow.instance_stats(values, visible)
    torch.testing.assert_close(instance_stats(values, visible), expected, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_levels_of_constant_and_unobserved_channels(dtype):
    values = torch.tensor([[[7.0] * 4, [torch.nan] * 4, [1.0, 3.0, 1.0, 3.0]]], dtype=dtype)
    got = instance_stats(values, ~values.isnan())
    np.testing.assert_allclose(got, [[7, np.nan, 2, -np.inf, np.nan, 0]], rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
def test_hidden_values_change_no_bit_of_a_level(dtype, poison, share):
    values, visible = random_case((30, 2, 13), dtype, seed=4, share=share)
    got = instance_stats(values.masked_fill(~visible, poison), visible)
    unseen = ~visible.any(-1).repeat(1, 2)
    assert got.isnan().equal(unseen)
    torch.testing.assert_close(got, instance_stats(values, visible), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_normalised_values_and_levels_give_the_series_back(dtype):
    values, visible = random_case((20, 2, 13), dtype)
    mean, log_std = instance_stats(values, visible).unflatten(1, (2, 2, 1)).unbind(1)
    rebuilt = normalize(values, visible) * log_std.exp() + mean
    torch.testing.assert_close(rebuilt[visible], values[visible])


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


# -- interpolation --------------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("share", [0.1, 0.6, 1.1])
def test_interpolation_equals_numpy(dtype, tolerance, share):
    values, visible = random_case((20, 3, 11), dtype, share=share)
    filled = interpolated(values.masked_fill(~visible, torch.nan), visible)
    for row, known, seen in zip(
        filled.reshape(-1, 11), values.reshape(-1, 11), visible.reshape(-1, 11), strict=True
    ):
        at = np.flatnonzero(seen)
        expected = np.interp(np.arange(11), at, known[at]) if len(at) else np.zeros(11)
        np.testing.assert_allclose(row, expected, rtol=tolerance, atol=tolerance)
        assert row[at].equal(known[at])


@pytest.mark.parametrize("poison", POISON)
def test_hidden_values_change_no_bit_of_an_interpolation(poison):
    values, visible = random_case((9, 2, 31), share=0.4)
    expected = interpolated(values.masked_fill(~visible, 0), visible)
    assert interpolated(values.masked_fill(~visible, poison), visible).equal(expected)


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
