"""Parameters as JSON: classes of this package, and nothing of a machine."""

import json
import math

import pytest
from sklearn.frozen import FrozenEstimator

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMTransformer,
)
from simmtm_sk.persistence import constructed, decoded_params, encoded_params


def through_json(params):
    return json.loads(json.dumps(params))


@pytest.mark.parametrize(
    "estimator",
    [
        SimMTMTransformer(encoder=PatchEncoder(d_model=8), pooling=("mean", "scale"), lr=0.5),
        SimMTMClassifier(transformer=SimMTMTransformer(n_masks=3), class_weight={1: 2.0}),
        SimMTMClassifier(transformer=FrozenEstimator(SimMTMTransformer(encoder=ConvEncoder()))),
    ],
)
def test_parameters_survive(estimator):
    params = decoded_params(through_json(encoded_params(estimator)))
    assert repr(constructed(type(estimator), params)) == repr(estimator)


def test_folders_belong_to_a_machine():
    given = SimMTMTransformer(memory="a", checkpoint_dir="b")
    params = encoded_params(SimMTMClassifier(transformer=given))["transformer"]["params"]
    assert params["memory"] is None
    assert params["checkpoint_dir"] is None
    theirs = {"memory": "theirs", "checkpoint_dir": "theirs", "lr": 0.5}
    assert decoded_params(theirs) == {"lr": 0.5}
    inner = {"class": "SimMTMTransformer", "params": theirs}
    for value in (inner, {"frozen": inner}):
        decoded = decoded_params({"transformer": value})["transformer"]
        decoded = getattr(decoded, "estimator", decoded)
        assert decoded.memory is None
        assert decoded.checkpoint_dir is None


@pytest.mark.parametrize(
    "value",
    [
        [1],
        {},
        {"tuple": 3},
        {"tuple": [], "more": 1},
        {"dict": [[1]]},
        {"dict": [[{"tuple": [{"dict": []}]}, 1]]},
        {"frozen": 3},
        {"class": "SimMTMTransformer"},
        {"class": "ArtifactError", "params": {}},
        {"class": "load", "params": {}},
        {"class": "os.system", "params": {}},
        {"class": ["ConvEncoder"], "params": {}},
        {"class": "ConvEncoder", "params": {"d_model": 0}},
        {"class": "ConvEncoder", "params": {"no_such": 1}},
        {"class": "ConvEncoder", "params": [1]},
        {"float": "1"},
        {"not_saved": 3},
    ],
    ids=str,
)
def test_what_save_does_not_write(value):
    with pytest.raises((ArtifactError, ValueError, TypeError)):
        decoded_params({"x": value})


def test_what_could_not_be_saved_is_named_or_taken_from_a_template():
    params = through_json(encoded_params(SimMTMTransformer(masking=print)))
    with pytest.raises(ArtifactError, match=r"'masking' .*builtins\.print.*masking=\.\.\."):
        decoded_params(params)
    assert decoded_params(params, SimMTMTransformer(masking=len))["masking"] is len


def test_numbers_that_json_does_not_have():
    assert decoded_params({"x": {"float": "inf"}})["x"] == math.inf
