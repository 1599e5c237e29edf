"""An exported embedding is that of `transform`, for batches that the exporter has not seen."""

import sys

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from simmtm_sk import ConvEncoder, SimMTMClassifier, SimMTMTransformer, export
from tests.transformers import ENCODERS

CONV = ConvEncoder(d_model=4, n_layers=2)
SIZES = [(1, 30), (7, 30), (4, 17), (3, 61), (2, 64)]  # series, points
EQUAL = {"rtol": 1e-4, "atol": 1e-4}


def walks(n_series, length, n_channels=2, seed=0):
    steps = np.random.default_rng(seed).normal(size=(n_series, n_channels, length))
    return steps.cumsum(-1).astype(np.float32)


def fitted(encoder=CONV, max_length=64, **params):
    transformer = SimMTMTransformer(
        encoder=encoder, max_length=max_length, num_epochs=0, random_state=0, **params
    )
    return transformer.fit(walks(40, 30))


def torch_program(path):
    program = torch.export.load(path).module()
    return lambda values: program(torch.from_numpy(values)).numpy()


def onnx_program(path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime (extra export) is missing")
    session = runtime.InferenceSession(path)
    return lambda values: session.run(["embedding"], {"values": values})[0]


def assert_equal_to_transform(run, transformer):
    for n_series, length in SIZES:
        values = walks(n_series, length, seed=length)
        np.testing.assert_allclose(run(values), transformer.transform(values), **EQUAL)


def assert_unknown_is_nan(run):
    values = walks(3, 30)
    values[1, 0, 5] = np.nan
    assert np.isnan(run(values)).all(1).tolist() == [False, True, False]
    assert np.isnan(run(walks(2, 65))).all()  # transform would average windows


# filters and kernels take the exporters long, and do not depend on the encoder
WHOLE_AND_BRIEF = pytest.mark.parametrize(
    "params",
    [
        {},
        pytest.param(
            {"encoder": ENCODERS["patch"], "pooling": ("max", "ppv", "scale")},
            marks=pytest.mark.skipif(
                torch.__version__.startswith("2.6"), reason="torch 2.6 cannot follow patches"
            ),
        ),
    ],
    ids=["default", "patch"],
)


@pytest.mark.slow
@WHOLE_AND_BRIEF
def test_torch_program(params, tmp_path):
    transformer = fitted(**params)
    run = torch_program(export(transformer, tmp_path / "made" / "embedding.pt2"))
    assert_equal_to_transform(run, transformer)
    assert_unknown_is_nan(run)


@pytest.mark.slow
@WHOLE_AND_BRIEF
def test_onnx(params, tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript (extra export) is missing")
    transformer = fitted(**params)
    run = onnx_program(export(transformer, tmp_path / "embedding.onnx"))
    assert_equal_to_transform(run, transformer)
    assert_unknown_is_nan(run)


@pytest.mark.parametrize(
    "params",
    [
        {"pooling": ("mean", "std")},
        {"pooling": ("scale",), "metric_strength": 0, "neighborhood_weight": 0},
        {
            "encoder": ConvEncoder(d_model=4, n_layers=1, channel_independent=True),
            "pooling": ("min", "kernels", "scale"),
        },
    ],
    ids=["statistics", "scale alone", "channels apart"],
)
def test_every_part_of_an_embedding(params, tmp_path):
    transformer = fitted(**params)
    assert_equal_to_transform(torch_program(export(transformer, tmp_path / "e.pt2")), transformer)


def test_large_offsets_and_constant_series(tmp_path):
    transformer = fitted(pooling=("max", "std", "scale"))
    run = torch_program(export(transformer, tmp_path / "embedding.pt2"))
    values = np.concatenate([walks(2, 30) + 5e4, np.full((1, 2, 30), 7, np.float32)])
    values = np.concatenate([values, np.zeros((1, 2, 30), np.float32), 1e-20 * walks(1, 30)])
    np.testing.assert_allclose(run(values), transformer.transform(values), rtol=1e-3, atol=1e-3)


class BranchingNet(torch.nn.Module):
    """Decides by what is in the series, which no program can."""

    d_model, patch_length = 2, 1

    def __init__(self, n_channels):
        super().__init__()
        self.linear = torch.nn.Linear(n_channels, 2)

    def forward(self, values, visible, within, instance_stats):
        x = self.linear(values.transpose(1, 2))
        return [x if float(x.detach().sum()) > 0 else -x]


class Branching:
    def build(self, n_channels, length):
        return BranchingNet(n_channels)


def test_what_cannot_be_exported_is_refused_by_name(tmp_path):
    with pytest.raises(RuntimeError, match=r"Branching cannot be exported to \.pt2"):
        export(fitted(Branching()), tmp_path / "embedding.pt2")
    assert not list(tmp_path.iterdir())


def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'simmtm_sk\[export\]'"):
        export(fitted(), tmp_path / "e.onnx")


def test_wrong_arguments(tmp_path):
    with pytest.raises(TypeError, match=r"got SimMTMClassifier.*transformer_"):
        export(SimMTMClassifier(), tmp_path / "e.pt2")
    with pytest.raises(ValueError, match=r"must end with one of.*got.*e\.bin"):
        export(fitted(), tmp_path / "e.bin")
    with pytest.raises(NotFittedError):
        export(SimMTMTransformer(), tmp_path / "e.pt2")
    changed = fitted()
    changed.pooling = ("mean",)
    with pytest.raises(ValueError, match="pooling or layers have changed since fit"):
        export(changed, tmp_path / "e.pt2")
