"""Finding anomalies: the detector beside what is used for it, on labelled and on made anomalies.

python benchmarks/anomalies.py --data-home DIR [--results FILE]

NAB: the 29 labelled series of the folder NAB; methods learn from the series itself. Labelled
windows are long and coarse, so the scores of all methods are spread by a running maximum of 25
points. ETTh1: six anomalies of one kind are made in 4 000 points of a channel, methods learn from
the points before ("normal") or from the same ("itself"); three draws for each channel. Writes
results/anomalies.csv, a row for each series and method; nothing is chosen here. "--encoder" has the
detector alone, without and with an encoder, on NAB and the first draw of "normal", and writes
results/anomalies_encoder.csv.

VUS-PR is the area under the range-based precision-recall curve in the mean over buffers of 0 to 48
points (Paparrizos et al., VLDB 2022); range recall is the share of anomalies with a point among the
highest-scoring share of points that is as large as the labelled one.
"""

import argparse
import csv
import json
import time
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import maximum_filter1d
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor

from simmtm_sk import SimMTMDetector, SimMTMTransformer

KINDS = ("spike", "level", "frozen", "period", "amplitude")
CHANNELS = ("HUFL", "MULL", "LUFL", "OT")
N_DRAWS, N_ANOMALIES, LENGTH, SIZE, SPREAD = 3, 6, 4000, 48, 25

Series = np.ndarray
Score = Callable[[Series, Series, int], np.ndarray]
Task = tuple[str, str, Series, Series, np.ndarray, int]  # set, kind, train, x, labels, season


# -- rivals: scores of the points of x, higher is stranger -----------------------------------------


def windows(x: Series) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, SIZE)


