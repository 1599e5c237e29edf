"""The long version of all endurance tests: ``make torture``.

Prints one table and writes it to ``benchmarks/results/torture.csv``.
"""

import argparse
import csv
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch

from tests.reliability import artifact_fuzz, damage, dirty_inputs, endurance, kills
from tests.reliability.outcome import Outcome

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks" / "results" / "torture.csv"
COLUMNS = ["promise", "test", "n", "failures", "note", "seconds", "commit"]


def damaged_artifacts(n):
    """Refuse ``n`` damaged or edited artifacts of all four estimators."""
    outcome = Outcome("a damaged or edited artifact: ArtifactError alone", "artifacts")
    result = artifact_fuzz.fuzz(n)
    outcome.n, outcome.failures = result.refused.total(), [str(f) for f in result.failures]
    outcome.check(result.seconds < 2, f"{result.seconds:.1f} s")
    outcome.check(result.megabytes < 200, f"{result.megabytes:.0f} MB")
    outcome.n = result.refused.total()
    outcome.note = (
        f"and {result.loaded.total()} harmless; slowest {result.seconds:.2f} s, "
        f"{result.megabytes:.0f} MB beyond twice the file"
    )
    return outcome


# the longest first, so that the cores end together
PARTS = {
    damaged_artifacts: 20_000,
    dirty_inputs.main: 10_000,
    kills.kills_while_fitting: 64,
    endurance.fits_one_after_another: 200,
    endurance.fits_at_once: 24,
    damage.flips_in_checkpoints: 120,
    damage.flips_in_caches: 120,
    kills.kills_while_saving: 40,
    damage.full_disks: 8,
    endurance.transforms_at_once: 200,
}


def timed(part, n):
    """Run a part in a process of its own; an error in it is a failure of it."""
    torch.set_num_threads(1)
    start = time.monotonic()
    try:
        outcome = part(n)
    except Exception as error:
        outcome = Outcome(part.__name__, part.__module__, n, [f"{error!r}"])
    return outcome, time.monotonic() - start


def commit():
    """Return the commit that is tested, with a plus if files were changed since."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty=+"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def table(path):
    """Return the rows that are in a file, by what they promise."""
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        return {row["promise"]: row for row in csv.DictReader(file)}


def write(rows, path):
    """Write rows, sorted by test."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows.values(), key=lambda row: (row["test"], row["promise"])))


def torture(parts, share, workers, path):
    """Run a share of parts, write their rows as they come, and return all failures."""
    rows, failures = {} if set(parts) == set(PARTS) else table(path), []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, max_tasks_per_child=1) as pool:
        running = [pool.submit(timed, part, max(4, int(share * PARTS[part]))) for part in parts]
        for future in as_completed(running):
            outcome, seconds = future.result()
            failures += [f"{outcome.promise}: {failure}" for failure in outcome.failures]
            numbers = [outcome.n, len(outcome.failures), outcome.note, round(seconds), commit()]
            values = [outcome.promise, outcome.test, *numbers]
            rows[outcome.promise] = dict(zip(COLUMNS, values, strict=True))
            write(rows, path)
            tried = f"{seconds:6.0f} s  {outcome.n:6} tried, {len(outcome.failures)} failed"
            print(f"{tried}: {outcome.promise} ({outcome.note})", flush=True)
    return failures


def main():
    by_name = {part.__name__: part for part in PARTS}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=by_name, default=list(by_name), metavar="PART")
    parser.add_argument("--share", type=float, default=1.0, help="of the numbers of tries")
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    parts = [by_name[name] for name in given.only]
    failures = torture(parts, given.share, given.workers, given.out)
    for failure in failures[:50]:
        print("FAILED", failure)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
