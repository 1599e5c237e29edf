"""`SimMTMForecaster`: what a pre-training survives."""

import copy

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sktime.forecasting.compose import TransformedTargetForecaster
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.exponent import ExponentTransformer
from sktime.utils._testing.hierarchical import _make_hierarchical

from simmtm_sk import (
    SimMTMForecaster,
    save,
)
from tests.forecasters import (
    Y,
    composites_warn,
    every_strategy,
    forecaster,
    panel,
    pretrained,
    same_weights,
    small,
    table,
)


def splitter():
    return ExpandingWindowSplitter(fh=[1, 2], initial_window=50, step_length=10)


def test_fit_after_pretrain_does_not_pretrain(pretrainings):
    estimator = pretrained()
    assert estimator.state == "pretrained"
    assert pretrainings() == 1
    estimator.fit(Y, fh=[1, 2])
    assert pretrainings() == 1
    assert same_weights(estimator.transformer_, estimator.pretrained_)
    assert estimator.transformer_ is not estimator.pretrained_
    estimator.fit(table(), fh=[1])
    assert pretrainings() == 1
    forecaster().fit(Y, fh=[1])
    assert pretrainings() == 2


@pytest.mark.parametrize("strategy", ["fine-tune", "probe-then-fine-tune"])
def test_fine_tuning_leaves_what_pretrain_has_learned(strategy):
    estimator = pretrained(strategy=strategy)
    before = copy.deepcopy(estimator.pretrained_)
    first = estimator.fit(Y, fh=[1]).predict()
    estimator.update(Y[-5:])
    assert same_weights(estimator.pretrained_, before)
    np.testing.assert_array_equal(estimator.fit(Y, fh=[1]).predict(), first)


def test_a_pretrained_forecaster_uses_the_panel():
    same = forecaster().fit(Y, fh=[1])
    other = pretrained().fit(Y, fh=[1])
    assert not same_weights(same.transformer_, other.transformer_)


@pytest.mark.parametrize("how", [clone, SimMTMForecaster.clone, copy.deepcopy])
@pytest.mark.parametrize("fitted_before", [False, True])
def test_copies_are_pretrained(how, fitted_before, pretrainings):
    """Also if `pretrain` came after a fit, which sktime on its own would forget."""
    estimator = forecaster()
    if fitted_before:
        estimator.fit(Y, fh=[1])
    estimator.pretrain(panel())
    before = pretrainings()
    for original in (estimator, how(estimator).fit(Y, fh=[1])):
        copied = how(original)
        assert same_weights(copied.pretrained_, estimator.pretrained_)
        assert copied.pretrained_ is not estimator.pretrained_
        copied.fit(Y, fh=[1])
        assert same_weights(copied.transformer_, estimator.pretrained_)
    assert pretrainings() == before


@pytest.mark.parametrize(
    "params",
    [
        {"lr": 0.1},
        {"strategy": "fine-tune", "num_epochs": 2},
        {"context_length": 16},
        {"normalization": "mean"},
        {"random_state": 3},
    ],
    ids=str,
)
def test_parameters_of_fine_tuning_keep_it(params, pretrainings):
    estimator = pretrained().fit(Y, fh=[1])
    weights = copy.deepcopy(estimator.pretrained_)
    estimator.set_params(**params)
    assert not estimator.is_fitted
    assert same_weights(estimator.pretrained_, weights)
    estimator.fit(Y, fh=[1])
    assert pretrainings() == 1
    for name, value in params.items():
        assert getattr(estimator, name) == value


def test_a_parameter_that_does_not_exist_changes_nothing():
    estimator = pretrained()
    with pytest.raises(ValueError, match="learning_rate"):
        estimator.set_params(learning_rate=0.1)
    assert estimator.state == "pretrained"


@pytest.mark.parametrize(
    "params", [{"transformer__mask_ratio": 0.3}, {"transformer": small()}, {"transformer": None}]
)
def test_parameters_of_the_transformer_forget_it(params):
    estimator = pretrained().set_params(**params)
    assert estimator.state == "new"
    assert not hasattr(estimator, "pretrained_")


def test_pretraining_goes_on(pretrainings):
    """From where it was, as a learning rate of next to nothing shows."""
    estimator = pretrained(transformer=small(lr=0.05, weight_decay=0.0))
    before = copy.deepcopy(estimator.pretrained_)
    estimator.pretrain(panel(("u", "v"), (50, 50)))
    assert pretrainings() == 2
    assert estimator.state == "pretrained"
    assert not same_weights(estimator.pretrained_, before)
    assert not estimator.pretrained_.warm_start
    assert same_weights(clone(estimator).pretrained_, estimator.pretrained_)
    estimator.pretrained_.lr = 1e-12
    before = copy.deepcopy(estimator.pretrained_)
    estimator.pretrain(panel())
    assert pretrainings() == 3
    pairs = zip(
        estimator.pretrained_.network_.backbone.state_dict().values(),
        before.network_.backbone.state_dict().values(),
        strict=True,
    )
    for after, start in pairs:
        torch.testing.assert_close(after, start)


