"""Classifiers on every set at hand, with 1, 5, 10 or all labels per class.

python benchmarks/classification.py --data-home DIR [--shard I/N] [--time-limit S]
    [--tasks NAME ...] [--methods NAME ...] [--labels-per-class K ...] [--cache DIR]
python benchmarks/classification.py --data-home DIR --methods minirocket minirocket-spread \
    minirocket-ridge multirocket dtw

The last call is a process of its own, because numba and torch share threads. With few labels, the
whole training part is the unlabelled pool. An encoder is pre-trained once per set and seed, and all
strategies start from it; ``--cache`` keeps it for later calls. Writes results/classification.csv,
one row per run and evaluated part, and goes on where an earlier call stopped.

Columns: ``draw`` of the labelled series (with all labels: the seed); ``pretrain_seconds``, of what
needs no labels, once per set and seed; ``fit_seconds``, from the labels on, embedding the training
part included; ``predict_seconds``, all series of the part. ``log_loss`` and ``ece`` are empty for
methods without probabilities.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from baselines import Embed, fit_minirocket, fit_multirocket, fit_raw, interpolated
from probe import (
    benchmark_parser,
    draw_labelled,
    label_scores,
    pretraining_epochs,
    probability_scores,
    run_all,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tasks import EPILEPSY, MORE_SMALL, POOLS, SMALL, load_epilepsy, load_pool, load_small

from simmtm_sk import PatchEncoder, SimMTMClassifier, SimMTMTransformer
from simmtm_sk.data import panel_values
from simmtm_sk.datasets import Home, Panel
from simmtm_sk.probing import classification_head

SEEDS = 3
DRAWS = 5  # draw d starts from the encoder of seed d % SEEDS
LABELS_PER_CLASS = (1, 5, 10, "all")
TFC_LABELS_PER_CLASS = 30  # of the 60 labelled windows in the TF-C benchmark
REGIMES = {"small": (*SMALL, *MORE_SMALL), "pool": POOLS, "epilepsy": EPILEPSY}

STRATEGIES = ("fine-tune", "probe-then-fine-tune", "from-scratch")
PATCHES = {"encoder": PatchEncoder(), "masking": "patch", "mask_length": 16.0}
PATCH_METHODS = ("patches", "untrained patches")  # on pools, where they learn most
SPREAD_METHODS = ("spread", "untrained spread", "minirocket-spread")  # with few labels
TORCH_METHODS = (
    "probe",
    "spread",
    *STRATEGIES,
    "chosen",
    "untrained",
    "untrained spread",
    *PATCH_METHODS,
    "raw",
)
NUMBA_METHODS = ("minirocket", "minirocket-spread", "minirocket-ridge", "multirocket", "dtw")
DETERMINISTIC = ("raw", "dtw")
DTW_SERIES, DTW_LENGTH = 200, 300  # 1-NN DTW only up to this size

Run = dict[str, object]
Row = dict[str, object]
Parts = dict[str, tuple[Panel, np.ndarray]]  # X and y of what is evaluated


def load_task(name: str, home: Home) -> tuple[Panel, np.ndarray, Parts]:
    """The training series, their labels, and the evaluated parts."""
    if name in REGIMES["small"]:
        task = load_small(name, home)
        return task.X_train, task.y_train, {"test": (task.X_test, task.y_test)}
    pool = (load_epilepsy if name in EPILEPSY else load_pool)(name, home)
    parts = {"val": (pool.X_val, pool.y_val), "test": (pool.X_test, pool.y_test)}
    return pool.X_pool, pool.y_pool, parts


def taken(X: Panel, rows: np.ndarray) -> Panel:
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


# -- features: what needs no labels ---------------------------------------------------------------


@dataclass
class Features:
    """Of the training part and of the evaluated parts, with the seconds each took."""

    train: np.ndarray
    parts: dict[str, np.ndarray]
    pretrain_seconds: float
    seconds: dict[str, float]


def timed(function: Callable, *arguments: object) -> tuple[object, float]:
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def features(X: Panel, parts: Parts, fit: Callable[[Panel], Embed]) -> Features:
    """Fit on the training series, embed all."""
    embed, pretrain_seconds = timed(fit, X)
    encoder = getattr(embed, "__self__", None)  # `transform` of a SimMTMTransformer
    if encoder is not None:
        pretrain_seconds = trained_seconds(encoder)
    embedded = {"train": timed(embed, X)}
    embedded |= {part: timed(embed, X_part) for part, (X_part, _) in parts.items()}
    arrays = {name: E for name, (E, _) in embedded.items()}
    seconds = {name: s for name, (_, s) in embedded.items()}
    return Features(arrays.pop("train"), arrays, pretrain_seconds, seconds)


def trained_seconds(encoder: SimMTMTransformer) -> float:
    """As recorded in training, so that an encoder from the cache does not seem free."""
    return sum(record["seconds"] for record in encoder.history_)


@dataclass
class Prepared:
    """A task with one seed; what its runs share is made when it is first asked for."""

    X: Panel
    y: np.ndarray
    parts: Parts
    seed: int
    cache: str | None = None

    def _encoder(self, **params: object) -> SimMTMTransformer:
        settings = {
            "num_epochs": pretraining_epochs(len(self.X)),
            "precision": "float32",
            "random_state": self.seed,
            "memory": self.cache,
        }
        encoder = SimMTMTransformer(**{**settings, **params}).fit(self.X)
        encoder.memory = None  # nothing to keep of what strategies make of it
        return encoder

    def _features(self, fit: Callable[[Panel, int], Embed]) -> Features:
        # these know no missing values
        parts = {p: (interpolated(copy.deepcopy(X)), y) for p, (X, y) in self.parts.items()}
        X = interpolated(copy.deepcopy(self.X))
        return features(X, parts, partial(fit, seed=self.seed))

    @cached_property
    def encoder(self) -> SimMTMTransformer:
        return self._encoder()

    @cached_property
    def probe(self) -> Features:
        return features(self.X, self.parts, lambda X: self.encoder.transform)

    @cached_property
    def untrained(self) -> Features:
        untrained = self._encoder(num_epochs=0)
        return features(self.X, self.parts, lambda X: untrained.transform)

    @cached_property
    def patches(self) -> Features:
        patches = self._encoder(**PATCHES)
        return features(self.X, self.parts, lambda X: patches.transform)

    @cached_property
    def untrained_patches(self) -> Features:
        untrained = self._encoder(**PATCHES, num_epochs=0)
        return features(self.X, self.parts, lambda X: untrained.transform)

    @cached_property
    def raw(self) -> Features:
        return self._features(fit_raw)

    @cached_property
    def minirocket(self) -> Features:
        return self._features(fit_minirocket)

    @cached_property
    def multirocket(self) -> Features:
        return self._features(fit_multirocket)


# -- methods: what happens with the labels --------------------------------------------------------


@dataclass
class Fitted:
    """A fitted classifier; ``predict`` gives probabilities of ``classes``, or labels if None."""

    predict: Callable[[str], np.ndarray]  # for the series of a part, by its name
    classes: np.ndarray | None
    pretrain_seconds: float
    fit_seconds: float
    embed_seconds: dict[str, float] = field(default_factory=dict)  # where features are shared


def fit_head(
    task: Prepared, E: Features, rows: np.ndarray, kind: str, spreads: bool = False
) -> Fitted:
    """Linear probe on features.

    The same as ``SimMTMClassifier(FrozenEstimator(encoder)).fit(X[rows], y[rows])``, up to rounding
    in the encoder, but features are computed once for all draws; if it ``spreads``, the same as
    with all of ``X`` and the other series marked as unlabelled.
    """
    classes, target = np.unique(task.y[rows], return_inverse=True)
    others = np.delete(E.train, rows, axis=0) if spreads else None
    head, seconds = timed(classification_head, E.train[rows], target, kind, None, others)
    seconds += E.seconds["train"]
    return Fitted(
        lambda part: head.probabilities(E.parts[part]),
        classes,
        E.pretrain_seconds,
        seconds,
        E.seconds,
    )


def fit_ridge(task: Prepared, E: Features, rows: np.ndarray) -> Fitted:
    """MiniRocket as most use it, with the classifier of the example in sktime's documentation."""
    ridge = RidgeClassifierCV(alphas=np.logspace(-3, 3, 10))
    pipeline = make_pipeline(StandardScaler(with_mean=False), ridge)
    _, seconds = timed(pipeline.fit, E.train[rows], task.y[rows])
    seconds += E.seconds["train"]
    return Fitted(
        lambda part: pipeline.predict(E.parts[part]), None, E.pretrain_seconds, seconds, E.seconds
    )


