"""What an encoder of the user's own must have, and what it may."""

import numpy as np
import pytest
import torch
from sklearn.frozen import FrozenEstimator

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder, SimMTMForecaster, SimMTMTransformer
from simmtm_sk.nn.contracts import shortest_series, takes_channels_apart


class OwnNetwork(torch.nn.Module):
    """Patches of four points, each through one linear map."""

    d_model, patch_length = 3, 4

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(self.patch_length, self.d_model)

    def forward(self, values, visible, within, instance_stats):
        padded = torch.nn.functional.pad(values[:, 0], (0, -values.shape[2] % self.patch_length))
        return [self.linear(padded.unflatten(1, (-1, self.patch_length)))]


class OwnPatches:
    """No class of anybody's; ``patch_length`` and ``channel_independent`` say what it is."""

    patch_length = 4
    channel_independent = True

    def build(self, n_channels, length):
        assert n_channels == 1
        return OwnNetwork()


class OwnPoints:
    def build(self, n_channels, length):
        return ConvEncoder(d_model=3, n_layers=1).build(n_channels, length)


@pytest.mark.parametrize(
    ("encoder", "apart", "shortest"),
    [
        (ConvEncoder(), False, 1),
        (ConvEncoder(channel_independent=True), True, 1),
        (PatchEncoder(patch_length=12), True, 12),
        (PointEncoder(), True, 1),
        (OwnPatches(), True, 4),
        (OwnPoints(), False, 1),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_an_encoder_says_of_itself(encoder, apart, shortest):
    assert takes_channels_apart(encoder) == apart
    assert shortest_series(encoder) == shortest


def transformer(encoder):
    plain = {"pooling": ("max",), "neighborhood_weight": 0.0}
    return SimMTMTransformer(encoder=encoder, num_epochs=1, random_state=0, **plain)


def test_own_patches_are_an_encoder_like_any_other():
    X = np.random.default_rng(0).normal(size=(12, 2, 10))
    assert transformer(OwnPatches()).fit(X).transform(X).shape == (12, 2 * 3)
    assert transformer(OwnPoints()).fit(X).transform(X).shape == (12, 2 * 3)


@pytest.mark.parametrize("frozen", [False, True])
def test_forecasts_need_a_context_of_a_patch(frozen):
    y = np.sin(np.arange(60.0))
    given = transformer(OwnPatches())
    if frozen:
        given = FrozenEstimator(given.fit(np.random.default_rng(0).normal(size=(9, 1, 20))))
    forecaster = SimMTMForecaster(transformer=given, context_length=3, random_state=0)
    with pytest.raises(ValueError, match="patches of 4 points are longer than the 3 points"):
        forecaster.fit(y, fh=[1, 2])
    assert forecaster.set_params(context_length=4).fit(y, fh=[1, 2]).predict().shape[0] == 2