def test_pretrain_trains_whatever_the_strategy(pretrainings):
    """It is for the strategies to come; from-scratch itself does without."""
    estimator = pretrained(strategy="from-scratch")
    assert pretrainings() == 1
    estimator.fit(Y, fh=[1])
    assert not same_weights(estimator.transformer_, estimator.pretrained_)
    estimator.set_params(strategy="linear-probe").fit(Y, fh=[1])
    assert same_weights(estimator.transformer_, pretrained().pretrained_)


def test_pretrain_takes_panels_and_hierarchies_alone(pretrainings):
    for y in (Y, table(), Y.to_numpy()):
        with pytest.raises(TypeError, match="requires Panel or Hierarchical data"):
            forecaster().pretrain(y)
    assert pretrainings() == 0
    hierarchy = _make_hierarchical((2, 2), min_timepoints=30, max_timepoints=40, n_columns=2)
    estimator = forecaster().pretrain(hierarchy).fit(Y, fh=[1])
    assert pretrainings() == 1
    assert np.isfinite(estimator.predict()).all()


@composites_warn
def test_a_grid_over_fine_tuning_pretrains_once(pretrainings):
    grid = ForecastingGridSearchCV(
        pretrained(),
        splitter(),
        {"strategy": ["linear-probe", "fine-tune"], "lr": [1e-3, 1e-2]},
        error_score="raise",
        backend=None,
    )
    grid.fit(Y, fh=[1, 2])
    assert pretrainings() == 1
    assert same_weights(grid.best_forecaster_.pretrained_, pretrained().pretrained_)
    assert np.isfinite(grid.predict()).all()
    assert len(grid.cv_results_) == 4


@composites_warn
def test_a_grid_over_the_objective_pretrains_anew(pretrainings):
    grid = ForecastingGridSearchCV(
        pretrained(),
        splitter(),
        {"transformer__n_masks": [1, 2]},
        error_score="raise",
        backend=None,
    )
    grid.fit(Y, fh=[1, 2])
    assert pretrainings() >= 1 + 2 * splitter().get_n_splits(Y) + 1


@composites_warn
def test_pretraining_survives_pipelines_and_their_grids(pretrainings):
    pipeline = TransformedTargetForecaster(
        [("log", ExponentTransformer(0.5)), ("simmtm", pretrained())]
    )
    predicted = clone(pipeline).set_params(simmtm__lr=0.1).fit(Y, fh=[1, 2]).predict()
    root = pretrained().fit(np.sqrt(Y), fh=[1, 2]).predict()
    np.testing.assert_allclose(predicted, root**2)
    assert pretrainings() == 2
    grid = ForecastingGridSearchCV(
        pipeline, splitter(), {"simmtm__normalization": ["last", "mean"]}, error_score="raise",
        backend=None,
    )  # fmt: skip
    grid.fit(Y, fh=[1, 2])
    assert pretrainings() == 2


@pytest.mark.parametrize("strategy", ["refit", "update", "no-update_params"])
def test_evaluate_does_not_pretrain(strategy, pretrainings):
    results = evaluate(
        pretrained(), splitter(), Y, strategy=strategy, error_score="raise", return_data=True
    )
    assert pretrainings() == 1
    assert len(results) == splitter().get_n_splits(Y)
    errors = [np.abs(r.y_pred - r.y_test).mean() for r in results.itertuples()]
    assert np.mean(errors) < Y.std()


@every_strategy
def test_a_frozen_transformer_and_a_saved_one_are_the_same(strategy, tmp_path, pretrainings):
    """Used without any training; what was given stays as it is, also when `pretrain` goes on."""
    given = small(random_state=0, masking="geometric").fit(Y.to_numpy()[None])
    before = copy.deepcopy(given)
    path = save(given, tmp_path / "encoder")
    content = path.read_bytes()
    results = [
        forecaster(strategy=strategy, transformer=transformer).fit(Y, fh=[1, 2])
        for transformer in (FrozenEstimator(given), path, str(path))
    ]
    for one in results:
        np.testing.assert_allclose(one.predict(), results[0].predict(), rtol=1e-6)
        assert one.transformer_ is not given
        if strategy == "linear-probe":
            assert same_weights(one.transformer_, given)
    for transformer in (FrozenEstimator(given), path):
        going_on = forecaster(strategy=strategy, transformer=transformer).pretrain(panel())
        assert not same_weights(going_on.pretrained_, given)
    assert same_weights(given, before)
    assert path.read_bytes() == content
    assert pretrainings() == 0


def test_an_own_transformer_is_cloned():
    own = small()
    estimator = forecaster(transformer=own).pretrain(panel()).fit(Y, fh=[1])
    assert estimator.transformer is own
    assert not hasattr(own, "network_")
    assert own.random_state is None
