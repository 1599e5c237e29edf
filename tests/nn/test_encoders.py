"""Encoder networks: shapes, padding, independence of rows, and plain versions of their parts."""

import itertools
import math

import pytest
import torch

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder
from simmtm_sk.nn.encoders import DilatedConv, TransformerBlock, sinusoidal_positions, token_mask

ENCODERS = {
    "conv": ConvEncoder(d_model=8, n_layers=3, kernel_size=5),
    "patch": PatchEncoder(patch_length=4, d_model=8, n_layers=2, n_heads=2, d_feedforward=12),
    "point": PointEncoder(d_model=8, n_layers=2, n_heads=2, d_feedforward=12),
}
N_LAYERS = {"conv": 4, "patch": 3, "point": 3}  # the first is the embedding's or the stem's
every_encoder = pytest.mark.parametrize("name", list(ENCODERS))


def build(name, n_channels=3, length=200):
    """Return the network in float64, and the channels of its rows."""
    encoder = ENCODERS[name]
    n_channels = 1 if encoder.channel_independent else n_channels
    torch.manual_seed(0)
    network = encoder.build(n_channels=n_channels, length=length).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # biases of zero would hide mistakes
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network, n_channels


def rows(n_rows, n_channels, length, seed=0, share=0.7):
    generator = torch.Generator().manual_seed(seed)
    visible = torch.rand(n_rows, n_channels, length, generator=generator) < share
    values = torch.randn(n_rows, n_channels, length, generator=generator, dtype=torch.float64)
    return values.masked_fill(~visible, 0), visible


def instance_stats(n_rows, n_channels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_rows, 2 * n_channels, generator=generator, dtype=torch.float64)


def near(actual, expected, tolerance=1e-10):
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@every_encoder
@pytest.mark.parametrize("length", [4, 5, 31, 64])
def test_one_layer_of_tokens_after_another(name, length):
    network, n_channels = build(name)
    layers = network(*rows(3, n_channels, length), None, instance_stats(3, n_channels))
    n_tokens = math.ceil(length / network.patch_length)
    assert [tuple(x.shape) for x in layers] == [(3, n_tokens, network.d_model)] * N_LAYERS[name]
    for before, after in itertools.pairwise(layers):
        assert not before.allclose(after)


@every_encoder
def test_any_length_with_the_same_parameters(name):
    network, n_channels = build(name)
    for length in (1, 2, 3, 7, 1_000):
        layers = network(*rows(2, n_channels, length), None, instance_stats(2, n_channels))
        assert all(bool(x.isfinite().all()) for x in layers)
        assert layers[-1].shape[1] == math.ceil(length / network.patch_length)
    # the length that it is built for is no size of any weight
    sizes = [
        [p.shape for p in build(name, length=length)[0].parameters()] for length in (100, 1_000)
    ]
    assert sizes[0] == sizes[1]


@every_encoder
@pytest.mark.parametrize("length", [1, 9, 21, 24, 39])
def test_padding_changes_nothing(name, length):
    network, n_channels = build(name)
    values, visible = rows(3, n_channels, 40)
    within = torch.ones(3, 40, dtype=torch.bool)
    within[1, length:] = False
    visible[1, :, length:] = False
    values = values.masked_fill(~visible, 0)
    taken = instance_stats(3, n_channels)
    padded = network(values, visible, within, taken)
    alone = network(values[1:2, :, :length], visible[1:2, :, :length], None, taken[1:2])
    n_tokens = math.ceil(length / network.patch_length)
    for one, many in zip(alone, padded, strict=True):
        near(many[1:2, :n_tokens], one)
    # nor do the full rows beside it notice
    for one, many in zip(network(values, visible, None, taken), padded, strict=True):
        near(many[[0, 2]], one[[0, 2]])


@every_encoder
def test_rows_do_not_see_one_another(name):
    network, n_channels = build(name)
    values, visible = rows(5, n_channels, 26)
    taken = instance_stats(5, n_channels)
    together = network(values, visible, None, taken)
    for i in range(5):
        alone = network(values[i : i + 1], visible[i : i + 1], None, taken[i : i + 1])
        for one, many in zip(alone, together, strict=True):
            near(many[i : i + 1], one)


@every_encoder
def test_a_hidden_point_is_no_average_point(name):
    network, n_channels = build(name)
    values, visible = rows(1, n_channels, 16, share=1.1)
    values[..., 8:12] = 0
    hidden = visible.clone()
    hidden[..., 8:12] = False
    taken = instance_stats(1, n_channels)
    seen, unseen = (network(values, shown, None, taken)[0] for shown in (visible, hidden))
    assert not seen.allclose(unseen, atol=1e-3)


