"""Regressors on the two sets bundled with sktime.

python benchmarks/regression.py [--time-limit S] [--methods NAME ...]
python benchmarks/regression.py --methods minirocket

The last line is a process of its own, because numba and torch share threads. All features are
behind the same ridge regression. Writes results/regression.csv, one row per run, with the columns
of classification.py, and goes on where an earlier call stopped.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from classification import (
    SEEDS,
    Features,
    Fitted,
    Prepared,
    Row,
    Run,
    timed,
    trained_seconds,
)
from probe import benchmark_parser, run_all
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import r2_score, root_mean_squared_error
from tasks import REGRESSION, load_small

from simmtm_sk import SimMTMRegressor
from simmtm_sk.probing import regression_head

TORCH_METHODS = ("probe", "fine-tune", "from-scratch", "untrained", "raw")


def fit_head(task: Prepared, E: Features) -> Fitted:
    """The same as ``SimMTMRegressor(FrozenEstimator(encoder)).fit(X, y)``, for any features."""
    head, seconds = timed(regression_head, E.train, task.y)
    seconds += E.seconds["train"]
    return Fitted(
        lambda part: head.scores(E.parts[part])[:, 0], None, E.pretrain_seconds, seconds, E.seconds
    )


def fit_strategy(task: Prepared, strategy: str) -> Fitted:
    encoder = FrozenEstimator(task.encoder)
    regressor = SimMTMRegressor(transformer=encoder, strategy=strategy, random_state=task.seed)
    _, seconds = timed(regressor.fit, task.X, task.y)
    pretrain_seconds = 0.0 if strategy == "from-scratch" else trained_seconds(task.encoder)
    return Fitted(
        lambda part: regressor.predict(task.parts[part][0]), None, pretrain_seconds, seconds
    )


METHODS: dict[str, Callable[[Prepared], Fitted]] = {
    "probe": lambda task: fit_head(task, task.probe),
    "fine-tune": partial(fit_strategy, strategy="fine-tune"),
    "from-scratch": partial(fit_strategy, strategy="from-scratch"),
    "untrained": lambda task: fit_head(task, task.untrained),
    "raw": lambda task: fit_head(task, task.raw),
    "minirocket": lambda task: fit_head(task, task.minirocket),
}


def planned(tasks: list[str], methods: list[str]) -> list[list[Run]]:
    """All runs, a group for every seed and task."""
    return [
        [
            {"task": task, "method": method, "seed": seed}
            for method in methods
            if seed == 0 or method != "raw"
        ]
        for seed in range(SEEDS)
        for task in tasks
    ]


def scored(fitted: Fitted, y: np.ndarray) -> Row:
    predicted, seconds = timed(fitted.predict, "test")
    return {
        "part": "test",
        "rmse": round(float(root_mean_squared_error(y, predicted)), 6),
        "r2": round(float(r2_score(y, predicted)), 5),
        "pretrain_seconds": round(fitted.pretrain_seconds, 2),
        "fit_seconds": round(fitted.fit_seconds, 3),
        "predict_seconds": round(fitted.embed_seconds.get("test", 0.0) + seconds, 3),
    }


def measured(runs: list[Run]) -> Iterator[tuple[Run, list[Row]]]:
    loaded = load_small(str(runs[0]["task"]))
    parts = {"test": (loaded.X_test, loaded.y_test)}
    task = Prepared(loaded.X_train, loaded.y_train, parts, int(runs[0]["seed"]))
    for run in runs:
        yield run, [scored(METHODS[run["method"]](task), loaded.y_test)]


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=REGRESSION, default=REGRESSION)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=TORCH_METHODS)
    arguments = parser.parse_args()
    if "minirocket" in arguments.methods and len(arguments.methods) > 1:
        parser.error("minirocket needs a process of its own")
    groups = planned(arguments.tasks, arguments.methods)
    run_all("regression.csv", groups, measured, arguments)


if __name__ == "__main__":
    main()
