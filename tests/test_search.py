"""Searches pre-train no more often than they have to, whatever runs them."""

import errno
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    cross_val_score,
)
from sktime.classification.model_selection import TSCGridSearchCV

from simmtm_sk import SimMTMTransformer
from simmtm_sk.nn.masking import geometric_mask
from tests.classifiers import X, classifier, same_weights, small, y
from tests.small import CONV

HEADS = {"head": ["auto", "ridge", "logistic", "spread"]}
IN_TWO_PROCESSES = [
    (GridSearchCV, {"n_jobs": 2}),
    (TSCGridSearchCV, {"backend": "loky", "backend_params": {"n_jobs": 2}}),
]


@dataclass
class RecordedMask:
    """Adds a byte to a file with every step, whichever process trains; kills it after so many."""

    file: str
    last_step: int | None = None

    def __call__(self, *args):
        with Path(self.file).open("ab") as file:
            file.write(b".")
        if self.last_step is not None and Path(self.file).stat().st_size >= self.last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        return geometric_mask(*args)


@pytest.fixture
def steps(tmp_path):
    return tmp_path / "steps"


def recorded(steps, last_step=None, **params):
    """Return a transformer whose epochs are one step, and that embeds in no time."""
    mask = RecordedMask(str(steps), last_step)
    given = {"masking": mask, "pooling": ("max", "std"), "neighborhood_weight": 0.0}
    return small(**{**given, "random_state": 0, **params})


def search_over_heads(search, folder, steps, **params):
    estimator = classifier(transformer=recorded(steps, memory=folder))
    return search(estimator, HEADS, cv=KFold(3), error_score="raise", **params).fit(X, y)


def scores(search):
    return [search.cv_results_[f"split{i}_test_score"].tolist() for i in range(3)]


def compare_searches(search, tmp_path, steps, **params):
    """With a cache there are 3 + 1 pre-trainings for 4 heads in 3 folds, and none the next time."""
    plain = search_over_heads(search, None, steps)
    assert len(steps.read_bytes()) == 4 * 3 + 1
    cached = search_over_heads(search, str(tmp_path / "cache"), steps, **params)
    assert len(steps.read_bytes()) == (4 * 3 + 1) + (3 + 1)
    again = search_over_heads(search, str(tmp_path / "cache"), steps, **params)
    assert len(steps.read_bytes()) == (4 * 3 + 1) + (3 + 1)
    assert scores(plain) == scores(cached) == scores(again)


@pytest.mark.parametrize("search", [GridSearchCV, TSCGridSearchCV])
def test_a_search_over_heads_pretrains_once_per_fold(search, tmp_path, steps):
    compare_searches(search, tmp_path, steps)


# scikit-learn hands out folds to its processes, sktime whole settings: there both want the same
# fold at once
@pytest.mark.slow  # two worker processes import everything first
@pytest.mark.parametrize(("search", "params"), IN_TWO_PROCESSES)
def test_two_processes_share_a_cache(search, params, tmp_path, steps):
    compare_searches(search, tmp_path, steps, **params)


def test_heads_are_tuned_on_one_pretraining_of_all_series(steps):
    transformer = recorded(steps).fit(X)
    frozen = classifier(transformer=FrozenEstimator(transformer))
    search = GridSearchCV(frozen, HEADS, cv=3, error_score="raise").fit(X, y)
    assert len(steps.read_bytes()) == 1
    assert same_weights(search.best_estimator_.transformer_, transformer)


FIT = """
import sys
from tests.classifiers import X
from tests.test_search import recorded

file, folder, last_step = sys.argv[1:]
recorded(file, memory=folder, num_epochs=4, last_step=int(last_step)).fit(X)
"""


def fit_in_another_process(steps, folder, last_step):
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-c", FIT, str(steps), str(folder), str(last_step)]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.run(command, env=environment, check=False, timeout=120).returncode


@pytest.mark.slow  # another process imports everything first
def test_a_run_that_was_killed_leaves_nothing_to_use(tmp_path, steps):
    """Nor does an entry that was written in part."""
    cache = tmp_path / "cache"
    assert fit_in_another_process(steps, cache, last_step=2) == -signal.SIGKILL
    assert len(steps.read_bytes()) == 2
    assert list(cache.rglob("output.pkl")) == []

    settings = {"num_epochs": 4, "last_step": 99}
    cached = recorded(steps, **settings, memory=str(cache)).fit(X)
    assert len(steps.read_bytes()) == 2 + 4
    (entry,) = cache.rglob("output.pkl")
    entry.write_bytes(entry.read_bytes()[:1000])
    again = recorded(steps, **settings, memory=str(cache)).fit(X)
    assert len(steps.read_bytes()) == 2 + 4 + 4
    plain = recorded(steps, **settings).fit(X)
    assert same_weights(cached, plain)
    assert same_weights(again, plain)


@pytest.mark.slow  # another process imports everything first
def test_another_process_finds_what_was_trained_here(tmp_path, steps):
    """Also in the second folder that this process has used as a cache."""
    for folder in ("one", "two"):
        recorded(steps, memory=str(tmp_path / folder), num_epochs=4, last_step=99).fit(X)
    assert len(steps.read_bytes()) == 2 * 4
    assert fit_in_another_process(steps, tmp_path / "two", last_step=99) == 0
    assert len(steps.read_bytes()) == 2 * 4


