"""The whole network: losses against a slow assembly, what may not influence them, embeddings."""

from dataclasses import replace

import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder
from simmtm_sk.nn.encoders import token_mask
from simmtm_sk.nn.heads import pooled
from simmtm_sk.nn.masking import geometric_mask, masked_views
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.nn.normalization import instance_stats as raw_instance_stats
from simmtm_sk.nn.normalization import normalized_rows
from simmtm_sk.objectives import SimMTMObjective
from tests.reference import objective as slow
from tests.reference.masking import instance_stats, normalized

ENCODERS = {
    "conv": ConvEncoder(d_model=6, n_layers=2, kernel_size=3),
    "patch": PatchEncoder(patch_length=4, d_model=6, n_layers=1, n_heads=2, d_feedforward=8),
    "point": PointEncoder(d_model=6, n_layers=1, n_heads=2, d_feedforward=8),
}
PLAIN = SimMTMObjective(temperature=0.2, constraint_weight=0.5, own_view_weight=0.0)
FULL = replace(PLAIN, own_view_weight=0.7)
LEARNED = replace(FULL, constraint_weight="learned")
N, M, LENGTH = 3, 2, 14
STATISTICS = ("mean", "max", "min", "std", "ppv")
every_encoder = pytest.mark.parametrize("name", list(ENCODERS))


def build(name, objective=FULL, dtype=torch.float64):
    """Return the network, and the channels of its rows."""
    encoder = ENCODERS[name]
    n_channels = 1 if encoder.channel_independent else 2
    torch.manual_seed(0)
    backbone = encoder.build(n_channels=n_channels, length=LENGTH)
    network = SimMTM(backbone, n_channels, 4, objective)
    if dtype == torch.float64:  # in a float32 network the statistics of levels stay in float64
        network = network.double()
    with torch.no_grad():  # as if learned from training series like those of `batch`
        network.stats_scaler.center.copy_(torch.tensor([4.0] * n_channels + [1.0] * n_channels))
        network.stats_scaler.std.copy_(torch.tensor([2.0] * n_channels + [0.3] * n_channels))
    return network, n_channels


def batch(n_channels, dtype=torch.float64):
    """Return three series with gaps, the second of 9 points, and two views of each."""
    generator = torch.Generator().manual_seed(1)
    shape = (N, n_channels, LENGTH)
    values = 5 + 3 * torch.randn(shape, generator=generator, dtype=dtype)
    within = torch.ones(N, LENGTH, dtype=torch.bool)
    within[1, 9:] = False
    observed = (torch.rand(shape, generator=generator) < 0.8) & within[:, None]
    views = masked_views(observed, M, geometric_mask, 0.5, 3, generator)
    return values, observed, within, views


