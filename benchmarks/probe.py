"""The yardsticks of every study: linear probes on embeddings, and one CSV row per measurement."""

import argparse
import csv
import fcntl
import subprocess
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import accuracy_score, f1_score, log_loss
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from simmtm_sk import SimMTMTransformer
from simmtm_sk.training.settings import PRETRAINING

RESULTS = Path(__file__).parent / "results"

Row = dict[str, object]


def _ridge() -> RidgeClassifierCV:
    return RidgeClassifierCV(alphas=np.logspace(-3, 3, 13))


def cross_validated_accuracy(
    E: np.ndarray, y: np.ndarray, n_splits: int = 5, n_repeats: int = 3
) -> float:
    """Mean accuracy of the ridge probe over repeated stratified folds, equal for all methods."""
    smallest = int(np.unique(y, return_counts=True)[1].min())
    folds = RepeatedStratifiedKFold(
        n_splits=max(2, min(n_splits, smallest)), n_repeats=n_repeats, random_state=0
    )
    probe = make_pipeline(StandardScaler(), _ridge())
    return float(cross_val_score(probe, np.asarray(E, np.float64), y, cv=folds).mean())


def pretraining_epochs(n_series: int, batch_size: int = 32, factor: float = 1.0) -> int:
    """Epochs of as many steps as pay for an encoder alone, times a factor; on few series, too."""
    n_train = n_series - int(SimMTMTransformer().validation_fraction * n_series)
    n_steps = factor * (PRETRAINING.number(n_train) or PRETRAINING.fewest)
    return max(1, round(n_steps / -(-n_train // batch_size)))


def draw_labelled(task_name: str, y: np.ndarray, labels_per_class: int, draw: int) -> np.ndarray:
    """Rows that are labelled in this draw (a class with fewer members: all of them).

    Depends on the arguments alone, so all methods get the same rows.
    """
    rng = np.random.default_rng(zlib.crc32(f"{task_name}-{labels_per_class}-{draw}".encode()))
    members = (np.flatnonzero(y == label) for label in np.unique(y))
    return np.concatenate(
        [rng.choice(rows, min(labels_per_class, len(rows)), replace=False) for rows in members]
    )


def few_label_accuracy(
    task_name: str,
    E_pool: np.ndarray,
    y_pool: np.ndarray,
    E_eval: np.ndarray,
    y_eval: np.ndarray,
    labels_per_class: int,
    n_draws: int = 5,
) -> dict[str, float]:
    """Mean accuracy over draws of both probes, fitted on a few labelled series of the pool."""
    scaler = StandardScaler().fit(E_pool)
    E_eval = scaler.transform(E_eval)
    scores: dict[str, list[float]] = {"ridge": [], "logistic": []}
    for draw in range(n_draws):
        rows = draw_labelled(task_name, y_pool, labels_per_class, draw)
        labelled = scaler.transform(E_pool[rows])
        evaluated = E_eval
        if labelled.shape[0] < labelled.shape[1]:
            # The solution of both probes lies in the span of the labelled rows: the same result in
            # far fewer dimensions.
            basis = np.linalg.qr(labelled.T)[0].astype(labelled.dtype)
            labelled, evaluated = labelled @ basis, E_eval @ basis
        logistic = LogisticRegression(C=1.0, max_iter=1000)
        for probe, classifier in (("ridge", _ridge()), ("logistic", logistic)):
            with warnings.catch_warnings():
                # One series per class looks like regression to scikit-learn.
                warnings.filterwarnings("ignore", "The number of unique classes")
                classifier.fit(np.asarray(labelled, np.float64), y_pool[rows])
            scores[probe].append(classifier.score(np.asarray(evaluated, np.float64), y_eval))
    return {probe: float(np.mean(values)) for probe, values in scores.items()}


def expected_calibration_error(
    probabilities: np.ndarray, hits: np.ndarray, n_bins: int = 15
) -> float:
    """How far the top probability is from the accuracy, on average.

    Series are put in bins of equal width by their top probability; the gap between its mean and the
    accuracy is averaged over bins, weighted by their number of series (Guo et al.,
    arXiv:1706.04599).
    """
    confidence = probabilities.max(1)
    bins = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    gaps = np.bincount(bins, weights=confidence - hits)
    return float(np.abs(gaps).sum() / len(hits))


def label_scores(predicted: np.ndarray, y: np.ndarray) -> Row:
    """Scores of a method without probabilities; the columns of the others are left empty."""
    return {
        "accuracy": round(float(accuracy_score(y, predicted)), 5),
        "macro_f1": round(float(f1_score(y, predicted, average="macro")), 5),
        "log_loss": "",
        "ece": "",
    }


def probability_scores(classes: np.ndarray, probabilities: np.ndarray, y: np.ndarray) -> Row:
    """Scores of probabilities, their columns in the order of ``classes``."""
    predicted = classes[probabilities.argmax(1)]
    ece = expected_calibration_error(probabilities, predicted == y)
    return {
        **label_scores(predicted, y),
        "log_loss": round(float(log_loss(y, probabilities, labels=classes)), 5),
        "ece": round(ece, 5),
    }


def provenance() -> dict[str, str]:
    """Versions and commit, for every row of results."""
    packages = ("torch", "scikit-learn", "sktime")
    git = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "versions": " ".join(f"{name}={version(name)}" for name in packages),
        "commit": git.stdout.strip() if git.returncode == 0 else "",
    }


def append_row(path: Path | str, row: dict[str, object]) -> None:
    """Append a row to a CSV file, with a header if the file is new; many processes may do so."""
    with Path(path).open("a+", newline="") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        header = next(csv.reader(file), None)
        if header is not None and header != list(row):
            raise ValueError(f"{path} has the columns {header}, the row {list(row)}.")
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if header is None:
            writer.writeheader()
        writer.writerow(row)


def write_rows(path: Path, rows: list[Row]) -> None:
    """Write a CSV file anew."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _recorded(path: Path, names: list[str]) -> set[tuple[str, ...]]:
    """What the file has in these columns."""
    if not path.exists():
        return set()
    with path.open(newline="") as file:
        return {tuple(row[name] for name in names) for row in csv.DictReader(file)}


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments of every script whose runs go through `run_all`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    parser.add_argument("--shard", default="0/1", help="I/N: the I-th of N parts, from 0")
    parser.add_argument("--time-limit", type=float, default=float("inf"), help="seconds")
    return parser


def run_all(
    name: str,
    groups: list[list[Row]],
    measure: Callable[[list[Row]], Iterator[tuple[Row, list[Row]]]],
    arguments: argparse.Namespace,
) -> None:
    """Measure on one core what the file of results does not have yet, and append it run by run.

    A run is the columns that tell it from all others; ``name`` may depend on one, as in
    "study_{regime}.csv". The runs of a group share work, such as pre-training: ``measure`` gets
    those of a group that are missing and yields each with its rows.
    """
    stop = time.monotonic() + arguments.time_limit
    first, step = map(int, arguments.shard.split("/"))
    origin = provenance()
    arguments.results.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for group in list(filter(None, groups))[first::step]:
            path = arguments.results / name.format(**group[0])
            recorded = _recorded(path, list(group[0]))
            missing = [run for run in group if tuple(map(str, run.values())) not in recorded]
            for run, rows in measure(missing) if missing else ():
                for row in rows:
                    append_row(path, {**run, **row, **origin})
                print(*run.values(), *rows[-1].values(), flush=True)
                if time.monotonic() > stop:
                    print("time limit reached")
                    return
