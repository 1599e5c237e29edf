"""The page of promises names tests that there are, and the last long tests did not fail."""

import csv
import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = (REPOSITORY / "docs" / "promises.rst").read_text()


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"``(test_\w+)``", PAGE))
    assert len(named) > 40
    sources = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py"))
    defined = set(re.findall(r"def (test_\w+)\(", sources))
    assert sorted(named - defined) == []


def test_every_promise_has_a_test():
    rows = re.findall(r"^   \* - (?!Promise)(.*?)(?=^   \* - |^\S|\Z)", PAGE, re.M | re.S)
    assert len(rows) > 15
    assert [row for row in rows if "``test_" not in row] == []


def test_the_table_has_no_failure():
    with (REPOSITORY / "benchmarks" / "results" / "torture.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["failures"] for row in rows} == {"0"}
