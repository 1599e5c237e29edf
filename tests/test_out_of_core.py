"""Series in files: the same result as from memory, within less memory than they would take."""

import subprocess
import sys

import numpy as np
import pytest

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMClassifier, fitted_transformer
from simmtm_sk.data import MappedPanel
from tests.small import CONV, StopAtOnce, X, digest, small

TOKENS = {"patch_length": 4, "d_model": 4, "n_layers": 1, "n_heads": 2, "d_feedforward": 4}
ENCODERS = {
    "conv": CONV,
    "channel by channel": ConvEncoder(d_model=4, n_layers=2, channel_independent=True),
    "patch": PatchEncoder(**TOKENS),
}
every_encoder = pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)

GAPS = X.copy()
GAPS[3, 0, 4:9] = GAPS[7, :, 15:] = GAPS[15, 1] = np.nan


def file_of(folder, values):
    np.save(folder / "x.npy", values)
    return np.load(folder / "x.npy", mmap_mode="r")


def files_of(folder, values):
    """Three files of different sizes; a batch takes series of all of them."""
    for i, part in enumerate(np.split(values, [5, 6])):
        np.save(folder / f"{i}.npy", part)
    return [np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(3)]


@pytest.mark.parametrize("values", [X, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize("max_length", [None, 8])
@every_encoder
def test_files_give_the_same_bits_as_an_array(tmp_path, encoder, max_length, values):
    expected = small(encoder=encoder, max_length=max_length).fit(values)
    for on_disk in (file_of(tmp_path, values), files_of(tmp_path, values)):
        mapped = small(encoder=encoder, max_length=max_length).fit(on_disk)
        assert digest(mapped) == digest(expected)
        for name in ("n_features_in_", "n_channels_", "length_"):
            assert getattr(mapped, name) == getattr(expected, name)
        np.testing.assert_array_equal(mapped.transform(on_disk), expected.transform(values))
        np.testing.assert_array_equal(
            mapped.reconstruct(on_disk, decoded=True), expected.reconstruct(values, decoded=True)
        )
        assert mapped.score(on_disk) == expected.score(values)


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f2", "i2"])
def test_files_of_other_dtypes_give_the_same_bits(tmp_path, dtype):
    values = np.round(10 * X).astype(dtype)
    expected = small().fit(values)
    for on_disk in (file_of(tmp_path, values), files_of(tmp_path, values)):
        mapped = small().fit(on_disk)
        assert digest(mapped) == digest(expected)
        embedding = mapped.transform(on_disk)
        assert embedding.dtype == (np.float32 if "f4" in dtype else np.float64)
        np.testing.assert_array_equal(embedding, expected.transform(values))


@pytest.mark.parametrize("form", ["file", "files", "table", "table of integers"])
@every_encoder
def test_what_is_gathered_from_are_the_files(tmp_path, form, encoder, monkeypatch):
    seen = []

    class Spy(fitted_transformer.WindowDataset):
        def __init__(self, values, *args, **kwargs):
            seen.append(values)
            super().__init__(values, *args, **kwargs)

    monkeypatch.setattr(fitted_transformer, "WindowDataset", Spy)
    if form == "files":
        given = files = files_of(tmp_path, X)
    else:
        values = {"file": X, "table": X[:, 0]}.get(form, np.round(9 * X[:, 0]).astype(np.int16))
        given = file_of(tmp_path, values)
        files = [given]
    small(encoder=encoder).fit(given).transform(given)
    # balance and metric embed a few series, which are arrays
    from_files = [values for values in seen if isinstance(values, MappedPanel)]
    assert len(from_files) == 2
    for values in from_files:
        for part, file in zip(values.arrays, files, strict=True):
            assert np.shares_memory(part, file)


def test_a_table_on_disk_keeps_the_rules_of_tables(tmp_path):
    fitted = small().fit(file_of(tmp_path, X[:, 0]))
    assert fitted.n_features_in_ == 20
    with pytest.raises(ValueError, match=r"19 features, but .* expecting 20"):
        fitted.transform(file_of(tmp_path, X[:, 0, :19]))
    with pytest.raises(ValueError, match=r"1 dimension"):
        small().fit(file_of(tmp_path, X[0, 0]))


def test_checkpoints_tell_files_apart(tmp_path):
    """A run that was stopped after its first evaluation leaves one, for the same files alone."""
    for values in (X, X, X + 1):
        estimator = small(checkpoint_dir=tmp_path / "runs", num_epochs=20)
        estimator.set_callbacks(StopAtOnce()).fit(files_of(tmp_path, values))
    assert len(list((tmp_path / "runs").glob("*.pt"))) == 2


def test_a_list_of_single_series_is_still_one(tmp_path):
    """Two dimensions are one series, on disk too."""
    expected = small().fit(list(X))
    mapped = small().fit([file_of(tmp_path, X)[i] for i in range(16)])
    assert digest(mapped) == digest(expected)
    with pytest.raises(ValueError, match=r"series 1 has 3 dimensions.*nothing but arrays"):
        small().fit([X[0], X])


def test_a_classifier_loads_the_files(tmp_path):
    y = np.arange(16) % 2
    expected = SimMTMClassifier(transformer=small(), random_state=0).fit(X, y)
    files = files_of(tmp_path, X)
    mapped = SimMTMClassifier(transformer=small(), random_state=0).fit(files, y)
    np.testing.assert_array_equal(mapped.predict_proba(files), expected.predict_proba(X))


LIMITED = """
import resource
import sys
import numpy as np
import torch
from simmtm_sk import ConvEncoder, SimMTMTransformer
torch.set_num_threads(1)

with open("/proc/self/status") as file:
    now = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
limit = now + 400_000_000
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))  # of what is allocated, not mapped

files = [np.load(name, mmap_mode="r") for name in sys.argv[1:]]
try:
    np.array(files[0])
except MemoryError:
    print("refused")
embed = SimMTMTransformer(
    encoder=ConvEncoder(d_model=4, n_layers=1), projection_dim=4, num_epochs=1, random_state=0,
    validation_fraction=0.999, device="cpu", pooling=("max", "min", "std", "ppv", "scale"),
)
for X in (files[0], files):
    embed.fit(X).transform(files[1][:100])
    print("fitted")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("missing", [False, True])
def test_files_larger_than_the_memory_allowed(tmp_path, missing):
    """A file of 614 MB and a small one, with 400 MB to work in: twice what a fit takes (compiled
    convolutions and buffers of BLAS included, which depend on the processor), less than the
    file."""
    series = np.random.default_rng(0).standard_normal((1500, 1, 512), np.float32)
    if missing:
        series[5::10, 0, 300:] = series[::100, 0, 30:90] = np.nan
    names = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    for name, repeats in zip(names, (200, 1), strict=True):
        file = np.lib.format.open_memmap(name, "w+", np.float32, (repeats * 1500, 1, 512))
        for start in range(0, len(file), 1500):
            file[start : start + 1500] = series
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *names], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["refused", "fitted", "fitted"], done.stderr
