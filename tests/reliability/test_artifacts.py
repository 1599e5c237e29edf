"""Damaged and edited artifacts; the long version is ``make torture``."""

from tests.reliability.artifact_fuzz import fuzz


def test_damaged_artifacts_are_refused_soon_and_in_little_memory():
    outcome = fuzz(120)
    assert not outcome.failures
    assert outcome.seconds < 2
    assert outcome.megabytes < 200
