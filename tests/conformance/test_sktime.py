"""sktime's own suite for the classes."""

import pytest
from sktime.utils.estimator_checks import check_estimator, parametrize_with_checks

from simmtm_sk import (
    SimMTMClassifier,
    SimMTMDetector,
    SimMTMForecaster,
    SimMTMImputer,
    SimMTMRegressor,
    SimMTMTransformer,
)


# sktime's checks of predict_proba: skpro, which gives whole distributions, is no requirement
@pytest.mark.filterwarnings("ignore:Forecasters' predict_proba requires skpro:UserWarning")
# sktime's update_predict, when it puts forecasts from several cutoffs together with pandas 3
@pytest.mark.filterwarnings("ignore:Sorting by default when concatenating all DatetimeIndex")
# one series given as a table of a single column, which we say is read as many of one point
@pytest.mark.filterwarnings("ignore:X is read as .* series of a single time point")
@parametrize_with_checks(
    [
        SimMTMTransformer,
        SimMTMClassifier,
        SimMTMRegressor,
        SimMTMForecaster,
        SimMTMImputer,
        SimMTMDetector,
    ],
    obj_varname="estimator",
    check_varname="test_name",
)
def test_sktime(estimator, test_name):
    check_estimator(estimator, tests_to_run=test_name, raise_exceptions=True, verbose=False)


@pytest.mark.parametrize("params", SimMTMTransformer.get_test_params())
def test_parameters_for_the_suite_are_small(params):
    """The suite fits them hundreds of times."""
    assert SimMTMTransformer(**params).num_epochs == 1


@pytest.mark.parametrize("params", SimMTMForecaster.get_test_params())
def test_parameters_of_the_forecaster_are_small(params):
    assert params["transformer"].num_epochs == 1
    assert params.get("strategy") != "fine-tune" or params["num_epochs"] == 1


def test_the_suite_fits_the_default_strategy():
    strategies = [SimMTMForecaster(**p).strategy for p in SimMTMForecaster.get_test_params()]
    assert SimMTMForecaster().strategy in strategies
