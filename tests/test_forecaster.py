"""`SimMTMForecaster`: what comes in, what comes out, and what a pre-training survives."""

import copy
import os
import random
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sktime.base import load as sktime_load
from sktime.datasets import load_airline
from sktime.forecasting.base import ForecastingHorizon
from sktime.forecasting.compose import TransformedTargetForecaster
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.exponent import ExponentTransformer
from sktime.utils._testing.hierarchical import _make_hierarchical

from simmtm_sk import (
    ArtifactError,
    ConvEncoder,
    PatchEncoder,
    PointEncoder,
    SimMTMForecaster,
    SimMTMTransformer,
    load,
    save,
)
from simmtm_sk.datasets import load_ett
from simmtm_sk.downstream import STRATEGIES
from simmtm_sk.nn.masking import geometric_mask

every_strategy = pytest.mark.parametrize("strategy", STRATEGIES)
# sktime's composites warn on construction that they will not keep y one day
composites_warn = pytest.mark.filterwarnings("ignore:The default of config ``remember_data``")

# sktime counts the steps of an absolute horizon without the time zone, and so does its warning
zones_warn = pytest.mark.filterwarnings("ignore:Converting to PeriodArray:UserWarning")

MONTHS = pd.period_range("2000-01", periods=72, freq="M")


class CountingMask:
    """Counts the steps of pre-training, one in each; the count is no part of its state."""

    calls = 0

    def __call__(self, *args):
        CountingMask.calls += 1
        return geometric_mask(*args)


@pytest.fixture
def pretrainings():
    """A function that tells how many pre-trainings there were in the test so far."""
    CountingMask.calls = 0
    return lambda: CountingMask.calls


def small(**params):
    """One epoch of one step."""
    given = {
        "encoder": PatchEncoder(patch_length=4, d_model=4, n_layers=1, n_heads=1, d_feedforward=4),
        "num_epochs": 1,
        "projection_dim": 4,
        "batch_size": 1024,
        "validation_fraction": 0.0,
        "masking": CountingMask(),
        "device": "cpu",
    }
    return SimMTMTransformer(**{**given, **params})


def forecaster(**params):
    given = {
        "transformer": small(),
        "strategy": "linear-probe",
        "context_length": 12,
        "num_epochs": 1,
        "random_state": 0,
    }
    return SimMTMForecaster(**{**given, **params})


def values(n=72, period=12, seed=0):
    draw = np.random.default_rng(seed)
    time = np.arange(n)
    return 20 + 0.1 * time + 3 * np.sin(2 * np.pi * time / period) + 0.3 * draw.normal(size=n)


def table(n=72, index=MONTHS):
    """Two columns that have nothing in common."""
    data = {"a": values(n, 12, 0), "b": 1e3 * values(n, 7, 1)}
    return pd.DataFrame(data, index[:n])


def panel(names=("q", "p"), lengths=(72, 60), index=MONTHS):
    """Instances out of order, of unequal length."""
    parts = {
        name: pd.DataFrame({"v": (1 + i) * values(n, 12, i)}, index[:n])
        for i, (name, n) in enumerate(zip(names, lengths, strict=True))
    }
    return pd.concat(parts, names=["id", "time"])


Y = pd.Series(values(), MONTHS, name="y")


def same_weights(one, other):
    pairs = zip(
        one.network_.state_dict().values(), other.network_.state_dict().values(), strict=True
    )
    return all(torch.equal(a, b) for a, b in pairs)


def numbers(container):
    """All values, in order, of any of sktime's containers."""
    if isinstance(container, list):
        return np.concatenate([frame.to_numpy().ravel() for frame in container])
    return np.asarray(container).ravel()


def assert_same(got, expected):
    assert type(got) is type(expected)
    if isinstance(expected, list):
        for one, other in zip(got, expected, strict=True):
            pd.testing.assert_frame_equal(one, other)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(got, expected)
    elif isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(got, expected)
    else:
        np.testing.assert_array_equal(got, expected)


@pytest.fixture(scope="module")
def fitted():
    return forecaster().fit(Y[:60], fh=[1, 2, 3])


# -- strategies -----------------------------------------------------------------------------------


