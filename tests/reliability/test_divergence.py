"""Training that diverges: finite weights and a warning, or an error; never a silent NaN."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    SimMTMClassifier,
    SimMTMForecaster,
    SimMTMRegressor,
    load,
)
from simmtm_sk.nn.masking import geometric_mask
from tests.small import X, digest, small

Y = np.arange(len(X)) % 2
SERIES = pd.Series(np.sin(np.arange(80.0)) + np.arange(80) / 30)
SETTINGS = {"strategy": "fine-tune", "num_epochs": 40, "batch_size": 4, "patience": None}


class Fragile:
    """Wraps an encoder; representations become NaN in training as soon as it is told so."""

    broken = False

    def __init__(self, encoder):
        self.encoder = encoder
        self.channel_independent = encoder.channel_independent

    def build(self, n_channels, length):
        backbone = self.encoder.build(n_channels, length)
        backbone.register_forward_hook(spoil)
        return backbone


def spoil(module, args, layers):
    if module.training and Fragile.broken:
        return [layer * torch.nan for layer in layers]
    return layers


class BreakAt:
    """A callback that breaks the encoder when a task of that name begins for the n-th time."""

    def __init__(self, name, n):
        self.name, self.n = name, n

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if context.task_name.startswith("epoch") and self.name in names_of(context):
            self.n -= 1
            Fragile.broken = self.n < 0

    def on_fit_task_end(self, estimator, context):
        pass


def names_of(context):
    """Names of a task and of all that it is a part of; a transformer's fit may be a part."""
    names = set()
    while context is not None:
        names |= {context.task_name, context.source_task_name}
        context = context.parent
    return names


@pytest.fixture(autouse=True)
def whole_again():
    Fragile.broken = False
    yield
    Fragile.broken = False


CONV = ConvEncoder(d_model=4, n_layers=1)
PATCH = PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)


def transformer(**params):
    return small(**{"encoder": Fragile(CONV), "num_epochs": 12, "batch_size": 4, **params})


def pretrained(fraction, lr=1e-3):
    made = transformer(validation_fraction=fraction, lr=lr, patience=None)
    return made, lambda: made.fit(X).transform(X), "fit"


def classified(fraction, lr=1e-3):
    made = SimMTMClassifier(
        transformer=transformer(num_epochs=1),
        validation_fraction=3 * fraction,
        lr=lr,
        random_state=0,
        **SETTINGS,
    )
    return made, lambda: made.fit(X, Y).predict_proba(X), "fine-tuning"


def regressed(fraction, lr=1e-3):
    made = SimMTMRegressor(
        transformer=transformer(num_epochs=1),
        validation_fraction=3 * fraction,
        lr=lr,
        random_state=0,
        **SETTINGS,
    )
    y = X[:, 0].mean(1)
    return made, lambda: made.fit(X, y).predict(X), "fine-tuning"


def forecast(fraction, lr=1e-3):
    made = SimMTMForecaster(
        transformer=transformer(encoder=Fragile(PATCH), num_epochs=1),
        validation_fraction=fraction,
        context_length=8,
        lr=lr,
        random_state=0,
        **SETTINGS,
    )
    return made, lambda: made.fit(SERIES, fh=[1, 2]).predict().to_numpy(), "fine-tuning"


every_estimator = pytest.mark.parametrize("make", [pretrained, classified, regressed, forecast])
with_and_without_validation = pytest.mark.parametrize("fraction", [0.25, 0.0])


@every_estimator
@with_and_without_validation
def test_the_best_finite_weights_are_kept_and_a_warning_says_so(make, fraction):
    estimator, results, name = make(fraction)
    estimator.set_callbacks(BreakAt(name, 2))
    with pytest.warns(ConvergenceWarning, match=r"step \d+ of \d+ .*loss nan.*learning rate"):
        embedding = results()
    assert np.isfinite(embedding).all()
    history = estimator.history_
    assert len(history) == 2  # what was good
    assert np.isfinite([value for record in history for value in record.values()]).all()
    json.dumps(history)


@every_estimator
@with_and_without_validation
def test_without_any_weights_to_keep_there_is_an_error(make, fraction):
    estimator, results, name = make(fraction)
    estimator.set_callbacks(BreakAt(name, 0))
    with pytest.raises(FloatingPointError, match=r"step 1 of \d+ .*loss nan.*lower lr"):
        results()


@every_estimator
@with_and_without_validation
@pytest.mark.parametrize("lr", [1e2, 1e4, 1e20])
def test_whatever_the_learning_rate(make, fraction, lr):
    estimator, results, _ = make(fraction, lr)
    estimator.set_params(num_epochs=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert finite_or_named(results)


def finite_or_named(results):
    """Whether results are finite, or the error says what was too high."""
    try:
        return np.isfinite(results()).all()
    except FloatingPointError as error:
        return "learning rate" in str(error)


def test_what_is_left_after_divergence_is_saved_and_loaded(tmp_path):
    estimator, results, name = pretrained(0.25)
    estimator.set_callbacks(BreakAt(name, 2))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        embedding = results()
    loaded = load(estimator.save(tmp_path / "model"), encoder=Fragile(CONV))
    np.testing.assert_array_equal(loaded.transform(X), embedding)


def test_a_diverged_run_is_not_kept_in_the_cache(tmp_path):
    settings = {"encoder": CONV, "memory": str(tmp_path), "validation_fraction": 0.0}
    for _ in range(2):
        with pytest.raises(FloatingPointError, match="diverged"):
            small(lr=1e20, **settings).fit(X)
    assert not list(tmp_path.rglob("output.pkl"))


# -- Ctrl-C ---------------------------------------------------------------------------------------


class InterruptingMask:
    """Presses Ctrl-C at the first call."""

    def __call__(self, *args):
        raise KeyboardInterrupt


def test_ctrl_c_in_the_first_epoch_leaves_the_initial_weights():
    # the metric of the views draws masks, too, and nobody presses twice
    estimator = small(masking=InterruptingMask(), metric_strength=0)
    with pytest.warns(UserWarning, match=r"interrupted in epoch 1 of 2"):
        estimator.fit(X)
    assert digest(estimator) == digest(small(masking=geometric_mask, num_epochs=0).fit(X))
    assert estimator.history_ == []
    assert estimator.n_epochs_ == 0
    assert np.isfinite(estimator.transform(X)).all()
