"""How long and how fast to train, and the optimizer that does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn


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

    def optimizer(self, model: nn.Module, device: torch.device) -> torch.optim.AdamW:
        """Return AdamW on encoder and heads, each with its share of the learning rate."""
        named = list(model.named_parameters())
        encoder = [p for name, p in named if "backbone" in name.split(".")]
        heads = [p for name, p in named if "backbone" not in name.split(".")]
        groups = [
            {"params": encoder, "share": self.encoder_lr_share},
            {"params": heads, "share": 1.0},
        ]
        fused = device.type in ("cpu", "cuda")
        return torch.optim.AdamW(groups, lr=self.lr, weight_decay=self.weight_decay, fused=fused)

    def learning_rate(self, step: int, n_steps: int) -> float:
        """Linear warm-up, then half a cosine down to zero."""
        warm = max(1, round(self.warmup * n_steps))
        if step < warm:
            return self.lr * (step + 1) / warm
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, n_steps - warm)))
