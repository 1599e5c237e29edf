"""Nearest series against a slow search."""

import numpy as np

from simmtm_sk import SimMTMImputer
from simmtm_sk.filling.neighbors import N_NEIGHBORS, by_neighbors


def slowly(x, examples):
    apart = np.array([np.nanmean((x - e) ** 2) for e in examples])
    apart[apart < 1e-10] = np.inf
    nearest = np.argsort(apart)[:N_NEIGHBORS]
    filled = np.full(x.shape, np.nan)
    for place in np.ndindex(x.shape):
        known = [i for i in nearest if np.isfinite(examples[i][place])]
        if known:
            filled[place] = np.average(
                [examples[i][place] for i in known], weights=1 / apart[known]
            )
    return filled


def test_means_over_the_nearest_series():
    rng = np.random.default_rng(0)
    examples, X = rng.normal(size=(30, 2, 9)), rng.normal(size=(7, 2, 9))
    X[0] = examples[3]  # is not its own neighbour
    for values in (examples, X):
        values[rng.random(values.shape) < 0.3] = np.nan
    expected = np.stack([slowly(x, examples) for x in X])
    np.testing.assert_allclose(by_neighbors(X, examples), expected, rtol=1e-7)


def test_series_that_repeat_others_are_filled_from_them():
    """Kinds that only the nearest series tell apart: shapes without any pattern in time."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(10, 1, 600))
    X = np.repeat(kinds, 8, 0) + 0.05 * rng.normal(size=(80, 1, 600))
    gappy = X.copy()
    gappy[:, :, 200:300] = np.nan
    imputer = SimMTMImputer().fit(X)
    assert "neighbors" in imputer.members_
    assert np.mean((imputer.transform(gappy) - X)[:, :, 200:300] ** 2) < 0.1
