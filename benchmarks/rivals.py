"""What a user would pick instead: the raw values, and MiniRocket, behind the same probes.

python benchmarks/rivals.py --data-home DIR [--time-limit SECONDS]

Writes results/rivals_small.csv and results/rivals_pool.csv, and goes on where an earlier run
stopped. A process of its own, because numba and torch share threads. Rivals have nothing to choose,
so their test accuracies are recorded at once.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from probe import (
    append_row,
    cross_validated_accuracy,
    done,
    few_label_accuracy,
    fit_score,
    provenance,
)
from tasks import POOLS, SMALL, load_pool, load_small

from simmtm_sk.datasets import Home, Panel

RESULTS = Path(__file__).parent / "results"
LABELS_PER_CLASS = (1, 5, 10)

Embed = Callable[[Panel], np.ndarray]
Scores = Iterator[tuple[str, str, float]]  # metric, probe, accuracy


def interpolated(X: Panel) -> Panel:
    """Missing values filled in linearly within their channel."""
    for channel in (channel for one in X for channel in one):
        missing = np.isnan(channel)
        if missing.any():
            times = np.arange(len(channel))
            channel[missing] = np.interp(times[missing], times[~missing], channel[~missing])
    return X


def fit_raw(X: Panel, seed: int) -> Embed:
    """All values in a row; of unequal length, padded with zeros to the longest training series."""
    length = max(one.shape[1] for one in X)

    def embed(X: Panel) -> np.ndarray:
        padded = np.zeros((len(X), len(X[0]), length), dtype=np.float32)
        for one, values in zip(padded, X, strict=True):
            kept = values[:, :length]
            one[:, : kept.shape[1]] = kept
        return padded.reshape(len(X), -1)

    return embed


def fit_minirocket(X: Panel, seed: int) -> Embed:
    """10 000 (rounded down to 9 996) features of MiniRocket."""
    from sktime.transformations.rocket import (
        MiniRocket,
        MiniRocketMultivariate,
        MiniRocketMultivariateVariable,
    )

    def container(X: Panel) -> np.ndarray | list[pd.DataFrame]:
        return [pd.DataFrame(one.T) for one in X] if isinstance(X, list) else X

    if isinstance(X, list):
        rocket = MiniRocketMultivariateVariable(pad_value_short_series=0.0, random_state=seed)
    else:
        rocket = (MiniRocket if X.shape[1] == 1 else MiniRocketMultivariate)(random_state=seed)
    rocket.fit(container(X))
    return lambda X: rocket.transform(container(X)).to_numpy(np.float32)


METHODS = {"raw": (fit_raw, 1), "minirocket": (fit_minirocket, 3)}  # and the number of seeds


def small_scores(name: str, fit: Callable[[Panel, int], Embed], seed: int, home: Home) -> Scores:
    task = load_small(name, home)
    embed = fit(interpolated(task.X_train), seed)
    E_train, E_test = embed(task.X_train), embed(interpolated(task.X_test))
    yield "cv_all", "ridge", cross_validated_accuracy(E_train, task.y_train)
    yield "test_all", "ridge", fit_score(E_train, task.y_train, E_test, task.y_test)


def pool_scores(name: str, fit: Callable[[Panel, int], Embed], seed: int, home: Home) -> Scores:
    task = load_pool(name, home)
    embed = fit(interpolated(task.X_pool), seed)
    E_pool = embed(task.X_pool)
    for part, X, y in (("val", task.X_val, task.y_val), ("test", task.X_test, task.y_test)):
        E = embed(interpolated(X))
        for k in LABELS_PER_CLASS:
            for probe, accuracy in few_label_accuracy(name, E_pool, task.y_pool, E, y, k).items():
                yield f"{part}_k{k}", probe, accuracy


REGIMES = {"small": (SMALL, small_scores), "pool": (POOLS, pool_scores)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--time-limit", type=float, default=float("inf"), help="seconds")
    arguments = parser.parse_args()
    stop = time.monotonic() + arguments.time_limit
    origin = provenance()
    runs = [
        (seed, regime, name, method)
        for seed in range(3)
        for regime, (names, _) in REGIMES.items()
        for name in names
        for method, (_, n_seeds) in METHODS.items()
        if seed < n_seeds
    ]
    for seed, regime, name, method in runs:
        path = RESULTS / f"rivals_{regime}.csv"
        key = {"regime": regime, "task": name, "method": method, "seed": seed}
        if done(path, **key):
            continue
        if time.monotonic() > stop:
            print("time limit reached")
            return
        start = time.monotonic()
        scores = list(REGIMES[regime][1](name, METHODS[method][0], seed, arguments.data_home))
        seconds = round(time.monotonic() - start, 2)  # of the whole run, probes included
        for metric, probe, accuracy in scores:
            score = {"metric": metric, "probe": probe, "accuracy": round(accuracy, 5)}
            append_row(path, {**key, **score, "seconds": seconds, **origin})
        print(*key.values(), f"{seconds} s", flush=True)


if __name__ == "__main__":
    main()
