"""Files that were made to do harm: refused, soon, in little memory; nothing in them is obeyed."""

import io
import json
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMTransformer,
    load,
)
from tests.persistence.edited import cost, edit, members, needs_linux, refused, write

X = np.random.default_rng(0).normal(size=(20, 1, 16)).cumsum(2)
TOKENS = {"d_model": 4, "n_layers": 1, "n_heads": 1, "d_feedforward": 4}


def transformer(**params):
    given = {"encoder": ConvEncoder(d_model=4, n_layers=1), "num_epochs": 0, "projection_dim": 4}
    return SimMTMTransformer(**{**given, "random_state": 0, "device": "cpu", **params})


@pytest.fixture
def artifact(tmp_path):
    return transformer().fit(X).save(tmp_path / "model")


@pytest.fixture
def patches(tmp_path):
    return transformer(encoder=PatchEncoder(patch_length=2, **TOKENS)).fit(X).save(tmp_path / "p")


@pytest.fixture
def classifier(tmp_path):
    labels = np.repeat(["a", "b"], 10)
    estimator = SimMTMClassifier(transformer=transformer(), random_state=0)
    return estimator.fit(X, labels).save(tmp_path / "classifier")


def forecaster(y, encoder=None):
    encoder = PatchEncoder(patch_length=2, **TOKENS) if encoder is None else encoder
    return SimMTMForecaster(transformer=transformer(encoder=encoder), random_state=0).fit(
        y, fh=[1, 2]
    )


@pytest.fixture
def hourly(tmp_path):
    times = pd.date_range("2020", periods=40, freq="h", tz="Europe/Paris")
    return forecaster(pd.Series(X.ravel()[:40], times)).save(tmp_path / "forecaster")


pytestmark = needs_linux


# -- sizes that the file does not have ------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p["encoder"]["params"].update(d_model=12_000),
        lambda p: p["encoder"]["params"].update(d_model=10**12),
        lambda p: p["encoder"]["params"].update(kernel_size=10**9 + 1),
        lambda p: p.update(projection_dim=10**9),
        lambda p: p.update(projection_dim=10**15),
    ],
)
def test_sizes_of_the_network(artifact, change):
    edit(artifact, lambda c: change(c["params"]))
    refused(artifact, "size mismatch|cannot be restored")


@pytest.mark.parametrize("name", ["n_layers", "d_feedforward", "n_heads", "patch_length"])
@pytest.mark.parametrize("size", [10**7, 10**18])
def test_sizes_of_a_transformer(patches, name, size):
    edit(patches, lambda c: c["params"]["encoder"]["params"].update({name: size}))
    refused(patches)


@pytest.mark.parametrize("name", ["n_channels_", "n_features_in_", "_built_length", "length_"])
@pytest.mark.parametrize("size", [20_000_000, 10**18, 10**400])
def test_sizes_of_series(artifact, name, size):
    """A length decides about nothing that is built; where it would, it is compared."""
    edit(artifact, lambda c: c["state"].update({name: size}))
    outcome, seconds, megabytes = cost(artifact)
    if not isinstance(outcome, ArtifactError):
        assert outcome.transform(X).shape == transformer().fit(X).transform(X).shape
    assert seconds < 2
    assert megabytes < 200


@pytest.mark.parametrize("dtype", ["<U200000000", "<U9000000", "S5", "V8", "M8[s]", "i4,i4", "c16"])
def test_types_of_classes(classifier, dtype):
    edit(classifier, lambda c: c["state"]["classes_"].update(dtype=dtype))
    refused(classifier)


@pytest.mark.parametrize(
    "labels", [[], ["a"], ["a", "a"], ["a", "b", "c"], [["a"], "b"], [None, "a"], "ab", {"a": 1}]
)
def test_classes_that_no_fit_leaves(classifier, labels):
    edit(classifier, lambda c: c["state"]["classes_"].update(labels=labels))
    refused(classifier)


def test_sizes_of_a_forecast(hourly):
    edit(hourly, lambda c: c["state"].update(horizon_=10**9))
    refused(hourly, "size mismatch")


def test_a_long_context_of_points_is_not_attended_to(tmp_path):
    """The heads' sizes follow from the encoder's, so nothing is run to know them."""
    y = pd.Series(X.ravel()[:60])
    path = forecaster(y, PointEncoder(**TOKENS)).save(tmp_path / "points")

    def longer(tensors):
        tensors["forecast.window_head.weight"] = torch.zeros(2, 400_000)

    edit(path, lambda c: c["state"].update(context_length_=400_000), longer)
    outcome, seconds, megabytes = cost(path)
    assert seconds < 2
    assert megabytes < 200
    assert isinstance(outcome, ArtifactError | SimMTMForecaster)


@pytest.mark.parametrize("lengths", [[10**12], [-5], [40, 0], [20, 20], [], ["40"], [40.0], None])
def test_lengths_of_series(hourly, lengths):
    edit(hourly, lambda c: c["state"]["y"].update(lengths=lengths))
    refused(hourly)


