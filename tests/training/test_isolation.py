"""What a caller or another thread does with torch changes no fit, and no fit changes it."""

import contextlib
import os
import random
import threading

import numpy as np
import pytest
import torch

from simmtm_sk import PatchEncoder, SimMTMClassifier
from simmtm_sk.training.isolation import isolated_torch, torch_as_it_starts
from tests.small import X, digest, small, torch_threads


@pytest.fixture
def three_threads():
    with torch_threads(3):
        yield


def test_randomness_is_isolated(three_threads):
    torch.manual_seed(1), np.random.seed(1), random.seed(1)  # noqa: NPY002
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    with isolated_torch(3):
        inside = torch.rand(2)
        assert torch.get_num_threads() == 1
    with contextlib.suppress(RuntimeError), isolated_torch(3):
        assert torch.equal(torch.rand(2), inside)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # noqa: NPY002
    assert random.getstate() == before[2]
    assert torch.get_num_threads() == 3


def test_one_thread_at_a_time():
    entered, leave, seen = threading.Event(), threading.Event(), []

    def first():
        with isolated_torch(1):
            entered.set()
            leave.wait(10)

    def second():
        with isolated_torch(1):
            seen.append(torch.rand(1).item())

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    threads[1].join(0.3)
    assert seen == []  # waits
    leave.set()
    for thread in threads:
        thread.join(10)
    assert len(seen) == 1


def test_the_number_of_threads_comes_back_to_every_thread(three_threads):
    """Also to one that began to wait while another was inside, and to those born later."""
    entered, leave, seen = threading.Event(), threading.Event(), []

    def first():
        with isolated_torch(1):
            entered.set()
            leave.wait(10)

    def second():
        with isolated_torch(1):
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert entered.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    leave.set()
    for thread in threads:
        thread.join(10)
    third = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    third.start()
    third.join(10)
    assert seen == [1, 3, 3]
    assert torch.get_num_threads() == 3


# -- what a caller has set ------------------------------------------------------------------------


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


SURROUNDINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default dtype": lambda: default_dtype(torch.float64),
    "half as default": lambda: default_dtype(torch.float16),
    "default device": lambda: torch.device("meta"),
}
every_surrounding = pytest.mark.parametrize("surrounding", SURROUNDINGS.values(), ids=SURROUNDINGS)


def state():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_default_dtype(),
        torch.empty(0).device,
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
    )


@every_surrounding
def test_the_callers_state_is_put_away_and_comes_back(surrounding):
    with surrounding():
        before = state()
        with torch_as_it_starts():
            x = torch.ones(2, requires_grad=True)
            y = (x[:, None] @ x[None]).sum()
            y.backward()
            assert (x.dtype, y.dtype, x.device.type) == (torch.float32, torch.float32, "cpu")
            assert not y.is_inference()
        assert state() == before


def both(**params):
    """What a transformer and a classifier that fine-tunes compute."""
    encoder = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=2, dropout=0.1)
    transformer = small(encoder=encoder, **params)
    fitted = transformer.fit(X)
    settings = {"strategy": "fine-tune", "num_epochs": 2, "random_state": 0}
    classifier = SimMTMClassifier(transformer=small(num_epochs=1), **settings)
    y = np.arange(len(X)) % 2
    return (
        fitted.transform(X),
        fitted.reconstruct(X, decoded=True),
        fitted.similarity(X),
        np.array(fitted.score(X)),
        classifier.fit(X, y).predict_proba(X),
    )


@pytest.fixture(scope="module")
def expected():
    return both()


@every_surrounding
def test_the_same_bits_whatever_the_caller_has_set(surrounding, expected):
    with surrounding():
        before = state()
        results = both()
        assert state() == before
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
        assert result.dtype == wanted.dtype


def test_what_was_fitted_without_gradients_can_be_trained_on():
    with torch.inference_mode():
        fitted = small().fit(X)
    assert digest(fitted.set_params(warm_start=True).fit(X)) == digest(
        small().fit(X).set_params(warm_start=True).fit(X)
    )


# -- other threads and processes ------------------------------------------------------------------


def test_a_thread_that_draws_from_torchs_generator_changes_nothing(expected):
    """Initial weights and dropout are drawn from generators of the fit."""
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            torch.rand(100)

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        results = both()
    finally:
        stop.set()
        thread.join(10)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12, where threads run
def test_a_child_forked_while_another_thread_fits_can_fit():
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with isolated_torch(1):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    child = os.fork()
    if child == 0:
        code = 1
        with contextlib.suppress(BaseException):
            entered_in_child = threading.Event()

            def enter():
                with isolated_torch(2):
                    entered_in_child.set()

            worker = threading.Thread(target=enter, daemon=True)
            worker.start()
            code = 0 if entered_in_child.wait(20) else 2
        os._exit(code)
    _, status = os.waitpid(child, 0)
    leave.set()
    thread.join(10)
    assert os.waitstatus_to_exitcode(status) == 0
