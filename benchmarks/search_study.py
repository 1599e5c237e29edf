"""What a search over r, M, τ and λ can find, beside the noise of a seed.

python benchmarks/search_study.py --data-home DIR [--results DIR] [--shard I/N] [--time-limit S]

With three seeds, on three sets that are not saturated; no test part is opened. One parameter is
changed at a time, and τ with λ = 1, of the training of a small encoder, `ENCODER`, for `STEPS`
steps at the usual rate. ``steps`` = 0 is the network as initialised: there r and M change the
metric of the embedding alone, in a grid, and τ and λ nothing. The ridge probe scores what the
encoder has learned alone, and the whole embedding: cross-validated on the training parts of two
archive sets (every third point), and on the validation part of a pool (300 series to train on, 300
to score). Beside the accuracy stand two criteria that need no labels:

score    ``SimMTMTransformer.score``, the negative error of hidden points
spread   squared distance of views, masked and warped alike for all settings, to their series, as a
         share of the total variance: low where the embedding keeps views together

Writes results/search_study.csv, one row per embedding, and goes on where an earlier run stopped.
"""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from probe import Row, benchmark_parser, cross_validated_accuracy, few_label_accuracy, run_all
from tasks import load_pool, load_small

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.datasets import Home
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.nn.views import hidden_views, warped_views

STEPS, SEEDS, N_SERIES, THINNED = 150, 3, 300, 3
ENCODER = ConvEncoder(d_model=32, n_layers=5)
DEFAULT = {"mask_ratio": 0.5, "n_masks": 2, "temperature": 0.1, "constraint_weight": 0.1}
MASKS = [{"mask_ratio": r, "n_masks": m} for r in (0.25, 0.5, 0.75) for m in (1, 2, 4)]
TRAININGS = [
    {},
    *({"mask_ratio": r} for r in (0.25, 0.75)),
    *({"n_masks": m} for m in (1, 4)),
    *({"temperature": tau} for tau in (0.02, 0.5)),
    *({"constraint_weight": weight} for weight in (0.0, 1.0)),
]
MORE_TRAININGS = [
    {"constraint_weight": "learned"},
    *({"temperature": tau, "constraint_weight": 1.0} for tau in (0.02, 0.5)),
]
EMBEDDINGS: dict[str, dict[str, Any]] = {
    "whole": {},
    "learned": {
        "pooling": ("max", "min", "std", "ppv"),
        "metric_strength": 0.0,
        "neighborhood_weight": 0.0,
    },
}
SMALL = ("UWaveGestureLibrary", "OSULeaf")
TASKS = (*SMALL, "HMP")

Parts = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # X, y, and X, y to be scored


def load(name: str, home: Home) -> Parts:
    if name in SMALL:
        task = load_small(name, home)
        X, y = np.asarray(task.X_train)[:, :, ::THINNED], task.y_train
        return X, y, X, y
    pool = load_pool(name, home)
    draw = np.random.default_rng(0)
    chosen = draw.permutation(len(pool.X_pool))[:N_SERIES]
    scored = draw.permutation(len(pool.X_val))[:N_SERIES]
    return pool.X_pool[chosen], pool.y_pool[chosen], pool.X_val[scored], pool.y_val[scored]


def views(X: np.ndarray) -> np.ndarray:
    """A masked and a warped view of every series, the same for all settings."""
    values, ends = torch.tensor(X), torch.full((len(X),), X.shape[2])
    generator = torch.Generator().manual_seed(0)
    hidden = hidden_views(values, ends, 1, geometric_mask, 0.5, 5.0, generator)
    return torch.cat([hidden, warped_views(values, ends, 1, generator)]).numpy()


def spread(embed: SimMTMTransformer, X: np.ndarray) -> float:
    E = embed.transform(X)
    distance = np.square(embed.transform(views(X)) - np.tile(E, (2, 1))).sum(1).mean()
    return float(distance / np.square(E - E.mean(0)).sum(1).mean())


def accuracy(name: str, embed: SimMTMTransformer, parts: Parts) -> float:
    X, y, X_scored, y_scored = parts
    E = embed.transform(X)
    if name in SMALL:
        return cross_validated_accuracy(E, y)
    return few_label_accuracy(name, E, y, embed.transform(X_scored), y_scored, len(y), 1)["ridge"]


def planned() -> list[list[Row]]:
    """All runs, so that a time limit cuts off pairs of parameters first."""
    return [
        [{"task": task, "steps": steps, "seed": seed, **DEFAULT, **changes}]
        for steps, settings in (
            (0, [{}]),
            (STEPS, TRAININGS),
            (0, MASKS),
            (STEPS, MORE_TRAININGS),
        )
        for seed in range(SEEDS)
        for changes in settings
        for task in TASKS
    ]


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    for run in runs:
        X, *others = load(str(run["task"]), home)
        n_train = len(X) - int(SimMTMTransformer().validation_fraction * len(X))
        per_epoch = -(-n_train // SimMTMTransformer().batch_size)
        rows: list[Row] = []
        with tempfile.TemporaryDirectory() as cache:  # both embeddings are of one pre-training
            for embedding, changes in EMBEDDINGS.items():
                start = time.process_time()
                embed = SimMTMTransformer(
                    **{name: run[name] for name in DEFAULT},
                    **changes,
                    encoder=ENCODER,
                    num_epochs=round(run["steps"] / per_epoch),
                    precision="float32",
                    memory=cache,
                    random_state=run["seed"],
                ).fit(X)
                seconds = time.process_time() - start
                scored = others[1]
                rows.append(
                    {
                        "embedding": embedding,
                        "accuracy": round(accuracy(str(run["task"]), embed, (X, *others)), 5),
                        "score": round(embed.score(scored), 5),
                        "spread": round(spread(embed, scored), 5),
                        "seconds": round(seconds, 2),
                    }
                )
        yield run, rows


def main() -> None:
    arguments = benchmark_parser(__doc__).parse_args()
    groups = planned()
    run_all("search_study.csv", groups, partial(measured, home=arguments.data_home), arguments)


if __name__ == "__main__":
    main()
