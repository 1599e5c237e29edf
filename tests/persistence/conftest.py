"""A fitted transformer and its file."""

import pytest

from tests.persistence.artifacts import X, small


@pytest.fixture(scope="module")
def fitted():
    return small().fit(X)


@pytest.fixture
def artifact(fitted, tmp_path):
    return fitted.save(tmp_path / "model.zip")
