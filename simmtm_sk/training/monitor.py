"""What a training tells while it goes on: lines for people, tasks for scikit-learn's callbacks."""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor, nn

from .log import say

Record = dict[str, float]


class Monitor:
    """What `train` tells of a training; does nothing, to be overridden in parts."""

    def epochs_begin(self, model: nn.Module, last: int, n_steps: int) -> None:
        """Begin the epochs before an evaluation, the last of which has the number ``last``."""

    def step_begin(self) -> None:
        """Begin a step."""

    def step_end(self, losses: dict[str, Tensor]) -> None:
        """End a step; its losses are still on the device."""

    def epochs_end(self, record: Record, n_epochs: int, n_run: int) -> bool:
        """End the ``n_run`` epochs before an evaluation; return whether to stop the training."""
        return False


class EstimatorMonitor(Monitor):
    """Tells scikit-learn's callbacks of one training, and prints lines for people.

    Parameters
    ----------
    estimator : object
        Handed to the callbacks; they are its ``_skl_callbacks``.
    context : sklearn.callback.CallbackContext
        Of the task that the training is. Every evaluation becomes a subtask, named "epoch <n>", of
        all epochs since the one before, and every step in them a subtask of that, "step <n>".
        ``metadata`` of their hooks has "model", the network that is trained, and at the end
        "losses" of a step (scalar tensors on its device) or the "record" of an evaluation.
    title : str
        What the training is called in lines for people.
    verbose : int
        1 prints a line per evaluation.
    X : object, default=None
        The series, for callbacks that ask for them.
    """

    def __init__(
        self, estimator: Any, context: Any, title: str, verbose: int, X: Any = None
    ) -> None:
        self._estimator, self._context, self._X = estimator, context, X
        self._title, self._verbose = title, verbose
        self._has_callbacks = bool(getattr(estimator, "_skl_callbacks", []))
        self._task: Any = None
        self._step: Any = None
        self._started = time.perf_counter()

    def epochs_begin(self, model: nn.Module, last: int, n_steps: int) -> None:
        """Begin a task, if there are callbacks."""
        self._started = time.perf_counter()
        if self._has_callbacks:
            self._model = model
            self._task = self._context.subcontext(f"epoch {last}", max_subtasks=n_steps)
            self._call("begin", self._task)

    def step_begin(self) -> None:
        """Begin a task in it."""
        if self._has_callbacks:
            self._step = self._task.subcontext(f"step {len(self._task._children_map) + 1}")
            self._call("begin", self._step)

    def step_end(self, losses: dict[str, Tensor]) -> None:
        """End it."""
        if self._has_callbacks:
            self._call("end", self._step, losses=losses)

    def epochs_end(self, record: Record, n_epochs: int, n_run: int) -> bool:
        """End the task, and print a line."""
        if self._verbose:
            seconds = (time.perf_counter() - self._started) / n_run
            say(line(self._title, record, n_epochs, seconds * (n_epochs - record["epoch"])))
        return self._has_callbacks and self._call("end", self._task, record=record)

    def _call(self, when: str, task: Any, **metadata: Any) -> bool:
        hook = getattr(task, f"call_on_fit_task_{when}")
        told = {"model": self._model, **metadata}
        return hook(estimator=self._estimator, X=self._X, metadata=told) is True


def line(title: str, record: Record, n_epochs: int, seconds_left: float) -> str:
    """Return one line for people.

    Examples
    --------
    >>> print(line("pre-training", {"epoch": 3, "train_total": 0.5}, 9, 75.0))
    pre-training, epoch 3 of 9: training loss 0.5000, at most 75 s left
    """
    parts = [f"training loss {record['train_total']:.4f}"]
    if "valid_criterion" in record:
        parts.insert(0, f"held-out error {record['valid_criterion']:.4f}")
    parts.append(f"at most {seconds_left:.0f} s left")
    return f"{title}, epoch {record['epoch']:.0f} of {n_epochs}: {', '.join(parts)}"
