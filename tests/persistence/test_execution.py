"""Nothing in a file is ever executed."""

import io
import json
import pickle

import numpy as np
import pytest
import torch

from simmtm_sk import (
    ArtifactError,
    SimMTMTransformer,
    load,
)
from tests.persistence.artifacts import X, edit_config, rewrite, with_checksum
from tests.persistence.edited import members


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
