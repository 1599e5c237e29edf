"""How long the steps of training take and how much memory, against the plain way and by size.

python benchmarks/speed.py [--suite NAME ...] [--data-home DIR] [--results DIR] [--quick]

Series are random walks, except in whole fits. Every case is a process of its own, forked from one
that has imported everything and computed nothing, and runs on one thread unless it says otherwise.
Its first turn warms up and is not counted, except where one turn takes half a minute or more. The
cases of a comparison take turns, so that what else happens on the machine meets all of them.
``peak_mb`` is the highest resident memory so far beyond what the process held with its data loaded,
before there was a network; weights and optimiser are part of it.

Writes results/speed.csv, a row for every turn, in which ``seconds`` are of one step (or one call),
``gflop`` is the work of its matrix products and convolutions, and ``window_channels`` counts
channels of windows: a step of 32 windows of 7 channels has 224. The suite "profile" writes
results/speed_profile.csv. The rows of a suite replace those of its last run. Linux only.

Suites: plain (the published sizes: plain.py, the same in this package, and its defaults), peak (the
machine's matrix products), calls, profile, big, threads, and the sweeps series, length, channels,
masks and batch.
"""

import argparse
import csv
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from probe import RESULTS, Row, provenance, write_rows
from speed_calls import calls_suite
from speed_objective import big_suite
from speed_plain import peak_suite, plain_suite
from speed_profile import profile_rows
from speed_sweeps import (
    batch_suite,
    channels_suite,
    length_suite,
    masks_suite,
    series_suite,
    threads_suite,
)
from turns import Case, measure

SUITES: dict[str, Callable[[bool, str | None], Iterator[list[Case]]]] = {
    "plain": plain_suite,
    "peak": peak_suite,
    "calls": calls_suite,
    "series": series_suite,
    "length": length_suite,
    "channels": channels_suite,
    "masks": masks_suite,
    "batch": batch_suite,
    "big": big_suite,
    "threads": threads_suite,
}


def replace_rows(path: Path, rows: list[Row], suite: str | None = None) -> None:
    """Write rows in the place of all others, or of those of a suite."""
    kept: list[Row] = []
    if suite is not None and path.exists():
        with path.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["suite"] != suite]
    write_rows(path, [*kept, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SUITES, "profile"]
    parser.add_argument("--suite", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    origin = provenance()
    for suite in arguments.suite:
        start = time.perf_counter()
        print(f"-- {suite}", flush=True)
        if suite == "profile":
            rows = [{**row, **origin} for row in profile_rows(arguments.quick)]
            replace_rows(arguments.results / "speed_profile.csv", rows)
        else:
            rows = []
            for cases in SUITES[suite](arguments.quick, arguments.data_home):
                for row in measure(cases):
                    print(*row.values(), flush=True)
                    rows.append({"suite": suite, **row, **origin})
            if rows:
                replace_rows(arguments.results / "speed.csv", rows, suite)
        print(f"   {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
