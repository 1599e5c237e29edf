"""Normalised contexts and the forecast that is made from them."""

import numpy as np
import pandas as pd
import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder
from simmtm_sk.nn.forecast import (
    NORMALIZATIONS,
    Forecast,
    carried_forward,
    normalized,
    seasonal_mean,
)
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.nn.normalization import normalized_rows
from simmtm_sk.objectives import SimMTMObjective

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 1, "d_feedforward": 4}
ENCODERS = {
    "conv": ConvEncoder(d_model=4, n_layers=1),
    "patch": PatchEncoder(patch_length=3, **TOKENS),
    "point": PointEncoder(**TOKENS),
}
every_normalization = pytest.mark.parametrize("normalization", NORMALIZATIONS)
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)

RNG = np.random.default_rng(0)
Y = torch.tensor(RNG.normal(size=(6, 12)).cumsum(1) + 3)
GAPS = Y.clone()
GAPS[0, 3:6] = torch.nan  # within
GAPS[1, :4] = torch.nan  # in front
GAPS[2, 9:] = torch.nan  # at the end
GAPS[3, ::2] = torch.nan


def model(encoder=ENCODERS["patch"], normalization="last", length=12, horizon=5):
    """Heads and encoder with weights of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SimMTM(encoder.build(1, length), 1, 4, SimMTMObjective(0.1, 0.1, 1.0))
        made = Forecast(network, length, horizon, normalization, 0.5).double().eval()
        for parameter in made.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        made.center.normal_()
        made.std.uniform_(0.5, 2)
    return made


def forecast(made, context):
    """In the units of the context."""
    context = normalized(context, made.normalization)
    with torch.no_grad():
        return context.center + made(context) * context.scale


# -- contexts -------------------------------------------------------------------------------------


def test_carried_forward_equals_pandas():
    values = torch.where(torch.rand(20, 9, generator=torch.Generator().manual_seed(0)) < 0.5,
                         torch.nan, torch.arange(180.0).reshape(20, 9))  # fmt: skip
    expected = pd.DataFrame(values.numpy().T).ffill().to_numpy().T
    np.testing.assert_array_equal(carried_forward(values), expected)


@every_normalization
def test_normalized_by_hand(normalization):
    context = normalized(GAPS, normalization)
    for i, row in enumerate(GAPS.numpy()):
        seen = row[~np.isnan(row)]
        filled = pd.Series(row).ffill().to_numpy()
        center = seen[-1] if normalization == "last" else seen.mean()
        assert float(context.center[i]) == pytest.approx(center)
        assert float(context.scale[i]) == pytest.approx(seen.std())
        window = np.nan_to_num((filled - center) / seen.std())
        np.testing.assert_allclose(context.window[i], window, atol=1e-12)
        standard = np.where(np.isnan(row), 0, (row - seen.mean()) / seen.std())
        np.testing.assert_allclose(context.standard[i], standard, atol=1e-12)
        np.testing.assert_array_equal(context.observed[i], ~np.isnan(row))


@every_normalization
def test_contexts_without_variation(normalization):
    """Constant, with a single observed point, and without any."""
    context = torch.full((3, 12), 7.5, dtype=torch.float64)
    context[1, :-1] = torch.nan
    context[2] = torch.nan
    context = normalized(context, normalization)
    assert context.scale.flatten().tolist() == [0, 0, 0]
    assert context.center.flatten().tolist() == [7.5, 7.5, 0]
    assert (context.window == 0).all()
    assert (context.standard == 0).all()
    assert context.observed.sum(1).tolist() == [12, 1, 0]


@every_normalization
@pytest.mark.parametrize("offset", [1e6, -1e9])
def test_rounding_is_no_variation(normalization, offset):
    context = torch.full((1, 12), offset + 0.1, dtype=torch.float64)
    context[0, ::3] += torch.finfo(torch.float64).eps * abs(offset)
    context = normalized(context, normalization)
    assert float(context.scale) == 0
    assert (context.window == 0).all()


# -- forecasts ------------------------------------------------------------------------------------


@every_normalization
@every_encoder
@pytest.mark.parametrize(("factor", "shift"), [(1e4, -3e5), (1e-3, 20.0), (-2.5, 0.0), (1e-8, 0.0)])
def test_a_forecast_follows_scale_and_shift(normalization, encoder, factor, shift):
    made = model(encoder, normalization)
    if factor < 0:  # the encoder may see a mirrored series as another one: leave it out
        torch.nn.init.zeros_(made.token_head.weight)
        torch.nn.init.zeros_(made.token_head.bias)
        torch.nn.init.zeros_(made.window_head.bias)
    expected = factor * forecast(made, GAPS) + shift
    got = forecast(made, factor * GAPS + shift)
    torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-7 * abs(factor))


@every_normalization
def test_a_constant_context_is_continued(normalization):
    context = torch.full((1, 12), -4.25, dtype=torch.float64)
    assert forecast(model(normalization=normalization), context).tolist() == [[-4.25] * 5]


@every_encoder
def test_the_forward_pass_by_hand(encoder):
    made = model(encoder, "mean")
    context = normalized(Y, "mean")
    with torch.no_grad():
        layers = made.network.layers(
            normalized_rows(context.standard[:, None], context.observed[:, None], None)
        )
        tokens = (layers[-1].flatten(1) - made.center) / made.std
        expected = (
            context.window @ made.window_head.weight.T
            + made.window_head.bias
            + tokens @ made.token_head.weight.T
            + made.token_head.bias
        )
        torch.testing.assert_close(made(context), expected)


@every_encoder
def test_missing_values_never_reach_the_tokens(encoder):
    """Whatever stands where nothing was observed."""
    made = model(encoder)
    context = normalized(GAPS, "last")
    with torch.no_grad():
        expected = made.tokens(context.standard, context.observed)
        poisoned = torch.where(context.observed, context.standard, 1e9)
        torch.testing.assert_close(
            made.tokens(poisoned, context.observed), expected, rtol=0, atol=0
        )
        # but that it is missing is seen
        whole = made.tokens(context.standard, torch.ones_like(context.observed))
        assert ((whole - expected).abs().amax(1) > 1e-6)[:4].all()


def test_each_row_is_forecast_alone_as_among_others():
    made = model()
    alone = torch.cat([forecast(made, row[None]) for row in GAPS])
    torch.testing.assert_close(forecast(made, GAPS), alone)


def test_untrained_heads_forecast_the_centre():
    network = model().network
    made = Forecast(network, 12, 5, "last", 0.0).double().eval()
    expected = Y[:, -1:].expand(6, 5)
    torch.testing.assert_close(forecast(made, Y), expected, rtol=0, atol=0)


def test_many_tokens_are_averaged():
    """A point encoder of 48 points has 48 tokens; pairs of neighbours become 24."""
    made = model(ENCODERS["point"], length=48)
    assert made.token_head.in_features == 24 * 4
    context = normalized(torch.tensor(RNG.normal(size=(2, 48))), "last")
    with torch.no_grad():
        last = made.network.layers(
            normalized_rows(context.standard[:, None], context.observed[:, None], None)
        )[-1]
        expected = last.reshape(2, 24, 2, 4).mean(2).flatten(1)
        torch.testing.assert_close(made.tokens(context.standard, context.observed), expected)


def test_dropout_is_of_tokens_alone_and_in_training_only():
    made, context = model(), normalized(Y, "last")
    with torch.no_grad():
        assert torch.equal(made(context), made(context))
        made.train()
        made.network.eval()
        torch.manual_seed(0)
        assert not torch.equal(made(context), made(context))
        torch.nn.init.zeros_(made.token_head.weight)
        assert torch.equal(made(context), made(context))


@pytest.mark.parametrize("period", [1, 3, 4, 11])
def test_seasonal_means_by_hand(period):
    context = np.random.default_rng(0).normal(size=11)
    for step, forecast in enumerate(seasonal_mean(11, 7, period) @ torch.tensor(context)):
        same_phase = [
            context[place] for place in range(11 % period, 11) if (11 + step - place) % period == 0
        ]
        assert float(forecast) == pytest.approx(np.mean(same_phase))
