"""Small estimators, and what can be done to the files that they are saved in."""

import hashlib
import io
import json
import zipfile

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from simmtm_sk import (
    ConvEncoder,
    SimMTMClassifier,
    SimMTMRegressor,
    SimMTMTransformer,
)
from tests.persistence.edited import members

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
X = np.random.default_rng(0).normal(size=(12, 2, 20))


def small(**params):
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "num_epochs": 1,
        "projection_dim": 4,
        "random_state": 0,
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


KIND = np.arange(12) % 2
TARGET = X.std((1, 2))
STRATEGIES = ["linear-probe", "fine-tune", "probe-then-fine-tune", "from-scratch"]


def classifier(**params):
    given = {"transformer": small(), "head": "ridge", "num_epochs": 1, "random_state": 0}
    return SimMTMClassifier(**{**given, **params})


def regressor(**params):
    given = {"transformer": small(), "num_epochs": 1, "random_state": 0}
    return SimMTMRegressor(**{**given, **params})


class OwnNetwork(nn.Module):
    d_model, patch_length = 3, 1

    def __init__(self, n_channels):
        super().__init__()
        self.linear = nn.Linear(n_channels, 3)

    def forward(self, values, visible, within, level):
        return [self.linear(values.transpose(1, 2))]


class OwnEncoder(BaseEstimator):
    def build(self, n_channels, length):
        return OwnNetwork(n_channels)


def half_mask(n_rows, length, mask_ratio, mask_length, generator):
    return torch.rand(n_rows, length, generator=generator) < 0.5


def rewrite(path, **changes):
    """Replace members ("config" and "weights" for short); None leaves one out."""
    short = {"config": "config.json", "weights": "weights.safetensors", "metadata": "_metadata"}
    contents = members(path) | {short.get(k, k): v for k, v in changes.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def edit_config(path, edit):
    config = json.loads(members(path)["config.json"])
    edit(config)
    rewrite(path, config=json.dumps(config))


def entries(config, path=()):
    """Every place in a configuration, as the keys that lead to it."""
    items = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from entries(value, (*path, key))


def content(config, weights):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("weights.safetensors", weights)
    return buffer.getvalue()


def damages(path, values, skipped=None):
    """Artifacts like the one at ``path``, each with one place of its configuration overwritten."""
    config = json.loads(members(path)["config.json"])
    weights = members(path)["weights.safetensors"]
    for place in entries(config):
        if place[:2] == skipped:
            continue
        for value in values:
            damaged = json.loads(json.dumps(config))
            inner = damaged
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            yield content(damaged, weights)


def with_checksum(path, weights):
    checksum = hashlib.sha256(weights).hexdigest()
    edit_config(path, lambda config: config.update(weights_sha256=checksum))
    rewrite(path, weights=weights)
