"""kill -9 in the middle of pre-training: the next fit continues and ends with the same bits."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder, SimMTMTransformer
from simmtm_sk.training.checkpoint import unpacked

SCRIPT = """
import sys
import torch
torch.set_num_threads(1)
import numpy as np
from simmtm_sk import ConvEncoder, SimMTMTransformer

X = np.random.default_rng(0).normal(size=(64, 1, 40)).cumsum(2)
SimMTMTransformer(
    encoder=ConvEncoder(d_model=8, n_layers=2, dropout=0.1), num_epochs=int(sys.argv[2]),
    patience=None, batch_size=8, random_state=3, device="cpu", checkpoint_dir=sys.argv[1],
).fit(X)
"""
X = np.random.default_rng(0).normal(size=(64, 1, 40)).cumsum(2)
N_EPOCHS = 60


def estimator(**params):
    return SimMTMTransformer(
        encoder=ConvEncoder(d_model=8, n_layers=2, dropout=0.1),
        num_epochs=N_EPOCHS,
        patience=None,
        batch_size=8,
        random_state=3,
        device="cpu",
        **params,
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_and_resume(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path), str(N_EPOCHS)])
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*.pt")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL

    (file,) = tmp_path.glob("*.pt")
    n_done = unpacked(file.read_bytes(), torch.device("cpu"))["progress"]["epoch"]
    assert 0 < n_done < N_EPOCHS

    resumed = estimator(checkpoint_dir=tmp_path).fit(X)
    assert list(tmp_path.iterdir()) == []  # the same run, not a new one; it has cleaned up
    whole = estimator().fit(X)
    for a, b in zip(
        resumed.network_.state_dict().values(), whole.network_.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b)
    np.testing.assert_array_equal(resumed.transform(X), whole.transform(X))
    assert [{**r, "seconds": 0} for r in resumed.history_] == [
        {**r, "seconds": 0} for r in whole.history_
    ]
