"""Heads compared on the training parts of all sets, classes as they are and ten to one.

python benchmarks/heads.py --data-home DIR [--shard I/N] [--time-limit S] [--tasks NAME ...]
python benchmarks/heads.py --tables

No test part is read: of (some of) the training series a few of every class are labelled, and all
others are unlabelled and told apart. Ten to one, half of the classes keep a tenth of their series,
another half in every draw. With all labels, half of the series are labelled, and none unlabelled.
All heads get the same embeddings, of an untrained transformer. Seconds are the CPU's, on one
thread; those of "minirocket" include its features of the labelled series. Writes results/heads.csv,
and with --tables what docs/results.rst says of it.
"""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numba
import numpy as np
import pandas as pd
from baselines import fit_minirocket, interpolated
from classification import taken
from probe import RESULTS, benchmark_parser, draw_labelled, run_all
from sklearn.linear_model import RidgeClassifierCV
from tables import ROOT, insert, restructured
from tasks import MORE_SMALL, POOLS, SMALL, load_pool, load_small

from simmtm_sk import SimMTMTransformer
from simmtm_sk.datasets import Panel
from simmtm_sk.probing import classification_head

TASKS = (*SMALL, *MORE_SMALL, *(name for name in POOLS if name != "ETTh1"))
BALANCES = ("as it is", "10 : 1")
LABELS_PER_CLASS = (1, 2, 5)
METHODS = ("ridge", "auto", "spread")
METHODS_OF_ALL = ("ridge", "logistic", "minirocket")
DRAWS, DRAWS_OF_ALL = 8, 2
MOST_SERIES, FEWEST_SERIES = 500, 30

Run = dict[str, object]


def planned(tasks: list[str]) -> list[list[Run]]:
    """All runs, a group for every task."""
    return [
        [
            {"task": task, "balance": balance, "labels_per_class": k, "draw": d, "method": method}
            for balance in BALANCES
            for k in (*LABELS_PER_CLASS, "all")
            if k != "all" or balance == BALANCES[0]
            for d in range(DRAWS_OF_ALL if k == "all" else DRAWS)
            for method in (METHODS_OF_ALL if k == "all" else METHODS)
        ]
        for task in tasks
    ]


def training_part(name: str, home: str | None) -> tuple[Panel, np.ndarray]:
    """Return series and class numbers, some of very many, and nothing of the test part."""
    if name in POOLS:
        pool = load_pool(name, home)
        X, labels = pool.X_pool, pool.y_pool
    else:
        small = load_small(name, home)
        X, labels = small.X_train, small.y_train
    kept = np.sort(np.random.default_rng(0).permutation(len(X))[:MOST_SERIES])
    y = np.unique(labels[kept], return_inverse=True)[1]
    return interpolated(taken(X, kept)), y


