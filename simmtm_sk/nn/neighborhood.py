"""Where a series lies on the graph of the training series' neighbours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .metric import Product

MOST_AXES = 32  # principal axes of the embedding, in which neighbours are looked for
MOST_VECTORS = 64  # of the graph
N_NEIGHBORS = 7  # within reach of a series
REACH = 1.5  # of a series' weights, in units of the distance to its last neighbour
SPREAD = 0.97  # share that a series passes on to its neighbours, and these to theirs
FEWEST_SERIES = 8
_TINY = 1e-6  # of distances, which lie between 0 and 2


class Neighborhood(nn.Module):
    """Coordinates in which series are close that are linked by neighbours of neighbours.

    Training series are joined with their neighbours, in the directions of a few principal axes, at
    weights that fall to zero at the usual distance of neighbours there (local scaling: Zelnik-Manor
    and Perona, NIPS 2004). With S the matrix of weights, divided by the roots of their sums at both
    ends, and s the weights of a series to the training series, its coordinates are those of
    (I - a S)^(-1/2) s along the eigenvectors of S with the largest eigenvalues: the inner product
    of two series is what reaches one from the other when each series passes on the share a, as in
    label spreading (Zhou et al., NIPS 2003). A linear model on them spreads labels by itself.

    Parameters
    ----------
    n_features : int
    n_series, n_axes, n_vectors : int, default=0
        How many there is room for; without vectors there are no coordinates.

    Attributes
    ----------
    axes : Tensor, shape (n_axes, n_features)
        Orthonormal.
    center : Tensor, shape (n_axes,)
    directions : Tensor, shape (n_series, n_axes)
        Of the training series, of length one.
    reach, degree : Tensor, shape (n_series,)
        Distance to the last neighbour, and sum of the weights to all of them.
    vectors : Tensor, shape (n_series, n_vectors)
    offset : Tensor, shape (n_vectors,)
    """

    axes: Tensor
    center: Tensor
    directions: Tensor
    reach: Tensor
    degree: Tensor
    vectors: Tensor
    offset: Tensor

    def __init__(
        self, n_features: int, n_series: int = 0, n_axes: int = 0, n_vectors: int = 0
    ) -> None:
        super().__init__()
        self.register_buffer("axes", torch.zeros(n_axes, n_features))
        self.register_buffer("center", torch.zeros(n_axes))
        self.register_buffer("directions", torch.zeros(n_series, n_axes))
        self.register_buffer("reach", torch.ones(n_series))
        self.register_buffer("degree", torch.ones(n_series))
        self.register_buffer("vectors", torch.zeros(n_series, n_vectors))
        self.register_buffer("offset", torch.zeros(n_vectors))

    @property
    def n_coordinates(self) -> int:
        """How many coordinates a series has."""
        return self.vectors.shape[1]

    def fit(self, embedding: Tensor, variance: float) -> Neighborhood:
        """Learn from training series.

        Parameters
        ----------
        embedding : Tensor, shape (n_series, n_features)
        variance : float > 0
            Total variance that the coordinates are to have over these series.
        """
        if len(embedding) < FEWEST_SERIES:
            return self
        center = embedding.double().mean(0)
        rows = embedding.double() - center
        # one decomposition of series x series, never of features x features
        squares, vectors = torch.linalg.eigh(rows @ rows.T)
        known = squares > 1e-10 * squares[-1]  # the others are rounding
        squares, vectors = squares[known][-MOST_AXES:], vectors[:, known][:, -MOST_AXES:]
        if not len(squares):
            return self
        axes = (vectors / squares.sqrt()).T @ rows
        self.axes, self.center = axes.to(embedding), (axes @ center).to(embedding)
        self.directions = F.normalize(vectors * squares.sqrt(), dim=1)
        distances = _distances(self.directions, self.directions)
        self.reach = self._reach(distances)
        weights = _weights(distances, self.reach, self.reach)
        self.degree = weights.sum(1)
        eigenvalues, eigenvectors = torch.linalg.eigh(
            weights / self.degree.sqrt() / self.degree.sqrt()[:, None]
        )
        kept = slice(-MOST_VECTORS, None)
        passed_on = (1 - SPREAD * eigenvalues[kept].clamp(max=1)).rsqrt()
        self.vectors = eigenvectors[:, kept] * passed_on
        self.offset = torch.zeros_like(passed_on)
        coordinates = self._coordinates(self.directions)
        scale = (variance / coordinates.var(0, correction=0).sum()).sqrt()
        self.vectors = self.vectors * scale
        self.offset = coordinates.mean(0) * scale
        for name in ("directions", "reach", "degree", "vectors", "offset"):
            setattr(self, name, getattr(self, name).to(embedding).contiguous())
        return self

    def forward(self, embedding: Tensor, product: Product = torch.matmul) -> Tensor:
        """Return the coordinates of series, given by their embeddings: (n_series, n_vectors)."""
        if not self.n_coordinates:
            return embedding[:, :0]
        along = product(embedding, self.axes.to(embedding).T) - self.center.to(embedding)
        return self._coordinates(F.normalize(along, dim=1), product)

    def _coordinates(self, directions: Tensor, product: Product = torch.matmul) -> Tensor:
        distances = _distances(directions, self.directions.to(directions), product)
        weights = _weights(distances, self._reach(distances), self.reach.to(directions))
        total = weights.sum(1, keepdim=True).clamp(min=_TINY) * self.degree.to(directions)
        coordinates = product(weights / total.sqrt(), self.vectors.to(directions))
        return coordinates - self.offset.to(directions)

    def _reach(self, distances: Tensor) -> Tensor:
        """Return the distance to the last neighbour, the series itself left out where it is one."""
        n_neighbors = max(1, min(N_NEIGHBORS, (distances.shape[1] - 1) // 4))
        nearest = distances.topk(n_neighbors + 1, dim=1, largest=False).values
        return nearest[:, -1].clamp(min=_TINY)


def _distances(a: Tensor, b: Tensor, product: Product = torch.matmul) -> Tensor:
    """One minus the cosine of the angle, of directions."""
    return (1 - product(a, b.T)).clamp(min=0)


def _weights(distances: Tensor, reach: Tensor, reach_of_others: Tensor) -> Tensor:
    between = (reach[:, None] * reach_of_others).sqrt()
    return (1 - distances / (REACH * between)).clamp(min=0).square()
