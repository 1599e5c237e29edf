"""Ridge regression of a few series on thousands of features: one decomposition, every penalty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Values = NDArray[np.float64]

PENALTIES = np.logspace(-5, 1, 13)  # in units of the mean squared length of centred features


@dataclass(frozen=True)
class LinearMap:
    """A ridge: ``features @ coef.T + intercept``.

    Attributes
    ----------
    coef : ndarray, shape (n_targets, n_features)
    intercept : ndarray, shape (n_targets,)
    left_out : ndarray, shape (n_series, n_targets)
        What each series is predicted to be by the same ridge on all other series.
    penalty : float
    error : float
        Weighted mean squared error of ``left_out``.
    """

    coef: Values
    intercept: Values
    left_out: Values
    penalty: float
    error: float


class DualRidge:
    """Weighted ridge regression with an intercept.

    The centred features, each row times the root of its weight, are decomposed once; a penalty then
    costs as much as a product with the targets, and so do the predictions for left-out series:
    e_i / (1 - h_i) with the error e_i and the leverage h_i of series i (Allen's PRESS; Golub, Heath
    and Wahba, Technometrics 21, 1979, eq. 1.5).

    Parameters
    ----------
    Z : ndarray, shape (n_series, n_features)
    targets : ndarray, shape (n_series, n_targets)
    weights : ndarray, shape (n_series,)
        All positive.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(0)
    >>> Z = draw.normal(size=(20, 100))
    >>> ridge = DualRidge(Z, Z[:, :1], np.ones(20)).best()
    >>> ridge.coef.shape, ridge.left_out.shape
    ((1, 100), (20, 1))
    """

    def __init__(self, Z: Values, targets: Values, weights: Values) -> None:
        self.weights = weights / weights.mean()
        self.root = np.sqrt(self.weights)[:, None]
        self.targets = targets
        self.mean, self.target_mean = (np.average(a, 0, self.weights) for a in (Z, targets))
        self.rows = self.root * (Z - self.mean)
        self.vectors, self.squares = left_vectors(self.rows)
        self.unit = float(np.square(self.rows).sum() / len(Z)) or 1.0
        self.inner = self.vectors.T @ (self.root * (targets - self.target_mean))

    def solve(self, penalty: float) -> LinearMap:
        """Return the ridge of a penalty, in units of the mean squared length of features."""
        absolute = penalty * self.unit
        left_out = self._left_out(absolute)
        dual = self.vectors @ (self.inner / (self.squares + absolute)[:, None])
        coef = dual.T @ self.rows
        intercept = self.target_mean - coef @ self.mean
        return LinearMap(coef, intercept, left_out, penalty, self._error(left_out))

    def best(self) -> LinearMap:
        """Return the ridge whose predictions for left-out series have the smallest error.

        The largest penalty of several that are as good.
        """
        errors = [self._error(self._left_out(penalty * self.unit)) for penalty in PENALTIES]
        return self.solve(PENALTIES[::-1][int(np.argmin(errors[::-1]))])

    def _left_out(self, absolute: float) -> Values:
        kept = self.squares / (self.squares + absolute)
        fitted = self.vectors @ (kept[:, None] * self.inner)
        leverage = np.square(self.vectors) @ kept + self.weights / self.weights.sum()
        error = self.targets - self.target_mean - fitted / self.root
        left: Values = self.targets - error / np.maximum(1 - leverage, 1e-9)[:, None]
        return left

    def _error(self, left_out: Values) -> float:
        return float(self.weights @ np.square(left_out - self.targets).mean(1))


def left_vectors(rows: Values) -> tuple[Values, Values]:
    """Return left singular vectors and squared singular values above the rounding errors.

    By way of the products of rows or of columns, whichever are fewer.

    Parameters
    ----------
    rows : ndarray, shape (n, m)

    Returns
    -------
    vectors : ndarray, shape (n, k)
    squares : ndarray, shape (k,)
        Ascending.
    """
    wide = rows.shape[0] <= rows.shape[1]
    squares, vectors = eigh(rows @ rows.T if wide else rows.T @ rows, driver="evd")
    kept = squares > len(squares) * np.finfo(np.float64).eps * squares[-1]
    squares, vectors = squares[kept], vectors[:, kept]
    return vectors if wide else rows @ vectors / np.sqrt(squares), squares
