"""One training loop for every estimator: ``train`` -> ``_run_epoch`` -> ``_step``.

AdamW with warm-up and cosine decay, clipped gradients, early stopping on a fixed criterion with the
best weights restored, checkpoints, and Ctrl-C. Nothing reads a value back from the device inside an
epoch.
"""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .checkpoint import load_checkpoint, save_checkpoint

History = list[dict[str, float]]
Losses = Callable[[Tensor, torch.Generator], dict[str, Tensor]]
Evaluation = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train.

    Attributes
    ----------
    n_epochs, batch_size : int
        Passes over the rows, and the largest number of rows in a step.
    lr, weight_decay : float
        Peak learning rate and decay of AdamW.
    encoder_lr_share : float
        The part of a model that is named ``backbone`` learns at this share of the rate.
    seed : int
        Every epoch's shuffling, masks and dropout follow from it and the epoch's number, so that a
        resumed run continues exactly as an uninterrupted one.
    patience : int or None
        Evaluations without improvement before stopping; None never stops.
    evaluate_every : int
        Epochs between evaluations.
    warmup : float
        Share of the steps in which the learning rate rises linearly from zero.
    max_grad_norm : float
        Gradients are scaled down to this norm.
    """

    n_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    seed: int
    encoder_lr_share: float = 1.0
    patience: int | None = None
    evaluate_every: int = 1
    warmup: float = 0.1
    max_grad_norm: float = 1.0

    @property
    def n_evaluations(self) -> int:
        """Records that the history of a full run has."""
        return -(-self.n_epochs // self.evaluate_every)

    def exhausted(self, stale: int) -> bool:
        """Whether ``stale`` evaluations without improvement end the training."""
        return self.patience is not None and stale >= self.patience

    def learning_rate(self, step: int, n_steps: int) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warm = max(1, round(self.warmup * n_steps))
        if step < warm:
            return self.lr * (step + 1) / warm
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))


@dataclass
class _Progress:
    """Everything that changes between epochs, apart from the weights and the optimiser."""

    epoch: int = 0
    best: float = math.inf
    stale: int = 0

    def improved(self, criterion: float) -> bool:
        """Take note of an evaluation; whether it is the best so far."""
        better = criterion < self.best
        self.best, self.stale = (criterion, 0) if better else (self.best, self.stale + 1)
        return better


def train(
    model: nn.Module,
    plan: Plan,
    n_rows: int,
    losses: Losses,
    evaluate: Evaluation | None = None,
    *,
    device: torch.device,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
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
    checkpoint : Path or None, default=None
        File that is written after every evaluation and continued from if it is there.
    on_epoch : callable or None, default=None
        Called with each new record of the history; returning True stops the training.

    Returns
    -------
    history : list of dict
        A record per evaluation: "epoch", "lr", "seconds", "train_<loss>" and "valid_<value>".
    complete : bool
        False if ``on_epoch`` or a KeyboardInterrupt ended the training before the plan did.

    Notes
    -----
    A KeyboardInterrupt ends the training with a warning and the best weights so far.
    """
    fused = device.type in ("cpu", "cuda")
    optimizer = torch.optim.AdamW(
        _parameter_groups(model, plan), lr=plan.lr, weight_decay=plan.weight_decay, fused=fused
    )
    progress, history, complete = _Progress(), History(), True
    best_weights: dict[str, Tensor] | None = None
    if checkpoint is not None and checkpoint.exists():
        state = load_checkpoint(checkpoint, device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        progress, history = _Progress(**state["progress"]), state["history"]
        best_weights = state["best"]

    try:
        while progress.epoch < plan.n_epochs and not plan.exhausted(progress.stale):
            started = time.perf_counter()
            n_epochs = min(plan.evaluate_every, plan.n_epochs - progress.epoch)
            record: dict[str, float] = {"epoch": progress.epoch + n_epochs}
            for _ in range(n_epochs):
                record |= _run_epoch(model, optimizer, plan, progress.epoch, n_rows, losses, device)
                progress.epoch += 1
            if evaluate is not None:
                model.eval()
                with torch.no_grad():
                    record |= {f"valid_{name}": value for name, value in evaluate().items()}
                if progress.improved(record["valid_criterion"]):
                    best_weights = copy.deepcopy(model.state_dict())
            record["seconds"] = time.perf_counter() - started
            history.append(record)
            if checkpoint is not None:
                save_checkpoint(
                    checkpoint,
                    {
                        "model": model.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "progress": vars(progress),
                        "history": history,
                        "best": best_weights,
                    },
                )
            if on_epoch is not None and on_epoch(record):
                complete = False
                break
    except KeyboardInterrupt:
        complete = False
        warnings.warn(
            f"training was interrupted in epoch {progress.epoch + 1} of {plan.n_epochs}; "
            "the estimator is fitted with the best weights so far.",
            UserWarning,
            stacklevel=2,
        )
    if best_weights is not None:
        model.load_state_dict(best_weights)
    model.eval()
    return history, complete


def _parameter_groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Split encoder and heads, each with its share of the learning rate."""
    named = list(model.named_parameters())
    encoder = [p for name, p in named if "backbone" in name.split(".")]
    heads = [p for name, p in named if "backbone" not in name.split(".")]
    return [{"params": encoder, "share": plan.encoder_lr_share}, {"params": heads, "share": 1.0}]


def _run_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    epoch: int,
    n_rows: int,
    losses: Losses,
    device: torch.device,
) -> dict[str, float]:
    """One pass over the rows in random order; returns the mean of every loss."""
    model.train()
    torch.manual_seed(plan.seed + epoch)  # dropout; the caller has forked the global generator
    generator = torch.Generator(device).manual_seed(plan.seed + epoch)
    order = torch.randperm(n_rows, generator=generator, device=device)
    # even parts instead of a small last batch: neighbours are what the objective lives on
    batches = order.tensor_split(-(-n_rows // plan.batch_size))
    n_steps = plan.n_epochs * len(batches)
    sums: dict[str, Tensor] = {}
    lr = 0.0
    for i, index in enumerate(batches):
        lr = plan.learning_rate(epoch * len(batches) + i, n_steps)
        for name, value in _step(model, optimizer, plan, lr, losses(index, generator)).items():
            sums[name] = sums[name] + value if name in sums else value
    means = {f"train_{name}": float(value) / len(batches) for name, value in sums.items()}
    return {"lr": lr, **means}


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    lr: float,
    losses: dict[str, Tensor],
) -> dict[str, Any]:
    """One optimiser step; returns the losses, detached and still on the device."""
    for group in optimizer.param_groups:
        group["lr"] = lr * group["share"]
    optimizer.zero_grad(set_to_none=True)
    losses["total"].backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), plan.max_grad_norm)
    optimizer.step()
    return {name: value.detach() for name, value in losses.items()}


def format_record(record: dict[str, float]) -> str:
    """One line for people."""
    losses = (f"{k} {v:.4f}" for k, v in record.items() if k.startswith(("train_", "valid_")))
    return f"epoch {record['epoch']:.0f}: {', '.join(losses)} ({record['seconds']:.1f} s)"
