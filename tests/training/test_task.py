"""Windows to learn a forecast from: targets, weights, blocks of time."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch

from simmtm_sk.nn.normalization import interpolated
from simmtm_sk.training.task import N_BLOCKS
from tests.training.forecasts import CONTEXT, HORIZON, every_normalization, seasons, task


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_interpolated_equals_pandas(missing):
    draw = np.random.default_rng(0)
    values = np.where(draw.random((30, 9)) < missing, np.nan, draw.normal(size=(30, 9)))
    values[:, 4] = 1.0  # at least one value in each row
    expected = pd.DataFrame(values.T).interpolate(limit_direction="both").to_numpy().T
    given = torch.tensor(values)
    np.testing.assert_allclose(interpolated(given, ~given.isnan()), expected, atol=1e-12)
    nothing = torch.full((1, 3), torch.nan)
    assert (interpolated(nothing, ~nothing.isnan()) == 0).all()


@every_normalization
def test_targets_are_in_the_units_of_their_contexts(normalization):
    given = task()
    batch = given.batch(given.train, normalization)
    for k in (0, 17, len(given.train) - 1):
        i, t = given.windows.series[given.train[k]], given.windows.origin[given.train[k]]
        y = seasons()[i]
        context, target = y[t - CONTEXT : t], y[t : t + HORIZON]
        center = context[-1] if normalization == "last" else context.mean()
        np.testing.assert_allclose(batch.target[k], (target - center) / context.std())
        assert float(batch.relative[k]) == pytest.approx(context.std() / y.std())


def test_what_is_missing_or_without_a_unit_is_no_target():
    y = seasons(n_series=1)[0]
    y[20:40] = 3.0
    y[60] = np.nan
    given = task([y], fraction=0.0)
    batch = given.batch(given.train, "last")
    for k, t in enumerate(given.windows.origin[given.train]):
        constant = np.ptp(y[t - CONTEXT : t][~np.isnan(y[t - CONTEXT : t])]) == 0
        expected = ~np.isnan(y[t : t + HORIZON]) & ~constant
        assert batch.observed[k].tolist() == expected.tolist()
        if constant:
            assert (batch.filled_target()[k] == 0).all()
            assert batch.weight("last")[k] == batch.weight("standard")[k] == 0
    assert not batch.filled_target().isnan().any()


def test_gaps_in_targets_are_interpolated_from_the_last_value():
    y = np.arange(30.0) ** 2
    y[[16, 17, 21]] = np.nan
    given = task([y], fraction=0.0)
    (k,) = np.flatnonzero(given.windows.origin == 16)
    batch = given.batch(np.array([k]), "last")
    unit = y[4:16].std()
    straight = np.interp([16, 17, 18, 19], [15, 18, 19], [225, 324, 361])
    np.testing.assert_allclose(batch.filled_target()[0], (straight - 225) / unit)


def test_weights_of_errors():
    given = task([np.r_[seasons(n_series=1)[0], 1e-3 * seasons(n_series=1, seed=1)[0]]])
    batch = given.batch(given.train, "last")
    relative = batch.relative[:, 0]
    for name in ("last", "mean"):
        torch.testing.assert_close(batch.weight(name), relative**2)
    # in the unit of the context, so that all count alike, but for those that hardly vary
    weight = batch.weight("standard")
    assert (weight[relative > 0.2] == 1).all()
    assert (weight[relative < 0.01] < 0.02).all()
    assert (relative < 0.01).any()


def test_blocks_are_parts_of_the_time_of_each_series():
    given = task(seasons(100, 1) + seasons(60, 1), fraction=0.4)
    blocks = given.blocks(given.held_out)
    assert len(blocks) == N_BLOCKS
    assert sorted(np.concatenate(blocks)) == sorted(given.held_out)
    for i in (0, 1):
        parts = [given.windows.origin[b[given.windows.series[b] == i]] for b in blocks]
        for earlier, later in itertools.pairwise(parts):
            assert earlier.max() < later.min()
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
    assert [len(b) for b in given.blocks(given.held_out[:2])] == [1, 1]
