"""Broken and foreign files are refused, whatever is wrong with them."""

import contextlib
import zipfile

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from simmtm_sk import (
    ArtifactError,
    load,
)
from simmtm_sk.persistence import from_bytes
from tests.persistence.artifacts import (
    KIND,
    X,
    classifier,
    damages,
    edit_config,
    rewrite,
    small,
    with_checksum,
)
from tests.persistence.edited import members


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


def test_any_damage_to_the_configuration(artifact):
    """An ArtifactError or an estimator, nothing else, whatever is left out or put anywhere."""
    odd = [None, "x", -1, 1.5, 10**40, [[1]], {"class": 3}]
    tried = list(damages(artifact, odd))
    assert len(tried) > 30 * len(odd)
    for damaged in tried:
        with contextlib.suppress(ArtifactError):
            assert isinstance(from_bytes(damaged, "it", {}), BaseEstimator)


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


def test_weights_that_do_not_fit(artifact, tmp_path):
    larger = small(projection_dim=7).fit(X).save(tmp_path / "larger")
    with_checksum(artifact, members(larger)["weights.safetensors"])
    with pytest.raises(ArtifactError, match=r"(?s)cannot be restored: .*size mismatch"):
        load(artifact)
    with_checksum(artifact, b"no safetensors")
    with pytest.raises(ArtifactError, match="cannot be restored"):
        load(artifact)


def test_any_damage_to_the_configuration_of_a_classifier(tmp_path):
    """An ArtifactError or an estimator, nothing else."""
    path = (
        classifier(strategy="fine-tune", class_weight={0: 1.0, 1: 2.0})
        .fit(X, KIND)
        .save(tmp_path / "model")
    )
    odd = (None, "x", 1e300, {"dict": [[[], 1]]})
    tried = list(damages(path, odd, ("params", "transformer")))
    assert len(tried) > 60 * len(odd)
    for damaged in tried:
        with contextlib.suppress(ArtifactError):
            assert isinstance(from_bytes(damaged, "it", {}), BaseEstimator)
