"""Masks: their statistics on a million points, independence of series, and views."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.masking import (
    geometric_mask,
    mask_function,
    masked_views,
    patch_mask,
    random_mask,
)
from tests.reference.masking import two_state_chain

MILLION = [
    # n_series, length, mask_ratio, mask_length, mean run of hidden points
    (10, 100_000, 0.5, 3, 3),
    (1, 1_000_000, 0.4, 8, 8),
    (1_000, 1_000, 0.25, 5, 5),
    (41_667, 24, 0.5, 3, 3),
    (10_000, 100, 0.1, 10, 10),
    (5_000, 200, 0.5, 1, 1),
    (2_500, 400, 0.75, 12, 12),
    # a visible run cannot be shorter than a point: hidden runs last at least r / (1 - r)
    (10_000, 100, 0.75, 3, 3),
    (10_000, 100, 0.9, 3, 9),
    (500, 2_000, 0.8, 1, 4),
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def mean_hidden_run(mask):
    """Hidden points per departure into a visible one: unbiased although series cut runs off."""
    hidden, following = ~mask[:, :-1], mask[:, 1:]
    return (hidden.sum() / (hidden & following).sum()).item()


def correlation(a, b):
    return np.corrcoef(a.numpy(), b.numpy())[0, 1]


@pytest.mark.parametrize(("n_series", "length", "ratio", "mask_length", "run"), MILLION)
def test_geometric_share_and_run_length(n_series, length, ratio, mask_length, run):
    mask = geometric_mask(n_series, length, ratio, mask_length, seeded())
    assert mask.shape == (n_series, length)
    assert mask.dtype == torch.bool
    assert (~mask).float().mean().item() == pytest.approx(ratio, abs=0.01)
    assert mean_hidden_run(mask) == pytest.approx(run, rel=0.03)
    assert mean_hidden_run(~mask) == pytest.approx(run * (1 - ratio) / ratio, rel=0.03)


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("mask_length", [1, 2.5, 7])
def test_geometric_equals_a_walked_chain(ratio, mask_length):
    """The same uniform numbers, in the same order, handed to a chain walked point by point."""
    mask = geometric_mask(50, 40, ratio, mask_length, seeded(3))
    generator = seeded(3)
    draws = torch.rand(50, 40, generator=generator)
    start = torch.rand(50, 1, generator=generator)
    assert mask.tolist() == two_state_chain(draws, start, ratio, mask_length)


@pytest.mark.parametrize(("ratio", "mask_length"), [(0.5, 3), (0.3, 4)])
def test_geometric_run_lengths_are_geometric(ratio, mask_length):
    hidden = ~geometric_mask(1, 1_000_000, ratio, mask_length, seeded())[0]
    edges = hidden.int().diff().nonzero()[:, 0]
    runs = edges.diff()[int(hidden[0].item()) :: 2]  # every other run, from the first whole hidden
    for k in range(1, 9):
        expected = (1 - 1 / mask_length) ** (k - 1) / mask_length
        assert (runs == k).float().mean().item() == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize(("ratio", "mask_length"), [(0.3, 5), (0.5, 20), (0.9, 2)])
def test_share_is_the_same_at_every_position(ratio, mask_length):
    mask = geometric_mask(50_000, 30, ratio, mask_length, seeded())
    share = (~mask).float().mean(0)
    assert (share - ratio).abs().max() < 0.01


@pytest.mark.parametrize(
    "mask",
    [geometric_mask, random_mask, lambda *a: patch_mask(*a, patch_length=2)],
    ids=["geometric", "random", "patch"],
)
def test_runs_never_cross_series(mask):
    visible = mask(200_000, 6, 0.5, 6, seeded())
    assert abs(correlation(visible[:-1, -1], visible[1:, 0])) < 0.01
    assert abs(correlation(visible[:-1, 0], visible[1:, 0])) < 0.01


def test_runs_never_cross_views_or_channels():
    observed = torch.ones(20_000, 2, 6, dtype=torch.bool)
    views = masked_views(observed, 3, geometric_mask, 0.5, 6, seeded()).view(3, 20_000, 2, 6)
    assert abs(correlation(views[0, :, 0, 3], views[1, :, 0, 3])) < 0.025
    assert abs(correlation(views[1, :, 0, 3], views[2, :, 0, 3])) < 0.025
    assert abs(correlation(views[0, :, 0, 3], views[0, :, 1, 3])) < 0.025
    assert correlation(views[0, :, 0, 3], views[0, :, 0, 4]) > 0.5  # but runs there are


@pytest.mark.parametrize(
    ("ratio", "mask_length", "patch_length", "run"),
    # a run of patches lasts mask_length / patch_length patches, but at least one, and at
    # least the r / (1 - r) of the chain
    [(0.5, 24, 8, 3), (0.5, 3, 8, 1), (0.25, 50, 5, 10), (0.75, 5, 10, 3)],
)
def test_patch_masks_act_on_whole_patches(ratio, mask_length, patch_length, run):
    length = 1_003  # no multiple of any patch
    mask = patch_mask(1_000, length, ratio, mask_length, seeded(), patch_length=patch_length)
    assert mask.shape == (1_000, length)
    for start in range(0, length, patch_length):
        patch = mask[:, start : start + patch_length]
        assert (patch == patch[:, :1]).all()
    patches = mask[:, ::patch_length]
    assert (~mask).float().mean().item() == pytest.approx(ratio, abs=0.01)
    assert (~patches).float().mean().item() == pytest.approx(ratio, abs=0.01)
    assert mean_hidden_run(patches) == pytest.approx(run, rel=0.03)


def test_random_points_are_independent():
    mask = random_mask(1_000, 1_000, 0.3, 50, seeded())
    assert (~mask).float().mean().item() == pytest.approx(0.3, abs=0.002)
    for lag in (1, 2, 10):
        assert abs(correlation(mask[:, lag:].flatten(), mask[:, :-lag].flatten())) < 0.005


@pytest.mark.parametrize("name", ["geometric", "patch", "random"])
def test_all_randomness_comes_from_the_generator(name):
    mask = mask_function(name, 4)
    untouched = torch.random.get_rng_state()
    first, again = (mask(20, 50, 0.5, 3, seeded(1)) for _ in range(2))
    assert first.equal(again)
    assert not first.equal(mask(20, 50, 0.5, 3, seeded(2)))
    observed = torch.ones(5, 2, 30, dtype=torch.bool)
    views, again = (masked_views(observed, 2, mask, 0.9, 9, seeded(1)) for _ in range(2))
    assert views.equal(again)
    assert torch.random.get_rng_state().equal(untouched)


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("name", ["geometric", "patch", "random"])
def test_short_series(name, length):
    mask = mask_function(name, 4)(100_000, length, 0.4, 3, seeded())
    assert mask.shape == (100_000, length)
    assert (~mask).float().mean().item() == pytest.approx(0.4, abs=0.01)


def test_mask_function():
    assert mask_function("geometric", 4) is geometric_mask
    assert mask_function("random", 4) is random_mask
    own = mask_function(lambda *args: "mine", 4)
    assert own() == "mine"
    assert mask_function("patch", 4)(2, 9, 0.5, 4, seeded(5)).equal(
        patch_mask(2, 9, 0.5, 4, seeded(5), patch_length=4)
    )


def everything(n_rows, length, mask_ratio, mask_length, generator):
    return torch.ones(n_rows, length, dtype=torch.bool)


def nothing(n_rows, length, mask_ratio, mask_length, generator):
    return torch.zeros(n_rows, length, dtype=torch.bool)


def holes(n_series, n_channels, length, share=0.7):
    """Observed points with gaps; the last channel of the last series has none at all."""
    observed = torch.rand(n_series, n_channels, length, generator=seeded(9)) < share
    observed[-1, -1] = False
    return observed


@pytest.mark.parametrize("name", ["geometric", "patch", "random"])
@pytest.mark.parametrize("ratio", [0.05, 0.5, 0.95])
def test_views_show_observed_points_only_and_at_least_one(name, ratio):
    observed = holes(200, 3, 12, share=0.3)
    views = masked_views(observed, 4, mask_function(name, 5), ratio, 6, seeded())
    assert views.shape == (800, 3, 12)
    every = observed.repeat(4, 1, 1)
    assert not (views & ~every).any()
    assert views.any(-1).equal(every.any(-1))


def test_all_first_views_come_first_then_all_second():
    observed = torch.eye(5, dtype=torch.bool)[:, None].expand(5, 2, 5)  # series i has point i
    views = masked_views(observed, 3, everything, 0.5, 3, seeded())
    assert views.equal(observed.repeat(3, 1, 1))


def test_callable_is_asked_once_and_its_rows_are_used_in_order():
    calls = []

    def diagonal(n_rows, length, mask_ratio, mask_length, generator):
        calls.append((n_rows, length, mask_ratio, mask_length, generator))
        return torch.arange(n_rows)[:, None] % length == torch.arange(length)

    generator = seeded()
    observed = torch.ones(3, 2, 7, dtype=torch.bool)
    views = masked_views(observed, 4, diagonal, 0.25, 6.0, generator)
    assert calls == [(24, 7, 0.25, 6.0, generator)]
    for row, view in enumerate(views.reshape(24, 7)):
        assert view.nonzero().tolist() == [[row % 7]]


def test_rescued_point_is_a_random_observed_one():
    observed = torch.zeros(10_000, 1, 10, dtype=torch.bool)
    observed[..., [1, 2, 5, 9]] = True
    views = masked_views(observed, 4, nothing, 0.9, 3, seeded())
    assert (views.sum(-1) == 1).all()
    share = views.float().mean((0, 1))
    expected = torch.tensor([0, 1, 1, 0, 0, 1, 0, 0, 0, 1]) / 4
    assert (share - expected).abs().max() < 0.01
    # each view draws its own
    first, second = views[:10_000, 0, 1], views[10_000:20_000, 0, 1]
    assert abs(correlation(first, second)) < 0.04


def test_only_views_without_a_visible_point_are_rescued():
    def half(n_rows, length, *_):
        mask = torch.zeros(n_rows, length, dtype=torch.bool)
        mask[: n_rows // 2, 3] = True
        return mask

    views = masked_views(torch.ones(4, 1, 8, dtype=torch.bool), 2, half, 0.5, 3, seeded())
    assert (views[:4].sum(-1) == 1).all()
    assert views[:4, 0, 3].all()
    assert (views[4:].sum(-1) == 1).all()


def test_observed_is_left_alone():
    observed = holes(20, 2, 10)
    before = observed.clone()
    masked_views(observed, 3, random_mask, 0.5, 3, seeded())
    assert observed.equal(before)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda n, length, *_: torch.ones(n, length + 1, dtype=torch.bool),
        lambda n, length, *_: torch.ones(n - 1, length, dtype=torch.bool),
        lambda n, length, *_: torch.ones(length, dtype=torch.bool),
        lambda n, length, *_: torch.ones(n, length),
        lambda n, length, *_: torch.ones(n, length, dtype=torch.int64),
        lambda n, length, *_: np.ones((n, length), dtype=bool),
    ],
    ids=["long", "few", "one row", "float", "int", "numpy"],
)
def test_wrong_result_of_a_callable(wrong):
    observed = torch.ones(3, 2, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"masking must return a bool tensor of shape \(12, 5\)"):
        masked_views(observed, 2, wrong, 0.5, 3, seeded())


class Own:
    """A mask that sees values."""

    def __init__(self, make):
        self.make = make

    def draw(self, values, observed, generator):
        return self.make(values, observed, generator)


def test_a_mask_object_is_asked_for_every_view_and_sees_what_there_is():
    observed = torch.ones(3, 2, 5, dtype=torch.bool)
    observed[0, 1] = False
    values = torch.arange(30.0).reshape(3, 2, 5)
    calls = []

    def make(*given):
        calls.append(given)
        return (values % 2 == 0) if len(calls) == 1 else (values % 3 == 0)

    generator = seeded()
    views = masked_views(observed, 2, Own(make), 0.5, 3, generator, values)
    assert len(calls) == 2
    assert all(a is values and b is observed and c is generator for a, b, c in calls)
    expected = torch.cat([values % 2 == 0, values % 3 == 0]) & observed.repeat(2, 1, 1)
    assert torch.equal(views, expected)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda *_: None,
        lambda v, *_: v[:, :1] > 0,
        lambda v, *_: v,
        lambda v, *_: v.flatten(0, 1) > 0,
    ],
)
def test_a_mask_object_of_the_wrong_shape(wrong):
    observed = torch.ones(3, 2, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"masking must return a bool tensor of shape \(3, 2, 5\)"):
        masked_views(observed, 2, Own(wrong), 0.5, 3, seeded(), torch.zeros(3, 2, 5))
