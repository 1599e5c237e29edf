"""Saving and loading: `save`, `load`, `push_to_hub`, and what an estimator needs for them."""

from .archive import ArtifactError
from .hub import push_to_hub
from .params import constructed, decoded_params, encoded_params
from .readers import StateReader, TensorReader, is_scalar
from .saving import FORMAT_VERSIONS, SafeArtifactMixin, Saveable, from_bytes, load, save, to_bytes
from .seen import SEEN, restore_seen, saved_seen

__all__ = [
    "FORMAT_VERSIONS",
    "SEEN",
    "ArtifactError",
    "SafeArtifactMixin",
    "Saveable",
    "StateReader",
    "TensorReader",
    "constructed",
    "decoded_params",
    "encoded_params",
    "from_bytes",
    "is_scalar",
    "load",
    "push_to_hub",
    "restore_seen",
    "save",
    "saved_seen",
    "to_bytes",
]
