"""Settings and fixtures that every test shares."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from threadpoolctl import threadpool_limits

from tests.transformers import CountingMask

# Models in tests are tiny: threads that wait for one another cost far more than they save,
# above all with several test processes on few cores.
torch.set_num_threads(1)
threadpool_limits(1)

# the same examples in every run; how long one takes depends on the machine
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Draw the same random numbers in every run of a test, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def pretrainings() -> Callable[[], int]:
    """A function that tells how many steps of pre-training there were in the test so far."""
    CountingMask.calls = 0
    return lambda: CountingMask.calls


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder with reference values of the published implementation."""
    named = os.environ.get("SIMMTM_GOLDEN")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "golden"
    if not folder.is_dir():
        pytest.skip(f"no golden values in {folder}; name their folder with SIMMTM_GOLDEN")
    return folder
