"""README's code runs as it stands there, its pictures exist, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(block, folder, monkeypatch):
    monkeypatch.chdir(folder)
    namespace = {}
    exec(block, namespace)
    return namespace


def test_there_is_one_block_for_each_job():
    jobs = ("SimMTMClassifier", "SimMTMForecaster", "SimMTMImputer")
    assert [job in block for job, block in zip(jobs, BLOCKS, strict=True)] == [True] * 3


@pytest.mark.slow
def test_few_labels(tmp_path, monkeypatch):
    ran = run(BLOCKS[0], tmp_path, monkeypatch)
    assert ran["classifier"].score(ran["X_test"], ran["y_test"]) > 0.7
    assert len(ran["embedding"]) == len(ran["X_test"])


def test_forecast(tmp_path, monkeypatch):
    ran = run(BLOCKS[1], tmp_path, monkeypatch)
    assert ran["forecaster"].predict().index[0] == ran["y"].index[-1] + 1


def test_gaps(tmp_path, monkeypatch):
    ran = run(BLOCKS[2], tmp_path, monkeypatch)
    assert (ran["std"][:, :, 60:85] > 0).all()
    assert ran["filled"].shape == ran["X_gaps"].shape


def test_links_and_pictures():
    targets = re.findall(r"\]\(([^)]+)\)", README.read_text("utf-8"))
    assert len(targets) > 5
    local = [target for target in targets if not target.startswith("https://")]
    assert [target for target in local if not (ROOT / target).exists()] == []
