"""Saving and loading fitted estimators: JSON and safetensors in one file, never code.

An artifact is a zip file (stored, not compressed) with

* ``config.json``: format version, class, parameters, fitted numbers, checksum of the weights;
* ``weights.safetensors``: the network;
* ``_metadata``: the class alone, as sktime's own ``load`` expects it; never read here.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
import zlib
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import safetensors
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator

FORMAT_VERSION = 1


class ArtifactError(ValueError):
    """A file that is no artifact of this package, is damaged, or was made by a newer version."""


def save(estimator: Any, path: str | Path) -> Path:
    """Save a fitted estimator.

    Parameters
    ----------
    estimator : SimMTMTransformer, SimMTMClassifier or SimMTMRegressor
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
    """Load what `save` wrote, without executing anything from it.

    Parameters
    ----------
    path : str or Path
        With or without ".zip".
    **params
        Parameters to set instead of the saved ones. Objects that JSON cannot hold, such as a
        ``masking`` function or an encoder class of your own, are not saved and must be given here.

    Returns
    -------
    estimator
        Fitted, with its weights on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ArtifactError
        If the file is foreign, damaged or of a newer format, or the saved estimator has no
        parameter of a name in ``params``. Parameters of a part, such as ``transformer__lr``, are
        no parameters of the estimator itself.

    Examples
    --------
    See `save`.
    """
    target = Path(path) if Path(path).is_file() else _with_suffix(path)
    if not target.is_file():
        raise FileNotFoundError(f"there is no artifact at {target}.")
    return from_bytes(target.read_bytes(), str(target), params)


class SafeArtifactMixin:
    """`save` as a method, and sktime's serialisation hooks on the same safe format.

    An estimator with this mixin has ``_saved_state() -> (JSON-able dict, dict of tensors)`` and
    ``_restore_state(dict, dict of tensors)``.
    """

    def save(
        self, path: str | Path | None = None, serialization_format: str = "safetensors"
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
        estimator: Any = self
        estimator.check_is_fitted()
        return (type(self), to_bytes(self)) if path is None else save(self, path)

    @classmethod
    def load_from_serial(cls, serial: bytes) -> Any:
        """Restore from the bytes of ``save(None)``; called by ``sktime.base.load``."""
        return from_bytes(serial, "the given bytes", {})

    @classmethod
    def load_from_path(cls, serial: str | Path) -> Any:
        """Restore from a file; called by ``sktime.base.load``."""
        return load(serial)


def to_bytes(estimator: Any) -> bytes:
    """Return the artifact of a fitted estimator."""
    state, tensors = estimator._saved_state()
    weights = save_tensors({name: t.contiguous() for name, t in tensors.items()})
    config = {
        "format": "simmtm_sk",
        "format_version": FORMAT_VERSION,
        "package_version": version("simmtm_sk"),
        "class": type(estimator).__name__,
        "params": encoded_params(estimator),
        "state": state,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
    }
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", json.dumps(config, indent=1))
        archive.writestr("weights.safetensors", weights)
        archive.writestr("_metadata", pickle.dumps(type(estimator)))
    return buffer.getvalue()


def from_bytes(content: bytes, origin: str, params: dict[str, Any]) -> Any:
    """Restore an estimator from the content of an artifact; ``origin`` is for messages."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            config = json.loads(archive.read("config.json"))
            weights = archive.read("weights.safetensors")
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError) as error:
        raise ArtifactError(f"{origin} is not an artifact of simmtm_sk ({error}).") from error
    if not isinstance(config, dict) or config.get("format") != "simmtm_sk":
        raise ArtifactError(f"{origin} is not an artifact of simmtm_sk.")
    try:
        if config["format_version"] > FORMAT_VERSION:
            raise ArtifactError(
                f"{origin} has format {config['format_version']}; this version of simmtm_sk reads "
                f"up to {FORMAT_VERSION}. Upgrade simmtm_sk (it was written by "
                f"{config['package_version']})."
            )
        if hashlib.sha256(weights).hexdigest() != config["weights_sha256"]:
            raise ArtifactError(f"{origin} is damaged: its weights do not match their checksum.")
        kind = _class_of(config["class"])
        _check_names(params, kind)
        saved = {k: _decoded(v, k) for k, v in config["params"].items() if k not in params}
        estimator = kind(**saved, **params)
        estimator._restore_state(config["state"], load_tensors(weights))
    except ArtifactError:
        raise
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        ArithmeticError,
        MemoryError,
        safetensors.SafetensorError,
    ) as error:
        raise ArtifactError(f"{origin} cannot be restored: {error!r}") from error
    return estimator


def _class_of(name: str) -> Any:
    """Only classes that this package exports can be named in an artifact."""
    import simmtm_sk

    if name not in simmtm_sk.__all__ or not isinstance(getattr(simmtm_sk, name), type):
        raise ArtifactError(f"simmtm_sk has no class {name!r}.")
    return getattr(simmtm_sk, name)


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


def encoded_params(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the parameters of an estimator as JSON."""
    return {k: _encoded(v) for k, v in estimator.get_params(deep=False).items()}


def decoded_params(params: dict[str, Any], template: Any) -> dict[str, Any]:
    """Undo `encoded_params`; what could not be saved is taken from ``template``, if not None."""
    return {
        k: getattr(template, k) if template is not None and _is_unsaved(v) else _decoded(v, k)
        for k, v in params.items()
    }


def _encoded(value: Any) -> Any:
    """Return a parameter as JSON; estimators and encoders become their class and parameters."""
    import simmtm_sk

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return {"tuple": [_encoded(v) for v in value]}
    if isinstance(value, dict):  # keys may be numbers
        return {"dict": [[_encoded(k), _encoded(v)] for k, v in value.items()]}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, joblib.Memory):
        return None  # a cache belongs to a machine
    if isinstance(value, FrozenEstimator):
        return {"frozen": _encoded(value.estimator)}
    if isinstance(value, BaseEstimator) and type(value) in vars(simmtm_sk).values():
        return {"class": type(value).__name__, "params": encoded_params(value)}
    named = value if hasattr(value, "__qualname__") else type(value)
    return {"not_saved": f"{named.__module__}.{named.__qualname__}"}


def _is_unsaved(value: Any) -> bool:
    return isinstance(value, dict) and "not_saved" in value


def _decoded(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decoded(v, name) for v in value["tuple"])
    if "dict" in value:
        return {_decoded(k, name): _decoded(v, name) for k, v in value["dict"]}
    if "frozen" in value:
        return FrozenEstimator(_decoded(value["frozen"], name))
    if "class" in value:
        params = {k: _decoded(v, name) for k, v in value["params"].items()}
        return _class_of(value["class"])(**params)
    raise ArtifactError(
        f"the parameter {name!r} was or held an object that cannot be saved "
        f"({value.get('not_saved')}); give it to load: load(path, {name}=...)."
    )
