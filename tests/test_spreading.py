"""Passing labels on, and the ridge on all series, against sums written out."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from simmtm_sk.spreading import (
    N_NEIGHBORS,
    REACH,
    UNLABELLED_SHARE,
    SpreadingRidge,
    neighbor_graph,
    spread_labels,
)
from tests.blobs import blobs, one_against_rest, standardized


def slowly_joined(Z):
    """Neighbours found one by one."""
    n, lengths = len(Z), np.linalg.norm(Z, axis=1)
    graph = np.zeros((n, n))
    for i in range(n):
        cosine = [Z[i] @ Z[j] / (lengths[i] * lengths[j]) for j in range(n)]
        nearest = [j for j in np.argsort(cosine)[::-1] if j != i][:N_NEIGHBORS]
        graph[i, nearest] = graph[nearest, i] = 1
    degree = graph.sum(1)
    return graph / np.sqrt(np.outer(degree, degree))


def slowly_spread(Z, given, totals):
    """The limit of passing on, solved for."""
    passed = np.linalg.solve(np.eye(len(Z)) - REACH * slowly_joined(Z), given)
    passed = passed / passed.sum(0) * totals
    return passed / passed.sum(1, keepdims=True)


def problem(n_labelled=9, n=40, seed=0):
    E, y = blobs(n, 6, 3, seed=seed, apart=0.7)
    order = np.argsort(np.arange(n) % 13, kind="stable")
    Z, y = standardized(E[order]), y[order]
    assert set(y[:n_labelled]) == {0, 1, 2}
    given = np.zeros((n, 3))
    given[np.arange(n_labelled), y[:n_labelled]] = 1
    return Z, y, given


def test_the_graph_by_hand():
    Z, _, _ = problem()
    np.testing.assert_allclose(neighbor_graph(Z @ Z.T).toarray(), slowly_joined(Z), atol=1e-12)


@pytest.mark.parametrize("totals", [np.ones(3), np.array([1.0, 10.0, 0.3])], ids=str)
def test_spread_labels_by_hand(totals):
    Z, _, given = problem()
    spread = spread_labels(neighbor_graph(Z @ Z.T), given, totals)
    np.testing.assert_allclose(spread, slowly_spread(Z, given, totals), atol=1e-6)
    np.testing.assert_allclose(spread.sum(1), 1)


def test_where_no_label_arrives():
    """Two islands, one of them without a label."""
    Z = np.vstack([np.eye(2)[[0] * 8], np.eye(2)[[1] * 8]]) + 0.01
    given = np.zeros((16, 3))
    given[[0, 1], [0, 1]] = 1
    np.testing.assert_array_equal(
        spread_labels(neighbor_graph(Z @ Z.T), given, np.ones(3))[8:], 1 / 3
    )


def test_two_series_are_neighbors():
    np.testing.assert_array_equal(neighbor_graph(np.eye(2)).toarray(), [[0, 1], [1, 0]])


@pytest.mark.parametrize("weights", [np.ones(9), np.linspace(0.4, 1.6, 9)], ids=["even", "uneven"])
def test_the_ridge_by_hand(weights):
    """Two ridges of scikit-learn, and what is passed on between them."""
    Z, y, given = problem()
    y, penalty, targets = y[:9], 0.2, one_against_rest(y[:9], 3)

    def ridge(Z, targets, weights):
        center = np.average(Z, axis=0, weights=weights)
        square = np.average(np.square(Z - center).sum(1), weights=weights)
        return Ridge(alpha=penalty * square).fit(Z, targets, sample_weight=weights)

    believed = ridge(Z[:9], targets, weights).predict(Z).argmax(1)
    totals = np.bincount(believed, minlength=3) ** (3 / 4)  # three labels for each class
    support = slowly_spread(Z, given, totals)[np.arange(9, 40), believed[9:]]
    for k in set(believed[9:]):
        support[believed[9:] == k] *= totals[k] / support[believed[9:] == k].sum()
    mean_weights = np.array([weights[y == k].mean() for k in range(3)])
    others = UNLABELLED_SHARE * 9 * support / support.sum() * mean_weights[believed[9:]]
    expected = ridge(
        Z,
        np.vstack([targets, one_against_rest(believed[9:], 3)]),
        np.hstack([weights, others]),
    )
    spread = SpreadingRidge(Z, y, weights, 3, penalty).solve()
    np.testing.assert_allclose(spread.coef, expected.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(spread.intercept, expected.intercept_, rtol=1e-6)
    np.testing.assert_allclose(spread.scores, expected.predict(Z[9:]), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(spread.arrived, slowly_spread(Z, given, totals)[9:], atol=1e-6)


def test_left_out_scores_are_those_of_fits_without_the_labels():
    """The series themselves stay, as unlabelled ones."""
    Z, y, _ = problem(n_labelled=20)
    y = y[:20]
    alone, spread = SpreadingRidge(Z, y, np.ones(20), 3, 0.1).left_out(n_folds=4)
    by_class = np.argsort(y, kind="stable")
    for fold in range(4):
        out = by_class[fold::4]
        kept = np.setdiff1d(np.arange(20), out)
        order = np.r_[kept, out, np.arange(20, 40)]
        expected = SpreadingRidge(Z[order], y[kept], np.ones(len(kept)), 3, 0.1).solve()
        np.testing.assert_allclose(spread[out], expected.scores[: len(out)], atol=1e-9)
        assert not np.allclose(alone[out], spread[out], atol=1e-3)
        few = Z[kept]
        unit = np.square(few - few.mean(0)).sum(1).mean()
        ridge = Ridge(alpha=0.1 * unit).fit(few, one_against_rest(y[kept], 3))
        np.testing.assert_allclose(alone[out], ridge.predict(Z[out]), atol=1e-9)


def test_classes_of_very_different_size_keep_it():
    """Spread with equal totals, the rare class would take over part of the other."""
    draw = np.random.default_rng(0)
    y = np.r_[0, 1, np.zeros(200, int), np.ones(10, int)]
    Z = standardized(draw.normal(size=(212, 4)) + 2.5 * y[:, None])
    scores = SpreadingRidge(Z, y[:2], np.ones(2), 2, 0.1).solve().scores
    assert (scores.argmax(1) == y[2:]).mean() > 0.95
