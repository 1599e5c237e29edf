"""Entries of a file are taken one by one, each with its type, and none may be left."""

import pytest
import torch

from simmtm_sk import ArtifactError
from simmtm_sk.persistence import StateReader, TensorReader

STATE = {"n": 3, "x": 0.5, "on": True, "text": "a", "list": ["a", 1], "inner": {"n": 1}}


def state():
    return StateReader(dict(STATE), "state")


def test_what_is_taken_is_what_is_there():
    reader = state()
    assert reader.integer("n", 0) == 3
    assert reader.number("x") == 0.5
    assert reader.flag("on") is True
    assert reader.text("text", {"a", "b"}) == "a"
    assert reader.items("list", str, int, length=2) == ["a", 1]
    assert "inner" in reader
    inner = reader.inner("inner")
    assert inner.integer("n", 1, 1) == 1
    inner.finish()
    reader.finish()
    assert "n" not in reader


def test_what_is_left_is_an_error():
    reader = state()
    reader.integer("n", 0)
    with pytest.raises(ArtifactError, match=r"state has unknown entries \['inner', 'list'"):
        reader.finish()


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda r: r.integer("n", 4), r"state\.n must be an integer from 4"),
        (lambda r: r.integer("n", 0, 2), "from 0 to 2, got '3'"),
        (lambda r: r.integer("on", 0), r"state\.on must be an integer"),  # True is no number
        (lambda r: r.integer("x", 0), "must be an integer"),
        (lambda r: r.number("text"), "must be a finite number"),
        (lambda r: r.number("on"), "must be a finite number"),
        (lambda r: r.flag("n"), "must be true or false"),
        (lambda r: r.text("text", ["b"]), r"must be one of \['b'\]"),
        (lambda r: r.text("n"), "must be text"),
        (lambda r: r.items("list", str), "must be a list of str"),
        (lambda r: r.items("list", str, int, length=3), "must be a list of 3 items"),
        (lambda r: r.items("inner", str), "must be a list"),
        (lambda r: r.records("list"), "must be a list of dict"),
        (lambda r: r.scalars("list"), "must be an object"),
        (lambda r: r.scalar("list"), "must be text or a number"),
        (lambda r: r.inner("n"), r"state\.n is no JSON object"),
        (lambda r: r.inner("inner").integer("m", 0), r"state\.inner lacks 'm'"),
    ],
)
def test_what_is_of_another_type(take, message):
    with pytest.raises(ArtifactError, match=message):
        take(state())


def tensors(**more):
    return TensorReader(
        {"a.w": torch.ones(2, 3), "a.std": torch.ones(1), "n": torch.arange(3), **more}
    )


def test_tensors_are_taken_by_shape_and_type():
    reader = tensors()
    inner = reader.under("a.")
    assert len(reader) == 3
    assert len(inner) == 2
    assert inner.take("w", (None, 3), torch.float32).shape == (2, 3)
    assert reader.take("n", (3,), torch.int64, low=0, high=2).tolist() == [0, 1, 2]
    with pytest.raises(ArtifactError, match=r"unknown tensors \['a\.std'\]"):
        reader.finish()
    inner.take("std", (1,), torch.float32)
    reader.finish()


def test_a_tensor_that_is_taken_shares_no_memory():
    given = torch.ones(2)
    taken = TensorReader({"x": given}).take("x", (2,), torch.float32)
    given.zero_()
    assert taken.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda r: r.take("a.w", (2, 2), torch.float32), r"shape \(2, 2\), got \(2, 3\)"),
        (lambda r: r.take("a.w", (2,), torch.float32), "must have shape"),
        (lambda r: r.take("a.w", (2, 3)), r"must be torch\.float64, got torch\.float32"),
        (lambda r: r.take("n", (3,), torch.int64, low=1), "must hold values from 1"),
        (lambda r: r.take("n", (3,), torch.int64, high=1), "to 1"),
        (lambda r: r.take("b", (3,)), "no tensor 'b'"),
        (lambda r: r.take("nan", (1,), torch.float32), "not finite"),
        (lambda r: r.take("inf", (1,), torch.float32, missing=True), "not finite"),
        (lambda r: r.take("zero.std", (1,), torch.float32), "must be positive"),
    ],
)
def test_tensors_of_another_shape_type_or_content(take, message):
    odd = {"nan": torch.tensor([torch.nan]), "inf": torch.tensor([torch.inf])}
    with pytest.raises(ArtifactError, match=message):
        take(tensors(**odd, **{"zero.std": torch.zeros(1)}))


def test_missing_values_are_kept_where_they_are_allowed():
    reader = TensorReader({"y": torch.tensor([1.0, torch.nan])})
    assert reader.take("y", (2,), torch.float32, missing=True).isnan().tolist() == [False, True]


def test_a_module_is_filled_with_just_its_tensors():
    module = torch.nn.Linear(3, 2)
    weights = {"m.weight": torch.ones(2, 3), "m.bias": torch.zeros(2)}
    reader = TensorReader(dict(weights))
    reader.under("m.").fill(module.state_dict())
    assert module(torch.ones(1, 3)).tolist() == [[3, 3]]
    reader.finish()
    for changed in (
        {"m.weight": torch.ones(3, 2)},
        {"m.more": torch.zeros(1)},
        {"m.bias": torch.zeros(2, dtype=torch.float64)},
        {"m.bias": torch.tensor([0.0, torch.inf])},
    ):
        with pytest.raises(ArtifactError):
            TensorReader(weights | changed).under("m.").fill(module.state_dict())
