"""Real data sets, read from local files; nothing here ever goes online.

Sets bundled with sktime work at once. All others are read from one folder, given as ``data_home``
or by the environment variable ``SIMMTM_DATA_HOME``.
"""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

from .data.files import read_file

BUNDLED = (
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "Covid3Month",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "PLAID",
    "Tecator",
)
_ARCHIVES = ("UCR", "UEA")
_ETT = ("ETTh1", "ETTh2", "ETTm1", "ETTm2")

Home = str | os.PathLike[str] | None
Panel = np.ndarray | list[np.ndarray]


def load_dataset(
    name: str, *, split: str | None = None, data_home: Home = None
) -> tuple[Panel, np.ndarray]:
    """Load a labelled collection of series.

    Blank values, ``?`` and ``NaN`` are missing. Time stamps in ``.ts`` files are read: points that
    they leave out are missing as well. What cannot be read is refused with its line.

    Parameters
    ----------
    name : str
        A set bundled with sktime (ACSF1, ArrowHead, BasicMotions, GunPoint, ItalyPowerDemand,
        JapaneseVowels, OSULeaf, PLAID; for regression Covid3Month, Tecator) or one in
        ``data_home``.
    split : {"train", "test"} or None, default=None
        The original part; None puts the test series behind the training series.
    data_home : path-like or None, default=None
        Folder with ``UCR/<name>/<name>_TRAIN.tsv`` and ``UEA/<name>/<name>_TRAIN.ts``, or ``.arff``
        in either, and ``_TEST`` likewise. None reads the environment variable
        ``SIMMTM_DATA_HOME``. Not needed for bundled sets.

    Returns
    -------
    X : ndarray of shape (n_series, n_channels, length) or list of ndarray (n_channels, length_i)
        float64; a list when lengths differ. Missing values are NaN.
    y : ndarray of shape (n_series,)
        Labels, strings as in the file; float64 in sets for regression.

    Examples
    --------
    >>> from simmtm_sk.datasets import load_dataset
    >>> X, y = load_dataset("BasicMotions", split="train")
    >>> X.shape, str(y[0])
    ((40, 6, 100), 'Standing')
    """
    if split not in (None, "train", "test"):
        raise ValueError(f"split must be None, 'train' or 'test', got {split!r}.")
    series: list[np.ndarray] = []
    labels: list[Any] = []
    for part in ("train", "test") if split is None else (split,):
        path = _collection_file(name, part.upper(), data_home)
        part_series, part_labels = read_file(path)
        series += part_series
        labels += part_labels
    equal = len({x.shape for x in series}) == 1
    return (np.stack(series) if equal else series), np.array(labels)


def load_hmp(data_home: Home = None) -> Bunch:
    """Load wrist-accelerometer windows of 14 activities of daily life (HMP).

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder with ``HMP/hmp_windows_128.npz``; None reads ``SIMMTM_DATA_HOME``.

    Returns
    -------
    Bunch
        ``data`` (n, 3, 128) float32 in raw sensor units 0 to 63, ``target`` (activity) and
        ``groups`` (volunteer: windows of one volunteer overlap, so split by it).

    Examples
    --------
    >>> from simmtm_sk.datasets import load_hmp
    >>> load_hmp().data.shape  # doctest: +SKIP
    (5721, 3, 128)
    """
    with np.load(_local_file("HMP/hmp_windows_128.npz", data_home)) as file:
        return Bunch(data=file["X"].astype(np.float32), target=file["y"], groups=file["volunteer"])


def load_esr(data_home: Home = None) -> Bunch:
    """Load one-second EEG windows of five conditions (epileptic seizure recognition).

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder with ``Epilepsy/esr_int16.npz``; None reads ``SIMMTM_DATA_HOME``.

    Returns
    -------
    Bunch
        ``data`` (n, 1, 178) float32; ``target``, the set a window comes from (Z, O: healthy, eyes
        open, closed; N, F: between seizures; S: seizure); ``groups``, the recording (set and
        number: numbers alone repeat in every set), 23 windows each, so split by it; ``split``, the
        part of a window in the TF-C benchmark (train, val, test), whose two labels are "S" and the
        rest.

    Examples
    --------
    >>> from simmtm_sk.datasets import load_esr
    >>> load_esr().data.shape  # doctest: +SKIP
    (11500, 1, 178)
    """
    with np.load(_local_file("Epilepsy/esr_int16.npz", data_home)) as file:
        groups = [f"{s}{n:03d}" for s, n in zip(file["set"], file["recording"], strict=True)]
        return Bunch(
            data=file["X"].astype(np.float32)[:, None, :],
            target=file["set"],
            groups=np.array(groups),
            split=file["split"],
        )


