"""Every container of series gives the same array; what is none gives an error that helps."""

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data import is_sktime_panel, panel_values

rng = np.random.default_rng(0)
EQUAL = rng.normal(size=(4, 2, 6))
LENGTHS = [6, 3, 1, 5]


def unequal():
    """The series of EQUAL cut to LENGTHS, and what they must become."""
    series = [x[:, :n] for x, n in zip(EQUAL, LENGTHS, strict=True)]
    expected = EQUAL.copy()
    for row, n in zip(expected, LENGTHS, strict=True):
        row[:, n:] = np.nan
    return series, expected


def frames(series):
    return [pd.DataFrame(x.T, columns=["a", "b"]) for x in series]


def multiindex(series):
    names = [f"s{i}" for i in range(len(series))]
    return pd.concat(frames(series), keys=names, names=["instance", "time"])


def hierarchical(series):
    names = [("g", 2), ("g", 1), ("h", 1), ("a", 7)]  # order of appearance, not sorted
    return pd.concat(dict(zip(names, frames(series), strict=True)), names=["top", "low", "time"])


def nested(series):
    cells = {c: [pd.Series(x[j]) for x in series] for j, c in enumerate(["a", "b"])}
    return pd.DataFrame(cells, index=[f"s{i}" for i in range(len(series))])


CONTAINERS = {
    "list of arrays": list,
    "tuple of arrays": tuple,
    "df-list": frames,
    "tuple of DataFrames": lambda series: tuple(frames(series)),
    "pd-multiindex": multiindex,
    "hierarchical": hierarchical,
    "nested_univ": nested,
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_containers_of_several_channels(make):
    series, expected = unequal()
    np.testing.assert_array_equal(panel_values(make(list(EQUAL))), EQUAL)
    np.testing.assert_array_equal(panel_values(make(series)), expected)


ONE = EQUAL[:, 0]
UNIVARIATE = {
    "numpy2D": ONE,
    "nested lists": ONE.tolist(),
    "list of 1D arrays": list(ONE),
    "list of pd.Series": [pd.Series(x) for x in ONE],
    "rows of a DataFrame": pd.DataFrame(ONE),
    "rows of a DataFrame with names": pd.DataFrame(ONE, index=list("wxyz"), columns=list("abcdef")),
    "numpy3D": ONE[:, None],
    "nested_univ": pd.DataFrame({"a": [pd.Series(x) for x in ONE]}),
    "nested_univ of arrays": pd.DataFrame({"a": list(ONE)}),
    "df-list": [pd.DataFrame({"a": x}) for x in ONE],
}


@pytest.mark.parametrize("X", UNIVARIATE.values(), ids=UNIVARIATE)
def test_containers_of_one_channel(X):
    np.testing.assert_array_equal(panel_values(X), ONE[:, None])


def test_one_dimensional_arrays_of_unequal_length():
    values = panel_values([np.array([1.0, 2.0, 3.0]), np.array([4.0])])
    np.testing.assert_array_equal(values, [[[1, 2, 3]], [[4, np.nan, np.nan]]])


@pytest.mark.parametrize(
    "index",
    [
        pd.date_range("2024-01-01", periods=6),
        pd.period_range("2024-01", periods=6, freq="M"),
        pd.timedelta_range("1h", periods=6),
    ],
    ids=["datetime", "period", "timedelta"],
)
def test_a_frame_indexed_by_time_is_one_series(index):
    frame = pd.DataFrame(EQUAL[0].T, index=index)
    np.testing.assert_array_equal(panel_values(frame), EQUAL[:1])
    np.testing.assert_array_equal(panel_values(frame[0]), EQUAL[:1, :1])


def test_a_pandas_series_is_one_series():
    np.testing.assert_array_equal(panel_values(pd.Series([1.0, 2.0])), [[[1.0, 2.0]]])


def test_which_containers_are_sktimes():
    time = pd.date_range("2024-01-01", periods=4)
    assert is_sktime_panel(multiindex(list(EQUAL)))
    assert is_sktime_panel(hierarchical(list(EQUAL)))
    assert is_sktime_panel(nested(list(EQUAL)))
    assert is_sktime_panel(frames(EQUAL))
    assert is_sktime_panel(pd.DataFrame(ONE, index=time))
    for tabular in (EQUAL, ONE, pd.DataFrame(ONE), list(ONE), ONE.tolist(), []):
        assert not is_sktime_panel(tabular)


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
def test_float32_stays_and_everything_else_becomes_float64(make):
    for dtype in (np.float32, np.float64, np.int16, np.float16, bool):
        values = panel_values(make(list(np.round(EQUAL).astype(dtype))))
        assert values.dtype == (np.float32 if dtype == np.float32 else np.float64)
        np.testing.assert_array_equal(values, np.round(EQUAL).astype(dtype).astype(np.float64))


def test_dtype_of_arrays():
    for dtype in (np.int64, np.uint8, object, np.float16):
        values = panel_values(np.arange(6).reshape(1, 2, 3).astype(dtype))
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values.ravel(), range(6))
    assert panel_values([np.zeros(2, np.float32), np.zeros(3, np.float32)]).dtype == np.float32
    assert panel_values([np.zeros(2, np.float32), np.zeros(3)]).dtype == np.float64


