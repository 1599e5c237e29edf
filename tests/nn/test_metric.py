"""Blocks in balance and the metric of the views, against slow obvious ones."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.metric import MOST_DIRECTIONS, Balance, ViewMetric, penalty

DRAW = torch.Generator().manual_seed(0)
FEATURES = torch.randn(30, 7, generator=DRAW, dtype=torch.float64) * torch.logspace(-3, 3, 7)
DIFFERENCES = torch.randn(20, 6, generator=DRAW, dtype=torch.float64) * torch.arange(1, 7)


def test_every_block_has_its_variance():
    balanced = Balance(7).fit(FEATURES, [4, 1, 2], [1.0, 0.1, 3.0])(FEATURES)
    torch.testing.assert_close(balanced.mean(0), torch.zeros(7).double(), atol=1e-12, rtol=0)
    variance = balanced.var(0, correction=0)
    total = [float(x.sum()) for x in variance.split([4, 1, 2])]
    np.testing.assert_allclose(total, [1.0, 0.1, 3.0])
    torch.testing.assert_close(variance[:4], torch.full((4,), 0.25).double())


def test_features_that_do_not_vary_count_for_nothing():
    features = FEATURES.clone()
    features[:, 1] = 1e6 / 3
    features[:, 4:] = 0.0
    balance = Balance(7).fit(features, [4, 3], [1.0, 1.0])
    balanced = balance(features)
    assert float(balanced[:, :4].var(0, correction=0).sum()) == pytest.approx(1.0)
    assert not bool(balanced[:, [1, 4, 5, 6]].any())
    assert bool(balance(FEATURES).isfinite().all())


def test_a_single_series_is_the_origin():
    balance = Balance(7).fit(FEATURES[:1], [4, 3], [1.0, 1.0])
    assert not bool(balance(FEATURES[:1]).any())
    assert bool(balance(FEATURES).isfinite().all())


def test_large_offsets_cost_no_digits():
    offset = 1e4 * FEATURES.std(0)
    one = Balance(7).fit(FEATURES, [7], [1.0])(FEATURES)
    other = Balance(7).fit(FEATURES + offset, [7], [1.0])(FEATURES + offset)
    torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_metric_by_hand(strength):
    metric = ViewMetric(6).fit(DIFFERENCES, strength)
    scatter = (DIFFERENCES.T @ DIFFERENCES / 20).numpy()
    matrix = metric(torch.eye(6, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    # (I + W / λ)^(-1/2) for some λ, and the λ that was asked for
    inverse = np.linalg.inv(matrix @ matrix) - np.eye(6)
    ratio = scatter.ravel() @ inverse.ravel() / (scatter.ravel() @ scatter.ravel())
    np.testing.assert_allclose(inverse, ratio * scatter, atol=1e-8)
    assert np.trace(matrix @ scatter @ matrix) / np.trace(scatter) == pytest.approx(1 - strength)


def test_more_features_than_differences():
    """What no view changes keeps its length."""
    differences = torch.zeros(3, 100, dtype=torch.float64)
    differences[:, :3] = torch.randn(3, 3, generator=DRAW, dtype=torch.float64)
    metric = ViewMetric(100).fit(differences, 0.8)
    assert metric.directions.shape == (3, 100)
    x = torch.randn(5, 100, generator=DRAW, dtype=torch.float64)
    torch.testing.assert_close(metric(x)[:, 3:], x[:, 3:])
    assert bool((metric(x)[:, :3].norm(dim=1) < x[:, :3].norm(dim=1)).all())


@pytest.mark.parametrize("differences", [DIFFERENCES[:0], torch.zeros(4, 6), DIFFERENCES])
def test_without_scatter_or_strength_nothing_changes(differences):
    metric = ViewMetric(6).fit(differences, 0.0 if differences is DIFFERENCES else 0.7)
    torch.testing.assert_close(metric(DIFFERENCES), DIFFERENCES, atol=0, rtol=0)


def test_the_number_of_directions_is_bounded():
    differences = torch.randn(400, 500, generator=DRAW)
    metric = ViewMetric(500).fit(differences, 0.5)
    assert metric.directions.shape == (MOST_DIRECTIONS, 500)
    torch.testing.assert_close(
        metric.directions @ metric.directions.T, torch.eye(MOST_DIRECTIONS), atol=1e-4, rtol=0
    )


def test_units_and_copies_of_views_do_not_matter():
    one = ViewMetric(6).fit(DIFFERENCES, 0.6)(DIFFERENCES)
    other = ViewMetric(6).fit(1e-3 * DIFFERENCES.repeat(2, 1), 0.6)(DIFFERENCES)
    torch.testing.assert_close(one, other)


def test_penalty_of_extreme_strengths():
    scatter = torch.tensor([4.0, 1.0, 0.5, 0.0]).double()
    strengths = [0.0, 1e-6, 0.5, 0.999999]
    penalties = [float(penalty(scatter, strength)) for strength in strengths]
    assert penalties[0] == np.inf
    assert penalties == sorted(penalties, reverse=True)
    for strength, value in zip(strengths, penalties, strict=True):
        left = float((scatter / (1 + scatter / value)).sum() / scatter.sum())
        assert left == pytest.approx(1 - strength, abs=1e-9)
