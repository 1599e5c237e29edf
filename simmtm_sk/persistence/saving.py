"""Saving and loading fitted estimators: JSON and safetensors in one file, never code.

An artifact is a zip file (stored, not compressed) with

* ``config.json``: format version, class, parameters, fitted numbers, checksum of the weights;
* ``weights.safetensors``: the network, and whatever else is an array;
* ``_metadata``: the class alone, as sktime's own ``load`` expects it; never read here.

Whoever wrote the file is not trusted, see `simmtm_sk.persistence.archive` for the file and
`simmtm_sk.persistence.readers` for its contents. The checksum is there for accidents.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol

from torch import Tensor

from .archive import ArtifactError, packed, packed_weights, unpacked, unpacked_weights
from .params import HasParams, constructed, decoded_params, encoded_params, exported_class
from .readers import StateReader, TensorReader
from .versions import upgraded_state, upgraded_tensors

FORMAT_VERSIONS = (1, 2)  # that can be read; the last one is written
HUB = "hub:"  # what addresses on the Hugging Face hub begin with


def save(estimator: Saveable, path: str | Path) -> Path:
    """Save a fitted estimator.

    Parameters
    ----------
    estimator : estimator of this package
        Fitted.
    path : str or Path
        ".zip" is added where it is missing. The file is written beside its final place and moved
        there when it is complete; an existing file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If there is nothing to save yet.

    Notes
    -----
    ``memory`` and ``checkpoint_dir`` are not saved: folders belong to a machine. They can be given
    to `load`.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer, load, save
    >>> X = np.random.default_rng(0).normal(size=(20, 1, 16))
    >>> embed = SimMTMTransformer(encoder=ConvEncoder(d_model=8), num_epochs=1).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = load(save(embed, folder + "/model"))
    >>> bool((loaded.transform(X) == embed.transform(X)).all())
    True
    """
    estimator.check_is_fitted()
    target = _with_suffix(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(to_bytes(estimator))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def load(path: str | Path, **params: Any) -> Any:
    """Load what `save` wrote, without executing anything from it and without trusting it.

    Parameters
    ----------
    path : str or Path
        With or without ".zip"; or "hub:owner/name", what `push_to_hub` wrote, which needs the extra
        ``hub``. "hub:owner/name@revision" is a branch, a tag or a commit; a commit never changes.
    **params
        Parameters to set instead of the saved ones. Objects that JSON cannot hold, such as a
        ``masking`` function or an encoder class of your own, are not saved and must be given here;
        folders (``memory``, ``checkpoint_dir``) are not saved either and are None if not given.

    Returns
    -------
    estimator
        Fitted, with its weights on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ArtifactError
        Whatever is wrong with the file: foreign, damaged, of a newer format, or made to do harm;
        or if the saved estimator has no parameter of a name in ``params``. Parameters of a part,
        such as ``transformer__lr``, are no parameters of the estimator itself.

    Examples
    --------
    See `save`.
    """
    if isinstance(path, str) and path.startswith(HUB):
        from .hub import downloaded

        path = downloaded(path)
    target = Path(path) if Path(path).is_file() else _with_suffix(path)
    if not target.is_file():
        raise FileNotFoundError(f"there is no artifact at {target}.")
    with target.open("rb") as file:
        return _restored(file, str(target), params)


class Saveable(HasParams, Protocol):
    """What an estimator needs for `save` and `load`, beside `SafeArtifactMixin`."""

    def check_is_fitted(self) -> None:
        """Raise an error if there is nothing to save."""

    def _saved_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what was fitted: what can be JSON, and tensors."""

    def _restore_state(self, state: StateReader, tensors: TensorReader) -> None:
        """Take everything that `_saved_state` gave, entry by entry; nothing may be left."""


