"""``python -m simmtm_sk describe``: what is said of files, and that its code runs."""

import re
import subprocess
import sys
import textwrap

import matplotlib
import numpy as np
import pandas as pd
import pytest

from simmtm_sk.__main__ import main

matplotlib.use("agg")


def described(capsys, *arguments):
    assert main(["describe", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def run_blocks(text, folder, monkeypatch):
    """Run every block of code in a folder of its own; return their variables by title."""
    monkeypatch.chdir(folder)
    blocks = re.findall(r"^(\w[\w ]*):\n\n((?: {4}.*\n|\n)+)", text + "\n", re.MULTILINE)
    ran = {}
    for title, code in blocks:
        ran[title] = {}
        exec(textwrap.dedent(code), ran[title])
    return ran


def waves(n_series, length, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n_series) % 2
    at = np.arange(length)
    speed = np.where(labels, 0.7, 0.3)[:, None]
    return np.sin(speed * at + rng.uniform(0, 6, (n_series, 1))) + rng.normal(
        0, 0.1, (n_series, length)
    ), labels


def sensor_log(n=24 * 20):
    time = pd.date_range("2024-03-01", periods=n, freq="h", name="when")
    rng = np.random.default_rng(1)
    day = np.sin(2 * np.pi * np.arange(n) / 24)
    log = pd.DataFrame({"inside": 20 + day, "outside": 8 + 4 * day}, index=time)
    log += rng.normal(0, 0.1, log.shape)
    log.iloc[100:112, 1] = np.nan
    return log.drop(index=log.index[200:205])


def test_table_with_labels(tmp_path, capsys, monkeypatch):
    X, labels = waves(24, 40)
    frame = pd.DataFrame(X).assign(kind=np.where(labels, "fast", "slow"))
    frame.to_csv(tmp_path / "waves.csv", index=False)
    text = described(capsys, tmp_path / "waves.csv")
    assert "A series a row." in text
    assert "Read: 24 series, 1 channels, 40 time points." in text
    assert "Classes: slow (12), fast (12)." in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert [*ran] == ["Classify"]
    np.testing.assert_allclose(ran["Classify"]["X"][:, 0], X)
    assert (ran["Classify"]["predicted"] == frame["kind"]).mean() > 0.9
    assert (tmp_path / "embedding.png").exists()


@pytest.mark.parametrize("stem", ["t", "time", "step_", "hour"])
def test_numbered_points_of_series_are_no_time(stem, tmp_path, capsys):
    frame = pd.DataFrame(waves(24, 40)[0]).rename(columns=lambda j: f"{stem}{j}")
    frame = frame.sort_values(f"{stem}0").assign(state=np.arange(24) % 2)  # as if it was a time
    frame.to_csv(tmp_path / "waves.csv", index=False)
    text = described(capsys, tmp_path / "waves.csv")
    assert "A series a row." in text
    assert "Read: 24 series, 1 channels" in text


def test_table_without_a_header_as_in_archives(tmp_path, capsys):
    X, labels = waves(24, 40)
    pd.DataFrame(np.c_[labels + 1, X]).to_csv(
        tmp_path / "a.tsv", sep="\t", index=False, header=False
    )
    text = described(capsys, tmp_path / "a.tsv")
    assert "header=None" in text
    assert "Labels: 0." in text
    assert "Read: 24 series, 1 channels, 40 time points." in text


def test_labels_that_are_missing_mark_series_without_one(tmp_path, capsys, monkeypatch):
    X, labels = waves(24, 40)
    frame = pd.DataFrame(X).assign(label=np.where(labels, "fast", "slow"))
    frame.loc[12:, "label"] = None
    frame.to_csv(tmp_path / "few.csv", index=False)
    text = described(capsys, tmp_path / "few.csv")
    assert "Without a label: 12" in text
    assert len(run_blocks(text, tmp_path, monkeypatch)["Classify"]["predicted"]) == 24


def test_targets_that_are_numbers_are_predicted(tmp_path, capsys, monkeypatch):
    X, _ = waves(24, 40)
    pd.DataFrame(X).assign(target=X.std(1)).to_csv(tmp_path / "t.csv", index=False)
    ran = run_blocks(described(capsys, tmp_path / "t.csv"), tmp_path, monkeypatch)
    assert [*ran] == ["Predict numbers"]


def test_log_with_gaps(tmp_path, capsys, monkeypatch):
    log = sensor_log()
    log.to_csv(tmp_path / "log.csv")
    text = described(capsys, tmp_path / "log.csv")
    assert "One series" in text
    assert "'when', 2024-03-01 00:00:00 to 2024-03-20 23:00:00, every h" in text
    assert "5 time points have no row" in text
    assert "Gaps: 22 values (2.3%), the longest of 12 time points." in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert [*ran] == ["Forecast", "Find anomalies", "Fill gaps"]
    assert not ran["Fill gaps"]["filled"].isna().any(axis=None)
    forecast = ran["Forecast"]["forecaster"].predict()
    assert forecast.index[0] == pd.Timestamp("2024-03-21")
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"forecast.png", "filled.png", "anomalies.png"}


def test_log_with_semicolons_days_first_text_among_numbers_and_repeated_rows(tmp_path, capsys):
    log = sensor_log().reset_index()
    log["when"] = log["when"].dt.strftime("%d/%m/%Y %H:%M")
    log = pd.concat([log, log.tail(2)]).astype({"inside": object})
    log.iloc[3, 1] = "error"
    log.to_csv(tmp_path / "log.csv", sep=";", decimal=",", index=False)
    text = described(capsys, tmp_path / "log.csv")
    assert "2024-03-01 00:00:00 to 2024-03-20 23:00:00" in text
    assert "2 rows repeat a time point" in text
    assert "Read as missing: 'error'." in text


def test_log_in_latin_1_with_a_time_zone(tmp_path, capsys, monkeypatch):
    log = sensor_log().tz_localize("UTC").rename(columns={"outside": "außen"})
    log.to_csv(tmp_path / "log.csv", encoding="latin-1", date_format="%Y-%m-%dT%H:%M:%S%z")
    text = described(capsys, tmp_path / "log.csv")
    assert "encoding='latin-1'" in text
    assert "Channels: inside, außen." in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert ran["Forecast"]["forecaster"].predict().index[0] == pd.Timestamp("2024-03-21", tz="UTC")


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_stamps_since_1970_become_dates(tmp_path, capsys, unit):
    log = sensor_log()
    log.index = log.index.as_unit(unit).asi8
    log.to_csv(tmp_path / "log.csv", index_label="stamp")
    text = described(capsys, tmp_path / "log.csv")
    assert f"unit='{unit}'" in text
    assert "2024-03-01 00:00:00 to 2024-03-20 23:00:00, every h; 5 time points" in text


@pytest.mark.parametrize("freq", ["B", "MS", "D", "15min"])
def test_calendars_without_gaps_are_recognised(tmp_path, capsys, freq):
    time = pd.date_range("2024-01-01", periods=60, freq=freq, name="date")
    pd.DataFrame({"a": np.arange(60.0)}, index=time).to_csv(tmp_path / "log.csv")
    text = described(capsys, tmp_path / "log.csv")
    assert f"every {freq}.\n" in text
    assert "60 time points." in text


def test_irregular_times_are_averaged_and_said_so(tmp_path, capsys):
    steps = np.random.default_rng(0).integers(30, 90, 100)
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(steps.cumsum(), unit="s")
    pd.DataFrame({"time": time, "a": np.arange(100.0)}).to_csv(tmp_path / "log.csv", index=False)
    text = described(capsys, tmp_path / "log.csv")
    assert "or so (averaged)" in text
    assert ".resample('" in text


def test_numbered_time(tmp_path, capsys, monkeypatch):
    log = sensor_log()
    log.index = np.round((log.index - log.index[0]) / pd.Timedelta("10h"), 1)
    log.to_csv(tmp_path / "log.csv", index_label="time (s)")
    text = described(capsys, tmp_path / "log.csv")
    assert "every 0.1; 5 time points have no row" in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert len(ran["Fill gaps"]["filled"][0]) == 480
    assert ran["Forecast"]["forecaster"].predict().index[0] == 480


def test_long_format(tmp_path, capsys, monkeypatch):
    X, labels = waves(12, 30)
    rows = pd.DataFrame(
        {
            "run": np.repeat(np.arange(12), 30),
            "t": np.tile(np.arange(30), 12),
            "acc": X.ravel(),
            "gyr": -X.ravel(),
            "class": np.repeat(np.where(labels, "fast", "slow"), 30),
        }
    )
    rows[: 11 * 30 + 20].to_csv(tmp_path / "long.csv", index=False)
    text = described(capsys, tmp_path / "long.csv")
    assert "A row for every series ('run') and time point ('t')." in text
    assert "Read: 12 series, 2 channels, 20 to 30 time points." in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert [*ran] == ["Classify", "Forecast"]


def test_folder_of_unequal_files(tmp_path, capsys, monkeypatch):
    X, labels = waves(16, 60)
    for number, (series, label) in enumerate(zip(X, labels, strict=True)):
        name = f"{'fast' if label else 'slow'}_{number:02d}.csv"
        rows = {"time": np.arange(60) / 50, "acc": series}
        pd.DataFrame(rows)[: 30 + number].to_csv(tmp_path / name, index=False)
    text = described(capsys, tmp_path)
    assert "16 files, each a series of its own." in text
    assert "Read: 16 series, 1 channels, 30 to 45 time points." in text
    ran = run_blocks(text, tmp_path, monkeypatch)
    assert [*ran] == ["Classify"]
    assert (ran["Classify"]["predicted"] == np.array(ran["Classify"]["y"])).mean() > 0.8


def test_folder_without_labels_is_embedded(tmp_path, capsys, monkeypatch):
    for number, series in enumerate(waves(8, 40)[0]):
        pd.DataFrame({"acc": series[: 30 + number]}).to_csv(tmp_path / f"{number}.csv", index=False)
    ran = run_blocks(described(capsys, tmp_path), tmp_path, monkeypatch)
    assert [*ran] == ["Embed and find groups"]
    assert len(ran["Embed and find groups"]["group"]) == 8


def test_a_reading_may_be_chosen(tmp_path, capsys):
    frame = pd.DataFrame(waves(30, 6)[0], columns=[*"abcdef"])
    frame.to_csv(tmp_path / "f.csv", index=False)
    assert "1 series, 6 channels, 30 time points" in described(capsys, tmp_path / "f.csv")
    text = described(capsys, tmp_path / "f.csv", "--as", "table")
    assert "30 series, 1 channels, 6 time points" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\nx,y\nz,w\n", "holds no columns of numbers"),
        ("time,a\n" + "".join(f"{i % 4},{i}\n" for i in range(40)), "no column that says which"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, capsys, content, message):
    (tmp_path / "f.csv").write_text(content)
    assert main(["describe", str(tmp_path / "f.csv")]) == 2
    assert message in capsys.readouterr().err


def test_folders_with_other_columns_are_refused_and_missing_ones_named(tmp_path, capsys):
    assert main(["describe", str(tmp_path)]) == 2
    assert "holds no files *.csv" in capsys.readouterr().err
    (tmp_path / "1.csv").write_text("a\n1\n2\n")
    (tmp_path / "2.csv").write_text("b\n1\n2\n")
    assert main(["describe", str(tmp_path)]) == 2
    assert "2.csv has the columns ['b']" in capsys.readouterr().err
    assert main(["describe", str(tmp_path / "none.csv")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_the_command_is_found(tmp_path):
    sensor_log().to_csv(tmp_path / "log.csv")
    command = [sys.executable, "-m", "simmtm_sk", "describe", str(tmp_path / "log.csv")]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    assert "SimMTMForecaster" in ran.stdout


@pytest.mark.slow
def test_demo_does_better_than_its_rivals_and_draws(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    rows = re.findall(r"^ +(raw values|SimMTM|last year again|straight lines) +(\d.*)$", text, re.M)
    numbers = [float(row.split()[0]) for _, row in rows]
    raw, embedded, repeated, forecast, lines, filled = numbers
    assert embedded > raw
    assert forecast < repeated
    assert filled < lines
    assert "python -m simmtm_sk describe" in text
    pictures = {path.name: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert pictures.keys() == {"few_labels.png", "forecast.png", "gaps.png"}
    assert min(pictures.values()) > 10_000
