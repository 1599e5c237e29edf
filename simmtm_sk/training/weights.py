"""How much each member of a combination counts: by products of errors, little of them trusted."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

FEWEST_POINTS = 10  # of a class, for weights of its own


def horizon_blocks(horizon: int) -> Iterator[slice]:
    """Yield the blocks of steps that share their weights: each as long as all before it.

    Examples
    --------
    >>> [(block.start, block.stop) for block in horizon_blocks(6)]
    [(0, 1), (1, 2), (2, 4), (4, 6)]
    """
    start, stop = 0, 1
    while start < horizon:
        yield slice(start, min(stop, horizon))
        start, stop = stop, 2 * stop


def combination_weights(
    errors: Tensor, fold: Tensor, n_independent: float, prior: Tensor
) -> Tensor:
    """Return weights, not negative and of sum one, for every step of the horizon.

    Those of the smallest squared error on rolling origins (Bates and Granger, 1969), shrunken:
    squared errors count 1 + s / p times, with p as the prior weights in units of their mean, so
    that weights tend towards the prior ones, divided by the squared errors. As the noise of weights
    that are free to take any value is, s is the number of members over that of independent
    forecasts. Every fold counts in units of its best member's error.

    Parameters
    ----------
    errors : Tensor, shape (n_members, n, horizon)
    fold : Tensor of int, shape (n,)
        Which part of time each origin lies in.
    n_independent : float
        Forecasts behind the errors that have no target in common.
    prior : Tensor, shape (n_members,)
        Weights before errors are known; positive, with the sum one.

    Returns
    -------
    Tensor of float64, shape (n_members, horizon)
        The prior ones where there are no errors.

    Examples
    --------
    >>> import torch
    >>> errors = torch.tensor([[[1.0], [-1.0]], [[-1.0], [1.0]], [[9.0], [9.0]]])
    >>> equal, fold = torch.full((3,), 1 / 3), torch.zeros(2, dtype=torch.int64)
    >>> weights = combination_weights(errors, fold, n_independent=3, prior=equal)
    >>> [round(weight, 2) for weight in weights.ravel().tolist()]
    [0.5, 0.5, 0.0]
    """
    n_members, _, horizon = errors.shape
    prior = prior.cpu().double()
    shrinkage = 1 / (max(n_independent, 1.0) * prior)
    weights = prior[:, None].repeat(1, horizon)
    for block in horizon_blocks(horizon):
        products = torch.zeros(n_members, n_members, dtype=torch.float64)
        for number in sorted(set(fold.tolist())):
            part = errors[:, fold == number, block].flatten(1).double()
            product = (part @ part.T).cpu()
            best = product.diagonal().min()
            products += product / torch.where(best > 0, best, 1.0)
        if products.diagonal().mean() > 0:
            products += (shrinkage * products.diagonal()).diag()
            weights[:, block] = _on_simplex(products)[:, None]
    return weights.to(errors.device)


def weights_by_class(
    errors: Tensor, classes: Tensor, n_classes: int, prior: Tensor, n_per_error: float
) -> Tensor:
    """Return `combination_weights` for every class of points; where one has few, those before it.

    Parameters
    ----------
    errors : Tensor, shape (n_members, n_points)
    classes : Tensor of int, shape (n_points,)
    n_classes : int
    prior : Tensor, shape (n_members,)
        As in `combination_weights`.
    n_per_error : float
        How many neighbouring points have about the same error.

    Returns
    -------
    Tensor of float64, shape (n_members, n_classes)

    Examples
    --------
    >>> import torch
    >>> errors = torch.tensor([[1.0], [0.0]]).repeat(1, 20)
    >>> classes, equal = torch.zeros(20, dtype=torch.int64), torch.full((2,), 0.5)
    >>> weights_by_class(errors, classes, 2, equal, n_per_error=1).round(decimals=3).tolist()
    [[0.0, 0.0], [1.0, 1.0]]
    """
    weights: list[Tensor] = []
    for number in range(n_classes):
        own = errors[:, classes == number]
        n_points = own.shape[1]
        if n_points < FEWEST_POINTS and weights:
            weights.append(weights[-1])
            continue
        fold = torch.zeros(n_points, dtype=torch.int64)
        weights.append(
            combination_weights(own[:, :, None], fold, n_points / n_per_error, prior)[:, 0]
        )
    return torch.stack(weights, 1)


def _on_simplex(products: Tensor) -> Tensor:
    """Minimise w' products w for weights that are not negative and have the sum one.

    Members whose weight would be negative are left out, the most negative first.
    """
    n_members = len(products)
    unit = products.diagonal().mean()
    matrix = products + 1e-9 * unit * torch.eye(n_members, dtype=products.dtype)
    kept = torch.arange(n_members)
    while True:
        ones = torch.ones(len(kept), dtype=products.dtype)
        solved = torch.linalg.solve(matrix[kept][:, kept], ones)
        weights = solved / solved.sum()
        if weights.min() >= 0:
            break
        kept = kept[torch.arange(len(kept)) != weights.argmin()]
    result = torch.zeros(n_members, dtype=products.dtype)
    result[kept] = weights
    return result
