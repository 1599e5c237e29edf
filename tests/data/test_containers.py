"""Every container of series gives the same array; what is none gives an error that helps."""

import joblib
import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data import MappedPanel, is_sktime_panel, panel_values

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
    monkeypatch.setattr("simmtm_sk.data.panel.CHUNK", 12)
    for bad, message in ((np.inf, "infinity .first in series 3"), (np.nan, "series 3 of X has no")):
        X = EQUAL.copy()
        X[3] = bad
        with pytest.raises(ValueError, match=message):
            panel_values(X)


@pytest.mark.parametrize("X", [np.zeros(3), np.zeros((2, 2, 2, 2)), [1.0, 2.0]])
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
    with pytest.raises(ValueError, match=r"X is empty: a list without a series"):
        panel_values([])


@pytest.mark.parametrize("X", [np.float64(1), {"a": [1.0]}, (x for x in [[1.0]]), None, "text"])
def test_what_is_no_container_is_named(X):
    with pytest.raises(TypeError, match=rf"X is {type(X).__name__} .*n_series, n_channels, length"):
        panel_values(X)


@pytest.mark.parametrize("transposed", [False, True])
def test_channels_must_agree(transposed):
    X = [np.zeros((2, 3)), np.zeros((1, 3))]
    with pytest.raises(ValueError, match=r"same channels; got .*\[1, 2\]"):
        panel_values([pd.DataFrame(x.T) for x in X] if transposed else X)


def test_channels_of_a_nested_frame_may_end_at_different_times():
    X = pd.DataFrame({"a": [pd.Series([1.0, 2.0, 3.0])], "b": [pd.Series([4.0])]})
    np.testing.assert_array_equal(panel_values(X), [[[1, 2, 3], [4, np.nan, np.nan]]])


def on_disk(folder, *arrays):
    """Save arrays to files and map these."""
    for i, array in enumerate(arrays):
        np.save(folder / f"{i}.npy", array)
    return [np.load(folder / f"{i}.npy", mmap_mode="r") for i in range(len(arrays))]


@pytest.mark.parametrize("dtype", [">f4", "f4", ">f8", "f8", "f2", "i2", ">i4", "u1", "?"])
def test_a_memmap_stays_on_disk_whatever_its_dtype(tmp_path, dtype):
    X = np.round(3 * abs(EQUAL)).astype(dtype)
    (file,) = on_disk(tmp_path, X)
    for given, expected in ((file, X), (file[1:, :1], X[1:, :1]), (file[:, 1], X[:, 1:])):
        values = panel_values(given)
        assert isinstance(values, MappedPanel)
        assert np.shares_memory(values.arrays[0], file)
        in_memory = panel_values(expected)
        assert values.dtype == values[:2].dtype == in_memory.dtype
        assert in_memory.dtype == (np.float32 if dtype in ("f4", ">f4") else np.float64)
        np.testing.assert_array_equal(values, in_memory)


def test_a_copy_of_a_memmap_is_in_memory(tmp_path):
    (file,) = on_disk(tmp_path, EQUAL)
    assert not isinstance(panel_values(file.copy()), MappedPanel)


def test_a_fitting_part_is_read_without_a_copy(tmp_path):
    first, second = on_disk(tmp_path, EQUAL, EQUAL)
    values = panel_values([first, second])
    assert np.shares_memory(values[1:4], first)
    assert np.shares_memory(values[4:9], second)
    assert not np.shares_memory(values[3:5], first)


def test_arrays_of_several_series_follow_one_another(tmp_path):
    arrays = [EQUAL, EQUAL[:0], EQUAL[2:3] + 1, EQUAL - 1]
    expected = np.concatenate(arrays)
    in_memory = panel_values(arrays)
    assert isinstance(in_memory, np.ndarray)
    np.testing.assert_array_equal(in_memory, expected)
    files = on_disk(tmp_path, *arrays)
    for given in (files, tuple(files), [files[0], *arrays[1:]]):
        values = panel_values(given)
        assert isinstance(values, MappedPanel)
        assert len(values) == len(expected)
        assert values.shape == expected.shape
        for start in range(10):
            for stop in range(12):
                np.testing.assert_array_equal(values[start:stop], expected[start:stop])
        by_channel = values.reshape(-1, 1, 6)
        np.testing.assert_array_equal(by_channel, expected.reshape(-1, 1, 6))
        assert np.shares_memory(by_channel.arrays[0], files[0])


def test_dtypes_of_several_arrays(tmp_path):
    single, double, whole = (np.ones((1, 2, 3), dtype) for dtype in (">f4", float, np.int8))
    for arrays, dtype in (
        ([single, single], np.float32),
        ([single, double], np.float64),
        ([single, whole], np.float64),
    ):
        for given in (arrays, on_disk(tmp_path, *arrays)):
            values = panel_values(given)
            assert values.dtype == dtype
            np.testing.assert_array_equal(values, np.ones((2, 2, 3)))


@pytest.mark.parametrize("on_files", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 6), (1, 2, 5)], ids=["channels", "length"])
def test_channels_and_length_of_several_arrays_must_agree(tmp_path, shape, on_files):
    arrays = [EQUAL, np.zeros(shape)]
    with pytest.raises(ValueError, match=r"same channels and length.*unequal length are a list"):
        panel_values(on_disk(tmp_path, *arrays) if on_files else arrays)


def test_bad_values_on_disk_are_found(tmp_path):
    X = EQUAL.copy()
    for bad, message in ((np.inf, "infinity .first in series 6"), (np.nan, "series 6 of X has no")):
        X[2] = bad
        with pytest.raises(ValueError, match=message):
            panel_values(on_disk(tmp_path, EQUAL, X))
    for dtype in ("U3", complex, "i4,i4"):
        with pytest.raises((ValueError, TypeError), match=r"numbers"):
            panel_values(on_disk(tmp_path, EQUAL, np.zeros(EQUAL.shape, dtype)))
    with pytest.raises(ValueError, match="X is empty"):
        panel_values(on_disk(tmp_path, EQUAL)[0][:0])


def test_names_of_runs_depend_on_the_content_of_files(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    changed = EQUAL.copy()
    changed[-1, -1, -1] += 1e-9
    same, again, other = (
        joblib.hash(panel_values(on_disk(tmp_path / name, EQUAL, second)))
        for name, second in (("a", EQUAL), ("b", EQUAL), ("c", changed))
    )
    assert same == again
    assert same != other