def test_where_nothing_can_be_locked_nobody_waits(tmp_path, steps, monkeypatch):
    def refuse(self, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    first, again = (recorded(steps, memory=str(tmp_path / "cache")).fit(X) for _ in range(2))
    assert len(steps.read_bytes()) == 1
    assert same_weights(first, again)


# -- what a search can reach ----------------------------------------------------------------------

CHOICES = {"mask_ratio": 0.2, "n_masks": 3, "temperature": 0.5, "constraint_weight": 1.0}


def embedded(**params):
    """The whole embedding, of a short training unless ``num_epochs`` says otherwise."""
    given = {"encoder": CONV, "num_epochs": 5, "random_state": 0, "device": "cpu"}
    return SimMTMTransformer(**{**given, **params}).fit_transform(X)


def changed(one, other):
    """Root mean square of the change, in standard deviations of all numbers."""
    return np.sqrt(np.square(one - other).mean()) / one.std()


@pytest.mark.parametrize("name", CHOICES)
def test_every_parameter_of_the_method_reaches_the_embedding(name):
    """Fifteen steps are enough."""
    usual, choice = embedded(batch_size=8), embedded(batch_size=8, **{name: CHOICES[name]})
    assert changed(usual, choice) > 0.01


@pytest.mark.parametrize("name", CHOICES)
def test_what_cannot_reach_the_embedding_is_said(name, recwarn):
    """Where "auto" trains nothing, masks reach the metric of the embedding, and τ and λ nothing."""
    usual = embedded(num_epochs="auto")
    choice = embedded(num_epochs="auto", **{name: CHOICES[name]})
    said = [str(warning.message) for warning in recwarn]
    if name in ("temperature", "constraint_weight"):
        np.testing.assert_array_equal(usual, choice)
        assert len(said) == 1
        assert said[0].startswith(f"{name} without effect: num_epochs='auto' does not train on 24")
    else:
        assert changed(usual, choice) > 0.01
        assert said == []


def test_the_control_without_training_is_not_warned_of(recwarn):
    embedded(num_epochs=0, temperature=0.5)
    assert [str(warning.message) for warning in recwarn] == []


# -- stopping the hopeless early ------------------------------------------------------------------


def test_halving_trains_few_candidates_long(steps):
    """Nine for one epoch, three for three, one for nine: 27 epochs a fold instead of 81."""
    grid = {
        "transformer__mask_ratio": [0.25, 0.5, 0.75],
        "transformer__constraint_weight": [0.0, 0.1, 1.0],
    }
    estimator = classifier(transformer=recorded(steps))
    search = HalvingGridSearchCV(
        estimator,
        grid,
        resource="transformer__num_epochs",
        max_resources=9,
        cv=KFold(2),
        error_score="raise",
    ).fit(X, y)
    assert search.n_candidates_ == [9, 3, 1]
    assert search.n_resources_ == [1, 3, 9]
    assert len(steps.read_bytes()) == 2 * (9 * 1 + 3 * 3 + 1 * 9) + 9
    assert search.best_params_["transformer__num_epochs"] == 9
    chosen = clone(estimator).set_params(**search.best_params_)
    by_hand = cross_val_score(chosen, X, y, cv=KFold(2))
    assert search.best_score_ == pytest.approx(by_hand.mean())


def test_halving_over_the_epochs_of_fine_tuning_is_told_what_it_does():
    """They mean nothing to a linear probe."""
    search = HalvingGridSearchCV(
        classifier(transformer=recorded("", num_epochs="auto")),
        {"transformer__mask_ratio": [0.25, 0.75]},
        resource="num_epochs",
        max_resources=2,
        factor=2,
        cv=KFold(2),
        error_score="raise",
    )
    says = (
        r"num_epochs=[12] is of fine-tuning, .*'linear-probe' has none; .*transformer__num_epochs"
    )
    with pytest.warns(UserWarning, match=says):
        search.fit(X, y)


class Pruning:
    """Reports every evaluation to optuna, and ends a training that is to be pruned."""

    def __init__(self, trial):
        self.trial, self.pruned = trial, False

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        record = (metadata or {}).get("record")
        if record is None:
            return False
        self.trial.report(record["valid_criterion"], int(record["epoch"]))
        self.pruned = self.trial.should_prune()
        return self.pruned


def test_optuna_prunes_trainings(steps):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rates = [1e-2, 1e-3, 1e-7, 1e-6]

    def study(pruner):
        def objective(trial):
            pruning = Pruning(trial)
            lr = trial.suggest_categorical("lr", rates)
            transformer = recorded(steps, num_epochs=40, lr=lr, batch_size=12).set_params(
                validation_fraction=0.25, patience=None
            )
            transformer.set_callbacks(pruning).fit(X)
            if pruning.pruned:
                raise optuna.TrialPruned
            return transformer.history_[-1]["valid_criterion"]

        steps.unlink(missing_ok=True)
        study = optuna.create_study(pruner=pruner)
        for lr in rates:
            study.enqueue_trial({"lr": lr})
        study.optimize(objective, n_trials=len(rates))
        return study, len(steps.read_bytes())

    whole, n_whole = study(optuna.pruners.NopPruner())
    pruned, n_pruned = study(optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=10))
    assert pruned.best_params == whole.best_params
    assert pruned.best_value == whole.best_value
    assert "PRUNED" in {trial.state.name for trial in pruned.trials}
    assert n_pruned < 0.8 * n_whole
