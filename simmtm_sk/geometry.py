"""`Geometry`: what gives distances between embeddings a meaning, fitted beside the network.

Blocks are brought into balance, and directions in which relatives scatter are shrunk. Relatives of
a series are its views, masked as in pre-training or mildly warped, and its nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from .data import Panel, series_ends
from .data.forecast_windows import subsample
from .nn.contracts import Mask
from .nn.masking import MaskFunction
from .nn.metric import Balance, ViewMetric
from .nn.normalization import interpolated
from .nn.views import hidden_views, warped_views

VARIANCES = {"learned": 0.3, "scale": 0.1}  # of whole blocks; the others have 1
MOST_ROWS = 512  # that are looked at
MOST_VIEWS, MOST_POINTS = 400, 1 << 17  # all views together
SERIES_PER_NEIGHBOR = 4  # with fewer, neighbours are not of the same kind
NEIGHBORS_WEIGHT = 3.0  # scatter of neighbours, in units of that of views


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
    """

    strength: float
    n_neighbors: int
    n_views: int
    mask: MaskFunction | Mask
    mask_ratio: float
    mask_length: float
    seed: int


class Geometry(nn.Module):
    """Balance of the blocks, then the metric; the same for every row of a series.

    Parameters
    ----------
    sizes : mapping of str to int
        Features of a row by block, in their order. A series has a row, or one for each channel if
        the encoder takes them one by one.
    n_directions : int, default=0
        Of the metric.
    """

    def __init__(self, sizes: Mapping[str, int], n_directions: int = 0) -> None:
        super().__init__()
        self.sizes = {name: size for name, size in sizes.items() if size}
        n_features = sum(self.sizes.values())
        self.balance = Balance(n_features)
        self.metric = ViewMetric(n_features, n_directions)

    def fit(
        self, values: Panel, relatives: Relatives, embed: Callable[[Panel], Tensor]
    ) -> Geometry:
        """Learn from some of the training series.

        Parameters
        ----------
        values : Panel
            The training series.
        relatives : Relatives
        embed : callable
            Returns the features of series, block by block: (n_series, n_features).
        """
        some = _taken(values, MOST_ROWS)
        features = embed(some)
        rows = features[:, self.places(features)].flatten(0, 1)
        variances = [VARIANCES.get(name, 1.0) for name in self.sizes]
        # one for a feature on average, as penalties of linear models expect
        unit = rows.shape[1] / sum(variances)
        self.balance.fit(rows, list(self.sizes.values()), [unit * x for x in variances])
        if relatives.strength > 0:
            self._fit_metric(self.balance(rows), some, relatives, embed)
        return self

    def _fit_metric(
        self,
        balanced: Tensor,
        values: Panel,
        relatives: Relatives,
        embed: Callable[[Panel], Tensor],
    ) -> None:
        n_rows = len(balanced) // len(values)
        size = values.shape[1] * values.shape[2]
        n_views = 2 * relatives.n_views
        n_series = max(1, min(MOST_VIEWS // n_rows, MOST_POINTS // size) // n_views)
        chosen = subsample(np.arange(len(values)), n_series)
        of_views = embed(views(np.asarray(values)[chosen], relatives))
        of_views = self.balance(of_views[:, self.places(of_views)])
        originals = balanced.reshape(len(values), n_rows, -1)[chosen]
        differences = (of_views - originals.repeat(n_views, 1, 1)).flatten(0, 1)
        self.metric.fit(differences, relatives.strength)
        n_neighbors = min(relatives.n_neighbors, (len(balanced) - 1) // SERIES_PER_NEIGHBOR)
        if n_neighbors and bool(differences.any()):
            near = neighbor_differences(balanced, self.metric(balanced), n_neighbors)
            scale = differences.norm() / near.norm() * NEIGHBORS_WEIGHT**0.5
            self.metric.fit(torch.cat([differences, scale * near]), relatives.strength)

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding, its features in the order of those given: (n_series, n)."""
        places = self.places(features)
        embedding = torch.empty_like(features)
        embedding[:, places] = self.metric(self.balance(features[:, places]))
        return embedding

    def standardized(self, features: Tensor) -> Geometry:
        """Return one without a metric, in which each of the features given has unit variance."""
        plain = Geometry(self.sizes)
        rows = features[:, self.places(features)].flatten(0, 1)
        plain.balance.fit(rows, [1] * rows.shape[1], [1.0] * rows.shape[1])
        return plain

    def unbalanced(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return center and std of every feature of a series: (n,) each."""
        places = self.places(features)
        center, std = torch.empty(2, features.shape[1], dtype=self.balance.std.dtype)
        center[places], std[places] = self.balance.center, self.balance.std
        return center, std

    def of_features(self, coef: Tensor) -> tuple[Tensor, Tensor]:
        """Return what does with features what a linear map does with their embeddings.

        Parameters
        ----------
        coef : Tensor, shape (n_outputs, n)
            The map of embeddings.

        Returns
        -------
        coef : Tensor, shape (n_outputs, n)
        intercept : Tensor, shape (n_outputs,)
        """
        places = self.places(coef)
        of_rows = self.metric(coef[:, places]) / self.balance.std  # the metric is symmetric
        result = torch.empty_like(coef)
        result[:, places] = of_rows
        return result, -(of_rows * self.balance.center).sum((1, 2))

    def places(self, features: Tensor) -> Tensor:
        """Return where the features of each row are among those of a series: (n_rows, n_features).

        They come block by block, in a block row by row; of the scale, all means before all logs.
        """
        n_rows = features.shape[1] // max(1, sum(self.sizes.values()))
        start, places = 0, []
        for name, size in self.sizes.items():
            index = torch.arange(start, start + n_rows * size)
            if name == "scale":
                index = index.reshape(2, n_rows, size // 2).transpose(0, 1)
            places.append(index.reshape(n_rows, size))
            start += n_rows * size
        return torch.cat(places, 1)


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


def _taken(values: Panel, most: int) -> Panel:
    """Read evenly chosen series, so many at most, without the padding that all have in common."""
    chosen = subsample(np.arange(len(values)), most)
    taken = np.concatenate([values[i : i + 1] for i in chosen])
    return taken[:, :, : series_ends(taken).max()]
