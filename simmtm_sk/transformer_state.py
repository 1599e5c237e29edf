"""How a fitted `SimMTMTransformer` gets into an artifact and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .embedding import BLOCKS, Embedding
from .fitted_transformer import FittedTransformer
from .geometry import Geometry
from .nn.contracts import Layered
from .nn.gaps import N_CLASSES, N_WAYS
from .nn.model import SimMTM
from .nn.neighborhood import Neighborhood
from .persistence import (
    SafeArtifactMixin,
    StateReader,
    TensorReader,
    restore_seen,
    saved_seen,
)
from .training.isolation import modules_of_our_own

_NUMBERS = ("_built_length", "n_epochs_", "history_")


class StoredTransformer(FittedTransformer, SafeArtifactMixin):
    """First base of `SimMTMTransformer`: its fitted state, saved and restored.

    See `simmtm_sk.persistence.SafeArtifactMixin`; whoever wrote an artifact is not trusted.
    """

    history_: list[dict[str, Any]]
    n_epochs_: int
    length_: int
    n_features_in_: int

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        state = {name: getattr(self, name) for name in _NUMBERS}
        state["_is_pretrained"] = self._is_pretrained
        tensors = {
            f"{part}.{name}": weight
            for part in ("embedding", "geometry")
            for name, weight in getattr(self, f"{part}_").state_dict().items()
        }
        if self._gap_weights is not None:
            tensors["gap_weights"] = self._gap_weights
        return {**saved_seen(self), **state}, {**self.network_.state_dict(), **tensors}

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        self._pooling()  # checks it
        restore_seen(self, state)
        self._built_length = state.integer("_built_length", 1)
        self.n_epochs_ = state.integer("n_epochs_", 0)
        self.history_ = state.records("history_")
        name = "_is_pretrained"  # older artifacts only know of the last fit
        self._is_pretrained = state.flag(name) if name in state else self.n_epochs_ > 0
        self.embedding_ = self._restored_embedding(tensors.under("embedding."))
        geometry = _taken_geometry(tensors.under("geometry."))
        self._gap_weights = None  # before there were any, gaps were filled by the decoder
        if "gap_weights" in tensors:
            self._gap_weights = tensors.take("gap_weights", (N_WAYS, N_CLASSES), low=0)
        self.network_ = self._restored_network(tensors)
        self.geometry_ = self._restored_geometry(geometry)
        self._pooling_of_geometry = self._pooling()
        self._is_fitted = True

    def _restored_network(self, tensors: TensorReader) -> SimMTM:
        """Build the network when it is known to have the sizes of the tensors that there are."""
        n_channels = self._row_channels()
        tensors.check_shape("stats_scaler.center", (2 * n_channels,))
        tensors.check_shape("projector.out.bias", (self.projection_dim,))
        settings = self._pretraining(1, torch.device("cpu"))
        if isinstance(settings.encoder, Layered):
            bounded = replace(settings, encoder=settings.encoder.at_most(len(tensors)))
            with torch.device("meta"):
                shapes = bounded.drawn_network(n_channels, self._built_length).state_dict()
            tensors.check_shapes(shapes)
            with modules_of_our_own(0):
                network = settings.drawn_network(n_channels, self._built_length)
        else:
            network = settings.network(n_channels, self._built_length)
        tensors.fill(network.state_dict())
        return network.eval()

    def _restored_embedding(self, tensors: TensorReader) -> Embedding:
        """Build the blocks that there are, when they are known to have the sizes of the tensors."""
        blocks = tuple(name for name in BLOCKS if len(tensors.under(f"blocks.{name}.")))
        n_channels = self._row_channels()
        with torch.device("meta"):
            shapes = Embedding(blocks, n_channels, self._built_length).state_dict()
        tensors.check_shapes(shapes)
        with modules_of_our_own(0):
            embedding = Embedding(blocks, n_channels, self._built_length)
        tensors.fill(embedding.state_dict())
        return embedding

    def _restored_geometry(self, tensors: dict[str, Tensor] | None) -> Geometry:
        """Build balance and metric; before there were any, embeddings were what features are."""
        if tensors is None:
            return self._new_geometry()
        directions, vectors = (tensors[f"neighborhood.{x}"] for x in ("directions", "vectors"))
        graph = (*directions.shape, vectors.shape[1])
        geometry = self._new_geometry(len(tensors["metric.gain"]), graph)
        for name, target in geometry.state_dict().items():
            if tensors[name].shape != target.shape:
                raise ValueError(
                    f"size mismatch: tensor 'geometry.{name}' must have shape "
                    f"{tuple(target.shape)}, got {tuple(tensors[name].shape)}; the metric belongs "
                    "to pooling and layers as they were in fit: load without others, set them "
                    "then, and fit again"
                )
        geometry.load_state_dict(tensors)
        return geometry


def _taken_geometry(tensors: TensorReader) -> dict[str, Tensor] | None:
    if not len(tensors):
        return None
    names: dict[str, tuple[tuple[None, ...], torch.dtype]] = {
        "balance.center": ((None,), torch.float64),
        "balance.std": ((None,), torch.float64),
        "metric.directions": ((None, None), torch.float32),
        "metric.gain": ((None,), torch.float32),
    }
    taken = {name: tensors.take(name, *kind) for name, kind in names.items()}
    graph = tensors.under("neighborhood.")
    for name, empty in Neighborhood(len(taken["balance.std"])).state_dict().items():
        # before there was a graph, embeddings ended with their features
        kept = graph.take(name, (None,) * empty.ndim, torch.float32) if len(graph) else empty
        taken[f"neighborhood.{name}"] = kept
    return taken
