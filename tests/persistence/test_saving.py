"""Saving and loading: the same bits back, and nothing in a file is ever executed."""

import contextlib
import hashlib
import io
import json
import pickle
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sktime.base import load as sktime_load
from torch import nn

import simmtm_sk
from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMRegressor,
    SimMTMTransformer,
    load,
    save,
)
from simmtm_sk.persistence import from_bytes
from simmtm_sk.training.isolation import isolated_torch
from tests.persistence.edited import edit

TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
X = np.random.default_rng(0).normal(size=(12, 2, 20))


def small(**params):
    given = {
        "encoder": ConvEncoder(d_model=4, n_layers=2),
        "num_epochs": 1,
        "projection_dim": 4,
        "random_state": 0,
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


@pytest.fixture(scope="module")
def fitted():
    return small().fit(X)


@pytest.fixture
def artifact(fitted, tmp_path):
    return fitted.save(tmp_path / "model.zip")


# -- round trip -----------------------------------------------------------------------------------


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
    np.testing.assert_array_equal(loaded.reconstruct(X), estimator.reconstruct(X))
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


class OwnNetwork(nn.Module):
    d_model, patch_length = 3, 1

    def __init__(self, n_channels):
        super().__init__()
        self.linear = nn.Linear(n_channels, 3)

    def forward(self, values, visible, within, level):
        return [self.linear(values.transpose(1, 2))]


class OwnEncoder(BaseEstimator):
    def build(self, n_channels, length):
        return OwnNetwork(n_channels)


def half_mask(n_rows, length, mask_ratio, mask_length, generator):
    return torch.rand(n_rows, length, generator=generator) < 0.5


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


# -- broken and foreign files ---------------------------------------------------------------------


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, **changes):
    """Replace members ("config" and "weights" for short); None leaves one out."""
    short = {"config": "config.json", "weights": "weights.safetensors", "metadata": "_metadata"}
    contents = members(path) | {short.get(k, k): v for k, v in changes.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if content is not None:
                archive.writestr(name, content)


def edit_config(path, edit):
    config = json.loads(members(path)["config.json"])
    edit(config)
    rewrite(path, config=json.dumps(config))


def test_there_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no artifact at .*model\.zip"):
        load(tmp_path / "model")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "folder")


