"""Untidy inputs in short; ``make torture`` tries 10 000 of them."""

import numpy as np
import pytest

from tests.reliability import dirty_inputs


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


def test_errors_of_others_are_noticed(monkeypatch):
    def broken(*given):
        raise ValueError("setting an array element with a sequence")

    monkeypatch.setattr(dirty_inputs, "answer", broken)
    monkeypatch.setattr(dirty_inputs, "drawn", lambda rng: ("anything", None, False))
    end, wrong = dirty_inputs.tried(0)
    assert end == "refused"
    assert "setting an array element" in wrong
