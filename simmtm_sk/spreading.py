"""Labels that are passed on to unlabelled series, and a ridge on all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import Ridge
from sklearn.neighbors import kneighbors_graph
from sklearn.preprocessing import normalize

Values = NDArray[np.float64]

N_NEIGHBORS = 5
REACH = 0.8  # of a label, from neighbour to neighbour
UNLABELLED_SHARE = 0.1  # weight of all series that labels are spread to, against the labelled ones
PENALTY = 0.1  # in units of the mean squared length of a series' features
_STEPS = 100  # what is passed on further is negligible: REACH ** 100


def spread_labels(Z: Values, y: NDArray[np.int64], n_classes: int) -> Values:
    """Pass labels on from neighbour to neighbour.

    Each series takes a share of what its neighbours have, the labelled ones keep giving theirs
    (Zhou et al., "Learning with local and global consistency", NIPS 2003), on the graph of the
    `N_NEIGHBORS` nearest by cosine. What a class hands out in total is the same for all.

    Parameters
    ----------
    Z : ndarray, shape (n_series, n_features)
        Standardised embeddings, labelled series first.
    y : ndarray of int, shape (n_labelled,)
        Class numbers from 0.
    n_classes : int

    Returns
    -------
    ndarray, shape (n_series, n_classes)
        Rows sum to one; all classes are equal where no label arrives.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> one, other = (draw.normal(place, 0.3, (8, 2)) for place in ([3, 0], [0, 3]))
    >>> Z = np.vstack([one[:1], other[:1], one[1:], other[1:]])
    >>> spread_labels(Z, np.array([0, 1]), 2).argmax(1)
    array([0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1])
    """
    n_neighbors = min(N_NEIGHBORS, len(Z) - 1)
    graph = kneighbors_graph(normalize(Z), n_neighbors)
    graph = graph.maximum(graph.T)
    root = diags(np.asarray(graph.sum(1)).ravel() ** -0.5)
    graph = root @ graph @ root
    given = np.zeros((len(Z), n_classes))
    given[np.arange(len(y)), y] = 1
    found = given
    for _ in range(_STEPS):
        found = REACH * (graph @ found) + given
    tiny = np.finfo(np.float64).tiny
    found = found / np.maximum(found.sum(0), tiny)
    total = found.sum(1, keepdims=True)
    return np.where(total > 0, found / np.maximum(total, tiny), 1 / n_classes)


class SpreadingRidge(ClassifierMixin, BaseEstimator):
    """The ridge on labels that have been spread to other series."""

    def __init__(self, unlabelled: Values) -> None:
        self.unlabelled = unlabelled

    def fit(self, Z: Values, y: NDArray[np.int64], sample_weight: Values) -> SpreadingRidge:
        """Fit to labelled series, (n, n_features), and the others."""
        self.classes_, y = np.unique(y, return_inverse=True)
        everything = np.vstack([Z, self.unlabelled])
        wanted = spread_labels(everything, y, len(self.classes_))
        wanted[: len(y)] = np.eye(len(self.classes_))[y]
        share = UNLABELLED_SHARE * len(y) / len(everything)
        of_class = np.array([sample_weight[y == c].mean() for c in range(len(self.classes_))])
        weights = np.hstack([sample_weight, share * wanted[len(y) :] @ of_class])
        center = np.average(everything, axis=0, weights=weights)
        penalty = PENALTY * weights @ np.square(everything - center).sum(1) / len(weights)
        self.ridge_ = Ridge(penalty).fit(everything, 2 * wanted - 1, sample_weight=weights)
        self.wanted_ = wanted[len(y) :]
        return self

    def decision_function(self, Z: Values) -> Values:
        """Return the scores, (n, n_classes)."""
        scores: Values = self.ridge_.predict(Z)
        return scores

    def predict(self, Z: Values) -> NDArray[np.int64]:
        """Return the classes of the highest scores."""
        predicted: NDArray[np.int64] = self.classes_[self.decision_function(Z).argmax(1)]
        return predicted
