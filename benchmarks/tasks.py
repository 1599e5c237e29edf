"""What the benchmarks are measured on: small archive sets, and large pools with few labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from simmtm_sk.datasets import Home, Panel, load_dataset, load_esr, load_ett, load_hmp

SMALL = (
    "GunPoint",
    "ItalyPowerDemand",
    "ArrowHead",
    "OSULeaf",
    "ECG200",
    "ECGFiveDays",
    "CBF",
    "SyntheticControl",
    "SwedishLeaf",
    "Plane",
    "BasicMotions",
    "JapaneseVowels",
    "UWaveGestureLibrary",
)
# The rest of the archive sets at hand: measured, but nothing was chosen on them.
MORE_SMALL = ("Coffee", "FaceFour", "Lightning7", "PowerCons", "UMD")
POOLS = ("HMP", "ESR", "Crop", "MelbournePedestrian", "FaceAll", "ETTh1")
EPILEPSY = ("Epilepsy", "Epilepsy, recordings")
REGRESSION = ("Tecator", "Covid3Month")

N_EVALUATED = 1500  # largest validation and test part of a pool task
SEED = 20260


@dataclass(frozen=True)
class SmallTask:
    """A few labelled series; the original training and test part."""

    name: str
    X_train: Panel  # (n, C, L) float32, or a list of (C, L_i) when lengths differ
    y_train: np.ndarray
    X_test: Panel
    y_test: np.ndarray


@dataclass(frozen=True)
class PoolTask:
    """Many series of which k per class are labelled.

    Labels of the pool serve for nothing but to draw those k. Everything is chosen on ``val``;
    ``test`` is opened once, for the final table. Missing values are NaN.
    """

    name: str
    X_pool: np.ndarray  # (n, C, L) float32
    y_pool: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def load_small(name: str, data_home: Home = None) -> SmallTask:
    """Load one of `SMALL`."""
    X_train, y_train = load_dataset(name, split="train", data_home=data_home)
    X_test, y_test = load_dataset(name, split="test", data_home=data_home)
    return SmallTask(name, _float32(X_train), y_train, _float32(X_test), y_test)


def load_epilepsy(name: str, data_home: Home = None) -> PoolTask:
    """Load one of `EPILEPSY`: tell windows of EEG with a seizure from all others.

    "Epilepsy" has the parts of the TF-C benchmark, as the data file marks them: 60 windows to train
    on and 20 to validate on, half of either from the rare class, and the other 11 420 to test on.
    Nothing is drawn here. The 60 windows are also all there is to pre-train on: the others belong
    to validation and test. All parts share recordings, so that a window of the test part may be the
    next second of one in the training part.

    "Epilepsy, recordings" keeps every recording in one part; the parts are those of the task ESR,
    with all their windows. Pre-training has the pool of 6 900 windows.

    The values are those of the recording. (The benchmark's own files scale every time step by its
    minimum and maximum over all windows, the test part's too.)
    """
    esr = load_esr(data_home)
    if name == "Epilepsy":
        parts = [np.flatnonzero(esr.split == part) for part in ("train", "val", "test")]
        arrays = _parts(esr.data, esr.target, *parts)
    else:
        arrays = _grouped(**esr)
    arrays[1::2] = [np.where(y == "S", "seizure", "rest") for y in arrays[1::2]]
    return PoolTask(name, *arrays)


def load_pool(name: str, data_home: Home = None) -> PoolTask:
    """Load one of `POOLS`: HMP and ESR by whole volunteers and recordings, ETTh1 by time."""
    loaders: dict[str, Callable[[Home], list[np.ndarray]]] = {
        "HMP": lambda home: _grouped(**load_hmp(home)),
        "ESR": lambda home: _grouped(**load_esr(home)),
        "Crop": _crop,
        "ETTh1": _etth1,
    }
    loaded = loaders[name](data_home) if name in loaders else _archive(name, data_home)
    X_pool, y_pool, *evaluated = loaded
    X_val, y_val = _capped(*evaluated[:2])
    X_test, y_test = _capped(*evaluated[2:])
    X_pool, X_val, X_test = (X.astype(np.float32) for X in (X_pool, X_val, X_test))
    return PoolTask(name, X_pool, y_pool, X_val, y_val, X_test, y_test)


def _float32(X: Panel) -> Panel:
    if isinstance(X, list):
        return [one.astype(np.float32) for one in X]
    return X.astype(np.float32)


def _capped(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if len(y) <= N_EVALUATED:
        return X, y
    kept, _ = train_test_split(
        np.arange(len(y)), train_size=N_EVALUATED, stratify=y, random_state=SEED
    )
    kept.sort()
    return X[kept], y[kept]


def _parts(X: np.ndarray, y: np.ndarray, *parts: np.ndarray) -> list[np.ndarray]:
    """X and y of every part, in the original order."""
    return [array[np.sort(part)] for part in parts for array in (X, y)]


def _grouped(
    data: np.ndarray, target: np.ndarray, groups: np.ndarray, **unused: np.ndarray
) -> list[np.ndarray]:
    """Deal whole groups out to pool, val and test (60 / 20 / 20 %).

    Groups are of very unequal size and few show every class (one HMP volunteer made half of all
    windows, and two activities alone): of 1 000 random deals, the one that shows most classes in
    all parts, then the one whose shares are nearest.
    """
    names, group = np.unique(groups, return_inverse=True)
    classes, label = np.unique(target, return_inverse=True)
    counts = np.zeros((len(names), len(classes)), dtype=int)
    np.add.at(counts, (group, label), 1)
    wanted = np.array([0.6, 0.2, 0.2])
    rng = np.random.default_rng(SEED)
    deals = []
    for _ in range(1000):
        order = rng.permutation(len(names))
        filled = (counts[order].sum(1).cumsum() - counts[order].sum(1) / 2) / len(target)
        part_of = np.empty(len(names), dtype=int)
        part_of[order] = np.searchsorted([0.6, 0.8], filled)
        held = np.stack([counts[part_of == part].sum(0) for part in range(3)])
        shared = int((held > 0).all(0).sum())
        deals.append((-shared, float(abs(held.sum(1) / len(target) - wanted).sum()), part_of))
    part = min(deals, key=lambda deal: deal[:2])[2][group]
    return _parts(data, target, *(np.flatnonzero(part == i) for i in range(3)))


def _crop(data_home: Home) -> list[np.ndarray]:
    """Only the training file of Crop is at hand: an own stratified split of it, 60 / 20 / 20 %."""
    X, y = load_dataset("Crop", split="train", data_home=data_home)
    pool, rest = train_test_split(np.arange(len(y)), test_size=0.4, stratify=y, random_state=SEED)
    val, test = train_test_split(rest, test_size=0.5, stratify=y[rest], random_state=SEED)
    return _parts(np.asarray(X), y, pool, val, test)


def _archive(name: str, data_home: Home) -> list[np.ndarray]:
    """Original test part; a stratified quarter of the training part is val, the rest the pool."""
    X, y = load_dataset(name, split="train", data_home=data_home)
    X_test, y_test = load_dataset(name, split="test", data_home=data_home)
    pool, val = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=SEED)
    return [*_parts(np.asarray(X), y, pool, val), np.asarray(X_test), y_test]


def _etth1(data_home: Home) -> list[np.ndarray]:
    """Tell the seven variables apart: ETT has no labels, so the variable is the class.

    Windows of 96 hours of one variable, every 24 hours, cut inside the 12 / 4 / 4 months of the
    forecasting protocol, so that none crosses from one part into the next. Every variable is
    standardised with its statistics in the first 12 months: its level and scale do not give it
    away.
    """
    ett = load_ett("ETTh1", data_home)
    train = ett.data[:8640]
    values = (ett.data - train.mean(0)) / train.std(0)
    arrays = []
    for start, stop in ((0, 8640), (8640, 11520), (11520, 14400)):
        windows = np.lib.stride_tricks.sliding_window_view(values[start:stop], 96, axis=0)[::24]
        arrays += [windows.reshape(-1, 1, 96), np.tile(ett.feature_names, len(windows))]
    return arrays