def fit_strategy(task: Prepared, rows: np.ndarray, strategy: str) -> Fitted:
    """Train encoder and head; "from-scratch" from the initial weights of the same encoder."""
    encoder = FrozenEstimator(task.encoder)
    classifier = SimMTMClassifier(transformer=encoder, strategy=strategy, random_state=task.seed)
    _, seconds = timed(classifier.fit, taken(task.X, rows), task.y[rows])
    pretrain_seconds = 0.0 if strategy == "from-scratch" else trained_seconds(task.encoder)
    return Fitted(
        lambda part: classifier.predict_proba(task.parts[part][0]),
        classifier.classes_,
        pretrain_seconds,
        seconds,
    )


def fit_chosen(task: Prepared, rows: np.ndarray) -> Fitted:
    """Linear probe or fine-tuning: the more accurate one in cross-validation, the probe if equal.

    On the labelled series alone; the encoder has seen all training series, but no label.
    """
    classifier = SimMTMClassifier(transformer=FrozenEstimator(task.encoder), random_state=task.seed)
    folds = StratifiedKFold(3, shuffle=True, random_state=task.seed)
    search = GridSearchCV(classifier, {"strategy": ["linear-probe", "fine-tune"]}, cv=folds)
    X, y = panel_values(taken(task.X, rows)), task.y[rows]
    _, seconds = timed(search.fit, X, y)
    return Fitted(
        lambda part: search.predict_proba(task.parts[part][0]),
        search.classes_,
        trained_seconds(task.encoder),
        seconds,
    )


