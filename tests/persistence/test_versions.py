"""Files of earlier formats load, and compute what they computed when they were written.

``tests/artifacts/version_1`` was written by version 0.1.0 of: tiny estimators, fitted on
`SERIES`, beside what they returned.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from simmtm_sk import load

FOLDER = Path(__file__).parents[1] / "artifacts" / "version_1"
PHASE = np.arange(24)[:, None, None] + np.arange(1, 3)[:, None] * np.arange(12) / 4
SERIES = np.sin(PHASE) * np.arange(1, 25)[:, None, None]


@pytest.mark.parametrize(
    ("name", "returned"),
    [
        ("transformer", lambda loaded: loaded.transform(SERIES[20:21])),
        ("classifier", lambda loaded: loaded.predict_proba(SERIES[20:])),
        ("regressor", lambda loaded: loaded.predict(SERIES[20:])),
        ("forecaster", lambda loaded: loaded.predict().to_numpy()),
    ],
)
def test_version_1(name, returned):
    expected = json.loads((FOLDER / "expected.json").read_text())[name]
    np.testing.assert_allclose(returned(load(FOLDER / name)), expected, rtol=1e-5, atol=1e-7)


def test_gaps_are_filled_as_they_were_in_version_1():
    """By the decoder: there are no weights for anything else."""
    loaded, gaps = load(FOLDER / "transformer"), SERIES.copy()
    gaps[:, 0, 3:6] = np.nan
    np.testing.assert_array_equal(loaded.reconstruct(gaps), loaded.reconstruct(gaps, decoded=True))


def test_intervals_of_version_1():
    expected = json.loads((FOLDER / "expected.json").read_text())["interval"]
    intervals = load(FOLDER / "forecaster").predict_interval().to_numpy()
    np.testing.assert_allclose(intervals, expected, rtol=1e-5)


def test_what_version_1_wrote_can_be_saved_again(tmp_path):
    for name in ("transformer", "classifier", "regressor"):
        old = load(FOLDER / name)
        again = load(old.save(tmp_path / name))
        method = "transform" if name == "transformer" else "predict"
        np.testing.assert_array_equal(getattr(again, method)(SERIES), getattr(old, method)(SERIES))
