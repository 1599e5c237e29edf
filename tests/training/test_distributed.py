"""Two processes do the step that one does, and end together."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from simmtm_sk import load
from tests.training.ranks import STEPS, X, fitted

pytestmark = pytest.mark.slow  # two processes import everything first


def run(case, folder):
    """Start two ranks; their exit codes and what they said."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.training.ranks", case]
    environment = {**os.environ, "PYTHONPATH": str(root), "GLOO_SOCKET_IFNAME": "lo"}
    ranks = [
        subprocess.Popen(
            [*command, str(rank), str(folder)],
            env=environment,
            cwd=root,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [rank.communicate(timeout=200)[1] for rank in ranks]
    return [rank.returncode for rank in ranks], said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    codes, said = run("equal", folder)
    assert codes == [0, 0], "\n".join(said)
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("name", STEPS)
def test_losses_and_gradients_are_those_of_one_process(found, name):
    """Of 28 rows, views included; gaps and a decoder behind the average among the cases."""
    for rank in found:
        difference, size = rank[name]
        assert size > 0.1
        assert difference < 1e-5


def test_a_fit_on_two_ranks_is_that_of_one_process(folder, found):
    """With uneven batches, a held-out part and early stopping."""
    alone = fitted()
    embeddings = [np.load(folder / f"embedding{rank}.npy") for rank in range(2)]
    np.testing.assert_array_equal(*embeddings)
    np.testing.assert_allclose(embeddings[0], alone.transform(X), rtol=1e-3, atol=1e-3)
    for rank in found:
        assert len(rank["history"]) == len(alone.history_)
        for record, expected in zip(rank["history"], alone.history_, strict=True):
            assert record["epoch"] == expected["epoch"]
            assert record["train_total"] == pytest.approx(expected["train_total"], rel=1e-4)
            assert record["valid_criterion"] == pytest.approx(expected["valid_criterion"], rel=1e-4)


def test_rank_0_alone_writes_checkpoints_and_all_continue_from_them(found):
    assert [rank["checkpoints"] for rank in found] == [1, 0]
    assert [rank["continued"] for rank in found] == [True, True]


def test_ranks_that_were_given_something_else_are_refused(found):
    for rank in found:
        assert rank["refused"].startswith("the 2 ranks were given different series or parameters")


@pytest.mark.parametrize(("how", "code"), [("killed", -signal.SIGKILL), ("interrupted", 1)])
def test_a_rank_that_ends_ends_all(tmp_path, how, code):
    codes, said = run(how, tmp_path)
    assert codes[0] == 1
    assert "RuntimeError: rank 0 of 2 has lost the others: one was interrupted, killed" in said[0]
    assert codes[1] in (code, -signal.SIGINT)


def test_the_example_runs_under_torchrun(tmp_path):
    root = Path(__file__).resolve().parents[2]
    example = root / "examples" / "pretrain_distributed.py"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*command, "2", str(example)],
        env={**os.environ, "PYTHONPATH": str(root)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 ranks, " in done.stdout
    assert load(tmp_path / "pretrained").n_epochs_ == 3
