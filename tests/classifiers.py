"""Small classifiers, and series of two kinds for them."""

import numpy as np
import pytest
import torch

from simmtm_sk import (
    ConvEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
)
from simmtm_sk.training.strategies import STRATEGIES
from tests.transformers import CountingMask

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def waves(n, seed):
    """Two kinds of series that differ in their period, two channels."""
    draw = np.random.default_rng(seed)
    kind = np.arange(n) % 2
    period = np.where(kind, 5, 11)[:, None, None]
    X = np.sin(2 * np.pi * np.arange(20) / period + draw.uniform(0, 6, (n, 2, 1)))
    return X + 0.3 * draw.normal(size=X.shape), kind


X, kind = waves(24, 0)
X_NEW, kind_new = waves(12, 1)
y, y_new = np.array(["a", "b"])[kind], np.array(["a", "b"])[kind_new]


def small(**params):
    """One epoch of one step."""
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "num_epochs": 1,
        "projection_dim": 4,
        "metric_strength": 0.0,  # its views are masked, too
        "validation_fraction": 0.0,
        "masking": CountingMask(),
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def classifier(**params):
    given = {
        "transformer": small(),
        "head": "ridge",
        "num_epochs": 2,
        "lr": 0.01,
        "random_state": 0,
    }
    return SimMTMClassifier(**{**given, **params})


def same_weights(one, other):
    pairs = zip(
        one.network_.state_dict().values(), other.network_.state_dict().values(), strict=True
    )
    return all(torch.equal(a, b) for a, b in pairs)


def same_head(one, other):
    return all(np.array_equal(a, vars(other)[name]) for name, a in vars(one).items())


def ragged(values):
    """Series of unequal length, as a list and padded."""
    lengths = 20 - np.arange(len(values)) % 5
    padded = np.where(np.arange(20) < lengths[:, None, None], values, np.nan)
    return [x[:, :n] for x, n in zip(values, lengths, strict=True)], padded
