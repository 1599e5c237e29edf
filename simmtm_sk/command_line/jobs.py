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
    labelled = "pd.Series(y).notna().to_numpy()" if pd.Series(y).isna().any() else None
    smallest = pd.Series(y).value_counts().min() if name == "Classifier" else 5
    code = [*lines, "", f"from simmtm_sk import SimMTM{name}", ""]
    code += [f"model = SimMTM{name}(random_state=0).fit(X, y)"]
    if labelled is None and smallest >= 2:
        folds = min(5, int(smallest))
        code.insert(len(lines) + 1, "from sklearn.model_selection import cross_val_score")
        code += [f"print('{score}:', cross_val_score(model, X, y, cv={folds}).mean())"]
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