def fit_dtw(task: Prepared, rows: np.ndarray) -> Fitted:
    """1-NN with dynamic time warping, full window."""
    from sktime.classification.distance_based import KNeighborsTimeSeriesClassifier

    classifier = KNeighborsTimeSeriesClassifier(distance="dtw")
    _, seconds = timed(classifier.fit, taken(task.X, rows), task.y[rows])
    return Fitted(lambda part: classifier.predict(task.parts[part][0]), None, 0.0, seconds)


METHODS: dict[str, Callable[[Prepared, np.ndarray], Fitted]] = {
    "probe": lambda task, rows: fit_head(task, task.probe, rows, "auto"),
    "spread": lambda task, rows: fit_head(task, task.probe, rows, "auto", True),
    **{strategy: partial(fit_strategy, strategy=strategy) for strategy in STRATEGIES},
    "chosen": fit_chosen,
    "untrained": lambda task, rows: fit_head(task, task.untrained, rows, "auto"),
    "untrained spread": lambda task, rows: fit_head(task, task.untrained, rows, "auto", True),
    "patches": lambda task, rows: fit_head(task, task.patches, rows, "auto"),
    "untrained patches": lambda task, rows: fit_head(task, task.untrained_patches, rows, "auto"),
    "raw": lambda task, rows: fit_head(task, task.raw, rows, "ridge"),
    "minirocket": lambda task, rows: fit_head(task, task.minirocket, rows, "auto"),
    "minirocket-spread": lambda task, rows: fit_head(task, task.minirocket, rows, "auto", True),
    "minirocket-ridge": lambda task, rows: fit_ridge(task, task.minirocket, rows),
    "multirocket": lambda task, rows: fit_head(task, task.multirocket, rows, "auto"),
    "dtw": fit_dtw,
}


