"""Encoder and head as one network are the features of an embedding and then the head."""

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder, SimMTMTransformer
from simmtm_sk.nn.contracts import takes_channels_apart
from simmtm_sk.nn.supervised import Supervised
from tests.small import features_of, fixed, rows_of, statistics_of

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
ENCODERS = {
    "conv": ConvEncoder(d_model=4, n_layers=2),
    "conv-by-channel": ConvEncoder(d_model=4, n_layers=2, channel_independent=True),
    "patch": PatchEncoder(patch_length=4, **TOKENS),
    "point": PointEncoder(**TOKENS),
}
N_OUTPUTS = 3


def panel():
    """Nine series of two channels, in which whole points, some values and the ends are missing."""
    X = np.random.default_rng(0).normal(size=(9, 2, 20)).cumsum(2)
    X[1, :, 13:] = np.nan
    X[2, :, 5:] = np.nan
    X[3, 0, 4:9] = np.nan
    X[4, :, 9:12] = np.nan
    X[5, 1, ::2] = np.nan
    # in the precision of the embedding, so that rounding moves no response over a threshold
    return X.astype(np.float32)


X = panel()


def fitted(encoder, **params):
    given = {"num_epochs": 1, "projection_dim": 4, "random_state": 0, "device": "cpu", **params}
    return SimMTMTransformer(encoder=ENCODERS[encoder], **given).fit(X)


def supervised(transformer, center, std, dropout=0.0, n_outputs=N_OUTPUTS):
    torch.manual_seed(0)
    return Supervised(
        transformer.network_,
        *statistics_of(transformer),
        2 if takes_channels_apart(transformer.encoder) else 1,
        center,
        std,
        n_outputs,
        dropout,
    )


def batch_of(transformer, values):
    """All rows, whose they are, and the features that do not come from the network."""
    rows = rows_of(transformer, values)
    extra = fixed(transformer, values)
    return *rows.gather(torch.arange(len(rows))), torch.as_tensor(rows.series), extra


def scores_of(model, transformer, values):
    with torch.no_grad():
        return model.eval()(*batch_of(transformer, values))


def expected_scores(model, embedding):
    weight, bias = model.head.weight.detach(), model.head.bias.detach()
    return (embedding - model.center) / model.std @ weight.T + bias


@pytest.mark.parametrize("max_length", [None, 8], ids=["whole", "windows"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"layers": "last", "pooling": ("mean", "std")},
        {"pooling": ("scale",)},
        {"pooling": ("scale", "max")},
    ],
    ids=str,
)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_embedding_and_then_the_head(encoder, params, max_length):
    transformer = fitted(encoder, **params, max_length=max_length)
    embedding = features_of(transformer, X).joined().clone()
    model = supervised(transformer, embedding.mean(0), embedding.std(0) + 0.1)
    torch.testing.assert_close(
        scores_of(model, transformer, X), expected_scores(model, embedding), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("max_length", [None, 8], ids=["whole", "windows"])
@pytest.mark.parametrize("encoder", ["conv-by-channel", "patch", "point"])
def test_channels_that_end_early_or_are_missing(encoder, max_length):
    """A channel-independent encoder looks at every channel's own end."""
    values = X.copy()
    values[0, 1, 10:] = np.nan
    values[6, 0] = np.nan
    transformer = fitted(encoder, max_length=max_length)
    embedding = features_of(transformer, values).joined().clone()
    model = supervised(transformer, embedding.mean(0), embedding.std(0) + 0.1)
    torch.testing.assert_close(
        scores_of(model, transformer, values),
        expected_scores(model, embedding),
        rtol=1e-4,
        atol=1e-5,
    )


def test_dropout_leaves_out_features_in_training_only():
    transformer = fitted("conv")
    embedding = features_of(transformer, X).joined().clone()
    center = torch.zeros(embedding.shape[1])
    model = supervised(transformer, center, center + 1, dropout=0.5)
    batch = batch_of(transformer, X)
    with torch.no_grad():
        first, second = model.train()(*batch), model(*batch)
        assert not torch.allclose(first, second)
        assert torch.equal(model.eval()(*batch), model(*batch))
        # half of the features, at twice their size: the same in the mean
        many = torch.stack([model.train()(*batch) for _ in range(400)]).mean(0)
    plain = expected_scores(model, embedding)
    assert (many - plain).abs().mean() < 0.2 * (first - plain).abs().mean()
    without = supervised(transformer, center, center + 1, dropout=0.0)
    with torch.no_grad():
        assert torch.equal(without.train()(*batch), without.eval()(*batch))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_labels_reach_the_encoder_and_not_the_heads_of_pretraining(encoder):
    transformer = fitted(encoder)
    n_features = features_of(transformer, X).joined().shape[1]
    model = supervised(transformer, torch.zeros(n_features), torch.ones(n_features))
    model.zero_grad()
    model(*batch_of(transformer, X)).square().sum().backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    assert {"head.weight", "head.bias"} < touched
    assert any(name.startswith("network.backbone") for name in touched)
    assert not any("projector" in name or "decoder" in name for name in touched)
    buffers = {name for name, _ in model.named_buffers()}
    assert {"center", "std"} < buffers  # they move with the network