def test_a_fitting_array_is_not_copied():
    for dtype in (np.float32, np.float64):
        X = EQUAL.astype(dtype)
        assert panel_values(X) is X
        assert np.shares_memory(panel_values(X[:, 0]), X)


def test_missing_values_stay_missing():
    X = EQUAL.copy()
    X[0, 0, 2] = X[1, 1] = X[2, :, :3] = np.nan
    for make in CONTAINERS.values():
        np.testing.assert_array_equal(panel_values(make(list(X))), X)
    frame = pd.DataFrame({"a": pd.array([1, None, 3], "Int64")}, index=[0, 1, 2])
    np.testing.assert_array_equal(panel_values([frame]), [[[1, np.nan, 3]]])


@pytest.mark.parametrize("make", [list, frames, multiindex, nested, np.stack])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused(make, value):
    X = EQUAL.copy()
    X[2, 1, 3] = value
    with pytest.raises(ValueError, match=r"infinity \(first in series 2\)"):
        panel_values(make(list(X)))


@pytest.mark.parametrize("make", [list, frames, multiindex, nested, np.stack])
def test_series_without_any_value_are_named(make):
    X = EQUAL.copy()
    X[3] = np.nan
    with pytest.raises(ValueError, match=r"series 3 .*no observed value"):
        panel_values(make(list(X)))
    X[3, 1, 4] = 0  # one is enough
    np.testing.assert_array_equal(panel_values(make(list(X))), X)


def test_the_scan_for_bad_values_goes_on_behind_its_first_chunk(monkeypatch):
    monkeypatch.setattr("simmtm_sk.data.containers.CHUNK", 12)
    for bad, message in ((np.inf, "infinity .first in series 3"), (np.nan, "series 3 of X has no")):
        X = EQUAL.copy()
        X[3] = bad
        with pytest.raises(ValueError, match=message):
            panel_values(X)


@pytest.mark.parametrize("X", [np.zeros(3), np.zeros((2, 2, 2, 2)), np.float64(1), [1.0, 2.0]])
def test_wrong_number_of_dimensions(X):
    with pytest.raises(ValueError, match=rf"{np.ndim(X)} dimension.*n_series, n_channels, length"):
        panel_values(X)


def test_wrong_number_of_dimensions_inside_a_list():
    with pytest.raises(ValueError, match=r"series 1 has 3 dimensions; a series is \(length,\)"):
        panel_values([np.zeros((1, 3)), np.zeros((1, 1, 3))])


@pytest.mark.parametrize(
    "X",
    [
        np.array([["a", "b"]]),
        np.array([[["1.0", "x"]]]),
        [np.array(["a", "b"])],
        pd.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}),
        pd.DataFrame({"a": pd.Categorical(["u", "v"])}),
        [pd.DataFrame({"a": ["x", "y"]})],
        pd.DataFrame({"a": [pd.Series(["x", "y"])]}),
        np.array([[{}, 1.0]], dtype=object),
    ],
    ids=lambda X: type(X).__name__,
)
def test_what_is_no_number_is_refused(X):
    with pytest.raises((TypeError, ValueError), match="number"):
        panel_values(X)


def test_complex_numbers_are_refused():
    for X in (np.ones((1, 1, 3), complex), [np.ones(3, complex)], pd.DataFrame([[1j, 2j]])):
        with pytest.raises(ValueError, match="Complex data not supported"):
            panel_values(X)


@pytest.mark.parametrize("shape", [(0, 1, 5), (2, 0, 5), (2, 1, 0), (0, 3), (2, 0)])
def test_empty_data_are_refused(shape):
    with pytest.raises(ValueError, match=r"empty: .* minimum of 1 is required"):
        panel_values(np.empty(shape))


def test_an_empty_list_is_refused():
    with pytest.raises(ValueError, match=r"dimension|empty"):
        panel_values([])


@pytest.mark.parametrize("transposed", [False, True])
def test_channels_must_agree(transposed):
    X = [np.zeros((2, 3)), np.zeros((1, 3))]
    with pytest.raises(ValueError, match=r"same channels; got .*\[1, 2\]"):
        panel_values([pd.DataFrame(x.T) for x in X] if transposed else X)


def test_channels_of_a_nested_frame_may_end_at_different_times():
    X = pd.DataFrame({"a": [pd.Series([1.0, 2.0, 3.0])], "b": [pd.Series([4.0])]})
    np.testing.assert_array_equal(panel_values(X), [[[1, 2, 3], [4, np.nan, np.nan]]])


def test_a_memmap_stays_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", EQUAL)
    X = np.load(tmp_path / "x.npy", mmap_mode="r")
    values = panel_values(X)
    assert isinstance(values, np.memmap)
    assert np.shares_memory(values, X)
    assert isinstance(panel_values(X[:, 0]), np.memmap)