class SafeArtifactMixin:
    """`save` as a method, and sktime's serialisation hooks on the same safe format.

    An estimator with this mixin is `Saveable`.
    """

    def save(
        self: Saveable, path: str | Path | None = None, serialization_format: str = "safetensors"
    ) -> Any:
        """Save the fitted estimator, see `simmtm_sk.save`.

        Parameters
        ----------
        path : str, Path or None, default=None
            Where to; None returns ``(class, bytes)`` for sktime's in-memory ``load``.
        serialization_format : {"safetensors"}
            There is no other: pickles execute code when they are loaded.
        """
        if serialization_format != "safetensors":
            raise ValueError(
                f"serialization_format must be 'safetensors', got {serialization_format!r}."
            )
        self.check_is_fitted()
        return (type(self), to_bytes(self)) if path is None else save(self, path)

    @classmethod
    def load_from_serial(cls, serial: bytes) -> Any:
        """Restore from the bytes of ``save(None)``; called by ``sktime.base.load``."""
        return from_bytes(serial, "the given bytes", {})

    @classmethod
    def load_from_path(cls, serial: str | Path) -> Any:
        """Restore from a file; called by ``sktime.base.load``."""
        return load(serial)


def to_bytes(estimator: Saveable) -> bytes:
    """Return the artifact of a fitted estimator."""
    state, tensors = estimator._saved_state()
    weights = packed_weights(tensors)
    config = {
        "format": "simmtm_sk",
        "format_version": FORMAT_VERSIONS[-1],
        "package_version": version("simmtm_sk"),
        "class": type(estimator).__name__,
        "params": encoded_params(estimator),
        "state": state,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    return packed(config, weights, pickle.dumps(type(estimator)))


def from_bytes(content: bytes, origin: str, params: dict[str, Any]) -> Any:
    """Restore an estimator from the content of an artifact; ``origin`` is for messages."""
    return _restored(BytesIO(content), origin, params)


def _restored(file: IO[bytes], origin: str, params: dict[str, Any]) -> Any:
    with _artifact_errors(f"{origin} is not an artifact of simmtm_sk"):
        content, weights = unpacked(file)
        if content.get("format") != "simmtm_sk":
            raise ArtifactError("another program's, or none")
    with _artifact_errors(f"{origin} cannot be restored"):
        config = StateReader(content, "config")
        config.text("format")
        written_by = config.text("package_version")
        format_version = config.anything("format_version")
        _check_version(format_version, written_by)
        if hashlib.sha256(weights).hexdigest() != config.text("weights_sha256"):
            raise ArtifactError("it is damaged: its weights do not match their checksum")
        kind = exported_class(config.text("class"))
        if not issubclass(kind, SafeArtifactMixin):
            raise ArtifactError(f"{kind.__name__} is never saved alone")
        _check_names(params, kind)
        saved = config.anything("params")
        if isinstance(saved, dict):  # what is given need not be readable
            saved = {k: v for k, v in saved.items() if k not in params}
        estimator: Saveable = constructed(kind, {**decoded_params(saved), **params})
        tensors = TensorReader(upgraded_tensors(unpacked_weights(weights), format_version))
        state = StateReader(upgraded_state(config.anything("state"), format_version), "state")
        estimator._restore_state(state, tensors)
        for reader in (config, state, tensors):
            reader.finish()
    return estimator


@contextmanager
def _artifact_errors(message: str) -> Iterator[None]:
    """Make whatever goes wrong with a file that anybody may have written one kind of error."""
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"{message}: {error}") from error
    except Exception as error:
        raise ArtifactError(f"{message} ({error!r:.300}).") from error


def _check_version(given: Any, written_by: str) -> None:
    if type(given) is int and given > FORMAT_VERSIONS[-1]:
        raise ArtifactError(
            f"it has format {given}; this version of simmtm_sk reads up to {FORMAT_VERSIONS[-1]}. "
            f"Upgrade simmtm_sk (it was written by {written_by})."
        )
    if type(given) is not int or given not in FORMAT_VERSIONS:
        raise ArtifactError(f"there is no format {given!r:.60}; known are {FORMAT_VERSIONS}.")


def _check_names(params: dict[str, Any], kind: Any) -> None:
    """Refuse what is no parameter of the class itself."""
    accepted = kind._get_param_names()
    for name in params:
        if name not in accepted:
            raise ArtifactError(
                f"load sets parameters of the saved {kind.__name__} itself, and {name!r} is none "
                f"of them; accepted are {', '.join(accepted)}. For those of a part, use "
                "set_params on what was loaded, and fit it again."
            )


def _with_suffix(path: str | Path) -> Path:
    path = Path(path)
    return path if path.suffix == ".zip" else path.with_name(path.name + ".zip")
