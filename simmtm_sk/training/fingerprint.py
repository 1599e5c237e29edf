"""Names for runs: a hash of all that decides a result, and of the code of users' objects."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import version
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from joblib.hashing import NumpyHasher

# their code changes with their version; what anybody else defines is hashed as it is
_VERSIONED = {"simmtm_sk", "torch", "numpy", "scipy", "sklearn", "sktime", "pandas", "joblib"}
_CODE = (FunctionType, type, ModuleType)
_DATA = (int, float, complex, str, bytes, tuple, frozenset, np.ndarray, torch.Tensor)
_NO_MEMBERS = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__"}
_NO_MEMBERS |= {"__firstlineno__", "__static_attributes__", "_abc_impl"}


class UnreliableError(ValueError):
    """An object whose behaviour cannot be told from its content."""


def fingerprint(*parts: Any) -> str:
    """Hash arrays, settings and objects by value, and functions and classes by their code.

    A function or class that neither Python nor one of the packages of this one defines counts with
    the text of its module, the instructions that were loaded from it, its default arguments, the
    variables it encloses, and with what it names: functions, classes and modules, in the same way,
    and global variables that hold numbers, text or arrays, which may come from elsewhere than the
    text. Where there is none, as in a console, all its global variables count. The versions of this
    package and of torch, and torch's default dtype, are part of every hash.

    Raises
    ------
    UnreliableError
        If an object cannot be taken apart, such as a lock or an open file.

    Examples
    --------
    >>> fingerprint([1.0, "a"]) == fingerprint([1.0, "a"]) != fingerprint([1.0, "b"])
    True
    """
    surroundings = (version("simmtm_sk"), torch.__version__, str(torch.get_default_dtype()))
    try:
        return str(_CodeHasher("sha256").hash((surroundings, parts)))
    except Exception as error:  # whatever a user's object raises when it is taken apart
        raise UnreliableError(str(error).partition("\n")[0] or type(error).__name__) from error


class _CodeHasher(NumpyHasher):
    """Joblib's hasher, for which functions and classes are no more than their names."""

    def __init__(self, hash_name: str) -> None:
        super().__init__(hash_name)
        self._entered: set[int] = set()

    def save(self, obj: Any) -> None:
        """Take an object apart; a TypeError would tell joblib that keys cannot be sorted."""
        try:
            super().save(obj)
        except TypeError as error:
            raise UnreliableError(str(error)) from error

    def reducer_override(self, obj: Any) -> Any:
        """Replace tensors by their numbers, and code of users by a description."""
        if isinstance(obj, torch.Tensor):
            bits = obj.detach().cpu().contiguous().flatten().view(torch.uint8)
            return tuple, ((str(obj.dtype), tuple(obj.shape), bits.numpy()),)
        if isinstance(obj, ModuleType):
            return tuple, ((obj.__name__, _text_of(obj.__name__)),)
        if not isinstance(obj, FunctionType | type):
            return NotImplemented
        is_closure = "<locals>" in obj.__qualname__  # has no name that says it all
        if _is_versioned(obj.__module__) and not is_closure:
            return NotImplemented
        description: tuple[Any, ...] = (obj.__module__, obj.__qualname__)
        if id(obj) not in self._entered:  # else it names itself, or has been described already
            self._entered.add(id(obj))
            described = _function(obj) if isinstance(obj, FunctionType) else _class(obj)
            description += (_text_of(obj.__module__), described)
        return tuple, (description,)


def _is_versioned(module: str | None) -> bool:
    package = (module or "builtins").partition(".")[0]
    known = _VERSIONED | set(sys.stdlib_module_names) | {"builtins"}
    return package in known - {"__main__"}


def _text_of(module: str) -> str | None:
    """Hash the text of a module of a user's; None where there is none."""
    if _is_versioned(module):
        return None
    try:
        text = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _function(function: FunctionType) -> tuple[Any, ...]:
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    values = (function.__defaults__, function.__kwdefaults__)
    return _code(function.__code__), cells, values, list(_named_by(function))


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [_code(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, constants, code.co_names, code.co_varnames


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _named_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Global variables that a function names; containers that may change count without a text."""
    has_text = _text_of(function.__module__) is not None
    for name in sorted(set(_names(function.__code__))):
        value = function.__globals__.get(name)
        if not has_text or isinstance(value, (*_CODE, *_DATA)):
            yield name, value


def _class(cls: type) -> tuple[Any, ...]:
    has_text = _text_of(cls.__module__) is not None
    members: list[tuple[str, Any]] = []
    for name, value in sorted(vars(cls).items()):
        if isinstance(value, property):
            members.append((name, [value.fget, value.fset, value.fdel]))
        elif isinstance(value, staticmethod | classmethod):
            members.append((name, value.__func__))
        elif isinstance(value, FunctionType | type) or not (has_text or name in _NO_MEMBERS):
            members.append((name, value))
    return cls.__bases__, members
