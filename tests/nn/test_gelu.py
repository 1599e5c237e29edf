"""GELU, and that threads do not change its bits."""

import math

import pytest
import torch

from simmtm_sk.nn.gelu import GELU, gelu
from tests.small import torch_threads

DRAW = torch.Generator().manual_seed(0)


def test_it_is_the_number_times_its_normal_distribution():
    x = torch.randn(40_000, generator=DRAW, dtype=torch.float64).view(200, 200)
    expected = [0.5 * v * (1 + math.erf(v / 2**0.5)) for v in x.flatten().tolist()]
    with torch.no_grad():
        for computed in (gelu(x), GELU()(x)):
            assert computed.shape == x.shape
            torch.testing.assert_close(computed.flatten(), torch.tensor(expected).double())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_has_the_same_bits_on_any_number_of_threads(dtype):
    for n in (100_003, 256_000):
        x = torch.randn(n, generator=DRAW, dtype=dtype)
        results = []
        with torch.no_grad():
            for n_threads in (1, 2, 3, 7):
                with torch_threads(n_threads):
                    results.append(gelu(x))
        assert all(torch.equal(result, results[0]) for result in results)


def test_gradients_and_layouts_are_torchs():
    x = torch.randn(300, 200, generator=DRAW).T.requires_grad_()
    torch.testing.assert_close(gelu(x), torch.nn.functional.gelu(x))
    (slope,) = torch.autograd.grad(gelu(x).sum(), x)
    (expected,) = torch.autograd.grad(torch.nn.functional.gelu(x).sum(), x)
    torch.testing.assert_close(slope, expected)
    with torch.no_grad():
        torch.testing.assert_close(gelu(x), torch.nn.functional.gelu(x))
