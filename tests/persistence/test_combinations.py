"""Combinations of forecasts in files that claim more than a fit ends with."""

import time

import numpy as np
import pandas as pd
import pytest

from simmtm_sk import ArtifactError, SimMTMForecaster, load
from tests.persistence.edited import edit, needs_linux, refused

pytestmark = needs_linux
SEASON = np.sin(np.arange(300) / 3) + np.random.default_rng(0).normal(size=300) / 9


def closed_form():
    return SimMTMForecaster(strategy="closed-form", random_state=0)


@pytest.fixture
def combination(tmp_path):
    """With ridges and profiles."""
    forecaster = closed_form().fit(pd.Series(SEASON), fh=[1, 2])
    kinds = {member.kind for member in forecaster.forecast_.specs}
    assert kinds == {"ridge", "profile"}
    return forecaster.save(tmp_path / "combination")


@pytest.fixture
def profiles(tmp_path):
    """Of so short a series that there are no ridges."""
    forecaster = closed_form().fit(pd.Series(SEASON[:9]), fh=[1, 2])
    assert {member.kind for member in forecaster.forecast_.specs} == {"profile"}
    return forecaster.save(tmp_path / "profiles")


def first(config, kind):
    return next(m for m in config["state"]["members"] if m["kind"] == kind)


@pytest.mark.parametrize("size", [2**20 + 1, 10**9, 10**15])
def test_windows(combination, profiles, size):
    for path in (combination, profiles):
        edit(path, lambda c: c["state"].update(context_length_=size))
        refused(path, "no fit ends with")


@pytest.mark.parametrize("horizon", [10**9, 10**15])
def test_horizons(combination, profiles, horizon):
    for path in (combination, profiles):
        edit(path, lambda c: c["state"].update(horizon_=horizon))
        refused(path, "size mismatch")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ridge", {"length": 2**20, "n_recent": 900, "fineness": 1}),
        ("ridge", {"length": 10**12}),
        ("ridge", {"n_maps": 2}),
        ("ridge", {"n_recent": 10**6}),
        ("ridge", {"fineness": 0}),
        ("profile", {"length": 2**20}),
        ("profile", {"period": 0, "n_periods": 0, "length": 1}),
        ("profile", {"period": 2**10, "n_periods": 2**10, "length": 2**20 + 1}),
        ("profile", {"memory": 1e300}),
        ("profile", {"memory": -0.5}),
        ("profile", {"level_memory": 2.0}),
        ("profile", {"n_periods": True}),
        ("profile", {"kind": "forward"}),
        ("profile", {"anchored": 1}),
        ("ridge", {"modelled": 1}),
        ("profile", {"unknown": 1}),
    ],
    ids=str,
)
def test_members(combination, kind, change):
    edit(combination, lambda c: first(c, kind).update(change))
    refused(combination)


def test_members_that_were_saved_before_there_was_a_model(combination):
    """Their cautious ridge had a larger penalty, which says nothing about forecasts."""
    expected = load(combination).predict()

    def older(config):
        for member in config["state"]["members"]:
            member["penalty"] = 3.0 if member.pop("modelled") else member["penalty"]

    edit(combination, older)
    loaded = load(combination)
    assert not any(member.modelled for member in loaded.forecast_.specs)
    assert any("cautious" in member.name for member in loaded.forecast_.specs)
    pd.testing.assert_series_equal(loaded.predict(), expected)


def test_long_windows_of_few_features_take_no_memory(combination):
    """What a ridge sums up its window with would be far larger than the file."""

    def longer(config):
        ridge = first(config, "ridge")
        # as many features as before, each the mean of a thousand points
        ridge.update(length=2**20, n_recent=0, fineness=1)

    edit(combination, longer)
    refused(combination, "size mismatch")


@pytest.mark.parametrize("n", [0, 101, 30_000])
def test_numbers_of_members(profiles, n):
    def multiplied(config):
        config["state"]["members"] = config["state"]["members"][:1] * n

    edit(profiles, multiplied)
    refused(profiles, "no fit ends with")


def test_a_long_window_is_loaded_in_little_time(tmp_path):
    """Its ridge has a matrix of the square of the window, which is made when it is needed."""
    y = pd.Series(np.tile(SEASON, 25))
    forecaster = SimMTMForecaster(strategy="closed-form", context_length=1_500, random_state=0)
    path = forecaster.fit(y, fh=[1, 2]).save(tmp_path / "long")
    start = time.process_time()
    loaded = load(path)
    assert time.process_time() - start < 2
    pd.testing.assert_series_equal(loaded.predict(), forecaster.predict())


def test_points_that_do_not_follow_each_other(tmp_path):
    y = pd.Series(SEASON[:40], pd.date_range("2020", periods=40, freq="D"))
    path = closed_form().fit(y, fh=[1]).save(tmp_path / "days")
    for freq in ("-1D", "0D", "2D", "h"):
        edit(path, lambda c, freq=freq: c["state"]["y"]["times"][0].update(freq=freq))
        with pytest.raises(ArtifactError, match="do not follow each other"):
            load(path)