def slow_losses(network, values, observed, within, views):
    """Row by row: normalise, encode, project, decode; then the reference losses."""
    objective, n_series = network.objective.settings, len(values)
    points, series = [], []
    for k, visible in enumerate([*observed, *views]):
        i = k % n_series
        row = normalized(values[i], visible)[None]
        level = (instance_stats(values[i][None], visible[None]) - network.stats_scaler.center).div(
            network.stats_scaler.std
        )
        z = network.backbone(row, visible[None], within[i : i + 1], level.clamp(-5, 5))[-1]
        n_tokens = -(-int(within[i].sum()) // network.patch_length)
        z = torch.cat([z[:, :n_tokens], torch.zeros_like(z[:, n_tokens:])], 1)
        points.append(z[0])
        series.append(network.projector(z[:, :n_tokens], None)[0])
    points, series = torch.stack(points), torch.stack(series)

    def error(z, i):
        """Squared errors of a decoded row at the observed points of series i."""
        target = normalized(values[i], observed[i])
        return (network.decoder(z[None], LENGTH)[0] - target)[observed[i]].square()

    tau = objective.temperature
    rebuilt = slow.aggregated(points, series, n_series, tau)
    losses = {
        "reconstruction": torch.cat([error(rebuilt[i], i) for i in range(n_series)]).mean(),
        "constraint": slow.constraint(series, n_series, tau),
        "own_view": torch.cat(
            [error(points[k], k % n_series) for k in range(n_series, len(points))]
        ).mean(),
    }
    rebuild = losses["reconstruction"] + objective.own_view_weight * losses["own_view"]
    if objective.constraint_weight == "learned":
        sigma = network.objective.loss_weights.sigma.tolist()
        losses["total"] = slow.learned_total([rebuild, losses["constraint"]], sigma)
    else:
        losses["total"] = rebuild + objective.constraint_weight * losses["constraint"]
    if objective.own_view_weight == 0:
        del losses["own_view"]
    return losses


@every_encoder
@pytest.mark.parametrize("objective", [PLAIN, FULL, LEARNED], ids=["plain", "own view", "learned"])
def test_losses_equal_a_slow_assembly(name, objective):
    network, n_channels = build(name, objective)
    if network.objective.loss_weights is not None:
        network.objective.loss_weights.load_state_dict({"sigma": torch.tensor([0.8, 1.5])})
    values, observed, within, views = batch(n_channels)
    losses = network.losses(values, observed, within, views)
    expected = slow_losses(network, values, observed, within, views)
    assert losses.keys() == expected.keys()
    for key in losses:
        torch.testing.assert_close(losses[key], expected[key], rtol=1e-9, atol=1e-9)


@every_encoder
@pytest.mark.parametrize("objective", [PLAIN, FULL], ids=["plain", "own view"])
def test_decoding_before_or_after_averaging_is_the_same(name, objective):
    """In values and gradients; networks decode first where that is narrower."""
    network, n_channels = build(name, objective)
    arguments = batch(n_channels)
    assert network.decodes_first == (n_channels * network.patch_length < 6)
    results = []
    for first in (True, False):
        network.decodes_first = first
        losses = network.losses(*arguments)
        gradients = torch.autograd.grad(
            losses["total"], list(network.parameters()), allow_unused=True
        )
        results.append([*losses.values(), *(g for g in gradients if g is not None)])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@every_encoder
def test_more_padding_changes_no_loss(name):
    network, n_channels = build(name)
    values, *masks = batch(n_channels)
    losses = network.losses(values, *masks)
    longer = network.losses(*(torch.nn.functional.pad(x, (0, 7)) for x in (values, *masks)))
    for key in losses:
        torch.testing.assert_close(longer[key], losses[key], rtol=1e-10, atol=1e-10)


def loss_bits(network, values, *rest):
    """Every loss, and the gradient of the total with respect to every parameter."""
    network.zero_grad()
    losses = network.losses(values, *rest)
    losses["total"].backward()
    return [*losses.values(), *(p.grad for p in network.parameters())]


@every_encoder
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e30, 0.0])
def test_missing_values_and_padding_change_no_bit(name, dtype, poison):
    network, n_channels = build(name, LEARNED, dtype)
    values, observed, within, views = batch(n_channels, dtype)
    poisoned = values.masked_fill(~observed, poison)
    for before, after in zip(
        loss_bits(network, values, observed, within, views),
        loss_bits(network, poisoned, observed, within, views),
        strict=True,
    ):
        assert before.equal(after)


@every_encoder
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e30])
def test_what_an_encoder_says_behind_the_end_changes_no_bit(name, poison):
    """Nothing there is a neighbour's point, so it reaches neither losses nor gradients."""
    network, n_channels = build(name, LEARNED)
    inputs = batch(n_channels)
    before = loss_bits(network, *inputs)

    def poisoned(_, arguments, layers):
        tokens = token_mask(arguments[2], network.patch_length)
        assert not tokens.all()
        return [*layers[:-1], layers[-1].masked_fill(~tokens[..., None], poison)]

    network.backbone.register_forward_hook(poisoned)
    for got, expected in zip(loss_bits(network, *inputs), before, strict=True):
        assert got.equal(expected)


def with_level_weights(network, factor):
    with torch.no_grad():
        network.backbone.stats_embedding.weight.mul_(factor)
    return network


@every_encoder
@pytest.mark.parametrize(("scale", "offset"), [(1.25, 0.0), (1.0, 2.0), (0.75, 1.5)])
def test_rescaling_a_series_changes_nothing_but_through_its_level(name, scale, offset):
    network, n_channels = build(name)
    values, observed, within, views = batch(n_channels)
    changed = values.clone()
    changed[0] = values[0] * scale + offset
    before, after = (
        network.layers(normalized_rows(x, views[:N], within)) for x in (values, changed)
    )
    for old, new in zip(before, after, strict=True):
        assert (new - old)[0].abs().amax(-1).gt(1e-6).all()
        torch.testing.assert_close(new[1:], old[1:], rtol=0, atol=0)
    deaf = with_level_weights(network, 0)
    before, after = (deaf.layers(normalized_rows(x, views[:N], within)) for x in (values, changed))
    for old, new in zip(before, after, strict=True):
        torch.testing.assert_close(new, old, rtol=1e-10, atol=1e-10)
    before, after = (deaf.losses(x, observed, within, views) for x in (values, changed))
    for key in before:
        torch.testing.assert_close(after[key], before[key], rtol=1e-10, atol=1e-10)


