"""Labels that are passed on to unlabelled series, and a ridge on all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array, diags_array

Values = NDArray[np.float64]

N_NEIGHBORS = 5
REACH = 0.8  # of a label, from neighbour to neighbour
UNLABELLED_SHARE = 0.3  # weight of all series that labels are spread to, against the labelled ones
_STEPS = 100  # what is passed on further is negligible: REACH ** 100


def neighbor_graph(gram: Values) -> csr_array:
    """Join every series with its `N_NEIGHBORS` nearest by cosine; edges in both directions.

    Parameters
    ----------
    gram : ndarray, shape (n_series, n_series)
        Inner products of the series' features.

    Returns
    -------
    csr_array, shape (n_series, n_series)
        Divided by the roots of the numbers of neighbours at both ends.
    """
    n_series = len(gram)
    lengths = np.sqrt(np.maximum(gram.diagonal(), np.finfo(np.float64).tiny))
    cosine = gram / lengths / lengths[:, None]
    np.fill_diagonal(cosine, -np.inf)
    n_neighbors = min(N_NEIGHBORS, n_series - 1)
    nearest = np.argpartition(-cosine, n_neighbors - 1, axis=1)[:, :n_neighbors]
    starts = np.repeat(np.arange(n_series), n_neighbors)
    edges = csr_array((np.ones(starts.size), (starts, nearest.ravel())), (n_series, n_series))
    edges = edges.maximum(edges.T)
    root = diags_array(np.asarray(edges.sum(1)).ravel() ** -0.5)
    return csr_array(root @ edges @ root)


def spread_labels(graph: csr_array, given: Values, totals: Values) -> Values:
    """Pass labels on from neighbour to neighbour.

    Each series takes a share of what its neighbours have, the labelled ones keep giving theirs
    (Zhou et al., "Learning with local and global consistency", NIPS 2003).

    Parameters
    ----------
    graph : csr_array, shape (n_series, n_series)
        From `neighbor_graph`.
    given : ndarray, shape (n_series, n_classes)
        1 for the class of a labelled series, 0 elsewhere.
    totals : ndarray, shape (n_classes,)
        What each class hands out altogether, up to a factor (class mass normalisation: Zhu,
        Ghahramani and Lafferty, ICML 2003).

    Returns
    -------
    ndarray, shape (n_series, n_classes)
        Rows sum to one; all classes are equal where no label arrives.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> Z = np.vstack([draw.normal(place, 0.3, (7, 2)) for place in ([3, 0], [0, 3])])
    >>> given = np.zeros((14, 2))
    >>> given[0, 0] = given[7, 1] = 1
    >>> spread_labels(neighbor_graph(Z @ Z.T), given, np.ones(2)).argmax(1)
    array([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    """
    passed = given
    for _ in range(_STEPS):
        passed = REACH * (graph @ passed) + given
    tiny = np.finfo(np.float64).tiny
    passed = passed * (totals / np.maximum(passed.sum(0), tiny))
    arrived = passed.sum(1, keepdims=True)
    result: Values = np.where(arrived > 0, passed / np.maximum(arrived, tiny), 1 / given.shape[1])
    return result


@dataclass(frozen=True)
class Spread:
    """A fitted `SpreadingRidge`.

    Attributes
    ----------
    coef : ndarray, shape (n_classes, n_features)
    intercept : ndarray, shape (n_classes,)
    scores : ndarray, shape (n_unlabelled, n_classes)
        Of the unlabelled series.
    arrived : ndarray, shape (n_unlabelled, n_classes)
        The labels that were passed on to them; rows sum to one.
    """

    coef: Values
    intercept: Values
    scores: Values
    arrived: Values


@dataclass(frozen=True)
class _Dual:
    """A ridge in terms of inner products with the series."""

    dual: Values  # (n_series, n_targets), zero for series without a weight
    intercept: Values  # (n_targets,)
    scores: Values  # (n_series, n_targets)


class SpreadingRidge:
    """A ridge that unlabelled series take part in as far as their neighbourhood confirms it.

    First a ridge on the labelled series alone says of every other series what it is. Then labels
    are passed on along the neighbours, and the share that arrives of just that class is the weight
    of the series in a second ridge, next to the labelled ones. What each class hands out, and what
    its series weigh together, is what the first ridge counts of it, shrunk to equal numbers: to the
    power of k / (k + 1) with k labels for each class. So classes need not be of one size, and where
    the neighbours know nothing, or something else, the second ridge is the first one.

    Parameters
    ----------
    Z : ndarray, shape (n_series, n_features)
        Embeddings, centred, labelled series first.
    y : ndarray of int, shape (n_labelled,)
        Class numbers from 0.
    weights : ndarray, shape (n_labelled,)
    n_classes : int
    penalty : float
        In units of the mean squared length of a series' features.
    """

    def __init__(
        self, Z: Values, y: NDArray[np.int64], weights: Values, n_classes: int, penalty: float
    ) -> None:
        self.Z, self.y, self.weights, self.penalty = Z, y, weights, penalty
        self.classes = np.eye(n_classes)
        self.gram = Z @ Z.T
        self.graph = neighbor_graph(self.gram)

    def solve(self) -> Spread:
        """Fit to all labelled series."""
        _, spread, arrived = self._fit(np.arange(len(self.y)))
        others = slice(len(self.y), None)
        return Spread(
            spread.dual.T @ self.Z, spread.intercept, spread.scores[others], arrived[others]
        )

    def left_out(self, n_folds: int = 5) -> tuple[Values, Values]:
        """Return what the ridges without and with the others say of series that are left out.

        Returns
        -------
        alone, spread : ndarray, shape (n_labelled, n_classes)
        """
        fold_of = np.empty(len(self.y), int)
        fold_of[np.argsort(self.y, kind="stable")] = np.arange(len(self.y)) % n_folds
        alone, spread = np.zeros((2, len(self.y), len(self.classes)))
        for fold in range(n_folds):
            without, with_others, _ = self._fit(np.flatnonzero(fold_of != fold))
            out = np.flatnonzero(fold_of == fold)
            alone[out], spread[out] = without.scores[out], with_others.scores[out]
        return alone, spread

    def _fit(self, labelled: NDArray[np.int64]) -> tuple[_Dual, _Dual, Values]:
        """Return the ridge on these alone, the one on all series, and the labels that arrived."""
        n_series, n_classes = len(self.gram), len(self.classes)
        given, weights = np.zeros((n_series, n_classes)), np.zeros(n_series)
        given[labelled] = self.classes[self.y[labelled]]
        weights[labelled] = self.weights[labelled]
        alone = self._ridge(given, weights)
        believed = alone.scores.argmax(1)
        counts = np.maximum(np.bincount(believed, minlength=n_classes), 0.5)
        per_class = len(labelled) / n_classes
        totals = counts ** (per_class / (per_class + 1))
        arrived = spread_labels(self.graph, given, totals)
        share = arrived[np.arange(n_series), believed]
        share[labelled] = 0
        sums = np.bincount(believed, share, n_classes)
        share *= (totals / np.maximum(sums, np.finfo(np.float64).tiny))[believed]
        share *= UNLABELLED_SHARE * len(labelled) / share.sum()
        share *= self._mean_weights(labelled)[believed]
        targets = self.classes[believed]
        targets[labelled] = given[labelled]
        return alone, self._ridge(targets, weights + share), arrived

    def _mean_weights(self, labelled: NDArray[np.int64]) -> Values:
        y, n_classes = self.y[labelled], len(self.classes)
        sums = np.bincount(y, self.weights[labelled], n_classes)
        return sums / np.maximum(np.bincount(y, minlength=n_classes), 1)

    def _ridge(self, targets: Values, weights: Values) -> _Dual:
        """Fit plus and minus one to the series that have a weight."""
        rows = np.flatnonzero(weights)
        share = weights[rows] / weights.sum()
        system = self.gram[np.ix_(rows, rows)]
        means = system @ share
        root = np.sqrt(weights[rows])[:, None]
        system -= means
        system -= means[:, None] - share @ means
        system *= root
        system *= root.T
        system[np.diag_indices(len(rows))] += self.penalty * (system.trace() / weights.sum() or 1.0)
        target = 2 * targets[rows] - 1
        target_mean = share @ target
        factor = cho_factor(system.T, overwrite_a=True, check_finite=False)
        inner = root * cho_solve(factor, root * (target - target_mean), check_finite=False)
        dual = np.zeros(targets.shape)
        dual[rows] = inner - np.outer(share, inner.sum(0))
        intercept = target_mean - means @ dual[rows]
        return _Dual(dual, intercept, self.gram @ dual + intercept)
