"""kill -9 at any moment; the long version is ``make torture``."""

import os
import signal

import pytest

from tests.reliability.kills import kills_while_fitting, kills_while_saving

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGKILL") or not hasattr(os, "fork"), reason="no kill -9 or no fork here"
)


@pytest.mark.slow
def test_a_fit_that_was_killed_ends_with_the_same_bits():
    assert not kills_while_fitting(4).failures


def test_a_save_that_was_killed_leaves_a_whole_file():
    assert not kills_while_saving(3).failures