@every_encoder
def test_each_row_hears_the_level_of_its_own_visible_points(name):
    network, n_channels = build(name)
    values, _, within, views = batch(n_channels)
    heard = []
    network.backbone.register_forward_hook(lambda _, arguments, __: heard.append(arguments[3]))
    network.layers(normalized_rows(values.repeat(M, 1, 1), views, within.repeat(M, 1)))
    raw = instance_stats(values.repeat(M, 1, 1), views)
    expected = (raw - network.stats_scaler.center) / network.stats_scaler.std
    torch.testing.assert_close(heard[0], expected.clamp(-5, 5))
    assert not heard[0][:N].allclose(heard[0][N:])


@pytest.mark.parametrize("offset", [1e3, 1e6, 1.6e9])
def test_float32_network_keeps_the_digits_of_float64_data(offset):
    """Statistics come in the precision of the data, so a large offset costs none."""
    network, n_channels = build("conv", dtype=torch.float32)
    values, observed, within, _ = batch(n_channels)

    def represented(x):
        network.stats_scaler.fit(raw_instance_stats(x, observed))
        return network.layers(normalized_rows(x, observed, within))[-1]

    expected = represented(values)
    assert expected.dtype == torch.float32
    torch.testing.assert_close(represented(values + offset), expected, rtol=1e-4, atol=1e-4)


@every_encoder
@pytest.mark.parametrize("poison", [torch.nan, -torch.inf, 1e30])
def test_masked_values_change_no_bit_of_a_view(name, poison):
    network, n_channels = build(name, dtype=torch.float32)
    values, _, within, views = batch(n_channels, torch.float32)
    poisoned = values.masked_fill(~views[:N], poison)
    for result in (
        lambda x: torch.stack(network.layers(normalized_rows(x, views[:N], within))),
        lambda x: network.rebuild(x, views[:N], within),
        lambda x: network.project(x, views[:N], within),
        lambda x: network.embed(x, views[:N], within, STATISTICS, True),
    ):
        assert result(poisoned).equal(result(values))


