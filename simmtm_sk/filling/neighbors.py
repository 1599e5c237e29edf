"""What the most similar training series have where a series has a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FEWEST_SERIES = 8  # that are looked at as whole series, neighbours among them
MOST_NUMBERS = 4_000_000  # that are kept of training series
N_NEIGHBORS = 5
_AT_ONCE = 256  # series that are compared together


def by_neighbors(standard: Floats, examples: Floats) -> Floats:
    """Return means over the nearest training series, nearer ones first; NaN where none has a value.

    Nearness is the mean squared difference of the points that both have. A series that is an
    example itself is not its own neighbour.

    Parameters
    ----------
    standard : ndarray, shape (n_series, n_channels, length)
        NaN in gaps.
    examples : ndarray, shape (n_examples, n_channels, length)
        NaN in gaps.
    """
    flat, known = (x.reshape(len(x), -1) for x in (standard, examples))
    has = ~np.isnan(known)
    known = np.where(has, known, 0)
    result = np.empty_like(flat)
    for start in range(0, len(flat), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        observed = ~np.isnan(flat[rows])
        values = np.where(observed, flat[rows], 0)
        common = observed.astype(float) @ has.T
        squares = values**2 @ has.T - 2 * values @ known.T + observed @ known.T**2
        apart = np.where(common > 0, squares / np.maximum(common, 1), np.inf)
        apart[apart < 1e-10] = np.inf  # the series itself
        nearest = np.argsort(apart, axis=1, kind="stable")[:, :N_NEIGHBORS]
        distance = np.take_along_axis(apart, nearest, 1)
        weight = np.where(np.isfinite(distance), 1 / distance, 0)[:, :, None] * has[nearest]
        total = weight.sum(1)
        mean = (weight * known[nearest]).sum(1) / np.where(total > 0, total, 1)
        result[rows] = np.where(total > 0, mean, np.nan)
    return result.reshape(standard.shape)


def chosen_examples(standard: Floats) -> Floats:
    """Return evenly chosen training series, as many as are kept."""
    most = max(1, MOST_NUMBERS // standard[0].size)
    step = -(-len(standard) // most)
    return standard[::step]
