"""What cannot fit is refused before it is tried; what fits is not."""

import math

import numpy as np
import pytest
import torch

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMClassifier,
    SimMTMObjective,
    SimMTMTransformer,
)
from simmtm_sk.training import footprint
from simmtm_sk.training.footprint import check_memory_suffices, count_weights, memory_of
from simmtm_sk.training.plan import Plan
from simmtm_sk.training.pretraining import Pretraining
from tests.small import X, small

CPU = torch.device("cpu")
GB = 2**30


def settings(encoder, batch_size=8, n_masks=2):
    plan = Plan(n_epochs=1, batch_size=batch_size, lr=1e-3, weight_decay=0.0, seed=0)
    return Pretraining(
        encoder=encoder,
        objective=SimMTMObjective(),
        projection_dim=4,
        masking="geometric",
        mask_ratio=0.5,
        mask_length=3.0,
        n_masks=n_masks,
        max_length=None,
        plan=plan,
        validation_fraction=0.0,
    )


ENCODERS = [
    ConvEncoder(d_model=6, n_layers=3),
    ConvEncoder(d_model=6, n_layers=50),  # more than a series of 40 points has use for
    PatchEncoder(patch_length=4, d_model=8, n_layers=3, n_heads=2),
    PatchEncoder(patch_length=4, d_model=8, n_layers=40, n_heads=2),
    PointEncoder(d_model=8, n_layers=21, n_heads=2),
]


@pytest.mark.parametrize("encoder", ENCODERS, ids=str)
def test_weights_are_counted_without_being_made(encoder):
    network = settings(encoder).network(1, 40)
    assert count_weights(settings(encoder), 1, 40) == sum(p.numel() for p in network.parameters())


def test_weights_that_nobody_can_make():
    """13 layers of 2 * 30 000^2 and more weights each; a million of layers takes no time."""
    assert count_weights(settings(ConvEncoder(d_model=30_000)), 1, 40) > 1e10
    layers = PatchEncoder(patch_length=4, d_model=64, n_layers=10**9, n_heads=2)
    assert count_weights(settings(layers), 1, 40) > 1e12


def test_an_encoder_that_needs_numbers_is_not_counted():
    class Own:
        def build(self, n_channels, length):
            if torch.ones(1).item():
                return ConvEncoder(d_model=4).build(n_channels, length)

    assert count_weights(settings(Own()), 1, 40) == 0
    assert np.isfinite(small(encoder=Own()).fit(X).transform(X)).all()


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"encoder": ConvEncoder(d_model=30_000)}, "d_model or n_layers"),
        ({"encoder": PatchEncoder(patch_length=4, n_layers=10**9)}, "d_model or n_layers"),
        ({"n_masks": 10**11}, "batch_size, n_masks or max_length"),
    ],
    ids=["d_model", "n_layers", "n_masks"],
)
def test_what_cannot_fit_is_refused_by_name(params, names):
    estimator = SimMTMTransformer(random_state=0, **params)
    with pytest.raises(MemoryError, match=rf"would take more than [\d,.]+ GB.*{names}"):
        estimator.fit(X)
    classifier = SimMTMClassifier(transformer=estimator, random_state=0)
    with pytest.raises(MemoryError, match=names):
        classifier.fit(X, np.arange(len(X)) % 2)


def test_the_limit_by_hand(monkeypatch):
    """Five times the weights and three times the values of a batch, in single precision."""
    chosen = settings(ConvEncoder(d_model=6, n_layers=1), batch_size=8, n_masks=3)
    weights = 4 * 5 * count_weights(chosen, 2, 40)
    batch = 4 * 3 * 8 * 4 * 2 * 40
    monkeypatch.setattr(footprint, "memory_of", lambda device: weights + batch)
    check_memory_suffices(chosen, 2, 40, 100, CPU)
    monkeypatch.setattr(footprint, "memory_of", lambda device: weights + batch - 1)
    with pytest.raises(MemoryError, match=r"cpu has .* GB"):
        check_memory_suffices(chosen, 2, 40, 100, CPU)
    check_memory_suffices(chosen, 2, 40, 7, CPU)  # a batch has no more rows than there are


def test_the_memory_of_this_machine():
    assert 0.2 * GB < memory_of(CPU) < math.inf
