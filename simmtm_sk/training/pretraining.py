"""Pre-training: views of a batch of rows, the SimMTM objective, a fixed held-out criterion."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..data import Rows
from ..nn.masking import MaskFunction, masked_views
from ..nn.model import SimMTM
from ..nn.normalization import normalize
from .loop import History, Plan, train

_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True)
class Views:
    """How the masked views of a series are made; arguments of `masked_views`."""

    n_masks: int
    mask: MaskFunction
    mask_ratio: float
    mask_length: float

    def draw(self, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Visible points of all views of a batch."""
        return masked_views(
            observed, self.n_masks, self.mask, self.mask_ratio, self.mask_length, generator
        )


@contextlib.contextmanager
def isolated_randomness(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators inside, give them back untouched.

    Initialisation and dropout draw from the global generator, so that only one thread at a time may
    be inside. One intra-operation thread makes sums come out in the same order, hence with the same
    bits, whatever number of threads joblib leaves to a worker.
    """
    n_threads = torch.get_num_threads()
    devices = [device] if device.type == "cuda" else []
    with _ONE_AT_A_TIME, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


def split_rows(n_rows: int, validation_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to hold out; none are held out where that leaves fewer than two."""
    n_held_out = int(validation_fraction * n_rows)
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(seed))
    if n_held_out < 2:
        return order, order[:0]
    return order[n_held_out:], order[:n_held_out]


def pretrain(
    model: SimMTM,
    rows: Rows,
    views: Views,
    plan: Plan,
    *,
    validation_fraction: float,
    autocast: torch.dtype | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> History:
    """Pre-train ``model`` in place on ``rows`` (on their device) and return the history.

    The held-out criterion is the reconstruction error with the own-view term at its fixed weight:
    unlike a total with learned weights, it means the same in every epoch. Its masks are fixed.
    """
    device = rows.device
    dtype = next(model.parameters()).dtype
    train_index, held_out = (
        index.to(device) for index in split_rows(len(rows), validation_fraction, plan.seed)
    )
    held_out = held_out[: 8 * plan.batch_size]

    def losses_of(index: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        values, observed, within = rows.gather(index)
        # normalised in the precision of the data, so that large offsets cost no digits
        values = normalize(values, observed).to(dtype)
        seen = views.draw(observed, generator)
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            return model.losses(values, observed, within, seen)

    def evaluate() -> dict[str, float]:
        generator = torch.Generator(device).manual_seed(plan.seed)
        sums: dict[str, Tensor] = {}
        batches = held_out.tensor_split(-(-len(held_out) // plan.batch_size))
        for index in batches:
            for name, value in losses_of(index, generator).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value * len(index)
        means = {name: float(value) / len(held_out) for name, value in sums.items()}
        own_view = model.objective.own_view_weight * means.get("own_view", 0.0)
        return {**means, "criterion": means["reconstruction"] + own_view}

    return train(
        model,
        plan,
        len(train_index),
        lambda index, generator: losses_of(train_index[index], generator),
        evaluate if len(held_out) else None,
        device=device,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
    )
