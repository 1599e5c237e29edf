"""The imputer as its users meet it: containers, gaps of all kinds, weights, artifacts."""

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from simmtm_sk import ArtifactError, SimMTMImputer, SimMTMTransformer, load
from tests.persistence.edited import edit
from tests.small import small

N, C, LENGTH = 24, 2, 60


def waves(n=N, length=LENGTH, seed=0):
    """Two channels, of which one follows the other; phases differ by series."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / 4 + rng.uniform(0, 6, (n, 1))
    noise = 0.02 * rng.normal(size=(n, C, length))
    return np.stack([np.sin(time), 5 + 2 * np.cos(time)], 1) + noise


def gappy(X, share=0.2, seed=1):
    hidden = np.random.default_rng(seed).random(X.shape) < share
    return np.where(hidden, np.nan, X), hidden


@pytest.fixture(scope="module")
def fitted():
    return SimMTMImputer().fit(waves())


def test_better_than_straight_lines(fitted):
    X = waves(seed=5)
    given, hidden = gappy(X)
    lines = np.stack([pd.DataFrame(x.T).interpolate(limit_direction="both").T for x in given])
    error = np.mean((fitted.transform(given) - X)[hidden] ** 2)
    assert error < 0.3 * np.mean((lines - X)[hidden] ** 2)


def test_observed_values_stay(fitted):
    given, hidden = gappy(waves(seed=5))
    filled = fitted.transform(given)
    np.testing.assert_array_equal(filled[~hidden], given[~hidden])
    assert np.isfinite(filled).all()


def test_what_is_hidden_does_not_matter(fitted):
    """Values behind a gap cannot leak: they are not there."""
    given, _ = gappy(waves(seed=5))
    before = given.copy()
    fitted.transform(given)
    np.testing.assert_array_equal(given, before)


def test_whole_channel_and_both_ends(fitted):
    X = waves(4, seed=6)
    given = X.copy()
    given[0, 1] = np.nan
    given[1, :, :9] = np.nan
    given[2, :, -9:] = np.nan
    filled = fitted.transform(given)
    assert np.isfinite(filled).all()
    # the other channel says where this one is
    assert np.mean((filled[0, 1] - X[0, 1]) ** 2) < 0.5 * X[0, 1].var()


def test_series_do_not_depend_on_each_other(fitted):
    given, _ = gappy(waves(seed=5))
    alone = np.concatenate([fitted.transform(x[None]) for x in given])
    np.testing.assert_allclose(fitted.transform(given), alone, atol=1e-8)


def test_one_long_series():
    X = waves(1, 600)
    given, hidden = gappy(X)
    given[0, 0, 200:230] = np.nan
    filled = SimMTMImputer().fit_transform(given)
    assert np.abs(filled - X).max() < 0.5
    assert np.mean((filled - X)[hidden] ** 2) < 0.01


def test_long_gaps_follow_the_season():
    rng = np.random.default_rng(0)
    X = np.tile(rng.normal(size=24), 60)[None, None] + 0.05 * rng.normal(size=(1, 1, 1440))
    given = X.copy()
    given[..., 700:820] = np.nan  # longer than all windows
    imputer = SimMTMImputer().fit(X)
    assert imputer.periods_ == [24]
    assert np.mean((imputer.transform(given) - X)[..., 700:820] ** 2) < 0.15  # of 1


def test_std_grows_with_the_gap_and_is_honest():
    walks = np.random.default_rng(8).normal(size=(90, 1, LENGTH)).cumsum(2)
    X = walks[:60]
    given = X.copy()
    given[:, :, 20:40] = np.nan
    imputer = SimMTMImputer().fit(walks[60:])
    std = imputer.transform_std(given)[:, 0, 20:40]
    assert (std[:, 8:12].min(1) > std[:, [0, 19]].max(1)).all()
    within = np.abs(imputer.transform(given) - X)[:, 0, 20:40] < 2 * std
    assert 0.85 < within.mean() < 0.99


@pytest.mark.parametrize("scale", [1e-20, 1e20])
def test_units_do_not_matter(fitted, scale):
    given, _ = gappy(waves(seed=5))
    other = SimMTMImputer().fit(waves() * scale).transform(given * scale)
    np.testing.assert_allclose(other / scale, fitted.transform(given), rtol=1e-5, atol=1e-7)


def test_same_bits_twice():
    given, _ = gappy(waves())
    first, second = (SimMTMImputer().fit_transform(given) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_positive_and_skewed_values_stay_positive():
    X = np.exp(2 * waves(seed=2)[:, :1])
    given, _ = gappy(X, 0.4)
    assert SimMTMImputer().fit(X).transform(given).min() > 0


def test_training_series_may_have_gaps():
    given, _ = gappy(waves(), 0.3, seed=3)
    X = waves(seed=5)
    hidden_given, hidden = gappy(X)
    error = np.mean((SimMTMImputer().fit(given).transform(hidden_given) - X)[hidden] ** 2)
    assert error < 0.02


def test_more_channels_than_a_window_holds():
    rng = np.random.default_rng(0)
    factor = np.cumsum(rng.normal(size=(1, 3, 400)), -1)
    X = np.einsum("cf,nft->nct", rng.normal(size=(50, 3)), factor)
    given, hidden = gappy(X, 0.1)
    imputer = SimMTMImputer().fit(X)
    error = np.mean((imputer.transform(given) - X)[hidden] ** 2)
    assert error < 0.05 * X.var()


# -- containers -----------------------------------------------------------------------------------


def as_multiindex(X):
    index = pd.MultiIndex.from_product([range(len(X)), pd.date_range("2024", periods=X.shape[2])])
    return pd.DataFrame(X.swapaxes(1, 2).reshape(-1, X.shape[1]), index, ["a", "b"])


def test_panel_frame_keeps_index_columns_and_order(fitted):
    given, _ = gappy(waves(seed=5))
    frame = as_multiindex(given).sample(frac=1, random_state=0)
    filled = SimMTMImputer().fit(as_multiindex(waves())).transform(frame[["b", "a"]])
    assert filled.index.equals(frame.index)
    assert list(filled.columns) == ["b", "a"]
    wanted = as_multiindex(fitted.transform(given))
    pd.testing.assert_frame_equal(filled.sort_index()[["a", "b"]], wanted)


def test_rows_left_out_are_gaps_but_are_not_added():
    X = as_multiindex(waves())
    given = X.copy()
    given.iloc[30:33] = np.nan
    given.iloc[33, 0] = np.nan
    imputer = SimMTMImputer().fit(X)
    filled = imputer.transform(given.drop(given.index[30:33]))
    assert len(filled) == len(X) - 3
    assert filled.iloc[30, 0] == pytest.approx(imputer.transform(given).iloc[33, 0])


def test_lists_end_where_they_end(fitted):
    series = [x[:, : 40 + i] for i, x in enumerate(waves(seed=5))]
    given = [gappy(x, seed=i)[0] for i, x in enumerate(series)]
    given[0][:, -4:] = np.nan
    filled = fitted.transform(given)
    assert [x.shape for x in filled] == [x.shape for x in series]
    assert all(np.isfinite(x).all() for x in filled)


def test_padding_is_no_gap():
    """In an array, everything is: series have one length there."""
    X = waves()[:, :1]
    given = X.copy()
    given[0, 0, 50:] = np.nan
    assert np.isfinite(SimMTMImputer().fit_transform(given)).all()


def test_table_and_float32():
    X = waves()[:, 0].astype(np.float32)
    given, _ = gappy(X)
    filled = SimMTMImputer().fit(X).transform(given)
    assert filled.shape == X.shape
    assert filled.dtype == np.float32
    frame = pd.DataFrame(given, columns=[f"t{i}" for i in range(LENGTH)])
    named = SimMTMImputer().fit(frame)
    assert list(named.transform(frame).columns) == list(frame.columns)
    assert list(named.get_feature_names_out()) == list(frame.columns)


def test_one_series_with_dates():
    index = pd.date_range("2024", periods=400, freq="h", name="when")
    X = pd.DataFrame({"a": np.sin(np.arange(400) / 4), "count": np.arange(400) % 7}, index)
    given = X.copy()
    given.iloc[50:55, 0] = np.nan
    filled = SimMTMImputer().fit_transform(given)
    assert filled.index.equals(index)
    assert filled["count"].dtype == X["count"].dtype  # nothing was missing
    assert np.abs(filled["a"] - X["a"]).max() < 0.05
    series = SimMTMImputer().fit_transform(given["a"])
    assert isinstance(series, pd.Series)
    assert series.name == "a"
    assert series.notna().all()


def test_nested_cells():
    given, _ = gappy(waves())
    cells = pd.DataFrame({"a": [pd.Series(x[0]) for x in given], "b": [x[1] for x in given]})
    filled = SimMTMImputer().fit_transform(cells)
    wanted = SimMTMImputer().fit_transform(given)
    np.testing.assert_array_equal(np.stack(filled["a"]), wanted[:, 0])
    np.testing.assert_array_equal(np.stack(filled["b"]), wanted[:, 1])


def test_in_a_pipeline():
    given, _ = gappy(waves())
    embed = small(num_epochs=0)
    embedded = make_pipeline(SimMTMImputer(), embed).fit_transform(given)
    assert np.isfinite(embedded).all()


# -- with an encoder, artifacts, errors -----------------------------------------------------------


@pytest.fixture(scope="module")
def encoder():
    return small(num_epochs=2).fit(waves())


def test_encoder_is_one_member_more(encoder, tmp_path):
    given, _ = gappy(waves(seed=5))
    imputer = SimMTMImputer(transformer=FrozenEstimator(encoder)).fit(waves())
    assert imputer.members_[-1] == "encoder"
    filled = imputer.transform(given)
    assert np.isfinite(filled).all()
    path = encoder.save(tmp_path / "encoder")
    by_path = SimMTMImputer(transformer=path).fit(waves())
    np.testing.assert_array_equal(by_path.transform(given), filled)
    loaded = load(imputer.save(tmp_path / "imputer"))
    np.testing.assert_array_equal(loaded.transform(given), filled)


@pytest.mark.parametrize("X", [waves(), waves(1, 600), waves(30, 20)[:, :1], gappy(waves())[0]])
def test_artifacts_give_the_same_bits(tmp_path, X):
    given, _ = gappy(X)
    imputer = SimMTMImputer().fit(X)
    loaded = load(imputer.save(tmp_path / "imputer"))
    np.testing.assert_array_equal(loaded.transform(given), imputer.transform(given))
    np.testing.assert_array_equal(loaded.transform_std(given), imputer.transform_std(given))


def test_foreign_transformers_are_refused(tmp_path):
    with pytest.raises(TypeError, match="SimMTMTransformer"):
        SimMTMImputer(transformer=FrozenEstimator(SimMTMImputer())).fit(waves())
    with pytest.raises(FileNotFoundError, match="no artifact"):
        SimMTMImputer(transformer=str(tmp_path / "none")).fit(waves())
    with pytest.raises(ValueError, match="transformer"):
        SimMTMImputer(transformer=SimMTMTransformer()).fit(waves())


def test_other_channels_are_refused(fitted):
    with pytest.raises(ValueError, match="1 channel"):
        fitted.transform(waves()[:, :1])


@pytest.mark.parametrize(
    "changes",
    [
        {"groups": [[0], [0]]},
        {"groups": [["a"], [1]]},
        {"window_lengths": [13, 24, 48]},
        {"window_lengths": []},
        {"period": -1},
        {"whole": 3},
    ],
)
def test_edited_artifacts_are_refused(tmp_path, fitted, changes):
    path = fitted.save(tmp_path / "imputer")
    edit(path, config=lambda config: config["state"]["filler"].update(changes))
    with pytest.raises(ArtifactError):
        load(path)


def test_covariances_that_are_none_are_refused(tmp_path, fitted):
    path = fitted.save(tmp_path / "imputer")
    edit(path, tensors=lambda named: named["filler.group0.windows12.covariances"].neg_())
    with pytest.raises(ArtifactError):
        load(path)