def test_a_truncated_file(artifact):
    content = artifact.read_bytes()
    for n in [0, 1, 10, 100, len(content) // 2, len(content) - 60, len(content) - 1]:
        artifact.write_bytes(content[:n])
        with pytest.raises(ArtifactError, match=r"model\.zip is not an artifact of simmtm_sk"):
            load(artifact)


def test_flipped_bits(artifact, fitted):
    """Every damage is an error of this package, or it does not matter at all."""
    content = artifact.read_bytes()
    expected = fitted.transform(X)
    n_refused = 0
    positions = range(3, len(content), max(1, len(content) // 150))
    for position in positions:
        broken = bytearray(content)
        broken[position] ^= 0x10
        artifact.write_bytes(broken)
        try:
            loaded = load(artifact)
        except ArtifactError:
            n_refused += 1
        else:
            np.testing.assert_array_equal(loaded.transform(X), expected)
    assert n_refused > 0.7 * len(positions)


def test_flipped_bits_of_the_zip_headers(artifact, fitted):
    """Where zipfile says encrypted, patched, of a later version or compressed, so do we refuse."""
    content = artifact.read_bytes()
    expected = fitted.transform(X)
    with zipfile.ZipFile(artifact) as archive:
        positions = list(range(archive.start_dir, len(content)))
        for member in archive.infolist():
            start = member.header_offset
            positions += range(start, start + 30 + len(member.filename))
    escaped = set()
    for position in positions:
        broken = bytearray(content)
        broken[position] ^= 1 << position % 8
        try:
            loaded = from_bytes(bytes(broken), "it", {})
        except ArtifactError:
            continue
        except Exception as error:
            escaped.add(repr(error))
        else:
            np.testing.assert_array_equal(loaded.transform(X), expected)
    assert not escaped


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04K\x01.", b"{}"])
def test_a_foreign_file(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(ArtifactError, match="not an artifact of simmtm_sk"):
        load(tmp_path / "x.zip")


def test_a_foreign_zip(tmp_path, artifact):
    for config in (b"[]", b"null", b"{}", b'{"format": "other"}', b"not json", b"\xff\xfe"):
        rewrite(artifact, config=config)
        with pytest.raises(ArtifactError, match="not an artifact of simmtm_sk"):
            load(artifact)
    with zipfile.ZipFile(tmp_path / "y.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ArtifactError, match="not an artifact of simmtm_sk"):
        load(tmp_path / "y.zip")


@pytest.mark.parametrize("member", ["config", "weights"])
def test_a_missing_member(artifact, member):
    rewrite(artifact, **{member: None})
    with pytest.raises(ArtifactError, match="not an artifact of simmtm_sk"):
        load(artifact)


def test_a_newer_format(artifact):
    edit_config(artifact, lambda config: config.update(format_version=99, package_version="9.9"))
    with pytest.raises(ArtifactError, match=r"has format 99; .*Upgrade simmtm_sk.*9\.9"):
        load(artifact)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("format_version"),
        lambda c: c.update(format_version="one"),
        lambda c: c.update(format_version=None),
        lambda c: c.pop("weights_sha256"),
        lambda c: c.pop("class"),
        lambda c: c.pop("params"),
        lambda c: c.pop("state"),
        lambda c: c.update(params=[1, 2]),
        lambda c: c.update(params=None),
        lambda c: c.update(state=[]),
        lambda c: c["state"].pop("n_channels_"),
        lambda c: c["state"].update(length_="long"),
        lambda c: c["params"].update(encoder=None),
        lambda c: c["params"].update(mask_ratio={"strange": 1}),
        lambda c: c["params"].update(projection_dim=-3),
        lambda c: c["params"].update(projection_dim=10**15),
        lambda c: c["params"].update(encoder={"class": "ConvEncoder", "params": {"d_model": 4.5}}),
        lambda c: c["params"].update(encoder={"class": "ConvEncoder", "params": {"foo": 1}}),
        lambda c: c["params"].update(encoder={"class": "ConvEncoder"}),
        lambda c: c["params"].update(unknown=1),
        lambda c: c["params"].update(random_state="seed"),
        lambda c: c.update({"class": "os.system"}),
        lambda c: c.update({"class": "load"}),
        lambda c: c.update({"class": "ArtifactError"}),
        lambda c: c.update({"class": ["SimMTMTransformer"]}),
    ],
)
def test_a_configuration_that_makes_no_sense(artifact, edit):
    edit_config(artifact, edit)
    with pytest.raises(ArtifactError, match=r"."):
        load(artifact)


def entries(config, path=()):
    """Every place in a configuration, as the keys that lead to it."""
    items = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from entries(value, (*path, key))


def test_any_damage_to_the_configuration(artifact):
    """An ArtifactError or an estimator, nothing else, whatever is left out or put anywhere."""
    config = json.loads(members(artifact)["config.json"])
    odd = [None, "x", -1, 1.5, 10**40, [[1]], {"class": 3}]
    places = list(entries(config))
    assert len(places) > 30
    weights = members(artifact)["weights.safetensors"]
    for path in places:
        for value in odd:
            damaged = json.loads(json.dumps(config))
            inner = damaged
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            with contextlib.suppress(ArtifactError):
                assert isinstance(from_bytes(content(damaged, weights), "it", {}), BaseEstimator)


def content(config, weights):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("weights.safetensors", weights)
    return buffer.getvalue()


def test_state_cannot_replace_methods(artifact):
    """Only what the class asks for is restored, whatever the file names."""
    edit_config(artifact, lambda c: c["state"].update(transform="gone", a_="y"))
    with pytest.raises(ArtifactError, match=r"unknown entries \['a_', 'transform'\]"):
        load(artifact)


def test_weights_that_are_not_the_ones(artifact, tmp_path):
    other = small(random_state=1).fit(X).save(tmp_path / "other")
    rewrite(artifact, weights=members(other)["weights.safetensors"])
    with pytest.raises(ArtifactError, match=r"damaged: .*weights do not match their checksum"):
        load(artifact)


def with_checksum(path, weights):
    checksum = hashlib.sha256(weights).hexdigest()
    edit_config(path, lambda config: config.update(weights_sha256=checksum))
    rewrite(path, weights=weights)


def test_weights_that_do_not_fit(artifact, tmp_path):
    larger = small(projection_dim=7).fit(X).save(tmp_path / "larger")
    with_checksum(artifact, members(larger)["weights.safetensors"])
    with pytest.raises(ArtifactError, match=r"(?s)cannot be restored: .*size mismatch"):
        load(artifact)
    with_checksum(artifact, b"no safetensors")
    with pytest.raises(ArtifactError, match="cannot be restored"):
        load(artifact)


# -- nothing is executed --------------------------------------------------------------------------


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, proof):
        self.proof = str(proof)

    def __reduce__(self):
        return open, (self.proof, "w")


@pytest.fixture
def payload(tmp_path):
    """A pickle that leaves a proof; and the check that it would have worked."""
    proof = tmp_path / "executed"
    content = pickle.dumps(Payload(proof))
    yield content, proof
    assert not proof.exists()
    pickle.loads(content).close()
    assert proof.exists()


def torch_file(content_of):
    buffer = io.BytesIO()
    torch.save({"weight": content_of}, buffer)
    return buffer.getvalue()


def test_the_metadata_for_sktime_are_never_read(artifact, fitted, payload):
    rewrite(artifact, metadata=payload[0])
    np.testing.assert_array_equal(load(artifact).transform(X), fitted.transform(X))


@pytest.mark.parametrize("member", ["config", "weights", "_obj", "data.pkl", "model/data.pkl"])
def test_code_in_a_member_is_not_run(artifact, payload, member):
    rewrite(artifact, **{member: payload[0]})
    with pytest.raises(ArtifactError):
        load(artifact)


def test_weights_in_torchs_pickle_format_are_refused(artifact, payload):
    """Also with a right checksum and everything else in order."""
    for weights in (payload[0], torch_file(Payload(payload[1]))):
        with_checksum(artifact, weights)
        with pytest.raises(ArtifactError, match="cannot be restored"):
            load(artifact)


def test_a_pickle_or_a_torch_file_instead_of_an_artifact(tmp_path, payload):
    for content in (payload[0], torch_file(Payload(payload[1]))):
        (tmp_path / "model.zip").write_bytes(content)
        with pytest.raises(ArtifactError, match="not an artifact"):
            load(tmp_path / "model.zip")


def test_names_in_the_configuration_import_nothing(artifact, tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("evil_module.Thing", "evil_module", "os", "persistence"):
        edit_config(artifact, lambda c, name=name: c.update({"class": name}))
        with pytest.raises(ArtifactError):
            load(artifact)
        edit_config(artifact, lambda c: c.update({"class": "SimMTMTransformer"}))
        encoder = {"class": name, "params": {}}
        edit_config(artifact, lambda c, e=encoder: c["params"].update(encoder=e))
        with pytest.raises(ArtifactError):
            load(artifact)
    assert not (tmp_path / "executed").exists()


def test_what_is_saved_holds_no_object_but_the_class(artifact):
    contents = members(artifact)
    assert set(contents) == {"config.json", "weights.safetensors", "_metadata"}
    assert pickle.loads(contents["_metadata"]) is SimMTMTransformer
    assert json.loads(contents["config.json"])["format_version"] == 2


# -- classifiers and regressors -------------------------------------------------------------------

KIND = np.arange(12) % 2
TARGET = X.std((1, 2))
STRATEGIES = ["linear-probe", "fine-tune", "probe-then-fine-tune", "from-scratch"]


def classifier(**params):
    given = {"transformer": small(), "head": "ridge", "num_epochs": 1, "random_state": 0}
    return SimMTMClassifier(**{**given, **params})


def regressor(**params):
    given = {"transformer": small(), "num_epochs": 1, "random_state": 0}
    return SimMTMRegressor(**{**given, **params})


def assert_same_classifier(loaded, estimator):
    assert type(loaded) is SimMTMClassifier
    for values in (X, X.astype(np.float32), X[:, :, :7], list(X)):
        np.testing.assert_array_equal(loaded.predict_proba(values), estimator.predict_proba(values))
        predicted, expected = loaded.predict(values), estimator.predict(values)
        assert predicted.dtype == expected.dtype
        assert predicted.tolist() == expected.tolist()
        assert {type(p) for p in predicted.tolist()} == {type(p) for p in expected.tolist()}
    assert loaded.classes_.dtype == estimator.classes_.dtype
    assert loaded.classes_.tolist() == estimator.classes_.tolist()
    assert loaded.history_ == estimator.history_
    assert loaded.transformer_.history_ == estimator.transformer_.history_
    embedding = estimator.transformer_.transform(X)
    np.testing.assert_array_equal(loaded.transformer_.transform(X), embedding)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_round_trip_of_a_classifier(tmp_path, strategy):
    estimator = classifier(strategy=strategy, num_epochs=2).fit(X, np.array(["a", "b"])[KIND])
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    given, got = (e.get_params() for e in (estimator, loaded))
    nested = {"transformer", "transformer__encoder"}
    assert {k: v for k, v in got.items() if k not in nested} == {
        k: v for k, v in given.items() if k not in nested
    }
    assert [repr(got[k]) for k in nested] == [repr(given[k]) for k in nested]
    assert not hasattr(loaded.transformer, "network_")  # what was given was not fitted
    assert loaded.score(X, np.array(["a", "b"])[KIND]) == estimator.score(
        X, np.array(["a", "b"])[KIND]
    )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_round_trip_of_a_regressor(tmp_path, strategy):
    estimator = regressor(strategy=strategy).fit(X, TARGET)
    loaded = load(save(estimator, tmp_path / "model"))
    assert type(loaded) is SimMTMRegressor
    for values in (X, X.astype(np.float32), X[:, :, :7]):
        np.testing.assert_array_equal(loaded.predict(values), estimator.predict(values))
    assert loaded.history_ == estimator.history_
    assert loaded.score(X, TARGET) == estimator.score(X, TARGET)


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["walk", "ünï"]),
        np.array([3, 7]),
        np.array([3, 7], np.uint8),
        np.array([1.0, 2.0], np.float32),
        np.array([0.1, 1 / 3]),
        np.array([False, True]),
        np.array(["walk", "run"], object),
        np.array([3, 7], object),
    ],
    ids=lambda labels: f"{labels.dtype}-{labels[0]}",
)
def test_labels_of_every_type(tmp_path, labels):
    estimator = classifier().fit(X, labels[KIND])
    assert_same_classifier(load(estimator.save(tmp_path / "model")), estimator)


