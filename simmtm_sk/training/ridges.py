"""The ridges of a combination in closed form, from the products of the points of all windows."""

from __future__ import annotations

import torch
from torch import Tensor

from ..nn.combination import Combination
from ..nn.members import Member, WindowRidge
from ..nn.window_moments import window_moments
from .covariances import model_covariance
from .members import FEWEST_WINDOWS, Panel

POOL = 10  # windows of all series, for every coefficient, beside those of a series' own ridge,
MODELLED = 30  # and such that a model of the covariance stands for, beside those of a cautious one
WEIGHED = 4  # windows, for every coefficient, so that a ridge's errors tell them apart,
MOST_POINTS = 5_000_000  # and of all windows, up to which these have weights
LEAST_ERROR = 0.1  # of a window, added to it, in units of all windows' mean squared error
SMALLEST = 1e-300  # positive number, where all errors are zero
_MOMENTS_AT_ONCE = 25_000_000  # entries


def solve_ridges(combination: Combination, panel: Panel, lengths: Tensor) -> None:
    """Fit the ridges among the members to the first points of every series, in place."""
    ridges = [member for member in combination.members if isinstance(member, WindowRidge)]
    periods = sorted({spec.period for spec in combination.specs if spec.period > 1})
    for length in sorted({ridge.spec.length for ridge in ridges}):
        same = [ridge for ridge in ridges if ridge.spec.length == length]
        if n_windows(lengths, length + combination.horizon).sum() < FEWEST_WINDOWS:
            for ridge in same:
                ridge.coef.zero_()
        else:
            products = WindowProducts(panel, lengths, same[0].spec, combination.horizon)
            _solve_same_window(same, products, periods)


