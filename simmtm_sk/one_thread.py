"""Linear algebra on one thread, so that sums come out in the same order on any number of cores."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from threadpoolctl import OpenBLASController, get_cached_controller

_lock = threading.Lock()
_inside = 0  # calls at work, in all threads
_limits: Any = None


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and LAPACK use one thread inside, and afterwards as many as before.

    How many threads share a product decides how its sums are split, hence their last bits. The
    number is the process's: of several threads inside at once, the first sets it and the last gives
    it back, and none waits for another.

    Examples
    --------
    >>> import numpy as np
    >>> with one_thread():
    ...     float(np.ones(3) @ np.ones(3))
    3.0
    """
    global _inside, _limits
    with _lock:
        if _inside == 0:
            with _control():
                _limits = get_cached_controller().limit(limits=1, user_api="blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                with _control():
                    _limits.restore_original_limits()


@contextlib.contextmanager
def _control() -> Iterator[None]:
    """Take from other threads the right to set OpenBLAS's number, and leave it to anyone.

    Otherwise threadpoolctl does nothing, and says nothing, where another thread has set one.
    """
    OpenBLASController.clear_controlling_thread(force=True)
    yield
    OpenBLASController.clear_controlling_thread(force=True)


def _forget() -> None:
    """In a forked child, the threads that were inside do not exist."""
    global _lock, _inside
    _lock, _inside = threading.Lock(), 0


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_forget)
