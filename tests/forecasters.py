"""Small forecasters, and series for them."""

import numpy as np
import pandas as pd
import pytest
import torch

from simmtm_sk import (
    PatchEncoder,
    SimMTMForecaster,
    SimMTMTransformer,
)
from simmtm_sk.training.strategies import STRATEGIES
from tests.transformers import CountingMask

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
# sktime's composites warn on construction that they will not keep y one day
composites_warn = pytest.mark.filterwarnings("ignore:The default of config ``remember_data``")

# sktime counts the steps of an absolute horizon without the time zone, and so does its warning
zones_warn = pytest.mark.filterwarnings("ignore:Converting to PeriodArray:UserWarning")

MONTHS = pd.period_range("2000-01", periods=72, freq="M")


def small(**params):
    """One epoch of one step."""
    given = {
        "encoder": PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4),
        "num_epochs": 1,
        "projection_dim": 4,
        "batch_size": 1024,
        "validation_fraction": 0.0,
        "masking": CountingMask(),
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def forecaster(**params):
    given = {
        "transformer": small(),
        "strategy": "linear-probe",
        "context_length": 12,
        "num_epochs": 1,
        "random_state": 0,
    }
    return SimMTMForecaster(**{**given, **params})


def values(n=72, period=12, seed=0):
    draw = np.random.default_rng(seed)
    time = np.arange(n)
    return 20 + 0.1 * time + 3 * np.sin(2 * np.pi * time / period) + 0.3 * draw.normal(size=n)


def table(n=72, index=MONTHS):
    """Two columns that have nothing in common."""
    data = {"a": values(n, 12, 0), "b": 1e3 * values(n, 7, 1)}
    return pd.DataFrame(data, index[:n])


def panel(names=("q", "p"), lengths=(72, 60), index=MONTHS):
    """Instances out of order, of unequal length."""
    parts = {
        name: pd.DataFrame({"v": (1 + i) * values(n, 12, i)}, index[:n])
        for i, (name, n) in enumerate(zip(names, lengths, strict=True))
    }
    return pd.concat(parts, names=["id", "time"])


def pretrained(**params):
    return forecaster(**params).pretrain(panel())


Y = pd.Series(values(), MONTHS, name="y")


def same_weights(one, other):
    pairs = zip(
        one.network_.state_dict().values(), other.network_.state_dict().values(), strict=True
    )
    return all(torch.equal(a, b) for a, b in pairs)


def numbers(container):
    """All values, in order, of any of sktime's containers."""
    if isinstance(container, list):
        return np.concatenate([frame.to_numpy().ravel() for frame in container])
    return np.asarray(container).ravel()


def assert_same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, list):
        for one, other in zip(got, expected, strict=True):
            pd.testing.assert_frame_equal(one, other)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(got, expected)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expected)
    else:
        np.testing.assert_array_equal(got, expected)


DAYS = pd.date_range("2000-01-01", periods=72, freq="D")
INDICES = {
    "periods": MONTHS,
    "days": DAYS,
    "days, inferred": pd.DatetimeIndex(DAYS.values),
    "month ends": pd.date_range("2000-01-31", periods=72, freq="ME"),
    "time zone": pd.date_range("2000-03-20", periods=72, freq="D", tz="Europe/Berlin"),
    "numbers": pd.RangeIndex(72),
    "integers from 5 on": pd.Index(np.arange(5, 77)),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
