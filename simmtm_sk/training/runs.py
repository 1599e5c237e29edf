"""Whole runs of pre-training: their names, their checkpoints and their cache."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import joblib
import torch

from ..data import WindowDataset
from ..nn.model import SimMTM
from .checkpoint import Checkpoint, DamagedError, packed, remove_when_finished, unpacked
from .fingerprint import UnreliableError, fingerprint
from .loop import History
from .monitor import Monitor
from .pretraining import Pretraining, pretrain


def run(
    network: SimMTM,
    rows: WindowDataset,
    settings: Pretraining,
    values: Any,
    *,
    memory: joblib.Memory | None = None,
    checkpoint_dir: Path | None = None,
    compile: bool = False,
    monitor: Monitor | None = None,
) -> History:
    """Pre-train ``network`` in place, or take the weights of an equal run from the cache.

    Parameters
    ----------
    network, rows, settings, compile, monitor
        As in `pretrain`.
    values : ndarray, or tuple of it and the weights to start from
        The data behind ``rows``. Together with ``settings`` they name the run, so that another
        fold or candidate neither gets its cached weights nor continues its checkpoint.
    memory : joblib.Memory or None, default=None
        Where whole runs are kept; interrupted ones are not.
    checkpoint_dir : Path or None, default=None
        Where the run leaves its checkpoints; a finished run removes them.

    Returns
    -------
    list of dict
        The history.

    Warns
    -----
    UserWarning
        If the run cannot be told from others, and is neither kept nor continued for that reason; or
        if what the cache holds is damaged, and is computed again.
    """
    name = None
    if memory is not None or checkpoint_dir is not None:
        name = run_name(settings, values)
    checkpoint = checkpoint_of(checkpoint_dir, name)
    options = {"compile": compile, "checkpoint": checkpoint, "monitor": monitor}
    arguments = (name, network, rows, settings, options)
    try:
        if memory is None or name is None:
            history = _complete_run(*arguments)[1]
        else:
            history = _from_cache(memory, arguments)
    except _UnfinishedError as unfinished:
        if checkpoint is not None:
            remove_when_finished(checkpoint, finished=False)
        return unfinished.history
    if checkpoint is not None:
        remove_when_finished(checkpoint, finished=True)
    return history


def run_name(*parts: Any) -> str | None:
    """Name a run by everything that decides its result; None, with a warning, if that cannot be."""
    try:
        return fingerprint(*parts)
    except UnreliableError as error:
        warnings.warn(
            "checkpoint_dir and memory are not used: the mask, encoder or objective holds "
            f"something that cannot be told from its content ({error}).",
            UserWarning,
            stacklevel=2,
        )
        return None


def checkpoint_of(folder: Path | str | None, name: str | None) -> Checkpoint | None:
    """Return where a run of that name leaves its state, if it has a name and a folder."""
    return None if folder is None or name is None else Checkpoint(Path(folder) / f"{name}.pt")


class _UnfinishedError(Exception):
    """Carries the history of an interrupted run past the cache, which keeps only whole ones."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history


def _complete_run(
    name: str | None,
    network: SimMTM,
    rows: WindowDataset,
    settings: Pretraining,
    options: dict[str, Any],
) -> tuple[dict[str, torch.Tensor], History]:
    """Pre-train in place and return weights and history."""
    history, complete = pretrain(network, rows, settings, **options)
    if not complete:
        raise _UnfinishedError(history)
    return network.state_dict(), history


def _packed_run(
    name: str,
    network: SimMTM,
    rows: WindowDataset,
    settings: Pretraining,
    options: dict[str, Any],
) -> bytes:
    """Do a `_complete_run`; cached under ``name`` alone, with a checksum."""
    weights, history = _complete_run(name, network, rows, settings, options)
    return packed({"run": name, "weights": weights, "history": history})


def _from_cache(memory: joblib.Memory, arguments: tuple[Any, ...]) -> History:
    """Take weights and history from the cache, or train and put them there."""
    name, network = arguments[:2]
    cached = memory.cache(_packed_run, ignore=["network", "rows", "settings", "options"])
    try:
        state = unpacked(cached(*arguments), torch.device("cpu"))
        if state["run"] != name:
            raise DamagedError("it is of another run")
    except DamagedError as error:
        warnings.warn(
            f"an entry of the cache {getattr(memory, 'location', memory)} is damaged ({error}); it "
            "is computed again.",
            UserWarning,
            stacklevel=3,
        )
        if hasattr(cached, "call_and_shelve"):
            cached.call_and_shelve(*arguments).clear()
        state = unpacked(cached(*arguments), torch.device("cpu"))
    network.load_state_dict(state["weights"])
    history: History = state["history"]
    return history
