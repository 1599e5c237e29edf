"""Relatives of a series, which are to be close to it: views of it, and its nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import Panel
from .nn.contracts import Mask
from .nn.masking import MaskFunction
from .nn.normalization import interpolated
from .nn.views import hidden_views, warped_views


@dataclass(frozen=True)
class Relatives:
    """What is to be close, and how much.

    Attributes
    ----------
    strength : float in [0, 1)
        Share of the relatives' scatter that is taken away.
    n_neighbors : int
        Nearest neighbours of each series that count as relatives.
    n_views : int
        Masked views of a series, and as many warped ones.
    mask : callable
    mask_ratio, mask_length : float
        As in `simmtm_sk.nn.masking.masked_views`.
    seed : int
    neighborhood_weight : float >= 0
        Total variance of the coordinates on the graph of neighbours, in units of that of all other
        features.
    """

    strength: float
    n_neighbors: int
    n_views: int
    mask: MaskFunction | Mask
    mask_ratio: float
    mask_length: float
    seed: int
    neighborhood_weight: float = 0.0


def views(values: Panel, relatives: Relatives) -> Panel:
    """Return masked and warped views of series, missing values interpolated.

    Parameters
    ----------
    values : ndarray, shape (n_series, n_channels, length)
        NaN = missing, or behind the end of a series.
    relatives : Relatives

    Returns
    -------
    ndarray, shape (2 * n_views * n_series, n_channels, length)
        All first masked views, all second ones, and so on, then warped ones.
    """
    series = torch.from_numpy(np.array(values))
    observed = ~series.isnan()
    ends = (observed.any(1) * torch.arange(1, series.shape[2] + 1)).amax(1)
    within = torch.arange(series.shape[2]) < ends[:, None, None]
    filled = interpolated(series, observed).masked_fill(~within, 0)
    generator = torch.Generator().manual_seed(relatives.seed)
    made = torch.cat(
        [
            hidden_views(
                filled,
                ends,
                relatives.n_views,
                relatives.mask,
                relatives.mask_ratio,
                relatives.mask_length,
                generator,
            ),
            warped_views(filled, ends, relatives.n_views, generator),
        ]
    )
    known = (observed.any(2, keepdim=True) & within).repeat(2 * relatives.n_views, 1, 1)
    result: Panel = made.masked_fill(~known, torch.nan).numpy()
    return result


def neighbor_differences(embedding: Tensor, space: Tensor, n_neighbors: int) -> Tensor:
    """Return rows with the scatter of the differences between nearest neighbours.

    Parameters
    ----------
    embedding : Tensor, shape (n_series, n_features)
        What differs.
    space : Tensor, shape (n_series, k)
        Where neighbours are looked for, by the angle between them.
    n_neighbors : int
        Of each series; a pair counts once, whether one or both of the two are such neighbours.

    Returns
    -------
    Tensor, shape (n_series, n_features)
        D with D'D the sum of the outer products of all such differences.

    Examples
    --------
    >>> line = torch.tensor([[1.0, 0.0], [2.0, 0.1], [0.0, 5.0]])
    >>> D = neighbor_differences(line, line, 1)
    >>> (D.T @ D).round(decimals=2) + 0.0
    tensor([[ 5.0000, -9.7000],
            [-9.7000, 24.0200]])
    """
    directions = torch.nn.functional.normalize(space.double(), dim=1)
    cosine = (directions @ directions.T).fill_diagonal_(-torch.inf)
    nearest = cosine.topk(n_neighbors, dim=1).indices
    pairs = torch.zeros_like(cosine).scatter_(1, nearest, 1)
    pairs = torch.maximum(pairs, pairs.T)
    # the sum over pairs is a quadratic form of the graph's Laplacian
    laplacian = pairs.sum(1).diag() - pairs
    values, vectors = torch.linalg.eigh(laplacian)
    differences: Tensor = (vectors * values.clamp(min=0).sqrt()).T @ embedding.double()
    return differences.to(embedding)
