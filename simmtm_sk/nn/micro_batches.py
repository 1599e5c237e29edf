"""The rows of a step in micro-batches: on several cores, same bits, in bounded memory."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from .randomness import drawn_seeds, drops, own_dropout, own_randomness

MICRO_BATCH = 1 << 19  # numbers in a layer of one micro-batch: 2 MB, which stays near a core
KEPT = 1 << 23  # numbers in a layer of a step: above, backward encodes micro-batches again

Results = tuple[Tensor, ...]
Computation = Callable[[slice], Results]
MicroBatched = Callable[[Computation, int, int, nn.Module], Results]
Mapped = Callable[..., Iterator[Any]]
A = TypeVar("A")
B = TypeVar("B")


_THREADS: ContextVar[ThreadPoolExecutor | None] = ContextVar("threads", default=None)


@contextlib.contextmanager
def worker_threads() -> Iterator[None]:
    """Let `in_micro_batches` and `in_threads` use as many threads as torch may.

    Inside, torch computes every operation on one thread: micro-batches share the cores instead, and
    sums come out in the same order, hence with the same bits, whatever number of threads joblib
    leaves to a worker. The number is the process's: one thread at a time may be inside.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    threads = None if n_threads == 1 else ThreadPoolExecutor(n_threads)
    token = _THREADS.set(threads)
    try:
        yield
    finally:
        _THREADS.reset(token)
        torch.set_num_threads(n_threads)
        if threads is not None:
            threads.shutdown()


def without_threads() -> None:
    """Forget the threads of `worker_threads`, which a forked child does not have."""
    _THREADS.set(None)


def in_threads(function: Callable[[A], B], arguments: Iterable[A]) -> Iterator[B]:
    """Map in order, on the threads of `worker_threads` where there are any."""
    threads = _THREADS.get()
    return map(function, arguments) if threads is None else threads.map(function, arguments)


