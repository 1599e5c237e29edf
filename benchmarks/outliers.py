"""Series that are not like the others: one class of an archive set is normal, all others are not.

python benchmarks/outliers.py --data-home DIR [--tasks NAME ...] [--shard I/N]

The three most frequent classes of every set in turn: methods see the training series of the class,
without a label of any other, and score the test part (300 series at most). Writes
results/outliers.csv, the area under the ROC curve for each set, class and method, and the table of
docs/anomalies.rst. Features of MiniRocket are standardised over what methods see.
"""

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

os.environ["NUMBA_NUM_THREADS"] = "1"  # MiniRocket's

import numpy as np
import pandas as pd
from baselines import fit_minirocket
from probe import Row, benchmark_parser, run_all
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from tables import ROOT, insert, restructured, text
from tasks import MORE_SMALL, SMALL, load_small

from simmtm_sk import SimMTMOutlierDetector
from simmtm_sk.datasets import Home

UNEQUAL = ("JapaneseVowels",)
SETS = tuple(name for name in (*SMALL, *MORE_SMALL) if name not in UNEQUAL)
N_CLASSES, MOST_TEST, FEWEST_NORMAL = 3, 300, 6

Scores = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of the second, higher is stranger


def isolation_forest(normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    return -IsolationForest(random_state=0).fit(normal).score_samples(X)


def local_outlier_factor(normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    n_neighbors = min(20, len(normal) - 1)
    return -LocalOutlierFactor(n_neighbors=n_neighbors, novelty=True).fit(normal).score_samples(X)


def nearest(normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    return NearestNeighbors(n_neighbors=1).fit(normal).kneighbors(X)[0][:, 0]


def ours(normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    return -SimMTMOutlierDetector(random_state=0).fit(normal).score_samples(X)


def on_minirocket(scores: Scores, normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    features = fit_minirocket(normal, 0)
    scaler = StandardScaler().fit(features(normal))
    return scores(scaler.transform(features(normal)), scaler.transform(features(X)))


def on_values(scores: Scores, normal: np.ndarray, X: np.ndarray) -> np.ndarray:
    return scores(normal.reshape(len(normal), -1), X.reshape(len(X), -1))


RIVALS = {
    "isolation forest": isolation_forest,
    "local outlier factor": local_outlier_factor,
    "nearest": nearest,
}
METHODS: dict[str, Scores] = {
    "SimMTMOutlierDetector": ours,
    **{f"{name}, MiniRocket": partial(on_minirocket, rival) for name, rival in RIVALS.items()},
    **{f"{name}, raw values": partial(on_values, rival) for name, rival in RIVALS.items()},
}


def measured(runs: list[Row], home: Home) -> Iterator[tuple[Row, list[Row]]]:
    task = load_small(str(runs[0]["task"]), home)
    rows = np.sort(np.random.default_rng(0).permutation(len(task.y_test))[:MOST_TEST])
    X, y = np.asarray(task.X_test)[rows], task.y_test[rows]
    classes, counts = np.unique(task.y_train, return_counts=True)
    frequent = classes[np.argsort(-counts, kind="stable")][:N_CLASSES]
    for run in runs:
        scores = []
        for label in frequent:
            normal = np.asarray(task.X_train)[task.y_train == label]
            if len(normal) < FEWEST_NORMAL or (y == label).all() or not (y == label).any():
                continue
            start = time.process_time()
            found = METHODS[str(run["method"])](normal, X)
            seconds = round(time.process_time() - start, 2)
            auc = round(float(roc_auc_score(y != label, found)), 5)
            scores.append({"class": label, "auc": auc, "cpu_seconds": seconds})
        yield run, scores


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over classes, sets by methods; in the end the means over all and over further sets."""
    wide = rows.pivot_table(index="task", columns="method", values="auc")[list(METHODS)]
    wide = wide.reindex([name for name in SETS if name in wide.index])
    mean, further = wide.mean(), wide.reindex(MORE_SMALL).dropna()
    wide.loc[f"mean of {len(wide)}"] = mean
    wide.loc[f"mean of {len(further)} further sets"] = further.mean()
    return wide.map(text)


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=SETS, default=SETS, metavar="NAME")
    arguments = parser.parse_args()
    groups = [[{"task": task, "method": name} for name in METHODS] for task in arguments.tasks]
    measure = partial(measured, home=arguments.data_home)
    run_all("outliers.csv", groups, measure, arguments)
    rows = pd.read_csv(arguments.results / "outliers.csv")
    insert(ROOT / "docs" / "anomalies.rst", "outliers", restructured(table(rows)))


if __name__ == "__main__":
    main()
