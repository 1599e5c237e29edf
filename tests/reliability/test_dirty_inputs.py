"""Untidy inputs in short; ``make torture`` tries 10 000 of them."""

import numpy as np
import pytest

from simmtm_sk.data import panel_values
from tests.reliability import dirty_inputs, dirty_series


def test_untidy_inputs_are_read_right_or_refused():
    outcome = dirty_inputs.main(150)
    assert outcome.failures == []
    assert outcome.n == 150
    counts = {end: int(count) for count, end in map(str.split, outcome.note.split(", "))}
    assert counts["answered"] > 40
    assert counts["refused"] > 40


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answers_that_are_not_finite_are_noticed(value):
    assert "not finite" in dirty_inputs.complaint("transformer", "transform", [[value]], None)


def test_answers_that_differ_from_the_tidy_one_are_noticed():
    wrong = dirty_inputs.complaint("regressor", "predict", [1.0, 2.0], [2.0, 1.0])
    assert wrong == "not the answer of the tidy input"
    assert "shape" in dirty_inputs.complaint("regressor", "predict", [1.0], [2.0, 1.0])


def test_errors_of_others_are_noticed():
    def refused():
        raise ValueError("setting an array element with a sequence")

    end, wrong = dirty_inputs.ended("here", refused)
    assert end == "refused"
    assert wrong.startswith("here: ValueError('setting an array element")
    assert dirty_inputs.ended("here", lambda: panel_values(None))[1] is None
    assert dirty_inputs.ended("here", lambda: [][0])[0] == "failed"
    assert dirty_inputs.ended("here", lambda: 7) == ("answered", 7)


def test_series_that_begin_late_can_be_forecast():
    """All that is known at the first origins is the first value, again and again."""
    y = 10 * np.sin(np.arange(48) * 2 * np.pi / 7) + np.random.default_rng(1).normal(size=48)
    for first in (12, 21, 30):
        late = np.where(np.arange(48) < first, np.nan, y)
        forecasts, _ = dirty_series.answer("predict", late)
        assert np.isfinite(forecasts).all()
        objects = late.astype(object)
        objects[:first] = None
        np.testing.assert_array_equal(dirty_series.answer("predict", objects)[0], forecasts)
