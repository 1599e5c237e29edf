"""On a CUDA device: the same results as on the CPU, within the tolerance of float32."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMForecaster,
    SimMTMTransformer,
    load,
)
from tests.small import StopAtOnce

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

TOKENS = {"d_model": 8, "n_layers": 2, "n_heads": 2, "d_feedforward": 16}
ENCODERS = {
    "conv": ConvEncoder(d_model=8, n_layers=3),
    "patch": PatchEncoder(patch_length=4, **TOKENS),
    "point": PointEncoder(**TOKENS),
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)

X = np.random.default_rng(0).normal(size=(24, 2, 32)).cumsum(2)
GAPS = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
GAPS[::3, :, 20:] = np.nan


def small(device, **params):
    given = {
        "num_epochs": 2,
        "batch_size": 8,
        "projection_dim": 4,
        "random_state": 0,
        "precision": "float32",
    }
    return SimMTMTransformer(device=device, **{**given, **params})


@pytest.fixture(autouse=True)
def full_float32():
    """No TF32 in comparisons with the CPU."""
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, allowed in zip(backends, before, strict=True):
        backend.allow_tf32 = allowed


@every_encoder
def test_the_same_initial_weights(encoder):
    gpu, cpu = (small(d, encoder=encoder, num_epochs=0).fit(X) for d in ("cuda", "cpu"))
    for a, b in zip(gpu.network_.parameters(), cpu.network_.parameters(), strict=True):
        assert torch.equal(a, b)


@every_encoder
@pytest.mark.parametrize("values", [X, GAPS], ids=["complete", "gaps"])
def test_the_same_results_of_the_same_weights(encoder, values):
    gpu = small("cuda", encoder=encoder).fit(values)
    cpu = pickle.loads(pickle.dumps(gpu))
    cpu.device = "cpu"
    for dtype, tolerance in ((np.float32, 1e-3), (np.float64, 1e-9)):
        given = values.astype(dtype)
        close = {"rtol": tolerance, "atol": tolerance}
        near = np.isclose(gpu.transform(given), cpu.transform(given), **close)
        # shares of points above a threshold jump where rounding carries one across it
        assert near.mean() >= (0.9999 if dtype == np.float32 else 1)
        np.testing.assert_allclose(
            gpu.reconstruct(given, decoded=True), cpu.reconstruct(given, decoded=True), **close
        )
        np.testing.assert_allclose(gpu.similarity(given), cpu.similarity(given), **close)


@every_encoder
def test_losses_agree(encoder):
    """The first batch, whose masks are made on the CPU for both."""

    def half_mask(n_rows, length, mask_ratio, mask_length, generator):
        return torch.arange(length, device=generator.device).expand(n_rows, length) % 3 > 0

    settings = {
        "encoder": encoder,
        "masking": half_mask,
        "num_epochs": 1,
        "batch_size": 99,
        "validation_fraction": 0.0,
    }
    gpu, cpu = (small(device, **settings).fit(X) for device in ("cuda", "cpu"))
    for name, value in cpu.history_[0].items():
        if name != "seconds":
            assert gpu.history_[0][name] == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(gpu.transform(X), cpu.transform(X), rtol=0.05, atol=0.05)


@every_encoder
def test_same_bits_twice(encoder):
    a, b = (small("cuda", encoder=encoder).fit(X) for _ in range(2))
    for x, y in zip(a.network_.parameters(), b.network_.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-5)


def test_auto_takes_the_gpu():
    torch.cuda.reset_peak_memory_stats()
    small("auto", encoder=ENCODERS["conv"], precision="auto").fit(X)
    assert torch.cuda.max_memory_allocated() > 0


def test_random_state_of_the_gpu_is_untouched():
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    small("cuda", encoder=ConvEncoder(d_model=8, n_layers=2, dropout=0.1)).fit(X).transform(X)
    assert torch.equal(torch.cuda.get_rng_state(), before)


@every_encoder
@pytest.mark.parametrize("constraint_weight", [0.1, "learned"])
def test_bfloat16_trains(encoder, constraint_weight):
    estimator = small("cuda", encoder=encoder, precision="bfloat16", num_epochs=5)
    estimator.set_params(constraint_weight=constraint_weight).fit(GAPS)
    assert all(np.isfinite(v) for record in estimator.history_ for v in record.values())
    assert np.isfinite(estimator.transform(GAPS)).all()


def test_windows_and_memory_maps(tmp_path):
    np.save(tmp_path / "x.npy", X)
    on_disk = np.load(tmp_path / "x.npy", mmap_mode="r")
    settings = {"encoder": ENCODERS["conv"], "max_length": 10}
    a, b = (small("cuda", **settings).fit(values) for values in (on_disk, X))
    np.testing.assert_allclose(a.transform(on_disk), b.transform(X), rtol=1e-4, atol=1e-5)


def test_resuming_on_the_gpu(tmp_path):
    settings = {"encoder": ENCODERS["conv"], "checkpoint_dir": tmp_path}
    whole = small("cuda", encoder=ENCODERS["conv"]).fit(X)

    small("cuda", **settings).set_callbacks(StopAtOnce()).fit(X)
    assert len(list(tmp_path.glob("*.pt"))) == 1
    resumed = small("cuda", **settings).fit(X)
    # sums of gradients are not added up in one order
    close = np.isclose(whole.transform(X), resumed.transform(X), rtol=1e-3, atol=1e-3)
    assert close.mean() >= 0.999


def test_dropout_draws_from_the_generators_of_the_fit():
    """Twice the same, whatever is drawn from torch's own in between, which stays as it is."""
    encoder = PatchEncoder(patch_length=4, dropout=0.3, **TOKENS)
    first = small("cuda", encoder=encoder).fit(X)
    torch.rand(7, device="cuda")
    before = torch.cuda.get_rng_state()
    second = small("cuda", encoder=encoder).fit(X)
    np.testing.assert_array_equal(first.transform(X), second.transform(X))
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_the_same_combination_of_forecasts():
    """Closed form is solved in float64 on either device."""
    y = np.random.default_rng(0).normal(size=(700, 2)).cumsum(0)
    y += 5 * np.sin(np.arange(700) / 4)[:, None]
    y[100:120, 0] = np.nan
    gpu, cpu = (
        SimMTMForecaster(transformer=small(d)).fit(y, fh=range(1, 25)) for d in ("cuda", "cpu")
    )
    np.testing.assert_allclose(gpu.predict(), cpu.predict(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(gpu.predict_interval(), cpu.predict_interval(), rtol=1e-3, atol=1e-3)


LOAD = """
import pickle, sys
import numpy as np
import torch
from simmtm_sk import load
from tests.small import StopAtOnce
assert not torch.cuda.is_available()
X = np.load(sys.argv[1] + "/x.npy")
expected = np.load(sys.argv[1] + "/embedding.npy")
with open(sys.argv[1] + "/model.pickle", "rb") as file:
    models = [pickle.load(file), load(sys.argv[1] + "/model", device="cpu")]
for model in models:
    model.device = "cpu"
    np.testing.assert_allclose(model.transform(X), expected, rtol=1e-9, atol=1e-9)
print("loaded")
"""


@pytest.mark.slow
def test_what_was_fitted_on_a_gpu_loads_without_one(tmp_path):
    estimator = small("cuda", encoder=ENCODERS["conv"]).fit(X)
    assert {w.device.type for w in estimator.network_.state_dict().values()} == {"cpu"}
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "embedding.npy", estimator.transform(X))
    estimator.save(tmp_path / "model")
    (tmp_path / "model.pickle").write_bytes(pickle.dumps(estimator))
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "loaded", done.stderr
    np.testing.assert_array_equal(load(tmp_path / "model").transform(X), estimator.transform(X))
