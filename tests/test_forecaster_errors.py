"""`SimMTMForecaster`: what cannot work is refused before any work."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sktime.forecasting.base import ForecastingHorizon

from simmtm_sk import (
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
)
from tests.forecasters import (
    MONTHS,
    Y,
    every_strategy,
    forecaster,
    panel,
    pretrained,
    small,
    table,
    values,
)


def changed(**cells):
    y = table()
    for column, (row, value) in cells.items():
        y[column] = y[column].astype(object) if isinstance(value, str) else y[column]
        y.loc[y.index[row], column] = value
    return y


BAD = {
    "nothing observed": (lambda: changed(b=(slice(None), np.nan)), "column 'b' of y has no obs"),
    "infinity": (lambda: changed(a=(3, -np.inf)), "y contains infinity"),
    "text": (lambda: changed(a=(3, "x")), "categorical features"),
    "a gap in time": (lambda: table().drop(MONTHS[5]), "irregular: .*asfreq"),
    "days missing": (lambda: Y.to_timestamp().iloc[[0, 1, 2, 3, 9, 10, 11, 12]], "irregular"),
    "every second number": (lambda: pd.Series(values(), range(0, 144, 2)), "irregular"),
    "no point": (lambda: Y[:0], "y is empty"),
    "one point": (lambda: Y[:1], "y is too short: .* 1 step.* 3 time points, .* longest has 1"),
    "two points": (lambda: Y[:2], "y is too short: .* 3 time points, .* longest has 2"),
}


@pytest.mark.parametrize(("y", "message"), BAD.values(), ids=BAD)
def test_series_that_cannot_work(y, message, pretrainings):
    with pytest.raises((ValueError, TypeError), match=message):
        forecaster().fit(y(), fh=[1])
    assert pretrainings() == 0


@pytest.mark.parametrize(("y", "message"), [BAD["infinity"], BAD["nothing observed"]])
def test_panels_that_cannot_work(y, message, pretrainings):
    both = pd.concat({"good": table(), "bad": y()}, names=["id", "time"])
    for estimator, method in ((forecaster(), "fit"), (forecaster(), "pretrain")):
        with pytest.raises(ValueError, match=r"instance \('bad',\)"):
            getattr(estimator, method)(both, fh=[1])
    assert pretrainings() == 0


def test_horizons_that_cannot_work(pretrainings):
    for fh in ([0], [-2, 1], ForecastingHorizon(MONTHS[[40]], is_relative=False)):
        with pytest.raises(NotImplementedError, match="in-sample"):
            forecaster().fit(Y, fh=fh).predict()
    with pytest.raises(ValueError, match=r"fh. must be passed"):
        forecaster().fit(Y)
    for fh in (71, [1, 100]):
        with pytest.raises(ValueError, match=r"y is too short: to forecast \d+ step.* has 72"):
            forecaster().fit(Y, fh=fh)
    assert pretrainings() == 0


def test_series_that_are_just_long_enough():
    for n, fh in ((3, [1]), (12, [10]), (14, [1, 2])):
        estimator = forecaster().fit(Y[:n], fh=fh)
        assert np.isfinite(estimator.predict()).all()
        assert np.isfinite(estimator.predict_interval()).all(axis=None)
    # others of the panel may be shorter
    predicted = forecaster().fit(panel(lengths=(72, 1)), fh=[1, 2]).predict()
    assert predicted.loc["p"].to_numpy().ravel().tolist() == [2 * values(1, 12, 1)[0]] * 2


def test_a_context_longer_than_the_series_is_filled_up_with_missing_values():
    estimator = forecaster(context_length=100).fit(Y, fh=[1, 2])
    assert estimator.context_length_ == 100
    assert np.abs(estimator.predict() - Y.iloc[-1]).max() < 10
    padded = np.r_[np.full(50, np.nan), Y.to_numpy()]
    np.testing.assert_allclose(
        estimator.predict_rolling(padded, [122])[0, :, 0], estimator.predict(), rtol=1e-6
    )


@pytest.mark.parametrize("method", ["fit", "pretrain"])
def test_patches_longer_than_the_context(method, pretrainings):
    long = small(encoder=PatchEncoder(patch_length=16, d_model=4, n_layers=1, n_heads=1))
    fitted = clone(long).set_params(num_epochs=0, random_state=0).fit(values(40)[None])
    before = pretrainings()
    for transformer in (long, FrozenEstimator(fitted)):
        estimator = forecaster(transformer=transformer, context_length=12)
        with pytest.raises(ValueError, match=r"patches of 16 points .* larger context_length"):
            getattr(estimator, method)(panel(), fh=[1])
    assert pretrainings() == before
    estimator = forecaster(transformer=long, context_length="auto").fit(Y[:30], fh=1)
    assert estimator.context_length_ == 16
    assert np.isfinite(estimator.predict()).all()


@pytest.mark.parametrize(
    "encoder",
    [
        ConvEncoder(d_model=4, n_layers=1),
        PointEncoder(d_model=4, n_layers=1, n_heads=1, d_feedforward=4),
    ],
    ids=["conv", "point"],
)
@every_strategy
def test_any_encoder(encoder, strategy):
    """Every column is a series of its own, also for encoders of several channels at once."""
    estimator = forecaster(transformer=small(encoder=encoder), strategy=strategy)
    error = (estimator.fit(table(66), fh=range(1, 7)).predict() - table()[66:]).abs().mean()
    assert (error < 1.5 * table().std()).all()
    both = small(encoder=ConvEncoder(d_model=4, n_layers=1), random_state=0).fit(
        table().to_numpy().T[None]
    )
    with pytest.raises(ValueError, match=r"X has 1 channel\(s\), .* fitted on 2"):
        forecaster(transformer=FrozenEstimator(both), strategy=strategy).fit(Y, fh=1)


@pytest.mark.parametrize(
    "params",
    [
        {"transformer": 3},
        {"transformer": StandardScaler()},
        {"strategy": "probe"},
        {"context_length": 1},
        {"context_length": "long"},
        {"context_length": 3.5},
        {"normalization": "median"},
        {"num_epochs": 0},
        {"batch_size": 0},
        {"lr": 0.0},
        {"encoder_lr_share": -0.1},
        {"weight_decay": -1.0},
        {"dropout": 1.0},
        {"validation_fraction": 1.0},
        {"patience": 0},
        {"refit": "yes"},
        {"lower": "zero"},
        {"upper": np.inf},
        {"random_state": "x"},
        {"verbose": -1},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "pretrain"])
def test_parameters_that_cannot_work_are_named(params, method, pretrainings):
    (name,) = params
    with pytest.raises(ValueError, match=name):
        getattr(forecaster(**params), method)(panel(), fh=[1])
    assert pretrainings() == 0


def test_a_transformer_that_cannot_work(tmp_path):
    with pytest.raises(NotFittedError, match="SimMTMTransformer has not been fitted"):
        forecaster(transformer=FrozenEstimator(small())).fit(Y, fh=1)
    with pytest.raises(TypeError, match=r"must hold a SimMTMTransformer; .* a StandardScaler"):
        forecaster(transformer=FrozenEstimator(StandardScaler().fit(table()))).fit(Y, fh=1)
    with pytest.raises(FileNotFoundError, match="there is no artifact at"):
        forecaster(transformer=tmp_path / "none").fit(Y, fh=1)
    with pytest.raises(ValueError, match="device 'nowhere' cannot be used"):
        forecaster(transformer=small(device="nowhere")).fit(Y, fh=1)


def test_complex_values(pretrainings):
    for y in (Y.to_numpy() + 1j, Y + 1j, table() * 1j):
        with pytest.raises(TypeError, match="real numbers, got complex"):
            forecaster().fit(y, fh=1)
    assert pretrainings() == 0


def test_before_fit():
    for method in ("predict", "predict_interval", "save"):
        with pytest.raises(NotFittedError, match="SimMTMForecaster has not been fitted"):
            getattr(forecaster(), method)()
    with pytest.raises(NotFittedError, match="SimMTMForecaster has not been fitted"):
        pretrained().predict(fh=[1])
