"""What a user would pick instead of an encoder: the raw values, MiniRocket, MultiRocket."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from simmtm_sk.datasets import Panel

Embed = Callable[[Panel], np.ndarray]


def interpolated(X: Panel) -> Panel:
    """Missing values filled in linearly within their channel."""
    for channel in (channel for one in X for channel in one):
        missing = np.isnan(channel)
        if missing.any():
            times = np.arange(len(channel))
            channel[missing] = np.interp(times[missing], times[~missing], channel[~missing])
    return X


def fit_raw(X: Panel, seed: int) -> Embed:
    """All values in a row; of unequal length, padded with zeros to the longest training series."""
    length = max(one.shape[1] for one in X)

    def embed(X: Panel) -> np.ndarray:
        padded = np.zeros((len(X), len(X[0]), length), dtype=np.float32)
        for one, values in zip(padded, X, strict=True):
            kept = values[:, :length]
            one[:, : kept.shape[1]] = kept
        return padded.reshape(len(X), -1)

    return embed


def fit_minirocket(X: Panel, seed: int) -> Embed:
    """10 000 (rounded down to 9 996) features of MiniRocket."""
    from sktime.transformations.rocket import (
        MiniRocket,
        MiniRocketMultivariate,
        MiniRocketMultivariateVariable,
    )

    def container(X: Panel) -> np.ndarray | list[pd.DataFrame]:
        return [pd.DataFrame(one.T) for one in X] if isinstance(X, list) else X

    if isinstance(X, list):
        rocket = MiniRocketMultivariateVariable(pad_value_short_series=0.0, random_state=seed)
    else:
        rocket = (MiniRocket if X.shape[1] == 1 else MiniRocketMultivariate)(random_state=seed)
    rocket.fit(container(X))
    return lambda X: rocket.transform(container(X)).to_numpy(np.float32)


def fit_multirocket(X: np.ndarray, seed: int) -> Embed:
    """50 000 (rounded down to 49 728) features of MultiRocket; for series of one length."""
    from sktime.transformations.rocket import MultiRocket, MultiRocketMultivariate

    rocket = (MultiRocket if X.shape[1] == 1 else MultiRocketMultivariate)(
        random_state=seed, n_jobs=1
    )
    rocket.fit(X.astype(np.float64))
    return lambda X: rocket.transform(X.astype(np.float64)).to_numpy(np.float32)
