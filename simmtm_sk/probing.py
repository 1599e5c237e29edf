"""Linear heads on embeddings: solved exactly, penalty and kind chosen by left-out series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import entr, log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from .data.forecast_windows import subsample
from .dual_ridge import DualRidge, LinearMap, left_vectors
from .one_thread import one_thread
from .spreading import SpreadingRidge

Values = NDArray[np.float64]

HEADS = ("auto", "ridge", "logistic", "spread")
FEWEST_PER_CLASS = 3  # labels; with fewer, one that is left out takes along too much of its class
EVEN = 0.9  # with half of the classes ten times as large as the others, `evenness` is about .68
USUAL_PENALTY = 0.1  # of the ridge, where no left-out series can tell
STRENGTH = 100.0  # C of the logistic regression, for features of mean squared length one
FEWEST_UNLABELLED = 50  # of fewer, neighbours are too far apart to confirm anything
MOST_UNLABELLED = 1500  # series that labels are spread to, evenly chosen


@dataclass(frozen=True)
class LinearHead:
    """A linear map of centred and scaled features.

    Attributes
    ----------
    center, std : ndarray, shape (n_features,)
        What is taken away from every feature, and what it is divided by then.
    coef : ndarray, shape (n_outputs, n_features)
    intercept : ndarray, shape (n_outputs,)
    """

    center: Values
    std: Values
    coef: Values
    intercept: Values

    def scores(self, E: NDArray[Any]) -> Values:
        """Return (n_series, n_outputs)."""
        with one_thread():
            return ((E - self.center) / self.std) @ self.coef.T + self.intercept

    def probabilities(self, E: NDArray[Any]) -> Values:
        """Return the softmax of the scores: (n_series, n_classes)."""
        result: Values = softmax(self.scores(E), axis=1)
        return result


def common_scale(E: NDArray[Any]) -> tuple[Values, Values]:
    """Return the mean of every feature, and for all of them the root of their mean variance.

    In embeddings some features weigh more than others, and shall do so.
    """
    E = np.asarray(E, np.float64)
    center = E.mean(0)
    std = float(np.sqrt(np.square(E - center).mean())) if E.size else 0.0
    negligible = std <= 10 * np.finfo(np.float64).eps * np.abs(E).max(initial=0.0)
    return center, np.full(E.shape[1], 1.0 if negligible else std)


def classification_head(
    E: NDArray[Any],
    y: NDArray[np.int64],
    kind: str = "auto",
    sample_weight: NDArray[Any] | None = None,
    unlabelled: NDArray[Any] | None = None,
) -> LinearHead:
    """Fit a head whose softmax are class probabilities.

    Parameters
    ----------
    E : ndarray, shape (n_series, n_features)
    y : ndarray of int, shape (n_series,)
        Class numbers from 0, every class at least once, two classes at least.
    kind : {"auto", "ridge", "logistic", "spread"}, default="auto"
        "spread" is the ridge that unlabelled series take part in, see `SpreadingRidge` in
        `simmtm_sk.spreading`, or the plain ridge if there are none. "auto" is "spread" where there
        are `FEWEST_UNLABELLED` of them, unless it makes more mistakes than the plain ridge in
        cross-validation, for which there have to be `FEWEST_PER_CLASS` labelled series of each
        class on average; with fewer it is "spread" only if there are three classes or more, which
        come out of about equal size (`EVEN`): where some are rare, spreading hurts more than it
        helps. "logistic" is never chosen: it is nowhere ahead by more than chance.
    sample_weight : ndarray, shape (n_series,), or None, default=None
        Weights of the series, not all zero. One of weight zero is as if it were not there.
    unlabelled : ndarray, shape (n_unlabelled, n_features), or None, default=None
        Embeddings of series without a label.

    Returns
    -------
    LinearHead
        One output for each class. The same bits whatever the number of threads.
    """
    n_classes = int(y.max()) + 1
    E, y, weights = _weighted(E, y, sample_weight)
    others = E[:0]
    if unlabelled is not None and kind in ("auto", "spread"):
        others = unlabelled[subsample(np.arange(len(unlabelled)), MOST_UNLABELLED)]
    with one_thread():
        # those without a label know how features vary better than a handful of labelled series
        everything = np.vstack([E, others], dtype=np.float64, casting="same_kind")
        center, std = common_scale(everything)
        everything -= center
        everything /= std
        Z = everything[: len(y)]
        if kind == "logistic":
            coef, intercept = _logistic(Z, y, weights)
        elif len(others) >= (1 if kind == "spread" else FEWEST_UNLABELLED):
            coef, intercept = _spread(everything, y, weights, n_classes, kind)
        else:
            ridge = _ridge(Z, _plus_minus(y, n_classes), weights)
            coef, intercept = _plain(ridge, smoothed_classes(y)[y], weights)
    return LinearHead(center, std, coef, intercept)


def smoothed_classes(y: NDArray[np.int64]) -> Values:
    """Return the probabilities that the members of every class are to get.

    As in Platt's scaling, a class of n members counts as n + 1 hits and one miss, shared by the
    other classes: a few series without a mistake do not make certain.

    Parameters
    ----------
    y : ndarray of int, shape (n_series,)
        Class numbers from 0.

    Returns
    -------
    ndarray, shape (n_classes, n_classes)
        A row for each class.

    Examples
    --------
    >>> import numpy as np
    >>> smoothed_classes(np.array([0, 1, 1]))
    array([[0.66666667, 0.33333333],
           [0.25      , 0.75      ]])
    """
    miss = 1 / (np.bincount(y) + 2)[:, None]
    n_classes = len(miss)
    return np.where(np.eye(n_classes, dtype=bool), 1 - miss, miss / (n_classes - 1))


def regression_head(
    E: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None = None
) -> LinearHead:
    """Fit a ridge regression, its penalty chosen by leave-one-out cross-validation.

    Parameters
    ----------
    E : ndarray, shape (n_series, n_features)
    y : ndarray, shape (n_series,)
        Of any unit.
    sample_weight : ndarray, shape (n_series,), or None, default=None
        As in `classification_head`.

    Returns
    -------
    LinearHead
        With one output. The same bits whatever the number of threads.
    """
    E, y, weights = _weighted(E, y, sample_weight)
    with one_thread():
        center, std = common_scale(E)
        middle, unit = location_and_unit(y)
        target = (y / unit - middle / unit)[:, None]
        ridge = DualRidge((np.asarray(E, np.float64) - center) / std, target, weights).best()
    return LinearHead(center, std, unit * ridge.coef, unit * ridge.intercept + middle)


def location_and_unit(y: NDArray[Any]) -> tuple[float, float]:
    """Return mean and standard deviation (1 if it is zero), whatever powers of ten ``y`` has."""
    y = np.asarray(y, np.float64)
    largest = float(np.abs(y).max()) or 1.0
    middle, unit = largest * float((y / largest).mean()), largest * float((y / largest).std())
    return middle, unit or 1.0


def _weighted(
    E: NDArray[Any], y: NDArray[Any], sample_weight: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], Values]:
    """Return the series that have a weight, and their weights, one on average."""
    if sample_weight is None:
        return E, y, np.ones(len(y))
    weights = np.asarray(sample_weight, np.float64)
    kept = weights > 0
    return E[kept], y[kept], weights[kept] / weights[kept].mean()


def _plus_minus(y: NDArray[np.int64], n_classes: int) -> Values:
    return np.where(y[:, None] == np.arange(n_classes), 1.0, -1.0)


def _ridge(Z: Values, targets: Values, weights: Values) -> LinearMap:
    ridge = DualRidge(Z, targets, weights)
    if len(Z) < FEWEST_PER_CLASS * targets.shape[1]:
        return ridge.solve(USUAL_PENALTY)
    return ridge.best()


def _plain(ridge: LinearMap, wanted: Values, weights: Values) -> tuple[Values, Values]:
    """Return the map of a ridge, its scores as sharp as its left-out series are told apart."""
    factor = _sharpness(ridge.left_out, wanted, weights)
    return factor * ridge.coef, factor * ridge.intercept


def evenness(y: NDArray[np.int64], n_classes: int) -> float:
    """Return the number of classes that would be as even, as a share of all.

    Parameters
    ----------
    y : ndarray of int, shape (n_series,)
        Class numbers from 0; not every class needs to be there.
    n_classes : int

    Returns
    -------
    float
        The exponential of the entropy of the classes' shares, divided by their number: 1 if all
        are of one size, ``1 / n_classes`` if there is but one.

    Examples
    --------
    >>> import numpy as np
    >>> round(evenness(np.array([0, 1, 2, 2, 1, 0]), 3), 2)
    1.0
    >>> round(evenness(np.array([0] * 10 + [1]), 2), 2)
    0.68
    """
    share = np.bincount(y, minlength=n_classes) / len(y)
    return float(np.exp(entr(share).sum()) / n_classes)


def _spread(
    everything: Values, y: NDArray[np.int64], weights: Values, n_classes: int, kind: str
) -> tuple[Values, Values]:
    """Return the map of the ridge on spread labels, or that of the plain one if that is better."""
    ridge = _ridge(everything[: len(y)], _plus_minus(y, n_classes), weights)
    spreading = SpreadingRidge(everything, y, weights, n_classes, ridge.penalty)
    wanted = smoothed_classes(y)[y]
    if len(y) < FEWEST_PER_CLASS * n_classes:  # labels that arrived are all there is to judge by
        spread = spreading.solve()
        even = n_classes > 2 and evenness(spread.scores.argmax(1), n_classes) >= EVEN
        if kind == "auto" and not even:
            return _plain(ridge, wanted, weights)
        factor = _sharpness(spread.scores, spread.arrived, np.ones(len(spread.scores)))
        return factor * spread.coef, factor * spread.intercept
    alone, left_out = spreading.left_out()
    hits, hits_alone = (weights @ (scores.argmax(1) == y) for scores in (left_out, alone))
    if kind == "auto" and hits < hits_alone:
        return _plain(ridge, wanted, weights)
    spread = spreading.solve()
    factor = _sharpness(left_out, wanted, weights)
    return factor * spread.coef, factor * spread.intercept


def _sharpness(scores: Values, wanted: Values, weights: Values) -> float:
    """Return the factor that brings the softmax of a ridge's scores nearest to probabilities.

    Temperature scaling (Guo et al., arXiv:1706.04599); for labelled series, the scores are those
    when they are left out.
    """

    def loss(log_factor: float) -> float:
        log_likelihood = log_softmax(np.exp(log_factor) * scores, axis=1)
        return -float(weights @ (wanted * log_likelihood).sum(1))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 4), method="bounded").x))


def _logistic(Z: Values, y: NDArray[np.int64], weights: Values) -> tuple[Values, Values]:
    """Fit in the span of the series, which has far fewer dimensions than there are features."""
    center = np.average(Z, axis=0, weights=weights)
    rows = Z - center
    unit = np.sqrt(np.square(rows).sum() / len(Z)) or 1.0
    vectors, squares = left_vectors(rows / unit)
    lengths = np.sqrt(squares)
    fitted = LogisticRegression(C=STRENGTH, max_iter=2000)
    fitted.fit(vectors * lengths, y, sample_weight=weights)
    coef = (fitted.coef_ / lengths) @ vectors.T @ rows / unit**2
    intercept = fitted.intercept_
    if len(coef) == 1:  # scikit-learn has one output for two classes
        coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
    return coef, intercept - coef @ center