def thinned(y: np.ndarray, balance: str, k: int, draw: int) -> np.ndarray:
    """Return the series that are there: all, or of half of the classes a tenth."""
    if balance == BALANCES[0]:
        return np.arange(len(y))
    rng = np.random.default_rng(draw)
    n_classes = y.max() + 1
    rare = rng.permutation(n_classes)[: n_classes // 2]
    members = [rng.permutation(np.flatnonzero(y == c)) for c in range(n_classes)]
    kept = [m[: max(k + 1, len(m) // 10)] if c in rare else m for c, m in enumerate(members)]
    return np.sort(np.concatenate(kept))


def measured(runs: list[Run], home: str | None) -> Iterator[tuple[Run, list[Run]]]:
    name = str(runs[0]["task"])
    numba.set_num_threads(1)
    X, y = training_part(name, home)
    E = SimMTMTransformer(num_epochs=0, random_state=0, device="cpu").fit(X).transform(X)
    for run in runs:
        score = of_all if run["labels_per_class"] == "all" else of_few
        result = score(run, E, y, X)
        if result is not None:
            accuracy, seconds, n_series = result
            row = {"n_series": n_series, "n_classes": len(np.unique(y))}
            yield run, [{**row, "accuracy": round(accuracy, 5), "cpu_seconds": round(seconds, 4)}]


Result = tuple[float, float, int]


def of_few(run: Run, E: np.ndarray, y: np.ndarray, X: Panel) -> Result | None:
    """Tell the unlabelled series apart; None where a class has none of them."""
    k, draw = int(str(run["labels_per_class"])), int(str(run["draw"]))
    there = thinned(y, str(run["balance"]), k, draw)
    if len(there) < FEWEST_SERIES or np.bincount(y[there]).min() <= k:
        return None
    labelled = there[draw_labelled(str(run["task"]), y[there], k, draw)]
    others = np.setdiff1d(there, labelled)
    start = time.process_time()
    head = classification_head(E[labelled], y[labelled], str(run["method"]), None, E[others])
    seconds = time.process_time() - start
    return float((head.scores(E[others]).argmax(1) == y[others]).mean()), seconds, len(there)


def of_all(run: Run, E: np.ndarray, y: np.ndarray, X: Panel) -> Result | None:
    """Tell one half apart, labelled the other."""
    if np.bincount(y).min() < 2:
        return None
    order = np.random.default_rng(int(str(run["draw"]))).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    train, test = order[::2], order[1::2]
    if run["method"] == "minirocket":
        fit_minirocket(X, 0)(X)  # compiled
        start = time.process_time()
        embed = fit_minirocket(taken(X, train), 0)
        ridge = RidgeClassifierCV(np.logspace(-3, 3, 10)).fit(embed(taken(X, train)), y[train])
        seconds = time.process_time() - start
        predicted = ridge.predict(embed(taken(X, test)))
    else:
        start = time.process_time()
        head = classification_head(E[train], y[train], str(run["method"]))
        seconds = time.process_time() - start
        predicted = head.scores(E[test]).argmax(1)
    return float((predicted == y[test]).mean()), seconds, len(y)


# -- tables ---------------------------------------------------------------------------------------


def gains_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of the ridge, and what "auto" adds in points, with standard errors over draws."""
    few = rows[rows["labels_per_class"] != "all"]
    wide = few.pivot_table(
        index=["task", "balance", "labels_per_class", "draw"], columns="method", values="accuracy"
    ).dropna()
    wide["gain"] = 100 * (wide["auto"] - wide["ridge"])
    groups = wide.groupby(["task", "balance", "labels_per_class"])
    mean, error = groups.mean(), groups["gain"].sem()
    cells = {
        key: f"{mean.loc[key, 'ridge']:.3f} {mean.loc[key, 'gain']:+.1f} ± {error.loc[key]:.1f}"
        for key in mean.index
    }
    tasks = [task for task in TASKS if task in mean.index.get_level_values("task")]
    table = pd.DataFrame(index=tasks, columns=pd.Index(columns()), dtype=object)
    for (task, balance, k), cell in cells.items():
        table.loc[task, column(balance, k)] = cell
    overall = mean.groupby(["balance", "labels_per_class"]).mean()
    for balance, k in overall.index:
        row = overall.loc[(balance, k)]
        table.loc["mean", column(balance, k)] = f"{row['ridge']:.3f} {row['gain']:+.1f}"
    return table.fillna("–")


def column(balance: str, k: object) -> str:
    return f"{balance}, {k} label" + ("" if str(k) == "1" else "s")


def columns() -> list[str]:
    return [column(balance, k) for balance in BALANCES for k in LABELS_PER_CLASS]


def seconds_table(rows: pd.DataFrame) -> pd.DataFrame:
    """CPU seconds and accuracy with half of the series labelled."""
    every = rows[rows["labels_per_class"] == "all"]
    values = every.pivot_table(
        index="task", columns="method", values=["accuracy", "cpu_seconds"], aggfunc="mean"
    )
    names = {"ridge": "ridge", "logistic": "logistic", "minirocket": "MiniRocket, its own ridge"}
    table = pd.DataFrame(index=[task for task in TASKS if task in values.index])
    for method, name in names.items():
        accuracy, seconds = values["accuracy"][method], values["cpu_seconds"][method]
        table[name] = [f"{accuracy[t]:.3f} ({seconds[t]:.2f} s)" for t in table.index]
    means = values["accuracy"].mean()
    table.loc["mean"] = [f"{means[method]:.3f}" for method in names]
    return table


def write_tables(results: Path) -> None:
    rows = pd.read_csv(results / "heads.csv")
    page = ROOT / "docs" / "results.rst"
    insert(page, "heads", restructured(gains_table(rows)))
    insert(page, "head seconds", restructured(seconds_table(rows)))


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--tables", action="store_true", help="write them, measure nothing")
    arguments = parser.parse_args()
    if arguments.tables:
        write_tables(arguments.results or RESULTS)
    else:
        run_all(
            "heads.csv",
            planned(arguments.tasks),
            partial(measured, home=arguments.data_home),
            arguments,
        )


if __name__ == "__main__":
    main()
