"""Names of runs: equal for equal content and code, different for what behaves differently."""

import importlib
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from simmtm_sk import ConvEncoder
from simmtm_sk.nn.masking import geometric_mask
from simmtm_sk.training import fingerprint as module
from simmtm_sk.training.fingerprint import UnreliableError, fingerprint

MASK = """
import helpers
from helpers import imported

RATIO = 0.5


def mask(n_series, length, *rest):
    'Hide.'
    return helper(n_series) < RATIO + helpers.shift(length) + imported()


def helper(x):
    return x + 1


class Mask:
    ratio = 0.5
    calls = 0

    def __init__(self, depth=1):
        self.depth = depth

    def __call__(self, *args):
        Mask.calls += 1
        return self.inner() * self.ratio

    def inner(self):
        return self.depth

    @staticmethod
    def other():
        return 1

    @property
    def size(self):
        return 2
"""
HELPERS = "def shift(x):\n    return x + 0.25\n\ndef imported():\n    return 0.5\n"


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    """Write and import modules of a user's."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(mask=MASK, helpers=HELPERS):
        for name, text in (("helpers", helpers), ("masks", mask)):
            (tmp_path / f"{name}.py").write_text(text)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        # written twice within a second, bytecode of the first text would pass for the second
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module("masks")

    yield write
    for name in ("helpers", "masks"):
        sys.modules.pop(name, None)


def test_content_decides_not_identity():
    def parts():
        return [1.5, "a", {"b": (1, None)}, ConvEncoder(d_model=4)], np.arange(6.0), torch.ones(2)

    assert fingerprint(*parts()) == fingerprint(*parts())
    changed = [
        ([1.5, "a", {"b": (2, None)}, ConvEncoder(d_model=4)], *parts()[1:]),
        ([1.5, "a", {"b": (1, None)}, ConvEncoder(d_model=5)], *parts()[1:]),
        (parts()[0], np.arange(6.0) + 1e-12, torch.ones(2)),
        (parts()[0], np.arange(6.0, dtype=np.float32), torch.ones(2)),
        (parts()[0], np.arange(6.0).reshape(2, 3), torch.ones(2)),
        (parts()[0], np.arange(6.0), torch.zeros(2)),
        (parts()[0], np.arange(6.0), torch.ones(2, dtype=torch.bfloat16)),
        (parts()[0], np.arange(6.0), torch.ones(1, 2)),
    ]
    names = {fingerprint(*given) for given in [parts(), *changed]}
    assert len(names) == 1 + len(changed)


@pytest.mark.parametrize("name", ["mask", "Mask"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATIO = 0.5", "RATIO = 0.6"),
        ("x + 1", "x + 2"),
        ("ratio = 0.5", "ratio = 0.6"),
        ("return self.depth", "return 2 * self.depth"),
        ("return 1", "return 2"),
        ("return 2", "return 3"),
    ],
)
def test_edited_code_is_other_code(user_module, name, old, new):
    """Whatever is edited in a file, all that it defines is taken for other code."""

    def named(code):
        return fingerprint(getattr(code, name))

    first = named(user_module())
    assert named(user_module()) == first
    assert named(user_module(MASK.replace(old, new))) != first


@pytest.mark.parametrize(("old", "new"), [("x + 0.25", "x + 0.75"), ("return 0.5", "return 0.6")])
def test_edited_code_of_another_file_is_other_code(user_module, old, new):
    first = fingerprint(user_module().mask)
    assert fingerprint(user_module(helpers=HELPERS.replace(old, new)).mask) != first


def test_code_that_was_loaded_counts_not_only_the_file(user_module, tmp_path):
    """A file that was edited after the import is not what runs."""
    old = user_module()
    new_text = MASK.replace("x + 1", "x + 2").replace("Hide", "Cover")
    (tmp_path / "masks.py").write_text(new_text.replace("helper(n_series)", "n_series"))
    stale = fingerprint(old.mask)
    assert stale != fingerprint(user_module(new_text.replace("helper(n_series)", "n_series")).mask)


ELSEWHERE = """
import os
import numpy as np

RATIO = float(os.environ["RATIO"])
RATIOS = np.full(2, RATIO)


def mask(*args):
    return RATIO


def masks(*args):
    return RATIOS


def defaults(*args, ratio=float(os.environ["RATIO"])):
    return ratio
"""


@pytest.mark.parametrize("name", ["mask", "masks", "defaults"])
def test_values_from_elsewhere_than_the_text_count(user_module, monkeypatch, name):
    """A setting that is read from the environment when the module is imported."""
    names = []
    for ratio in ("0.5", "0.5", "0.6"):
        monkeypatch.setenv("RATIO", ratio)
        names.append(fingerprint(getattr(user_module(ELSEWHERE), name)))
    assert names[0] == names[1] != names[2]


def test_parameters_of_an_object_count_and_what_it_counts_does_not(user_module):
    code = user_module()
    first = fingerprint(code.Mask(1))
    assert fingerprint(code.Mask(2)) != first
    code.Mask.calls += 1
    assert fingerprint(code.Mask(1)) == first


def test_closures_and_lambdas():
    def scaled(factor):
        return lambda x: factor * x

    assert fingerprint(scaled(1)) == fingerprint(scaled(1)) != fingerprint(scaled(2))
    assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)


def test_functions_that_call_themselves_and_each_other():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert fingerprint(even) == fingerprint(even) != fingerprint(odd)


CONSOLE = """
import sys
from simmtm_sk.training.fingerprint import fingerprint
RATIO = {ratio}
def helper(x):
    return x + {shift}
def mask(*args):
    return helper(RATIO)
print(fingerprint(mask))
"""


def test_code_without_a_file():
    """As typed into a console: global variables count by their values."""

    def named(ratio, shift):
        text = CONSOLE.format(ratio=ratio, shift=shift)
        run = subprocess.run(
            [sys.executable, "-"], input=text, capture_output=True, text=True, check=True
        )
        return run.stdout

    names = [named(0.5, 1), named(0.5, 1), named(0.6, 1), named(0.5, 2)]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_versions_and_the_default_dtype_are_part_of_every_name(monkeypatch):
    first = fingerprint(geometric_mask)
    monkeypatch.setattr(module, "version", lambda name: "99")
    other_version = fingerprint(geometric_mask)
    torch.set_default_dtype(torch.float64)
    try:
        names = {first, other_version, fingerprint(geometric_mask)}
    finally:
        torch.set_default_dtype(torch.float32)
    assert len(names) == 3


@pytest.mark.parametrize("thing", [threading.Lock(), (i for i in range(3)), sys.stdout.buffer])
def test_what_has_no_content(thing):
    with pytest.raises(UnreliableError, match=r".+"):
        fingerprint({"mask": thing})
    with pytest.raises(UnreliableError, match=r".+"):
        fingerprint({"mask": lambda: thing})
