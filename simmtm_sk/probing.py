"""Linear heads on embeddings: solved exactly, penalty and kind chosen by cross-validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV, RidgeCV
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.class_weight import compute_sample_weight

from .data.forecast_windows import subsample
from .spreading import SpreadingRidge

Values = NDArray[np.float64]

HEADS = ("auto", "ridge", "logistic", "spread")
ALPHAS = np.logspace(-3, 3, 13)  # penalties of the ridge
STRENGTHS = (0.01, 0.1, 1.0)  # C of the logistic regression, on standardised features
MOST_FOR_LOGISTIC = 1000  # above, the ridge is as good and far faster
MOST_UNLABELLED = 1500  # series that labels are spread to, evenly chosen


@dataclass(frozen=True)
class LinearHead:
    """A linear map of standardised features.

    Attributes
    ----------
    center, std : ndarray, shape (n_features,)
        Of the features over the training series; ``std`` is 1 where a feature is constant.
    coef : ndarray, shape (n_outputs, n_features)
    intercept : ndarray, shape (n_outputs,)
    """

    center: Values
    std: Values
    coef: Values
    intercept: Values

    def scores(self, E: NDArray[Any]) -> Values:
        """Return (n_series, n_outputs)."""
        return ((E - self.center) / self.std) @ self.coef.T + self.intercept

    def probabilities(self, E: NDArray[Any]) -> Values:
        """Return the softmax of the scores: (n_series, n_classes)."""
        result: Values = softmax(self.scores(E), axis=1)
        return result


def standardization(E: NDArray[Any]) -> tuple[Values, Values]:
    """Return mean and standard deviation of every feature, 1 for constant ones."""
    E = np.asarray(E, np.float64)
    center, std = E.mean(0), E.std(0)
    constant = std <= 10 * np.finfo(np.float64).eps * np.abs(E).max(0, initial=0.0)
    return center, np.where(constant, 1.0, std)


def classification_head(
    E: NDArray[Any],
    y: NDArray[np.int64],
    kind: str = "auto",
    class_weight: dict[int, float] | str | None = None,
    unlabelled: NDArray[Any] | None = None,
) -> LinearHead:
    """Fit a head whose softmax are class probabilities.

    Parameters
    ----------
    E : ndarray, shape (n_series, n_features)
    y : ndarray of int, shape (n_series,)
        Class numbers from 0, every class at least once, two classes at least.
    kind : {"auto", "ridge", "logistic", "spread"}, default="auto"
        "spread" is the ridge on labels that `simmtm_sk.spreading` has passed on to the unlabelled
        series (the plain ridge, if there are none). "auto" takes the most accurate one in
        stratified cross-validation; where a class has a single member, "spread"; where there are
        more than `MOST_FOR_LOGISTIC` labelled series, the ridge.
    class_weight : dict, "balanced" or None, default=None
        As in scikit-learn, by class number.
    unlabelled : ndarray, shape (n_unlabelled, n_features), or None, default=None
        Embeddings of series without a label.

    Returns
    -------
    LinearHead
        One output for each class.
    """
    everything = np.asarray(E, np.float64)
    if unlabelled is not None and kind in ("auto", "spread"):
        # they know how features vary better than a handful of labelled series
        others = subsample(np.arange(len(unlabelled)), MOST_UNLABELLED)
        everything = np.vstack([everything, unlabelled[others]])
    center, std = standardization(everything)
    everything = (everything - center) / std
    # all penalties only see angles and lengths, so the span of the rows is all that matters:
    # the same solution in far fewer dimensions
    basis = None
    if len(everything) < everything.shape[1]:
        basis = np.linalg.qr(everything.T)[0]
        everything = everything @ basis
    Z, U = np.split(everything, [len(y)])
    weights = compute_sample_weight(class_weight, y)
    fewest = int(np.bincount(y).min())
    folds = None
    if fewest > 1:
        folds = StratifiedKFold(min(5, fewest), shuffle=True, random_state=0)
    if kind == "auto" and len(y) > MOST_FOR_LOGISTIC:
        kind = "ridge"
    spread_scores = None  # for labelled series, when they are left out
    if len(U) and folds is not None and kind in ("auto", "spread"):
        spread_scores = _cross_validated(
            SpreadingRidge(U), Z, y, weights, folds, "decision_function"
        )
    if kind == "auto":
        kind = "spread" if folds is None else _most_accurate(Z, y, weights, folds, spread_scores)
    if kind == "logistic":
        fitted = _logistic(Z, y, weights, folds)
        coef, intercept = fitted.coef_, fitted.intercept_
        if len(coef) == 1:  # scikit-learn has one output for two classes
            coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
    else:
        if kind == "spread" and len(U):
            coef, intercept, sharpness = _spread(Z, y, weights, U, spread_scores)
        else:
            coef, intercept, left_out = _ridge(Z, _plus_minus(y), weights)
            sharpness = _sharpness(left_out, smoothed_classes(y)[y], weights)
        coef, intercept = sharpness * coef, sharpness * intercept
    return LinearHead(center, std, coef if basis is None else coef @ basis.T, intercept)


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


def regression_head(E: NDArray[Any], y: NDArray[Any]) -> LinearHead:
    """Fit a ridge regression, its penalty chosen by leave-one-out cross-validation.

    Parameters
    ----------
    E : ndarray, shape (n_series, n_features)
    y : ndarray, shape (n_series,)

    Returns
    -------
    LinearHead
        With one output.
    """
    center, std = standardization(E)
    Z = (np.asarray(E, np.float64) - center) / std
    coef, intercept, _ = _ridge(Z, np.asarray(y, np.float64)[:, None], None)
    return LinearHead(center, std, coef, intercept)


def _plus_minus(y: NDArray[np.int64]) -> Values:
    return np.where(y[:, None] == np.arange(y.max() + 1), 1.0, -1.0)


def _ridge(Z: Values, targets: Values, weights: Values | None) -> tuple[Values, Values, Values]:
    """Return coefficients, intercepts, and the prediction for every series when left out."""
    ridge = RidgeCV(ALPHAS, scoring="neg_mean_squared_error", store_cv_results=True)
    ridge.fit(Z, targets, sample_weight=weights)
    best = int(np.flatnonzero(ridge.alpha_ == ALPHAS)[0])
    left_out = ridge.cv_results_.reshape(*targets.shape, len(ALPHAS))[..., best]
    return np.atleast_2d(ridge.coef_), np.atleast_1d(ridge.intercept_), left_out


def _sharpness(scores: Values, wanted: Values, weights: Values) -> float:
    """Return the factor that brings the softmax of a ridge's scores nearest to probabilities.

    Temperature scaling (Guo et al., arXiv:1706.04599); for labelled series, the scores are those
    when they are left out.
    """

    def loss(log_factor: float) -> float:
        log_likelihood = log_softmax(np.exp(log_factor) * scores, axis=1)
        return -float(weights @ (wanted * log_likelihood).sum(1))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 4), method="bounded").x))


def _most_accurate(
    Z: Values,
    y: NDArray[np.int64],
    weights: Values,
    folds: StratifiedKFold,
    spread_scores: Values | None,
) -> str:
    """Compare the kinds on the same folds; the first wins ties."""
    hits = {
        "ridge": _hits(RidgeClassifierCV(ALPHAS), Z, y, weights, folds),
        "logistic": max(_hits(candidate, Z, y, weights, folds) for candidate in _candidates()),
    }
    if spread_scores is not None:
        # the one that also knows the other series is to be beaten
        hits = {"spread": float(weights @ (spread_scores.argmax(1) == y))} | hits
    return max(hits, key=lambda kind: hits[kind])


def _spread(
    Z: Values,
    y: NDArray[np.int64],
    weights: Values,
    unlabelled: Values,
    left_out: Values | None,
) -> tuple[Values, Values, float]:
    """Return coefficients, intercepts and sharpness of the ridge on spread labels."""
    fitted = SpreadingRidge(unlabelled).fit(Z, y, sample_weight=weights)
    if left_out is None:  # no label can be: the ones that arrived are all there is
        scores = fitted.decision_function(unlabelled)
        sharpness = _sharpness(scores, fitted.wanted_, np.ones(len(scores)))
    else:
        sharpness = _sharpness(left_out, smoothed_classes(y)[y], weights)
    return fitted.ridge_.coef_, fitted.ridge_.intercept_, sharpness


def _logistic(
    Z: Values, y: NDArray[np.int64], weights: Values, folds: StratifiedKFold | None
) -> LogisticRegression:
    candidates = _candidates()
    best = candidates[1]
    if folds is not None:
        best = max(candidates, key=lambda candidate: _hits(candidate, Z, y, weights, folds))
    return best.fit(Z, y, sample_weight=weights)


def _candidates() -> list[LogisticRegression]:
    return [LogisticRegression(C=C, max_iter=2000) for C in STRENGTHS]


def _hits(
    classifier: Any, Z: Values, y: NDArray[np.int64], weights: Values, folds: StratifiedKFold
) -> float:
    """Return the weight of the series that are classified correctly when left out."""
    predicted = _cross_validated(classifier, Z, y, weights, folds, "predict")
    return float(weights @ (predicted == y))


def _cross_validated(
    classifier: Any,
    Z: Values,
    y: NDArray[np.int64],
    weights: Values,
    folds: StratifiedKFold,
    method: str,
) -> NDArray[Any]:
    """Return what is predicted for every series when it is left out."""
    result: NDArray[Any] = cross_val_predict(
        classifier, Z, y, cv=folds, params={"sample_weight": weights}, method=method
    )
    return result