@pytest.mark.parametrize(
    "transformer",
    [
        None,
        SimMTMTransformer(
            encoder=PatchEncoder(patch_length=4, **TOKENS), num_epochs=0, random_state=0
        ),
        SimMTMTransformer(num_epochs=0, max_length=8, pooling=("scale", "max"), random_state=0),
    ],
    ids=str,
)
def test_transformers_of_every_kind(tmp_path, transformer):
    params = {"strategy": "from-scratch"} if transformer is None else {}
    estimator = classifier(transformer=transformer, **params).fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    assert repr(loaded.transformer) == repr(transformer)


def test_class_weights_keep_their_keys(tmp_path):
    for labels, weight in (
        (KIND, {0: 2.0, 1: 0.5}),
        (np.array(["a", "b"])[KIND], {"a": 2.0, "b": 0.5}),
        (KIND + 1.0, {1.0: 2.0, 2.0: 0.5}),
        (KIND, {np.int64(0): np.float64(2.0), np.int64(1): 1.0}),
        (KIND, "balanced"),
    ):
        estimator = classifier(class_weight=weight).fit(X, labels)
        loaded = load(estimator.save(tmp_path / "model"))
        assert loaded.class_weight == weight
        again = clone(loaded).fit(X, labels)
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_frozen_transformer_stays_one(fitted, tmp_path, strategy):
    """What is loaded predicts the same; where the encoder was kept, it can be fitted again too."""
    estimator = classifier(transformer=FrozenEstimator(fitted), strategy=strategy).fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(loaded, estimator)
    assert isinstance(loaded.transformer, FrozenEstimator)
    again = clone(loaded).fit(X, KIND)
    assert np.isfinite(again.predict_proba(X)).all()
    if strategy in ("linear-probe", "from-scratch"):
        np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    assert_same_classifier(loaded, estimator)  # fitting a clone changed nothing


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_as_the_transformer(fitted, tmp_path, kind):
    """It is only needed to fit again."""
    path = fitted.save(tmp_path / "encoder")
    estimator = classifier(transformer=kind(path), strategy="fine-tune").fit(X, KIND)
    model = estimator.save(tmp_path / "model")
    path.unlink()
    loaded = load(model)
    assert_same_classifier(loaded, estimator)
    assert str(loaded.transformer) == str(path)
    with pytest.raises(FileNotFoundError, match="encoder"):
        loaded.fit(X, KIND)


