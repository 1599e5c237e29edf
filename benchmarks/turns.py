"""Measuring cases in turns, each in a process of its own, with a report of time and memory.

Used by speed.py, which says what is measured.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from probe import Row

FORK = multiprocessing.get_context("fork")
SETTINGS = (
    "n_series",
    "length",
    "channels",
    "masks",
    "windows",
    "window_channels",
    "rows",
    "parameters",
    "threads",
)


class Turns:
    """A case's side of the measurement: it says when it is ready, and then reports turn by turn."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._held = 0.0

    def ready(self) -> None:
        """Call when the data are there: memory counts from here. Waits for the first turn."""
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        self._held = memory("VmRSS")
        self._pipe.send(None)
        self._pipe.recv()

    def __call__(self, seconds: float) -> bool:
        """Report a turn; waits for the next one and returns whether there is none."""
        self._pipe.send((seconds, memory("VmHWM") - self._held))
        return not self._pipe.recv()

    def repeat(self, call: Callable[[], object]) -> None:
        """Time a call, turn after turn."""
        done = False
        while not done:
            start = time.perf_counter()
            call()
            done = self(time.perf_counter() - start)


def memory(name: str) -> float:
    """A number of /proc/self/status, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"no {name} in /proc/self/status")


@dataclass(frozen=True)
class Case:
    """What is measured; ``settings`` go into the columns of these names."""

    name: str
    run: Callable[[Turns], None]
    settings: dict[str, Any] = field(default_factory=dict)
    work: Callable[[], float] | None = None  # floating-point operations of one turn
    turns: int = 5
    warm_up: int = 1
    limit: float = 120.0  # seconds of a turn


class Child:
    """A process that works for this one and ends with the ``with`` block."""

    def __init__(self, function: Callable[[Connection], None], threads: int) -> None:
        self.pipe, theirs = FORK.Pipe()
        self.process = FORK.Process(target=_in_child, args=(function, theirs, threads))
        self.process.start()
        theirs.close()

    def answer(self, limit: float) -> Any:
        """Wait for what the child says next.

        Raises
        ------
        TimeoutError, EOFError
            If it says nothing in time, or has died.
        """
        if not self.pipe.poll(limit):
            raise TimeoutError(f"took longer than {limit:.0f} s")
        return self.pipe.recv()

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # it has nothing to tidy up
        self.process.join()
        self.pipe.close()


def _in_child(function: Callable[[Connection], None], pipe: Connection, threads: int) -> None:
    # rather an error in one case than a machine without memory
    most = int(0.9 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    torch.set_num_threads(threads)
    try:
        function(pipe)
    except (MemoryError, RuntimeError, OSError, ValueError) as error:
        print(f"  {str(error).splitlines()[0]}", flush=True)


def answer_of(function: Callable[[], Any], limit: float) -> Any:
    """Call a function in a process of its own."""
    with Child(lambda pipe: pipe.send(function()), threads=1) as child:
        return child.answer(limit)


def measure(cases: list[Case]) -> Iterator[Row]:
    """Let the cases take turns; those that fail are left out from there on."""
    work = {}
    for case in cases:
        if case.work is not None:
            with reported(case):
                work[case.name] = answer_of(case.work, case.limit)
    with ExitStack() as stack:
        children = {}
        for case in cases:
            run = case.run
            threads = case.settings.get("threads", 1)
            child = Child(lambda pipe, run=run: run(Turns(pipe)), threads)
            children[case.name] = stack.enter_context(child)
            with reported(case, children):
                child.answer(case.limit)
        for turn in range(max(case.warm_up + case.turns for case in cases)):
            for case in cases:
                if case.name not in children or turn >= case.warm_up + case.turns:
                    continue
                load = os.getloadavg()[0]
                with reported(case, children):
                    children[case.name].pipe.send(True)
                    seconds, peak = children[case.name].answer(case.limit)
                    if turn >= case.warm_up:
                        yield row_of(case, turn - case.warm_up, seconds, peak, work, load)


class reported:  # noqa: N801, a context manager
    """Say that a case failed, ask nothing more of its process, and go on."""

    def __init__(self, case: Case, children: dict[str, Child] | None = None) -> None:
        self.case = case
        self.children = {} if children is None else children

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> bool:
        if not isinstance(error, TimeoutError | EOFError | OSError):
            return False
        print(f"  {self.case.name} left out: {error or 'its process ended'}", flush=True)
        self.children.pop(self.case.name, None)
        return True


def row_of(
    case: Case, repeat: int, seconds: float, peak: float, work: dict[str, float], load: float
) -> Row:
    n = case.settings.get("window_channels")
    return {
        "case": case.name,
        **{name: case.settings.get(name, "") for name in SETTINGS},
        "threads": case.settings.get("threads", 1),
        "repeat": repeat,
        "seconds": f"{seconds:.5g}",
        "seconds_per_window_channel": f"{seconds / n:.5g}" if n else "",
        "peak_mb": round(peak, 1),
        "gflop": f"{work[case.name] / 1e9:.5g}" if case.name in work else "",
        "load": round(load, 1),
    }
