"""Fits in threads and one after another; the long version is ``make torture``."""

from pathlib import Path

import pytest

from tests.reliability.endurance import fits_at_once, fits_one_after_another, transforms_at_once


@pytest.mark.slow
def test_fits_in_threads_give_the_same_bits():
    assert not fits_at_once(4).failures


def test_transforms_in_threads_give_the_same_bits():
    assert not transforms_at_once(32).failures


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory as Linux tells it")
def test_fits_leak_nothing():
    assert not fits_one_after_another(10).failures
