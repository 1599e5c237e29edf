"""`Geometry`: what gives distances between embeddings a meaning, fitted beside the network.

Blocks are brought into balance, directions in which relatives scatter are shrunk, and where a
series lies on the graph of neighbours is added. Relatives of a series are its views, masked as in
pre-training or mildly warped, and its nearest neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from .data import Panel, series_ends
from .data.forecast_windows import subsample
from .nn.metric import Balance, ViewMetric, in_own_span
from .nn.neighborhood import Neighborhood
from .one_thread import one_thread
from .relatives import Relatives, neighbor_differences, views

VARIANCES = {"learned": 0.3, "scale": 0.7}  # of whole blocks; the others have 1
MOST_ROWS = 512  # that are looked at; of channels that are rows of their own, too
MOST_VIEWS, MOST_POINTS = 400, 1 << 17  # all views together
SERIES_PER_NEIGHBOR = 4  # with fewer, neighbours are not of the same kind
NEIGHBORS_WEIGHT = 3.0  # scatter of neighbours, in units of that of views
N_ROUNDS = 3  # of looking for neighbours, each in the metric of the last


class Geometry(nn.Module):
    """Balance of the blocks, then the metric, then coordinates on the graph of neighbours.

    All three are the same for every row of a series.

    Parameters
    ----------
    sizes : mapping of str to int
        Features of a row by block, in their order. A series has a row, or one for each channel if
        the encoder takes them one by one.
    n_directions : int, default=0
        Of the metric.
    graph : tuple of int, default=(0, 0, 0)
        Series, axes and vectors of the neighbourhood.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        n_directions: int = 0,
        graph: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        super().__init__()
        self.sizes = {name: size for name, size in sizes.items() if size}
        n_features = sum(self.sizes.values())
        self.balance = Balance(n_features)
        self.metric = ViewMetric(n_features, n_directions)
        self.neighborhood = Neighborhood(n_features, *graph)

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
        balanced = self.balance(rows)
        if relatives.strength > 0:
            self._fit_metric(balanced, some, relatives, embed)
        if relatives.neighborhood_weight > 0:
            embedding = self.metric(balanced[subsample(np.arange(len(balanced)), MOST_ROWS)])
            variance = relatives.neighborhood_weight * embedding.var(0, correction=0).sum().item()
            self.neighborhood.fit(embedding, variance)
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
        rows = balanced[subsample(np.arange(len(balanced)), MOST_ROWS)]
        n_neighbors = min(relatives.n_neighbors, (len(rows) - 1) // SERIES_PER_NEIGHBOR)
        if not n_neighbors or not bool(differences.any()):
            self.metric.fit(differences, relatives.strength)
            return
        # coordinates in their own span: a round then costs nothing that features are many
        span, basis = in_own_span(torch.cat([differences, rows]))
        scatter, places = span[: len(differences)], span[len(differences) :]
        metric = ViewMetric(span.shape[1]).fit(scatter, relatives.strength)
        for _ in range(N_ROUNDS):
            near = neighbor_differences(places, metric(places), n_neighbors)
            scale = scatter.norm() / near.norm() * NEIGHBORS_WEIGHT**0.5
            metric.fit(torch.cat([scatter, scale * near]), relatives.strength)
        self.metric.directions = (metric.directions @ basis).to(balanced)
        self.metric.gain = metric.gain.to(balanced)

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding: (n_series, n + n_rows * n_coordinates).

        Its features in the order of those given, then the coordinates of all rows.
        """
        places = self.places(features)
        embedding = torch.empty_like(features)
        rows = self.metric(self.balance(features[:, places]), steady_product)
        embedding[:, places] = rows
        if not self.neighborhood.n_coordinates:
            return embedding
        coordinates = self.neighborhood(rows.flatten(0, 1), steady_product)
        return torch.cat([embedding, coordinates.reshape(len(features), -1)], 1)

    def linear(self) -> Geometry:
        """Return one without the coordinates on the graph, a linear map of features."""
        plain = Geometry(self.sizes)
        plain.balance, plain.metric = self.balance, self.metric
        return plain

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
            The map of embeddings of a `linear` geometry.

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


def steady_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a product of matrices with the same bits whatever the number of torch's threads."""
    if torch.compiler.is_compiling():
        return a @ b
    with one_thread():
        return torch.from_numpy(a.numpy() @ b.numpy())


def _taken(values: Panel, most: int) -> Panel:
    """Read evenly chosen series, so many at most, without the padding that all have in common."""
    chosen = subsample(np.arange(len(values)), most)
    taken = np.concatenate([values[i : i + 1] for i in chosen])
    return taken[:, :, : series_ends(taken).max()]
