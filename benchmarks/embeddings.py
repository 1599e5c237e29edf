"""Embeddings and their controls under the same heads, on every set at hand.

python benchmarks/embeddings.py --data-home DIR [--shard I/N] [--time-limit S] [--tasks NAME ...]

The whole training part, of pools 3 000 series at most, is what embeddings are fitted on, without
labels; 1, 5, 10 or all labels per class are then given to the head. Writes results/embeddings.csv,
one row per task, embedding, number of labels, draw and score on the test part, and goes on where an
earlier call stopped.

Scores: "ridge" and "spread", accuracy of the classifier's heads (labels spread to the series
without one); "1-nn", accuracy of the nearest neighbour with all labels, and "k-means", adjusted
Rand index of the clusters of the test part, both on the embedding as it is. Embeddings that come
without a scale of their own, raw values and MiniRocket, are standardised over the training part.
"""

import argparse
import copy
import os
import time
from collections.abc import Callable, Iterator
from functools import partial

os.environ["NUMBA_NUM_THREADS"] = "1"  # MiniRocket's

import numpy as np
import torch
from baselines import fit_minirocket, fit_raw, interpolated
from probe import Row, benchmark_parser, draw_labelled, pretraining_epochs, run_all
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from tasks import MORE_SMALL, POOLS, SMALL, load_pool, load_small

from simmtm_sk import SimMTMTransformer
from simmtm_sk.data import panel_values
from simmtm_sk.datasets import Home, Panel
from simmtm_sk.geometry import Geometry
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.probing import FEWEST_PER_CLASS, classification_head
from simmtm_sk.relatives import Relatives

DRAWS = 5
LABELS_PER_CLASS = (1, 5, 10, "all")
MOST_POOL = 3000
TASKS = {"small": SMALL, "pool": POOLS, "more small": MORE_SMALL}
PLAIN = {"metric_strength": 0, "neighborhood_weight": 0}
OURS = {
    "filters": {**PLAIN, "pooling": ("filters", "scale")},
    "no metric": PLAIN,
    "no graph": {"neighborhood_weight": 0},
    "SimMTM": {},  # the default: on so few series, the encoder is not trained
}
PRETRAINED = "pre-trained"  # SimMTM with an encoder trained as it is where it is alone; on pools
RIVALS = ("raw", "MiniRocket", "MiniRocket, views", "MiniRocket, relatives", "MiniRocket, graph")
EMBEDDINGS = (*RIVALS, *OURS, PRETRAINED)

Embedded = tuple[np.ndarray, np.ndarray]  # of training and test part


def load_task(name: str, home: Home) -> tuple[Panel, np.ndarray, Panel, np.ndarray]:
    """Training series and labels, test series and labels."""
    if name not in POOLS:
        task = load_small(name, home)
        return task.X_train, task.y_train, task.X_test, task.y_test
    pool = load_pool(name, home)
    rows = np.sort(np.random.default_rng(0).permutation(len(pool.X_pool))[:MOST_POOL])
    return pool.X_pool[rows], pool.y_pool[rows], pool.X_test, pool.y_test


def ours(X: Panel, X_test: Panel, **params: object) -> Embedded:
    """What the transformer makes of the series."""
    embed = SimMTMTransformer(precision="float32", random_state=0, **params).fit(X)
    return embed.transform(X), embed.transform(X_test)


def rival(X: Panel, X_test: Panel, fit: Callable, relatives: Relatives | None = None) -> Embedded:
    """Standardised features of raw values or MiniRocket, with metric and graph or without.

    Both are those of the default transformer, views included.
    """
    X, X_test = interpolated(copy.deepcopy(X)), interpolated(copy.deepcopy(X_test))
    features = fit(X, 0)
    E, E_test = features(X), features(X_test)
    if relatives is None:
        scaler = StandardScaler().fit(E)
        return scaler.transform(E), scaler.transform(E_test)

    def embed(values: np.ndarray) -> torch.Tensor:
        series = [x[:, ~np.isnan(x).all(0)] for x in values] if isinstance(X, list) else values
        return torch.tensor(features(series))

    geometry = Geometry({"rival": E.shape[1]})
    geometry.fit(np.asarray(panel_values(X)), relatives, embed)
    return geometry(torch.tensor(E)).numpy(), geometry(torch.tensor(E_test)).numpy()


