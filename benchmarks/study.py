"""What the defaults are chosen by: one factor at a time, on validation data alone.

python benchmarks/study.py --data-home DIR [--regime small|pool] [--shard I/N] [--time-limit S]

Every variant of `VARIANTS` changes one thing of the default. All are pre-trained with three seeds,
on the training series of small sets, where the probe is cross-validated, and on unlabelled pools,
where it is fitted to a few labels and scored on the validation part. Beside each stands the
same network with its initial weights (``trained`` = False). The test parts are not opened here; see
report.py.

Writes results/study_small.csv and results/study_pool.csv, one row per score, and goes on where an
earlier run stopped. Several processes may share the work: ``--shard 0/2`` and ``--shard 1/2``.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from probe import append_row, cross_validated_accuracy, done, few_label_accuracy, provenance
from tasks import load_pool, load_small

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMTransformer
from simmtm_sk.datasets import Home, Panel
from simmtm_sk.training.settings import training_epochs

RESULTS = Path(__file__).parent / "results"
LABELS_PER_CLASS = (1, 5, 10)
SEEDS = 3

PATCHES = {"encoder": PatchEncoder(), "mask_length": 16.0}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    # the encoder
    "conv d_model=32": {"encoder": ConvEncoder(d_model=32)},
    "conv kernel_size=9": {"encoder": ConvEncoder(kernel_size=9)},
    "patch, patch masks": {**PATCHES, "masking": "patch"},
    "patch, point masks": {**PATCHES, "mask_length": 5.0},
    # the masks
    "mask_ratio=0.25": {"mask_ratio": 0.25},
    "mask_ratio=0.75": {"mask_ratio": 0.75},
    "mask_length=15": {"mask_length": 15.0},
    "masking=random": {"masking": "random"},
    "n_masks=1": {"n_masks": 1},
    "n_masks=4": {"n_masks": 4},
    # the objective
    "temperature=0.05": {"temperature": 0.05},
    "temperature=0.2": {"temperature": 0.2},
    "own_view_weight=0": {"own_view_weight": 0.0},
    "constraint_weight=0": {"constraint_weight": 0.0},
    "constraint_weight=1": {"constraint_weight": 1.0},
    "constraint_weight=learned": {"constraint_weight": "learned"},
    "projection_dim=16": {"projection_dim": 16},
    # the training
    "lr=0.003": {"lr": 3e-3},  # in short runs, the encoder as fast as the heads
    "lr=0.01": {"lr": 1e-2},
    "batch_size=64": {"batch_size": 64},
    "steps x 1/2": {"steps": 0.5},
    "steps x 2": {"steps": 2.0},
}
# Read off the same fitted networks: what of the representations becomes the embedding.
POOLINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "last layer": {"layers": "last"},
    "mean": {"pooling": ("mean",)},
    "max": {"pooling": ("max",)},
    "with mean": {"pooling": ("mean", "max", "min", "std", "ppv", "scale")},
    "without min": {"pooling": ("max", "std", "ppv", "scale")},
    "without ppv": {"pooling": ("max", "min", "std", "scale")},
    "without scale": {"pooling": ("max", "min", "std", "ppv")},
}
# Sets that take seconds, so that all variants can be measured with all seeds.
TASKS = {
    "small": ("GunPoint", "ItalyPowerDemand", "ArrowHead", "ECG200", "BasicMotions"),
    "pool": ("MelbournePedestrian", "FaceAll"),
}


def fitted(X: Panel, variant: str, seed: int, trained: bool) -> SimMTMTransformer:
    """Pre-train a variant, or leave it as initialised."""
    changes = dict(VARIANTS[variant])
    factor = changes.pop("steps", None)
    if not trained:
        changes["num_epochs"] = 0
    elif factor is not None:
        default = SimMTMTransformer()
        n_train = len(X) - int(default.validation_fraction * len(X))
        automatic, _ = training_epochs("auto", n_train, default.batch_size)
        changes["num_epochs"] = max(1, round(factor * automatic))
    return SimMTMTransformer(**changes, precision="float32", random_state=seed).fit(X)


def embeddings(
    estimator: SimMTMTransformer, parts: list[Panel], compare: bool
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Embed ``parts`` as pooled by default, or with every entry of `POOLINGS`."""
    default = {"pooling": estimator.pooling, "layers": estimator.layers}
    for name, changes in POOLINGS.items():
        vars(estimator).update({**default, **changes})  # set_params would forget the fit
        yield name, [estimator.transform(X) for X in parts]
        if not compare:
            return


Scores = Iterator[tuple[str, str, str, float]]  # pooling, metric, probe, accuracy


def small_scores(name: str, variant: str, seed: int, trained: bool, home: Home) -> Scores:
    task = load_small(name, home)
    estimator = fitted(task.X_train, variant, seed, trained)
    for pooling, (E,) in embeddings(estimator, [task.X_train], variant == "default"):
        yield pooling, "cv_all", "ridge", cross_validated_accuracy(E, task.y_train)


def pool_scores(name: str, variant: str, seed: int, trained: bool, home: Home) -> Scores:
    task = load_pool(name, home)
    estimator = fitted(task.X_pool, variant, seed, trained)
    parts = [task.X_pool, task.X_val]
    for pooling, (E, E_val) in embeddings(estimator, parts, variant == "default"):
        for k in LABELS_PER_CLASS:
            scores = few_label_accuracy(name, E, task.y_pool, E_val, task.y_val, k)
            for probe, accuracy in scores.items():
                yield pooling, f"val_k{k}", probe, accuracy


SCORES = {"small": small_scores, "pool": pool_scores}


def planned_runs(regimes: list[str]) -> list[dict[str, Any]]:
    """All runs, seed by seed, so that a time limit cuts off seeds and not variants."""
    return [
        {"regime": regime, "task": task, "variant": variant, "seed": seed, "trained": trained}
        for seed in range(SEEDS)
        for variant in VARIANTS
        for regime in regimes
        for task in TASKS[regime]
        for trained in (True, False)
        # only another encoder has other initial weights
        if trained or variant in ("default", "patch, patch masks") or variant.startswith("conv")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--regime", choices=SCORES, default=None)
    parser.add_argument("--shard", default="0/1", help="I/N: the I-th of N parts, from 0")
    parser.add_argument("--time-limit", type=float, default=float("inf"), help="seconds")
    arguments = parser.parse_args()
    stop = time.monotonic() + arguments.time_limit
    torch.set_num_threads(1)
    first, step = map(int, arguments.shard.split("/"))
    origin = provenance()
    regimes = [arguments.regime] if arguments.regime else list(SCORES)
    for number, run in enumerate(planned_runs(regimes)):
        if number // 2 % step != first:  # pairs, lest one process gets all the training
            continue
        path = RESULTS / f"study_{run['regime']}.csv"
        if done(path, **run):
            continue
        if time.monotonic() > stop:
            print("time limit reached")
            return
        start = time.monotonic()
        arguments_of_run = {key: value for key, value in run.items() if key != "regime"}
        name = arguments_of_run.pop("task")
        scores = list(SCORES[run["regime"]](name, **arguments_of_run, home=arguments.data_home))
        seconds = round(time.monotonic() - start, 2)  # of the whole run, probes included
        for pooling, metric, probe, accuracy in scores:
            score = {"metric": metric, "probe": probe, "accuracy": round(accuracy, 5)}
            append_row(path, {**run, "pooling": pooling, **score, "seconds": seconds, **origin})
        print(*run.values(), f"{seconds} s", flush=True)


if __name__ == "__main__":
    main()
