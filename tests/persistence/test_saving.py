"""Saving and loading: the same bits back."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sktime.base import load as sktime_load

import simmtm_sk
from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMTransformer,
    load,
    save,
)
from tests.persistence.artifacts import (
    KIND,
    TOKENS,
    OwnEncoder,
    X,
    classifier,
    half_mask,
    small,
)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"encoder": PatchEncoder(patch_length=4, **TOKENS), "masking": "patch"},
        {"encoder": PointEncoder(**TOKENS), "pooling": ["mean", "scale"], "layers": "last"},
        {"constraint_weight": "learned", "n_masks": np.int64(1), "mask_ratio": np.float64(0.3)},
        {"max_length": 8, "num_epochs": 0, "patience": None},
        {"lr": np.float32(0.5), "num_epochs": np.int64(1), "random_state": np.int64(3)},
        {"random_state": None, "checkpoint_dir": Path("nowhere/at/all"), "num_epochs": 0},
        {"encoder": None, "num_epochs": 0},
    ],
    ids=str,
)
def test_round_trip(tmp_path, params):
    estimator = small(**params).fit(X)
    loaded = load(save(estimator, tmp_path / "model"))
    assert type(loaded) is SimMTMTransformer
    for a, b in zip(
        estimator.network_.state_dict().values(), loaded.network_.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    for values in (X, X.astype(np.float32), X[:, :, :7]):
        np.testing.assert_array_equal(loaded.transform(values), estimator.transform(values))
    gaps = np.where(np.arange(X.shape[2]) % 7 < 3, np.nan, X)
    for decoded in (True, False):
        np.testing.assert_array_equal(
            loaded.reconstruct(gaps, decoded=decoded), estimator.reconstruct(gaps, decoded=decoded)
        )
    assert loaded.score(X) == estimator.score(X)
    assert loaded.history_ == estimator.history_
    assert loaded.n_epochs_ == estimator.n_epochs_
    assert not loaded.network_.training
    expected = {
        **estimator.get_params(deep=False),
        "encoder": repr(estimator.encoder),
        "pooling": tuple(estimator.pooling),
        "checkpoint_dir": None,  # folders do not travel
    }
    got = loaded.get_params(deep=False)
    got.update(encoder=repr(loaded.encoder), pooling=tuple(loaded.pooling))
    assert got == expected


def test_what_is_loaded_can_be_fitted_saved_and_cloned(fitted, artifact, tmp_path):
    loaded = load(artifact)
    again = load(loaded.save(tmp_path / "second"))
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    np.testing.assert_array_equal(clone(loaded).fit(X).transform(X), fitted.transform(X))
    np.testing.assert_array_equal(loaded.fit(X).transform(X), fitted.transform(X))


def test_a_table_keeps_its_columns(tmp_path):
    table = pd.DataFrame(X[:, 0], columns=[f"t{i}" for i in range(20)])
    estimator = small().fit(table)
    loaded = load(estimator.save(tmp_path / "model"))
    assert loaded.feature_names_in_.tolist() == estimator.feature_names_in_.tolist()
    assert loaded.n_features_in_ == 20
    names = estimator.get_feature_names_out().tolist()
    assert loaded.get_feature_names_out().tolist() == names
    np.testing.assert_array_equal(loaded.transform(table), estimator.transform(table))
    with pytest.raises(ValueError, match="feature"):
        loaded.transform(table.iloc[:, :5])


def test_sktime_loads_it(fitted, artifact):
    for loaded in (sktime_load(artifact), sktime_load(str(artifact.with_suffix("")))):
        assert isinstance(loaded, SimMTMTransformer)
        np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    in_memory = sktime_load(fitted.save())
    np.testing.assert_array_equal(in_memory.transform(X), fitted.transform(X))


def test_only_the_safe_format(fitted, tmp_path):
    with pytest.raises(ValueError, match="must be 'safetensors', got 'pickle'"):
        fitted.save(tmp_path / "x", serialization_format="pickle")
    assert list(tmp_path.iterdir()) == []


def test_names_of_files(fitted, tmp_path):
    assert save(fitted, tmp_path / "a") == tmp_path / "a.zip"
    assert save(fitted, str(tmp_path / "b.zip")) == tmp_path / "b.zip"
    assert save(fitted, tmp_path / "v1.2") == tmp_path / "v1.2.zip"
    assert save(fitted, tmp_path / "new" / "folder" / "c") == tmp_path / "new/folder/c.zip"
    for name in ("a", "a.zip", "b", "v1.2", "new/folder/c"):
        np.testing.assert_array_equal(load(tmp_path / name).transform(X), fitted.transform(X))
    assert {p.suffix for p in tmp_path.iterdir()} == {".zip", ""}  # nothing partial is left


def test_a_folder_of_the_same_name_is_no_obstacle(fitted, tmp_path):
    (tmp_path / "model").mkdir()
    assert save(fitted, tmp_path / "model") == tmp_path / "model.zip"
    for name in ("model", "model.zip"):
        np.testing.assert_array_equal(load(tmp_path / name).transform(X), fitted.transform(X))
    assert list((tmp_path / "model").iterdir()) == []


def test_an_existing_file_is_replaced(fitted, tmp_path):
    small(random_state=1).fit(X).save(tmp_path / "model")
    fitted.save(tmp_path / "model")
    np.testing.assert_array_equal(load(tmp_path / "model").transform(X), fitted.transform(X))


@pytest.mark.parametrize("where", ["serialise", "write", "move"])
def test_a_failed_save_leaves_the_old_file(fitted, artifact, monkeypatch, where):
    before = artifact.read_bytes()

    def fail(*args, **kwargs):
        raise OSError("disk full")

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("disk full")

    target, name, replacement = {
        "serialise": (simmtm_sk.persistence.saving, "to_bytes", fail),
        "write": (Path, "write_bytes", half),
        "move": (Path, "replace", fail),
    }[where]
    monkeypatch.setattr(target, name, replacement)
    with pytest.raises(OSError, match="disk full"):
        save(small(random_state=1).fit(X), artifact)
    assert artifact.read_bytes() == before
    assert list(artifact.parent.iterdir()) == [artifact]


def test_nothing_to_save_before_fit(tmp_path):
    for attempt in (small().save, lambda path: save(small(), path)):
        with pytest.raises(NotFittedError, match="has not been fitted"):
            attempt(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_what_could_not_be_measured(tmp_path):
    """Where held-out series are constant, there is no criterion."""
    estimator = small().fit(X)
    estimator.history_[0]["valid_criterion"] = np.nan
    (record,) = load(estimator.save(tmp_path / "model")).history_
    assert np.isnan(record.pop("valid_criterion"))
    assert record == {k: v for k, v in estimator.history_[0].items() if k != "valid_criterion"}


# -- objects that JSON cannot hold ----------------------------------------------------------------


def test_own_objects_are_given_to_load(tmp_path):
    estimator = small(encoder=OwnEncoder(), masking=half_mask, num_epochs=0).fit(X)
    path = estimator.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"encoder=\.\.\.|masking=\.\.\."):
        load(path)
    with pytest.raises(ArtifactError, match=r"'masking' .*half_mask.*load\(path, masking=\.\.\.\)"):
        load(path, encoder=OwnEncoder())
    loaded = load(path, encoder=OwnEncoder(), masking=half_mask)
    np.testing.assert_array_equal(loaded.transform(X), estimator.transform(X))


def test_parameters_can_be_replaced_while_loading(fitted, artifact):
    loaded = load(artifact, verbose=3, batch_size=5)
    assert (loaded.verbose, loaded.batch_size) == (3, 5)
    np.testing.assert_array_equal(loaded.transform(X), fitted.transform(X))
    names = fitted.get_feature_names_out().tolist()
    assert loaded.get_feature_names_out().tolist() == names
    assert loaded.set_output(transform="pandas").transform(X).columns.tolist() == names


def test_pooling_cannot_be_replaced_while_loading(artifact):
    """The balance of the blocks and the metric were fitted for the saved one."""
    with pytest.raises(ArtifactError, match="pooling and layers as they were in fit"):
        load(artifact, pooling=("mean",))


def test_an_encoder_that_does_not_fit_the_weights(artifact):
    with pytest.raises(ArtifactError, match="cannot be restored"):
        load(artifact, encoder=ConvEncoder(d_model=5, n_layers=2))


def test_an_unknown_parameter(artifact, tmp_path):
    """The message names what is accepted; parameters of a part are not."""
    wanted = r"saved SimMTMTransformer itself, and 'no_such' is none .*accepted are .*mask_ratio, "
    with pytest.raises(ArtifactError, match=wanted):
        load(artifact, no_such=1)
    with pytest.raises(ArtifactError, match=r"'encoder__d_model' is none .*accepted are .*encoder"):
        load(artifact, encoder__d_model=4)
    path = classifier().fit(X, KIND).save(tmp_path / "classifier")
    wanted = r"SimMTMClassifier itself, and 'transformer__mask_ratio' is none .*set_params"
    with pytest.raises(ArtifactError, match=wanted):
        load(path, transformer__mask_ratio=0.3)
    advised = load(path).set_params(transformer__mask_ratio=0.3).fit(X, KIND)
    assert advised.transformer_.mask_ratio == 0.3
