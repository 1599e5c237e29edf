"""Ridge regression of many targets from sums over batches: data are read once and never stacked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

PENALTIES = tuple(10.0 ** (k / 2) for k in range(-12, 9))


class Moments:
    """Weighted sums of features, targets and their products, in float64.

    Parameters
    ----------
    n_features, n_targets : int
    device : torch.device, default=cpu
    """

    def __init__(self, n_features: int, n_targets: int, device: torch.device | None = None) -> None:
        # one row and column more: the constant
        self.xx = torch.zeros(n_features + 1, n_features + 1, dtype=torch.float64, device=device)
        self.xy = torch.zeros(n_features + 1, n_targets, dtype=torch.float64, device=device)
        self.yy = torch.zeros(n_targets, dtype=torch.float64, device=device)

    def add(self, features: Tensor, targets: Tensor, weight: Tensor) -> None:
        """Add rows: (n, n_features), (n, n_targets), and the weight of each, (n,)."""
        x = torch.cat([features, torch.ones_like(features[:, :1])], 1).double()
        weighted = x * weight[:, None].double()
        self.xx += weighted.T @ x
        self.xy += weighted.T @ targets.double()
        self.yy += weight.double() @ targets.double().square()

    @property
    def total(self) -> Tensor:
        """Sum of the weights; 1 instead of 0, which makes all means of no rows zero."""
        total = self.xx[-1, -1]
        return total.masked_fill(total == 0, 1)

    def means(self) -> tuple[Tensor, Tensor]:
        """Return the means of features and targets."""
        return self.xx[:-1, -1] / self.total, self.xy[-1] / self.total

    def std(self) -> Tensor:
        """Return the standard deviation of every feature; exactly 0 for constant ones."""
        center, _ = self.means()
        square = self.xx.diagonal()[:-1] / self.total
        variance = square - center.square()
        return variance.masked_fill(variance <= 1e-12 * square, 0).sqrt()

    def sum_of_squares(self, coef: Tensor, intercept: Tensor) -> Tensor:
        """Return the weighted sum of a linear map's squared errors, the mean over targets."""
        w = torch.cat([coef.T, intercept[None]])
        squares = self.yy - 2 * (w * self.xy).sum(0) + (w * (self.xx @ w)).sum(0)
        return squares.clamp(min=0).mean()


def merged(parts: Sequence[Moments]) -> Moments:
    """Return the moments of all rows of several parts."""
    total = Moments(0, 0)
    total.xx, total.xy, total.yy = (
        torch.stack([getattr(part, name) for part in parts]).sum(0) for name in ("xx", "xy", "yy")
    )
    return total


@dataclass(frozen=True)
class RidgeFit:
    """A linear map: ``features @ coef.T + intercept``.

    Attributes
    ----------
    coef : Tensor, shape (n_targets, n_features)
    intercept : Tensor, shape (n_targets,)
    penalty : float
    error : float
        Mean squared error on held-out rows; NaN if it was not looked at.
    """

    coef: Tensor
    intercept: Tensor
    penalty: float
    error: float = float("nan")


@dataclass(frozen=True)
class Prior:
    """What a linear map is before it has seen data, and what penalties pull it back to.

    Attributes
    ----------
    coef : Tensor, shape (n_targets, n_features)
    origin : Tensor, shape (n_features,), or None
        Features where the map says what ``coef`` alone says. None lets the data decide by an
        intercept, without a penalty.
    """

    coef: Tensor
    origin: Tensor | None = None


def solve(moments: Moments, penalty: float, scale: Tensor, prior: Prior | None = None) -> RidgeFit:
    """Solve for one penalty.

    Parameters
    ----------
    moments : Moments
    penalty : float
        Added to the variances of the scaled features, in units of their mean variance.
    scale : Tensor, shape (n_features,)
        Every feature is multiplied by its scale first, which makes it cheaper to use; one of scale
        zero is left out, as is one that never varies.
    prior : Prior or None, default=None
        None stands for coefficients of zero and an intercept.

    Returns
    -------
    RidgeFit
        In terms of the features as they are.
    """
    return _Solver(moments, scale, prior).solve(penalty)


def choose(
    moments: Moments, held_out: Moments, scale: Tensor, prior: Prior | None = None
) -> RidgeFit:
    """Solve with the one of `PENALTIES` that has the smallest error on held-out rows.

    The largest of several that are as good, as all are where no held-out row has a weight.
    """
    solver = _Solver(moments, scale, prior)
    fits = [solver.solve(penalty) for penalty in PENALTIES]
    squares = [held_out.sum_of_squares(fit.coef, fit.intercept) for fit in fits]
    errors = [float(square / held_out.total) for square in squares]
    best = min(range(len(fits)), key=lambda i: (errors[i], -PENALTIES[i]))
    return RidgeFit(fits[best].coef, fits[best].intercept, PENALTIES[best], errors[best])


class _Solver:
    """One decomposition, then any penalty at the price of a product."""

    def __init__(self, moments: Moments, scale: Tensor, prior: Prior | None) -> None:
        mean, target_mean = moments.means()
        xx, xy = moments.xx[:-1, :-1] / moments.total, moments.xy[:-1] / moments.total
        self.start = torch.zeros_like(xy.T) if prior is None else prior.coef.to(xy)
        if prior is None or prior.origin is None:
            self.origin, self.offset = mean, target_mean - self.start @ mean
        else:
            self.origin, self.offset = prior.origin.to(xy), torch.zeros_like(target_mean)
        # of features minus origin, and of what the prior leaves minus offset
        outer = torch.outer(self.origin, mean)
        cross = xx - outer - outer.T + torch.outer(self.origin, self.origin)
        rest, rest_mean = xy - xx @ self.start.T, target_mean - self.start @ mean
        target = rest - torch.outer(self.origin, rest_mean - self.offset)
        target = target - torch.outer(mean, self.offset)
        # what does not vary has only rounding errors to offer
        self.scale = scale.to(cross).masked_fill(moments.std() == 0, 0)
        cross = cross * torch.outer(self.scale, self.scale)
        values, self.vectors = torch.linalg.eigh(cross)
        self.values = values.clamp(min=0)
        self.target = self.vectors.T @ (self.scale[:, None] * target)

    def solve(self, penalty: float) -> RidgeFit:
        unit = self.values.sum() / (self.scale != 0).sum().clamp(min=1)
        ridge = self.values + penalty * torch.where(unit > 0, unit, 1.0)
        change = (self.scale[:, None] * (self.vectors @ (self.target / ridge[:, None]))).T
        return RidgeFit(self.start + change, self.offset - change @ self.origin, penalty)