@pytest.mark.parametrize("name", ["patch", "point"])
def test_a_wholly_hidden_patch_is_one_token_whatever_its_values(name):
    network = with_level_weights(build(name)[0], 0)  # apart from the level of its series
    values, observed, _, _ = batch(1)
    hidden = observed.clone()
    hidden[:, :, 4:8] = False
    embedded = network.layers(normalized_rows(values, hidden, None))[0]
    for token in range(4 // network.patch_length, 8 // network.patch_length):
        for series in range(1, N):
            assert embedded[series, token].equal(embedded[0, token])


@every_encoder
def test_padding_is_no_part_of_embeddings_and_projections(name):
    network, n_channels = build(name)
    values, observed, within, _ = batch(n_channels)
    alone = (values[1:2, :, :9], observed[1:2, :, :9])
    torch.testing.assert_close(
        network.embed(values, observed, within, STATISTICS, True)[1:2],
        network.embed(*alone, None, STATISTICS, True),
    )
    torch.testing.assert_close(
        network.project(values, observed, within)[1:2], network.project(*alone, None)
    )
    torch.testing.assert_close(
        network.rebuild(values, observed, within)[1:2, :, :9], network.rebuild(*alone, None)
    )


def test_layers_do_not_see_amplitudes():
    network, _ = build("conv")
    network = with_level_weights(network, 0)  # which layers are told apart
    values, observed, within, _ = batch(2)
    larger = values * torch.tensor([1.0, 1.0, 0.1], dtype=values.dtype)[:, None, None]
    torch.testing.assert_close(
        network.embed(values, observed, within, STATISTICS, True),
        network.embed(larger, observed, within, STATISTICS, True),
    )


@every_encoder
def test_layers_are_counted(name):
    network, n_channels = build(name)
    values, observed, _, _ = batch(n_channels)
    layers = network.train().layers(normalized_rows(values, observed, None))
    assert network.n_layers() == len(layers)
    assert network.training


@every_encoder
def test_embedding_is_made_of_layers_then_statistics(name):
    network, n_channels = build(name)
    values, _, _, _ = batch(n_channels)
    observed = torch.ones_like(values, dtype=torch.bool)
    layers = network.layers(normalized_rows(values, observed, None))
    every = network.embed(values, observed, None, ("max", "mean"), True)
    parts = [pooled(x, None, s) for x in layers for s in ("max", "mean")]
    torch.testing.assert_close(every, torch.cat(parts, 1))
    last = network.embed(values, observed, None, ("max", "mean"), False)
    torch.testing.assert_close(last, every[:, -12:])


@every_encoder
def test_a_gap_in_a_straight_line_changes_no_embedding_and_no_projection(name):
    """Missing values are interpolated before anything else is done with them, level included."""
    network, n_channels = build(name)
    time = torch.arange(LENGTH, dtype=torch.float64)
    slope = torch.tensor([-3.0, 0.5, 2.0], dtype=torch.float64)[:, None, None]
    values = (slope * time + 1 / slope).repeat(1, n_channels, 1)
    within = (time < torch.tensor([LENGTH, LENGTH - 3, LENGTH])[:, None]).bool()
    whole = within[:, None].expand_as(values)
    gaps = whole.clone()
    gaps[:, 0, 2:5] = False
    gaps[2, :, 7] = False
    gaps[1, 0, 9] = False

    def features(observed):
        given = values.masked_fill(~observed, 0)
        yield network.embed(given, observed, within, STATISTICS, True)
        yield network.project(given, observed, within)

    for got, expected in zip(features(gaps), features(whole), strict=True):
        torch.testing.assert_close(got, expected)


def test_own_view_weight_zero_is_the_papers_objective():
    values, observed, within, views = batch(2)
    plain = build("conv", PLAIN)[0].losses(values, observed, within, views)
    full = build("conv", FULL)[0].losses(values, observed, within, views)
    assert list(plain) == ["reconstruction", "constraint", "total"]
    assert plain["total"].item() == pytest.approx(
        (plain["reconstruction"] + 0.5 * plain["constraint"]).item(), rel=1e-12
    )
    assert full["total"].item() == pytest.approx(
        (plain["total"] + 0.7 * full["own_view"]).item(), rel=1e-12
    )


@pytest.mark.parametrize("weight", [0, 0.0, 2])
def test_constraint_weight_scales_the_constraint(weight):
    network, n_channels = build("conv", replace(PLAIN, constraint_weight=weight))
    losses = network.losses(*batch(n_channels))
    expected = losses["reconstruction"] + weight * losses["constraint"]
    torch.testing.assert_close(losses["total"], expected)
    assert network.objective.loss_weights is None


@every_encoder
def test_every_weight_learns(name):
    network, n_channels = build(name, LEARNED)
    network.losses(*batch(n_channels))["total"].backward()
    assert network.objective.loss_weights.sigma.shape == (2,)
    for parameter in network.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()


@every_encoder
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("constant", [0.0, -3.7, 1e20])
def test_constant_series_have_finite_gradients(name, dtype, constant):
    network, n_channels = build(name, LEARNED, dtype)
    _, *rest = batch(n_channels, dtype)
    values = torch.full((N, n_channels, LENGTH), constant, dtype=dtype)
    assert all(bool(x.isfinite().all()) for x in loss_bits(network, values, *rest))


@every_encoder
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_missing_channels_and_series(name, dtype):
    """Without any observed point: the last channel of one series, all channels of another."""
    network, n_channels = build(name, LEARNED, dtype)
    values, observed, within, _ = batch(n_channels, dtype)
    observed[0, -1] = False
    observed[2] = False
    values = values.masked_fill(~observed, torch.nan)
    views = masked_views(observed, M, geometric_mask, 0.5, 3, torch.Generator().manual_seed(0))
    assert all(
        bool(x.isfinite().all()) for x in loss_bits(network, values, observed, within, views)
    )


@every_encoder
@pytest.mark.parametrize("n_masks", [1, 3])
def test_a_single_series(name, n_masks):
    network, n_channels = build(name)
    values, observed, _, _ = (x[:1] for x in batch(n_channels))
    views = masked_views(observed, n_masks, geometric_mask, 0.5, 3, torch.Generator())
    losses = network.losses(values, observed, None, views)
    assert all(bool(x.isfinite()) for x in losses.values())


@every_encoder
def test_number_of_parameters_does_not_depend_on_the_length(name):
    counts = set()
    for length in (100, 3_000):
        backbone = ENCODERS[name].build(n_channels=1, length=length)
        counts.add(sum(p.numel() for p in SimMTM(backbone, 1, 4, FULL).parameters()))
    assert len(counts) == 1


def test_losses_keep_their_digits_under_autocast():
    network, n_channels = build("conv", dtype=torch.float32)
    inputs = batch(n_channels, torch.float32)
    exact = network.losses(*inputs)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network.losses(*inputs)
    for key in exact:
        assert rough[key].dtype == torch.float32
        assert rough[key].item() == pytest.approx(exact[key].item(), rel=0.05)
