"""Groups and neighbours without labels: the embedding beside what is used for them.

python benchmarks/clustering.py --data-home DIR [--tasks NAME ...] [--shard I/N] [--time-limit S]

A collection is 200 series of a set, of training and test part alike, drawn with the shares of the
classes; all methods get the same, and no labels. "k-means" has as many groups as there are classes,
ten starts, and three seeds (DTW: k-medoids, five starts); ARI and NMI compare groups with classes.
"map" is the mean average precision of retrieval: for each series, all others in the order of their
distance, relevant are those of its class; "map of similarity" is that of `similarity`. Writes
results/clustering.csv, one row per set, method, score and seed, and goes on where an earlier call
stopped. Nothing is chosen here.

DTW has a band of a tenth of the length, and no sets with more than 1 000 numbers per series. Series
of unequal length are stretched to their mean length for DTW and raw values.
"""

import os
import time
from collections.abc import Callable, Iterator

os.environ["NUMBA_NUM_THREADS"] = "1"  # MiniRocket's and DTW's

import numpy as np
from baselines import fit_minirocket, interpolated
from probe import Row, benchmark_parser, run_all
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    average_precision_score,
    normalized_mutual_info_score,
    pairwise_distances,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tasks import MORE_SMALL, SMALL, load_pool

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import Home, Panel, load_dataset

N_SERIES, N_SEEDS, MOST_DTW, BAND = 200, 3, 1000, 0.1
LABELLED_POOLS = ("HMP", "ESR", "Crop", "MelbournePedestrian", "FaceAll")
TASKS = (*SMALL, *MORE_SMALL, "ACSF1", *LABELLED_POOLS)
N_EPOCHS = 60  # 420 steps

# groups of every seed, and distances of all pairs
Measured = tuple[list[np.ndarray], dict[str, np.ndarray]]


def load(name: str, home: Home) -> tuple[Panel, np.ndarray]:
    """The series of a collection, and their classes."""
    if name in LABELLED_POOLS:
        pool = load_pool(name, home)
        X, y = pool.X_pool, pool.y_pool
    else:
        X, y = load_dataset(name, data_home=home)
    rows = np.arange(len(y))
    if len(y) > N_SERIES:
        rows, _ = train_test_split(rows, train_size=N_SERIES, stratify=y, random_state=0)
    return interpolated([np.asarray(X[row], np.float64) for row in sorted(rows)]), y[np.sort(rows)]


def one_length(X: Panel) -> np.ndarray:
    """Series stretched to their mean length, every channel with mean 0 and standard deviation 1."""
    length = round(np.mean([x.shape[1] for x in X]))
    at = np.linspace(0, 1, length)
    stretched = np.stack(
        [[np.interp(at, np.linspace(0, 1, len(row)), row) for row in x] for x in X]
    )
    return (stretched - stretched.mean((0, 2), keepdims=True)) / stretched.std(
        (0, 2), keepdims=True
    )


def by_rows(E: np.ndarray, n_groups: int) -> Measured:
    """k-means and Euclidean distances of rows of numbers."""
    groups = [
        KMeans(n_groups, n_init=10, random_state=seed).fit_predict(E) for seed in range(N_SEEDS)
    ]
    return groups, {"map": pairwise_distances(E)}


# -- methods --------------------------------------------------------------------------------------


def ours(X: Panel, n_groups: int, **params: object) -> Measured:
    return by_rows(SimMTMTransformer(random_state=0, **params).fit_transform(stacked(X)), n_groups)


def pretrained(X: Panel, n_groups: int) -> Measured:
    """With an encoder trained where it is not by default; and what its objective compares."""
    embed = SimMTMTransformer(num_epochs=N_EPOCHS, random_state=0).fit(stacked(X))
    groups, distances = by_rows(embed.transform(stacked(X)), n_groups)
    return groups, {**distances, "map of similarity": -embed.similarity(stacked(X))}


def minirocket(X: Panel, n_groups: int) -> Measured:
    X = stacked(X)
    return by_rows(StandardScaler().fit_transform(fit_minirocket(X, 0)(X)), n_groups)


def raw(X: Panel, n_groups: int) -> Measured:
    return by_rows(one_length(X).reshape(len(X), -1), n_groups)


def z_normalised(X: Panel, n_groups: int) -> Measured:
    """Raw values; every channel of every series has mean 0 and standard deviation 1."""
    values = one_length(X)
    rest = values - values.mean(2, keepdims=True)
    return by_rows((rest / (rest.std(2, keepdims=True) + 1e-8)).reshape(len(X), -1), n_groups)


def dtw(X: Panel, n_groups: int) -> Measured:
    from sktime.clustering.k_medoids import TimeSeriesKMedoids
    from sktime.dists_kernels import DtwDist

    values = one_length(X)
    groups = [
        TimeSeriesKMedoids(
            n_groups,
            init_algorithm="kmeans++",
            n_init=5,
            random_state=seed,
            distance_params={"window": BAND},
        ).fit_predict(values)
        for seed in range(N_SEEDS)
    ]
    return groups, {"map": DtwDist(window=BAND).transform(values)}


def stacked(X: Panel) -> Panel:
    """An array, if all series have one length."""
    return np.stack(X) if len({x.shape for x in X}) == 1 else X


METHODS: dict[str, Callable[[Panel, int], Measured]] = {
    "SimMTM": ours,  # the default: of so few series the encoder is not trained
    "SimMTM, no metric": lambda X, n_groups: ours(
        X, n_groups, metric_strength=0, neighborhood_weight=0
    ),
    "MiniRocket": minirocket,
    "raw": raw,
    "z-normalised": z_normalised,
    "DTW": dtw,
    "SimMTM, pre-trained": pretrained,
}


# -- scores ---------------------------------------------------------------------------------------


def mean_average_precision(distances: np.ndarray, y: np.ndarray) -> float:
    """Of every series that has another one of its class, among all others."""
    scores = []
    for row, label in enumerate(y):
        same = np.delete(y == label, row)
        if same.any():
            scores.append(average_precision_score(same, -np.delete(distances[row], row)))
    return float(np.mean(scores))


def scores(measured: Measured, y: np.ndarray) -> Iterator[Row]:
    groups, distances = measured
    for seed, found in enumerate(groups):
        yield {"score": "ari", "seed": seed, "value": adjusted_rand_score(y, found)}
        yield {"score": "nmi", "seed": seed, "value": normalized_mutual_info_score(y, found)}
    for name, of_pairs in distances.items():
        yield {"score": name, "seed": "", "value": mean_average_precision(of_pairs, y)}


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    X, y = load(str(runs[0]["task"]), home)
    for run in runs:
        if run["method"] == "DTW" and np.mean([x.size for x in X]) > MOST_DTW:
            continue
        start = time.process_time()
        result = METHODS[str(run["method"])](X, len(np.unique(y)))
        seconds = round(time.process_time() - start, 2)
        rows = [
            {**row, "value": round(float(row["value"]), 5), "cpu_seconds": seconds}
            for row in scores(result, y)
        ]
        yield run, rows


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="NAME")
    arguments = parser.parse_args()
    *quick, slow = METHODS
    groups = [
        [{"task": task, "method": name} for name in names]
        for names in (quick, [slow])
        for task in arguments.tasks
    ]
    run_all("clustering.csv", groups, lambda runs: measured(runs, arguments.data_home), arguments)


if __name__ == "__main__":
    main()
