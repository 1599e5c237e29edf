"""What a caller has set in torch neither changes our results, nor is it changed by us."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator

import torch

from ..nn.micro_batches import without_threads, worker_threads
from ..nn.randomness import own_randomness, redirected

_LOCK = threading.RLock()


@contextlib.contextmanager
def torch_as_it_starts() -> Iterator[None]:
    """Compute as torch does where nobody has set anything.

    Gradients are recorded, nothing is cast automatically, new tensors are float32 and on the CPU.
    Works as a decorator, too. The default dtype is the process's: where it has to be changed, one
    thread at a time may be inside.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        # torch 2.6's get_default_device does not see a `with torch.device(...)`
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if torch.get_default_dtype() != torch.float32:
            stack.enter_context(_LOCK)
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(torch.float32)
        yield


@contextlib.contextmanager
def isolated_torch(seed: int) -> Iterator[None]:
    """Compute `torch_as_it_starts`, with random numbers and threads of our own.

    Torch's global generators are seeded inside, for modules that draw from them, and given back
    untouched. Initial weights and dropout do not draw from them, see `own_randomness`: other
    threads may. The work is shared among `worker_threads`, whose number is the process's: one fit
    at a time may be inside, others wait.
    """
    with (
        _LOCK,
        torch_as_it_starts(),
        torch.random.fork_rng(_gpus()),
        worker_threads(),
        own_randomness(seed),
    ):
        torch.manual_seed(seed)
        yield


def _gpus() -> Iterable[int] | None:
    """Return whose random numbers are given back: all, but a child has none of its parent's."""
    return () if torch.cuda._is_in_bad_fork() else None


@contextlib.contextmanager
def one_fit_at_a_time() -> Iterator[None]:
    """Let other threads wait that want to fit; whoever waits for other processes is inside first.

    Two threads that took both locks in different order would wait for one another for ever.
    """
    with _LOCK:
        yield


@contextlib.contextmanager
def modules_of_our_own(seed: int) -> Iterator[None]:
    """Build modules of this package, while another thread may be inside of `isolated_torch`.

    Their initial weights are drawn from generators of this thread; modules of a user's may draw
    elsewhere.
    """
    with torch_as_it_starts(), own_randomness(seed), redirected():
        yield


def _after_fork() -> None:
    """Forget lock and threads of the parent's, for which a child would wait for ever."""
    global _LOCK
    _LOCK = threading.RLock()
    without_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
