"""Rotten files and full disks; the long version is ``make torture``."""

import os

import pytest

from tests.reliability.damage import flips_in_caches, flips_in_checkpoints, full_disks


def test_flipped_bits_of_checkpoints_are_noticed():
    assert not flips_in_checkpoints(6).failures


def test_flipped_bits_of_caches_change_nothing():
    assert not flips_in_caches(6).failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits are set in a child process")
def test_a_full_disk_costs_checkpoints_alone():
    assert not full_disks(2).failures
