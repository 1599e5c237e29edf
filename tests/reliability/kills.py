"""kill -9 at any moment: what is fitted again ends with the same bits, what is saved is whole."""

import hashlib
import json
import os
import pickle
import signal
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMRegressor,
    SimMTMTransformer,
    load,
)
from tests.reliability.artifact_fuzz import opened
from tests.reliability.outcome import Outcome

X = np.random.default_rng(0).normal(size=(32, 1, 24)).cumsum(2)
PATCHES = {"patch_length": 4, "d_model": 4, "n_layers": 1, "n_heads": 1, "d_feedforward": 4}


def transformer(num_epochs, folder, **params):
    given = {"encoder": ConvEncoder(d_model=8, n_layers=2, dropout=0.1), "projection_dim": 8}
    given |= {"batch_size": 4, "patience": None, "random_state": 0, "device": "cpu"}
    return SimMTMTransformer(**(given | params), num_epochs=num_epochs, checkpoint_dir=folder)


def fitted_transformer(folder):
    return transformer(12, folder).fit(X)


def fitted_classifier(folder):
    return SimMTMClassifier(
        transformer=transformer(2, folder),
        strategy="fine-tune",
        num_epochs=16,
        patience=None,
        batch_size=4,
        random_state=0,
    ).fit(X, np.arange(32) % 2)


def fitted_regressor(folder):
    return SimMTMRegressor(
        transformer=transformer(2, folder),
        strategy="probe-then-fine-tune",
        num_epochs=16,
        patience=None,
        batch_size=4,
        random_state=0,
    ).fit(X, X.std((1, 2)))


def fitted_forecaster(folder):
    y = pd.Series(X[:12].ravel())
    return SimMTMForecaster(
        transformer=transformer(2, folder, encoder=PatchEncoder(**PATCHES)),
        strategy="fine-tune",
        context_length=24,
        num_epochs=12,
        patience=None,
        batch_size=16,
        random_state=0,
    ).fit(y, fh=[1, 2, 3])


FITS = {f.__name__: f for f in (fitted_transformer, fitted_classifier, fitted_regressor)}
FITS["fitted_forecaster"] = fitted_forecaster


def fingerprint(estimator):
    """Return a digest of all that an artifact holds, but for how long it took."""
    config, weights = opened(estimator.save()[1])
    return hashlib.sha256(weights + json.dumps(without_seconds(config)).encode()).hexdigest()


def without_seconds(state):
    if isinstance(state, dict):
        return {k: without_seconds(v) for k, v in state.items() if k != "seconds"}
    return [without_seconds(v) for v in state] if isinstance(state, list) else state


def child(function, *args):
    """Run a function in a child process; return its id and the file of its result."""
    file = tempfile.NamedTemporaryFile(delete=False)  # noqa: SIM115
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12, where threads are
        process = os.fork()
    if process == 0:
        try:
            torch.set_num_threads(1)
            result = function(*args)
        except BaseException as error:
            result = f"{error!r}"
        file.write(pickle.dumps(result))
        file.flush()
        os._exit(0)
    file.close()
    return process, Path(file.name)


def result_of(process, file):
    """Wait for a child; None if it was killed."""
    _, status = os.waitpid(process, 0)
    content = file.read_bytes()
    file.unlink()
    return pickle.loads(content) if status == 0 else None


def _fit_and_fingerprint(name, folder):
    warnings.simplefilter("error")  # a good checkpoint causes none
    return fingerprint(FITS[name](folder))


MOST_KILLS = 4  # of one fit, which is then left to finish


def kills_while_fitting(n, seed=0):
    """Kill fits ``n`` times, each estimator as often, and go on until each fit is finished."""
    outcome = Outcome("kill -9 while fitting: the next fit ends with the same bits", "kills")
    rng = np.random.default_rng(seed)
    transformer(1, None).fit(X)  # what it imports, the children need not import
    n_of = dict.fromkeys(FITS, 0)
    for name in FITS:
        start = time.monotonic()
        whole = result_of(*child(_fit_and_fingerprint, name, None))
        seconds = time.monotonic() - start
        while n_of[name] < n / len(FITS):
            with tempfile.TemporaryDirectory() as folder:
                result, n_kills = _killed_and_finished(name, folder, seconds, rng)
                n_of[name] += n_kills
                outcome.check(result == whole, f"{name}: {result}")
                left = [path.name for path in Path(folder).rglob("*") if path.is_file()]
                outcome.check(not left, f"{name} left {left}")
    outcome.n = sum(n_of.values())
    outcome.note = ", ".join(f"{k.removeprefix('fitted_')} {v}" for k, v in n_of.items())
    return outcome


def _killed_and_finished(name, folder, seconds, rng):
    """Kill a fit at random moments; return the result that it ends with, and how many kills."""
    for n_kills in range(MOST_KILLS):
        process, file = child(_fit_and_fingerprint, name, folder)
        time.sleep(rng.uniform(0.1, 1.1) * seconds)
        os.kill(process, signal.SIGKILL)  # one that is finished does not mind
        result = result_of(process, file)
        if result is not None:
            return result, n_kills
    return result_of(*child(_fit_and_fingerprint, name, folder)), MOST_KILLS


def _save_again_and_again(estimators, path):
    while True:
        for estimator in estimators:
            estimator.save(path)


def kills_while_saving(n, seed=0):
    """Kill ``n`` processes that overwrite an artifact: the old one or the new one is there."""
    outcome = Outcome("kill -9 while saving: the file is whole, the old one or the new", "kills")
    rng = np.random.default_rng(seed)
    both = [transformer(0, None, random_state=seed).fit(X) for seed in (0, 1)]
    expected = [estimator.transform(X[:2]).tobytes() for estimator in both]
    with tempfile.TemporaryDirectory() as folder:
        path = both[0].save(f"{folder}/model")
        for _ in range(n):
            process, file = child(_save_again_and_again, both, path)
            time.sleep(rng.uniform(0.01, 0.2))
            os.kill(process, signal.SIGKILL)
            result_of(process, file)
            loaded = load(path).transform(X[:2]).tobytes()
            outcome.check(loaded in expected, "neither the old nor the new artifact")
    return outcome
