"""The fitted transformer in what people have in hand: a classifier, a pipeline, a search."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..transformer import SimMTMTransformer


def fitted_transformer(estimator: Any, X: Any = None) -> tuple[SimMTMTransformer, Any]:
    """Return the transformer of an estimator, and what it sees of ``X``.

    Parameters
    ----------
    estimator : SimMTMTransformer, or an estimator with one
        Fitted: SimMTMClassifier, SimMTMRegressor, SimMTMForecaster, a pipeline with one of these,
        a search over one, or a FrozenEstimator of one.
    X : as in `SimMTMTransformer.transform`, default=None
        Steps of a pipeline before the transformer are applied to it.

    Raises
    ------
    TypeError
        If there is none in it.
    """
    check_is_fitted(estimator)
    if isinstance(estimator, SimMTMTransformer):
        return estimator, X
    if isinstance(estimator, Pipeline):
        for number, (_, step) in enumerate(estimator.steps):
            if isinstance(step, SimMTMTransformer) or hasattr(step, "transformer_"):
                before = estimator[:number]
                return fitted_transformer(
                    step, before.transform(X) if number and X is not None else X
                )
    inner = [getattr(estimator, name, None) for name in ("transformer_", "best_estimator_")]
    if isinstance(estimator, FrozenEstimator):
        inner.append(estimator.estimator)
    for part in inner:
        if part is not None:
            return fitted_transformer(part, X)
    raise TypeError(
        f"{type(estimator).__name__} holds no SimMTMTransformer; accepted are a fitted "
        "SimMTMTransformer, SimMTMClassifier, SimMTMRegressor, a SimMTMForecaster that has "
        "an encoder, and pipelines, searches and FrozenEstimators of these."
    )
