"""What the pages of the documentation show runs as it stands there."""

import re
import textwrap
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def blocks(page):
    text = (DOCS / page).read_text("utf-8")
    found = re.findall(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", text, re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


BARS, TENSORBOARD, MLFLOW, TRAINING = blocks("progress.rst")


def ran(*code):
    namespace = {}
    for block in code:
        exec(block, namespace)
    return namespace


def test_bars(capsys):
    pytest.importorskip("rich", reason="rich (extra progress) is not installed")
    assert len(ran(BARS)["search"].cv_results_["params"]) == 2
    assert "GridSearchCV" in capsys.readouterr().out


# these two packages have warnings of their own
@pytest.mark.filterwarnings("default")
def test_tensorboard_gets_what_the_history_has(tmp_path, monkeypatch):
    reason = "tensorboard is not installed"
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=reason
    )
    monkeypatch.chdir(tmp_path)
    history = ran(BARS, TENSORBOARD, TRAINING)["transformer"].history_
    events = loader.EventAccumulator(str(tmp_path / "runs")).Reload()
    assert set(events.Tags()["scalars"]) == set(history[0])
    for name in history[0]:
        written = [event.value for event in events.Scalars(name)]
        assert written == pytest.approx([record[name] for record in history])


@pytest.mark.filterwarnings("default")
def test_mlflow_gets_what_the_history_has(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    namespace = ran(BARS, MLFLOW, TRAINING.replace("TensorBoard()", "MLflow()"))
    history = namespace["transformer"].history_
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.metrics["train_total"] == pytest.approx(history[-1]["train_total"])
    assert run.data.params["mask_ratio"] == "0.5"