@every_strategy
def test_every_strategy_learns_trend_and_season(strategy):
    estimator = forecaster(strategy=strategy, num_epochs=5).fit(Y[:60], fh=range(1, 13))
    error = np.abs(estimator.predict().to_numpy() - Y[60:].to_numpy()).mean()
    naive = np.abs(Y.iloc[59] - Y[60:].to_numpy()).mean()
    assert error < 0.4 * naive
    assert (estimator.context_length_, estimator.horizon_) == (12, 12)
    assert estimator.choices_["normalization"] in ("last", "mean", "standard")
    assert bool(estimator.history_) == (strategy != "linear-probe")


def test_the_encoder_is_that_of_the_training_part():
    """Pre-trained in fit, it has not seen the held-out part; given, it stays as it is."""
    other = Y.copy()
    other[60:] = values(12, 5, 3)
    one, two = (forecaster(validation_fraction=0.2).fit(y, fh=1) for y in (Y, other))
    assert same_weights(one.transformer_, two.transformer_)
    other[50:] = values(22, 5, 3)
    three = forecaster(validation_fraction=0.2).fit(other, fh=1)
    assert not same_weights(one.transformer_, three.transformer_)


def test_from_scratch_never_pretrains(pretrainings):
    estimator = forecaster(strategy="from-scratch").fit(Y, fh=[1, 2])
    assert pretrainings() == 0
    assert estimator.transformer_.num_epochs == 0
    expected = forecaster(strategy="fine-tune", transformer=small(num_epochs=0)).fit(Y, fh=[1, 2])
    np.testing.assert_array_equal(estimator.predict(), expected.predict())


def test_the_default_context_is_a_third_of_the_shortest_series():
    def context_length(y, fh):
        estimator = forecaster(context_length="auto").fit(y, fh=fh)
        return estimator.context_length_

    assert context_length(Y, [12]) == 20
    assert context_length(panel(), [1, 3]) == 19
    assert context_length(Y[:14], [1]) == 8
    assert context_length(pd.Series(values(1100)), [2]) == 336


def test_airline():
    """Better than last year's values, in a moment, with defaults."""
    y = load_airline()
    estimator = SimMTMForecaster(strategy="linear-probe", random_state=0)
    predicted = estimator.fit(y[:132], fh=range(1, 13)).predict()
    assert np.abs(predicted - y[132:]).mean() < np.abs(y[120:132].to_numpy() - y[132:]).mean()


def test_every_record_is_printed_when_asked_for(capsys):
    forecaster(strategy="fine-tune", num_epochs=3).fit(Y, fh=1)
    assert capsys.readouterr().out == ""
    estimator = forecaster(strategy="fine-tune", num_epochs=3, verbose=1).fit(Y, fh=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(estimator.history_)
    assert all("fine-tuning" in line for line in lines)


# -- containers -----------------------------------------------------------------------------------

DAYS = pd.date_range("2000-01-01", periods=72, freq="D")
INDICES = {
    "periods": MONTHS,
    "days": DAYS,
    "days, inferred": pd.DatetimeIndex(DAYS.values),
    "month ends": pd.date_range("2000-01-31", periods=72, freq="ME"),
    "time zone": pd.date_range("2000-03-20", periods=72, freq="D", tz="Europe/Berlin"),
    "numbers": pd.RangeIndex(72),
    "integers from 5 on": pd.Index(np.arange(5, 77)),
}
every_index = pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)


@zones_warn
@every_index
def test_time_points_follow_those_seen(index):
    y = pd.Series(Y.to_numpy(), index)
    estimator = forecaster().fit(y[:60], fh=[1, 5, 12])
    predicted = estimator.predict()
    assert predicted.index.tolist() == index[[60, 64, 71]].tolist()
    plain = forecaster().fit(Y[:60], fh=[1, 5, 12])
    np.testing.assert_array_equal(predicted, plain.predict())
    interval = estimator.predict_interval(coverage=0.8)
    assert interval.index.tolist() == predicted.index.tolist()
    absolute = ForecastingHorizon(index[[60, 64, 71]], is_relative=False)
    other = forecaster().fit(y[:60], fh=absolute).predict()
    pd.testing.assert_series_equal(other, predicted, check_freq=False)


