"""Panels on disk that numpy may ask for as an array."""

import numpy as np
import pytest

from simmtm_sk.data.panel import MappedPanel


@pytest.fixture
def parts(tmp_path):
    """Two memory maps of 3 and 2 series."""
    values = np.random.default_rng(0).normal(size=(5, 2, 4))
    for i, part in enumerate((values[:3], values[3:])):
        np.save(tmp_path / f"{i}.npy", part)
    maps = [np.load(tmp_path / f"{i}.npy", mmap_mode="r") for i in range(2)]
    return values, MappedPanel(maps)


def test_as_an_array(parts):
    """With the keywords that numpy 2 hands on; it warns where ``__array__`` lacks them."""
    values, panel = parts
    for array in (np.asarray(panel), np.array(panel), np.array(panel, copy=True)):
        np.testing.assert_array_equal(array, values)
    assert np.asarray(panel, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.stack([panel, panel])[1], values)


def test_slices_over_the_borders_of_files(parts):
    values, panel = parts
    assert panel.shape == values.shape
    for start in range(5):
        for stop in range(start, 6):
            np.testing.assert_array_equal(panel[start:stop], values[start:stop])
    np.testing.assert_array_equal(panel.reshape(-1, 1, 4)[:], values.reshape(-1, 1, 4))
