"""Encoders, series and containers that the tests of the transformer share."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk import PatchEncoder, PointEncoder
from simmtm_sk.embedding import Pooling
from simmtm_sk.nn.masking import geometric_mask
from tests.small import CONV

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
ENCODERS = {
    "conv": CONV,
    "patch": PatchEncoder(patch_length=4, **TOKENS),
    "point": PointEncoder(**TOKENS),
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
X_NEW = np.random.default_rng(1).normal(size=(7, 2, 20)).cumsum(2)
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


def ragged(lengths=(20, 5, 9, 1)):
    return [x[:, :n] for x, n in zip(X_NEW, lengths, strict=False)]


def frames(series):
    return [pd.DataFrame(x.T) for x in series]


def multiindex(series):
    return pd.concat({f"s{i}": f for i, f in enumerate(frames(series))}, names=["id", "time"])


def nested(series):
    columns = {f"c{j}": [pd.Series(x[j]) for x in series] for j in range(len(series[0]))}
    return pd.DataFrame(columns, index=[f"s{i}" for i in range(len(series))])


def of_channel(estimator, E, i, n_channels=2):
    """Columns of one channel, but its scale; with its coordinates on the graph of neighbours."""
    network, pooling = estimator.network_, Pooling.of(estimator.pooling, estimator.layers)
    names = estimator.embedding_.names(network, pooling, n_channels, n_channels)
    scales = (f"channel{i}_mean", f"channel{i}_log_std")
    chosen = [name.startswith(f"channel{i}_") and name not in scales for name in names]
    on_the_graph = np.split(E[:, len(names) :], n_channels, axis=1)[i]
    return np.hstack([E[:, : len(names)][:, chosen], on_the_graph])


class CountingMask:
    """Counts calls; equal to itself in every run, so that it does not change a cache's key.

    The metric of the embedding draws masks, too, and has to be left out.
    """

    calls = 0

    def __call__(self, *args):
        CountingMask.calls += 1
        return geometric_mask(*args)
