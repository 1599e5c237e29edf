"""What `SimMTMTransformer` refuses, before any work."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier

from simmtm_sk import ConvEncoder, PatchEncoder, PointEncoder
from tests.small import X, small
from tests.transformers import ENCODERS


@pytest.fixture(scope="module")
def fitted():
    return {name: small(encoder=encoder).fit(X) for name, encoder in ENCODERS.items()}


@pytest.fixture
def no_training(monkeypatch):
    """Fail if anything is trained."""

    def train(*args, **kwargs):
        pytest.fail("pre-training was started")

    monkeypatch.setattr("simmtm_sk.training.runs.pretrain", train)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mask_ratio": 0}, "mask_ratio"),
        ({"mask_ratio": 1}, "mask_ratio"),
        ({"mask_ratio": 1.5}, "mask_ratio"),
        ({"mask_ratio": -0.1}, "mask_ratio"),
        ({"mask_ratio": float("nan")}, "mask_ratio"),
        ({"mask_ratio": "half"}, "mask_ratio"),
        ({"n_masks": 0}, "n_masks"),
        ({"n_masks": 1.5}, "n_masks"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"constraint_weight": -0.1}, "constraint_weight"),
        ({"constraint_weight": "much"}, "constraint_weight"),
        ({"own_view_weight": -1}, "own_view_weight"),
        ({"device": "quantum"}, "device 'quantum' cannot be used here"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"device": "meta"}, "device"),
        ({"device": 0}, "device"),
        ({"masking": "blocks"}, "masking"),
        ({"masking": None}, "masking"),
        ({"mask_length": 0.5}, "mask_length"),
        ({"pooling": ("mean", "median")}, r"pooling must name some of .* got \['mean', 'median'\]"),
        ({"pooling": ()}, "pooling"),
        ({"pooling": "mean"}, "pooling"),
        ({"layers": "first"}, "layers"),
        ({"encoder": 3}, "encoder"),
        ({"encoder": "conv"}, "encoder"),
        ({"encoder": ConvEncoder}, "encoder"),
        ({"encoder": PatchEncoder(patch_length=21)}, "patch_length=21 .*longer than .*20"),
        ({"encoder": PatchEncoder(d_model=6, n_heads=4)}, "d_model.*n_heads|n_heads.*d_model"),
        ({"encoder": ConvEncoder(kernel_size=4)}, "kernel_size"),
        ({"projection_dim": 0}, "projection_dim"),
        ({"num_epochs": -1}, "num_epochs"),
        ({"num_epochs": "many"}, "num_epochs"),
        ({"batch_size": 0}, "batch_size"),
        ({"lr": 0}, "lr"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"patience": 0}, "patience"),
        ({"max_length": 1}, "max_length"),
        ({"precision": "float8"}, "precision"),
        ({"random_state": "seed"}, "random_state"),
        ({"verbose": -1}, "verbose"),
        ({"checkpoint_dir": 3}, "checkpoint_dir"),
        ({"memory": 3}, "memory"),
    ],
    ids=str,
)
def test_parameters_that_cannot_work(no_training, params, message):
    with pytest.raises((ValueError, TypeError), match=message):
        small(**params).fit(X)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"encoder": ConvEncoder}, TypeError, r"such as ConvEncoder\(\), got the class"),
        ({"encoder": PatchEncoder}, TypeError, r"such as PatchEncoder\(\), got the class"),
        ({"device": "meta"}, ValueError, "device 'meta' cannot be used here"),
        *(
            (
                {"encoder": family(d_model=6, n_heads=4)},
                ValueError,
                "d_model=6 must be a multiple of n_heads=4",
            )
            for family in (PatchEncoder, PointEncoder)
        ),
    ],
    ids=["class", "other class", "meta", "patch heads", "point heads"],
)
def test_the_kind_of_error(no_training, params, error, message):
    with pytest.raises(error, match=message):
        small(**params).fit(X)


@pytest.mark.parametrize("kind", [str, np.str_, object])
@pytest.mark.parametrize("container", ["table", "3D", "list", "nested list"])
def test_strings_are_refused_even_if_they_look_like_numbers(no_training, fitted, container, kind):
    table = np.array([["1.5", "2", "3"], ["4", "5", "-6e1"]], dtype=kind)
    values = {
        "table": table,
        "3D": table[:, None],
        "list": list(table),
        "nested list": table.tolist(),
    }[container]
    with pytest.raises(ValueError, match=r"number"):
        small().fit(values)
    with pytest.raises(ValueError, match=r"number|channel"):
        fitted["point"].transform(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (X[0, 0], "1D array|1 dimension"),
        (X[None], "4 dimension"),
        (np.array([["a", "b"], ["c", "d"]]), "number|string"),
        (np.array([[["a", "b"]]]), "number"),
        (pd.DataFrame({"a": ["u", "v"], "b": [1.0, 2.0]}), "non-numeric"),
        (X.astype(complex), "Complex data not supported"),
        (np.where(np.arange(16)[:, None, None] == 5, np.nan, X), "series 5 .*no observed value"),
        (np.where(np.arange(16)[:, None] == 5, np.nan, X[:, 0]), "series 5 .*no observed value"),
        (np.where(np.arange(16)[:, None, None] == 5, np.inf, X), "infinity"),
        (np.empty((0, 1, 5)), "empty"),
        (np.empty((3, 1, 0)), "empty"),
        ([], "empty|dimension|1D array"),
        ([np.zeros((1, 3)), np.zeros((2, 3))], "same channels"),
        (None, "dimension|number|0D|scalar|NoneType"),
        ("GunPoint", "X is str .*pandas.read_csv"),
        ({"a": [1, 2]}, "dimension|number|0D|scalar"),
    ],
    ids=[
        "1D", "4D", "strings", "strings 3D", "text column", "complex", "missing series",
        "missing row", "infinite", "no series", "no points", "empty list", "channels", "None",
        "str", "dict",
    ],
)  # fmt: skip
def test_data_that_cannot_work(no_training, fitted, values, message):
    estimator = small()
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.fit(values)
    assert not hasattr(estimator, "network_")
    if message != "same channels":
        with pytest.raises((ValueError, TypeError)):
            fitted["point"].transform(values)


def test_a_failed_fit_leaves_nothing_of_an_earlier_one():
    estimator = small().fit(X)
    with pytest.raises(ValueError, match="mask_ratio"):
        estimator.set_params(mask_ratio=2.0).fit(X)
    with pytest.raises(NotFittedError):
        estimator.transform(X)


def test_embeddings_are_of_use():
    """Two kinds of series that differ in shape alone are told apart."""
    time = np.arange(40)
    draw = np.random.default_rng(0)
    phase = draw.uniform(0, 40, (60, 1, 1))
    y = np.arange(60) % 2
    wave = np.where(y[:, None, None], np.sin(0.9 * (time + phase)), np.sin(0.35 * (time + phase)))
    panel = wave + 0.1 * draw.normal(size=wave.shape)
    embedding = small(encoder=ConvEncoder(d_model=8, n_layers=3)).fit(panel).transform(panel)
    assert RidgeClassifier().fit(embedding[:30], y[:30]).score(embedding[30:], y[30:]) >= 0.95


def test_nothing_heavy_is_imported():
    """The import must stay under three seconds; torch and sktime need most of them."""
    code = "import sys, simmtm_sk; print('loaded', *sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert modules.startswith("loaded")
    assert not {"matplotlib", "numba", "pytest", "sktime.forecasting"} & set(modules.split())


def test_without_training_no_compiler_is_imported():
    """It takes longer to import than small data to embed."""
    code = """
import sys, numpy as np
from simmtm_sk import SimMTMTransformer
X = np.random.default_rng(0).normal(size=(20, 1, 30))
SimMTMTransformer(num_epochs=0, random_state=0).fit(X).transform(X)
print('loaded', *sys.modules)
"""
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert modules.startswith("loaded")
    assert "torch._dynamo" not in modules.split()
