"""Labels come back from JSON as what they were; what was not written by us is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data.saved_labels import decoded_labels, encoded_labels

DAYS = pd.date_range("2024-01-01", periods=3)
CLASSES = {
    "int8": np.array([-3, 7], np.int8),
    "uint64": np.array([0, 2**64 - 1], np.uint64),
    "big": np.array([1, 2**70], object),
    "float32": np.array([0.1, 2.5], np.float32),
    "bool": np.array([False, True]),
    "bytes": np.array([b"a", b"\xff\x00b"]),
    "bytes objects": np.array([b"a", b"a\0"], object),
    "text": np.array(["a", "\u00e4\U0001f600"]),
    "text objects": np.array(["a", "b"], object),
    "StringDType": np.array(["a", "b" * 99], np.dtypes.StringDType()),
    "datetime64": np.array(["1900-01-01", "2024-01-02"], "M8[ns]"),
    "timedelta64": np.array([1, 2], "m8[h]"),
    "dates": np.array([d.date() for d in DAYS], object),
    "datetimes": np.array([d.to_pydatetime(warn=False) for d in DAYS], object),
    "Timestamps": np.array([*DAYS], object),
    "Timedeltas": np.array([pd.Timedelta("1h"), pd.Timedelta("25h")], object),
    "intervals": np.array([pd.Interval(0, 2), pd.Interval(2.5, 5, "both")], object),
    "intervals of dates": np.array([pd.Interval(DAYS[0], DAYS[1], "left")], object),
}


@pytest.mark.parametrize("classes", CLASSES.values(), ids=CLASSES)
def test_labels_survive_json(classes):
    back = decoded_labels(json.loads(json.dumps(encoded_labels(classes))))
    assert back.dtype == classes.dtype
    assert list(back) == list(classes)
    assert [type(label) for label in back] == [type(label) for label in classes]


@pytest.mark.parametrize("label", [(1, 2), frozenset(), DAYS.tz_localize("UTC")[0], 1j, None])
def test_what_cannot_be_saved_is_refused(label):
    with pytest.raises(TypeError, match=rf"type {type(label).__name__}, .*cannot be saved"):
        encoded_labels(np.fromiter([label], object, 1))


@pytest.mark.parametrize(
    "state",
    [
        {"dtype": "<i8", "labels": [1, 0]},
        {"dtype": "<i8", "labels": [1, 1]},
        {"dtype": "<i8", "labels": [0.5, 1]},
        {"dtype": "<i8", "labels": ["0", "1"]},
        {"dtype": "<i8", "labels": {"0": 1}},
        {"dtype": "<U1", "labels": ["a", "bc"]},
        {"dtype": "<U99999999", "labels": ["a", "b"]},
        {"dtype": "|V8", "labels": []},
        {"dtype": "i4,i4", "labels": []},
        {"dtype": "<c16", "labels": []},
        {"dtype": "|O", "labels": [{"code": "1"}]},
        {"dtype": "|O", "labels": [None, None]},
        {"dtype": "<i8", "labels": [0], "more": 1},
        {"labels": [0]},
        [0, 1],
    ],
)
def test_what_was_not_written_by_us_is_refused(state):
    with pytest.raises((ValueError, TypeError)):
        decoded_labels(state)
