"""Errors that intervals are made of."""

import numpy as np
import pytest
import torch

from simmtm_sk.training.closed_form import FEWEST_TRAINED
from simmtm_sk.training.residuals import (
    FEWEST_INDEPENDENT,
    FEWEST_OWN_ERRORS,
    calibrated_errors,
    column_quantiles,
    error_quantiles,
    error_unit,
    independent_windows,
    lagged_quantiles,
    pooled_errors,
    residuals,
    widening,
)
from tests.training.forecasts import (
    CONTEXT,
    HORIZON,
    every_normalization,
    every_strategy,
    fit,
    forecast_model,
    outputs,
    seasons,
    task,
)


@every_normalization
def test_residuals_are_errors_in_units_between_context_and_series(normalization):
    given = task()
    model = forecast_model(normalization)
    got, series = residuals(model, given)
    assert got.shape == (len(given.held_out), HORIZON)
    np.testing.assert_array_equal(series, given.windows.series[given.held_out])
    forecast = outputs(model, given, given.held_out)
    for k, number in enumerate(given.held_out):
        i, t = given.windows.series[number], given.windows.origin[number]
        y = seasons()[i]
        context = y[t - CONTEXT : t]
        center = context[-1] if normalization == "last" else context.mean()
        error = y[t : t + HORIZON] - (center + context.std() * forecast[k].numpy())
        unit = np.sqrt((context.std() ** 2 + y.std() ** 2) / 2)
        np.testing.assert_allclose(got[k], error / unit, rtol=1e-4, atol=1e-5)


def test_missing_targets_have_no_residual():
    y = seasons(n_series=1)[0]
    y[100:103] = np.nan
    given = task([y])
    got, _ = residuals(forecast_model(), given)
    missing = [np.isnan(y[t : t + HORIZON]) for t in given.windows.origin[given.held_out]]
    np.testing.assert_array_equal(got.isnan(), missing)


def test_errors_on_few_windows_count_as_larger():
    """Five origins with four steps are two windows that do not overlap, in each of two series."""
    given = task([np.arange(32.0) % 5] * 2)
    assert len(given.held_out) == 10
    n_windows = independent_windows(given.windows.series[given.held_out], HORIZON)
    assert n_windows == 4
    assert widening(n_windows) == pytest.approx((5 / 3) ** 0.5)
    fitted = fit("linear-probe", given)
    bare, _ = residuals(fitted.model, given)
    torch.testing.assert_close(fitted.residuals, pooled_errors(bare * (5 / 3) ** 0.5))


def test_errors_on_many_windows_are_taken_as_they_are():
    given = task(seasons(400))
    n_windows = independent_windows(given.windows.series[given.held_out], HORIZON)
    assert n_windows >= FEWEST_INDEPENDENT
    fitted = fit("linear-probe", given)
    bare, series = residuals(fitted.model, given)
    torch.testing.assert_close(fitted.residuals, bare * widening(n_windows))
    np.testing.assert_array_equal(fitted.residual_series, series)


def test_pooled_errors_have_the_size_of_their_step_and_no_direction():
    errors = torch.tensor([[3.0, torch.nan, 5.0], [-3.0, 3.0, 4.0]])
    scale = [3, 3, np.sqrt((3 * 9 + 25 + 16) / 5)]
    got = pooled_errors(errors).numpy()
    relative = np.array([1, 5 / scale[2], -1, 1, 4 / scale[2]])
    np.testing.assert_allclose(got, np.r_[relative, -relative][:, None] * scale, rtol=1e-6)
    assert pooled_errors(torch.full((2, 3), torch.nan)).isnan().all()


def test_with_nothing_held_out_errors_are_those_of_the_last_value_in_both_directions():
    given = task([np.arange(60.0)], fraction=0.0)
    got, series = residuals(forecast_model(), given)
    assert len(got) == len(series) == 2 * len(given.train)
    torch.testing.assert_close(got.sort(0).values, (-got).sort(0).values)
    assert (got.abs() > 0).all()
    assert calibrated_errors(forecast_model(), given)[0].equal(got)


@every_strategy
def test_next_to_no_windows_go_on_with_the_last_value(strategy):
    given = task([np.array([0.0, 0.1, 5.0, 4.0, 7.0, 9.0])], fraction=0.25, context_length=2)
    assert len(given.train) < FEWEST_TRAINED
    assert not len(given.held_out)
    fitted = fit(strategy, given, n_epochs=1)
    assert (outputs(fitted.model, given, given.train) == 0).all()


def test_the_unit_of_errors():
    relative = torch.tensor([0.0, 1.0, 7.0])
    np.testing.assert_allclose(error_unit(relative, 0.5), [0.5**0.5, 1, 5])
    np.testing.assert_allclose(error_unit(relative, 1.0), relative)
    np.testing.assert_allclose(error_unit(relative, 0.0), 1)


def test_a_series_with_many_errors_has_quantiles_of_its_own():
    draw = np.random.default_rng(0)
    errors = draw.normal(size=(FEWEST_OWN_ERRORS + 5, 2))
    column = np.r_[np.zeros(FEWEST_OWN_ERRORS, int), np.ones(5, int)]
    got = column_quantiles(errors, column, 3, [0.1, 0.9])
    np.testing.assert_array_equal(
        got[:, 0], error_quantiles(errors[:FEWEST_OWN_ERRORS], [0.1, 0.9])
    )
    for few in (1, 2):  # five errors, and none
        np.testing.assert_array_equal(got[:, few], error_quantiles(errors, [0.1, 0.9]))


def test_a_step_without_any_error_takes_those_of_others():
    residuals = np.array([[1.0, np.nan, 2.0], [3.0, np.nan, np.nan]])
    got = error_quantiles(residuals, [0.25, 0.5])
    np.testing.assert_allclose(got[:, 0], [1, 2])
    np.testing.assert_allclose(got[:, 1], [1, 2])  # of 1, 2, 3
    np.testing.assert_allclose(got[:, 2], [2, 2])
    assert (error_quantiles(residuals[:, 1:2], [0.25, 0.5]) == 0).all()


def test_a_forecast_that_begins_earlier_has_the_errors_of_later_steps():
    draw = np.random.default_rng(0)
    alpha = [0.9, 0.1, 0.6]
    quantiles = np.quantile(draw.normal(size=(50, 2, 4)), alpha, axis=0)
    got = lagged_quantiles(quantiles, np.array([0, 2]), alpha)
    np.testing.assert_array_equal(got[:, 0], quantiles[:, 0])
    np.testing.assert_array_equal(got[:, 1, :2], quantiles[:, 1, 2:])
    # the last step's errors and the first one's, independent
    beyond = np.hypot(quantiles[:2, 1, 3:], quantiles[:2, 1, :2])
    np.testing.assert_allclose(np.abs(got[:2, 1, 2:]), beyond)
    assert (got[1] <= got[2]).all()
    assert (got[2] <= got[0]).all()
    far = lagged_quantiles(quantiles, np.array([0, 400]), alpha)
    np.testing.assert_allclose(far[0, 1, 3], np.sqrt(101) * quantiles[0, 1, 3])


def test_quantiles_are_left_as_they_are_where_nothing_is_missing():
    quantiles = np.random.default_rng(0).normal(size=(3, 2, 4))
    assert lagged_quantiles(quantiles, np.zeros(2, int), [0.1, 0.5, 0.9]) is quantiles
