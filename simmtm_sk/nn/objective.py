"""The SimMTM objective: similarity-weighted reconstruction and the constraint on views.

Rows are ordered as in the paper's batch: the N originals, then all first masked views, then all
second ones, and so on, D = N (M + 1) rows; row ``k`` belongs to series ``k mod N``.
Reference for everything here: Dong et al., "SimMTM: A Simple Pre-Training Framework for Masked
Time-Series Modeling", NeurIPS 2023, arXiv:2302.00861, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

BLOCK = 1 << 22  # similarities that are held together, 16 MB in single precision


def cosine_similarity_matrix(series: Tensor) -> Tensor:
    """Cosine similarity of every pair of rows (section 3.1, series-wise similarity learning).

    The definition, for tests and for objectives of your own: training never holds the matrix.

    Parameters
    ----------
    series : Tensor, shape (D, p)
        Series-wise representations; an all-zero row is similar to nothing (0).

    Returns
    -------
    Tensor, shape (D, D)

    Examples
    --------
    >>> import torch
    >>> cosine_similarity_matrix(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    unit = F.normalize(series, dim=-1)
    return unit @ unit.T


def neighbor_weights(series: Tensor, n_series: int, temperature: float) -> Tensor:
    """Weights with which all other rows rebuild each original: a softmax over similarities.

    Only the rows of the originals are computed: nothing else is aggregated (section 3.1,
    point-wise aggregation). The definition, for tests and for objectives of your own:
    `aggregate_neighbors` never holds the weights.

    Parameters
    ----------
    series : Tensor, shape (D, p)
        Series-wise representations.
    n_series : int
        Number of originals, N.
    temperature : float > 0
        τ; small values give the nearest row nearly all the weight.

    Returns
    -------
    Tensor, shape (N, D)
        Rows sum to 1 and are zero at the original itself; all zero if there is no other row.

    Examples
    --------
    >>> import torch
    >>> neighbor_weights(torch.tensor([[1.0], [1.0], [1.0]]), 1, 0.1)
    tensor([[0.0000, 0.5000, 0.5000]])
    """
    unit = F.normalize(series, dim=-1)
    scores = unit[:n_series] @ unit.T / temperature
    itself = torch.eye(n_series, len(series), dtype=torch.bool, device=series.device)
    # the lowest finite number instead of -inf: a row on its own must not turn into NaN
    weights = scores.masked_fill(itself, torch.finfo(scores.dtype).min).softmax(-1)
    return weights.masked_fill(itself, 0)


def aggregate_neighbors(
    points: Tensor, series: Tensor, n_series: int, temperature: float
) -> Tensor:
    """Rebuild the originals' point-wise representations from those of all other rows.

    Parameters
    ----------
    points : Tensor, shape (D, T, d)
        Point-wise representations of all rows.
    series, n_series, temperature
        As in `neighbor_weights`.

    Returns
    -------
    Tensor, shape (N, T, d)

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[[9.0]], [[1.0]], [[3.0]]])
    >>> aggregate_neighbors(points, torch.ones(3, 1), 1, 0.1).round(decimals=4)
    tensor([[[2.]]])
    """
    unit = F.normalize(series, dim=-1)
    rebuilt: Tensor = _Aggregation.apply(unit, points.flatten(1), n_series, temperature)  # type: ignore[no-untyped-call]
    return rebuilt.reshape(n_series, *points.shape[1:])


def constraint_loss(series: Tensor, n_series: int, temperature: float) -> Tensor:
    """Pull the rows of one series together and push other series away (section 3.2).

    The mean over all D rows of ``-sum over positives of log(exp(R/τ) / sum_{k != row} exp(R/τ))``
    with the M other rows of the same series as positives.

    Parameters
    ----------
    series, n_series, temperature
        As in `neighbor_weights`.

    Returns
    -------
    Tensor, scalar
        Zero where there are no positives (a single row per series).

    Examples
    --------
    >>> import torch
    >>> constraint_loss(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), 1, 0.1)
    tensor(0.)
    """
    n_views = len(series) // n_series - 1
    if n_views == 0:
        return series.sum() * 0
    unit = F.normalize(series, dim=-1)
    log_total: Tensor = _LogTotals.apply(unit, temperature)  # type: ignore[no-untyped-call]
    # similarities to the own other rows, without gathering them from the matrix:
    # u · (sum of the series' rows - u)
    grouped = unit.reshape(n_views + 1, n_series, -1)
    others = (grouped.sum(0, keepdim=True) - grouped).flatten(0, 1)
    positives = (unit * others).sum(-1) / temperature
    return (n_views * log_total - positives).mean()


def reconstruction_loss(rebuilt: Tensor, target: Tensor, observed: Tensor) -> Tensor:
    """Mean squared error over the observed points (section 3.2).

    Parameters
    ----------
    rebuilt, target : Tensor, shape (..., length)
        ``rebuilt`` may have further dimensions in front: several attempts at each target.
    observed : Tensor of bool, shape (..., length), that of ``target``
        Points that count; the loss is zero where there are none.

    Returns
    -------
    Tensor, scalar

    Examples
    --------
    >>> import torch
    >>> reconstruction_loss(torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([[True, False]]))
    tensor(1.)
    """
    error = (rebuilt - target).masked_fill(~observed, 0)
    n_observed = observed.sum() * (error.numel() // observed.numel())
    return error.square().sum() / n_observed.clamp(min=1)


class _Aggregation(torch.autograd.Function):
    """``neighbor_weights(...) @ values``, a block of originals at a time, weights made twice."""

    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, values: Tensor, n_series: int, temperature: float
    ) -> Tensor:
        rebuilt = values.new_empty(n_series, values.shape[1])
        log_total = unit.new_empty(n_series, 1)
        for rows in _blocks(n_series, len(unit)):
            scores = _scores(unit, rows, temperature)
            log_total[rows] = _log_total(scores)
            torch.mm(_weights(scores, log_total[rows], rows), values, out=rebuilt[rows])
        ctx.save_for_backward(unit, values, rebuilt, log_total)
        ctx.temperature = temperature
        return rebuilt

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        unit, values, rebuilt, log_total = ctx.saved_tensors
        d_unit, d_values = torch.zeros_like(unit), torch.zeros_like(values)
        # the softmax takes its mean from the gradient of the weights: sum_k w_k dw_k
        mean = (gradient * rebuilt).sum(1, keepdim=True)
        for rows in _blocks(len(rebuilt), len(unit)):
            weights = _weights(_scores(unit, rows, ctx.temperature), log_total[rows], rows)
            d_values.addmm_(weights.T, gradient[rows])
            d_scores = torch.mm(gradient[rows], values.T).sub_(mean[rows]).mul_(weights)
            d_unit[rows].addmm_(d_scores, unit, alpha=1 / ctx.temperature)
            d_unit.addmm_(d_scores.T, unit[rows], alpha=1 / ctx.temperature)
        return d_unit, d_values, None, None


class _LogTotals(torch.autograd.Function):
    """For every row, the logarithm of the sum over all others of exp(R/τ): (D, p) -> (D,)."""

    @staticmethod
    def forward(ctx: Any, unit: Tensor, temperature: float) -> Tensor:
        log_total = unit.new_empty(len(unit), 1)
        for rows in _blocks(len(unit), len(unit)):
            log_total[rows] = _log_total(_scores(unit, rows, temperature))
        ctx.save_for_backward(unit, log_total)
        ctx.temperature = temperature
        return log_total[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        unit, log_total = ctx.saved_tensors
        d_unit = torch.empty_like(unit)
        for rows in _blocks(len(unit), len(unit)):
            scores = _scores(unit, rows, ctx.temperature)
            # a similarity counts in the sums of both its rows
            there = (scores - log_total.T).exp_().mul_(gradient)
            here = scores.sub_(log_total[rows]).exp_().mul_(gradient[rows, None])
            torch.mm(here.add_(there), unit, out=d_unit[rows]).div_(ctx.temperature)
        return d_unit, None


def _blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    step = max(1, BLOCK // n_columns)
    return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def _scores(unit: Tensor, rows: slice, temperature: float) -> Tensor:
    """R/τ of some rows with all rows; the lowest finite number, which exp makes zero, for itself.

    Not -inf: a row on its own must not turn into NaN.
    """
    scores = unit[rows] @ unit.T
    scores.div_(temperature).diagonal(rows.start).fill_(torch.finfo(scores.dtype).min)
    return scores


def _log_total(scores: Tensor) -> Tensor:
    return scores.logsumexp(1, keepdim=True)


def _weights(scores: Tensor, log_total: Tensor, rows: slice) -> Tensor:
    """Turn scores into their softmax, in place; a row on its own weighs nothing."""
    weights = scores.sub_(log_total).exp_()
    weights.diagonal(rows.start).zero_()
    return weights


class LearnedLossWeights(nn.Module):
    """Weights of several losses by learned uncertainty: sum of L / (2 σ²) + log(1 + σ²).

    Parameters
    ----------
    n_losses : int, default=2
        Number of losses, each with a learned σ that starts at one.

    References
    ----------
    Kendall, Gal & Cipolla, CVPR 2018, arXiv:1705.07115; the form with ``log(1 + σ²)`` by
    Liebel & Körner, arXiv:1805.06334, as SimMTM uses it.

    Examples
    --------
    >>> import torch
    >>> round(LearnedLossWeights()(torch.tensor(0.7), torch.tensor(3.2)).item(), 4)
    3.3363
    """

    def __init__(self, n_losses: int = 2) -> None:
        super().__init__()
        self.sigma = nn.Parameter(torch.ones(n_losses))

    def forward(self, *losses: Tensor) -> Tensor:
        """Return the weighted total of the scalars ``losses``."""
        variance = self.sigma.square()
        return (torch.stack(losses) / (2 * variance) + torch.log1p(variance)).sum()