def in_micro_batches(
    compute: Computation, n_rows: int, layer_size: int, module: nn.Module
) -> Results:
    """Return what ``compute`` makes of all rows, in micro-batches of `MICRO_BATCH` numbers a layer.

    The micro-batches follow from the sizes alone, and their gradients are summed in order: whether
    one thread computes all of them or several share them, the result has the same bits. A step of
    more than `KEPT` numbers a layer keeps nothing but its results and computes each again in
    backward, so that memory is bounded by the results and the micro-batches at work (Chen et al.,
    arXiv:1604.06174; Gao et al., arXiv:2101.06983).

    Parameters
    ----------
    compute : callable
        ``compute(rows)`` returns tensors (n, ...) for the n rows of a slice, and depends on
        tensors that require gradients only through parameters of ``module``.
    n_rows : int
    layer_size : int
        Numbers in a layer's output for all rows.
    module : nn.Module
        What ``compute`` uses. Rows must not see each other but in batch normalisation, with
        which all rows are one micro-batch. Nothing but torch's dropout modules, and those of its
        modules that have a ``dropout``, may be random; with them, micro-batches take turns, each
        with a seed.

    Returns
    -------
    tuple of Tensor, each (n_rows, ...)
    """
    device = next(module.parameters()).device.type
    whole = any(isinstance(m, _BatchNorm) for m in module.modules())
    n_micro_batches = 1 if whole else number_of_micro_batches(layer_size, device)
    edges = [n_rows * i // n_micro_batches for i in range(n_micro_batches + 1)]
    slices = [slice(*edge) for edge in pairwise(edges) if edge[0] < edge[1]]
    compute = _in_callers_autocast(compute, device)
    mapped: Mapped = in_threads if device == "cpu" else map
    if module.training and any(drops(m) for m in module.modules()):
        compute, mapped = _seeded(compute, slices, module), map
    keep = torch.is_grad_enabled() and (whole or layer_size <= KEPT)

    def forward(rows: slice) -> Results:
        with torch.set_grad_enabled(keep):  # a state of the thread
            return compute(rows)

    if not torch.is_grad_enabled():
        return _joined(mapped(forward, slices))
    parameters = [p for p in module.parameters() if p.requires_grad]
    results: Results = _MicroBatches.apply(forward, compute, slices, mapped, *parameters)  # type: ignore[no-untyped-call]
    return results


@contextlib.contextmanager
def dropout_probability(module: nn.Module, p: float) -> Iterator[None]:
    """Let all dropout modules leave out a share ``p`` inside, and what they say outside."""
    modules = [m for m in module.modules() if isinstance(m, _DropoutNd)]
    own = [m.p for m in modules]
    for m in modules:
        m.p = p
    try:
        yield
    finally:
        for m, own_p in zip(modules, own, strict=True):
            m.p = own_p


def number_of_micro_batches(layer_size: int, device: str) -> int:
    """Return into how many slices a step is cut whose largest layer has so many numbers.

    A power of two: two, four or eight threads have the same number each. ``device`` is the type of
    the device, such as "cpu".
    """
    if device != "cpu":  # a GPU shares out its work itself
        return 1 << max(0, math.ceil(math.log2(layer_size / KEPT)))
    halvings = math.ceil(math.log2(layer_size / MICRO_BATCH))
    fewest = int(layer_size >= MICRO_BATCH // 2)  # small steps have cores to share, too
    return 1 << max(halvings, fewest)


class _MicroBatches(torch.autograd.Function):
    """All micro-batches as one node of the graph, whose inputs are the parameters."""

    @staticmethod
    def forward(
        ctx: Any,
        forward: Computation,
        compute: Computation,
        slices: list[slice],
        mapped: Mapped,
        *parameters: Tensor,
    ) -> Results:
        micro_batches = list(mapped(forward, slices))
        ctx.graphs = micro_batches if micro_batches[0][0].requires_grad else None
        ctx.compute, ctx.slices, ctx.mapped = compute, slices, mapped
        ctx.save_for_backward(*parameters)  # so that a change in between is noticed
        return _joined(
            tuple(result.detach() for result in micro_batch) for micro_batch in micro_batches
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        parameters = ctx.saved_tensors

        def backward(i: int) -> tuple[Tensor | None, ...]:
            rows = ctx.slices[i]
            with torch.enable_grad():
                results = ctx.compute(rows) if ctx.graphs is None else ctx.graphs[i]
            of_micro_batch: tuple[Tensor | None, ...] = torch.autograd.grad(
                results, parameters, [g[rows] for g in gradients], allow_unused=True
            )
            return of_micro_batch

        total: list[Tensor | None] = [None] * len(parameters)
        for micro_batch in ctx.mapped(backward, range(len(ctx.slices))):
            total = [
                part if so_far is None else so_far if part is None else so_far + part
                for so_far, part in zip(total, micro_batch, strict=True)
            ]
        ctx.graphs = None
        return None, None, None, None, *total


def _joined(micro_batches: Iterable[Results]) -> Results:
    return tuple(map(torch.cat, zip(*micro_batches, strict=True)))


def _in_callers_autocast(compute: Computation, device: str) -> Computation:
    """Autocast in every thread, and in backward, without a cache of cast weights that ties them."""
    enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

    def autocast(rows: slice) -> Results:
        with torch.autocast(device, dtype, enabled, cache_enabled=False):
            return compute(rows)

    return autocast


def _seeded(compute: Computation, slices: list[slice], module: nn.Module) -> Computation:
    """Give every micro-batch its own random numbers, the same ones when it is computed again."""
    seeds = drawn_seeds(len(slices))
    seed_of = {rows.start: seed for rows, seed in zip(slices, seeds, strict=True)}
    is_compiled = any(m._compiled_call_impl is not None for m in module.modules())

    def seeded(rows: slice) -> Results:
        seed = seed_of[rows.start]
        if is_compiled:  # draws from torch's generators
            with torch.random.fork_rng():
                torch.manual_seed(seed)
                return compute(rows)
        with own_randomness(seed), own_dropout(module):
            return compute(rows)

    return seeded
