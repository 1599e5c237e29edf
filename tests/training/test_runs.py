"""Cached runs: the same weights as trained, whatever happens to the cache."""

import importlib
import sys

import joblib
import numpy as np
import pytest

from simmtm_sk import ConvEncoder
from tests.small import X, digest, small

ENCODER = """
from simmtm_sk import ConvEncoder

class Encoder:
    def build(self, n_channels, length):
        return ConvEncoder(d_model=4, n_layers={n_layers}).build(n_channels, length)
"""


@pytest.fixture(scope="module")
def trained():
    return digest(small().fit(X))


def entry(folder):
    (file,) = folder.rglob("output.pkl")
    return file


def test_a_damaged_entry_is_noticed_and_computed_again(tmp_path, trained):
    small(memory=str(tmp_path)).fit(X)
    content = entry(tmp_path).read_bytes()
    for position in np.linspace(0, len(content) - 1, 25).astype(int).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 0x20
        entry(tmp_path).write_bytes(damaged)
        try:
            with pytest.warns(UserWarning, match="damaged|Exception while loading"):
                assert digest(small(memory=str(tmp_path)).fit(X)) == trained
        except pytest.fail.Exception:  # no warning: then the entry was not read, or is the same
            assert digest(small(memory=str(tmp_path)).fit(X)) == trained
        entry(tmp_path).write_bytes(content)


def test_a_damaged_entry_is_replaced(tmp_path, trained):
    first = small(memory=str(tmp_path)).fit(X)
    content = bytearray(entry(tmp_path).read_bytes())
    content[len(content) // 2] ^= 1
    entry(tmp_path).write_bytes(content)
    with pytest.warns(UserWarning, match=rf"{tmp_path.name}.* is damaged .*computed again"):
        second = small(memory=str(tmp_path)).fit(X)
    third = small(memory=str(tmp_path)).fit(X)
    assert digest(first) == digest(second) == digest(third) == trained
    assert third.history_ == second.history_ != first.history_  # seconds differ


def test_a_cache_of_another_kind(trained):
    """Whatever has ``cache`` will do."""

    class Cache:
        kept = None

        def cache(self, function):
            def cached(*arguments):
                self.kept = self.kept or function(*arguments)
                return self.kept

            return cached

    memory = Cache()
    first, second = (small(memory=memory).fit(X) for _ in range(2))
    assert first.history_ == second.history_
    assert digest(second) == trained
    memory.kept = b"nonsense"
    with (
        pytest.warns(UserWarning, match="is damaged"),
        pytest.raises(ValueError, match="not of this format"),
    ):
        small(memory=memory).fit(X)


def test_an_edited_encoder_class_is_another_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for n_layers in (1, 2, 1):
        (tmp_path / "own_encoder.py").write_text(ENCODER.format(n_layers=n_layers))
        sys.modules.pop("own_encoder", None)
        importlib.invalidate_caches()
        encoder = importlib.import_module("own_encoder").Encoder()
        cached = small(encoder=encoder, memory=str(tmp_path / "cache")).fit(X)
        plain = ConvEncoder(d_model=4, n_layers=n_layers)
        assert digest(cached) == digest(small(encoder=plain).fit(X))
    sys.modules.pop("own_encoder", None)


def test_another_version_of_the_package_is_another_run(tmp_path, monkeypatch):
    memory = joblib.Memory(tmp_path, verbose=0)
    first = small(memory=memory).fit(X)
    monkeypatch.setattr("simmtm_sk.training.fingerprint.version", lambda name: "99")
    assert small(memory=memory).fit(X).history_ != first.history_  # trained again
    assert len(list(tmp_path.rglob("output.pkl"))) == 2
