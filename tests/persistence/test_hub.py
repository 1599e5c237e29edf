"""Artifacts on a hub, which here is a folder behind a server of this machine."""

import sys
import threading

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
    load,
    push_to_hub,
)
from simmtm_sk.persistence.hub import FILE
from tests.persistence.local_hub import serve

constants = pytest.importorskip(
    "huggingface_hub.constants", reason="huggingface_hub (extra hub) is not installed"
)
X = np.random.default_rng(0).normal(size=(20, 1, 16)).cumsum(-1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    server = serve(tmp_path / "hub")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    files = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    # what HF_ENDPOINT sets when huggingface_hub is imported
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "hub"
    server.shutdown()
    server.server_close()
    thread.join()


def fitted(seed=0):
    encoder = ConvEncoder(d_model=4, n_layers=1)
    return SimMTMTransformer(encoder=encoder, num_epochs=0, random_state=seed).fit(X)


def push(estimator, repo_id="me/walks"):
    return push_to_hub(estimator, repo_id, token="hf_of_a_test")


def test_what_was_pushed_comes_back(folder):
    transformer = fitted()
    address = push(transformer)
    assert address.startswith("hub:me/walks@")
    for given in (address, "hub:me/walks", "hub:me/walks@main"):
        np.testing.assert_array_equal(load(given).transform(X), transformer.transform(X))
    assert load(address, warm_start=True).warm_start


def test_a_commit_is_pinned_and_a_branch_moves_on(folder):
    first, second = fitted(0), fitted(1)
    pinned = push(first)
    push(second)
    np.testing.assert_array_equal(load(pinned).transform(X), first.transform(X))
    np.testing.assert_array_equal(load("hub:me/walks").transform(X), second.transform(X))


def test_an_encoder_of_the_hub_serves_a_classifier(folder):
    address = push(fitted())
    y = (X[:, 0, -1] > 0).astype(int)
    classifier = SimMTMClassifier(transformer=address, random_state=0).fit(X, y)
    np.testing.assert_array_equal(classifier.transformer_.transform(X), load(address).transform(X))


def test_what_is_not_there(folder):
    with pytest.raises(FileNotFoundError, match="no artifact at hub:me/nothing"):
        load("hub:me/nothing")
    push(fitted())
    with pytest.raises(FileNotFoundError, match="no artifact at hub:me/walks@other"):
        load("hub:me/walks@other")
    (folder / "me/walks/main" / FILE).rename(folder / "me/walks/main/model.pkl")
    with pytest.raises(FileNotFoundError, match="no artifact at hub:me/walks"):
        load("hub:me/walks")


def test_a_file_that_is_no_artifact_is_refused(folder):
    push(fitted())
    (folder / "me/walks/main" / FILE).write_bytes(b"cos\nsystem\n(S'echo harm'\ntR.")
    with pytest.raises(ArtifactError, match="is not an artifact of simmtm_sk"):
        load("hub:me/walks")


@pytest.mark.parametrize("address", ["walks", "me/walks/more", "", "me/walks@", "me/wa lks@main"])
def test_addresses_are_checked_before_anything_is_asked_for(address):
    with pytest.raises(ValueError, match="an address on the hub is"):
        load(f"hub:{address}")
    with pytest.raises(ValueError, match="repo_id must be 'owner/name'"):
        push(fitted(), address)


def test_nothing_is_pushed_that_is_not_fitted(folder):
    with pytest.raises(NotFittedError):
        push(SimMTMTransformer())
    assert not folder.exists()


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for use in (lambda: load("hub:me/walks"), lambda: push(fitted())):
        with pytest.raises(ImportError, match=r"pip install 'simmtm_sk\[hub\]'"):
            use()
