"""Micro-batches: the numbers of the whole, same bits on any threads, bounded memory."""

import threading

import pytest
import torch
from torch import nn

from simmtm_sk.nn import micro_batches
from simmtm_sk.nn.micro_batches import (
    dropout_probability,
    in_micro_batches,
    in_threads,
    worker_threads,
)
from tests.small import torch_threads

N_ROWS, WIDTH = 11, 6


@pytest.fixture(params=["kept", "encoded again"])
def small_micro_batches(request, monkeypatch):
    """Four micro-batches of `N_ROWS` rows; those of the whole kept for backward, or not."""
    monkeypatch.setattr(micro_batches, "MICRO_BATCH", -(-N_ROWS * WIDTH // 4))
    if request.param == "encoded again":
        monkeypatch.setattr(micro_batches, "KEPT", N_ROWS * WIDTH - 1)


def network(dropout=0.0, dtype=torch.float64):
    torch.manual_seed(0)
    layers = nn.Linear(3, WIDTH), nn.GELU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH)
    return nn.Sequential(*layers).to(dtype)


def data(dtype=torch.float64):
    return torch.randn(N_ROWS, 3, generator=torch.Generator().manual_seed(1), dtype=dtype)


def results_and_gradients(module, x, n_threads=1, calls=None):
    """Two results of every row that end in one number, and the gradients of the parameters."""

    def run(rows):
        if calls is not None:
            calls.append(rows)
        h = module(x[rows])
        return h, h.square().sum(1)

    with torch_threads(n_threads), worker_threads():
        h, energy = in_micro_batches(run, N_ROWS, N_ROWS * WIDTH, module)
        loss = (h.flatten() @ torch.linspace(-1, 2, h.numel(), dtype=h.dtype)) + energy.prod()
        gradients = torch.autograd.grad(loss, list(module.parameters()))
    return [h.detach(), energy.detach(), *gradients]


def test_the_same_numbers_as_in_one_piece(small_micro_batches):
    module, x = network(), data()
    h = module(x)
    energy = h.square().sum(1)
    loss = (h.flatten() @ torch.linspace(-1, 2, h.numel(), dtype=h.dtype)) + energy.prod()
    expected = [h, energy, *torch.autograd.grad(loss, list(module.parameters()))]
    calls = []
    for got, wanted in zip(results_and_gradients(module, x, 1, calls), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-10)
    assert [rows.stop - rows.start for rows in calls[:4]] == [2, 3, 3, 3]


@pytest.mark.parametrize(
    ("layer_size", "device", "n_micro_batches"),
    [
        (micro_batches.MICRO_BATCH // 2 - 1, "cpu", 1),
        (micro_batches.MICRO_BATCH // 2, "cpu", 2),
        (2 * micro_batches.MICRO_BATCH, "cpu", 2),
        (2 * micro_batches.MICRO_BATCH + 1, "cpu", 4),
        (micro_batches.KEPT, "cuda", 1),
        (micro_batches.KEPT + 1, "cuda", 2),
    ],
)
def test_the_number_of_parts_follows_from_the_size(layer_size, device, n_micro_batches):
    assert micro_batches.number_of_micro_batches(layer_size, device) == n_micro_batches


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_same_bits_on_any_number_of_threads(small_micro_batches, dropout):
    module, x = network(dropout, torch.float32), data(torch.float32)
    all_results = []
    for n_threads in (1, 2, 4):
        torch.manual_seed(7)
        all_results.append(results_and_gradients(module, x, n_threads))
    for others in all_results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(all_results[0], others, strict=True))


def test_parts_that_are_encoded_again_drop_the_same_features(monkeypatch):
    module, x = network(dropout=0.4), data()
    monkeypatch.setattr(micro_batches, "MICRO_BATCH", -(-N_ROWS * WIDTH // 4))
    both = []
    for kept in (N_ROWS * WIDTH, N_ROWS * WIDTH - 1):
        monkeypatch.setattr(micro_batches, "KEPT", kept)
        torch.manual_seed(7)
        both.append(results_and_gradients(module, x))
    assert all(torch.equal(a, b) for a, b in zip(*both, strict=True))
    torch.manual_seed(8)
    assert not torch.equal(results_and_gradients(module, x)[0], both[0][0])


class Attention(nn.Module):
    """Attention with a dropout of its own, not a module of that name."""

    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(WIDTH, 2, dropout=0.4)

    def forward(self, x):
        return self.attention(x, x, x)[0]


DROPOUTS = [
    *(nn.Dropout(0.4), nn.Dropout1d(0.4), nn.Dropout2d(0.4), nn.Dropout3d(0.4)),
    *(nn.AlphaDropout(0.4), nn.FeatureAlphaDropout(0.4)),
    *(Attention(), nn.GRU(WIDTH, WIDTH, num_layers=2, dropout=0.4)),
]
every_dropout = pytest.mark.parametrize("dropout", DROPOUTS, ids=lambda m: type(m).__name__)


class Linear(nn.Module):
    """Rows as images of one pixel, each with `WIDTH` channels, or as sequences of one point."""

    def __init__(self, dropout):
        super().__init__()
        torch.manual_seed(0)
        self.weights = nn.Linear(3, WIDTH)
        self.dropout = dropout

    def forward(self, x):
        dims = {nn.Dropout1d: 1, nn.Dropout2d: 2, nn.Dropout3d: 3, nn.FeatureAlphaDropout: 3}
        h = self.weights(x).reshape(*x.shape[:1], WIDTH, *[1] * dims.get(type(self.dropout), 0))
        if isinstance(self.dropout, nn.GRU | Attention):
            h = h.unsqueeze(0)
        h = self.dropout(h)
        return (h[0] if isinstance(h, tuple) else h).reshape(len(x), WIDTH)


@every_dropout
def test_backward_leaves_out_what_forward_did(monkeypatch, dropout):
    """A sum that is linear in a weight equals the weight times its gradient."""
    module = Linear(dropout).train()
    scale = nn.Parameter(torch.tensor(2.0))
    module.register_parameter("scale", scale)
    monkeypatch.setattr(micro_batches, "MICRO_BATCH", -(-N_ROWS * WIDTH // 4))
    monkeypatch.setattr(micro_batches, "KEPT", N_ROWS * WIDTH - 1)  # encoded again
    x = data(torch.float32)
    torch.manual_seed(3)
    (h,) = in_micro_batches(
        lambda rows: (scale * module(x[rows]).square(),), N_ROWS, N_ROWS * WIDTH, module
    )
    (gradient,) = torch.autograd.grad(h.sum(), [scale])
    assert h.sum().item() == pytest.approx(2 * gradient.item(), rel=1e-5)


def test_the_probability_of_all_dropouts_comes_back():
    module = nn.ModuleList([nn.Dropout(0.1), nn.Dropout2d(0.3), nn.AlphaDropout(0.5)])

    def probabilities():
        return [m.p for m in module]

    def fails_inside():
        with dropout_probability(module, 0.2):
            assert probabilities() == [0.2, 0.2, 0.2]
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fails_inside()
    assert probabilities() == [0.1, 0.3, 0.5]


def test_nothing_is_kept_of_a_large_step(monkeypatch):
    """No tensor of a part is saved before backward."""
    monkeypatch.setattr(micro_batches, "MICRO_BATCH", -(-N_ROWS * WIDTH // 4))
    monkeypatch.setattr(micro_batches, "KEPT", N_ROWS * WIDTH - 1)
    module, x = network(), data()
    saved = []

    def run(rows):
        with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
            return (module(x[rows]),)

    (h,) = in_micro_batches(run, N_ROWS, N_ROWS * WIDTH, module)
    assert saved == []
    h.sum().backward()
    assert len(saved) > 0


def test_batch_normalisation_sees_all_rows(small_micro_batches):
    module = nn.Sequential(network(), nn.BatchNorm1d(WIDTH, dtype=torch.float64))
    calls = []
    h, *_ = results_and_gradients(module, data(), 2, calls)
    assert calls == [slice(0, N_ROWS)]
    torch.testing.assert_close(h.mean(0), torch.zeros(WIDTH, dtype=h.dtype), rtol=0, atol=1e-10)


def test_without_gradients(small_micro_batches):
    module, x = network(), data()
    with torch.no_grad():
        (h,) = in_micro_batches(lambda rows: (module(x[rows]),), N_ROWS, N_ROWS * WIDTH, module)
        torch.testing.assert_close(h, module(x), rtol=1e-12, atol=1e-12)
    assert not h.requires_grad
    assert h.grad_fn is None


def test_frozen_parameters_get_no_gradient(small_micro_batches):
    module, x = network(), data()
    module[0].requires_grad_(False)
    (h,) = in_micro_batches(lambda rows: (module(x[rows]),), N_ROWS, N_ROWS * WIDTH, module)
    h.sum().backward()
    assert module[0].weight.grad is None
    assert module[3].weight.grad is not None


@pytest.mark.parametrize("n_threads", [1, 2])
def test_autocast_reaches_every_part(small_micro_batches, n_threads):
    module, x = network(dtype=torch.float32), data(torch.float32)
    seen = []

    def run(rows):
        h = module(x[rows])
        seen.append(h.dtype)
        return (h,)

    with torch_threads(n_threads), worker_threads():
        with torch.autocast("cpu", torch.bfloat16):
            (h,) = in_micro_batches(run, N_ROWS, N_ROWS * WIDTH, module)
        h.float().sum().backward()  # outside, where parts may be encoded again
    assert set(seen) == {torch.bfloat16}


def test_errors_come_through_and_threads_come_back(small_micro_batches):
    module, x = network(), data()

    def run(rows):
        if rows.start > 0:
            raise RuntimeError("in a part")
        return (module(x[rows]),)

    with torch_threads(3):
        with pytest.raises(RuntimeError, match="in a part"), worker_threads():
            in_micro_batches(run, N_ROWS, N_ROWS * WIDTH, module)
        assert torch.get_num_threads() == 3
        assert list(in_threads(lambda i: i, range(3))) == [0, 1, 2]  # no thread is left to use


def test_threads_share_the_work():
    """Two parts that wait for each other can only end side by side."""
    with torch_threads(2), worker_threads():
        meet = threading.Barrier(2, timeout=10)
        assert torch.get_num_threads() == 1
        list(in_threads(lambda _: meet.wait(), range(2)))
