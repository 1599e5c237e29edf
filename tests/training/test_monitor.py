"""Callbacks, lines and checkpoints of whole fits: the same protocol for every estimator."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from simmtm_sk import PatchEncoder, SimMTMClassifier, SimMTMForecaster, SimMTMRegressor
from simmtm_sk.training.checkpoint import unpacked
from tests.small import X, small

SETTINGS = {"strategy": "fine-tune", "num_epochs": 15, "batch_size": 8, "random_state": 0}
SETTINGS["patience"] = None
TIME = np.arange(60.0)
SERIES = pd.Series(np.sin(TIME) + TIME / 30)


def classifier(**params):
    return SimMTMClassifier(transformer=small(**params), **SETTINGS)


def regressor(**params):
    return SimMTMRegressor(transformer=small(**params), **SETTINGS)


def forecaster(**params):
    encoder = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)
    transformer = small(encoder=encoder, num_epochs=2, **params)
    return SimMTMForecaster(transformer=transformer, context_length=8, **SETTINGS)


def fit(estimator):
    if isinstance(estimator, SimMTMForecaster):
        return estimator.fit(SERIES, fh=[1, 2])
    return estimator.fit(X, np.arange(len(X)) % 2)


def predicted(estimator):
    if isinstance(estimator, SimMTMForecaster):
        return estimator.predict().to_numpy()
    return (
        estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)
    )


every_estimator = pytest.mark.parametrize("make", [classifier, regressor, forecaster])


class Recorder:
    """A scikit-learn callback that keeps what it is told, and may stop or interrupt the fit."""

    def __init__(self, at=None, then=None):
        self.at, self.then, self.began, self.ended = at, then, [], []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context, *, metadata=None):
        self.began.append(self.path(context))

    def on_fit_task_end(self, estimator, context, *, metadata=None):
        path = self.path(context)
        self.ended.append((path, metadata))
        if path == self.at:
            return self.then()
        return False

    def path(self, context):
        """Names of the task and of what it is a part of."""
        names = []
        while context is not None:
            names.insert(0, context.source_task_name or context.task_name)
            context = context.parent
        return "/".join(names)


@every_estimator
def test_callbacks_see_the_steps_and_the_model_of_every_training(make):
    callback = Recorder()
    estimator = fit(make().set_callbacks(callback))
    assert sorted(callback.began) == sorted(path for path, _ in callback.ended)
    told = dict(callback.ended)
    for part, history in (
        ("pre-training", estimator.transformer_.history_),
        ("fine-tuning", estimator.history_),
    ):
        assert len(history) >= 1
        for record in history:
            path = f"fit/{part}/epoch {record['epoch']}"
            assert told[path]["record"] == record
            assert isinstance(told[path]["model"], torch.nn.Module)
            step = told[f"{path}/step 1"]
            assert step["model"] is told[path]["model"]
            assert np.isfinite(float(step["losses"]["total"]))
    assert callback.began[0] == "fit"
    assert callback.ended[-1][0] == "fit"


@every_estimator
def test_a_callback_stops_fine_tuning(make):
    whole = fit(make())
    first = whole.history_[0]["epoch"]
    callback = Recorder(f"fit/fine-tuning/epoch {first}", lambda: True)
    stopped = fit(make().set_callbacks(callback))
    assert [record["epoch"] for record in stopped.history_] == [first]
    assert len(whole.history_) > 1
    assert np.isfinite(predicted(stopped)).all()


def test_callbacks_change_no_result():
    expected = predicted(fit(classifier()))
    np.testing.assert_array_equal(predicted(fit(classifier().set_callbacks(Recorder()))), expected)


class Everywhere(Recorder):
    """Handed down by a search to all that it fits."""

    max_propagation_depth = None


def test_a_search_hands_callbacks_down_to_every_training():
    callback = Everywhere()
    search = GridSearchCV(classifier(), {"lr": [1e-3]}, cv=2, refit=False)
    search.set_callbacks(callback).fit(X, np.arange(len(X)) % 2)
    steps = [path for path in callback.began if path.endswith("step 1")]
    assert any("pre-training" in path for path in steps)
    assert any("fine-tuning" in path for path in steps)


@every_estimator
def test_lines_say_what_happens(make, capsys):
    fit(make())
    assert capsys.readouterr() == ("", "")
    estimator = fit(make().set_params(verbose=1))
    lines = capsys.readouterr().out.splitlines()
    pattern = r"\[SimMTM\] {}, epoch \d+ of \d+: .*training loss \d.*, at most \d+ s left"
    for part, history in (
        ("pre-training", estimator.transformer_.history_),
        ("fine-tuning", estimator.history_),
    ):
        matching = [line for line in lines if re.fullmatch(pattern.format(part), line)]
        assert len(matching) == len(history) > 0
        assert all(
            ("held-out error" in line) == ("valid_criterion" in history[0]) for line in matching
        )
    assert any("fitting" in line for line in lines)
    assert estimator.transformer_.verbose == 0  # as it was given


# -- checkpoints ----------------------------------------------------------------------------------


class Killed(BaseException):
    """What no handler may catch, as none catches kill -9."""


def kill():
    raise Killed


def trained_epochs(callback):
    return [path for path in callback.began if re.search(r"epoch \d+$", path)]


@every_estimator
def test_fine_tuning_continues_from_its_checkpoint(tmp_path, make):
    """A fit that was killed there repeats neither pre-training nor what was fine-tuned."""
    everything = Recorder()
    whole = fit(make().set_callbacks(everything))
    at = f"fit/fine-tuning/epoch {whole.history_[1]['epoch']}"
    with pytest.raises(Killed):
        fit(make(checkpoint_dir=tmp_path).set_callbacks(Recorder(at, kill)))
    assert len(list(tmp_path.glob("*.pt"))) == 2  # of both trainings
    rest = Recorder()
    resumed = fit(make(checkpoint_dir=tmp_path).set_callbacks(rest))
    np.testing.assert_array_equal(predicted(resumed), predicted(whole))
    done = [path for path in trained_epochs(everything) if "pre-training" in path]
    done += [f"fit/fine-tuning/epoch {record['epoch']}" for record in whole.history_[:2]]
    assert trained_epochs(rest) == trained_epochs(everything)[len(done) :]
    assert [{**r, "seconds": 0} for r in resumed.history_] == [
        {**r, "seconds": 0} for r in whole.history_
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [{"lr": 1e-2}, {"dropout": 0.2}, {"batch_size": 4}, {"random_state": 1}, {"patience": 3}],
    ids=str,
)
def test_other_settings_are_another_fine_tuning(tmp_path, change):
    first = fit(classifier()).history_[0]["epoch"]
    stop = Recorder(f"fit/fine-tuning/epoch {first}", lambda: True)
    fit(classifier(checkpoint_dir=tmp_path).set_callbacks(stop))
    assert len(list(tmp_path.glob("*.pt"))) == 2
    expected = fit(classifier().set_params(**change))
    changed = fit(classifier(checkpoint_dir=tmp_path).set_params(**change))
    np.testing.assert_array_equal(predicted(changed), predicted(expected))


def test_other_labels_are_another_fine_tuning(tmp_path):
    first = fit(classifier()).history_[0]["epoch"]
    stop = Recorder(f"fit/fine-tuning/epoch {first}", lambda: True)
    fit(classifier(checkpoint_dir=tmp_path).set_callbacks(stop))
    y = np.arange(len(X)) // 2 % 2
    expected = clone(classifier()).fit(X, y)
    resumed = classifier(checkpoint_dir=tmp_path).fit(X, y)
    np.testing.assert_array_equal(predicted(resumed), predicted(expected))


def test_a_checkpoint_of_fine_tuning_is_a_state_of_it(tmp_path):
    first = fit(classifier()).history_[0]["epoch"]
    stop = Recorder(f"fit/fine-tuning/epoch {first}", lambda: True)
    fit(classifier(checkpoint_dir=tmp_path).set_callbacks(stop))
    states = [unpacked(f.read_bytes(), torch.device("cpu")) for f in tmp_path.glob("*.pt")]
    assert sum("head.weight" in state["model"] for state in states) == 1