@zones_warn
def test_an_absolute_horizon_over_a_change_of_the_clock():
    index = pd.date_range("2000-03-23 12:00", periods=72, freq="h", tz="Europe/Berlin")
    assert index[59].utcoffset() != index[71].utcoffset()
    y = pd.Series(Y.to_numpy(), index)
    absolute = ForecastingHorizon(index[[60, 71]], is_relative=False)
    got, expected = (forecaster().fit(y[:60], fh=fh).predict() for fh in (absolute, [1, 12]))
    pd.testing.assert_series_equal(got, expected, check_freq=False)


def test_a_horizon_in_spans_of_time():
    y = pd.Series(Y.to_numpy(), DAYS)
    spans = ForecastingHorizon(pd.TimedeltaIndex(["1D", "3D"]))
    got, expected = (forecaster().fit(y, fh=fh).predict() for fh in (spans, [1, 3]))
    pd.testing.assert_series_equal(got, expected, check_freq=False)


def test_steps_do_not_depend_on_gaps_in_the_horizon():
    whole = forecaster().fit(Y, fh=range(1, 13)).predict()
    some = forecaster().fit(Y, fh=[12, 1, 5]).predict()
    np.testing.assert_allclose(some, whole.iloc[[0, 4, 11]], rtol=1e-6)


def test_single_series_in_all_containers():
    expected = forecaster().fit(Y, fh=[1, 5]).predict()
    assert expected.name == "y"
    for container, kind in (
        (Y.to_frame(), pd.DataFrame),
        (Y.to_numpy(), np.ndarray),
        (Y.to_numpy()[:, None], np.ndarray),
        (Y.to_numpy()[None, None], np.ndarray),
        ([Y.to_frame()], list),
        (pd.concat({"x": Y.to_frame()}, names=["id", "time"]), pd.DataFrame),
    ):
        predicted = forecaster().fit(container, fh=[1, 5]).predict()
        assert type(predicted) is kind
        np.testing.assert_array_equal(numbers(predicted), expected)


def test_panels_in_all_containers():
    y = panel(lengths=(72, 72))
    parts = [y.loc["q"], y.loc["p"]]
    expected = forecaster().fit(y, fh=[1, 5]).predict()
    assert expected.index.tolist() == [
        (name, MONTHS[-1] + step) for name in "qp" for step in (1, 5)
    ]
    array = np.stack([part.to_numpy().T for part in parts])
    in_array = forecaster().fit(array, fh=[1, 5]).predict()
    assert in_array.shape == (2, 1, 2)
    in_list = forecaster().fit(parts, fh=[1, 5]).predict()
    assert [frame.index.tolist() for frame in in_list] == [[MONTHS[-1] + 1, MONTHS[-1] + 5]] * 2
    for predicted in (in_array, in_list):
        np.testing.assert_array_equal(numbers(predicted), numbers(expected))


@every_index
def test_instances_of_unequal_length(index):
    y = panel(index=index)
    predicted = forecaster().fit(y, fh=[1, 3]).predict()
    assert predicted.loc["p"].index.tolist() == index[[60, 62]].tolist()
    assert (predicted.loc["q"].index > index[71]).all()
    rows = [y.loc[name].reset_index(drop=True) for name in "qp"]
    expected = forecaster().fit(rows, fh=[1, 3]).predict()
    np.testing.assert_array_equal(numbers(predicted), numbers(expected))


def test_one_absolute_horizon_for_instances_that_end_at_different_times():
    y = panel(lengths=(62, 60))
    horizon = ForecastingHorizon(MONTHS[[62, 63]], is_relative=False)
    predicted = forecaster().fit(y, fh=horizon).predict()
    expected = forecaster().fit(y, fh=range(1, 5)).predict()
    assert predicted.loc["q"].index.tolist() == predicted.loc["p"].index.tolist()
    np.testing.assert_allclose(predicted.loc["q"], expected.loc["q"][:2])
    np.testing.assert_allclose(predicted.loc["p"], expected.loc["p"][2:])


def test_hierarchies():
    y = _make_hierarchical((2, 2), min_timepoints=30, max_timepoints=40, n_columns=2)
    predicted = forecaster().fit(y, fh=[1, 2]).predict()
    assert predicted.index.names == y.index.names
    assert predicted.columns.tolist() == y.columns.tolist()
    assert predicted.index.droplevel(-1).tolist() == [
        name for name in y.index.droplevel(-1).unique() for _ in range(2)
    ]
    flat = [frame.droplevel([0, 1]) for _, frame in y.groupby(level=[0, 1], sort=False)]
    expected = forecaster().fit(flat, fh=[1, 2]).predict()
    np.testing.assert_array_equal(numbers(predicted), numbers(expected))


