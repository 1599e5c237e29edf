"""The objective: published values, stored values, a slow re-implementation, and properties."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from simmtm_sk.nn import objective
from simmtm_sk.nn.objective import (
    LearnedLossWeights,
    aggregate_neighbors,
    constraint_loss,
    cosine_similarity_matrix,
    neighbor_weights,
    reconstruction_loss,
)
from tests.reference import objective as slow

STORED = json.loads((Path(__file__).parents[1] / "reference" / "objective_values.json").read_text())
PRECISIONS = [(torch.float64, 1e-9), (torch.float32, 1e-5)]
SHAPES = [
    # n_series, n_masks, width, temperature
    (1, 1, 3, 0.2),
    (2, 1, 1, 0.5),
    (4, 1, 7, 0.02),
    (3, 2, 5, 0.2),
    (5, 2, 2, 1.0),
    (2, 3, 16, 0.05),
    (1, 4, 4, 0.1),
    (3, 4, 8, 0.02),
    (2, 5, 6, 0.3),
    (3, 6, 9, 1.0),
    (2, 6, 3, 0.02),
]


def near(actual, expected, tolerance=1e-9):
    expected = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def rows(n_series, n_masks, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n_rows = n_series * (n_masks + 1)
    series = torch.randn(n_rows, width, generator=generator, dtype=torch.float64)
    points = torch.randn(n_rows, 3, 2, generator=generator, dtype=torch.float64)
    return series.requires_grad_(), points.requires_grad_()


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", ["tiny", "paper", "cold", "warm"])
def test_published_values(golden_dir, case, dtype, tolerance):
    golden = np.load(golden_dir / f"objective_{case}.npz")
    series = torch.tensor(golden["series"], dtype=dtype, requires_grad=True)
    points = torch.tensor(golden["points"], dtype=dtype, requires_grad=True)
    n, tau = int(golden["n_series"]), float(golden["temperature"])

    near(cosine_similarity_matrix(series), golden["similarity"], tolerance)
    near(neighbor_weights(series, n, tau), golden["weights"], tolerance)

    loss = constraint_loss(series, n, tau)
    near(loss, golden["constraint_loss"], tolerance)
    near(torch.autograd.grad(loss, series)[0], golden["constraint_grad_series"], tolerance)

    aggregated = aggregate_neighbors(points, series, n, tau)
    near(aggregated, golden["aggregated"], tolerance)
    mean = aggregated.square().mean()
    near(mean, golden["aggregated_sq_mean"], tolerance)
    grad_series, grad_points = torch.autograd.grad(mean, [series, points])
    near(grad_series, golden["aggregated_sq_mean_grad_series"], tolerance)
    near(grad_points, golden["aggregated_sq_mean_grad_points"], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_published_learned_weighting(golden_dir, dtype, tolerance):
    for case in json.loads((golden_dir / "learned_weighting.json").read_text()):
        weighting = LearnedLossWeights(2).to(dtype)
        weighting.load_state_dict({"sigma": torch.tensor(case["sigma"])})
        total = weighting(*torch.tensor(case["losses"], dtype=dtype))
        # the published totals were rounded to float32
        near(total, case["total"], max(tolerance, 1e-7))


def test_stored_values_are_what_the_slow_version_computes():
    # compared as numbers: the last digits of exp and sin depend on the machine
    for stored, computed in zip(STORED, slow.values(), strict=True):
        assert stored.keys() == computed.keys()
        for name in stored:
            np.testing.assert_allclose(stored[name], computed[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("case", STORED, ids=lambda c: f"N{c['n_series']}-M{c['n_masks']}")
def test_stored_values(case, dtype, tolerance):
    n, tau = case["n_series"], case["temperature"]
    series, points = (x.to(dtype) for x in slow.example(n, case["n_masks"], tau))
    series.requires_grad_()
    near(neighbor_weights(series, n, tau), case["weights"], tolerance)
    aggregated = aggregate_neighbors(points, series, n, tau)
    near(aggregated, case["aggregated"], tolerance)
    grad = torch.autograd.grad(aggregated.square().mean(), series)[0]
    near(grad, case["aggregated_grad"], 2 * tolerance)
    loss = constraint_loss(series, n, tau)
    near(loss, case["constraint"], tolerance)
    near(torch.autograd.grad(loss, series)[0], case["constraint_grad"], 2 * tolerance)


@pytest.mark.parametrize(("n_series", "n_masks", "width", "tau"), SHAPES)
def test_equals_slow_version(n_series, n_masks, width, tau):
    series, points = rows(n_series, n_masks, width)
    near(cosine_similarity_matrix(series), slow.similarity(series))
    near(neighbor_weights(series, n_series, tau), slow.weights(series, n_series, tau))

    fast = constraint_loss(series, n_series, tau)
    expected = slow.constraint(series, n_series, tau)
    near(fast, expected)
    near(torch.autograd.grad(fast, series)[0], torch.autograd.grad(expected, series)[0])

    fast = aggregate_neighbors(points, series, n_series, tau)
    expected = slow.aggregated(points, series, n_series, tau)
    near(fast, expected)
    slope = torch.linspace(-1, 2, fast.numel(), dtype=fast.dtype).view_as(fast)
    for got, wanted in zip(
        torch.autograd.grad((slope * fast).sum(), [series, points]),
        torch.autograd.grad((slope * expected).sum(), [series, points]),
        strict=True,
    ):
        near(got, wanted)


@pytest.mark.parametrize("block", [1, 20, 47, 1000])
@pytest.mark.parametrize(("n_series", "n_masks", "width", "tau"), SHAPES)
def test_blocks_change_nothing(monkeypatch, block, n_series, n_masks, width, tau):
    """A row at a time, a few, or all of them: the full matrix in value and gradient."""
    monkeypatch.setattr(objective, "BLOCK", block)
    test_equals_slow_version(n_series, n_masks, width, tau)


def test_gradients_agree_with_differences(monkeypatch):
    monkeypatch.setattr(objective, "BLOCK", 20)
    series, points = rows(3, 2, 4)
    assert torch.autograd.gradcheck(
        lambda s, p: aggregate_neighbors(p, s, 3, 0.3), (series, points)
    )
    assert torch.autograd.gradcheck(lambda s: constraint_loss(s, 3, 0.3), series)


def test_no_matrix_of_all_pairs(monkeypatch):
    """Nothing larger than the inputs or a block is made, in neither direction."""
    monkeypatch.setattr(objective, "BLOCK", 400)
    series, points = rows(40, 2, 5)  # 120 rows, 14 400 pairs
    largest = 0

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in pytree.tree_leaves(out):
                largest = max(largest, tensor.numel())
            return out

    with Sizes():
        total = aggregate_neighbors(points, series, 40, 0.1).sum() + constraint_loss(
            series, 40, 0.1
        )
        total.backward()
    assert largest <= points.numel()


@pytest.mark.parametrize(("n_series", "n_masks", "width", "tau"), SHAPES)
def test_weights_are_shares_of_the_other_rows(n_series, n_masks, width, tau):
    series, points = rows(n_series, n_masks, width)
    weights = neighbor_weights(series, n_series, tau)
    assert weights.shape == (n_series, n_series * (n_masks + 1))
    assert (weights.diagonal() == 0).all()
    assert (weights >= 0).all()
    near(weights.sum(1), [1.0] * n_series)
    # only the originals are aggregated
    assert aggregate_neighbors(points, series, n_series, tau).shape == (n_series, 3, 2)


@pytest.mark.parametrize("n_masks", [1, 2, 6])
def test_permuting_the_series_permutes_the_result(n_masks):
    n, tau = 5, 0.1
    series, points = rows(n, n_masks, 6)
    order = torch.tensor([3, 0, 4, 1, 2])
    row_order = torch.cat([order + n * block for block in range(n_masks + 1)])
    near(constraint_loss(series[row_order], n, tau), constraint_loss(series, n, tau))
    near(
        neighbor_weights(series[row_order], n, tau),
        neighbor_weights(series, n, tau)[order][:, row_order],
    )
    near(
        aggregate_neighbors(points[row_order], series[row_order], n, tau),
        aggregate_neighbors(points, series, n, tau)[order],
    )


@pytest.mark.parametrize("n_masks", [1, 2, 5])
def test_row_k_belongs_to_series_k_mod_n(n_masks):
    """Orthogonal series whose views are perfect: the nearest rows are exactly the own views."""
    n, tau = 4, 0.02
    series = torch.eye(n, dtype=torch.float64).repeat(n_masks + 1, 1)
    own = torch.eye(n, dtype=torch.float64).repeat(1, n_masks) / n_masks
    expected = torch.cat([torch.zeros(n, n, dtype=torch.float64), own], 1)
    near(neighbor_weights(series, n, tau), expected)
    near(constraint_loss(series, n, tau), n_masks * math.log(n_masks))


def test_scale_of_the_representations_is_irrelevant():
    series, points = rows(3, 2, 4)
    scale = torch.linspace(0.01, 100, 9, dtype=torch.float64)[:, None]
    near(constraint_loss(series * scale, 3, 0.1), constraint_loss(series, 3, 0.1))
    near(
        aggregate_neighbors(points, series * scale, 3, 0.1),
        aggregate_neighbors(points, series, 3, 0.1),
    )


def finite_with_gradients(series, points, n_series, tau):
    series, points = series.detach().requires_grad_(), points.detach().requires_grad_()
    aggregated = aggregate_neighbors(points, series, n_series, tau)
    loss = constraint_loss(series, n_series, tau)
    (aggregated.square().sum() + loss).backward()
    tensors = [aggregated, loss, series.grad, points.grad]
    return all(bool(x.isfinite().all()) for x in tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_masks", [1, 2, 6])
def test_single_series(n_masks, dtype):
    series, points = (x.to(dtype) for x in rows(1, n_masks, 3))
    assert finite_with_gradients(series, points, 1, 0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_single_row_has_no_neighbours_and_no_positives(dtype):
    series, points = torch.ones(1, 3, dtype=dtype), torch.ones(1, 4, 2, dtype=dtype)
    near(neighbor_weights(series, 1, 0.1), [[0.0]])
    near(aggregate_neighbors(points, series, 1, 0.1), torch.zeros(1, 4, 2))
    near(constraint_loss(series, 1, 0.1), 0.0)
    assert finite_with_gradients(series, points, 1, 0.1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_zero", [1, 9])
def test_zero_representations(n_zero, dtype):
    series, points = (x.detach().to(dtype) for x in rows(3, 2, 4))
    series[:n_zero] = 0
    assert finite_with_gradients(series, points, 3, 0.02)
    # similar to nothing: all others weigh the same
    near(neighbor_weights(series, 3, 0.02)[0], [0.0] + [1 / 8] * 8, 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opposite_and_equal_rows_at_low_temperature(dtype):
    series = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], dtype=dtype)
    assert finite_with_gradients(series, torch.ones(4, 2, 2, dtype=dtype), 2, 0.01)
    # every row: its only positive is opposite, exp(-200) of the one row that is alike
    expected = 200.0
    near(constraint_loss(series, 2, 0.01), expected)


def test_reconstruction_loss_equals_slow_version():
    generator = torch.Generator().manual_seed(0)
    rebuilt = torch.randn(3, 2, 7, generator=generator, dtype=torch.float64)
    target = torch.randn(3, 2, 7, generator=generator, dtype=torch.float64)
    observed = torch.rand(3, 2, 7, generator=generator) < 0.6
    loss = reconstruction_loss(rebuilt, target, observed)
    near(loss, slow.reconstruction(rebuilt, target, observed))


def test_reconstruction_loss_ignores_what_is_not_observed():
    observed = torch.tensor([[True, False, True]])
    target = torch.tensor([[1.0, torch.nan, 2.0]])
    rebuilt = torch.tensor([[0.0, 5.0, 4.0]], requires_grad=True)
    loss = reconstruction_loss(rebuilt, target, observed)
    near(loss, 2.5)
    near(torch.autograd.grad(loss, rebuilt)[0], [[-1.0, 0.0, 2.0]])


def test_reconstruction_loss_without_observed_points_is_zero():
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    near(reconstruction_loss(torch.ones(2, 3), torch.full((2, 3), torch.nan), nothing), 0.0)


@pytest.mark.parametrize("n_losses", [1, 2, 3])
def test_learned_weights_start_at_one(n_losses):
    weighting = LearnedLossWeights(n_losses)
    assert {name: p.tolist() for name, p in weighting.named_parameters()} == {
        "sigma": [1.0] * n_losses
    }
    losses = [0.5 * (k + 1) for k in range(n_losses)]
    near(weighting(*torch.tensor(losses)), sum(losses) / 2 + n_losses * math.log(2), 1e-6)


def test_learned_weights_value_and_gradients():
    weighting = LearnedLossWeights(2).double()
    weighting.load_state_dict({"sigma": torch.tensor([0.5, 2.0], dtype=torch.float64)})
    losses = torch.tensor([0.7, 3.2], dtype=torch.float64, requires_grad=True)
    total = weighting(*losses)
    total.backward()
    near(total, slow.learned_total([0.7, 3.2], [0.5, 2.0]))
    near(losses.grad, [1 / (2 * 0.25), 1 / (2 * 4.0)])
    near(weighting.sigma.grad, [-0.7 / 0.125 + 1 / 1.25, -3.2 / 8 + 4 / 5])
