"""The plain pre-training step of the benchmarks computes what the package computes."""

import pytest
import torch

from benchmarks import plain
from simmtm_sk import PointEncoder
from simmtm_sk.nn.masking import geometric_mask, masked_views
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.objectives import SimMTMObjective

LENGTH, N_SERIES, N_MASKS = 24, 5, 3
SIZES = {"d_model": 8, "n_layers": 2, "n_heads": 4, "d_feedforward": 16}


@pytest.fixture
def networks():
    """Ours with the flat heads of the plain one, and the plain one with the same weights."""
    torch.manual_seed(0)
    objective = SimMTMObjective(plain.TEMPERATURE, plain.CONSTRAINT_WEIGHT, own_view_weight=0.0)
    ours = SimMTM(PointEncoder(**SIZES).build(1, LENGTH), 1, 16, objective)
    ours.projector = plain.FlatProjector(LENGTH, SIZES["d_model"], 16)
    ours.decoder = plain.FlatDecoder(LENGTH, SIZES["d_model"])
    theirs = plain.PlainSimMTM(LENGTH, **SIZES, projection_dim=16, dropout=0.0)
    weights = ours.state_dict()
    theirs.load_state_dict(
        {name: w for name, w in weights.items() if not name.startswith("stats_scaler")}
    )
    return ours, theirs


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_losses_and_gradients(networks, dtype, tolerance):
    ours, theirs = (network.to(dtype).train() for network in networks)
    generator = torch.Generator().manual_seed(1)
    values = torch.randn(N_SERIES, 1, LENGTH, generator=generator, dtype=dtype).cumsum(-1)
    observed = torch.ones_like(values, dtype=torch.bool)
    views = masked_views(observed, N_MASKS, geometric_mask, 0.5, 3.0, generator)

    losses = ours.losses(values, observed, None, views)
    expected = theirs.losses(values[:, 0], views[:, 0])
    assert losses.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(losses[name], expected[name], rtol=tolerance, atol=tolerance)

    losses["total"].backward()
    expected["total"].backward()
    gradients = {name: weight.grad for name, weight in ours.named_parameters()}
    for name, weight in theirs.named_parameters():
        torch.testing.assert_close(gradients.pop(name), weight.grad, rtol=tolerance, atol=tolerance)
    assert not gradients


def test_sizes_of_the_published_script():
    with torch.device("meta"):
        model = plain.PlainSimMTM()
    sizes = {
        part: sum(weight.numel() for weight in module.parameters())
        for part, module in model.named_children()
    }
    assert round(sum(sizes.values()) / 1e6, 1) == 62.1
    assert round(sizes["projector"] / 1e6, 1) == 58.5
    assert round(sizes["decoder"] / 1e6, 1) == 3.6
    assert sizes["backbone"] < 30_000


def test_masks_hide_runs_of_the_wanted_length():
    draw = plain.np.random.default_rng(0)
    hidden = ~plain.draw_views(50, 2, 1000, draw)
    assert hidden.float().mean().item() == pytest.approx(0.5, abs=0.02)
    starts = (hidden[:, 1:] & ~hidden[:, :-1]).sum()
    assert (hidden.sum() / starts).item() == pytest.approx(plain.MASK_LENGTH, rel=0.1)