@pytest.mark.parametrize(("name", "patch"), [("patch", 4), ("point", 1)])
def test_a_hidden_patch_is_one_token(name, patch):
    network, _ = build(name)
    values, visible = rows(2, 1, 24, share=1.1)
    first, second = (0, 2), (1, 4)  # (row, patch)
    for row, token in (first, second):
        visible[row, :, token * patch : (token + 1) * patch] = False
    taken = instance_stats(2, 1)
    embedded = network(values.masked_fill(~visible, 0), visible, None, taken)[0]
    embedded = embedded - sinusoidal_positions(embedded.shape[1], 8, embedded)
    embedded = embedded - network.stats_embedding(taken)[:, None]
    near(embedded[first], embedded[second])
    assert not embedded[0, 0].allclose(embedded[first])


def test_the_last_patch_is_filled_with_hidden_points():
    network, _ = build("patch")
    values, visible = rows(2, 1, 24)
    visible[..., 22:] = False
    values = values.masked_fill(~visible, 0)
    taken = instance_stats(2, 1)
    cut = network(values[..., :22], visible[..., :22], None, taken)[-1]
    near(cut, network(values, visible, None, taken)[-1])


@every_encoder
def test_level_is_added_to_every_token_of_its_series_alone(name):
    network, n_channels = build(name)
    values, visible = rows(3, n_channels, 24)
    within = torch.ones(3, 24, dtype=torch.bool)
    within[1, 9:] = False
    visible &= within[:, None]
    values = values.masked_fill(~visible, 0)
    taken = instance_stats(3, n_channels)
    changed = taken.clone()
    changed[1] = instance_stats(1, n_channels, seed=1)[0]
    before, after = (network(values, visible, within, x) for x in (taken, changed))
    n_tokens = math.ceil(9 / network.patch_length)
    step = network.stats_embedding.weight @ (changed - taken)[1]
    near((after[0] - before[0])[1, :n_tokens], step.expand(n_tokens, -1))
    for old, new in zip(before, after, strict=True):
        assert (new - old)[1, :n_tokens].abs().amax(-1).gt(1e-3).all()
        assert new[[0, 2]].equal(old[[0, 2]])


@every_encoder
def test_every_number_of_the_level_counts(name):
    network, n_channels = build(name)
    inputs, taken = rows(1, n_channels, 16), instance_stats(1, n_channels)
    before = network(*inputs, None, taken)[-1]
    assert network.stats_embedding.in_features == 2 * n_channels
    for number in range(2 * n_channels):
        changed = taken.clone()
        changed[0, number] += 1.0
        assert not network(*inputs, None, changed)[-1].allclose(before, atol=1e-3)


@pytest.mark.parametrize("dilation", [1, 2, 8])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_dilated_conv_is_conv1d(kernel_size, dilation):
    layer = DilatedConv(3, 4, kernel_size, dilation).double()
    x = torch.randn(2, 21, 3, dtype=torch.float64)
    plain = torch.nn.functional.conv1d(
        x.transpose(1, 2),
        layer.conv.weight.squeeze(2),
        layer.conv.bias,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
    )
    near(layer(x), plain.transpose(1, 2))


def test_receptive_field_of_convolutions_doubles_with_every_block():
    network, n_channels = build("conv")
    values, visible = rows(1, n_channels, 101, share=1.1)
    changed = values.clone()
    changed[0, 1, 50] += 1.0
    taken = instance_stats(1, n_channels)
    pairs = zip(*(network(x, visible, None, taken) for x in (values, changed)), strict=True)
    for layer, (before, after) in enumerate(pairs):
        reached = (before != after).any(-1)[0].nonzero()[:, 0]
        radius = 2 * 2**layer  # kernel_size // 2 for the stem, as much again, twice that, ...
        assert (reached.min().item(), reached.max().item()) == (50 - radius, 50 + radius)


def test_short_series_get_no_blocks_that_look_beyond_them():
    built_for = {
        length: len(ConvEncoder(d_model=4, n_layers=6).build(1, length).blocks)
        for length in (1, 2, 24, 1_000)
    }
    assert built_for == {1: 1, 2: 1, 24: 5, 1_000: 6}


def test_transformers_see_the_whole_series():
    network, _ = build("patch")
    values, visible = rows(1, 1, 400, share=1.1)
    changed = values.clone()
    changed[0, 0, 0] += 1.0
    embedded, _, last = (
        (a - b).abs().amax(-1)[0]
        for a, b in zip(
            *(network(x, visible, None, instance_stats(1, 1)) for x in (values, changed)),
            strict=True,
        )
    )
    assert (embedded[1:] == 0).all()
    assert (last > 1e-9).all()