# -- the file itself ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members(artifact, method):
    edit(artifact, compression=method)
    refused(artifact, "compressed")


def test_a_bomb(artifact):
    contents = members(artifact)
    contents["weights.safetensors"] = bytes(300 * 2**20)
    write(artifact, contents, zipfile.ZIP_DEFLATED)
    refused(artifact, "compressed")


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_a_member_twice(artifact):
    with zipfile.ZipFile(artifact, "a") as archive:
        archive.writestr("config.json", "{}")
    refused(artifact, "twice|too long")


@pytest.mark.parametrize("name", ["data.pkl", "../config.json", "/config.json", "config.json/"])
def test_a_member_of_another_name(artifact, name):
    write(artifact, {**members(artifact), name: b"x"})
    refused(artifact, "has a member|too long")


def test_a_long_list_of_members(artifact):
    write(artifact, {**members(artifact), **{f"{i}": b"" for i in range(60_000)}})
    refused(artifact, "list of members")


def test_a_list_of_members_that_only_the_large_form_tells(artifact):
    """zipfile believes the record for files beyond 4 GB where there is one."""
    write(artifact, {**members(artifact), **{f"{i}": b"" for i in range(1_000)}})
    content = artifact.read_bytes()
    end = content[-22:]
    n, size, offset = struct.unpack_from("<HLL", end, 10)
    large = struct.pack("<4sQHHLLQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, size, offset)
    pointer = struct.pack("<4sLQL", b"PK\6\7", 0, len(content) - 22, 1)
    short = bytearray(end)
    struct.pack_into("<HHL", short, 8, 3, 3, 150)
    artifact.write_bytes(content[:-22] + large + pointer + bytes(short))
    refused(artifact, "list of members")


def test_json_that_takes_far_more_memory_than_text(artifact):
    contents = members(artifact)
    for text in (b"[" * 10**6, b'{"a":' * 10**6, b"[" + b"[],{}," * 10**6, b" " * 2**25):
        write(artifact, {**contents, "config.json": text})
        refused(artifact, "JSON|too large|cannot be read|recursion")


@pytest.mark.parametrize(
    ("opening", "entries", "closing"),
    [
        ('["x"', ',"ab"' * 3_300_000, "]"),
        ('["x"', ',"\U0001f600"' * 2_300_000, "]"),
        ("[1", ",-9" * 5_000_000, "]"),
        ('[{"a":1', "".join(f',"{i}":1' for i in range(1_200_000)), "}]"),
        ('[{"a":1', "".join(f',"{i}":1' for i in range(450_000)), "}]"),
        ('[{"a":1}', ',{"a":1}' * 290_000, "]"),
    ],
    ids=["text", "characters", "numbers", "keys", "fewer keys", "objects"],
)
def test_json_of_many_entries(artifact, opening, entries, closing):
    """Refused, or a history that is no larger than one may be."""
    contents = members(artifact)
    config = json.loads(contents["config.json"])
    config["state"]["history_"] = "HISTORY"
    text = json.dumps(config).replace('"HISTORY"', opening + entries + closing)
    write(artifact, {**contents, "config.json": text.encode()})
    outcome, seconds, megabytes = cost(artifact)
    assert isinstance(outcome, ArtifactError) or text.count("{") > 200_000
    assert seconds < 2
    assert megabytes < 200


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none(artifact, text):
    edit(artifact, lambda c: c["params"].update(lr="NUMBER"))
    contents = members(artifact)
    config = contents["config.json"].replace(b'"NUMBER"', text.encode())
    write(artifact, {**contents, "config.json": config})
    refused(artifact)


def test_a_key_twice(artifact):
    contents = members(artifact)
    config = contents["config.json"].replace(b'"format":', b'"class": "x", "format":')
    write(artifact, {**contents, "config.json": config})
    refused(artifact, "twice")


@pytest.mark.parametrize("given", [-1, 0, 3, 10**30, 1.0, 2.0, True, None, "2", [2]])
def test_versions_of_the_format(artifact, given):
    edit(artifact, lambda c: c.update(format_version=given))
    refused(artifact, "format")


def test_unknown_entries(artifact):
    for place in (lambda c: c, lambda c: c["state"], lambda c: c["params"]):
        contents = artifact.read_bytes()
        edit(artifact, lambda c, place=place: place(c).update(transform="gone"))
        refused(artifact, "unknown entries|unexpected keyword")
        artifact.write_bytes(contents)


# -- numbers and names ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers(classifier, value):
    content = classifier.read_bytes()
    names = list(safetensors.torch.load(members(classifier)["weights.safetensors"]))
    assert len(names) > 10
    for name in names:
        classifier.write_bytes(content)
        edit(classifier, tensors=lambda t, name=name: t[name].view(-1)[:1].fill_(value))
        outcome, *_ = cost(classifier)
        if not isinstance(outcome, ArtifactError):  # infinite where an amplitude was noise
            assert name.endswith("stats_scaler.std")
            assert np.isposinf(value)


@pytest.mark.parametrize(
    "params", [{"lr": -5.0}, {"mask_ratio": 7}, {"n_masks": 0}, {"device": 3}, {"lr": [1]}]
)
def test_parameters_outside_their_limits(artifact, classifier, params):
    edit(artifact, lambda c: c["params"].update(params))
    refused(artifact)
    edit(classifier, lambda c: c["params"]["transformer"]["params"].update(params))
    refused(classifier)


@pytest.mark.parametrize(
    "zone",
    ["dateutil//etc/passwd", "/etc/passwd", "../zone", "posixrules", "", 3, "UTC+99", "tzlocal()"],
)
def test_time_zones_are_names(hourly, zone, monkeypatch):
    edit(hourly, lambda c: c["state"]["y"]["times"][0].update(zone=zone))
    opened = []
    real_open = io.open
    monkeypatch.setattr("builtins.open", lambda *a, **k: opened.append(a[0]) or real_open(*a, **k))
    refused(hourly, "time zone|cannot be restored")
    assert not [name for name in opened if "passwd" in str(name)]


@pytest.mark.parametrize("freq", ["__import__('os')", "1" * 400 + "D", "D-" + "x" * 999, "X", 3])
def test_frequencies_are_names(hourly, freq):
    edit(hourly, lambda c: c["state"]["y"]["times"][0].update(freq=freq))
    refused(hourly)


@pytest.mark.parametrize(
    ("kind", "n", "params"),
    [
        ("DateOffset", 1, {"years": 10**9}),
        ("DateOffset", 10**18, {"months": 1}),
        ("CustomBusinessDay", 10**9, {"weekmask": "0000000"}),
        ("CustomBusinessDay", 1, {"weekmask": "x" * 10**5}),
        ("CustomBusinessDay", 1, {"holidays": [10**400]}),
        ("CustomBusinessDay", 1, {"holidays": [f"2{y:03}-01-01" for y in range(1000)] * 300}),
        ("BusinessHour", 1, {"start": "25:99"}),
        ("FY5253", 1, {"weekday": 10**9, "startingMonth": -3, "variation": "eval"}),
        ("Easter", 10**12, {}),
        ("__class__", 1, {}),
        ("to_offset", 1, {}),
    ],
)
def test_frequencies_with_parameters(hourly, kind, n, params):
    """Refused, or a frequency that pandas knows; nothing is counted at it while loading."""
    freq = {"class": kind, "n": n, "normalize": False, "params": params}
    edit(hourly, lambda c: c["state"]["y"]["times"][0].update(freq=freq))
    outcome, seconds, megabytes = cost(hourly)
    assert isinstance(outcome, ArtifactError | SimMTMForecaster)
    assert seconds < 2
    assert megabytes < 200


@pytest.mark.parametrize("fh", [{"relative": []}, {"relative": ["1"]}, {"relative": [1.5]}, {}, 3])
def test_horizons(hourly, fh):
    edit(hourly, lambda c: c["state"].update(fh=fh))
    refused(hourly)


# -- folders do not travel ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["memory", "checkpoint_dir"])
def test_folders_are_neither_saved_nor_believed(tmp_path, name):
    here = str(tmp_path / "here")
    path = transformer(num_epochs=1, **{name: here}).fit(X).save(tmp_path / "model")
    assert here.encode() not in path.read_bytes()
    edit(path, lambda c: c["params"].update({name: str(tmp_path / "theirs")}))
    assert getattr(load(path), name) is None
    assert getattr(load(path, **{name: here}), name) == here


def test_a_cache_is_only_read_where_the_caller_says(tmp_path):
    """A joblib cache is a folder of pickles: whoever names the folder can run code."""
    path = SimMTMClassifier(transformer=transformer(), random_state=0).fit(
        X, np.repeat([0, 1], 10)
    ).save(tmp_path / "model")  # fmt: skip

    def theirs(config):
        config["params"]["transformer"]["params"]["memory"] = str(tmp_path / "cache")

    edit(path, theirs)
    load(path).fit(X, np.repeat([0, 1], 10))
    assert not (tmp_path / "cache").exists()


def test_metadata_are_never_looked_at(artifact):
    proof = artifact.with_name("executed")

    class Payload:
        def __reduce__(self):
            return open, (str(proof), "w")

    write(artifact, {**members(artifact), "_metadata": pickle.dumps(Payload())})
    load(artifact)
    assert not proof.exists()


def test_nothing_is_said_about_a_file_that_is_refused(artifact):
    """Neither torch nor pandas warn on the way."""
    edit(artifact, lambda c: c["params"].update(projection_dim=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ArtifactError):
            load(artifact)


def test_a_large_file_is_in_memory_twice_at_most(tmp_path):
    path = transformer(encoder=ConvEncoder(d_model=900, n_layers=4)).fit(X[:2]).save(tmp_path / "m")
    size = path.stat().st_size / 2**20
    assert size > 60
    outcome, _, megabytes = cost(path)
    assert isinstance(outcome, SimMTMTransformer)
    assert megabytes < 100
