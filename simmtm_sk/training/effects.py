"""What exogenous data do to a series: a linear effect, if cross-validation finds one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PENALTIES = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)  # of the mean square of a standardised covariate
N_BLOCKS = 5  # of time, each of which is predicted from all others
FEWEST_CHANGES = 20  # of a series, to learn effects from
MARGIN = 0.02  # share of the squared error that effects must save


def covariate_coefs(
    series: Sequence[NDArray[np.floating]], covariates: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return how much each covariate adds to each series, (n_series, n_covariates).

    A ridge regression of the changes of a series from point to point on those of the covariates:
    levels and trends that both have by chance say nothing. Its penalty has the least error on
    blocks of time left out; where the error of no penalty is clearly less than that of no effect,
    coefficients are zero.

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
    changes, target = np.diff(x).T, np.diff(y)
    observed = ~np.isnan(target)
    changes, target = changes[observed], target[observed]
    nothing = np.zeros(len(x))
    unit, scale = (np.sqrt((a**2).mean(0)) if len(a) else a.sum(0) for a in (changes, target))
    if len(target) < FEWEST_CHANGES or not scale > 0 or not (unit > 0).any():
        return nothing
    changes, target = changes / np.where(unit > 0, unit, np.inf), target / scale
    blocks = np.array_split(np.arange(len(target)), N_BLOCKS)
    grams = np.stack([changes[b].T @ changes[b] for b in blocks])
    products = np.stack([changes[b].T @ target[b] for b in blocks])
    gram, product = grams.sum(0), products.sum(0)
    errors = np.array(
        [
            [
                ((target[b] - changes[b] @ _ridge(gram - g, product - p, penalty)) ** 2).mean()
                for b, g, p in zip(blocks, grams, products, strict=True)
            ]
            for penalty in PENALTIES
        ]
    )
    best = int(errors.mean(1).argmin())
    gain = np.array([(target[b] ** 2).mean() for b in blocks]) - errors[best]
    if gain.mean() <= max(MARGIN, gain.std(ddof=1) / np.sqrt(N_BLOCKS)):
        return nothing
    coef = _ridge(gram, product, PENALTIES[best]) * scale
    return np.asarray(np.where(unit > 0, coef / np.where(unit > 0, unit, 1), 0))


def _ridge(
    gram: NDArray[np.float64], product: NDArray[np.float64], penalty: float
) -> NDArray[np.float64]:
    weight = penalty * max(np.trace(gram) / len(gram), np.finfo(float).tiny)
    solved: NDArray[np.float64] = np.linalg.solve(gram + weight * np.eye(len(gram)), product)
    return solved
