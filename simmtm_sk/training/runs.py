"""Whole runs of pre-training: their names, their checkpoints and their cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from pickle import PicklingError
from typing import Any

import joblib
from torch import Tensor

from ..data import WindowDataset
from ..nn.model import SimMTM
from .checkpoint import Checkpoint, remove_when_finished
from .loop import History
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
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> History:
    """Pre-train ``network`` in place, or take the weights of an equal run from the cache.

    Parameters
    ----------
    network, rows, settings, compile, on_epoch
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

    Raises
    ------
    ValueError
        If the settings cannot be named, before any work.
    """
    name = None
    if memory is not None or checkpoint_dir is not None:
        name = run_name(settings, values)
    checkpoint = None if checkpoint_dir is None else Checkpoint(checkpoint_dir / f"{name}.pt")
    options = {"compile": compile, "checkpoint": checkpoint, "on_epoch": on_epoch}
    complete_run: Callable[..., tuple[dict[str, Tensor], History]] = _complete_run
    if memory is not None:
        complete_run = memory.cache(
            _complete_run, ignore=["network", "rows", "settings", "options"]
        )
    try:
        weights, history = complete_run(name, network, rows, settings, options)
    except _UnfinishedError as unfinished:
        return unfinished.history
    network.load_state_dict(weights)
    if checkpoint is not None:
        remove_when_finished(checkpoint)
    return history


def run_name(settings: Pretraining, values: Any) -> str:
    """Name a run by everything that decides its result, data and settings."""
    try:
        return str(joblib.hash((settings, values)))
    except (PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            "checkpoint_dir and memory need parameters that can be pickled: a masking function or "
            f"an encoder class must be defined in a module, not in a function ({error})."
        ) from error


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
) -> tuple[dict[str, Tensor], History]:
    """Pre-train in place and return the weights; cached under ``name`` alone."""
    history, complete = pretrain(network, rows, settings, **options)
    if not complete:
        raise _UnfinishedError(history)
    return network.state_dict(), history
