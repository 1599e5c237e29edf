"""The published numbers: the defaults, and the same network untrained, on every set and seed.

python benchmarks/report.py --data-home DIR [--shard I/N] [--time-limit S]

Run once the defaults are chosen (study.py): this is where the test parts are opened. Writes
results/report_small.csv and results/report_pool.csv, one row per score, and goes on where an
earlier run stopped. tables.py puts the rivals of rivals.py beside them.
"""

import argparse
import time
from pathlib import Path

import torch
from probe import (
    append_row,
    cross_validated_accuracy,
    done,
    few_label_accuracy,
    fit_score,
    provenance,
)
from study import PATCHES
from tasks import POOLS, SMALL, load_pool, load_small

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import Home

RESULTS = Path(__file__).parent / "results"
LABELS_PER_CLASS = (1, 5, 10)
SEEDS = 3
METHODS = {
    "SimMTM": {},
    "untrained": {"num_epochs": 0},
    "SimMTM, patches": {**PATCHES, "masking": "patch"},
    "untrained, patches": {**PATCHES, "masking": "patch", "num_epochs": 0},
}

Scores = list[tuple[str, str, float]]  # metric, probe, accuracy


def small_scores(name: str, estimator: SimMTMTransformer, home: Home) -> tuple[Scores, float]:
    task = load_small(name, home)
    start = time.monotonic()
    E, E_test = estimator.fit_transform(task.X_train), estimator.transform(task.X_test)
    seconds = time.monotonic() - start
    scores = [
        ("cv_all", "ridge", cross_validated_accuracy(E, task.y_train)),
        ("test_all", "ridge", fit_score(E, task.y_train, E_test, task.y_test)),
    ]
    return scores, seconds


def pool_scores(name: str, estimator: SimMTMTransformer, home: Home) -> tuple[Scores, float]:
    task = load_pool(name, home)
    start = time.monotonic()
    E, E_val, E_test = (
        estimator.fit_transform(task.X_pool),
        estimator.transform(task.X_val),
        estimator.transform(task.X_test),
    )
    seconds = time.monotonic() - start
    scores = []
    for part, E_part, y in (("val", E_val, task.y_val), ("test", E_test, task.y_test)):
        for k in LABELS_PER_CLASS:
            accuracies = few_label_accuracy(name, E, task.y_pool, E_part, y, k)
            scores += [(f"{part}_k{k}", probe, value) for probe, value in accuracies.items()]
    return scores, seconds


REGIMES = {"small": (SMALL, small_scores), "pool": (POOLS, pool_scores)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--shard", default="0/1", help="I/N: the I-th of N parts, from 0")
    parser.add_argument("--time-limit", type=float, default=float("inf"), help="seconds")
    arguments = parser.parse_args()
    stop = time.monotonic() + arguments.time_limit
    torch.set_num_threads(1)
    part, n_parts = map(int, arguments.shard.split("/"))
    origin = provenance()
    runs = [
        {"regime": regime, "task": task, "method": method, "seed": seed}
        for methods in (list(METHODS)[:2], list(METHODS)[2:])
        for seed in range(SEEDS)
        for regime, (tasks, _) in REGIMES.items()
        for task in tasks
        for method in methods
        if regime == "pool" or "patches" not in method
    ]
    for number, run in enumerate(runs):
        path = RESULTS / f"report_{run['regime']}.csv"
        if number // 2 % n_parts != part or done(path, **run):
            continue
        if time.monotonic() > stop:
            print("time limit reached")
            return
        estimator = SimMTMTransformer(
            **METHODS[run["method"]], precision="float32", random_state=run["seed"]
        )
        score = REGIMES[run["regime"]][1]
        scores, seconds = score(run["task"], estimator, arguments.data_home)
        for metric, probe, accuracy in scores:
            values = {"metric": metric, "probe": probe, "accuracy": round(accuracy, 5)}
            append_row(path, {**run, **values, "seconds": round(seconds, 2), **origin})
        print(*run.values(), f"{seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
