"""What gives distances between embeddings a meaning: blocks in balance, the metric of views."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

Product = Callable[[Tensor, Tensor], Tensor]  # of matrices

MOST_DIRECTIONS = 128  # that a metric keeps; along the others views hardly scatter
_RANGE, _HALVINGS = 60.0, 60  # of the binary logarithm of λ, in units of the mean scatter
_LEAST_STD = 1e-6  # of a feature that varies, in units of its largest magnitude


class Balance(nn.Module):
    """Standardise features and give every block the total variance that it is to have.

    Parameters
    ----------
    n_features : int

    Examples
    --------
    >>> features = torch.tensor([[0.0, 5.0, 1.0], [2.0, 5.0, 3.0]])
    >>> Balance(3).fit(features, [2, 1], [1.0, 4.0])(features).tolist()
    [[-1.0, 0.0, -2.0], [1.0, 0.0, 2.0]]
    """

    center: Tensor
    std: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        # double precision also in a float32 network: a large offset must not swallow differences
        self.register_buffer("center", torch.zeros(n_features, dtype=torch.float64))
        self.register_buffer("std", torch.ones(n_features, dtype=torch.float64))

    def fit(self, features: Tensor, sizes: Sequence[int], variances: Sequence[float]) -> Balance:
        """Learn from the features of training series, (n_series, n_features).

        Parameters
        ----------
        features : Tensor
        sizes : sequence of int
            Features of each block, which follow one another.
        variances : sequence of float > 0
            Total variance that each block is to have over the training series. Features that do
            not vary there are centred only, and count for nothing.
        """
        features = features.double()
        self.center = features.mean(0)
        std = features.std(0, correction=0)
        constant = std <= _LEAST_STD * features.abs().amax(0)
        std = std.masked_fill(constant, 1)
        start = 0
        for size, variance in zip(sizes, variances, strict=True):
            block = slice(start, start + size)
            std[block] *= ((~constant[block]).sum().clamp(min=1) / variance).sqrt()
            start += size
        self.std = std
        return self

    def forward(self, features: Tensor) -> Tensor:
        """Return features in balance, in the precision in which they are given."""
        balanced: Tensor = ((features - self.center) / self.std).to(features.dtype)
        return balanced


class ViewMetric(nn.Module):
    """Shrink the directions in which views of the same series scatter.

    An embedding x becomes (I + W/λ)^(-1/2) x, with W the mean outer product of the differences
    between the embeddings of views and of their originals: within-class covariance normalisation
    (Hatch, Kajarekar, Stolcke, Interspeech 2006) with every series as its own class. Like the
    constraint of the objective (arXiv:2302.00861, equation 7) it draws views of a series together,
    for all features at once and without gradients.

    Parameters
    ----------
    n_features : int
    n_directions : int, default=0
        How many there is room for; without any, nothing changes.

    Attributes
    ----------
    directions : Tensor, shape (n_directions, n_features)
        Orthonormal; those along which views scatter most.
    gain : Tensor, shape (n_directions,)
        What is left of a length along each.

    Examples
    --------
    Of the scatter along the first axis half is left, which is all there is:

    >>> metric = ViewMetric(2).fit(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), 0.5)
    >>> metric(torch.tensor([[1.0, 1.0]])).square()
    tensor([[0.5000, 1.0000]])
    """

    directions: Tensor
    gain: Tensor

    def __init__(self, n_features: int, n_directions: int = 0) -> None:
        super().__init__()
        self.register_buffer("directions", torch.zeros(n_directions, n_features))
        self.register_buffer("gain", torch.ones(n_directions))

    def fit(self, differences: Tensor, strength: float) -> ViewMetric:
        """Learn from differences, (n_differences, n_features).

        Parameters
        ----------
        differences : Tensor
            Embeddings of views minus those of their originals.
        strength : float in [0, 1)
            Share of the total scatter of the views that the metric takes away; it decides λ.
        """
        # one decomposition of differences x differences, never of features x features
        D = differences.double() / max(1, len(differences)) ** 0.5
        scatter, vectors = torch.linalg.eigh(D @ D.T)
        scatter, vectors = scatter.flip(0).clamp(min=0), vectors.flip(1)
        gain = (1 + scatter / penalty(scatter, strength)).rsqrt()
        known = scatter > 1e-10 * scatter[:1]  # the others are rounding
        kept = min(int(known.sum()) * (strength > 0), MOST_DIRECTIONS)
        directions = (vectors[:, :kept] / scatter[:kept].sqrt()).T @ D
        self.directions, self.gain = directions.to(differences), gain[:kept].to(differences)
        return self

    def forward(self, embedding: Tensor, product: Product = torch.matmul) -> Tensor:
        """Apply to embeddings: (n_series, n_features), in their precision."""
        directions = self.directions.to(embedding)
        shrunk = product(embedding, directions.T) * (self.gain.to(embedding) - 1)
        return embedding + product(shrunk, directions)


def in_own_span(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return coordinates of rows in an orthonormal basis of their span, in double precision.

    Parameters
    ----------
    rows : Tensor, shape (n, n_features)

    Returns
    -------
    coordinates : Tensor, shape (n, r)
    basis : Tensor, shape (r, n_features)
        ``coordinates @ basis`` are the rows.

    Examples
    --------
    >>> coordinates, basis = in_own_span(torch.tensor([[3.0, 4.0], [6.0, 8.0]]))
    >>> coordinates.abs().round(decimals=6).tolist(), basis.shape
    ([[5.0], [10.0]], torch.Size([1, 2]))
    """
    rows = rows.double()
    squares, vectors = torch.linalg.eigh(rows @ rows.T)
    known = squares > 1e-12 * squares[-1]  # the others are rounding
    lengths, vectors = squares[known].sqrt(), vectors[:, known]
    return vectors * lengths, (vectors / lengths).T @ rows


def penalty(scatter: Tensor, strength: float) -> Tensor:
    """Return the λ with which a metric takes the share ``strength`` of the total scatter away.

    Parameters
    ----------
    scatter : Tensor, shape (n_directions,)
        Eigenvalues of W.
    strength : float in [0, 1)

    Returns
    -------
    Tensor, scalar
        Infinite for strength 0.

    Examples
    --------
    >>> round(float(penalty(torch.tensor([4.0, 0.0]), 0.8)), 6)
    1.0
    """
    if strength == 0 or not bool(scatter.any()):
        return scatter.new_tensor(torch.inf)
    unit = scatter.mean()
    low, high = -_RANGE, _RANGE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        left = (scatter / (1 + scatter / (unit * 2.0**middle))).sum() / scatter.sum()
        low, high = (low, middle) if left > 1 - strength else (middle, high)
    result: Tensor = unit * 2.0 ** ((low + high) / 2)
    return result
