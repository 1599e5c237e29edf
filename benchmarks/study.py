"""What the defaults are chosen by: one factor at a time, on validation data alone.

python benchmarks/study.py --data-home DIR [--regime small|pool] [--results DIR] [--shard I/N]
    [--time-limit S]
python benchmarks/study.py --data-home DIR --rivals

Every variant of `VARIANTS` changes one thing of the default. All are pre-trained with three seeds,
on the training series of small sets, where the probe is cross-validated, and on unlabelled pools,
where it is fitted to a few labels and scored on the validation part. Beside each stands the
same network with its initial weights (``trained`` = False). The second line measures what a user
would pick instead, raw values and MiniRocket, with the same probes; it is a process of its own,
because numba and torch share threads. The test parts are not opened here; see classification.py.

Writes results/study_small.csv and results/study_pool.csv, one row per score, and goes on where an
earlier run stopped. Several processes may share the work: ``--shard 0/2`` and ``--shard 1/2``.
"""

import copy
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from baselines import Embed, fit_minirocket, fit_raw, interpolated
from probe import (
    Row,
    benchmark_parser,
    cross_validated_accuracy,
    few_label_accuracy,
    pretraining_epochs,
    run_all,
)
from tasks import load_pool, load_small

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMTransformer
from simmtm_sk.datasets import Home, Panel

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
RIVALS: dict[str, Callable[[Panel, int], Embed]] = {
    "raw values": fit_raw,
    "MiniRocket": fit_minirocket,
}
# What the encoder makes of a series: the default without the filters, which no variant changes.
LEARNED = ("max", "min", "std", "ppv", "scale")
# Of the default alone: what of the representations becomes the embedding.
POOLINGS: dict[str, dict[str, Any]] = {
    "default": {"pooling": LEARNED},
    "last layer": {"layers": "last"},
    "mean": {"pooling": ("mean",)},
    "max": {"pooling": ("max",)},
    "with mean": {"pooling": ("mean", "max", "min", "std", "ppv", "scale")},
    "without min": {"pooling": ("max", "std", "ppv", "scale")},
    "without ppv": {"pooling": ("max", "min", "std", "scale")},
    "without scale": {"pooling": ("max", "min", "std", "ppv")},
    "with filters": {"pooling": (*LEARNED, "filters")},
    "filters and scale": {"pooling": ("filters", "scale")},
}
# Sets that take seconds, so that all variants can be measured with all seeds.
TASKS = {
    "small": ("GunPoint", "ItalyPowerDemand", "ArrowHead", "BasicMotions"),
    "pool": ("MelbournePedestrian",),
}


def initial(variant: str) -> str:
    """The variant whose untrained network has the same initial weights."""
    if variant.startswith("conv"):
        return variant
    return "patch, patch masks" if variant.startswith("patch") else "default"


def fitted(X: Panel, variant: str, pooling: str, seed: int, trained: bool) -> SimMTMTransformer:
    """Pre-train a variant, on small sets too, or leave it as initialised; no metric."""
    changes = {"pooling": LEARNED, **POOLINGS[pooling], **VARIANTS[variant]}
    factor = changes.pop("steps", 1.0)
    batch_size = changes.get("batch_size", SimMTMTransformer().batch_size)
    changes["num_epochs"] = pretraining_epochs(len(X), batch_size, factor) if trained else 0
    common = {"metric_strength": 0.0, "precision": "float32", "random_state": seed}
    return SimMTMTransformer(**changes, **common).fit(X)


def embeddings(
    X: Panel, parts: list[Panel], variant: str, seed: int, trained: bool
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Fit on ``X`` and embed ``parts``, `LEARNED` pooled; the default with all `POOLINGS`."""
    if variant in RIVALS:  # they know no missing values
        embed = RIVALS[variant](interpolated(copy.deepcopy(X)), seed)
        yield "default", [embed(interpolated(copy.deepcopy(part))) for part in parts]
        return
    for pooling in POOLINGS if variant == "default" else ("default",):
        estimator = fitted(X, variant, pooling, seed, trained)
        yield pooling, [estimator.transform(part) for part in parts]


Scores = Iterator[tuple[str, str, str, float]]  # pooling, metric, probe, accuracy


def small_scores(name: str, variant: str, seed: int, trained: bool, home: Home) -> Scores:
    task = load_small(name, home)
    for pooling, (E,) in embeddings(task.X_train, [task.X_train], variant, seed, trained):
        yield pooling, "cv_all", "ridge", cross_validated_accuracy(E, task.y_train)


def pool_scores(name: str, variant: str, seed: int, trained: bool, home: Home) -> Scores:
    task = load_pool(name, home)
    parts = [task.X_pool, task.X_val]
    for pooling, (E, E_val) in embeddings(task.X_pool, parts, variant, seed, trained):
        for k in LABELS_PER_CLASS:
            scores = few_label_accuracy(name, E, task.y_pool, E_val, task.y_val, k)
            for probe, accuracy in scores.items():
                yield pooling, f"val_k{k}", probe, accuracy


SCORES = {"small": small_scores, "pool": pool_scores}


def planned(regimes: list[str], variants: list[str]) -> list[list[Row]]:
    """All runs, seed by seed, so that a time limit cuts off seeds and not variants.

    A group is a trained network and, where other variants do not start from the same initial
    weights, the untrained one. Rivals are not trained at all.
    """
    return [
        [
            {"regime": regime, "task": task, "variant": variant, "seed": seed, "trained": trained}
            for trained in (True, False)
            if (not trained if variant in RIVALS else trained or initial(variant) == variant)
        ]
        for seed in range(SEEDS)
        for variant in variants
        for regime in regimes
        for task in TASKS[regime]
    ]


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    for run in runs:
        start = time.monotonic()
        changes = {key: run[key] for key in ("variant", "seed", "trained")}
        scores = list(SCORES[run["regime"]](run["task"], **changes, home=home))
        seconds = round(time.monotonic() - start, 2)  # of the whole run, probes included
        names = ("pooling", "metric", "probe", "accuracy", "seconds")
        rows = [(*labels, round(accuracy, 5), seconds) for *labels, accuracy in scores]
        yield run, [dict(zip(names, row, strict=True)) for row in rows]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--regime", choices=SCORES, default=None)
    parser.add_argument("--rivals", action="store_true", help="instead of the variants")
    arguments = parser.parse_args()
    regimes = [arguments.regime] if arguments.regime else list(SCORES)
    groups = planned(regimes, list(RIVALS if arguments.rivals else VARIANTS))
    run_all("study_{regime}.csv", groups, partial(measured, home=arguments.data_home), arguments)


if __name__ == "__main__":
    main()
