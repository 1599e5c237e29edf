"""Random numbers of a thread's own: the numbers of torch's generator, and it is not touched."""

import threading

import pytest
import torch
from torch import nn

from simmtm_sk.nn.randomness import drawn_seeds, own_dropout, own_randomness, redirected


def everything_random():
    """Layers with initial weights, and what an encoder of a user's might draw."""
    layers = nn.Sequential(
        *(nn.Linear(3, 4), nn.Conv1d(3, 4, 3), nn.GRU(3, 4), nn.Embedding(3, 4)),
        *(nn.MultiheadAttention(4, 2), nn.TransformerEncoderLayer(4, 2, 8)),
    )
    drawn = [
        *(torch.randn(3), torch.rand(2), torch.randint(5, (3,)), torch.randint(2, 9, (3,))),
        *(torch.randperm(5), torch.normal(0.0, 1.0, (3,)), torch.multinomial(torch.ones(4), 2)),
        *(torch.bernoulli(torch.full((4,), 0.5)), nn.init.trunc_normal_(torch.empty(5))),
        nn.init.orthogonal_(torch.empty(3, 3)),
    ]
    return torch.cat([x.flatten().double() for x in [*layers.parameters(), *drawn]])


def test_the_same_numbers_as_from_torchs_generator_which_stays_as_it_is():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        expected = everything_random()
        before = torch.get_rng_state()
        with own_randomness(3), redirected():
            drawn = everything_random()
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn, expected)


class Attention(nn.Module):
    """Attention with a dropout of its own, not a module of that name."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, dropout=0.4)

    def forward(self, x):
        return self.attention(x, x, x)[0]


DROPOUTS = [
    (nn.Dropout(0.4), (5, 6)),
    (nn.Dropout1d(0.4), (5, 6, 2)),
    (nn.Dropout2d(0.4), (5, 6, 2, 2)),
    (nn.Dropout3d(0.4), (5, 6, 2, 2, 2)),
    (nn.AlphaDropout(0.4), (5, 6)),
    (nn.FeatureAlphaDropout(0.4), (5, 6, 2)),
    (Attention(), (5, 6)),
    (nn.GRU(6, 6, num_layers=2, dropout=0.4), (5, 6)),
    (nn.TransformerEncoderLayer(6, 2, 8, dropout=0.3), (5, 3, 6)),
]


@pytest.mark.parametrize(("module", "shape"), DROPOUTS, ids=lambda m: type(m).__name__)
def test_what_is_dropped_is_what_torch_would_drop(module, shape):
    def dropped():
        x = torch.linspace(1, 2, torch.Size(shape).numel()).reshape(shape).requires_grad_()
        result = module.train()(x)
        result = result[0] if isinstance(result, tuple) else result
        (gradient,) = torch.autograd.grad(result.square().sum(), [x])
        return torch.cat([result.flatten(), gradient.flatten()])

    with torch.random.fork_rng():
        torch.manual_seed(4)
        expected, later = dropped(), dropped()
        before = torch.get_rng_state()
        with own_randomness(4), own_dropout(module), own_dropout(module):
            assert torch.equal(dropped(), expected)
            assert torch.equal(dropped(), later)
        assert torch.equal(torch.get_rng_state(), before)
        dropped()
        assert not torch.equal(torch.get_rng_state(), before)  # the hooks are gone


def test_without_generators_of_its_own_a_thread_draws_from_torchs():
    with torch.random.fork_rng():
        torch.manual_seed(5)
        expected = torch.randint(2**31, (3,)).tolist()
        torch.manual_seed(5)
        with redirected():
            assert drawn_seeds(3) == expected


def test_every_thread_has_its_own():
    seen = {}

    def draw(seed):
        with own_randomness(seed), redirected():
            seen[seed] = torch.rand(20_000).sum().item()

    for seed in (1, 2):
        draw(seed)
    alone = dict(seen)
    threads = [threading.Thread(target=draw, args=[seed]) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == alone
    assert seen[1] != seen[2]


def test_an_error_in_forward_leaves_nothing_behind():
    module = nn.Dropout(0.5)
    with own_randomness(1), own_dropout(module):
        with pytest.raises(TypeError):
            module("no tensor")
        before = torch.get_rng_state()
        torch.rand(1)
        assert not torch.equal(torch.get_rng_state(), before)  # not redirected


@pytest.mark.parametrize("p", [0.0, 0.4])
def test_dropout_as_gpus_compute_it(p):
    """Whole in one operation: a share p is dropped, the rest made larger, in backward as well."""
    x = torch.ones(200, 100, requires_grad=True)

    def dropped(train):
        with own_randomness(2), redirected():
            result, kept = torch.native_dropout(x, p, train)
            (gradient,) = torch.autograd.grad(result.sum(), [x])
        return result, kept, gradient

    before = torch.get_rng_state()
    result, kept, gradient = dropped(True)
    assert torch.equal(result, kept / (1 - p))
    torch.testing.assert_close(gradient, result)
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.01)
    assert torch.equal(dropped(True)[0], result)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(dropped(False)[0], x)
