"""The table of docs/inputs.rst: a test for every row, order, names, gaps, lengths and types."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simmtm_sk.data import channel_names, panel_values

DOCS = Path(__file__).resolve().parents[2] / "docs" / "inputs.rst"
rng = np.random.default_rng(0)
X = np.round(rng.normal(size=(4, 2, 7)), 3)
NAMES = ["acc", "gyr"]
HOURS = pd.date_range("2024-01-01", periods=7, freq="h")
NUMBERS = [np.int8, np.uint64, np.float16, np.float32, np.float64, bool]


def same(found, expected):
    np.testing.assert_array_equal(found, expected)


def holes(share=0.3):
    """A mask with the first and the last point of every series, and every time point somewhere."""
    hidden = rng.random(X.shape) < share
    hidden[..., [0, -1]] = hidden[0] = False
    return hidden


def refused(make, message, errors=(ValueError, TypeError)):
    with pytest.raises(errors, match=message):
        panel_values(make())


def frames(values=X, names=NAMES):
    return [pd.DataFrame(x.T, columns=names[: len(x)]) for x in values]


def panel(values=X, names=NAMES):
    return pd.concat(frames(values, names), keys=range(len(values)), names=["id", "time"])


def check_arrays():
    same(panel_values(X), X)
    hidden = holes()
    same(panel_values(np.ma.array(X, mask=hidden)), np.where(hidden, np.nan, X))
    objects = np.where(hidden, None, X.astype(object))
    same(panel_values(objects), np.where(hidden, np.nan, X))
    for dtype in NUMBERS:
        values = abs(np.round(X)).astype(dtype)
        assert panel_values(values).dtype == (np.float32 if dtype == np.float32 else float)
        same(panel_values(values), values.astype(float))
    whole = np.round(X)
    for dtype, name in (("M8[D]", "dates"), ("m8[s]", "spans"), ("S", "bytes"), ("U", "strings")):
        refused(lambda dtype=dtype: whole.astype(dtype), name)
        one_by_one = np.array([*whole.astype(dtype).flat, None], object)[:-1].reshape(X.shape)
        if dtype != "M8[D]":
            refused(lambda given=one_by_one: given, name)
    refused(lambda: X + 0j, "Complex data not supported")
    refused(lambda: whole.astype(object) + 1j, "Complex data not supported")


def check_tables():
    table = X[:, 0]
    same(panel_values(table), X[:, :1])
    same(panel_values(np.ma.array(table, mask=table > 1)), np.where(X > 1, np.nan, X)[:, :1])
    refused(lambda: table.astype("M8[D]"), "dates")
    refused(lambda: table[0], r"Reshape your data: X.reshape\(1, -1\) is one series")


def check_frames_of_rows():
    table = pd.DataFrame(X[:, 0])
    same(panel_values(table), X[:, :1])
    refused(lambda: table[[1, 0, *range(2, 7)]], r"not in order.*sort_index\(axis=1\)")
    refused(lambda: table.set_axis(HOURS[::-1], axis=1), "not in order")
    text = table.set_axis([*"gfedcba"], axis=1)  # of which nothing is known
    same(panel_values(text), X[:, :1])
    for stamps in (
        ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        ["1.2.2024 05:00", "1.2.2024 06:00", "1.2.2024 07:00", "1.2.2024 08:00"],
        ["2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", "2024-01-01", "12:30"],
    ):
        refused(lambda stamps=stamps: table.set_axis(stamps), r"looks like time.*to_datetime")
    same(panel_values(table.set_axis(["p-2024-1", "7", "", "2024"])), X[:, :1])  # names
    hidden = holes()[:, 0]
    missing = np.where(hidden, np.nan, X[:, 0])[:, None]
    same(panel_values(table.mask(hidden).convert_dtypes()), missing)
    same(panel_values(table.astype(object).mask(hidden, None)), missing)
    same(panel_values(table.astype(object).mask(hidden, pd.NA)), missing)
    refused(lambda: table.assign(day=HOURS[0]), r"column 'day' of X must hold numbers, got dates")
    refused(lambda: table.astype({0: "category"}), "categorical")


def check_wide_tables():
    columns = pd.MultiIndex.from_product([NAMES, range(7)])
    wide = pd.DataFrame(X.reshape(4, 14), columns=columns)
    same(panel_values(wide), X)
    assert channel_names(wide) == NAMES
    shuffled = wide.iloc[:, rng.permutation(14)]
    same(panel_values(shuffled, NAMES), X)
    same(panel_values(wide, NAMES[::-1]), X[:, ::-1])
    same(panel_values(wide.swaplevel(axis=1), NAMES), X)
    less = wide.drop(columns=[("acc", 2), ("gyr", 4)])
    expected = X.copy()
    expected[:, 0, 2] = expected[:, 1, 4] = np.nan
    same(panel_values(less), expected)
    dated = wide.set_axis(pd.MultiIndex.from_product([NAMES, HOURS]), axis=1)
    same(
        panel_values(dated.drop(columns=HOURS[2], level=1)), np.where(np.arange(7) == 2, np.nan, X)
    )
    refused(
        lambda: wide.set_axis(columns.set_levels([*"abcdefg"], level=1), axis=1), "two, channel"
    )
    refused(lambda: pd.concat([wide, wide], axis=1), "same channel and time point")
    same(panel_values(wide.convert_dtypes()), X)


def check_lists_of_arrays():
    lengths = [7, 3, 1, 5]
    expected = np.where(np.arange(7) < np.array(lengths)[:, None, None], X, np.nan)
    cut = [x[:, :n] for x, n in zip(X, lengths, strict=True)]
    same(panel_values(cut), expected)
    same(panel_values([x[0] for x in cut]), expected[:, :1])
    hidden = holes()
    masked = [np.ma.array(x, mask=h) for x, h in zip(X, hidden, strict=True)]
    same(panel_values(masked), np.where(hidden, np.nan, X))
    same(panel_values(np.array([*cut, None], object)[:-1]), expected)
    refused(lambda: [*X[:2], 3.0], "series 2 of X is 3.0")
    refused(lambda: [X[0], X[1, :1]], r"same channels; got series with \[1, 2\]")


def check_lists_of_numbers():
    same(panel_values(X[:, 0].tolist()), X[:, :1])
    same(panel_values(X.tolist()), X)
    ragged = [[1.0, None, 3], [4, 5, 6, 7], [8]]
    n = np.nan
    same(panel_values(ragged), [[[1, n, 3, n]], [[4, 5, 6, 7]], [[8, n, n, n]]])
    channels = [[[1, 2, 3], [4]], [[5], [6, 7]]]
    same(panel_values(channels), [[[1, 2, 3], [4, n, n]], [[5, n, n], [6, 7, n]]])
    refused(lambda: [[1.0, "a"], [2]], "series 0 of X must hold numbers, got strings")
    refused(lambda: [[1.0], 2], "series 1 of X is 2")


def check_lists_of_frames():
    given = frames()
    same(panel_values(given), X)
    assert channel_names(given) == NAMES
    mixed = [f[NAMES[::-1]] if i % 2 else f for i, f in enumerate(given)]
    same(panel_values(mixed), X)
    same(panel_values(mixed, NAMES[::-1]), X[:, ::-1])
    same(panel_values([f.sample(frac=1, random_state=0) for f in given]), X)
    left_out = [f.drop(index=[2, 3]) for f in given]
    same(panel_values(left_out), np.where(np.isin(np.arange(7), [2, 3]), np.nan, X))
    later = [f.set_axis(range(i, i + 7)) for i, f in enumerate(given)]
    same(panel_values(later), X)
    dated = [f.set_axis(HOURS.as_unit("ns" if i else "s"))[::-1] for i, f in enumerate(given)]
    same(panel_values(dated), X)
    same(panel_values([f["acc"] for f in given]), X[:, :1])
    same(panel_values([given[0], *X[1:]]), X)
    cut = [f.iloc[: 7 - i] for i, f in enumerate(given)]
    same(panel_values(cut), np.where(np.arange(7) < 7 - np.arange(4)[:, None, None], X, np.nan))
    same(panel_values([f.convert_dtypes() for f in given]), X)
    refused(lambda: [given[0], given[1].rename(columns={"acc": "mag"})], r"missing are \['acc'\]")
    refused(lambda: [given[0], dated[1]], "different kinds of time index: numbers .series 0")
    refused(lambda: [pd.concat([f, f]) for f in given], "same time point, 0")
    refused(lambda: [f.set_axis([*"abcdefg"]) for f in given], "string values.*to_datetime")


def check_multiindex():
    given = panel()
    same(panel_values(given), X)
    assert channel_names(given) == NAMES
    same(panel_values(given[NAMES[::-1]], NAMES), X)
    rows = given.sample(frac=1, random_state=0)
    order = rows.index.get_level_values(0).unique()  # instances in order of appearance
    same(panel_values(rows), X[order])
    hidden = holes(0.2).any(1)
    missing = np.where(hidden[:, None], np.nan, X)
    same(panel_values(given[~hidden.ravel()]), missing)
    same(
        panel_values(given.mask(np.repeat(hidden.ravel()[:, None], 2, 1)).convert_dtypes()), missing
    )
    dated = given.set_axis(pd.MultiIndex.from_product([[*"abcd"], HOURS]))
    same(panel_values(dated[~hidden.ravel()]), missing)
    twice = pd.concat({"x": given, "y": given})  # a hierarchy
    same(panel_values(twice), np.concatenate([X, X]))
    series = given["acc"]  # of many series, in one column
    same(panel_values(series), X[:, :1])
    cut = given[given.index.get_level_values(1) < 3 + given.index.get_level_values(0)]
    same(
        panel_values(cut),
        np.where(np.arange(7) < 3 + np.arange(4)[:, None, None], X, np.nan)[..., :6],
    )
    refused(
        lambda: pd.concat([given, given.iloc[[5]]]), "rows 5 and 28 of X are the same time point"
    )
    refused(lambda: given.rename({2: np.nan}, level=0), "row 14 of X has no instance .*'id'")
    refused(lambda: given.rename({3: np.nan}, level=1), "row 3 of X has no time point")
    refused(lambda: given.rename(str, level=1), "string values")
    refused(lambda: given.assign(acc="x"), "column 'acc' of X must hold numbers, got strings")


def check_one_series():
    for index in (HOURS, HOURS.tz_localize("Asia/Tokyo"), HOURS.to_period(), HOURS - HOURS[0]):
        frame = pd.DataFrame(X[0].T, index, NAMES)
        same(panel_values(frame), X[:1])
        assert channel_names(frame) == NAMES
        same(panel_values(frame[NAMES[::-1]], NAMES), X[:1])
        same(panel_values(frame.sample(frac=1, random_state=0)), X[:1])
        same(panel_values(frame["acc"][::-1]), X[:1, :1])
        left_out = np.where(np.arange(7) == 3, np.nan, X[:1])
        same(panel_values(frame.drop(index=index[3])), left_out)
        same(panel_values(frame.astype("Float64")), X[:1])
    days = pd.DataFrame(X[0].T, [d.date() for d in pd.date_range("2024", periods=7)])
    same(panel_values(days[::-1]), X[:1])
    refused(lambda: pd.concat([days, days]), "same time point")


def check_nested():
    given = pd.DataFrame({name: [pd.Series(x[j]) for x in X] for j, name in enumerate(NAMES)})
    same(panel_values(given), X)
    assert channel_names(given) == NAMES
    same(panel_values(given[NAMES[::-1]], NAMES), X)
    same(panel_values(given.map(lambda cell: cell.sample(frac=1, random_state=0))), X)
    same(
        panel_values(given.map(lambda cell: cell.drop(index=[2, 3]))),
        np.where(np.isin(np.arange(7), [2, 3]), np.nan, X),
    )
    same(panel_values(given.map(lambda cell: cell.set_axis(HOURS)[::-1])), X)
    for kind in (list, tuple, np.array):
        same(panel_values(given.map(kind)), X)
    same(panel_values(given.to_numpy()), X)  # an array of series
    some = given.copy()
    some.iloc[1, 0] = None
    expected = X.copy()
    expected[1, 0] = np.nan
    same(panel_values(some), expected)
    some.iloc[1, 0] = pd.Series(X[1, 0, 2:5], index=[2, 3, 4])  # by time, not by position
    expected[1, 0, 2:5] = X[1, 0, 2:5]
    same(panel_values(some), expected)
    for cell in (1.5, "x", np.zeros((2, 2))):
        some.iat[1, 0] = cell
        refused(lambda: some, "cell of X in row 1, column 'acc' holds", TypeError)
    some.iat[1, 0] = [1.0, "x"]
    refused(lambda: some, "cell of X in row 1, column 'acc' must hold numbers, got strings")
    some.iat[1, 0] = pd.Series([1.0, 2.0], index=[0, 0])
    refused(lambda: some, "row 1, column 'acc' has a time point twice")


CHECKS = {
    "array (n_series, n_channels, length)": check_arrays,
    "table: array (n_series, length)": check_tables,
    "table: DataFrame, a series a row": check_frames_of_rows,
    "wide table: DataFrame, columns (channel, time)": check_wide_tables,
    "list of arrays (length,) or (n_channels, length)": check_lists_of_arrays,
    "list of lists of numbers": check_lists_of_numbers,
    "list of DataFrames or Series (df-list)": check_lists_of_frames,
    "DataFrame with a MultiIndex (pd-multiindex, hierarchical)": check_multiindex,
    "DataFrame or Series with dates as index: one series": check_one_series,
    "DataFrame of series in cells (nested_univ)": check_nested,
}
ROWS = re.findall(r"^   \* - (.*)$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)[1:]


@pytest.mark.parametrize("row", ROWS)
def test_what_the_documentation_says_of(row):
    CHECKS[row]()


def test_every_check_has_a_row():
    assert [*CHECKS] == ROWS
