"""Checkpoints of a run: the last two states, with checksums, and never half of one."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_MAGIC = b"simmtm_sk state 1\n"
_DIGEST = hashlib.sha256().digest_size
_LONG_AGO = 24 * 3600.0  # seconds: nothing is written for that long


class DamagedError(ValueError):
    """Bytes that are not, or no longer, what `packed` made."""


def packed(state: dict[str, Any]) -> bytes:
    """Return tensors, numbers, text and containers of them as bytes with a checksum."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    return _MAGIC + hashlib.sha256(content).digest() + content


def unpacked(data: bytes, device: torch.device) -> dict[str, Any]:
    """Undo `packed`; code is refused, not run.

    Raises
    ------
    DamagedError
        If a single bit has changed.
    """
    start = len(_MAGIC) + _DIGEST
    if not data.startswith(_MAGIC):
        raise DamagedError("it is not of this format" if data else "it is empty")
    if hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]:
        raise DamagedError("it does not match its checksum")
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(data[start:]), map_location=device, weights_only=True
        )
    except Exception as error:  # torch names no exceptions; the checksum is right, the author wrong
        raise DamagedError(f"it cannot be read: {error}") from error
    return state


class Checkpoint:
    """The file of a run, and the one before it.

    Parameters
    ----------
    path : Path
        Its stem names the run; a file of another run is refused. The one before is kept as
        ``<path>.old``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._old = path.with_name(path.name + ".old")
        self._is_writable = True

    def load(self, like: dict[str, Tensor], device: torch.device) -> dict[str, Any] | None:
        """Return the newest good state, or None where there is none.

        Parameters
        ----------
        like : dict of tensors
            What the entry "model" must look like; without NaN.
        device : torch.device

        Warns
        -----
        UserWarning
            For each file that cannot be used.
        """
        self._remove_partial_files()
        for path in (self.path, self._old):
            try:
                return self._read(path, like, device)
            except FileNotFoundError:
                continue
            except (OSError, DamagedError) as error:
                instead = "the one before it is tried" if path == self.path else "it starts anew"
                warnings.warn(
                    f"the run cannot continue from its checkpoint {path} ({error}); {instead}.",
                    UserWarning,
                    stacklevel=2,
                )
        return None

    def _read(self, path: Path, like: dict[str, Tensor], device: torch.device) -> dict[str, Any]:
        state = unpacked(path.read_bytes(), device)
        if state.get("run") != self.path.stem:
            raise DamagedError("it is of another run")
        weights = state["model"]
        if {k: v.shape for k, v in weights.items()} != {k: v.shape for k, v in like.items()}:
            raise DamagedError("it is of another network")
        if any(torch.isnan(weight).any() for weight in weights.values()):
            raise DamagedError("it has weights that are no numbers")
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state`` so that a reader finds a whole file; what cannot be written is no error.

        Warns
        -----
        UserWarning
            The first time that nothing can be written.
        """
        name = f"{self.path.name}.{socket.gethostname()}.{os.getpid()}.partial"
        partial = self.path.with_name(name)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(packed({**state, "run": self.path.stem}))
            with contextlib.suppress(FileNotFoundError):
                self.path.replace(self._old)
            partial.replace(self.path)
        except OSError as error:
            if self._is_writable:
                warnings.warn(
                    f"the checkpoint {self.path} cannot be written ({error}); training goes on "
                    "without.",
                    UserWarning,
                    stacklevel=2,
                )
            self._is_writable = False
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete what the run has left."""
        for path in (self.path, self._old):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _remove_partial_files(self) -> None:
        """Delete what processes that are no more have not finished writing."""
        with contextlib.suppress(OSError):
            for partial in self.path.parent.glob("*.partial"):
                host, _, process = partial.name.removesuffix(".partial").rpartition(".")
                is_ours = host.endswith(f".pt.{socket.gethostname()}") and process.isdecimal()
                age = time.time() - partial.stat().st_mtime
                if is_ours and (age > _LONG_AGO or not _is_alive(int(process))):
                    partial.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    """Whether a process of this machine is running; any may be where nobody can ask."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


_WAITING: ContextVar[list[tuple[Checkpoint, bool]] | None] = ContextVar("waiting", default=None)


@contextlib.contextmanager
def removed_together() -> Iterator[None]:
    """Keep the checkpoints of the runs inside until all of them are finished.

    Else an estimator that is killed in the second would have to repeat the first.
    """
    if _WAITING.get() is not None:  # part of a larger whole
        yield
        return
    runs: list[tuple[Checkpoint, bool]] = []
    token = _WAITING.set(runs)
    try:
        yield
    finally:
        _WAITING.reset(token)
    if all(finished for _, finished in runs):
        for checkpoint, _ in runs:
            checkpoint.remove()


def remove_when_finished(checkpoint: Checkpoint, finished: bool) -> None:
    """Remove the checkpoint of a finished run, or let `removed_together` do so."""
    runs = _WAITING.get()
    if runs is not None:
        runs.append((checkpoint, finished))
    elif finished:
        checkpoint.remove()
