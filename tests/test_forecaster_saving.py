"""`SimMTMForecaster`: saving and loading."""

import zipfile

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sktime.base import load as sktime_load
from sktime.forecasting.base import ForecastingHorizon

from simmtm_sk import (
    ArtifactError,
    SimMTMForecaster,
    load,
    save,
)
from simmtm_sk.persistence import StateReader, TensorReader
from tests.forecasters import (
    DAYS,
    INDICES,
    Y,
    assert_same,
    every_strategy,
    forecaster,
    panel,
    pretrained,
    same_weights,
    small,
    table,
    values,
)


@pytest.fixture(scope="module")
def fitted():
    return forecaster().fit(Y[:60], fh=[1, 2, 3])


LATE = slice(60, 72)
SAVED = {
    "series": (lambda: Y[:60], lambda: Y[60:]),
    "columns": (lambda: table(60), lambda: table()[60:]),
    "array": (lambda: table(60).to_numpy(), lambda: table()[60:].to_numpy()),
    **{
        name: (
            lambda i=index: pd.Series(Y.to_numpy()[:60], i[:60]),
            lambda i=index: pd.Series(Y.to_numpy()[60:], i[60:]),
        )
        for name, index in INDICES.items()
    },
    "panel": (
        lambda: panel(lengths=(60, 60)),
        lambda: panel(lengths=(72, 72)).groupby(level=0, sort=False).tail(12),
    ),
    "panel of days": (
        lambda: panel(lengths=(60, 60), index=DAYS),
        lambda: panel(lengths=(72, 72), index=DAYS).groupby(level=0, sort=False).tail(12),
    ),
    "panel in an array": (
        lambda: np.stack([values()[:60], values()[12:]])[:, None],
        lambda: np.stack([values()[60:], values()[:12]])[:, None],
    ),
    "list": (
        lambda: [table(60), table(50)],
        lambda: [table()[60:], table()[50:]],
    ),
    "hierarchy": (
        lambda: pd.concat({"g": panel(lengths=(60, 60))}, names=["group"]),
        lambda: pd.concat(
            {"g": panel(lengths=(72, 72)).groupby(level=0, sort=False).tail(12)}, names=["group"]
        ),
    ),
}


@pytest.mark.parametrize(("seen", "new"), SAVED.values(), ids=SAVED)
def test_round_trip(seen, new, tmp_path):
    estimator = forecaster().fit(seen(), fh=[1, 5])
    loaded = load(save(estimator, tmp_path / "model"), transformer=small())
    assert type(loaded) is SimMTMForecaster
    assert loaded.is_fitted
    pd.testing.assert_index_equal(loaded.cutoff, estimator.cutoff)
    for update_params in (None, False, True):
        if update_params is not None:
            for one in (estimator, loaded):
                one.update(new(), update_params=update_params)
        assert_same(loaded.predict(), estimator.predict())
        assert_same(loaded.predict_interval(), estimator.predict_interval())
    y = seen()
    if isinstance(y, pd.Series | np.ndarray) and np.ndim(y) < 3:
        long = np.concatenate([np.asarray(y)] * 2)
        np.testing.assert_array_equal(loaded.predict_rolling(long), estimator.predict_rolling(long))


@every_strategy
def test_round_trip_of_everything_fitted(strategy, tmp_path):
    estimator = forecaster(strategy=strategy, transformer=small(masking="geometric"))
    estimator.fit(Y, fh=ForecastingHorizon(pd.period_range("2006-01", periods=3, freq="M"), False))
    loaded = load(estimator.save(tmp_path / "model"))
    assert_same(loaded.predict(), estimator.predict())
    assert loaded.choices_ == estimator.choices_
    assert loaded.history_ == estimator.history_
    np.testing.assert_array_equal(loaded.residuals_, estimator.residuals_)
    assert (loaded.context_length_, loaded.horizon_) == (12, 3)
    assert same_weights(loaded.transformer_, estimator.transformer_)
    own, other = (e.get_params(deep=False) for e in (estimator, loaded))
    assert repr(own.pop("transformer")) == repr(other.pop("transformer"))
    assert own == other
    np.testing.assert_array_equal(loaded.fit(Y, fh=[1]).predict(), clone(estimator).fit(Y, fh=[1]).predict())  # fmt: skip # noqa: E501


