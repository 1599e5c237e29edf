"""One training loop for every estimator: ``train`` -> ``_Training.epochs`` -> ``gradients``.

AdamW with warm-up and cosine decay, clipped gradients, early stopping on a fixed criterion with the
best weights restored, checkpoints, divergence, and Ctrl-C. Nothing reads a value back from the
device inside an epoch.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor, nn

from ..nn.randomness import own_dropout, own_randomness
from .checkpoint import Checkpoint
from .distributed import Ranks
from .gradients import Losses, gradients
from .monitor import Monitor
from .plan import Plan

History = list[dict[str, float]]
Evaluation = Callable[[], dict[str, float]]
Weights = dict[str, Tensor]


@dataclass
class _Progress:
    """Everything that changes between evaluations, apart from the weights and the optimiser."""

    epoch: int = 0
    best: float = math.inf
    stale: int = 0
    n_slices: int = 1  # of a batch, see `gradients`

    def improved(self, criterion: float) -> bool:
        """Take note of an evaluation; whether it is the best so far."""
        better = criterion < self.best
        self.best, self.stale = (criterion, 0) if better else (self.best, self.stale + 1)
        return better


class _DivergedError(Exception):
    """A step whose loss or gradient is not finite; says which."""

    def __init__(self, message: str, in_first_step: bool) -> None:
        super().__init__(message)
        self.in_first_step = in_first_step


def train(
    model: nn.Module,
    plan: Plan,
    n_rows: int,
    losses: Losses,
    evaluate: Evaluation | None = None,
    *,
    device: torch.device,
    checkpoint: Checkpoint | None = None,
    monitor: Monitor | None = None,
    ranks: Ranks | None = None,
) -> tuple[History, bool]:
    """Train ``model`` in place and return what happened.

    Parameters
    ----------
    model : nn.Module
        On ``device`` already.
    plan : Plan
    n_rows : int
        Rows are numbered from 0 to ``n_rows - 1``.
    losses : callable
        ``losses(index, generator)`` returns scalar tensors by name for a batch of rows; "total"
        is minimised, all are averaged into the history.
    evaluate : callable or None, default=None
        Returns floats by name; "criterion" decides about the best epoch and early stopping. Its
        weights are the ones the model ends with. None keeps the last weights.
    device : torch.device
    checkpoint : Checkpoint or None, default=None
        Written after every evaluation, and continued from if it is there.
    monitor : Monitor or None, default=None
        Is told of every step and evaluation, and may stop the training.
    ranks : Ranks or None, default=None
        Processes that train together and whose gradients are averaged.

    Returns
    -------
    history : list of dict
        A record per evaluation: "epoch", "lr", "grad_norm" and "clipped_share" (mean norm of the
        gradients before they are clipped, and share of the steps in which they were),
        "seconds", "train_<loss>" and "valid_<value>".
    complete : bool
        False if ``monitor``, a KeyboardInterrupt or divergence ended the training before the plan.

    Raises
    ------
    FloatingPointError
        If a loss or gradient is not finite before there are any trained weights to keep.
    MemoryError
        If half a batch does not fit into the memory of a GPU.

    Warns
    -----
    UserWarning
        At a KeyboardInterrupt, which leaves the best weights so far, or the initial ones.
    ConvergenceWarning
        If the training diverges later: the model keeps the best weights before that, without
        ``evaluate`` the last ones that whole epochs could be trained from.
    """
    if plan.n_epochs == 0:  # no optimizer, which would import torch's compiler: two seconds
        model.eval()
        return History(), True
    run = _Training(
        model, plan.optimizer(model, device), plan, n_rows, losses, device, monitor, ranks
    )
    run.resume(None if checkpoint is None else checkpoint.load(model.state_dict(), device))
    complete = True
    before: Weights | None = None
    try:
        while not run.ended:
            started, before, first = time.perf_counter(), _copied(model), run.progress.epoch
            record = run.epochs()
            if evaluate is not None:
                run.evaluated(evaluate, record)
            else:
                run.kept = before if run.history else None  # initial weights are not trained
            record["seconds"] = time.perf_counter() - started
            run.history.append(record)
            if checkpoint is not None:
                checkpoint.save(run.state())
            n_run = run.progress.epoch - first
            if monitor is not None and monitor.epochs_end(record, plan.n_epochs, n_run):
                complete = False
                break
        final = None if evaluate is None else run.kept
    except KeyboardInterrupt:
        if ranks is not None:  # the others cannot go on
            raise
        complete, final = False, before if evaluate is None or run.kept is None else run.kept
        warnings.warn(
            f"training was interrupted in epoch {run.progress.epoch + 1} of {plan.n_epochs}; "
            "the estimator is fitted with the best weights so far.",
            UserWarning,
            stacklevel=2,
        )
    except _DivergedError as diverged:
        if evaluate is None and run.history and not diverged.in_first_step:
            run.kept = before
        complete, final = False, _kept_after(diverged, run.kept)
    if final is not None:
        model.load_state_dict(final)
    model.eval()
    return run.history, complete


def _copied(model: nn.Module) -> Weights:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def _kept_after(diverged: _DivergedError, kept: Weights | None) -> Weights:
    """Say that the training has diverged, and return the weights to go back to."""
    if kept is None:
        raise FloatingPointError(
            f"training diverged {diverged}, before there were any weights to keep; choose a lower "
            "lr, or check the scale of the data."
        ) from None
    warnings.warn(
        f"training diverged {diverged}; the estimator is fitted with the best finite weights "
        "before that. A lower lr may help.",
        ConvergenceWarning,
        stacklevel=3,
    )
    return kept


@dataclass
class _Training:
    """What is trained, and how far it has come; arguments as of `train`."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    plan: Plan
    n_rows: int
    losses: Losses
    device: torch.device
    monitor: Monitor | None
    ranks: Ranks | None = None
    progress: _Progress = field(default_factory=_Progress)
    history: History = field(default_factory=list)
    kept: Weights | None = None  # the best, or without evaluation the last known to be sound

    def resume(self, state: dict[str, Any] | None) -> None:
        """Go on from what `state` has returned, if there is any."""
        if state is not None:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.progress = _Progress(**state["progress"])
            self.history, self.kept = state["history"], state["kept"]

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "progress": vars(self.progress),
            "history": self.history,
            "kept": self.kept,
        }

    @property
    def ended(self) -> bool:
        """Whether all epochs have been run, or patience has."""
        done = self.progress.epoch >= self.plan.n_epochs
        return done or self.plan.exhausted(self.progress.stale)

    def evaluated(self, evaluate: Evaluation, record: dict[str, float]) -> None:
        """Add an evaluation to a record, and keep the weights if they are the best so far."""
        self.model.eval()
        with torch.no_grad():
            record |= {f"valid_{name}": value for name, value in evaluate().items()}
        if self.progress.improved(record["valid_criterion"]):
            self.kept = _copied(self.model)

    def epochs(self) -> dict[str, float]:
        """Run all epochs up to the next evaluation; returns the means of the last one."""
        plan, progress = self.plan, self.progress
        record: dict[str, float] = {}
        first, last = progress.epoch, min(progress.epoch + plan.evaluate_every, plan.n_epochs)
        if self.monitor is not None:
            n_steps = (last - first) * -(-self.n_rows // plan.batch_size)
            self.monitor.epochs_begin(self.model, last, n_steps)
        for _ in range(first, last):
            seed = plan.seed + progress.epoch
            torch.manual_seed(seed)  # for modules that draw from torch's own generator
            try:
                with own_randomness(seed), own_dropout(self.model):
                    record = self.epoch()
            except _DivergedError as diverged:
                diverged.in_first_step &= progress.epoch == first
                raise
            progress.epoch += 1
        # a buffer may be infinite: the unit of what never varies
        weights = [p for p in self.model.parameters() if p.numel()]
        sound = [torch.linalg.vector_norm(p, math.inf).isfinite() for p in weights]
        sound += [~b.isnan().any() for b in self.model.buffers()]
        if not torch.stack(sound).all():
            raise _DivergedError(
                f"in the last step of epoch {progress.epoch}: weights overflow", in_first_step=False
            )
        return {"epoch": progress.epoch, **record}

    def epoch(self) -> dict[str, float]:
        """One pass over the rows in random order; returns the mean of every loss."""
        plan, progress = self.plan, self.progress
        self.model.train()
        generator = torch.Generator(self.device).manual_seed(plan.seed + progress.epoch)
        order = torch.randperm(self.n_rows, generator=generator, device=self.device)
        # even batches instead of a small last one: neighbours are what the objective lives on
        batches = order.tensor_split(-(-self.n_rows // plan.batch_size))
        first, n_steps = progress.epoch * len(batches), plan.n_epochs * len(batches)
        rates = [plan.learning_rate(first + i, n_steps) for i in range(len(batches))]
        steps = []
        for lr, index in zip(rates, batches, strict=True):
            for group in self.optimizer.param_groups:
                group["lr"] = lr * group["share"]
            if self.monitor is not None:
                self.monitor.step_begin()
            terms = gradients(self.optimizer, progress, self.losses, index, generator, self.ranks)
            if self.ranks is not None:
                self.ranks.average_gradients(self.model)
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), plan.max_grad_norm)
            self.optimizer.step()
            steps.append({**terms, "grad_norm": norm})
            if self.monitor is not None:
                self.monitor.step_end(terms)
        # the one time that anything is read from the device
        values = {k: torch.stack([step[k] for step in steps]).double().cpu() for k in steps[0]}
        total, norms = values["total"], values.pop("grad_norm")
        diverged = torch.nonzero(~(total.isfinite() & norms.isfinite()))
        if len(diverged):
            i = int(diverged[0])
            raise _DivergedError(
                f"in step {first + i + 1} of {n_steps} (epoch {progress.epoch + 1}): "
                f"loss {total[i]:g}, gradient norm {norms[i]:g}, learning rate {rates[i]:g}",
                in_first_step=i == 0,
            )
        clipped = (norms > plan.max_grad_norm).double()
        means = {f"train_{name}": float(value.mean()) for name, value in values.items()}
        return {
            "lr": rates[-1],
            "grad_norm": float(norms.mean()),
            "clipped_share": float(clipped.mean()),
            **means,
        }