@every_strategy
def test_the_order_of_columns_and_instances_means_nothing(strategy):
    """Up to the batches of gradient steps, which there is a single one of here."""
    settings = {"strategy": strategy, "batch_size": 1024, "random_state": 0, "dropout": 0.0}
    if strategy != "from-scratch":  # masks, too, are drawn row by row
        settings["transformer"] = FrozenEstimator(small(random_state=0).fit(Y.to_numpy()[None]))
    y = table()
    one, other = (forecaster(**settings).fit(t, fh=[1, 2]) for t in (y, y[["b", "a"]]))
    np.testing.assert_allclose(one.predict(), other.predict()[["a", "b"]], rtol=1e-4)
    y = panel()
    turned = pd.concat([y.loc[["p"]], y.loc[["q"]]])
    one, other = (forecaster(**settings).fit(t, fh=[1, 2]).predict() for t in (y, turned))
    np.testing.assert_allclose(one, other.loc[["q", "p"]], rtol=1e-4)


@every_strategy
def test_units_mean_nothing(strategy):
    for factor, shift in ((1e5, -3e6), (1e-4, 0.0), (1e200, 0.0), (1e-200, 0.0)):
        plain, scaled = (
            forecaster(strategy=strategy, transformer=small(random_state=0)).fit(y, fh=[1, 4])
            for y in (Y, factor * Y + shift)
        )
        np.testing.assert_allclose(
            scaled.predict(), factor * plain.predict() + shift, rtol=1e-5, atol=1e-4 * factor
        )
        interval, expected = (e.predict_interval().to_numpy() for e in (scaled, plain))
        np.testing.assert_allclose(
            interval, factor * expected + shift, rtol=1e-5, atol=1e-4 * factor
        )


# -- missing values -------------------------------------------------------------------------------


@every_strategy
@pytest.mark.parametrize("where", [slice(0, 20), slice(25, 32), slice(69, 72), slice(0, 72, 5)])
def test_missing_values(strategy, where):
    y = Y.copy()
    y.iloc[where] = np.nan
    y.iloc[40] = Y.iloc[40]
    estimator = forecaster(strategy=strategy).fit(y, fh=[1, 2, 3])
    expected = values(75)[-3:]
    assert np.abs(estimator.predict().to_numpy() - expected).max() < 6
    assert np.isfinite(estimator.predict_interval()).all(axis=None)
    assert estimator.predict().index[0] == MONTHS[-1] + 1


def test_values_missing_in_front_are_as_if_they_were_not_there():
    padded = pd.concat([pd.Series(np.nan, pd.period_range("1999-01", "1999-12", freq="M")), Y])
    one, other = (forecaster(transformer=small(random_state=0)).fit(y, fh=1) for y in (padded, Y))
    # the held-out fifth begins elsewhere, so only up to the choices
    np.testing.assert_allclose(one.predict(), other.predict(), rtol=0.05)


def test_where_a_whole_context_is_missing_the_last_value_is_continued():
    y = Y.copy()
    y[40:] = np.nan
    estimator = forecaster().fit(y, fh=[1, 2, 3])
    np.testing.assert_array_equal(estimator.predict(), np.full(3, Y.iloc[39]))
    interval = estimator.predict_interval(coverage=0.9)
    assert (interval.iloc[:, 0] < interval.iloc[:, 1]).all()
    rolled = estimator.predict_rolling(y, origins=[72, 55])
    np.testing.assert_array_equal(rolled, np.full((2, 3, 1), Y.iloc[39]))
    front = np.r_[np.full(20, np.nan), Y.to_numpy()]
    assert np.isnan(estimator.predict_rolling(front, origins=[20])).all()
    assert np.isfinite(estimator.predict_rolling(front, origins=[21])).all()


@every_strategy
def test_constant_series_are_continued(strategy):
    y = pd.DataFrame({"a": np.full(72, 7.25), "b": Y.to_numpy()}, MONTHS)
    predicted = forecaster(strategy=strategy).fit(y, fh=[1, 2]).predict()
    assert predicted["a"].tolist() == [7.25, 7.25]
    alone = forecaster(strategy=strategy).fit(y[["a"]], fh=[1, 2])
    assert alone.predict()["a"].tolist() == [7.25, 7.25]
    assert (alone.predict_interval() == 7.25).all(axis=None)