def centred(scores: np.ndarray) -> np.ndarray:
    """Scores of windows as those of their middle points."""
    return np.pad(scores, (SIZE // 2, SIZE - 1 - SIZE // 2), mode="edge")


def rolling_z(train: Series, x: Series, season: int) -> np.ndarray:
    past = pd.Series(x).rolling(2 * SIZE, min_periods=8)
    deviation = (pd.Series(x) - past.mean().shift(1)).abs()
    return (deviation / (past.std().shift(1) + 0.05 * train.std() + 1e-12)).fillna(0).to_numpy()


def seasonal_residual(train: Series, x: Series, season: int) -> np.ndarray:
    before = pd.Series(x).diff(season).abs()
    scale = before.rolling(7 * season, center=True, min_periods=1).mean()
    return (before / (scale + 0.05 * train.std() + 1e-12)).fillna(0).to_numpy()


def isolation_forest(train: Series, x: Series, season: int) -> np.ndarray:
    forest = IsolationForest(random_state=0).fit(windows(train))
    return centred(-forest.score_samples(windows(x)))


def local_outlier_factor(train: Series, x: Series, season: int) -> np.ndarray:
    factor = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(windows(train)[::4])
    return centred(-factor.score_samples(windows(x)))


def matrix_profile(train: Series, x: Series, season: int) -> np.ndarray:
    """Distance of every z-normalised window to the nearest other one of the training series.

    A product of normalised windows, block by block; where both series are one, without neighbours
    that overlap by more than half.
    """

    def normalised(series: Series) -> np.ndarray:
        rest = windows(series) - windows(series).mean(1, keepdims=True)
        return (rest / (rest.std(1, keepdims=True) + 1e-6 * series.std() + 1e-12)).astype(
            np.float32
        )

    seen, asked = normalised(train), normalised(x)
    nearest = np.empty(len(asked))
    for start in range(0, len(asked), 500):
        products = asked[start : start + 500] @ seen.T
        if train is x:
            rows = np.arange(start, start + len(products))[:, None]
            products[np.abs(rows - np.arange(len(seen))) < SIZE // 2] = -np.inf
        nearest[start : start + 500] = products.max(1)
    return centred(np.sqrt(np.maximum(2 * (SIZE - nearest), 0)))


def detector(train: Series, x: Series, season: int) -> np.ndarray:
    return SimMTMDetector().fit(train).transform_scores(x)["scores"].to_numpy()


def with_encoder(train: Series, x: Series, season: int) -> np.ndarray:
    """The detector whose neighbours are those of embeddings; these learn from 300 windows."""
    seen = windows(train)
    embed = SimMTMTransformer(random_state=0).fit(seen[:: max(1, len(seen) // 300)][:, None])
    fitted = SimMTMDetector(transformer=FrozenEstimator(embed)).fit(train)
    return fitted.transform_scores(x)["scores"].to_numpy()


METHODS: dict[str, Score] = {
    "SimMTMDetector": detector,
    "rolling z-score": rolling_z,
    "seasonal residual": seasonal_residual,
    "isolation forest": isolation_forest,
    "local outlier factor": local_outlier_factor,
    "matrix profile": matrix_profile,
}
ENCODERS = {"SimMTMDetector": detector, "SimMTMDetector, encoder": with_encoder}


# -- tasks ----------------------------------------------------------------------------------------


def labelled(home: Path) -> Iterator[Task]:
    """Series of NAB with their labelled windows, and how many points a day has."""
    for name, spans in json.loads((home / "NAB/windows.json").read_text()).items():
        if not spans:
            continue
        frame = pd.read_csv(home / "NAB" / name, parse_dates=["timestamp"])
        at = frame["timestamp"]
        labels = np.zeros(len(at), int)
        for start, end in spans:
            labels[(at >= pd.Timestamp(start)) & (at <= pd.Timestamp(end))] = 1
        x = frame["value"].to_numpy(np.float64)
        season = max(2, round(pd.Timedelta("1D") / at.diff().median()))
        yield "NAB", name.split("/")[0], x, x, labels, season


def made(home: Path) -> Iterator[Task]:
    """Anomalies made in channels of ETTh1."""
    table = pd.read_csv(home / "ETT/ETTh1.csv")
    for draw in range(N_DRAWS):
        for number, channel in enumerate(CHANNELS):
            series = table[channel].to_numpy(np.float64)
            for k, kind in enumerate(KINDS):
                rng = np.random.default_rng([draw, number, k])
                start = int(rng.integers(LENGTH, len(series) - LENGTH))
                x, labels = corrupted(series[start : start + LENGTH], kind, rng)
                before = series[start - LENGTH : start]
                yield "ETTh1 normal", kind, before, x, labels, 24
                yield "ETTh1 itself", kind, x, x, labels, 24


def corrupted(x: Series, kind: str, rng: np.random.Generator) -> tuple[Series, np.ndarray]:
    """Make anomalies of 24 to 96 points (spikes: 1 to 3), one in each sixth of a series."""
    x, labels, std = x.copy(), np.zeros(len(x), int), x.std()
    edges = np.linspace(100, len(x) - 250, N_ANOMALIES + 1).astype(int)
    for low, high in pairwise(edges):
        size = int(rng.integers(1, 4) if kind == "spike" else rng.integers(24, 97))
        start = int(rng.integers(low, high - size - 10))
        part, sign = x[start : start + size], rng.choice([-1, 1])
        match kind:
            case "spike":
                new = part + sign * std * rng.uniform(1, 3)
            case "level":
                new = part + sign * std * rng.uniform(0.7, 2)
            case "frozen":
                new = np.full(size, part[0])
            case "period":
                places = start + np.arange(size) * rng.choice([0.5, 2.0])
                new = np.interp(places, np.arange(len(x)), x)
            case _:
                new = part.mean() + (part - part.mean()) * rng.uniform(0.1, 0.4)
        x[start : start + size], labels[start : start + size] = new, 1
    return x, labels


# -- measures -------------------------------------------------------------------------------------


def runs_of(labels: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(labels, prepend=0, append=0))
    return list(zip(edges[::2], edges[1::2], strict=True))


def vus_pr(labels: np.ndarray, scores: np.ndarray, longest: int = SIZE) -> float:
    """Volume under the surface of range-based precision and recall over buffers and thresholds."""
    runs, at = runs_of(labels), np.arange(len(labels))
    thresholds = np.quantile(scores, np.linspace(1, 0, 201))
    areas = []
    for buffer in range(0, longest + 1, 8):
        soft = labels.astype(float)
        for start, end in runs:
            distance = np.maximum(np.maximum(start - at, at - end + 1), 0)
            near = distance <= buffer // 2
            soft[near] = np.maximum(soft[near], np.sqrt(1 - distance[near] / (buffer + 1)))
        positives = (labels.sum() + soft.sum()) / 2
        precision, recall = [1.0], [0.0]
        for threshold in thresholds:
            alarms = scores >= threshold
            hit = soft[alarms].sum()
            exists = np.mean(
                [
                    (alarms & (soft > 0))[a - min(a, buffer // 2) : b + buffer // 2].any()
                    for a, b in runs
                ]
            )
            recall.append(min(hit / positives, 1) * exists)
            precision.append(hit / alarms.sum())
        areas.append(float(np.sum(np.diff(recall) * np.array(precision[1:]))))
    return float(np.mean(areas))


def range_recall(labels: np.ndarray, scores: np.ndarray) -> float:
    alarms = np.argsort(-scores, kind="stable")[: labels.sum()]
    alarmed = np.isin(np.arange(len(labels)), alarms)
    return float(np.mean([alarmed[start:end].any() for start, end in runs_of(labels)]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", type=Path, required=True)
    parser.add_argument("--results", type=Path, help="default: results/anomalies.csv")
    parser.add_argument("--encoder", action="store_true", help="the detector alone, with one")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    tasks = [*labelled(arguments.data_home), *made(arguments.data_home)]
    methods, name = METHODS, "anomalies.csv"
    if arguments.encoder:
        first = tasks[: len(tasks) - (N_DRAWS - 1) * 2 * len(CHANNELS) * len(KINDS)]
        tasks = [task for task in first if task[0] != "ETTh1 itself"]
        methods, name = ENCODERS, "anomalies_encoder.csv"
    path = arguments.results or Path(__file__).parent / "results" / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        columns = ("ap", "auc", "vus_pr", "range_recall", "cpu_seconds")
        writer.writerow(("set", "kind", "series", "method", *columns))
        for number, task in enumerate(tasks):
            writer.writerows(measured(number, task, methods))
            file.flush()


def measured(number: int, task: Task, methods: dict[str, Score]) -> Iterator[tuple[object, ...]]:
    """Rows of a task."""
    name, kind, train, x, labels, season = task
    for method, score in methods.items():
        start = time.process_time()
        scores = score(train, x, season)
        seconds = time.process_time() - start
        if name == "NAB":
            scores = maximum_filter1d(scores, SPREAD)
        values = [
            measure(labels, scores)
            for measure in (average_precision_score, roc_auc_score, vus_pr, range_recall)
        ]
        numbers = [f"{value:.4f}" for value in values]
        yield (name, kind, number, method, *numbers, f"{seconds:.2f}")


if __name__ == "__main__":
    main()