def test_what_is_loaded_can_be_used_like_any_other(tmp_path):
    estimator = classifier().fit(X, KIND)
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same_classifier(load(loaded.save(tmp_path / "second")), estimator)
    assert_same_classifier(pickle.loads(pickle.dumps(loaded)), estimator)
    again = clone(loaded).fit(X, KIND)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\)"):
        loaded.predict(X[:, :1])
    again = loaded.fit(X, KIND)
    np.testing.assert_array_equal(again.predict_proba(X), estimator.predict_proba(X))


def test_sktime_loads_classifiers_and_regressors(tmp_path):
    estimator = classifier().fit(X, KIND)
    path = estimator.save(tmp_path / "model")
    for loaded in (sktime_load(path), sktime_load(estimator.save())):
        assert_same_classifier(loaded, estimator)
    other = regressor().fit(X, TARGET)
    np.testing.assert_array_equal(sktime_load(other.save()).predict(X), other.predict(X))


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("frozen", [False, True])
def test_own_objects_inside_a_transformer_are_given_to_load(tmp_path, make, frozen):
    target = KIND if make is classifier else TARGET
    own = small(encoder=OwnEncoder(), masking=half_mask)
    given = FrozenEstimator(own.fit(X)) if frozen else own
    estimator = make(transformer=given).fit(X, target)
    path = estimator.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match=r"'transformer' .*load\(path, transformer=\.\.\.\)"):
        load(path)
    template = small(encoder=OwnEncoder(), masking=half_mask)
    loaded = load(path, transformer=FrozenEstimator(template) if frozen else template)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    if frozen:  # the frozen one is then the one that was loaded
        np.testing.assert_array_equal(clone(loaded).fit(X, target).predict(X), estimator.predict(X))


