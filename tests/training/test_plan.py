"""How long and how fast: worked out by hand."""

import math
from itertools import pairwise

import pytest

from simmtm_sk.training.plan import Plan


def plan(**changes):
    settings = {"n_epochs": 6, "batch_size": 4, "lr": 0.1, "weight_decay": 0.0, "seed": 3}
    return Plan(**{**settings, **changes})


def test_learning_rate_by_hand():
    rates = [plan(lr=2.0, warmup=0.2).learning_rate(step, 10) for step in range(10)]
    cosine = [1 + math.cos(math.pi * k / 8) for k in range(8)]
    assert rates == pytest.approx([1.0, 2.0, *cosine])


def test_learning_rate_warms_up_linearly_and_falls_to_almost_nothing():
    rates = [plan(lr=1.0).learning_rate(step, 200) for step in range(200)]
    assert rates[:20] == pytest.approx([(k + 1) / 20 for k in range(20)])
    assert all(a >= b for a, b in pairwise(rates[20:]))
    assert rates[20] == 1.0
    assert 0 < rates[-1] < 1e-3


@pytest.mark.parametrize("n_steps", [1, 2, 3])
def test_learning_rate_of_very_short_runs_is_positive(n_steps):
    assert plan().learning_rate(0, n_steps) == pytest.approx(0.1)


@pytest.mark.parametrize(("patience", "ends"), [(1, [1, 2, 3, 9]), (3, [3, 9]), (None, [])])
def test_patience_is_exhausted_by_as_many_stale_evaluations(patience, ends):
    wanted = plan(patience=patience)
    assert [stale for stale in (0, 1, 2, 3, 9) if wanted.exhausted(stale)] == ends