def test_sktimes_own_save_and_load(tmp_path):
    estimator = forecaster(transformer=small(masking="geometric")).fit(panel(), fh=[1, 2])
    loaded = sktime_load(estimator.save())
    assert_same(loaded.predict(), estimator.predict())
    path = estimator.save(tmp_path / "model")
    assert_same(sktime_load(path).predict(), estimator.predict())


def test_what_pretrain_has_learned_is_saved(tmp_path, pretrainings):
    estimator = pretrained(strategy="fine-tune").fit(Y, fh=[1, 2])
    loaded = load(estimator.save(tmp_path / "model"), transformer=small())
    assert same_weights(loaded.pretrained_, estimator.pretrained_)
    assert not same_weights(loaded.pretrained_, loaded.transformer_)
    for one in (clone(loaded), loaded.set_params(lr=1e-3)):
        np.testing.assert_array_equal(one.fit(Y, fh=[1, 2]).predict(), estimator.predict())
    assert pretrainings() == 1


def test_a_frozen_transformer_is_saved_with_it(tmp_path):
    given = small(random_state=0, masking="geometric").fit(Y.to_numpy()[None])
    estimator = forecaster(transformer=FrozenEstimator(given), strategy="fine-tune")
    loaded = load(estimator.fit(Y, fh=[1]).save(tmp_path / "model"))
    assert same_weights(loaded.transformer.estimator, given)
    np.testing.assert_array_equal(loaded.fit(Y, fh=[1]).predict(), estimator.predict())


def test_nothing_foreign_is_loaded(tmp_path, fitted):
    path = fitted.save(tmp_path / "model.zip")
    (tmp_path / "text.zip").write_text("no artifact")
    with pytest.raises(ArtifactError, match="is not an artifact"):
        load(tmp_path / "text.zip")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in (
        ("weights.safetensors", parts["weights.safetensors"][:-9]),
        ("config.json", parts["config.json"].replace(b'"PeriodIndex"', b'"OtherIndex"')),
        ("config.json", parts["config.json"].replace(b'"lengths"', b'"widths"')),
    ):
        with zipfile.ZipFile(tmp_path / "changed.zip", "w") as archive:
            for part, original in parts.items():
                archive.writestr(part, content if part == name else original)
        with pytest.raises(ArtifactError):
            load(tmp_path / "changed.zip", transformer=small())


@pytest.mark.parametrize("name", ["forecast.token_head.weight", "forecast.window_head.bias"])
def test_no_weight_may_be_missing(name, fitted):
    state, tensors = fitted._saved_state()
    del tensors[name]
    with pytest.raises(ArtifactError, match=name):
        forecaster()._restore_state(StateReader(state, "state"), TensorReader(tensors))


def test_nothing_is_unpickled(tmp_path, fitted, monkeypatch):
    path = fitted.save(tmp_path / "model")

    def refuse(*args, **kwargs):
        raise AssertionError("unpickled")

    for name in ("pickle.load", "pickle.loads", "pickle.Unpickler", "torch.load", "joblib.load"):
        monkeypatch.setattr(name, refuse)
    assert_same(load(path, transformer=small()).predict(), fitted.predict())


def test_names_that_cannot_be_saved(tmp_path):
    y = pd.concat({pd.Timestamp("2000"): table()}, names=["id", "time"])
    estimator = forecaster().fit(y, fh=[1])
    with pytest.raises(TypeError, match="names of instances and columns must be text or numbers"):
        estimator.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
