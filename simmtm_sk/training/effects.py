"""What exogenous data do to a series: a linear effect, if cross-validation finds one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PENALTIES = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)  # of the mean square of a standardised covariate
MEMORIES = (1.0, 0.95, 0.8, 0.5, 0.0)  # share of a point that is taken off the next one
N_BLOCKS = 5  # of time, each of which is predicted from all others
FEWEST_POINTS = 20  # of a series, to learn effects from
MARGIN = 0.02  # share of the squared error that effects must save


def covariate_coefs(
    series: Sequence[NDArray[np.floating]], covariates: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return how much each covariate adds to each series, (n_series, n_covariates).

    A ridge regression with errors that are remembered from point to point (Cochrane and Orcutt,
    1949): a share of each point is taken off the next one, in the series as in the covariates. All
    of it leaves changes, which say nothing of levels and trends that both have by chance; none of
    it leaves the values, which say more where errors are soon forgotten. Share and penalty have the
    least error on blocks of time left out. Where that is not clearly less than the error without
    any effect, coefficients are zero.

    Parameters
    ----------
    series : sequence of ndarray, each (length,)
        NaN = missing.
    covariates : sequence of ndarray, each (n_covariates, length)
        Those of each series, without missing values.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2, 100))
    >>> covariate_coefs([3 * x[0]], [x]).round(2).tolist()
    [[3.0, 0.0]]
    """
    return np.stack([_coefs(y, x) for y, x in zip(series, covariates, strict=True)])


def _coefs(y: NDArray[np.floating], x: NDArray[np.float64]) -> NDArray[np.float64]:
    # powers of two, so that squares of very large or small numbers stay numbers
    (unit,), units = _binade(y[None]), _binade(x)
    coefs: NDArray[np.float64] = _coefs_in_units(y / unit, x / units[:, None]) * unit / units
    return coefs


def _binade(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the power of two above the largest value of each row; 1 where there is none."""
    largest = np.abs(rows).max(1, initial=0.0, where=~np.isnan(rows))
    return np.asarray(np.ldexp(1.0, np.frexp(largest)[1]))


def _coefs_in_units(y: NDArray[np.floating], x: NDArray[np.float64]) -> NDArray[np.float64]:
    tried = [fit for memory in MEMORIES for fit in _fits(y, x, memory)]
    nothing = np.zeros(len(x))
    if not tried:
        return nothing
    without = min((blocks for _, _, blocks in tried), key=lambda blocks: float(blocks.mean()))
    coef, errors, _ = min(tried, key=lambda fit: float(fit[1].mean()))
    gain = (without - errors) / max(float(without.mean()), np.finfo(float).tiny)
    if gain.mean() <= max(MARGIN, gain.std(ddof=1) / np.sqrt(N_BLOCKS)):
        return nothing
    return coef


def _fits(
    y: NDArray[np.floating], x: NDArray[np.float64], memory: float
) -> list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]]:
    """Return coefficients for every penalty, and errors by block of time with and without them."""
    target, features = y[1:] - memory * y[:-1], (x[:, 1:] - memory * x[:, :-1]).T
    observed = ~np.isnan(target)
    target, features = target[observed], features[observed]
    if len(target) < FEWEST_POINTS:
        return []
    target, features = target - target.mean(), features - features.mean(0)
    unit, scale = np.sqrt((features**2).mean(0)), float(np.sqrt((target**2).mean()))
    varies = unit > 0
    if not varies.any() or scale == 0:
        return []
    features = features / np.where(varies, unit, np.inf)
    blocks = np.array_split(np.arange(len(target)), N_BLOCKS)
    grams = np.stack([features[b].T @ features[b] for b in blocks])
    products = np.stack([features[b].T @ (target[b] / scale) for b in blocks])
    without = np.array([(target[b] ** 2).mean() for b in blocks])
    fits = []
    for penalty in PENALTIES:
        coefs = [
            _ridge(grams.sum(0) - gram, products.sum(0) - product, penalty)
            for gram, product in zip(grams, products, strict=True)
        ]
        errors = np.array(
            [
                ((target[b] - scale * (features[b] @ coef)) ** 2).mean()
                for b, coef in zip(blocks, coefs, strict=True)
            ]
        )
        coef = scale * _ridge(grams.sum(0), products.sum(0), penalty)
        fits.append((np.where(varies, coef / np.where(varies, unit, 1), 0), errors, without))
    return fits


def _ridge(
    gram: NDArray[np.float64], product: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    weight = penalty * max(np.trace(gram) / len(gram), np.finfo(float).tiny)
    solved: NDArray[np.float64] = np.linalg.solve(gram + weight * np.eye(len(gram)), product)
    return solved
