"""Pre-training on several processes, each of which encodes its share of the rows of a step.

Every process (rank) gathers the same batch and draws the same masks. It encodes its share of the
rows; what comes out is gathered from all ranks, so that each knows all neighbours and computes the
same loss, and the gradients of the weights are averaged. A step is the one that a single process
would have done, whatever the number of ranks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from ..nn.micro_batches import Computation, Results, in_micro_batches
from .checkpoint import Checkpoint
from .fingerprint import fingerprint
from .monitor import Monitor, Record

State = dict[str, Any]


@dataclass(frozen=True)
class Ranks:
    """The processes that train together: torch's default group.

    Attributes
    ----------
    rank, number : int
        Of this process, from 0; and of all.
    device : torch.device
        Where this process computes.
    """

    rank: int
    number: int
    device: torch.device

    @classmethod
    def joined(cls, device: torch.device) -> Ranks | None:
        """Return the group that this process has joined; None if it is alone.

        A script joins one by ``torch.distributed.init_process_group``.
        """
        if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
            return None
        return cls(dist.get_rank(), dist.get_world_size(), device)

    def check_agreement(self, module: nn.Module, n_rows: int, *parts: Any) -> None:
        """Refuse what would end in different weights on different ranks, or in waiting for ever.

        Parameters
        ----------
        module : nn.Module
            What is trained.
        n_rows : int
            In the smallest step, views included.
        *parts : object
            What has to be equal on all ranks, such as settings and some of the data.

        Raises
        ------
        ValueError
            If the ranks were given something else, or if there are more of them than rows.
        TypeError
            If rows see each other in batch normalisation.
        """
        if any(isinstance(m, _BatchNorm) for m in module.modules()):
            raise TypeError(
                "an encoder with batch normalisation cannot be trained on several ranks: each "
                "would normalise its own share of the rows. Layer normalisation can."
            )
        names: list[Any] = [None] * self.number
        with self._together():
            dist.all_gather_object(names, (fingerprint(*parts), n_rows))
        if len(set(names)) > 1:
            raise ValueError(
                f"the {self.number} ranks were given different series or parameters; all must call "
                "fit with the same ones, and with an integer as random_state."
            )
        if n_rows < self.number:
            raise ValueError(
                f"a step of {n_rows} rows, views included, leaves some of {self.number} ranks "
                "without work; raise batch_size, or start fewer ranks."
            )

    def in_micro_batches(
        self, compute: Computation, n_rows: int, layer_size: int, module: nn.Module
    ) -> Results:
        """Return what ``compute`` makes of all rows, of which this rank computes its share.

        Arguments are those of `simmtm_sk.nn.micro_batches.in_micro_batches`. Gradients flow to the
        own share alone: `average_gradients` adds those of the others.
        """
        edges = [n_rows * i // self.number for i in range(self.number + 1)]
        first, last = edges[self.rank], edges[self.rank + 1]

        def of_share(rows: slice) -> Results:
            return compute(slice(first + rows.start, first + rows.stop))

        size = layer_size * (last - first) // n_rows
        share = in_micro_batches(of_share, last - first, size, module)
        return tuple(_Gathered.apply(part, self, edges) for part in share)  # type: ignore[no-untyped-call]

    def gathered(self, share: Tensor, edges: list[int]) -> Tensor:
        """Put the shares of all ranks together, which may be of unequal size."""
        sizes = [last - first for first, last in pairwise(edges)]
        padded = share.new_zeros(max(sizes), *share.shape[1:])
        padded[: len(share)] = share
        shares = [torch.empty_like(padded) for _ in sizes]
        with self._together():
            dist.all_gather(shares, padded)
        return torch.cat([part[:size] for part, size in zip(shares, sizes, strict=True)])

    def average_gradients(self, module: nn.Module) -> None:
        """Replace gradients by their mean over ranks, all in one message."""
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in gradients])
        with self._together():
            dist.all_reduce(flat)
        means = torch.split(flat / self.number, [g.numel() for g in gradients])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))

    def of_first(self, value: Any) -> Any:
        """Return what rank 0 has, on all ranks."""
        values = [value]
        with self._together():
            dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Say in plain words that another rank has gone."""
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError(
                f"rank {self.rank} of {self.number} has lost the others: one was interrupted, "
                "killed, or has failed (see its own message). All end here; with checkpoint_dir "
                f"the same call continues from the last evaluation. ({str(error).splitlines()[0]})"
            ) from error


class _Gathered(torch.autograd.Function):
    """Shares of all ranks, (n_i, ...) each, to (sum of n_i, ...) on every rank.

    Every rank goes on to the same loss, so that the gradient of its share is known to it. It counts
    once for every rank, since gradients are averaged in the end.
    """

    @staticmethod
    def forward(ctx: Any, share: Tensor, ranks: Ranks, edges: list[int]) -> Tensor:
        ctx.number, ctx.own = ranks.number, slice(edges[ranks.rank], edges[ranks.rank + 1])
        return ranks.gathered(share.contiguous(), edges)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.number * gradient[ctx.own], None, None


class SharedCheckpoint(Checkpoint):
    """Read and written by rank 0 alone; what it reads, all ranks continue from.

    Parameters
    ----------
    checkpoint : Checkpoint
    ranks : Ranks
    """

    def __init__(self, checkpoint: Checkpoint, ranks: Ranks) -> None:
        super().__init__(checkpoint.path)
        self._ranks = ranks

    def load(self, like: dict[str, Tensor], device: torch.device) -> State | None:
        """Return the newest good state that rank 0 finds."""
        state = super().load(like, torch.device("cpu")) if self._ranks.rank == 0 else None
        shared: State | None = self._ranks.of_first(state)
        return shared

    def save(self, state: State) -> None:
        """Write ``state``, on rank 0."""
        if self._ranks.rank == 0:
            super().save(state)

    def remove(self) -> None:
        """Delete what the run has left, on rank 0."""
        if self._ranks.rank == 0:
            super().remove()


class SharedMonitor(Monitor):
    """Stops the training on all ranks where the monitor of rank 0 does.

    Parameters
    ----------
    monitor : Monitor
        Of this rank.
    ranks : Ranks
    """

    def __init__(self, monitor: Monitor, ranks: Ranks) -> None:
        self._monitor, self._ranks = monitor, ranks
        self.epochs_begin = monitor.epochs_begin  # type: ignore[method-assign]
        self.step_begin = monitor.step_begin  # type: ignore[method-assign]
        self.step_end = monitor.step_end  # type: ignore[method-assign]

    def epochs_end(self, record: Record, n_epochs: int, n_run: int) -> bool:
        """End the epochs; return whether rank 0 stops the training."""
        stops: bool = self._ranks.of_first(self._monitor.epochs_end(record, n_epochs, n_run))
        return stops