@every_strategy
def test_a_series_that_begins_to_move_in_its_held_out_part(strategy):
    y = np.r_[np.zeros(60), 5 * np.sin(np.arange(20))]
    estimator = forecaster(strategy=strategy).fit(y, fh=[1, 2])
    assert np.abs(estimator.predict()).max() < 20
    assert np.isfinite(estimator.predict_interval()).all(axis=None)


# -- reproducible ---------------------------------------------------------------------------------


@every_strategy
def test_the_same_random_state_gives_the_same_bits(strategy):
    expected = forecaster(strategy=strategy).fit(Y, fh=[1, 2])
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(9)
    random.seed(5)
    state = random.getstate()
    again = clone(expected).fit(Y, fh=[1, 2])
    np.testing.assert_array_equal(again.predict(), expected.predict())
    np.testing.assert_array_equal(again.predict_interval(), expected.predict_interval())
    assert np.random.randint(1000) == np.random.RandomState(0).randint(1000)  # noqa: NPY002
    assert torch.initial_seed() == 9
    assert random.getstate() == state
    again.fit(Y[10:], fh=1)
    np.testing.assert_array_equal(again.fit(Y, fh=[1, 2]).predict(), expected.predict())
    other = forecaster(strategy=strategy, random_state=1).fit(Y, fh=[1, 2])
    assert not same_weights(other.transformer_, expected.transformer_)


# -- going on -------------------------------------------------------------------------------------


@every_strategy
def test_an_update_without_training_forecasts_from_the_new_points(strategy):
    estimator = forecaster(strategy=strategy).fit(table(50), fh=[1, 3])
    heads = copy.deepcopy(estimator.forecast_.state_dict())
    rolled = estimator.predict_rolling(table(), origins=[50, 57, 72])
    for k, (start, origin) in enumerate(((50, 50), (50, 57), (57, 72))):
        if origin > start:
            estimator.update(table()[start:origin], update_params=False)
        predicted = estimator.predict()
        np.testing.assert_allclose(rolled[k], predicted, rtol=1e-6)
        last = table()[:origin].index[-1]
        assert predicted.index.tolist() == [last + 1, last + 3]
    for name, value in estimator.forecast_.state_dict().items():
        assert torch.equal(value, heads[name])


def test_updates_of_a_panel():
    y = panel(lengths=(72, 72))
    at = y.index.get_level_values(1)
    estimator = forecaster().fit(y[at < MONTHS[60]], fh=[1, 2])
    expected = {}
    for name in "qp":
        single = forecaster().fit(y.loc[name][:60], fh=[1, 2])
        single.forecast_ = estimator.forecast_
        expected[name] = single.update(y.loc[name][60:], update_params=False).predict()
    estimator.update(y[at >= MONTHS[60]], update_params=False)
    predicted = estimator.predict()
    assert predicted.index.get_level_values(0).tolist() == ["q", "q", "p", "p"]
    for name in "qp":
        np.testing.assert_allclose(predicted.loc[name], expected[name], rtol=1e-6)


def test_intervals_stay_with_their_instances_in_an_update():
    """An interval's width is in units of the instance's own variation."""
    y = panel(names=("z", "a"), lengths=(72, 72))
    y.loc["z"] *= 1e4
    at = y.index.get_level_values(1)
    estimator = forecaster().fit(y[at < MONTHS[60]], fh=[1])
    before = np.diff(estimator.predict_interval(), axis=1).ravel()
    after = np.diff(
        estimator.update(y[at >= MONTHS[60]], update_params=False).predict_interval(), axis=1
    ).ravel()
    np.testing.assert_allclose(after / before, 1, atol=0.5)


def test_a_part_of_the_instances_may_go_on():
    y = panel(lengths=(72, 60))
    late = y.loc[["q"]][60:]
    early = y.drop(late.index)
    estimator = forecaster().fit(early, fh=[1])
    before = estimator.predict()
    predicted = estimator.update(late, update_params=False).predict()
    assert predicted.index.tolist() == [("q", MONTHS[-1] + 1), ("p", MONTHS[60])]
    np.testing.assert_array_equal(predicted.loc["p"], before.loc["p"])


