"""What stopping hopeless settings early saves: halving and pruning beside whole searches.

python benchmarks/search_early.py [--results DIR]

Halving: nine settings of mask_ratio × constraint_weight, whole by GridSearchCV and with
HalvingGridSearchCV over the epochs of pre-training; two folds of the training part of OSULeaf
(every fourth point), the ridge on what the encoder has learned. Pruning: nine settings of lr ×
temperature, which leave the held-out error comparable, whole and with optuna's median pruner, which
is told of every evaluation. Writes results/search_early.csv anew: processor seconds, epochs of
pre-training, the setting that was found, and its score with all epochs.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import optuna
import torch
from probe import RESULTS, Row, provenance, write_rows
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import RidgeClassifierCV
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, KFold
from sklearn.pipeline import make_pipeline

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.datasets import load_dataset

EPOCHS, FACTOR, FOLDS = 27, 3, KFold(2, shuffle=True, random_state=0)
GRID = {
    "simmtmtransformer__mask_ratio": [0.25, 0.5, 0.75],
    "simmtmtransformer__constraint_weight": [0.0, 0.1, 1.0],
}
RATES, TEMPERATURES = (1e-2, 3e-3, 3e-5), (0.02, 0.1, 0.5)
LEARNED = SimMTMTransformer(
    encoder=ConvEncoder(d_model=16, n_layers=4),
    pooling=("max", "min", "std", "ppv"),
    neighborhood_weight=0.0,
    num_epochs=EPOCHS,
    patience=None,
    random_state=0,
)
PIPELINE = make_pipeline(LEARNED, RidgeClassifierCV(np.logspace(-3, 3, 7)))

Found = tuple[int, dict[str, object], float]  # epochs, setting, score with all epochs


class Pruning:
    """A callback that reports every evaluation to optuna, and ends what is to be pruned."""

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial, self.pruned = trial, False

    def setup(self, estimator, context) -> None: ...

    def teardown(self, estimator, context) -> None: ...

    def on_fit_task_begin(self, estimator, context) -> None: ...

    def on_fit_task_end(self, estimator, context, *, metadata=None) -> bool:
        record = (metadata or {}).get("record")
        if record is not None:
            self.trial.report(record["valid_criterion"], int(record["epoch"]))
            self.pruned = self.trial.should_prune()
        return self.pruned


def grid(X: np.ndarray, y: np.ndarray) -> Found:
    search = GridSearchCV(PIPELINE, GRID, cv=FOLDS, refit=False).fit(X, y)
    n_epochs = EPOCHS * len(search.cv_results_["params"]) * search.n_splits_
    return n_epochs, search.best_params_, search.best_score_


def halving(first: int, X: np.ndarray, y: np.ndarray) -> Found:
    """Train all settings for ``first`` epochs, the best third three times as long, and so on."""
    resource = "simmtmtransformer__num_epochs"
    search = HalvingGridSearchCV(
        PIPELINE,
        GRID,
        resource=resource,
        min_resources=first,
        max_resources=EPOCHS,
        factor=FACTOR,
        cv=FOLDS,
        refit=False,
    ).fit(X, y)
    used = itertools.starmap(
        int.__mul__, zip(search.n_candidates_, search.n_resources_, strict=True)
    )
    return search.n_splits_ * sum(used), search.best_params_, search.best_score_


def optimized(pruner: optuna.pruners.BasePruner, X: np.ndarray) -> Found:
    n_epochs = []

    def objective(trial: optuna.Trial) -> float:
        pruning = Pruning(trial)
        transformer = clone(LEARNED).set_params(
            lr=trial.suggest_categorical("lr", RATES),
            temperature=trial.suggest_categorical("temperature", TEMPERATURES),
        )
        transformer.set_callbacks(pruning).fit(X)
        n_epochs.append(transformer.n_epochs_)
        if pruning.pruned:
            raise optuna.TrialPruned
        return float(transformer.history_[-1]["valid_criterion"])

    study = optuna.create_study(pruner=pruner)
    for lr, temperature in itertools.product(RATES, TEMPERATURES):
        study.enqueue_trial({"lr": lr, "temperature": temperature})
    study.optimize(objective, n_trials=len(RATES) * len(TEMPERATURES))
    return sum(n_epochs), study.best_params, study.best_value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    X, y = load_dataset("OSULeaf", split="train")
    X = np.asarray(X)[:, :, ::4]
    median = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=6)
    searches: dict[str, Callable[[], Found]] = {
        "grid, whole": lambda: grid(X, y),
        "grid, halving from 3 epochs": lambda: halving(3, X, y),
        "grid, halving from 9 epochs": lambda: halving(9, X, y),
        "optuna, whole": lambda: optimized(optuna.pruners.NopPruner(), X),
        "optuna, pruned": lambda: optimized(median, X),
    }
    rows: list[Row] = []
    for name, search in searches.items():
        start = time.process_time()
        n_epochs, setting, score = search()
        seconds = round(time.process_time() - start, 1)
        found = " ".join(f"{k.rpartition('__')[2]}={v}" for k, v in setting.items())
        row = {"search": name, "seconds": seconds, "epochs": n_epochs, "found": found}
        rows.append({**row, "score": round(score, 5), **provenance()})
        print(*rows[-1].values(), flush=True)
    write_rows(arguments.results / "search_early.csv", rows)


if __name__ == "__main__":
    main()