def plain_block(block, x, attended):
    """One transformer block on one row, head by head, query by query."""
    n_tokens, d_model = x.shape
    d_head = d_model // block.n_heads
    queries, keys, values = block.qkv(block.norm_attention(x)).split(d_model, -1)
    heads = torch.zeros_like(x)
    for h in range(block.n_heads):
        part = slice(h * d_head, (h + 1) * d_head)
        for i in range(n_tokens):
            scores = [
                (queries[i, part] @ keys[j, part]).item() / math.sqrt(d_head)
                for j in range(n_tokens)
            ]
            shares = [
                math.exp(s) if seen else 0.0 for s, seen in zip(scores, attended, strict=True)
            ]
            heads[i, part] = sum(
                share / sum(shares) * values[j, part] for j, share in enumerate(shares)
            )
    x = x + block.out(heads)
    return x + block.feedforward(block.norm_feedforward(x))


@pytest.mark.parametrize("n_heads", [1, 3])
def test_attention_is_a_softmax_over_the_tokens_within(n_heads):
    torch.manual_seed(0)
    block = TransformerBlock(6, n_heads, 10, 0.0).double().eval()
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    within = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    got = block(x, within[:, None, None])
    for row in range(2):
        near(got[row], plain_block(block, x[row], within[row]))
    near(block(x, None)[1], plain_block(block, x[1], torch.ones(5, dtype=torch.bool)))


@pytest.mark.parametrize("d_model", [6, 7])
def test_positions(d_model):
    n_frequencies = math.ceil(d_model / 2)
    got = sinusoidal_positions(9, d_model, torch.zeros((), dtype=torch.float64))
    assert got.shape == (9, d_model)
    for t in range(9):
        angles = [t / 10_000 ** (2 * k / d_model) for k in range(n_frequencies)]
        expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
        near(got[t], torch.tensor(expected[:d_model], dtype=torch.float64))


def test_positions_tell_equal_patches_apart():
    network, _ = build("patch")
    values, visible = rows(1, 1, 4, share=1.1)
    embedded = network(values.repeat(1, 1, 3), visible.repeat(1, 1, 3), None, instance_stats(1, 1))[
        0
    ][0]
    near(embedded - embedded[:1], (p := sinusoidal_positions(3, 8, embedded)) - p[:1])


def test_token_mask():
    within = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0]])
    expected = [[True, True, True], [True, True, False], [True, False, False]]
    assert token_mask(within.bool(), 3).tolist() == expected
    assert token_mask(within.bool(), 1).equal(within.bool())
    assert token_mask(None, 3) is None


def test_patch_longer_than_the_series():
    with pytest.raises(ValueError, match=r"patch_length=16 is longer than the series \(9 points\)"):
        PatchEncoder(patch_length=16).build(n_channels=1, length=9)


def test_a_patch_as_long_as_the_series_is_one_token():
    network = PatchEncoder(patch_length=9).build(n_channels=1, length=9)
    layers = network(torch.zeros(1, 1, 9), torch.ones(1, 1, 9).bool(), None, torch.zeros(1, 2))
    assert layers[-1].shape == (1, 1, 64)


@pytest.mark.parametrize("kernel_size", [2, 4])
def test_even_kernel_size(kernel_size):
    with pytest.raises(ValueError, match=f"kernel_size must be odd, got {kernel_size}"):
        ConvEncoder(kernel_size=kernel_size).build(n_channels=1, length=9)


@pytest.mark.parametrize("encoder", [PatchEncoder, PointEncoder])
def test_heads_must_share_the_width(encoder):
    with pytest.raises(ValueError, match="d_model=10 must be a multiple of n_heads=4"):
        encoder(d_model=10, n_heads=4).build(n_channels=1, length=9)


@every_encoder
def test_dropout_acts_in_training_only(name):
    encoder = type(ENCODERS[name])(**{**ENCODERS[name].get_params(), "dropout": 0.5})
    network = encoder.build(n_channels=1, length=20).double()
    values, visible = rows(1, 1, 20)
    train = [network.train()(values, visible, None, instance_stats(1, 1))[-1] for _ in range(2)]
    predict = [network.eval()(values, visible, None, instance_stats(1, 1))[-1] for _ in range(2)]
    assert not train[0].allclose(train[1])
    assert predict[0].equal(predict[1])