@every_strategy
def test_an_update_with_training_changes_the_heads(strategy):
    estimator = forecaster(strategy=strategy).fit(Y[:50], fh=[1, 2])
    heads = copy.deepcopy(estimator.forecast_.state_dict())
    estimator.update(Y[50:])
    assert not torch.equal(estimator.forecast_.state_dict()["window_head.weight"], heads["window_head.weight"])  # fmt: skip # noqa: E501
    assert estimator.cutoff[0] == MONTHS[-1]
    if strategy == "linear-probe":  # the encoder is kept, and all else as if fitted at once
        given = FrozenEstimator(estimator.transformer_)
        expected = forecaster(transformer=given).fit(Y, fh=[1, 2])
        np.testing.assert_allclose(estimator.predict(), expected.predict(), rtol=1e-5)


def test_a_gap_before_an_update_is_missing_values():
    y = Y.copy()
    y[50:55] = np.nan
    estimator = forecaster().fit(Y[:50], fh=[1])
    expected = estimator.predict_rolling(y, origins=[72]).ravel()
    predicted = estimator.update(Y[55:], update_params=False).predict()
    np.testing.assert_allclose(predicted, expected, rtol=1e-6)


UPDATES = {
    "infinity": (lambda: table()[60:] * np.inf, "infinity"),
    "text": (lambda: table()[60:].astype(str), "categorical"),
    "other columns": (lambda: table()[60:].rename(columns={"a": "x"}), "has the columns"),
    "columns turned": (lambda: table()[60:][["b", "a"]], "has the columns"),
    "a column less": (lambda: table()[60:][["a"]], "has the columns"),
    "a series": (lambda: table()["a"][60:], "has the columns"),
    "an array": (lambda: table()[60:].to_numpy(), "has the columns"),
    "a panel": (lambda: pd.concat({"x": table()[60:]}, names=["id", "time"]), "index level"),
    "another frequency": (lambda: table()[60:].to_timestamp(), None),
    "irregular": (lambda: table().to_timestamp()[60:].iloc[[0, 1, 5]], None),
}


@pytest.mark.parametrize("update_params", [False, True])
@pytest.mark.parametrize(("new", "message"), UPDATES.values(), ids=UPDATES)
def test_an_update_that_fails_changes_nothing(new, message, update_params):
    estimator = forecaster().fit(table(60), fh=[1, 2])
    before = estimator.predict(), estimator.predict_interval(), estimator.cutoff
    with pytest.raises((ValueError, TypeError), match=message):
        estimator.update(new(), update_params=update_params)
    assert_same(estimator.predict(), before[0])
    assert_same(estimator.predict_interval(), before[1])
    assert estimator.cutoff.equals(before[2])
    estimator.update(table()[60:], update_params=False)
    np.testing.assert_allclose(
        estimator.predict(), estimator.predict_rolling(table(), [72])[0], rtol=1e-6
    )


@pytest.mark.parametrize("names", ["r", "qr", "qpr"])
def test_new_instances_need_a_fit(names):
    estimator = forecaster().fit(panel(), fh=[1])
    before = estimator.predict()
    new = panel(names, (72,) * len(names)).groupby(level=0, sort=False).tail(5)
    with pytest.raises(ValueError, match="the instances that the forecaster was fitted on"):
        estimator.update(new)
    assert_same(estimator.predict(), before)


def test_an_absolute_horizon_that_is_past():
    horizon = ForecastingHorizon(MONTHS[60:66], is_relative=False)
    estimator = forecaster().fit(Y[:60], fh=horizon)
    before = estimator.predict()
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.update(Y[60:63])
    assert_same(estimator.predict(), before)
    estimator.update(Y[60:63], update_params=False)
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.predict()
    with pytest.raises(NotImplementedError, match="in-sample"):
        estimator.predict_rolling(Y)


# -- from many origins ----------------------------------------------------------------------------


