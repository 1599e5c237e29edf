"""The public names and their signatures: a change of them is a decision, and in the CHANGELOG.

When it is meant: ``python -m tests.test_public_api`` writes ``tests/public_api.txt`` anew.
"""

import importlib
import inspect
from pathlib import Path

import pytest

import simmtm_sk

SNAPSHOT = Path(__file__).with_name("public_api.txt")
MODULES = ("simmtm_sk", "simmtm_sk.datasets", "simmtm_sk.plotting")


def names_of(module):
    exported = getattr(module, "__all__", None)
    if exported is not None:
        return sorted(exported)
    return sorted(
        name
        for name, value in vars(module).items()
        if name[0] != "_" and getattr(value, "__module__", "") == module.__name__
    )


def signature(function):
    """Names, order, kinds and defaults; what is promised, but no annotations."""
    try:
        given = inspect.signature(function)
    except (TypeError, ValueError):
        return "(...)"
    bare = [p.replace(annotation=p.empty) for p in given.parameters.values()]
    return str(given.replace(parameters=bare, return_annotation=given.empty))


def described(name, item):
    """Return lines for one public name: its signature, and those of a class's own methods."""
    if not inspect.isclass(item):
        return [f"{name}{signature(item)}" if callable(item) else name]
    lines = [f"{name}{signature(item)}"]
    for method in sorted(n for n in dir(item) if n[0] != "_"):
        function = inspect.getattr_static(item, method)
        function = getattr(function, "__func__", function)
        own = getattr(function, "__module__", "").startswith("simmtm_sk")
        if inspect.isfunction(function) and own:
            lines.append(f"{name}.{method}{signature(function)}")
    return lines


def public_api():
    lines = []
    for module in map(importlib.import_module, MODULES):
        for name in names_of(module):
            lines += described(f"{module.__name__}.{name}", getattr(module, name))
    return "\n".join(lines) + "\n"


def test_the_public_api_is_the_one_that_was_decided_on():
    pytest.importorskip("matplotlib")
    assert public_api() == SNAPSHOT.read_text()


def test_all_public_names_are_there():
    for name in simmtm_sk.__all__:
        assert getattr(simmtm_sk, name).__doc__


if __name__ == "__main__":
    SNAPSHOT.write_text(public_api())
