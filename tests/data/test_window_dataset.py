"""Window dataset: windows that cover every series, gathered by index, from memory or from disk."""

import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simmtm_sk.data import MappedPanel, WindowDataset, series_ends


def panel(lengths, n_channels=2, missing=0.0):
    """Series of the given lengths, NaN behind them, and with gaps before their last point."""
    rng = np.random.default_rng(len(lengths))
    values = np.full((len(lengths), n_channels, max(lengths)), np.nan)
    for row, n in zip(values, lengths, strict=True):
        row[:, :n] = rng.normal(size=(n_channels, n))
        row[:, : n - 1][rng.random((n_channels, n - 1)) < missing] = np.nan
    return values


def mapped(folder, data):
    """The same values in two files, the second of one series."""
    files = [folder / "a.npy", folder / "b.npy"]
    for file, part in zip(files, (data[:-1], data[-1:]), strict=True):
        np.save(file, part)
    return MappedPanel([np.load(file, mmap_mode="r") for file in files])


def everything(rows):
    return rows.gather(torch.arange(len(rows)))


lengths_of_series = st.lists(st.integers(1, 40), min_size=1, max_size=8)


@settings(max_examples=60)
@given(lengths=lengths_of_series, max_length=st.none() | st.integers(2, 25))
def test_windows_cover_every_point_and_are_as_few_as_possible(lengths, max_length):
    rows = WindowDataset(panel(lengths), max_length)
    width = min(max(lengths), max_length or max(lengths))
    assert rows.length == width
    for i, n in enumerate(lengths):
        starts = rows.start[rows.series == i]
        covered = np.zeros(max(lengths), int)
        for s in starts:
            covered[s : s + width] += 1
        assert covered[:n].all()
        assert len(starts) == -(-n // width)
        # evenly spaced: gaps between starts differ by one point at most, from the first to the end
        assert starts[0] == 0
        if len(starts) > 1:
            assert starts[-1] + width == n
            assert np.ptp(np.diff(starts)) <= 1
    assert (np.diff(rows.series) >= 0).all()


@settings(max_examples=60)
@given(
    lengths=lengths_of_series,
    max_length=st.none() | st.integers(2, 25),
    missing=st.sampled_from([0.0, 0.4, 0.9]),
)
def test_gather_equals_slicing(lengths, max_length, missing):
    data = panel(lengths, missing=missing)
    rows = WindowDataset(data, max_length)
    index = torch.arange(len(rows)).flip(0)
    values, observed, within = rows.gather(index)
    covered = np.zeros(data.shape, bool)
    for k, row in enumerate(index):
        here = rows.series[row], slice(None), slice(rows.start[row], rows.start[row] + rows.length)
        np.testing.assert_array_equal(observed[k], ~np.isnan(data[here]))
        np.testing.assert_array_equal(values[k], np.nan_to_num(data[here]))
        covered[here] = True
        # inside until the end of the series, whatever is missing before it
        end = lengths[rows.series[row]] - rows.start[row]
        inside = np.arange(rows.length) < end
        np.testing.assert_array_equal(inside if within is None else within[k], inside)
    assert covered[~np.isnan(data)].all()


def test_complete_data_need_no_marks():
    data = panel([7, 7, 7])
    values, observed, within = everything(WindowDataset(data))
    np.testing.assert_array_equal(values, data)
    assert observed.all()
    assert within is None


def test_gaps_are_not_padding():
    data = panel([6, 6])
    data[0, :, 2:4] = np.nan
    values, observed, within = everything(WindowDataset(data))
    assert within is None
    assert not observed[0, :, 2:4].any()
    assert (values[0, :, 2:4] == 0).all()
    assert observed.sum() == 2 * 2 * 6 - 4


def test_an_unequal_end_within_one_channel_is_inside():
    data = panel([6])
    data[0, 0, 3:] = np.nan
    _, observed, within = everything(WindowDataset(data))
    assert within is None
    np.testing.assert_array_equal(observed[0].sum(1), [3, 6])


def test_series_without_any_value_have_no_window():
    data = panel([5, 5, 5], n_channels=1)
    data[1] = np.nan
    rows = WindowDataset(data, max_length=3)
    np.testing.assert_array_equal(np.unique(rows.series), [0, 2])


@pytest.mark.parametrize("on_disk", [False, True])
def test_windows_within_a_gap_are_left_out(tmp_path, on_disk):
    data = panel([12, 12])
    data[0, :, 3:9] = np.nan
    data[1, 0] = np.nan  # one channel of two is enough for a window
    if on_disk:
        data = mapped(tmp_path, data)
    rows = WindowDataset(data, max_length=3)
    assert rows.series.tolist() == [0, 0, 1, 1, 1, 1]
    assert rows.start.tolist() == [0, 9, 0, 3, 6, 9]
    _, observed, within = everything(rows)
    assert within is None
    assert observed.any((1, 2)).all()


def test_rows_end_with_their_series_not_with_their_last_observed_point():
    data = panel([7, 12])
    data[0, :, 2:6] = np.nan  # the first window shows two points, the second the seventh alone
    values, observed, within = everything(rows := WindowDataset(data, max_length=5))
    assert rows.start.tolist() == [0, 2, 0, 3, 7]
    assert within is None
    assert observed[0].any(0).tolist() == [True] * 2 + [False] * 3
    data[0, :, 4:] = np.nan
    data[0, :, 3] = 1.0  # now it ends in the first window
    _, _, within = everything(WindowDataset(data, max_length=5))
    assert within.tolist() == [[True] * 4 + [False]] + [[True] * 5] * 3
    assert (values[~observed] == 0).all()


def test_the_search_for_empty_windows_goes_on_behind_its_first_chunk(monkeypatch):
    data = panel([20, 20, 20])
    data[:, :, 4:12] = np.nan
    data[1, 1, 7] = 1.0
    expected = WindowDataset(data, 4)
    monkeypatch.setattr("simmtm_sk.data.panel.CHUNK", 17)  # two windows a chunk
    rows = WindowDataset(data, 4)
    assert rows.start.tolist() == [0, 12, 16, 0, 4, 12, 16, 0, 12, 16]
    np.testing.assert_array_equal(rows.series, expected.series)
    np.testing.assert_array_equal(rows.start, expected.start)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gather_keeps_the_dtype(dtype):
    values, _, _ = everything(WindowDataset(panel([4, 3]).astype(dtype)))
    assert values.dtype == (torch.float32 if dtype == np.float32 else torch.float64)


@pytest.mark.parametrize("max_length", [None, 4])
@pytest.mark.parametrize("lengths", [[9, 9, 9], [9, 2, 5]])
def test_rows_on_disk_equal_those_in_memory(tmp_path, lengths, max_length):
    data = panel(lengths)
    on_disk = WindowDataset(mapped(tmp_path, data), max_length)
    in_memory = WindowDataset(data, max_length)
    np.testing.assert_array_equal(on_disk.series, in_memory.series)
    np.testing.assert_array_equal(on_disk.start, in_memory.start)
    index = torch.tensor([2, 0, 0])
    for a, b in zip(on_disk.gather(index), in_memory.gather(index), strict=True):
        assert (a is None and b is None) or torch.equal(a, b)


def test_a_memmap_is_read_when_it_is_asked_for(tmp_path):
    """What changes in the file afterwards is seen, so nothing was copied before."""
    np.save(tmp_path / "x.npy", np.zeros((3, 1, 10)))
    file = np.load(tmp_path / "x.npy", mmap_mode="r+")
    rows = WindowDataset(MappedPanel([file]), max_length=5)
    file[1, 0, 5:] = 7
    values, _, _ = rows.gather(torch.tensor([3]))  # the second window of the second series
    assert (values == 7).all()


@pytest.mark.parametrize("missing", [False, True])
def test_a_memmap_is_never_copied_whole(tmp_path, monkeypatch, missing):
    """Neither the scan nor a batch allocates anything near the size of the file."""
    monkeypatch.setattr("simmtm_sk.data.panel.CHUNK", 1 << 14)
    shape = (2000, 1, 500)  # 8 MB
    X = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.float64, shape)
    X[:] = 1.0
    X[0, 0, 5] = np.nan if missing else 1.0
    tracemalloc.start()
    rows = WindowDataset(MappedPanel([X]), max_length=100)
    rows.gather(torch.arange(32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < X.nbytes / 4
    assert len(rows) == 2000 * 5


def test_the_scan_goes_on_behind_its_first_chunk(monkeypatch):
    data = panel([9, 4, 9, 1, 6])
    expected = WindowDataset(data, 4)
    monkeypatch.setattr("simmtm_sk.data.panel.CHUNK", 20)
    rows = WindowDataset(data, 4)
    np.testing.assert_array_equal(rows.series, expected.series)
    np.testing.assert_array_equal(rows.start, expected.start)
    assert everything(rows)[2] is not None


def test_series_may_end_elsewhere_than_with_their_last_value():
    values = np.array([[[1.0, np.nan, np.nan, np.nan]], [[1.0, 2.0, np.nan, np.nan]]])
    assert series_ends(values).tolist() == [1, 2]
    rows = WindowDataset(values, ends=np.array([3, 3]))
    assert rows.ends.tolist() == [3, 3]
    _, observed, within = rows.gather(torch.tensor([0]))
    assert observed[0, 0].tolist() == [True, False, False, False]
    assert within[0].tolist() == [True, True, True, False]


def test_an_array_is_looked_at_where_it_is():
    """On the CPU there is one copy of the data, the caller's; rows that are gathered are copies."""
    values = np.arange(24.0).reshape(2, 1, 12)
    rows = WindowDataset(values, 6)
    first = rows.gather(torch.tensor([0]))[0]
    values[0, 0, 0] = 7
    assert rows.gather(torch.tensor([0]))[0][0, 0, 0] == 7
    assert first[0, 0, 0] == 0
    read_only = values.copy()
    read_only.flags.writeable = False
    assert WindowDataset(read_only, 6).gather(torch.tensor([0]))[0][0, 0, 0] == 7
