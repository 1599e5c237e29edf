"""Heads have the same bits whatever the number of threads, and leave that number alone."""

import hashlib
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from simmtm_sk.one_thread import one_thread
from simmtm_sk.probing import LinearHead, classification_head, regression_head
from tests.blobs import blobs, same


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_one_inside_and_as_many_as_before_afterwards():
    with threadpool_limits(2, user_api="blas"):
        with one_thread(), one_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {2}
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert blas_threads() == {2}


def test_the_last_of_several_threads_gives_the_number_back():
    first_is_in, second_is_out = threading.Event(), threading.Event()
    seen = []

    def first():
        with one_thread():
            first_is_in.set()
            second_is_out.wait(10)
            seen.append(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        thread = threading.Thread(target=first)
        thread.start()
        first_is_in.wait(10)
        with one_thread():
            pass
        second_is_out.set()
        thread.join()
        assert seen == [{1}]
        assert blas_threads() == {2}


def heads(kind):
    E, y = blobs(150, 700, 5, seed=3)
    yield classification_head(E[:60], y[:60], kind, None, E[60:])
    yield regression_head(E, y + 0.1 * np.arange(150))


def test_scores_are_equal_to_the_bit():
    draw = np.random.default_rng(0)
    head = LinearHead(*draw.normal(size=(2, 3000)), draw.normal(size=(40, 3000)), np.zeros(40))
    E = draw.normal(size=(700, 3000))
    scores = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            scores.append(head.scores(E))
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("kind", ["ridge", "logistic", "spread", "auto"])
def test_heads_are_equal_to_the_bit(kind):
    """Products this large are shared by threads; so are those of the decomposition."""
    with threadpool_limits(1):
        expected = list(heads(kind))
    with threadpool_limits(2):
        assert all(same(a, b) for a, b in zip(heads(kind), expected, strict=True))


@pytest.mark.slow
def test_heads_are_equal_to_the_bit_in_other_processes():
    code = (
        "import hashlib\nfrom tests import test_one_thread as t\n"
        "bits = b''.join(v.tobytes() for h in t.heads('auto') for v in vars(h).values())\n"
        "print(hashlib.sha256(bits).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": n, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    bits = b"".join(v.tobytes() for head in heads("auto") for v in vars(head).values())
    assert digests == {hashlib.sha256(bits).hexdigest() + "\n"}
