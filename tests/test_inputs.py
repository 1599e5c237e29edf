"""Untidy inputs at the public methods: used as they are meant, or refused with what mends them."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMClassifier, SimMTMRegressor, load, save
from tests.data.test_labels import GIVEN
from tests.small import small

rng = np.random.default_rng(0)
KINDS = np.arange(24) % 2
X = rng.normal(size=(24, 2, 18)) + 3 * KINDS[:, None, None] * np.array([[1.0], [0.0]])
CLASSES = {name: given for name, given in GIVEN.items() if len(given[1]) == 2}
PATCH = PatchEncoder(patch_length=3, d_model=4, n_layers=1, n_heads=1, d_feedforward=4)


def untrained(**params):
    return small(**{"num_epochs": 0, "pooling": ("max", "std", "scale"), **params})


def classifier(**params):
    given = {"transformer": untrained(), "head": "ridge", "random_state": 0}
    return SimMTMClassifier(**{**given, **params})


def regressor(**params):
    return SimMTMRegressor(**{"transformer": untrained(), "random_state": 0, **params})


def panel(values, names=("acc", "gyr")):
    frames = [pd.DataFrame(x.T, columns=names[: len(x)]) for x in values]
    return pd.concat(frames, keys=range(len(values)), names=["id", "time"])


def shuffled(frame):
    rows = frame.sample(frac=1, random_state=0)
    return rows.sort_index(level=0, sort_remaining=False, kind="stable")


# -- time and channels ----------------------------------------------------------------------------

ESTIMATORS = {"transform": untrained, "predict_proba": classifier, "predict": regressor}


@pytest.mark.parametrize("method", ESTIMATORS)
def test_order_of_rows_and_columns_does_not_matter(method):
    estimator = ESTIMATORS[method]().fit(panel(X), KINDS)
    expected = getattr(estimator, method)(panel(X))
    assert estimator.feature_names_in_.tolist() == ["acc", "gyr"]
    for given in (shuffled(panel(X)), panel(X)[["gyr", "acc"]], X, list(X)):
        np.testing.assert_array_equal(getattr(estimator, method)(given), expected)
    again = ESTIMATORS[method]().fit(shuffled(panel(X)), KINDS)
    np.testing.assert_array_equal(getattr(again, method)(panel(X)), expected)


@pytest.mark.parametrize("method", ESTIMATORS)
@pytest.mark.parametrize("encoder", [ConvEncoder(d_model=4, n_layers=1), PATCH])
def test_other_names_are_refused_with_both_lists(method, encoder):
    given = {} if method == "transform" else {"transformer": untrained(encoder=encoder)}
    estimator = ESTIMATORS[method](**given).fit(panel(X), KINDS)
    for other in (
        panel(X).rename(columns={"acc": "mag"}),
        panel(X)[["gyr"]],
        panel(X).assign(mag=0.5),
    ):
        with pytest.raises(ValueError, match=r"X has the channels .*\['acc', 'gyr'\] are needed"):
            getattr(estimator, method)(other)


@pytest.mark.parametrize("make", [classifier, regressor])
@pytest.mark.parametrize("encoder", [ConvEncoder(d_model=4, n_layers=1), PATCH])
def test_a_head_needs_the_channels_of_fit(make, encoder):
    estimator = make(transformer=untrained(encoder=encoder)).fit(X, KINDS)
    for other, n in ((X[:, :1], 1), (np.concatenate([X, X], 1), 4)):
        with pytest.raises(ValueError, match=rf"X has {n} channel.* was fitted on 2; its head"):
            estimator.predict(other)


def test_names_survive_a_file(tmp_path):
    for estimator, method in ((untrained(), "transform"), (classifier(), "predict_proba")):
        fitted = estimator.fit(panel(X), KINDS)
        loaded = load(save(fitted, tmp_path / method))
        assert loaded.feature_names_in_.tolist() == ["acc", "gyr"]
        assert (loaded.n_channels_, loaded.length_, loaded.n_features_in_) == (2, 18, 2)
        swapped = getattr(loaded, method)(panel(X)[["gyr", "acc"]])
        np.testing.assert_array_equal(swapped, getattr(fitted, method)(panel(X)))


def test_channels_are_put_in_the_order_of_a_frozen_transformer():
    frozen = FrozenEstimator(untrained().fit(panel(X)))
    expected = classifier(transformer=frozen).fit(panel(X), KINDS).predict_proba(X)
    swapped = classifier(transformer=frozen).fit(panel(X)[["gyr", "acc"]], KINDS)
    np.testing.assert_array_equal(swapped.predict_proba(X), expected)
    with pytest.raises(ValueError, match=r"missing are \['acc'\]"):
        classifier(transformer=frozen).fit(panel(X, ("mag", "gyr")), KINDS)


def test_columns_of_a_table_keep_their_names():
    table = pd.DataFrame(X[:, 0]).add_prefix("t")
    for estimator, method in ((classifier(), "predict_proba"), (regressor(), "predict")):
        fitted = estimator.fit(table, KINDS)
        assert fitted.n_features_in_ == 18
        moved = getattr(fitted, method)(table[table.columns[::-1]])
        np.testing.assert_array_equal(moved, getattr(fitted, method)(table))
        with pytest.raises(ValueError, match="are needed"):
            getattr(fitted, method)(table.rename(columns={"t3": "u3"}))


def test_reconstructions_are_of_the_sorted_series():
    fitted = untrained().fit(panel(X))
    left_out = np.arange(18) == 7
    gaps = np.where(left_out, np.nan, X)
    rows = shuffled(panel(X))
    rows = rows[rows.index.get_level_values("time") != 7]
    np.testing.assert_array_equal(fitted.reconstruct(rows), fitted.reconstruct(gaps))
    np.testing.assert_array_equal(fitted.similarity(rows), fitted.similarity(gaps))
    assert fitted.score(rows) == fitted.score(gaps)


# -- labels ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "classes", "dtype", "codes"), CLASSES.values(), ids=CLASSES)
def test_labels_survive_everything(given, classes, dtype, codes, tmp_path):
    labels = [given[codes.index(k)] if hasattr(given, "dtype") else classes[k] for k in KINDS]
    if isinstance(given, np.ndarray) and given.dtype != object:
        labels = np.array(labels, dtype)
    fitted = classifier().fit(X, labels)
    assert fitted.classes_.dtype == np.dtype(dtype) or dtype == "object"
    loaded = load(save(fitted, tmp_path / "model"))
    for estimator in (fitted, loaded):
        predicted = estimator.predict(X)
        assert predicted.tolist() == [classes[k] for k in KINDS]
        assert predicted.dtype == estimator.classes_.dtype == fitted.classes_.dtype
        assert estimator.score(X, labels) == 1


def test_scores_leave_unlabelled_series_out():
    fitted = classifier(unlabelled=-1).fit(X, KINDS)
    for unknown in (-1, None, np.nan, pd.NA):
        labels = [unknown if i < 6 else 1 - k if i < 9 else k for i, k in enumerate(KINDS.tolist())]
        assert fitted.score(X, labels) == 15 / 18
        weights = np.where(np.arange(24) < 12, 0, 1)
        assert fitted.score(X, labels, sample_weight=weights) == 1
    with pytest.raises(ValueError, match="every entry marks"):
        fitted.score(X, [-1] * 24)
    with pytest.raises(ValueError, match="X has 24 series, but y has 23 labels"):
        fitted.score(X, KINDS[:-1])
    target = X.mean((1, 2))
    numbers = regressor().fit(X, target)
    known = np.where(np.arange(24) < 6, np.nan, target)
    assert numbers.score(X, known) == numbers.score(X[6:], target[6:])


# -- what is announced ----------------------------------------------------------------------------


LONG = panel(X).reset_index()
ANNOUNCED = {
    "exchanged axes": (X.swapaxes(1, 2)[:, :, :1], r"18 channels and 1 time points.*transpose"),
    "single points": (X[:, 0].reshape(-1, 1)[:24], r"24 series of a single time point"),
    "a row for every time point": (LONG, r"X.set_index\(\['id', 'time'\]\) is right"),
    "time among channels": (
        panel(X).assign(clock=np.tile(np.arange(18) * 60 + 10**9, 24)),
        "column 'clock' of X looks like time",
    ),
}


@pytest.mark.parametrize(("given", "message"), ANNOUNCED.values(), ids=ANNOUNCED)
@pytest.mark.parametrize("make", [untrained, regressor])
def test_likely_misreadings_are_announced(make, given, message):
    n_series = len(LONG) if given is LONG else 24
    with pytest.warns(UserWarning, match=message):
        make().fit(given, np.arange(n_series, dtype=float))


def test_tidy_inputs_are_not_announced():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in (X, list(X), panel(X), X[:, 0], pd.DataFrame(X[:, 0])):
            classifier().fit(given, KINDS)
        counted = panel(X).assign(steps=rng.poisson(3, 24 * 18).cumsum())  # it grows, but unevenly
        untrained().fit(counted)


def test_labels_in_another_order_than_their_series_are_announced():
    table = pd.DataFrame(X[:, 0], index=[f"s{i}" for i in range(24)])
    labels = pd.Series(KINDS, index=table.index)
    classifier().fit(table, labels)
    with pytest.warns(UserWarning, match="index of y has the series of X in another order"):
        classifier().fit(table, labels[::-1])


def test_a_fitted_transformer_is_not_trained_anew_in_silence():
    for make in (classifier, regressor):
        with pytest.warns(UserWarning, match=r"fitted already.*FrozenEstimator\(transformer\)"):
            make(transformer=untrained().fit(X)).fit(X, KINDS)


# -- scikit-learn's tools -------------------------------------------------------------------------


def test_the_default_transformer_can_be_tuned():
    for make in (SimMTMClassifier, SimMTMRegressor):
        estimator = make(random_state=0).set_params(transformer__mask_ratio=0.3)
        assert estimator.transformer.mask_ratio == 0.3
        assert make(random_state=0).transformer is None
    grid = {"transformer__num_epochs": [0], "transformer__pooling": [("max",), ("std",)]}
    search = GridSearchCV(SimMTMClassifier(head="ridge", random_state=0), grid, cv=2).fit(X, KINDS)
    assert search.best_params_["transformer__pooling"] in (("max",), ("std",))
    assert search.best_estimator_.transformer.num_epochs == 0


def test_estimators_have_a_hash_that_agrees_with_equality():
    assert untrained() == untrained()
    assert hash(untrained()) == hash(untrained())
    assert len({untrained(), untrained(), classifier()}) == 2


def test_column_transformer_with_pandas_output():
    table = pd.DataFrame(X[:, 0]).add_prefix("t")
    parts = ColumnTransformer([("series", untrained(), slice(0, 18))])
    embedding = parts.set_output(transform="pandas").fit_transform(table)
    np.testing.assert_array_equal(embedding, untrained().fit_transform(X[:, 0]))
