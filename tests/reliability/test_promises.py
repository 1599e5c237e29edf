"""The page of promises names tests that there are."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_every_test_that_is_named_exists():
    page = (REPOSITORY / "docs" / "promises.rst").read_text()
    named = set(re.findall(r"``(test_\w+)``", page))
    files = [path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py")]
    defined = {name for text in files for name in re.findall(r"^\s*def (test_\w+)\(", text, re.M)}
    assert len(named) > 40
    assert not named - defined


def test_every_promise_has_a_test():
    page = (REPOSITORY / "docs" / "promises.rst").read_text()
    rows = re.findall(r"^   \* - (?!Promise)(.*?)(?=^   \* - |^\S|\Z)", page, re.M | re.S)
    assert len(rows) > 15
    assert all("``test_" in row for row in rows)
