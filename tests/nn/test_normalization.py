"""Normalisation by visible points, and what it takes away: plain arithmetic, extremes, no leaks."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simmtm_sk.nn.normalization import (
    instance_stats,
    interpolated,
    normalize,
    normalized_with_statistics,
    visible_statistics,
)
from tests.reference import masking as slow
from tests.reference.masking import normalized, random_case, visible_all

DTYPES = [torch.float32, torch.float64]
POISON = [torch.nan, torch.inf, -torch.inf, 1e30, -1.0]


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


def test_one_look_gives_the_same_bits_as_two():
    values, visible = random_case((20, 3, 11))
    pieces = normalized_with_statistics(values, visible)
    expected = (normalize(values, visible), *visible_statistics(values, visible))
    for piece, alone in zip(pieces, expected, strict=True):
        assert torch.equal(piece, alone)


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