def test_rolling_over_all_origins():
    estimator = forecaster().fit(table(60), fh=[1, 3])
    rolled = estimator.predict_rolling(table())
    assert rolled.shape == (72 - 12 - 3 + 1, 2, 2)
    np.testing.assert_array_equal(rolled, estimator.predict_rolling(table(), np.arange(12, 70)))
    np.testing.assert_array_equal(rolled, estimator.predict_rolling(table().to_numpy()))
    assert estimator.cutoff[0] == MONTHS[59]
    np.testing.assert_array_equal(estimator.predict_rolling(table(), 12), rolled[:1])
    # also from less than a whole context
    assert np.isfinite(estimator.predict_rolling(table(), [1, 5])).all()
    assert estimator.predict_rolling(table(14)).shape == (0, 2, 2)


def test_rolling_only_looks_back(fitted):
    other = Y.copy()
    other[50:] = 0.0
    one, two = (fitted.predict_rolling(y, origins=range(1, 51)) for y in (Y, other))
    np.testing.assert_array_equal(one, two)


def test_rolling_on_what_does_not_fit(fitted):
    two = forecaster().fit(table(), fh=[1])
    for y, message in (
        (table(), r"y has 2 column\(s\), but the forecaster was fitted on 1"),
        (Y.replace(Y.iloc[3], np.inf), "infinity"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted.predict_rolling(y)
    with pytest.raises(ValueError, match=r"y has the columns \['b', 'a'\], .* \['a', 'b'\]"):
        two.predict_rolling(table()[["b", "a"]])
    for origins in ([0], [73], [-1, 5]):
        with pytest.raises(ValueError, match="origins must lie between 1 and 72"):
            fitted.predict_rolling(Y, origins)
    with pytest.raises(ValueError, match="single series"):
        forecaster().fit(panel(), fh=[1]).predict_rolling(Y)
    with pytest.raises(NotFittedError):
        forecaster().predict_rolling(Y)


# -- intervals ------------------------------------------------------------------------------------


@every_strategy
def test_quantiles_are_ordered_and_hold_the_forecast(strategy):
    estimator = forecaster(strategy=strategy, num_epochs=4).fit(table(), fh=[1, 2, 6])
    levels = [0.01, 0.1, 0.5, 0.9, 0.99]
    quantiles = estimator.predict_quantiles(alpha=levels)
    predicted = estimator.predict()
    assert quantiles.columns.tolist() == [(name, level) for name in "ab" for level in levels]
    for name in "ab":
        block = quantiles[name].to_numpy()
        assert (np.diff(block, axis=1) >= 0).all()
        assert ((block[:, 0] <= predicted[name]) & (predicted[name] <= block[:, -1])).all()
    interval = estimator.predict_interval(coverage=[0.5, 0.8, 0.98])
    for name in "ab":
        width = [
            (interval[name, c, "upper"] - interval[name, c, "lower"]).to_numpy()
            for c in (0.5, 0.8, 0.98)
        ]
        assert (np.diff(width, axis=0) >= 0).all()
        np.testing.assert_allclose(interval[name, 0.8, "upper"], quantiles[name, 0.9])


@pytest.mark.parametrize("gaps", [False, True])
def test_quantiles_are_those_of_errors_on_held_out_windows(gaps):
    """In a unit between the variation of the context and that of the training part."""
    y = table()
    if gaps:
        y.iloc[64:70, 0] = np.nan
    estimator = forecaster(validation_fraction=0.25).fit(y, fh=[1, 3])
    predicted, levels = estimator.predict(), [0.1, 0.6]
    quantiles = estimator.predict_quantiles(alpha=levels)
    for name in "ab":
        context, seen = y[name].to_numpy()[-12:], y[name].to_numpy()[:54]
        unit = np.sqrt((np.nanstd(context) ** 2 + np.nanstd(seen) ** 2) / 2)
        for k, step in enumerate((1, 3)):
            errors = estimator.residuals_[:, step - 1]
            errors = np.quantile(errors[np.isfinite(errors)], levels, method="weibull")
            expected = predicted[name].iloc[k] + unit * errors
            np.testing.assert_allclose(quantiles[name].iloc[k], expected)


def test_a_column_with_many_errors_has_intervals_of_its_own():
    """One column is far noisier in its held-out part than its past tells, the other is not."""
    draw = np.random.default_rng(0)
    noise = draw.normal(size=(600, 2))
    noise[450:, 0] *= 10
    estimator = forecaster(validation_fraction=0.25).fit(pd.DataFrame(noise), fh=[1])
    lower, upper = estimator.predict_interval(coverage=0.8).to_numpy().reshape(2, 2).T
    assert (upper - lower)[0] > 3 * (upper - lower)[1]


def coverage(estimator, y, origins, level=0.9):
    """Share of what follows the origins that lies in the intervals from there."""
    estimator = copy.deepcopy(estimator)
    steps = estimator.fh.to_numpy() - 1
    hits, seen = [], len(estimator._cur_y)
    for origin in origins:
        if origin > seen:
            estimator.update(y[seen:origin], update_params=False)
            seen = origin
        bounds = estimator.predict_interval(coverage=level).to_numpy()
        bounds = bounds.reshape(len(steps), -1, 2)
        truth = y.to_numpy().reshape(len(y), -1)[origin + steps]
        hits.append((bounds[..., 0] <= truth) & (truth <= bounds[..., 1]))
    return np.mean(hits)


@pytest.mark.parametrize("strategy", ["linear-probe", "fine-tune"])
def test_intervals_cover_what_they_say(strategy):
    draw = np.random.default_rng(0)
    shocks = draw.normal(size=(900, 2))
    noise = np.zeros_like(shocks)
    for t in range(1, 900):
        noise[t] = 0.7 * noise[t - 1] + shocks[t]
    season = 5 * np.sin(2 * np.pi * np.arange(900) / 12)[:, None]
    y = pd.DataFrame((season + noise) * [1, 100], columns=["a", "b"])
    estimator = forecaster(strategy=strategy).fit(y[:700], fh=[1, 4, 12])
    for level in (0.9, 0.5):
        share = coverage(estimator, y, range(700, 888, 3), level)
        assert level - 0.1 < share < level + 0.07


HOME = Path(
    os.environ.get("SIMMTM_DATA_HOME") or Path(__file__).resolve().parents[2] / "shared" / "data"
)


@pytest.mark.slow
@pytest.mark.skipif(not (HOME / "ETT/ETTh1.csv").is_file(), reason=f"there is no ETTh1 in {HOME}")
@pytest.mark.parametrize("context_length", [96, 336])
def test_intervals_cover_the_test_months_of_etth1(context_length):
    """A year of training, four months held out, and the four months after them."""
    bunch = load_ett("ETTh1", data_home=HOME)
    y = pd.DataFrame(bunch.data, bunch.index, bunch.feature_names)[: 20 * 30 * 24]
    estimator = SimMTMForecaster(
        transformer=small(num_epochs=0, random_state=0),
        strategy="linear-probe",
        context_length=context_length,
        validation_fraction=0.25,
        random_state=0,
    ).fit(y[: 16 * 30 * 24], fh=[1, 24, 96, 192])
    share = coverage(estimator, y, range(16 * 30 * 24, 20 * 30 * 24 - 192, 61))
    assert 0.85 < share < 0.95


# -- pre-training survives ------------------------------------------------------------------------


def pretrained(**params):
    return forecaster(**params).pretrain(panel())


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
        np.testing.assert_array_equal(one.predict(), results[0].predict())
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


# -- saving ---------------------------------------------------------------------------------------

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
    if not isinstance(seen(), list) and estimator._cur_y.index.nlevels == 1:
        long = np.tile(np.asarray(seen()), (2, 1)) if np.ndim(seen()) > 1 else np.asarray(seen())
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
    with pytest.raises(RuntimeError, match=name.removeprefix("forecast.")):
        forecaster()._restore_state(state, tensors)


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


# -- errors, before any work ----------------------------------------------------------------------


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
    for transformer in (long, FrozenEstimator(long)):
        estimator = forecaster(transformer=transformer, context_length=12)
        with pytest.raises(ValueError, match=r"patches of 16 points .* larger context_length"):
            getattr(estimator, method)(panel(), fh=[1])
    assert pretrainings() == 0
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
    both = small(encoder=ConvEncoder(d_model=4, n_layers=1)).fit(table().to_numpy().T[None])
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


def test_before_fit():
    for method in ("predict", "predict_interval", "save"):
        with pytest.raises(NotFittedError, match="SimMTMForecaster has not been fitted"):
            getattr(forecaster(), method)()
    with pytest.raises(NotFittedError, match="SimMTMForecaster has not been fitted"):
        pretrained().predict(fh=[1])
