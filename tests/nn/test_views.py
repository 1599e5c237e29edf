"""Views that mean the same as their series."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.masking import geometric_mask, random_mask
from simmtm_sk.nn.views import CROP, at, hidden_views, warped_views

ENDS = torch.tensor([40, 25, 1])


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def values():
    values = torch.randn(3, 2, 40, generator=draw(5), dtype=torch.float64)
    for series, end in zip(values, ENDS, strict=True):
        series[:, end:] = 0
    return values


def test_hidden_points_lie_on_lines_between_visible_ones(values):
    views = hidden_views(values, ENDS, 3, random_mask, 0.5, 1.0, draw())
    assert views.shape == (9, 2, 40)
    for k, view in enumerate(views.numpy()):
        original, end = values[k % 3].numpy(), int(ENDS[k % 3])
        for channel, expected in zip(view[:, :end], original[:, :end], strict=True):
            kept = np.flatnonzero(channel == expected)
            assert len(kept)
            np.testing.assert_allclose(
                channel, np.interp(np.arange(end), kept, expected[kept]), atol=1e-12
            )
    share = (views == values.repeat(3, 1, 1))[::3].double().mean()
    assert 0.35 < share < 0.65


def make_hidden(values, ends, n_views, generator):
    return hidden_views(values, ends, n_views, geometric_mask, 0.5, 5.0, generator)


@pytest.mark.parametrize("make", [make_hidden, warped_views])
def test_views_in_general(make, values):
    views = make(values, ENDS, 2, draw())
    assert views.dtype == torch.float64
    assert bool(views.isfinite().all())
    for k, view in enumerate(views):
        end = int(ENDS[k % 3])
        assert not bool(view[:, end:].any())
        assert float(view.amax()) <= float(values[k % 3].amax().clamp(min=0))  # nothing invented
    torch.testing.assert_close(views[2], values[2])  # one point
    assert not torch.equal(views[0], views[3])  # views of one series differ
    torch.testing.assert_close(views, make(values, ENDS, 2, draw()), atol=0, rtol=0)
    assert not torch.equal(views, make(values, ENDS, 2, draw(1)))


def test_time_runs_forward_and_little_is_cut_off():
    ramp = torch.arange(100.0, dtype=torch.float64).repeat(50, 2, 1)
    ends = torch.full((50,), 100)
    views = warped_views(ramp, ends, 1, draw())
    assert torch.equal(views[:, 0], views[:, 1])  # channels share their time
    places = views[:, 0]
    assert bool((places.diff(dim=1) > 0).all())
    assert float(places.amin()) >= 0
    assert float(places[:, 0].amax()) < 99 * CROP
    assert float(places[:, -1].amin()) > 99 * (1 - CROP)
    assert float(places.amax()) <= 99
    assert float((places - torch.arange(100.0)).abs().mean()) > 1  # and does change


def test_a_shorter_series_is_warped_as_if_it_were_alone(values):
    """Padding changes nothing about what is in front of it."""
    padded = warped_views(values[1:2], ENDS[1:2], 1, draw())
    alone = warped_views(values[1:2, :, :25], ENDS[1:2], 1, draw())
    torch.testing.assert_close(padded[..., :25], alone)


def test_reading_between_points():
    values = torch.randn(4, 3, 9, generator=draw(), dtype=torch.float64)
    place = 8 * torch.rand(4, 20, generator=draw(), dtype=torch.float64)
    expected = [
        [np.interp(at_place, np.arange(9), channel) for channel in series]
        for series, at_place in zip(values.numpy(), place.numpy(), strict=True)
    ]
    np.testing.assert_allclose(at(values, place), expected, atol=1e-12)
