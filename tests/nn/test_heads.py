"""Projector, decoder and pooling."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.heads import STATISTICS, Decoder, Projector, pooled
from tests.small import torch_threads

PLAIN = {
    "mean": lambda x: x.mean(0),
    "max": lambda x: x.max(0),
    "min": lambda x: x.min(0),
    "std": lambda x: x.std(0),
    "ppv": lambda x: (x > 0).mean(0),
}


def random_points(n_rows=4, n_tokens=9, d=5):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n_rows, n_tokens, d, generator=generator, dtype=torch.float64)


def prefixes(lengths, n_tokens):
    return torch.arange(n_tokens) < torch.tensor(lengths)[:, None]


def test_every_pooling_is_tested():
    assert set(STATISTICS) == set(PLAIN)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_pooled_equals_numpy(statistic):
    points = random_points()
    expected = np.stack([PLAIN[statistic](row) for row in points.numpy()])
    np.testing.assert_allclose(pooled(points, None, statistic), expected, atol=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("offset", [0.0, -10.0, 10.0])  # the padding's zero is no extreme
def test_pooled_over_the_tokens_within_equals_numpy(statistic, offset):
    points, lengths = random_points() + offset, [9, 4, 1, 6]
    expected = np.stack(
        [
            PLAIN[statistic](row[:length])
            for row, length in zip(points.numpy(), lengths, strict=True)
        ]
    )
    tokens = prefixes(lengths, 9)
    np.testing.assert_allclose(pooled(points, tokens, statistic), expected, atol=1e-12)
    poisoned = points.masked_fill(~tokens[..., None], 1e9)
    assert pooled(poisoned, tokens, statistic).equal(pooled(points, tokens, statistic))


@pytest.mark.parametrize("statistic", ["mean", "max", "min", "std"])  # a share has no gradient
@pytest.mark.parametrize(
    "tokens",
    [None, torch.ones(2, 3, dtype=torch.bool), prefixes([2, 1], 3)],
    ids=["all", "mask", "padding"],
)
def test_pooled_has_finite_gradients_on_constant_tokens(statistic, tokens):
    points = torch.ones(2, 3, 4, requires_grad=True)
    total = pooled(points, tokens, statistic).sum()
    assert torch.autograd.grad(total, points)[0].isfinite().all()


def test_pooled_std_has_the_same_gradients_with_and_without_a_mask():
    points = random_points().requires_grad_()
    slope = torch.linspace(-1, 2, 20, dtype=torch.float64).view(4, 5)
    plain, masked = (
        torch.autograd.grad((slope * pooled(points, tokens, "std")).sum(), points)[0]
        for tokens in (None, torch.ones(4, 9, dtype=torch.bool))
    )
    torch.testing.assert_close(masked, plain)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("masked", [False, True])
def test_pooled_has_the_same_bits_on_any_number_of_threads(statistic, masked):
    points = random_points(2, 30_000, 6).float()
    tokens = prefixes([30_000, 20_001], 30_000) if masked else None
    results = []
    for n_threads in (1, 2, 5):
        with torch_threads(n_threads):
            results.append(pooled(points, tokens, statistic))
    assert all(torch.equal(result, results[0]) for result in results)


def test_projector_sees_the_mean_token_within():
    torch.manual_seed(0)
    projector, points = Projector(5, 3).double(), random_points()
    tokens = prefixes([9, 4, 1, 6], 9)
    projected = projector(points, tokens)
    assert projected.shape == (4, 3)
    for row, length in enumerate([9, 4, 1, 6]):
        alone = projector(points[row : row + 1, :length], None)
        torch.testing.assert_close(projected[row : row + 1], alone)
    shuffled = projector(points.flip(1), None)
    torch.testing.assert_close(shuffled, projector(points, None))


@pytest.mark.parametrize(
    ("n_channels", "patch", "length"), [(1, 4, 12), (1, 4, 10), (3, 1, 7), (2, 4, 10)]
)
def test_decoder_writes_each_token_onto_its_points(n_channels, patch, length):
    torch.manual_seed(0)
    decoder = Decoder(5, n_channels, patch).double()
    points = random_points(n_rows=2, n_tokens=-(-length // patch))
    rebuilt = decoder(points, length)
    assert rebuilt.shape == (2, n_channels, length)
    weight, bias = decoder.linear.weight, decoder.linear.bias
    for t in range(length):
        for c in range(n_channels):
            unit = c * patch + t % patch
            expected = points[:, t // patch] @ weight[unit] + bias[unit]
            torch.testing.assert_close(rebuilt[:, c, t], expected)