def load_ett(name: str = "ETTh1", data_home: Home = None) -> Bunch:
    """Load load and oil temperature of an electricity transformer.

    Parameters
    ----------
    name : {"ETTh1", "ETTh2", "ETTm1", "ETTm2"}, default="ETTh1"
        Of two transformers, hourly or every 15 minutes. ETTh1 is exactly the rows of ETTm1 at
        minute 00.
    data_home : path-like or None, default=None
        Folder with ``ETT/<name>.csv``; None reads ``SIMMTM_DATA_HOME``.

    Returns
    -------
    Bunch
        ``data`` (n_times, 7) float64, ``index`` (DatetimeIndex) and ``feature_names``.

    Examples
    --------
    >>> from simmtm_sk.datasets import load_ett
    >>> load_ett("ETTh1").data.shape  # doctest: +SKIP
    (17420, 7)
    """
    if name not in _ETT:
        raise ValueError(f"name must be one of {', '.join(_ETT)}, got {name!r}.")
    return _read_csv(_local_file(f"ETT/{name}.csv", data_home))


def load_weather(data_home: Home = None) -> Bunch:
    """Load 21 meteorological variables of 2020, every 10 minutes.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder with ``weather/weather.csv``; None reads ``SIMMTM_DATA_HOME``.

    Returns
    -------
    Bunch
        ``data`` (n_times, 21) float64 with NaN where the file says -9999, ``index`` (DatetimeIndex)
        and ``feature_names``.

    Examples
    --------
    >>> from simmtm_sk.datasets import load_weather
    >>> load_weather().data.shape  # doctest: +SKIP
    (52696, 21)
    """
    weather = _read_csv(_local_file("weather/weather.csv", data_home))
    weather.data[weather.data == -9999] = np.nan
    return weather


def load_illness(data_home: Home = None) -> Bunch:
    """Load weekly numbers of influenza-like illness.

    Parameters
    ----------
    data_home : path-like or None, default=None
        Folder with ``illness/national_illness.csv``; None reads ``SIMMTM_DATA_HOME``.

    Returns
    -------
    Bunch
        ``data`` (n_times, 7) float64, ``index`` (DatetimeIndex) and ``feature_names``.

    Examples
    --------
    >>> from simmtm_sk.datasets import load_illness
    >>> load_illness().data.shape  # doctest: +SKIP
    (966, 7)
    """
    return _read_csv(_local_file("illness/national_illness.csv", data_home))


def _data_home(data_home: Home) -> Path | None:
    home = os.environ.get("SIMMTM_DATA_HOME") if data_home is None else data_home
    return Path(home).expanduser() if home else None


def _missing(wanted: str, home: Path | None) -> FileNotFoundError:
    where = "no data folder is set" if home is None else f"it is not in {home}"
    return FileNotFoundError(
        f"Looked for {wanted}, but {where}. Pass the folder that holds it as data_home, or set the "
        "environment variable SIMMTM_DATA_HOME."
    )


def _local_file(relative: str, data_home: Home) -> Path:
    home = _data_home(data_home)
    if home is None or not (home / relative).is_file():
        raise _missing(relative, home)
    return home / relative


def _collection_file(name: str, part: str, data_home: Home) -> Path:
    if name in BUNDLED:
        return _bundled_folder() / name / f"{name}_{part}.ts"
    home = _data_home(data_home)
    wanted = [
        f"{archive}/{name}/{name}_{part}{suffix}"
        for archive in _ARCHIVES
        for suffix in (".tsv", ".ts", ".arff")
    ]
    folders = [p for archive in _ARCHIVES for p in home.glob(f"{archive}/*")] if home else []
    at_home = {folder.name for folder in folders if folder.is_dir()}
    if name not in at_home and name not in _archive_names():
        raise ValueError(
            f"Unknown data set {name!r}. Available: {', '.join(sorted({*BUNDLED, *at_home}))}."
        )
    if home is not None:
        for relative in wanted:
            if (home / relative).is_file():
                return home / relative
    raise _missing(" or ".join(wanted), home)


def _bundled_folder() -> Path:
    # The files are read in place: sktime's own loaders download what they do not find.
    spec = find_spec("sktime")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("The bundled data sets come with sktime, which is not installed.")
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"


def _archive_names() -> set[str]:
    from sktime.datasets.tsc_dataset_names import multivariate, univariate

    return {*univariate, *multivariate}


def _read_csv(path: Path) -> Bunch:
    # Copies of the weather file in circulation have lost the characters "µ" and "²" of its latin-1
    # header; what they hold instead reads as "ï¿½".
    frame: Any = pd.read_csv(path, encoding="latin-1", index_col="date", parse_dates=["date"])
    names = [str(c).replace("ï¿½mol", "µmol").replace("ï¿½", "²") for c in frame.columns]
    return Bunch(data=frame.to_numpy(np.float64, copy=True), index=frame.index, feature_names=names)
