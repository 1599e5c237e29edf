"""sktime's own suite for the classes."""

import pytest
from sktime.utils.estimator_checks import check_estimator, parametrize_with_checks

from simmtm_sk import SimMTMClassifier, SimMTMRegressor, SimMTMTransformer


@parametrize_with_checks(
    [SimMTMTransformer, SimMTMClassifier, SimMTMRegressor],
    obj_varname="estimator",
    check_varname="test_name",
)
def test_sktime(estimator, test_name):
    check_estimator(estimator, tests_to_run=test_name, raise_exceptions=True, verbose=False)


@pytest.mark.parametrize("params", SimMTMTransformer.get_test_params())
def test_parameters_for_the_suite_are_small(params):
    """The suite fits them hundreds of times."""
    assert SimMTMTransformer(**params).num_epochs == 1
