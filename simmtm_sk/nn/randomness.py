"""Random numbers of our own, which other threads neither see nor disturb.

Initial weights and dropout draw from torch's global generators, which all threads of a process
share. Inside `own_randomness` they draw from generators of this thread instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torch.utils._python_dispatch import TorchDispatchMode


class _Generators:
    """One generator for each device, all with the same seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._by_device: dict[torch.device, torch.Generator] = {}

    def on(self, device: torch.device | str) -> torch.Generator:
        device = torch.device(device)
        if device not in self._by_device:
            self._by_device[device] = torch.Generator(device).manual_seed(self._seed)
        return self._by_device[device]


_REDIRECTED: WeakSet[nn.Module] = WeakSet()  # by an `own_dropout` that is at work
_OWN: ContextVar[_Generators | None] = ContextVar("own_randomness", default=None)


@contextlib.contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Give this thread generators with a seed, for `drawn_seeds` and where `redirected`."""
    token = _OWN.set(_Generators(seed))
    try:
        yield
    finally:
        _OWN.reset(token)


def drawn_seeds(n: int) -> list[int]:
    """Draw seeds from the thread's own generator, if it has one, else from torch's."""
    own = _OWN.get()
    generator = None if own is None else own.on("cpu")
    seeds: list[int] = torch.randint(2**31, (n,), generator=generator).tolist()
    return seeds


def redirected() -> TorchDispatchMode | contextlib.nullcontext[None]:
    """Let every operation of torch inside draw from the thread's own generator, if it has one."""
    own = _OWN.get()
    return contextlib.nullcontext() if own is None else _Redirected(own)


@contextlib.contextmanager
def own_dropout(module: nn.Module) -> Iterator[None]:
    """Let what is dropped inside of ``module`` be drawn as `redirected`.

    But for compiled modules, whose random numbers are torch's.
    """
    compiled = {
        part for m in module.modules() if m._compiled_call_impl is not None for part in m.modules()
    }
    handles = []
    new = [m for m in module.modules() if drops(m) and m not in compiled | set(_REDIRECTED)]
    for part in new:
        entered: list[Any] = []
        handles.append(part.register_forward_pre_hook(_enter(entered)))
        handles.append(part.register_forward_hook(_leave(entered), always_call=True))
    _REDIRECTED.update(new)
    try:
        yield
    finally:
        _REDIRECTED.difference_update(new)
        for handle in handles:
            handle.remove()


def drops(module: nn.Module) -> bool:
    """Whether a module itself draws what to leave out, as attention and recurrent layers do."""
    p = module.p if isinstance(module, _DropoutNd) else getattr(module, "dropout", 0.0)
    return isinstance(p, int | float) and p > 0


def _enter(entered: list[Any]) -> Callable[[nn.Module, Any], None]:
    def hook(module: nn.Module, args: Any) -> None:
        entered.append(redirected())
        entered[-1].__enter__()

    return hook


def _leave(entered: list[Any]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(module: nn.Module, args: Any, output: Any) -> None:
        entered.pop().__exit__(None, None, None)

    return hook


class _Redirected(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands a generator to every operation that takes one."""

    def __init__(self, own: _Generators) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._own = own

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Say no: what is compiled is not redirected, and yes would import the compiler, 2 s."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.ops.aten.native_dropout.default:  # on GPUs, without a generator
            return _dropout(self._own, *args)
        takes = {argument.name for argument in func._schema.arguments}
        if "generator" not in takes:
            name = {"default": "generator", "low": "low_generator"}.get(func._overloadname, "")
            if name not in func.overloadpacket.overloads():
                return func(*args, **kwargs)
            func = getattr(func.overloadpacket, name)
        if kwargs.get("generator") is None:
            tensors = [a for a in args if isinstance(a, Tensor)]
            device = tensors[0].device if tensors else kwargs.get("device") or "cpu"
            kwargs["generator"] = self._own.on(device)
        return func(*args, **kwargs)


def _dropout(own: _Generators, x: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    kept = torch.ones_like(x, dtype=torch.bool)
    if train is False:
        return x.clone(), kept
    kept.bernoulli_(1 - p, generator=own.on(x.device))
    return x * kept / (1 - p), kept
