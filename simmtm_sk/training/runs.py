"""Whole runs of pre-training: their names, their checkpoints and their cache."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import filelock
import joblib
import torch

from ..data import WindowDataset
from ..nn.model import SimMTM
from .checkpoint import Checkpoint, DamagedError, packed, remove_when_finished, unpacked
from .distributed import Ranks
from .fingerprint import UnreliableError, fingerprint
from .isolation import one_fit_at_a_time
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
        Where whole runs are kept; interrupted ones are not. Of processes that need the same run at
        the same time one trains, and the others wait for it.
    checkpoint_dir : Path or None, default=None
        Where the run leaves its checkpoints; a finished run removes them.

    Returns
    -------
    list of dict
        The history.

    Warns
    -----
    UserWarning
        If the run cannot be told from others, and is neither kept nor continued for that reason; if
        what the cache holds is damaged, and is computed again; or if several ranks train together,
        for which there is no cache.
    """
    if memory is not None and Ranks.joined(rows.device) is not None:
        memory = None
        warnings.warn(
            "memory is not used where several ranks train together; checkpoint_dir is.",
            UserWarning,
            stacklevel=2,
        )
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
            with one_fit_at_a_time(), _one_process_at_a_time(memory, name):
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


@contextlib.contextmanager
def _one_process_at_a_time(memory: joblib.Memory, name: str) -> Iterator[None]:
    """Wait for another process that trains the same run; one that dies lets go of it.

    ``memory.clear()`` removes the empty files, too. Without a folder to write to, nobody waits, and
    a run may be trained twice.
    """
    backend = getattr(memory, "store_backend", None)
    lock = filelock.FileLock(Path(getattr(backend, "location", ""), "locks", f"{name}.lock"))
    with contextlib.ExitStack() as stack:
        if backend is not None:
            with contextlib.suppress(OSError, NotImplementedError):
                stack.enter_context(lock)
        yield


def _from_cache(memory: joblib.Memory, arguments: tuple[Any, ...]) -> History:
    """Take weights and history from the cache, or train and put them there."""
    name, network = arguments[:2]

    # A new function in every call: joblib leaves the code of one that it has met in another folder
    # out of this one, where other processes miss it and compute every entry again.
    def packed_run(name: str) -> bytes:
        weights, history = _complete_run(*arguments)
        return packed({"run": name, "weights": weights, "history": history})

    cached = memory.cache(packed_run)
    try:
        state = unpacked(cached(name), torch.device("cpu"))
        if state["run"] != name:
            raise DamagedError("it is of another run")
    except (DamagedError, UnicodeDecodeError) as error:
        warnings.warn(
            f"an entry of the cache {getattr(memory, 'location', memory)} is damaged ({error}); it "
            "is computed again.",
            UserWarning,
            stacklevel=3,
        )
        if isinstance(error, UnicodeDecodeError):  # in joblib's record of the code, not in an entry
            cached.clear(warn=False)
        elif hasattr(cached, "call_and_shelve"):
            cached.call_and_shelve(name).clear()
        state = unpacked(cached(name), torch.device("cpu"))
    network.load_state_dict(state["weights"])
    network.eval()  # as a training leaves it
    history: History = state["history"]
    return history
