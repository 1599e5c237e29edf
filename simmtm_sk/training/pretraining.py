"""Pre-training: views of a batch of rows, an objective, a fixed held-out criterion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..data import RowSource
from ..nn.contracts import Encoder, Mask, Objective
from ..nn.masking import MaskFunction, mask_function, masked_views
from ..nn.micro_batches import in_micro_batches
from ..nn.model import SimMTM
from ..nn.randomness import redirected
from .checkpoint import Checkpoint
from .distributed import Ranks, SharedCheckpoint, SharedMonitor
from .isolation import isolated_torch
from .loop import History, train
from .monitor import Monitor
from .plan import Plan


@dataclass(frozen=True)
class Pretraining:
    """Everything that decides what pre-training ends with; nothing about where it runs.

    Attributes
    ----------
    encoder : Encoder
    objective : Objective
    projection_dim : int
    masking : str, callable or Mask
        See `mask_function`.
    mask_ratio, mask_length, n_masks
        Arguments of `masked_views`.
    max_length : int or None
        Longest row, see `WindowDataset`.
    plan : Plan
    validation_fraction : float
        Share of the rows that is held out; none where that would be fewer than two.
    autocast : torch.dtype or None
        Precision of the encoder's matrix products, None for float32.
    """

    encoder: Encoder
    objective: Objective
    projection_dim: int
    masking: str | MaskFunction | Mask
    mask_ratio: float
    mask_length: float
    n_masks: int
    max_length: int | None
    plan: Plan
    validation_fraction: float
    autocast: torch.dtype | None = None

    def network(self, n_channels: int, length: int) -> SimMTM:
        """Return the network with its initial weights, which follow from the seed alone."""
        with isolated_torch(self.plan.seed), redirected():
            return self.drawn_network(n_channels, length)

    def drawn_network(self, n_channels: int, length: int) -> SimMTM:
        """Return the network with weights drawn from torch's generator as it stands."""
        backbone = self.encoder.build(n_channels, length)
        return SimMTM(backbone, n_channels, self.projection_dim, self.objective)

    def views(
        self, network: SimMTM, values: Tensor, observed: Tensor, generator: torch.Generator
    ) -> Tensor:
        """Draw the visible points of all masked views of a batch."""
        mask = mask_function(self.masking, network.patch_length)
        return masked_views(
            observed, self.n_masks, mask, self.mask_ratio, self.mask_length, generator, values
        )


def split_rows(n_rows: int, validation_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to hold out, in random order."""
    n_held_out = int(validation_fraction * n_rows)
    if n_held_out < 2:
        n_held_out = 0
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(seed))
    return order[n_held_out:], order[:n_held_out]


def pretrain(
    network: SimMTM,
    rows: RowSource,
    settings: Pretraining,
    *,
    compile: bool = False,
    checkpoint: Checkpoint | None = None,
    monitor: Monitor | None = None,
) -> tuple[History, bool]:
    """Pre-train ``network`` in place on ``rows`` and leave it on the CPU.

    Returns the history and whether the training came to its planned end, as `train` does.

    The held-out criterion is the objective's, with masks that are the same in every epoch. If this
    process has joined others, all of them train together, see `distributed`.
    """
    device, plan = rows.device, settings.plan
    ranks = None if plan.n_epochs == 0 else Ranks.joined(device)
    network.to(device)
    if compile:
        network.backbone.compile()
    train_index, held_out = (
        index.to(device) for index in split_rows(len(rows), settings.validation_fraction, plan.seed)
    )
    held_out = held_out[: 8 * plan.batch_size]  # enough to decide on, whatever the size of the data

    encoded = in_micro_batches
    if ranks is not None:
        smallest = len(train_index) // -(-len(train_index) // plan.batch_size)
        some = rows.gather(train_index[:8])
        ranks.check_agreement(network, smallest * (1 + settings.n_masks), settings, some, len(rows))
        encoded = ranks.in_micro_batches
        checkpoint = None if checkpoint is None else SharedCheckpoint(checkpoint, ranks)
        monitor = None if monitor is None else SharedMonitor(monitor, ranks)

    def losses_of(index: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        values, observed, within = rows.gather(index)
        views = settings.views(network, values, observed, generator)
        with torch.autocast(device.type, settings.autocast, enabled=settings.autocast is not None):
            return network.losses(values, observed, within, views, encoded)

    def evaluate() -> dict[str, float]:
        generator = torch.Generator(device).manual_seed(plan.seed)
        batches = held_out.tensor_split(-(-len(held_out) // plan.batch_size))
        sums: dict[str, Tensor] = {}
        for index in batches:
            for name, value in losses_of(index, generator).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value * len(index)
        means = {name: float(value) / len(held_out) for name, value in sums.items()}
        values = {**means, "criterion": network.criterion(means)}
        return values if ranks is None else ranks.of_first(values)

    with isolated_torch(plan.seed):
        result = train(
            network,
            plan,
            len(train_index),
            lambda index, generator: losses_of(train_index[index], generator),
            evaluate if len(held_out) else None,
            device=device,
            checkpoint=checkpoint,
            monitor=monitor,
            ranks=ranks,
        )
    network.cpu()
    return result
