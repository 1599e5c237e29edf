"""The file of an artifact, without any estimator."""

import io
import json
import math

import pytest
import torch

from simmtm_sk import ArtifactError
from simmtm_sk.persistence.archive import (
    LARGEST_JSON,
    MOST_CONTAINERS,
    MOST_TENSORS,
    number_of,
    packed,
    packed_weights,
    parsed_json,
    unpacked,
    unpacked_weights,
)

TENSORS = {
    "f64": torch.arange(6, dtype=torch.float64).reshape(2, 3),
    "f32": torch.tensor([math.nan, math.inf, 1.5]),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "i64": torch.tensor([-1, 2**62]),
    "bool": torch.tensor([True, False]),
    "none": torch.empty(0, 4),
    "scalar": torch.tensor(3.0),
}


def test_what_is_packed_is_unpacked():
    config = {"a": [1, 2.5, "x", None], "b": {"c": True}}
    content = packed(config, packed_weights(TENSORS), b"meta")
    got, weights = unpacked(io.BytesIO(content))
    assert got == config
    tensors = unpacked_weights(weights)
    assert set(tensors) == set(TENSORS)
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name].nan_to_num(7.0), tensor.nan_to_num(7.0))


def test_equal_contents_make_equal_files():
    """No time stamp, no order of chance."""
    assert packed({"a": 1}, b"w", b"m") == packed({"a": 1}, b"w", b"m")


def test_tensors_share_the_memory_of_the_file():
    weights = bytearray(packed_weights({"x": torch.zeros(3)}))
    tensor = unpacked_weights(weights)["x"]
    weights[-12:] = b"\0\0\x80\x3f" * 3
    assert tensor.tolist() == [1, 1, 1]


def test_numbers_that_json_does_not_have():
    config = {"a": [math.inf, {"b": -math.inf}], "c": math.nan}
    got, _ = unpacked(io.BytesIO(packed(config, packed_weights({}), b"")))
    assert number_of(got["a"][0]) == math.inf
    assert number_of(got["a"][1]["b"]) == -math.inf
    assert math.isnan(number_of(got["c"]))
    assert number_of({"float": "eval"}) == {"float": "eval"}


def test_nothing_is_written_that_could_not_be_read():
    with pytest.raises(ValueError, match="up to 10000 tensors, got 10001"):
        packed_weights({str(i): torch.zeros(0) for i in range(MOST_TENSORS + 1)})
    for config in ({"a": "x" * LARGEST_JSON}, {"a": [[]] * MOST_CONTAINERS}):
        with pytest.raises(ValueError, match="this has more"):
            packed(config, b"", b"")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[]", "no object"),
        (b"3", "no object"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": 1e999}', "not finite"),
        (b'{"a": 1, "a": 2}', "key twice"),
        (b'{"a": {"b": 1, "b": 1}}', "key twice"),
    ],
)
def test_json_that_is_refused(text, message):
    with pytest.raises(ArtifactError, match=message):
        parsed_json(text)


def header(**entries):
    given = {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, **entries}
    text = json.dumps({k: v for k, v in given.items() if v is not None}).encode()
    return bytearray(len(text).to_bytes(8, "little") + text + bytes(8))


def entry(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def test_the_header_of_the_next_tests_is_right():
    assert unpacked_weights(header())["x"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "weights",
    [
        b"",
        b"\0" * 8,
        (2**62).to_bytes(8, "little") + b"{}",
        header() + b"\0",
        header()[:-1],
        header(x=entry(shape=[3])),
        header(x=entry(shape=[2**61, 2**3])),
        header(x=entry(shape=[-2])),
        header(x=entry(shape=[2.0])),
        header(x=entry(shape=[True, 2])),
        header(x=entry(shape=[1] * 9)),
        header(x=entry(data_offsets=[0, 4])),
        header(x=entry(data_offsets=[0, 2**40], shape=[2**38])),
        header(x=entry(data_offsets=[8, 16])),
        header(x=entry(data_offsets=[0])),
        header(x=entry(dtype="F4")),
        header(x=entry(dtype=3)),
        header(x={**entry(), "more": 1}),
        header(x=3),
        header(y=entry()),
        header(x=None),
    ],
)
def test_headers_that_do_not_describe_the_file(weights):
    with pytest.raises((ArtifactError, KeyError, TypeError, ValueError)):
        unpacked_weights(bytearray(weights))
