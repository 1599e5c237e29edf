"""Loaders: bundled sets, tiny files, and the real folder where SIMMTM_DATA_HOME names one."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from simmtm_sk import datasets
from simmtm_sk.datasets import load_dataset

real_folder = pytest.mark.skipif(
    not os.environ.get("SIMMTM_DATA_HOME"), reason="SIMMTM_DATA_HOME names no folder of real data"
)


def write(folder: Path, relative: str, text: str, encoding: str = "utf-8") -> Path:
    file = folder / relative
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "shape", "n_classes"),
    [
        ("GunPoint", 50, 150, (1, 150), 2),
        ("ItalyPowerDemand", 67, 1029, (1, 24), 2),
        ("ArrowHead", 36, 175, (1, 251), 3),
        ("OSULeaf", 200, 242, (1, 427), 6),
        ("ACSF1", 100, 100, (1, 1460), 10),
        ("BasicMotions", 40, 40, (6, 100), 4),
    ],
)
def test_bundled(name, n_train, n_test, shape, n_classes):
    X, y = load_dataset(name)
    X_test, y_test = load_dataset(name, split="test")
    assert X.shape == (n_train + n_test, *shape)
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert y.shape == (n_train + n_test,)
    assert y.dtype.kind == "U"
    assert len(np.unique(y)) == n_classes
    np.testing.assert_array_equal(X[n_train:], X_test)
    np.testing.assert_array_equal(y[n_train:], y_test)


@pytest.mark.parametrize(
    ("name", "n_series", "n_channels", "shortest", "longest"),
    [("JapaneseVowels", 640, 12, 7, 29), ("PLAID", 1074, 1, 100, 1344)],
)
def test_bundled_of_unequal_length(name, n_series, n_channels, shortest, longest):
    X, y = load_dataset(name)
    lengths = [one.shape[1] for one in X]
    assert isinstance(X, list)
    assert len(X) == len(y) == n_series
    assert {one.shape[0] for one in X} == {n_channels}
    assert (min(lengths), max(lengths)) == (shortest, longest)


@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "length"),
    [("Covid3Month", 140, 61, 84), ("Tecator", 172, 43, 100)],
)
def test_bundled_for_regression(name, n_train, n_test, length):
    X, y = load_dataset(name)
    assert X.shape == (n_train + n_test, 1, length)
    assert np.isfinite(X).all()
    assert y.dtype == np.float64
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(y[n_train:], load_dataset(name, split="test")[1])


def test_bundled_equal_what_sktime_reads():
    from sktime.datasets import load_basic_motions

    X, y = load_dataset("BasicMotions", split="train")
    expected_X, expected_y = load_basic_motions(split="train", return_type="numpy3d")
    np.testing.assert_array_equal(X, expected_X)
    assert [label.lower() for label in y] == [label.lower() for label in expected_y]


def test_tsv(tmp_path, monkeypatch):
    write(tmp_path, "UCR/Tiny/Tiny_TRAIN.tsv", "1\t0.5\t-2e-1\tNaN\n-1\t1\t2\t3\n")
    write(tmp_path, "UCR/Tiny/Tiny_TEST.tsv", "1\t4\t5\t6\n")
    X, y = load_dataset("Tiny", data_home=tmp_path)
    np.testing.assert_array_equal(X, [[[0.5, -0.2, np.nan]], [[1, 2, 3]], [[4, 5, 6]]])
    assert y.tolist() == ["1", "-1", "1"]
    monkeypatch.setenv("SIMMTM_DATA_HOME", str(tmp_path))
    assert len(load_dataset("Tiny", split="train")[0]) == 2


HEADER = "# about: this\n@problemName Tiny\n@timeStamps false\n@classLabel true a b\n@data\n"


def test_ts(tmp_path):
    write(tmp_path, "UEA/Tiny/Tiny_TRAIN.ts", HEADER + "1,2,?:3,4,5:a\n\n6,7:8,9:b\n")
    X, y = load_dataset("Tiny", split="train", data_home=tmp_path)
    assert y.tolist() == ["a", "b"]
    np.testing.assert_array_equal(X[0], [[1, 2, np.nan], [3, 4, 5]])
    np.testing.assert_array_equal(X[1], [[6, 7], [8, 9]])


def test_ts_for_regression(tmp_path):
    header = HEADER.replace("@classLabel true a b", "@targetLabel true")
    write(tmp_path, "UEA/Tiny/Tiny_TRAIN.ts", header + "1,2:0.5\n3,4:-2e1\n")
    _, y = load_dataset("Tiny", split="train", data_home=tmp_path)
    assert y.dtype == np.float64
    assert y.tolist() == [0.5, -20]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "1,2:3:a\n", "line 6: channels of one series differ in length: .1, 2."),
        (HEADER.replace("@data", ""), "no line @data"),
        (HEADER, "no series"),
        ("@problemName Tiny\n@classLabel false\n@data\n1,2\n", "labels or targets"),
    ],
)
def test_ts_that_cannot_be_read(tmp_path, text, message):
    write(tmp_path, "UEA/Tiny/Tiny_TRAIN.ts", text)
    with pytest.raises(ValueError, match=message):
        load_dataset("Tiny", split="train", data_home=tmp_path)


def test_unknown_name(tmp_path):
    write(tmp_path, "UCR/Tiny/Tiny_TRAIN.tsv", "1\t0\n")
    with pytest.raises(ValueError, match=r"Unknown data set 'Nothing'.*GunPoint.*Tiny"):
        load_dataset("Nothing", data_home=tmp_path)
    with pytest.raises(ValueError, match="split must be"):
        load_dataset("GunPoint", split="validation")


def test_missing_file(tmp_path, monkeypatch):
    monkeypatch.delenv("SIMMTM_DATA_HOME", raising=False)
    with pytest.raises(FileNotFoundError, match=r"Crop_TRAIN.*no data folder.*SIMMTM_DATA_HOME"):
        load_dataset("Crop")
    write(tmp_path, "UCR/Crop/Crop_TRAIN.tsv", "1\t0\n")
    with pytest.raises(FileNotFoundError, match=r"Crop_TEST.tsv or .* is not in .*SIMMTM_DATA_H"):
        load_dataset("Crop", data_home=tmp_path)
    with pytest.raises(FileNotFoundError, match=r"ETT/ETTm1.csv"):
        datasets.load_ett("ETTm1", data_home=tmp_path)


def test_ett(tmp_path):
    write(tmp_path, "ETT/ETTm2.csv", "date,HUFL,OT\n2016-07-01 00:15:00,5.8,30.5\n")
    ett = datasets.load_ett("ETTm2", tmp_path)
    np.testing.assert_array_equal(ett.data, [[5.8, 30.5]])
    assert ett.feature_names == ["HUFL", "OT"]
    assert ett.index[0] == pd.Timestamp("2016-07-01 00:15")
    with pytest.raises(ValueError, match=r"name must be one of ETTh1, .*, got 'ETTh3'"):
        datasets.load_ett("ETTh3", tmp_path)


def test_weather(tmp_path):
    text = "date,p (mbar),SWDR (W/m²),OT\r\n2020-01-01 00:10:00,1008.9,-9999,1\r\n"
    write(tmp_path, "weather/weather.csv", text, "latin-1")
    weather = datasets.load_weather(tmp_path)
    np.testing.assert_array_equal(weather.data, [[1008.9, np.nan, 1]])
    assert weather.feature_names == ["p (mbar)", "SWDR (W/m²)", "OT"]
    assert weather.index[0] == pd.Timestamp("2020-01-01 00:10")


def test_weather_header_with_lost_characters(tmp_path):
    text = "date,PAR (\ufffdmol/m\ufffd/s)\n2020-01-01 00:10:00,1\n"
    write(tmp_path, "weather/weather.csv", text)
    assert datasets.load_weather(tmp_path).feature_names == ["PAR (µmol/m²/s)"]


def test_ett_and_illness(tmp_path):
    text = "date,a,OT\n2016-07-01 00:00:00,1,2\n2016-07-01 01:00:00,3,4.5\n"
    write(tmp_path, "ETT/ETTh1.csv", text)
    write(tmp_path, "illness/national_illness.csv", text)
    for bunch in (datasets.load_ett(data_home=tmp_path), datasets.load_illness(tmp_path)):
        np.testing.assert_array_equal(bunch.data, [[1, 2], [3, 4.5]])
        assert isinstance(bunch.index, pd.DatetimeIndex)
        assert bunch.feature_names == ["a", "OT"]
    with pytest.raises(ValueError, match="ETTh1"):
        datasets.load_ett("ETTh9", data_home=tmp_path)


def test_hmp(tmp_path):
    (tmp_path / "HMP").mkdir()
    X = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    np.savez(tmp_path / "HMP/hmp_windows_128.npz", X=X, y=["Walk", "Sit"], volunteer=["f1", "m1"])
    hmp = datasets.load_hmp(tmp_path)
    np.testing.assert_array_equal(hmp.data, X)
    assert hmp.data.dtype == np.float32
    assert hmp.target.tolist() == ["Walk", "Sit"]
    assert hmp.groups.tolist() == ["f1", "m1"]


def test_esr_groups_tell_sets_apart(tmp_path):
    (tmp_path / "Epilepsy").mkdir()
    np.savez(
        tmp_path / "Epilepsy/esr_int16.npz",
        X=np.zeros((2, 178), dtype=np.int16),
        set=["S", "Z"],
        recording=[7, 7],
        split=["train", "test"],
    )
    esr = datasets.load_esr(tmp_path)
    assert esr.data.shape == (2, 1, 178)
    assert esr.data.dtype == np.float32
    assert esr.groups.tolist() == ["S007", "Z007"]


@real_folder
def test_real_tables():
    assert datasets.load_ett("ETTh1").data.shape == (17420, 7)
    assert datasets.load_ett("ETTm1").data.shape == (69680, 7)
    assert datasets.load_illness().data.shape == (966, 7)
    weather = datasets.load_weather()
    assert weather.data.shape == (52696, 21)
    assert np.isnan(weather.data).sum() == 81


@real_folder
def test_real_windows():
    hmp = datasets.load_hmp()
    assert hmp.data.shape == (5721, 3, 128)
    assert len(np.unique(hmp.groups)) == 16
    esr = datasets.load_esr()
    assert esr.data.shape == (11500, 1, 178)
    assert (np.unique(esr.groups, return_counts=True)[1] == 23).all()
    assert (esr.split == "train").sum() == 60


@real_folder
@pytest.mark.parametrize(
    ("name", "shape"), [("ECG200", (100, 1, 96)), ("UWaveGestureLibrary", (120, 3, 315))]
)
def test_real_collections(name, shape):
    X, y = load_dataset(name, split="train")
    assert X.shape == shape
    assert len(y) == shape[0]
