"""Code to paste: what to do with series that have been read into ``X`` and labels in ``y``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_FEW_VALUES = 20  # different numbers that may still be names of classes


def is_number(y: Any) -> bool:
    """Whether labels are numbers to be predicted, not classes."""
    labels = pd.Series(y).dropna()
    if not pd.api.types.is_float_dtype(labels):
        return False
    return bool((labels != labels.round()).any()) or labels.nunique() > _FEW_VALUES


def supervised(lines: list[str], y: Any) -> list[str]:
    """Cross-validate and fit a classifier or a regressor; draw the embedding."""
    name, score = ("Regressor", "R²") if is_number(y) else ("Classifier", "accuracy")
    code = [
        *lines,
        "",
        "from sklearn.model_selection import KFold, cross_val_score",
        f"from simmtm_sk import SimMTM{name}",
        "",
        f"model = SimMTM{name}(random_state=0).fit(X, y)",
        f"folds = KFold({min(5, len(y))}, shuffle=True, random_state=0)",
        f"print('{score}:', cross_val_score(model, X, y, cv=folds))",
    ]
    code += ["predicted = model.predict(X)", "", "from simmtm_sk.plotting import EmbeddingDisplay"]
    return [
        *code,
        "",
        "display = EmbeddingDisplay.from_estimator(model.transformer_, X, predicted)",
        "display.figure_.savefig('embedding.png')",
    ]


def groups(lines: list[str], n_series: int) -> list[str]:
    """Embed and cluster series without labels; draw the embedding."""
    return [
        *lines,
        "",
        "from sklearn.cluster import KMeans",
        "from simmtm_sk import SimMTMTransformer",
        "from simmtm_sk.plotting import EmbeddingDisplay",
        "",
        "transformer = SimMTMTransformer(random_state=0).fit(X)",
        "embedding = transformer.transform(X)",
        f"group = KMeans({min(4, n_series)}, random_state=0).fit_predict(embedding)",
        "display = EmbeddingDisplay.from_estimator(transformer, X, group)",
        "display.figure_.savefig('embedding.png')",
    ]


def forecast(lines: list[str], horizon: int) -> list[str]:
    """Forecast with intervals; draw the first series."""
    return [
        *lines,
        "",
        "from simmtm_sk import SimMTMForecaster",
        "from simmtm_sk.plotting import ForecastDisplay",
        "",
        f"forecaster = SimMTMForecaster(random_state=0).fit(X, fh=range(1, {horizon + 1}))",
        "print(forecaster.predict(), forecaster.predict_interval(coverage=0.9))",
        "ForecastDisplay.from_estimator(forecaster).figure_.savefig('forecast.png')",
    ]


def anomalies(lines: list[str]) -> list[str]:
    """Find what is strange in one series; draw it with its scores."""
    return [
        *lines,
        "",
        "from simmtm_sk import SimMTMDetector",
        "from simmtm_sk.plotting import AnomalyDisplay",
        "",
        "detector = SimMTMDetector(false_alarm_rate=0.01).fit(X)",
        "print(detector.predict_segments(X))",
        "AnomalyDisplay.from_estimator(detector, X).figure_.savefig('anomalies.png')",
    ]


def fill(lines: list[str], values: np.ndarray) -> list[str]:
    """Fill gaps; draw a channel that has some."""
    missing = np.isnan(values).sum(axis=2)
    series, channel = np.unravel_index(missing.argmax(), missing.shape)
    drawn = f"series={series}, channel={channel}"
    return [
        *lines,
        "",
        "from simmtm_sk import SimMTMImputer",
        "from simmtm_sk.plotting import ImputationDisplay",
        "",
        "imputer = SimMTMImputer().fit(X)",
        "filled = imputer.transform(X)",
        f"display = ImputationDisplay.from_estimator(imputer, X, {drawn})",
        "display.figure_.savefig('filled.png')",
    ]