def scored(fitted: Fitted, parts: Parts) -> list[Row]:
    """Scores and durations, a row for every part."""
    rows: list[Row] = []
    for part, (_, y) in parts.items():
        predicted, seconds = timed(fitted.predict, part)
        if fitted.classes is None:
            scores = label_scores(predicted, y)
        else:
            scores = probability_scores(fitted.classes, predicted, y)
        durations = {
            "pretrain_seconds": round(fitted.pretrain_seconds, 2),
            "fit_seconds": round(fitted.fit_seconds, 3),
            "predict_seconds": round(fitted.embed_seconds.get(part, 0.0) + seconds, 3),
        }
        rows.append({"part": part, **scores, **durations})
    return rows


def small_enough_for_dtw(X: Panel) -> bool:
    return len(X) <= DTW_SERIES and max(one.shape[1] for one in X) <= DTW_LENGTH


# -- runs -----------------------------------------------------------------------------------------


def planned(tasks: list[str], methods: list[str], labels: list[str]) -> list[list[Run]]:
    """All runs, a group for every seed and task; seed by seed, so that a time limit cuts off seeds.

    With all labels nothing is drawn; methods without chance then run once.
    """
    groups = []
    for seed in range(SEEDS):
        for regime, names in REGIMES.items():
            for name in (name for name in names if name in tasks):
                numbers = LABELS_PER_CLASS
                if name == "Epilepsy, recordings":
                    numbers = (*LABELS_PER_CLASS[:-1], TFC_LABELS_PER_CLASS, "all")
                groups.append(
                    [
                        {
                            "task": name,
                            "regime": regime,
                            "labels_per_class": k,
                            "draw": draw,
                            "method": method,
                            "seed": seed,
                        }
                        for k in numbers
                        if str(k) in labels
                        for draw in ([seed] if k == "all" else range(seed, DRAWS, SEEDS))
                        for method in methods
                        if k != "all" or seed == 0 or method not in DETERMINISTIC
                        if regime == "pool" or method not in PATCH_METHODS
                        if k != "all" or method not in SPREAD_METHODS
                        if regime == "small" or method != "multirocket"
                        if method != "chosen" or (regime == "small" and k == "all")
                    ]
                )
    return groups


def measured(runs: list[Run], arguments: argparse.Namespace) -> Iterator[tuple[Run, list[Row]]]:
    name = str(runs[0]["task"])
    X, y, parts = load_task(name, arguments.data_home)
    task = Prepared(X, y, parts, int(runs[0]["seed"]), arguments.cache)
    for run in runs:
        if run["method"] == "dtw" and not small_enough_for_dtw(X):
            continue
        if run["method"] == "multirocket" and isinstance(X, list):  # it knows one length
            continue
        rows = np.arange(len(y))
        if run["labels_per_class"] != "all":
            rows = draw_labelled(name, y, run["labels_per_class"], run["draw"])
        yield run, scored(METHODS[run["method"]](task, rows), parts)


def main() -> None:
    names = [name for names in REGIMES.values() for name in names]
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=TORCH_METHODS)
    numbers = [str(k) for k in (*LABELS_PER_CLASS, TFC_LABELS_PER_CLASS)]
    parser.add_argument(
        "--labels-per-class", nargs="+", choices=numbers, default=numbers, metavar="K"
    )
    parser.add_argument("--cache", default=None, help="folder for pre-trained encoders")
    arguments = parser.parse_args()
    if set(arguments.methods) & set(TORCH_METHODS) and set(arguments.methods) & set(NUMBA_METHODS):
        parser.error(f"{NUMBA_METHODS} need a process of their own")
    groups = planned(arguments.tasks, arguments.methods, arguments.labels_per_class)
    run_all("classification.csv", groups, partial(measured, arguments=arguments), arguments)


if __name__ == "__main__":
    main()