@pytest.mark.parametrize("label", ["b", 3, b"x", np.datetime64("2024-03-01"), True])
@pytest.mark.parametrize("frozen", [False, True])
def test_a_single_class_survives(label, frozen, fitted, tmp_path):
    given = {"transformer": FrozenEstimator(fitted)} if frozen else {}
    with pytest.warns(UserWarning, match="single label"):
        single = classifier(**given).fit(frames(X), np.array([label] * 12))
    path = single.save(tmp_path / "model")
    loaded = load(path)
    assert loaded.classes_.dtype == single.classes_.dtype
    assert loaded.predict(frames(X)[:3]).tolist() == [single.classes_[0]] * 3
    assert loaded.predict_proba(X).tolist() == [[1.0]] * 12
    with pytest.raises(ValueError, match="missing"):
        loaded.predict([f.rename(columns={"a": "c"}) for f in frames(X)])
    edit(path, lambda c: c["state"]["classes_"].update(labels=c["state"]["classes_"]["labels"] * 2))
    with pytest.raises(ArtifactError):
        load(path)


def frames(values):
    return [pd.DataFrame(x.T, columns=["a", "b"]) for x in values]


def test_what_has_no_head_of_its_own_is_not_saved(tmp_path):
    several = [
        classifier().fit(X, pd.DataFrame({"one": KIND, "two": KIND})),
        regressor().fit(X, pd.DataFrame({"one": TARGET, "two": -TARGET})),
    ]
    for estimator in several:
        with pytest.raises(ValueError, match=r"no head of its own to save: .*several outputs"):
            estimator.save(tmp_path / "model")
    for estimator in (classifier(), regressor()):
        with pytest.raises(NotFittedError, match="has not been fitted"):
            estimator.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_any_damage_to_the_configuration_of_a_classifier(tmp_path):
    """An ArtifactError or an estimator, nothing else."""
    path = (
        classifier(strategy="fine-tune", class_weight={0: 1.0, 1: 2.0})
        .fit(X, KIND)
        .save(tmp_path / "model")
    )
    config = json.loads(members(path)["config.json"])
    weights = members(path)["weights.safetensors"]
    places = [p for p in entries(config) if p[:2] != ("params", "transformer")]
    assert len(places) > 60
    for place in places:
        for value in (None, "x", 1e300, {"dict": [[[], 1]]}):
            damaged = json.loads(json.dumps(config))
            inner = damaged
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            with contextlib.suppress(ArtifactError):
                assert isinstance(from_bytes(content(damaged, weights), "it", {}), BaseEstimator)


