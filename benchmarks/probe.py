"""The yardsticks of every study: linear probes on embeddings, and one CSV row per measurement."""

import csv
import fcntl
import subprocess
import warnings
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler


def _ridge() -> RidgeClassifierCV:
    return RidgeClassifierCV(alphas=np.logspace(-3, 3, 13))


def _probe() -> Pipeline:
    return make_pipeline(StandardScaler(), _ridge())


def cross_validated_accuracy(
    E: np.ndarray, y: np.ndarray, n_splits: int = 5, n_repeats: int = 3
) -> float:
    """Mean accuracy of the ridge probe over repeated stratified folds, equal for all methods."""
    smallest = int(np.unique(y, return_counts=True)[1].min())
    folds = RepeatedStratifiedKFold(
        n_splits=max(2, min(n_splits, smallest)), n_repeats=n_repeats, random_state=0
    )
    return float(cross_val_score(_probe(), np.asarray(E, np.float64), y, cv=folds).mean())


def fit_score(
    E_train: np.ndarray, y_train: np.ndarray, E_test: np.ndarray, y_test: np.ndarray
) -> float:
    """Accuracy of the ridge probe, fitted once with all labels."""
    probe = _probe().fit(np.asarray(E_train, np.float64), y_train)
    return float(probe.score(np.asarray(E_test, np.float64), y_test))


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


def done(path: Path | str, **keys: object) -> bool:
    """Whether the file has a row with these values."""
    if not Path(path).exists():
        return False
    with Path(path).open(newline="") as file:
        return any(
            all(row[key] == str(value) for key, value in keys.items())
            for row in csv.DictReader(file)
        )