def embedded(name: str, X: Panel, X_test: Panel) -> Embedded:
    """The embedding of that name."""
    if name in OURS:
        return ours(X, X_test, **OURS[name])
    if name == PRETRAINED:
        return ours(X, X_test, num_epochs=pretraining_epochs(len(X)))
    relatives = None
    if "," in name:
        default = SimMTMTransformer()
        relatives = Relatives(
            strength=default.metric_strength,
            n_neighbors=0 if name.endswith("views") else default.metric_neighbors,
            n_views=default.n_masks,
            mask=geometric_mask,
            mask_ratio=default.mask_ratio,
            mask_length=default.mask_length,
            seed=0,
            neighborhood_weight=default.neighborhood_weight * name.endswith("graph"),
        )
    return rival(X, X_test, fit_raw if name == "raw" else fit_minirocket, relatives)


def head_score(
    E: Embedded, y: np.ndarray, y_test: np.ndarray, rows: np.ndarray, spreads: bool
) -> float:
    """Accuracy of a head that is given the labels of ``rows``."""
    classes, target = np.unique(y[rows], return_inverse=True)
    others = np.delete(E[0], rows, axis=0) if spreads else None
    kind = "ridge"
    if spreads:  # where nothing can be left out, always
        kind = "spread" if len(rows) < FEWEST_PER_CLASS * len(classes) else "auto"
    head = classification_head(E[0][rows], target, kind, unlabelled=others)
    return float((classes[head.scores(E[1]).argmax(1)] == y_test).mean())


def label_free_scores(E: Embedded, y: np.ndarray, y_test: np.ndarray) -> Iterator[Row]:
    nearest = KNeighborsClassifier(1).fit(E[0], y)
    yield {"score": "1-nn", "value": float(nearest.score(E[1], y_test))}
    n_classes = len(np.unique(y_test))
    found = [KMeans(n_classes, n_init=3, random_state=seed).fit_predict(E[1]) for seed in range(3)]
    value = float(np.mean([adjusted_rand_score(y_test, clusters) for clusters in found]))
    yield {"score": "k-means", "value": value}


def scores(name: str, E: Embedded, y: np.ndarray, y_test: np.ndarray) -> Iterator[Row]:
    """All scores of an embedding."""
    for k in LABELS_PER_CLASS[:-1] if name in POOLS else LABELS_PER_CLASS:
        for draw in range(1 if k == "all" else DRAWS):
            rows = np.arange(len(y)) if k == "all" else draw_labelled(name, y, k, draw)
            for head in ("ridge",) if k == "all" else ("ridge", "spread"):
                value = head_score(E, y, y_test, rows, head == "spread")
                yield {"labels_per_class": k, "draw": draw, "score": head, "value": value}
    for row in () if name in POOLS else label_free_scores(E, y, y_test):
        yield {"labels_per_class": "", "draw": "", **row}


def embeddings_of(task: str) -> tuple[str, ...]:
    """What is measured on a set."""
    return EMBEDDINGS if task in POOLS else EMBEDDINGS[:-1]


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    name = str(runs[0]["task"])
    X, y, X_test, y_test = load_task(name, home)
    for run in runs:
        start = time.process_time()
        E = embedded(str(run["embedding"]), X, X_test)
        seconds = round(time.process_time() - start, 2)  # of a processor, fit and transform
        rows = [
            {**row, "value": round(float(row["value"]), 5), "cpu_seconds": seconds}
            for row in scores(name, E, y, y_test)
        ]
        yield run, rows


def main() -> None:
    names = [name for names in TASKS.values() for name in names]
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, metavar="NAME")
    arguments: argparse.Namespace = parser.parse_args()
    groups = [
        [
            {"regime": regime, "task": name, "embedding": embedding}
            for embedding in embeddings_of(name)
        ]
        for regime, tasks in TASKS.items()
        for name in tasks
        if name in arguments.tasks
    ]
    run_all("embeddings.csv", groups, partial(measured, home=arguments.data_home), arguments)


if __name__ == "__main__":
    main()
