"""What a fit of `SimMTMTransformer` leaves, and how series get through it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import Panel, WindowDataset, series_ends
from .embedding import Embedding, Features, Pooling
from .geometry import Geometry
from .inference import missing_shares, panel_instance_stats, precision_of, rebuilt_values
from .nn.model import SimMTM
from .one_thread import one_thread
from .starting_weights import StartingWeights
from .training.gap_weights import gap_weights
from .training.isolation import isolated_torch
from .training.pretraining import Pretraining
from .training.settings import draw_seed
from .transformer_settings import TransformerSettings

Values = NDArray[np.floating[Any]]


class FittedTransformer(TransformerSettings):
    """Base of `SimMTMTransformer`: network, embedding and geometry, and their features of series.

    Series are given as (n_series, n_channels, length); rows are their windows, or those of their
    channels if the encoder takes these one by one.
    """

    network_: SimMTM
    embedding_: Embedding
    geometry_: Geometry
    n_channels_: int
    _is_pretrained: bool  # in the last fit, or in those that it has started from
    _pooling_of_geometry: Pooling
    _built_length: int  # of the longest row that the network was built for
    _gap_weights: Tensor | None = None  # None where nothing was trained, and in older artifacts

    def _last_weights(self) -> StartingWeights | None:
        """Return what the last fit has left, if there was one."""
        if not hasattr(self, "network_"):
            return None
        return StartingWeights(
            self.network_, self.embedding_, self._built_length, self._is_pretrained
        )

    def _warn_if_untrained(self, method: str) -> None:
        """Say that a method has nothing learned to go by, unless that was asked for."""
        if not self._is_pretrained and self.num_epochs != 0:
            warnings.warn(
                f"nothing was pre-trained in fit (num_epochs={self.num_epochs!r}), so that "
                f"{method} uses initial, random weights. Fit with a number of epochs, such as "
                "num_epochs=20; 0 asks for the initial weights.",
                UserWarning,
                stacklevel=4,
            )

    def _by_row(self, values: Panel) -> Panel:
        """Make every channel a series if the encoder takes them one by one; without a copy."""
        return values.reshape(-1, 1, values.shape[2]) if self._any_channels() else values

    def _rows(self, values: Panel) -> WindowDataset:
        """Return the rows of series, on the device."""
        return WindowDataset(self._by_row(values), self._longest(), self._device())

    def _features(self, values: Panel, dtype: torch.dtype) -> Features:
        """Return the features of series, learned and fixed ones apart."""
        rows = self._rows(values)
        return self.embedding_.features(self.network_, values, rows, self._pooling(), dtype)

    def _fitted_pooling(self) -> Pooling:
        """Return what the embedding consists of, which must be what it was in fit."""
        if self._pooling() != self._pooling_of_geometry:
            raise ValueError(
                "pooling or layers have changed since fit, and balance and metric were learned for "
                "other features. Fit again."
            )
        return self._pooling_of_geometry

    def _in_geometry(self, features: Features) -> Tensor:
        """Return what `transform` does: (n_series, n_features)."""
        self._fitted_pooling()
        with torch.inference_mode():
            embedding: Tensor = self.geometry_(features.joined())
        return embedding

    def _fit_geometry(self, values: Panel, seed: int) -> None:
        """Learn balance and metric from some of the series."""
        relatives = self._relatives(self.network_.patch_length, seed)

        def embed(some: Panel) -> Tensor:
            return self._features(some, torch.float32).joined()

        try:
            with isolated_torch(seed), torch.inference_mode():
                self.geometry_ = self._new_geometry().fit(values, relatives, embed)
        except KeyboardInterrupt:
            self.geometry_ = self._new_geometry()
            warnings.warn(
                "interrupted after the training, while balance and metric were learned: embeddings "
                "are without them. set_params(warm_start=True, num_epochs=0).fit(X) learns them.",
                UserWarning,
                stacklevel=2,
            )
        self._pooling_of_geometry = self._pooling()

    def _new_geometry(
        self, n_directions: int = 0, graph: tuple[int, int, int] = (0, 0, 0)
    ) -> Geometry:
        sizes = self.embedding_.sizes(self.network_, self._pooling(), self._row_channels())
        return Geometry(sizes, n_directions, graph)

    def _row_channels(self) -> int:
        """Return how many channels a row has."""
        return 1 if self._any_channels() else self.n_channels_

    def _fit_gap_weights(self, rows: WindowDataset, settings: Pretraining) -> None:
        """Learn how much the decoder counts in gaps, if it has been trained."""
        self._gap_weights = None
        if self._is_pretrained:
            with one_thread(), torch.inference_mode():
                self._gap_weights = gap_weights(
                    self.network_, rows, settings.validation_fraction, settings.plan.seed
                )

    def _reconstruct(self, values: Panel, *, decoded: bool = False) -> Values:
        """Return what `reconstruct` does, always with three dimensions."""
        by_row = self._by_row(values)
        ends = np.repeat(series_ends(values), len(by_row) // len(values))
        rows = WindowDataset(by_row, self._longest(), self._device(), ends)
        weights = None if decoded else self._gap_weights
        rebuilt = rebuilt_values(self.network_, by_row, rows, precision_of(values), weights)
        return np.asarray(rebuilt.numpy().reshape(values.shape))

    def _instance_stats(self, values: Panel, complete: bool) -> tuple[Tensor, Tensor | None]:
        """Return what the network's scaler is fitted on."""
        by_row = self._by_row(values)
        return panel_instance_stats(by_row), None if complete else missing_shares(by_row)

    def _adopt_instance_stats(self, values: Panel) -> None:
        """Standardise levels anew if those of ``values`` are foreign to the pre-training series."""
        stats, missing = self._instance_stats(values, complete=False)
        scaler = self.network_.stats_scaler
        if scaler.is_foreign(stats, missing):
            scaler.fit(stats, missing)
            self._fit_geometry(values, draw_seed(self.random_state))
