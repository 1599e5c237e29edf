"""``demo``: three jobs on real series, each with what else one would do, in half a minute."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import KNNImputer
from sklearn.preprocessing import StandardScaler
from sktime.datasets import load_airline
from threadpoolctl import threadpool_limits

from .. import SimMTMForecaster, SimMTMImputer, SimMTMTransformer
from ..datasets import load_dataset
from ..probing import classification_head
from .demo_pictures import draw_few_labels, draw_forecast, draw_gaps

Values = NDArray[np.float64]

_N_LABELS = (1, 2, 5)
_N_DRAWS = 5
_HORIZON, _N_ORIGINS = 12, 24

NEXT = """\
Now your own data. This says how a CSV file (or a folder of them) is read, and prints the code
that classifies, forecasts or fills its gaps:

    python -m simmtm_sk describe your_file.csv"""


def demo(output: Path) -> None:
    """Run the three jobs, print their results, draw into a folder.

    Parameters
    ----------
    output : Path
        Folder for the pictures; made if it does not exist.
    """
    output.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    for job in (few_labels, forecast, gaps):
        job(output)
    pictures = ", ".join(sorted(path.name for path in output.glob("*.png")))
    print(f"\n{time.perf_counter() - started:.0f} seconds in all. Pictures in {output}: {pictures}")
    print(f"\n{NEXT}")


# -- few labels -----------------------------------------------------------------------------------


def few_labels(output: Path) -> None:
    """Classify outlines of leaves with a handful of labels, and a pool without."""
    print("1. Few labels: OSULeaf, outlines of six kinds of leaves. 200 series to learn from, of")
    print("   which one, two or five of each kind have a label; 242 to recognise. Accuracy, mean")
    print(f"   of {_N_DRAWS} draws of the labels; all features get the same linear model, which")
    print(
        "   passes labels on to series alike. (A set where it helps much: README has the mean.)\n"
    )
    X, y = load_dataset("OSULeaf", split="train")
    X_test, y_test = load_dataset("OSULeaf", split="test")
    _say(f"features of each series{'':9}" + "".join(f"{n:>5} per kind" for n in _N_LABELS))
    accuracies = {}
    for name, (train, test) in _features(np.asarray(X), np.asarray(X_test)).items():
        accuracies[name] = np.array(
            [[_accuracy(train, test, y, y_test, n, s) for s in range(_N_DRAWS)] for n in _N_LABELS]
        )
        shown = "".join(f"{mean:14.3f}" for mean in accuracies[name].mean(1))
        _say(f"{name:<28}{shown}")
    draw_few_labels(accuracies, _N_LABELS, output / "few_labels.png")


def _features(X: Values, X_test: Values) -> dict[str, tuple[Values, Values]]:
    features = {"raw values": _standardised(X[:, 0], X_test[:, 0])}
    if find_spec("numba"):
        from sktime.transformations.rocket import MiniRocket

        with threadpool_limits(1):  # numba would leave its number of threads to torch
            rocket = MiniRocket(random_state=0).fit(X)
            pair = [rocket.transform(part).to_numpy() for part in (X, X_test)]
        features["MiniRocket"] = _standardised(*pair)
    else:
        _say("(MiniRocket, the usual rival, needs numba, which is not installed)")
    embedder = SimMTMTransformer(random_state=0).fit(X)
    features["SimMTM"] = embedder.transform(X), embedder.transform(X_test)
    return features


def _standardised(train: Values, test: Values) -> tuple[Values, Values]:
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def _accuracy(
    train: Values, test: Values, y: Values, y_test: Values, n_labels: int, seed: int
) -> float:
    """Label some series of every class; the rest of the training part is the pool."""
    rng = np.random.default_rng(seed)
    classes, codes = np.unique(y, return_inverse=True)
    labelled = np.concatenate(
        [
            rng.choice(np.flatnonzero(codes == c), n_labels, replace=False)
            for c in range(len(classes))
        ]
    )
    pool = np.delete(train, labelled, axis=0)
    head = classification_head(train[labelled], codes[labelled], unlabelled=pool)
    return float((classes[head.scores(test).argmax(1)] == y_test).mean())


# -- forecast -------------------------------------------------------------------------------------


def forecast(output: Path) -> None:
    """Forecast airline passengers a year ahead, from 24 months one after the other."""
    print(f"\n2. Forecast: airline passengers of the next {_HORIZON} months, from {_N_ORIGINS}")
    print("   origins, one month after the other. Mean absolute error, thousands.\n")
    y = load_airline().astype(float)
    errors: dict[str, list[float]] = {"last year again": [], "last year, grown": [], "SimMTM": []}
    inside = []
    for end in range(len(y) - _HORIZON - _N_ORIGINS + 1, len(y) - _HORIZON + 1):
        past, future = y[:end], y[end : end + _HORIZON].to_numpy()
        year, before = past[-12:].to_numpy(), past[-24:-12].to_numpy()
        forecaster = SimMTMForecaster(random_state=0).fit(past, fh=range(1, _HORIZON + 1))
        forecasts = (year, year * year.sum() / before.sum(), forecaster.predict().to_numpy())
        for name, values in zip(errors, forecasts, strict=True):
            errors[name].append(float(np.abs(values - future).mean()))
        low, high = forecaster.predict_interval(coverage=0.9).to_numpy().T
        inside.append(((low <= future) & (future <= high)).mean())
    for name, values in errors.items():
        _say(f"{name:<28}{np.mean(values):14.1f}")
    _say(f"months inside of the 90 % interval: {np.mean(inside):.0%}")
    draw_forecast(y, forecaster, forecasts[0], output / "forecast.png")


# -- gaps -----------------------------------------------------------------------------------------


def gaps(output: Path) -> None:
    """Fill a gap in each of 150 recordings of a hand's movement."""
    print(
        "\n3. Gaps: GunPoint, movements of a hand. 50 whole series to learn from; a sixth of each"
    )
    print("   of 150 others is hidden. Mean squared error, in units of the variance.\n")
    X = np.asarray(load_dataset("GunPoint", split="train")[0])
    truth = np.asarray(load_dataset("GunPoint", split="test")[0])
    n_series, _, length = truth.shape
    width = length // 6
    starts = np.random.default_rng(0).integers(0, length - width, n_series)
    at = np.arange(length) - starts[:, None]
    hidden = ((at >= 0) & (at < width))[:, None]
    gappy = np.where(hidden, np.nan, truth)
    imputer = SimMTMImputer().fit(X)
    lines = pd.DataFrame(gappy[:, 0]).interpolate(axis=1, limit_direction="both").to_numpy()
    filled: dict[str, Any] = {
        "straight lines": lines[:, None],
        "KNNImputer": KNNImputer().fit(X[:, 0]).transform(gappy[:, 0])[:, None],
        "SimMTM": imputer.transform(gappy),
    }
    for name, values in filled.items():
        error = np.square(values - truth)[hidden].mean() / truth.var()
        _say(f"{name:<28}{error:14.3f}")
    draw_gaps(imputer, gappy, truth, filled["KNNImputer"], output / "gaps.png")


def _say(line: str) -> None:
    print(f"   {line}", flush=True)
