"""`WindowMixture`: Gaussians over short windows of all channels, and what they expect in gaps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEVEL = 1.0  # variance of a level that all points of a channel share: windows may lie anywhere
NOISE = 3e-4  # variance of every point alone
PRIOR = 300.0  # windows that the covariance of all of them counts for in that of a component
STATIONARY = 0.1  # windows, per number in one, that the stationary covariance counts for
N_ROUNDS = 3  # of sharing windows out among components
WINDOWS_PER_COMPONENT = 300
SHARPNESS = 0.3  # exponent of the components' likelihoods: neighbouring points repeat each other
_AT_ONCE = 1 << 22  # numbers in matrices that are inverted together
_N_AXES = 40  # of the principal components that windows are first grouped by


@dataclass(frozen=True)
class Expected:
    """What is expected where windows are hidden.

    Attributes
    ----------
    mean, variance : ndarray, shape (n_windows, size)
        Where points are visible, their values and zero.
    """

    mean: Floats
    variance: Floats


def number_of_components(n_windows: int, most: int) -> int:
    """Return how many components so many windows can tell apart, from 1 to ``most``.

    Examples
    --------
    >>> number_of_components(1_000, 8)
    3
    """
    return min(max(n_windows // WINDOWS_PER_COMPONENT, 1), most)


class WindowMixture:
    """A mixture of Gaussians over windows, with the conditional mean of hidden points.

    In closed form but for which component a window belongs to: every component has a mean and a
    covariance, drawn towards the covariance of all windows, and that towards a stationary one.
    Levels are free: windows of a channel that drifts lie where they lie.

    Parameters
    ----------
    means : ndarray, shape (n_components, size)
        Windows are flat: channel by channel, ``size`` = channels × points.
    covariances : ndarray, shape (n_components, size, size)
    log_shares : ndarray, shape (n_components,)
        Logarithms of the shares of windows.
    """

    def __init__(self, means: Floats, covariances: Floats, log_shares: Floats) -> None:
        self.means, self.covariances, self.log_shares = means, covariances, log_shares
        roots = [cholesky(covariance, lower=True) for covariance in covariances]
        self._half_log_dets = np.array([_half_log_det(root) for root in roots])
        identity = np.eye(means.shape[1])
        self._precisions = [cho_solve((root, True), identity) for root in roots]

    @classmethod
    def fit(cls, windows: Floats, n_channels: int, n_components: int) -> WindowMixture:
        """Learn from complete windows.

        Parameters
        ----------
        windows : ndarray, shape (n_windows, size)
            Standardised channel by channel.
        n_channels : int
        n_components : int
        """
        n_windows, size = windows.shape
        center = windows.mean(0)
        pooled = np.cov(windows.T, bias=True).reshape(size, size)
        stationary = _stationary(pooled, n_channels)
        weight = STATIONARY * size
        pooled = (n_windows * pooled + weight * stationary) / (n_windows + weight)
        floor = np.kron(np.eye(n_channels), np.full([size // n_channels] * 2, LEVEL))
        floor += NOISE * np.eye(size)
        if n_components == 1:
            return cls(center[None], (pooled + floor)[None], np.zeros(1))
        member = _grouped(windows - center, pooled, n_components)
        for _ in range(N_ROUNDS):
            parts = [windows[member == k] for k in np.unique(member)]
            mixture = cls(
                *_components(parts, center, pooled, floor),
                np.log([len(x) / n_windows for x in parts]),
            )
            member = mixture.log_likelihoods(windows).argmax(1)
        return mixture

    def log_likelihoods(self, windows: Floats) -> Floats:
        """Return those of complete windows under every component: (n_windows, n_components)."""
        return np.stack(
            [
                share
                - half
                - 0.5 * np.einsum("ij,ij->i", (windows - mean) @ precision, windows - mean)
                for share, half, mean, precision in zip(
                    self.log_shares, self._half_log_dets, self.means, self._precisions, strict=True
                )
            ],
            axis=1,
        )

    def expected(self, windows: Floats, hidden: Mask) -> Expected:
        """Return what hidden points are expected to be, given the visible ones.

        Parameters
        ----------
        windows : ndarray, shape (n_windows, size)
        hidden : ndarray of bool, shape (n_windows, size)
            What stands there is not looked at.
        """
        mean, variance = np.where(hidden, 0.0, windows), np.zeros(windows.shape)
        for rows, patterns in _by_pattern(hidden):
            expected = self._of_rows(windows[rows], hidden[rows], patterns)
            mean[rows] = np.where(hidden[rows], expected.mean, mean[rows])
            variance[rows] = np.where(hidden[rows], expected.variance, 0)
        return Expected(mean, variance)

    def _of_rows(self, windows: Floats, hidden: Mask, pattern: NDArray[np.intp]) -> Expected:
        """Return what is expected of windows whose gaps are some of few patterns."""
        _, first = np.unique(pattern, return_index=True)
        known = Known.of(hidden[first])
        solve = known.by_visible if known.fewer_visible else known.by_hidden
        solved = [
            solve(np.where(hidden, 0.0, windows - mean), pattern, covariance, precision, half)
            for mean, covariance, precision, half in zip(
                self.means, self.covariances, self._precisions, self._half_log_dets, strict=True
            )
        ]
        shifts, variances, likelihoods = (np.stack(x) for x in zip(*solved, strict=True))
        exponents = SHARPNESS * (likelihoods + self.log_shares[:, None])
        shares = np.exp(exponents - exponents.max(0))
        shares /= shares.sum(0)
        means = self.means[:, None] + shifts
        mean = np.einsum("kn,knj->nj", shares, means)
        square = np.einsum("kn,knj->nj", shares, variances + means**2)
        return Expected(mean, np.maximum(square - mean**2, 0))


@dataclass(frozen=True)
class Known:
    """Gaps of several patterns, and how to solve for them: one factorisation for each.

    Attributes
    ----------
    index : ndarray of int, shape (n_patterns, most)
        The points that matrices are inverted for: those that are hidden, or those that are not,
        whichever are fewer; the rest is filled up with others, no point twice.
    valid : ndarray of bool, shape (n_patterns, most)
        False where it is filled up.
    fewer_visible : bool
    """

    index: NDArray[np.intp]
    valid: Mask
    fewer_visible: bool

    @classmethod
    def of(cls, hidden: Mask) -> Known:
        """Choose which points to solve for."""
        fewer_visible = 2 * hidden.sum() > hidden.size
        chosen = ~hidden if fewer_visible else hidden
        most = max(1, int(chosen.sum(1).max()))
        index = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
        return cls(index, np.take_along_axis(chosen, index, 1), fewer_visible)

    def by_hidden(
        self,
        rest: Floats,
        pattern: NDArray[np.intp],
        covariance: Floats,
        precision: Floats,
        half_log_det: float,
    ) -> tuple[Floats, Floats, Floats]:
        """Return shift, variance and log-likelihood, by the precision of the hidden points.

        Parameters
        ----------
        rest : ndarray, shape (n_windows, size)
            Visible values without their mean, zero where they are hidden.
        pattern : ndarray of int, shape (n_windows,)
        covariance, precision : ndarray, shape (size, size)
        half_log_det : float
            Of the covariance.

        Returns
        -------
        shift : ndarray, shape (n_windows, size)
            Of the mean, by what is visible; variance likewise.
        variance : ndarray, shape (n_windows, size)
        log_likelihood : ndarray, shape (n_windows,)
            Of what is visible.
        """
        inverse, half = self._inverted(precision)
        pulled = rest @ precision
        at = self.index[pattern]
        cross = np.where(self.valid[pattern], np.take_along_axis(pulled, at, 1), 0)
        solved = -np.matmul(inverse[pattern], cross[:, :, None])[:, :, 0]
        shift, variance = np.zeros_like(rest), np.zeros_like(rest)
        np.put_along_axis(shift, at, solved, 1)
        np.put_along_axis(variance, at, np.diagonal(inverse, axis1=1, axis2=2)[pattern], 1)
        distance = np.einsum("ij,ij->i", rest, pulled) + np.einsum("ij,ij->i", cross, solved)
        return shift, variance, -half_log_det - half[pattern] - 0.5 * distance

    def by_visible(
        self,
        rest: Floats,
        pattern: NDArray[np.intp],
        covariance: Floats,
        precision: Floats,
        half_log_det: float,
    ) -> tuple[Floats, Floats, Floats]:
        """Return the same as `by_hidden`, by the covariance of the visible points."""
        inverse, half = self._inverted(covariance)
        values = np.where(self.valid[pattern], np.take_along_axis(rest, self.index[pattern], 1), 0)
        weights = np.matmul(inverse[pattern], values[:, :, None])[:, :, 0]
        spread = np.zeros_like(rest)
        np.put_along_axis(spread, self.index[pattern], weights, 1)  # zero where it is filled up
        across = covariance[self.index] * self.valid[:, :, None]
        explained = np.einsum("pij,pij->pj", np.matmul(inverse, across), across)
        variance = (covariance.diagonal() - explained)[pattern]
        distance = np.einsum("ij,ij->i", values, weights)
        return spread @ covariance, variance, -half[pattern] - 0.5 * distance

    def _inverted(self, matrix: Floats) -> tuple[Floats, Floats]:
        """Return the inverse for the points of every pattern, and half the log determinant."""
        part = matrix[self.index[:, :, None], self.index[:, None, :]]
        part *= self.valid[:, :, None] & self.valid[:, None, :]
        diagonal = np.arange(part.shape[1])
        part[:, diagonal, diagonal] += ~self.valid
        roots = np.linalg.cholesky(part)
        half = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1)
        inverse = np.asarray(np.linalg.inv(part), np.float64)
        return inverse, half


def _half_log_det(root: Floats) -> float:
    return float(np.log(root.diagonal()).sum())


def _components(
    parts: list[Floats], center: Floats, pooled: Floats, floor: Floats
) -> tuple[Floats, Floats]:
    """Return mean and covariance of every part, drawn towards those of all windows."""
    means, covariances = [], []
    for part in parts:
        mean = (part.sum(0) + 0.1 * PRIOR * center) / (len(part) + 0.1 * PRIOR)
        scatter = (part - mean).T @ (part - mean)
        means.append(mean)
        covariances.append((scatter + PRIOR * pooled) / (len(part) + PRIOR) + floor)
    return np.stack(means), np.stack(covariances)


def _grouped(centred: Floats, pooled: Floats, n_components: int) -> NDArray[np.int64]:
    """Return a first grouping: the group that scatters most is cut in two, again and again.

    Across its longest axis, among the larger principal components of all windows.
    """
    variances, axes = np.linalg.eigh(pooled)
    axes = axes[:, -_N_AXES:] / np.maximum(variances[-_N_AXES:], 1e-12) ** 0.25
    places = centred @ axes
    member = np.zeros(len(places), np.int64)
    for number in range(1, n_components):
        groups = [places[member == k] for k in range(number)]
        scatter = [((group - group.mean(0)) ** 2).sum() for group in groups]
        rows = np.flatnonzero(member == np.argmax(scatter))
        rest = places[rows] - places[rows].mean(0)
        apart = rest @ np.linalg.eigh(rest.T @ rest)[1][:, -1] > 0
        if not apart.any():
            break  # windows are all the same
        member[rows[apart]] = number
    return member


def _stationary(covariance: Floats, n_channels: int) -> Floats:
    """Average a covariance along time; every lag divided by all points, so that it stays one."""
    length = len(covariance) // n_channels
    blocks = covariance.reshape(n_channels, length, n_channels, length)
    result = np.empty_like(blocks)
    for lag in range(1 - length, length):
        at = np.arange(max(0, -lag), length - max(0, lag))
        result[:, at, :, at + lag] = blocks[:, at, :, at + lag].sum(0) / length
    return result.reshape(covariance.shape)


def _by_pattern(hidden: Mask) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield rows whose gaps are of few patterns, with as many hidden points, and their patterns."""
    packed = np.packbits(hidden, axis=1)
    _, pattern = np.unique(packed, axis=0, return_inverse=True)
    n_hidden = hidden.sum(1)
    order = np.lexsort((pattern.ravel(), n_hidden))
    order = order[n_hidden[order] > 0]
    start = 0
    while start < len(order):
        size = int(min(n_hidden[order[start]] * 1.2 + 8, hidden.shape[1]))
        rows = order[start : start + max(1, _AT_ONCE // size**2)]
        rows = rows[n_hidden[rows] <= size]
        yield rows, np.unique(pattern.ravel()[rows], return_inverse=True)[1]
        start += len(rows)
