"""One encoder for any series: pre-trained on many sets, used on sets that it never saw.

python benchmarks/general.py --data-home DIR --out FILE [--fold K] [--steps N] [--seed S]
    [--encoder conv|patch] [--time-limit S]
python benchmarks/general.py --data-home DIR --evaluate FILE [--time-limit S] [--tasks NAME ...]

The first line pre-trains on all sources but those of fold K (without ``--fold``: on all) and saves
the artifact, and beside it FILE.json with what it was trained on. The second line evaluates an
artifact on the sets of its fold: linear probes on frozen embeddings, with 1, 5 and all labels per
class. Its rivals are the same network with its initial weights ("untrained"), and pre-trained on
the training series of the set alone ("in-domain"); "general, then in-domain" goes on from the
general weights on these series. Embeddings are what the encoder makes of the series, without the
filters that all would have in common. Everything is resampled to 128 points, for all methods.
Writes results/general.csv, with the columns of classification.py, and goes on where an earlier call
stopped.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from baselines import Embed
from classification import (
    Features,
    Prepared,
    Row,
    Run,
    features,
    fit_head,
    load_task,
    scored,
    trained_seconds,
)
from probe import benchmark_parser, draw_labelled, pretraining_epochs, run_all
from study import LEARNED
from tasks import load_pool

import simmtm_sk
from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMTransformer
from simmtm_sk.datasets import Home, Panel, load_dataset

LENGTH = 128
MOST_PER_SOURCE = 1500  # so that no source dominates
SEEDS = 3
DRAWS = 5
LABELS_PER_CLASS = (1, 5, "all")
ENCODERS = {
    "conv": ConvEncoder(channel_independent=True),
    "patch": PatchEncoder(),
}

# Every source is in one fold, relatives in the same one: recorded by the same people, of the same
# kind of thing, or drawn from the same generator.
FOLDS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (
        ("ECG200", "ECGFiveDays"),
        ("FaceAll", "FaceFour"),
        ("CBF", "UMD", "SyntheticControl"),
        ("Crop",),
        ("Tecator", "Coffee"),  # spectra of food
    ),
    (
        ("OSULeaf", "SwedishLeaf"),
        ("GunPoint", "UWaveGestureLibrary", "BasicMotions", "HMP"),  # motions of the body
        ("Lightning7",),
        ("JapaneseVowels",),
    ),
    (
        ("ArrowHead",),
        ("Plane",),
        ("ItalyPowerDemand", "PowerCons", "ACSF1", "PLAID"),  # electric power
        ("MelbournePedestrian",),
        ("ESR",),
        ("Covid3Month",),
    ),
)
# Not evaluated: for regression, or without a place in classification.py.
SOURCES_ONLY = ("Tecator", "Covid3Month", "ACSF1", "PLAID")


def members(fold: int) -> list[str]:
    return [name for relatives in FOLDS[fold] for name in relatives]


# -- the pool -------------------------------------------------------------------------------------


def resampled(X: Panel) -> np.ndarray:
    """Linearly, to (n, channels, LENGTH); missing values are filled in on the way."""
    rows = np.empty((len(X), len(X[0]), LENGTH), dtype=np.float32)
    for row, series in zip(rows, X, strict=True):
        for values, channel in zip(row, series, strict=True):
            seen = np.flatnonzero(~np.isnan(channel))
            values[:] = np.interp(np.linspace(0, len(channel) - 1, LENGTH), seen, channel[seen])
    return rows


def training_series(name: str, home: Home) -> Panel:
    """Never a series of a validation or test part."""
    if name in ("HMP", "ESR"):
        return load_pool(name, home).X_pool
    if name in SOURCES_ONLY:
        return load_dataset(name, split="train", data_home=home)[0]
    return load_task(name, home)[0]


def pool(sources: list[str], home: Home) -> np.ndarray:
    """Channels of all sources as series of their own: (n, 1, LENGTH)."""
    rng = np.random.default_rng(0)
    parts = []
    for name in sources:
        rows = resampled(training_series(name, home)).reshape(-1, 1, LENGTH)
        kept = rng.permutation(len(rows))[:MOST_PER_SOURCE]
        parts.append(rows[np.sort(kept)])
    return np.concatenate(parts)


# -- pre-training ---------------------------------------------------------------------------------


class TimeLimit:
    """A callback that stops pre-training after some seconds; the best epoch so far is kept."""

    def __init__(self, seconds: float) -> None:
        self.stop = time.monotonic() + seconds

    def setup(self, estimator: Any, context: Any) -> None: ...

    def teardown(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...

    def on_fit_task_end(self, estimator: Any, context: Any) -> bool:
        return time.monotonic() > self.stop


def pretrain(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    left_out = [] if arguments.fold is None else members(arguments.fold)
    sources = [name for fold in range(len(FOLDS)) for name in members(fold) if name not in left_out]
    X = pool(sources, arguments.data_home)
    estimator = SimMTMTransformer(
        encoder=ENCODERS[arguments.encoder],
        pooling=LEARNED,
        patience=None,
        random_state=arguments.seed,
        verbose=1,
    )
    n_train = len(X) - int(estimator.validation_fraction * len(X))
    steps_per_epoch = -(-n_train // estimator.batch_size)
    estimator.set_params(num_epochs=max(1, round(arguments.steps / steps_per_epoch)))
    print(f"{len(X)} series of {len(sources)} sources, {estimator.num_epochs} epochs", flush=True)
    # The rate decays over all steps: a run that the limit cuts short ends at a high rate.
    estimator.set_callbacks(TimeLimit(arguments.time_limit)).fit(X)
    path = simmtm_sk.save(estimator, arguments.out)
    record = {
        "fold": arguments.fold,
        "sources": sources,
        "n_series": len(X),
        "encoder": arguments.encoder,
        "steps": steps_per_epoch * estimator.n_epochs_,
        "seed": arguments.seed,
        "seconds": round(trained_seconds(estimator), 1),
    }
    record_of(path).write_text(json.dumps(record, indent=1) + "\n")
    print(path, record)


def record_of(artifact: Path) -> Path:
    return artifact.with_suffix(".json")


# -- evaluation -----------------------------------------------------------------------------------


def fits(artifact: Path, encoder: str, seed: int) -> dict[str, Callable[[Panel], Embed]]:
    """How each method comes by an embedding, given the training series of a set."""
    new = partial(SimMTMTransformer, encoder=ENCODERS[encoder], pooling=LEARNED, random_state=seed)
    load = partial(simmtm_sk.load, artifact, random_state=seed, verbose=0)
    return {
        "general": lambda X: load().transform,
        "untrained": lambda X: new(num_epochs=0).fit(X).transform,
        "in-domain": lambda X: new(num_epochs=pretraining_epochs(len(X))).fit(X).transform,
        "general, then in-domain": lambda X: (
            load(
                warm_start=True,
                num_epochs=pretraining_epochs(len(X)),
                patience=new().patience,
            )
            .fit(X)
            .transform
        ),
    }


METHODS = tuple(fits(Path(), "conv", 0))


def planned(record: dict[str, Any], tasks: list[str]) -> list[list[Run]]:
    """All runs, a group for every seed and task.

    The general encoder is one; seeds are those of the other methods, and of the draws.
    """
    names = ("fold", "encoder", "steps", "pretrain_seed")
    origin = dict(zip(names, (record[key] for key in (*names[:3], "seed")), strict=True))
    return [
        [
            {
                **origin,
                "task": task,
                "labels_per_class": k,
                "draw": draw,
                "method": method,
                "seed": seed,
            }
            for k in LABELS_PER_CLASS
            for draw in ([seed] if k == "all" else range(seed, DRAWS, SEEDS))
            for method in METHODS
            if k != "all" or seed == 0 or method != "general"  # which has no other seeds
        ]
        for seed in range(SEEDS)
        for task in tasks
    ]


def measured(
    runs: list[Run], artifact: Path, seconds: float, home: Home
) -> Iterator[tuple[Run, list[Row]]]:
    name, seed = str(runs[0]["task"]), int(runs[0]["seed"])
    X, y, parts = load_task(name, home)
    X, parts = resampled(X), {part: (resampled(X), y) for part, (X, y) in parts.items()}
    task = Prepared(X, y, parts, seed)
    methods = fits(artifact, str(runs[0]["encoder"]), seed)

    @cache
    def embedded(method: str) -> Features:
        made = features(X, parts, methods[method])
        if method == "general, then in-domain":
            made.pretrain_seconds += seconds
        return made

    for run in runs:
        k = run["labels_per_class"]
        rows = np.arange(len(y)) if k == "all" else draw_labelled(name, y, k, run["draw"])
        yield run, scored(fit_head(task, embedded(run["method"]), rows, "auto"), parts)


def main() -> None:
    parser = benchmark_parser(__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, help="pre-train, and save the artifact here")
    what.add_argument("--evaluate", type=Path, help="evaluate this artifact")
    parser.add_argument("--fold", type=int, choices=range(len(FOLDS)), default=None)
    parser.add_argument("--encoder", choices=ENCODERS, default="conv")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tasks", nargs="+", default=None, metavar="NAME")
    arguments = parser.parse_args()
    if arguments.out:
        pretrain(arguments)
        return
    record = json.loads(record_of(arguments.evaluate).read_text())
    if record["fold"] is None:
        parser.error("this artifact was pre-trained on all sources; none is left to evaluate it on")
    tasks = [name for name in members(record["fold"]) if name not in SOURCES_ONLY]
    if arguments.tasks:
        if not set(arguments.tasks) <= set(tasks):
            parser.error(f"this artifact has not seen {tasks}, and may be evaluated on them only")
        tasks = arguments.tasks
    run_all(
        "general.csv",
        planned(record, tasks),
        partial(
            measured,
            artifact=arguments.evaluate,
            seconds=record["seconds"],
            home=arguments.data_home,
        ),
        arguments,
    )


if __name__ == "__main__":
    main()
