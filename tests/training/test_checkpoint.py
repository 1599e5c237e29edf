"""Checkpoints: whatever happens to the files, a run goes on from a good state or says so."""

import os
import pickle
import socket
import subprocess
import sys

import pytest
import torch

from simmtm_sk.training.checkpoint import (
    Checkpoint,
    DamagedError,
    packed,
    remove_when_finished,
    removed_together,
    unpacked,
)

CPU = torch.device("cpu")
LIKE = {"x": torch.zeros(3)}


def state(n):
    return {"model": {"x": torch.full((3,), float(n))}, "history": [{"epoch": n}]}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "deep" / "run.pt"


@pytest.fixture
def checkpoint(file):
    """Of a run that has been saved twice."""
    made = Checkpoint(file)
    made.save(state(1))
    made.save(state(2))
    return made


def loaded(file):
    """Which state is found."""
    state = Checkpoint(file).load(LIKE, CPU)
    return state and state["history"][0]["epoch"]


def files(file):
    return sorted(path.name for path in file.parent.iterdir())


# -- bytes ----------------------------------------------------------------------------------------


def test_what_is_packed_is_unpacked():
    given = {"x": torch.arange(3), "history": [{"loss": 0.1}], "none": None, "text": "a"}
    restored = unpacked(packed(given), CPU)
    assert torch.equal(restored.pop("x"), given.pop("x"))
    assert restored == given


def test_every_flipped_bit_is_noticed():
    data = packed(state(1))
    for position in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(DamagedError):
            unpacked(bytes(damaged), CPU)


@pytest.mark.parametrize("length", [0, 1, 20, 60, 300])
def test_every_truncation_is_noticed(length):
    with pytest.raises(DamagedError):
        unpacked(packed(state(1))[:length], CPU)


class Payload:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_code_is_refused_not_run(tmp_path):
    proof = tmp_path / "executed"
    with pytest.raises(DamagedError, match="cannot be read"):
        unpacked(packed({"model": Payload(proof)}), CPU)
    assert not proof.exists()
    pickle.loads(pickle.dumps(Payload(proof))).close()
    assert proof.exists()  # it would have worked


# -- files ----------------------------------------------------------------------------------------


def test_the_last_two_are_kept(checkpoint, file):
    assert files(file) == ["run.pt", "run.pt.old"]
    assert loaded(file) == 2
    file.unlink()  # killed between moving the old one and the new one
    assert loaded(file) == 1
    checkpoint.save(state(3))
    assert loaded(file) == 3


def test_nothing_there_is_no_state(file):
    assert loaded(file) is None
    assert not file.parent.exists()


DAMAGES = {
    "empty": b"",
    "foreign": b"hello world" * 9,
    "of another run": packed({**state(9), "run": "other"}),
    "another network": packed({**state(9), "run": "run", "model": {"x": torch.zeros(4)}}),
    "no numbers": packed({**state(9), "run": "run", "model": {"x": torch.full((3,), torch.nan)}}),
}


@pytest.mark.parametrize("content", DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_is_of_no_use(checkpoint, file, content):
    file.write_bytes(content)
    with pytest.warns(UserWarning, match=r"run\.pt \(it.*the one before it is tried"):
        assert loaded(file) == 1
    file.with_name("run.pt.old").write_bytes(content)
    with pytest.warns(UserWarning, match="cannot continue") as caught:
        assert loaded(file) is None
    assert len(caught) == 2
    assert "run.pt.old (it" in str(caught[1].message)
    assert "starts anew" in str(caught[1].message)


def test_a_disk_that_is_full_is_told_once(checkpoint, file, monkeypatch):
    def full(path, data):
        with open(path, "wb") as partial:
            partial.write(data[:50])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(file), "write_bytes", full)
    with pytest.warns(UserWarning, match=r"run\.pt cannot be written .*No space.*goes on"):
        checkpoint.save(state(3))
    checkpoint.save(state(4))  # without a word
    assert files(file) == ["run.pt", "run.pt.old"]
    assert loaded(file) == 2


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be written"):
        Checkpoint(tmp_path / "file" / "run.pt").save(state(1))


def test_files_of_dead_processes_are_removed(checkpoint, file):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = socket.gethostname()
    partial = {
        "dead": file.with_name(f"other.pt.{host}.{dead.pid}.partial"),
        "alive": file.with_name(f"run.pt.{host}.{os.getppid()}.partial"),
        "elsewhere": file.with_name(f"run.pt.not-{host}.{dead.pid}.partial"),
        "of others": file.with_name("download.partial"),
        "forgotten": file.with_name(f"third.pt.{host}.{os.getppid()}.partial"),
    }
    for path in partial.values():
        path.write_bytes(b"half")
    os.utime(partial["forgotten"], (0, 0))
    assert loaded(file) == 2
    assert {name for name, path in partial.items() if path.exists()} == {
        "alive",
        "elsewhere",
        "of others",
    }


def test_finished_runs_leave_nothing(checkpoint, file):
    remove_when_finished(checkpoint, finished=False)
    assert loaded(file) == 2
    remove_when_finished(checkpoint, finished=True)
    assert files(file) == []
    remove_when_finished(checkpoint, finished=True)  # twice is no error


def test_runs_that_belong_together_are_removed_together(file):
    first, second = Checkpoint(file), Checkpoint(file.with_name("second.pt"))

    def both(fails=False, finished=True):
        with removed_together():
            first.save(state(1))
            with removed_together():  # inside another, it waits for that
                remove_when_finished(first, finished=True)
            assert loaded(file) == 1
            second.save(state(1))
            if fails:
                raise KeyboardInterrupt
            remove_when_finished(second, finished)

    with pytest.raises(KeyboardInterrupt):
        both(fails=True)
    assert {"run.pt", "second.pt"} <= set(files(file))
    both(finished=False)  # interrupted: the next fit needs them all
    assert {"run.pt", "second.pt"} <= set(files(file))
    both()
    assert files(file) == []
