"""Exogenous data at the time points of y, and behind its end."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.interop.covariates import Covariates
from simmtm_sk.interop.history import History
from tests.interop.timelines import INDICES, MONTHS, every_index, frame, panel


@every_index
def test_rows_are_looked_up_by_their_time_points(index):
    """In any order, with more of them than y has, and with some absent."""
    X = frame(index)
    history = History.of(frame(index[3:20]))
    for given in (X, X.sample(frac=1, random_state=0)):
        (values,) = Covariates.of(given, history, False).values
        np.testing.assert_array_equal(values, X[3:20].T)
        known = Covariates.of(given, history, False)
        ahead = known.ahead(given, history, np.array([[1, 4]]), False)
        np.testing.assert_array_equal(ahead[0], X.iloc[[20, 23]].T)
    (values,) = Covariates.of(X.drop(index[5]), history, False).values
    assert np.isnan(values[:, 2]).all()
    assert np.isfinite(np.delete(values, 2, 1)).all()


def test_instances_are_known_by_their_names():
    y = panel(lengths=(20, 18))
    X = panel(("a", "b"), (24, 24))
    history = History.of(y)
    known = Covariates.of(X, history, False)
    np.testing.assert_array_equal(known.values[0], X.loc["b"][:20].T)
    np.testing.assert_array_equal(known.values[1], X.loc["a"][:18].T)
    ahead = known.ahead(X, history, np.array([[1, 3], [2, 4]]), False)
    np.testing.assert_array_equal(ahead[0], X.loc["b"].iloc[[20, 22]].T)
    np.testing.assert_array_equal(ahead[1], X.loc["a"].iloc[[19, 21]].T)
    for wrong in (X.loc[["a"]], X.rename({"b": "c"}), X.loc["a"]):
        with pytest.raises(ValueError, match="X must have the instances of y"):
            Covariates.of(wrong, history, False)


def test_columns_are_known_by_their_names():
    X, history = frame(MONTHS), History.of(frame(MONTHS[:20]))
    known = Covariates.of(X, history, False)
    steps = np.array([[1, 2]])
    turned = known.ahead(X[["c1", "c0"]], history, steps, False)
    np.testing.assert_array_equal(turned, known.ahead(X, history, steps, False))
    with pytest.raises(ValueError, match=r"X has the columns \['c0'\], but"):
        known.ahead(X[["c0"]], history, steps, False)
    absent = MONTHS[21]
    with pytest.raises(ValueError, match=f"X has no row for {absent}"):
        known.ahead(X.drop(absent), history, steps, False)


def test_arrays_begin_with_y_and_go_on_behind_it():
    X = frame(MONTHS)
    bare = X.reset_index(drop=True)
    before, history = History.of(frame(MONTHS[:12])), History.of(frame(MONTHS[:20]))
    known = Covariates.of(bare, before, True)
    np.testing.assert_array_equal(known.values[0], X[:12].T)
    longer = known.extended(bare[12:20].reset_index(drop=True), before, history, True)
    np.testing.assert_array_equal(longer.values[0], X[:20].T)
    ahead = longer.ahead(bare[20:].reset_index(drop=True), history, np.array([[1, 4]]), True)
    np.testing.assert_array_equal(ahead[0], X.iloc[[20, 23]].T)


def test_new_rows_replace_known_ones_where_they_say_something():
    X = frame(MONTHS)
    before, history = History.of(frame(MONTHS[3:12])), History.of(frame(MONTHS[:20]))
    known = Covariates.of(X, before, False)
    new = X[10:] * 2
    new.iloc[0] = np.nan
    (values,) = known.extended(new, before, history, False).values
    assert np.isnan(values[:, :3]).all()
    np.testing.assert_array_equal(values[:, 3:11], X[3:11].T)
    np.testing.assert_array_equal(values[:, 11:], 2 * X[11:20].T)


def test_effects():
    X, history = frame(MONTHS), History.of(frame(MONTHS[:20]))
    known = Covariates.of(X, history, False)
    coef = np.array([[1.0, 2.0], [0.0, -1.0]])
    centered = X - X[:20].mean()
    for got, weights in zip(known.effects(coef), coef, strict=True):
        np.testing.assert_allclose(got, (centered[:20] * weights).sum(axis=1))
    ahead = known.effects_at(known.ahead(X, history, np.array([[1, 2]]), False), coef)
    np.testing.assert_allclose(ahead[0], centered[20:22].to_numpy() @ coef.T)
    nothing = known.effects_at(np.full((1, 2, 3), np.nan), coef)
    np.testing.assert_array_equal(nothing, np.zeros((1, 3, 2)))


def test_columns_without_a_value_are_announced():
    X, history = frame(MONTHS), History.of(frame(MONTHS[:20]))
    Covariates.of(X, history, False).announce_blank()
    X.iloc[:20, 1] = np.nan  # what comes later says nothing of an effect
    with pytest.warns(UserWarning, match=r"the columns \['c1'\] of X have no value"):
        Covariates.of(X, history, False).announce_blank()


def test_what_are_no_exogenous_data():
    history = History.of(frame(INDICES["days"]))
    with pytest.raises(ValueError, match="X contains infinity"):
        Covariates.of(frame(INDICES["days"]) * np.inf, history, False)
    with pytest.raises(TypeError, match="DatetimeIndex"):
        Covariates.of(frame(MONTHS), history, False)
    twice = pd.concat([frame(INDICES["days"])] * 2)
    with pytest.raises(ValueError, match=r"X has the time point .* more than once"):
        Covariates.of(twice, history, False)