def _solve_same_window(
    ridges: list[WindowRidge], products: WindowProducts, periods: list[int]
) -> None:
    """Fit ridges that share the window, and therefore the products of its points."""
    horizon, pooled = products.horizon, products.pooled
    kinds = {ridge.anchored: ridge for ridge in ridges}  # others make the same of a window
    of_all = {kind: _feature_moments(pooled, ridge, horizon) for kind, ridge in kinds.items()}
    for ridge in ridges:
        if ridge.spec.modelled:
            model = MODELLED * ridge.spec.length * products.model(periods)
            moments = _feature_moments(pooled + model, ridge, horizon)
            ridge.coef.copy_(_solved(*moments, ridge.spec.penalty))
        elif len(ridge.coef) == 1:
            ridge.coef.copy_(_solved(*of_all[ridge.anchored], ridge.spec.penalty))
    own = [ridge for ridge in ridges if len(ridge.coef) > 1]
    step = max(1, _MOMENTS_AT_ONCE // products.width**2)
    for start in range(0, len(products.lengths) if own else 0, step):
        rows = slice(start, start + step)
        of_series = products.of_series(rows)
        for ridge in own:
            borrowed = POOL * ridge.coef.shape[1] / products.n_windows
            xx, xy = _feature_moments(of_series, ridge, horizon)
            xx_of_all, xy_of_all = of_all[ridge.anchored]
            xx, xy = xx + borrowed * xx_of_all, xy + borrowed * xy_of_all
            ridge.coef[rows] = _solved(xx, xy, ridge.spec.penalty)


def n_windows(lengths: Tensor, width: int) -> Tensor:
    """Return how many windows of that width end before some points, (n_series,)."""
    return (lengths - width + 1).clamp(min=0)


class WindowProducts:
    """Sums over windows of the products of their points, of all series or of some.

    Where there are enough windows for a ridge's errors to tell them apart, and few enough to lay
    them out, each counts one over the root mean square of these: squares then step towards the
    smallest sum of such roots, and a wild stretch of time does not decide alone (iteratively
    reweighted least squares, Holland and Welsch, 1977).

    Parameters
    ----------
    panel : Panel
    lengths : Tensor of int, shape (n_series,)
        Windows end before these points.
    spec : Member
        A ridge on windows of that length.
    horizon : int
        Targets behind a window.

    Attributes
    ----------
    n_windows : int
        Of all series.
    pooled : Tensor, shape (1, width, width)
        Products of all series, of context and targets.
    """

    def __init__(self, panel: Panel, lengths: Tensor, spec: Member, horizon: int) -> None:
        self.values, self.lengths, self.horizon = panel.values, lengths, horizon
        self.width = spec.length + horizon
        self.n_windows = int(n_windows(lengths, self.width).sum())
        self.pooled = window_moments(panel.values, lengths, self.width, pooled=True)
        # all that there are by the end of the training part, so that every cut is treated alike
        enough = int(n_windows(panel.train, self.width).sum()) >= WEIGHED * spec.length
        self.weights: Tensor | None = None
        if enough and self._windows.numel() <= MOST_POINTS:
            self.weights = self._weights(spec)
            every = self._windows.reshape(1, -1, self.width)
            self.pooled = _weighted_moments(every, self.weights.reshape(1, -1))

    def of_series(self, rows: slice) -> Tensor:
        """Return the products of each of some series, (n, width, width)."""
        if self.weights is None:
            values, lengths = self.values[rows], self.lengths[rows]
            return window_moments(values, lengths, self.width, pooled=False)
        return _weighted_moments(self._windows[rows], self.weights[rows])

    def model(self, periods: list[int]) -> Tensor:
        """Return the covariance of points by a model, (width, width)."""
        covariance = model_covariance(self.values, self.lengths, periods, self.width)
        at = torch.arange(self.width, device=covariance.device)
        return covariance[(at[:, None] - at).abs()]

    @property
    def _windows(self) -> Tensor:
        """All windows, (n_series, n, width)."""
        return self.values.unfold(1, self.width, 1)

    def _weights(self, spec: Member) -> Tensor:
        """Return what windows are worth, (n_series, n), on average one."""
        length, windows = spec.length, self._windows
        plain = WindowRidge(
            Member("ridge", length, True, spec.n_recent, spec.fineness), self.horizon
        ).to(windows.device)
        moments = _feature_moments(self.pooled, plain, self.horizon)
        coef = _solved(*moments, plain.spec.penalty)[0]
        anchor = windows[..., length - 1 : length]
        features = windows[..., :length] @ plain.summary - anchor
        errors = windows[..., length:] - anchor - features @ coef
        at = torch.arange(windows.shape[1], device=windows.device)
        absent = at >= n_windows(self.lengths, self.width)[:, None]
        square = errors.square().mean(2).masked_fill(absent, 0)
        least = LEAST_ERROR * square.sum() / self.n_windows
        weights = (square + least).clamp(min=SMALLEST).rsqrt().masked_fill(absent, 0)
        return weights * self.n_windows / weights.sum()


def _weighted_moments(windows: Tensor, weights: Tensor) -> Tensor:
    """Return `window_moments` with weights, (n, n_windows, width) -> (n, width, width)."""
    return (windows * weights[:, :, None]).mT @ windows


def _feature_moments(moments: Tensor, ridge: WindowRidge, horizon: int) -> tuple[Tensor, Tensor]:
    """Return products of a ridge's features with themselves and with targets."""
    length, summary = ridge.spec.length, ridge.summary
    by_window = summary.T @ moments[:, :length]  # (n, n_features, length + horizon)
    xx, xy = by_window[:, :, :length] @ summary, by_window[:, :, length:]
    if ridge.anchored:
        anchor = by_window[:, :, length - 1 : length]
        square = moments[:, length - 1 : length, length - 1 : length]
        target = moments[:, length - 1 : length, length:]
        xx = xx - anchor - anchor.mT + square
        xy = xy - anchor - target + square
    return xx, xy


def _solved(xx: Tensor, xy: Tensor, penalty: float) -> Tensor:
    """Solve ridges, (n, p, p) and (n, p, horizon) -> (n, p, horizon); zero without variation."""
    unit = xx.diagonal(dim1=1, dim2=2).mean(1)
    added = penalty * torch.where(unit > 0, unit, 1.0)
    eye = torch.eye(xx.shape[1], dtype=xx.dtype, device=xx.device)
    factor, failed = torch.linalg.cholesky_ex(xx + added[:, None, None] * eye)
    # where windows do not vary, all that is left of their moments is rounding: nothing is learned
    return torch.cholesky_solve(xy, factor).masked_fill((failed > 0)[:, None, None], 0)