def test_what_is_saved_of_a_classifier_holds_no_object_but_the_class(tmp_path):
    contents = members(classifier().fit(X, KIND).save(tmp_path / "model"))
    assert set(contents) == {"config.json", "weights.safetensors", "_metadata"}
    assert pickle.loads(contents["_metadata"]) is SimMTMClassifier


def test_a_frozen_transformer_comes_back_without_what_fine_tuning_did(tmp_path):
    """Cross-validating a loaded classifier must not start from an encoder that has seen labels."""
    draw = np.random.default_rng(0)
    values, labels = draw.normal(size=(16, 1, 12)), np.tile([0, 1], 8)
    encoder = ConvEncoder(d_model=4, n_layers=2)
    frozen = SimMTMTransformer(encoder=encoder, num_epochs=1, random_state=0).fit(values)
    classifier = SimMTMClassifier(
        transformer=FrozenEstimator(frozen),
        strategy="fine-tune",
        num_epochs=3,
        lr=0.1,
        random_state=0,
    ).fit(values, labels)
    loaded = load(save(classifier, tmp_path / "classifier"))
    np.testing.assert_array_equal(
        loaded.transformer.estimator.transform(values), frozen.transform(values)
    )
    np.testing.assert_array_equal(
        loaded.transformer_.transform(values), classifier.transformer_.transform(values)
    )
    tuned, before = loaded.transformer_.transform(values), frozen.transform(values)
    assert tuned.shape[1] == before.shape[1] - 16  # without coordinates on the graph of neighbours
    assert np.abs(tuned - before[:, :-16]).max() > 1e-3


def test_loading_does_not_wait_for_a_fit_in_another_thread(tmp_path):
    """A service that loads a model while another one is trained."""
    labels = np.arange(len(X)) % 2
    y = pd.Series(X[0].ravel())
    paths = [
        small().fit(X).save(tmp_path / "transformer"),
        SimMTMClassifier(transformer=small()).fit(X, labels).save(tmp_path / "classifier"),
        SimMTMRegressor(transformer=small()).fit(X, labels).save(tmp_path / "regressor"),
        SimMTMForecaster(transformer=small()).fit(y, fh=[1]).save(tmp_path / "forecaster"),
        SimMTMForecaster(transformer=small(), strategy="linear-probe")
        .fit(y, fh=[1])
        .save(tmp_path / "probe"),
    ]
    begun, loaded = threading.Event(), threading.Event()

    def as_if_in_fit():
        with isolated_torch(0):
            begun.set()
            loaded.wait(60)

    thread = threading.Thread(target=as_if_in_fit)
    thread.start()
    assert begun.wait(10)
    try:
        with ThreadPoolExecutor(1) as pool:
            for path in paths:
                assert pool.submit(load, path).result(timeout=20).is_fitted
    finally:
        loaded.set()
        thread.join()
