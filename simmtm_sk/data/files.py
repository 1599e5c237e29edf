"""Text files of labelled series: ``.ts``, ``.arff`` and ``.tsv``, as the archives have them.

Values that are missing are blank, ``?`` or ``NaN``; what cannot be read is refused with its line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .time_index import places

Series: TypeAlias = NDArray[np.float64]
Labelled: TypeAlias = tuple[list[Series], list[Any]]
Lines: TypeAlias = list[tuple[int, str]]

_PAIR = re.compile(r"\(([^(),]+),([^(),]*)\)")  # of a time stamp and a value


class _Row:
    """A line of data; what is wrong with it is said with its place."""

    def __init__(self, path: Path, number: int, text: str) -> None:
        self.path, self.number, self.text = path, number, text

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.path}, line {self.number}: {what}")

    def number_of(self, text: str) -> float:
        text = text.strip()
        if text in ("", "?"):
            return np.nan
        try:
            return float(text.replace("_", "no digit"))  # Python reads 1_000
        except ValueError as error:
            raise self.error(f"{text[:40]!r} is no number.") from error

    def channel(self, text: str, separator: str = ",") -> Series:
        values = text.split(separator)
        try:
            if "_" not in text:
                return np.array(values, np.float64)
        except ValueError:  # blank, or no number
            pass
        return np.array([self.number_of(value) for value in values])

    def series(self, channels: list[Series]) -> Series:
        lengths = sorted({len(channel) for channel in channels})
        if len(lengths) != 1:
            raise self.error(f"channels of one series differ in length: {lengths} points.")
        return np.stack(channels)


def read_file(path: Path) -> Labelled:
    """Read a file of labelled series by the end of its name.

    Parameters
    ----------
    path : Path
        UTF-8, or else latin-1.

    Returns
    -------
    series : list of ndarray, each (n_channels, length)
    labels : list of str or float
        Floats where the file says that they are targets.

    Raises
    ------
    ValueError
        If the file is not of its format; with the number of the line.
    """
    readers = {".tsv": _read_tsv, ".ts": _read_ts, ".arff": _read_arff}
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    series, labels = readers[path.suffix](path, [*enumerate(text.splitlines(), start=1)])
    if not series:
        raise ValueError(f"{path} holds no series.")
    return series, labels


def _read_tsv(path: Path, lines: Lines) -> Labelled:
    """Read one series per line, the label first."""
    series, labels = [], []
    for number, line in lines:
        if line.strip():
            row = _Row(path, number, line)
            label, separator, values = line.partition("\t")
            if not separator:
                raise row.error("there is no tab behind the label.")
            labels.append(label.strip())
            series.append(row.channel(values, "\t")[None])
    return series, labels


def _divided(path: Path, lines: Lines, comment: str) -> tuple[Lines, Iterator[_Row]]:
    """Return the lines above ``@data``, in any case, and the rows below."""
    kept = [(n, line.strip()) for n, line in lines]
    kept = [(n, line) for n, line in kept if line and not line.startswith(comment)]
    at = next((i for i, (_, line) in enumerate(kept) if line.lower() == "@data"), None)
    if at is None:
        raise ValueError(f"{path} has no line @data, below which the series are.")
    return kept[:at], (_Row(path, n, line) for n, line in kept[at + 1 :])


# -- .ts ------------------------------------------------------------------------------------------


def _read_ts(path: Path, lines: Lines) -> Labelled:
    """Read one series per line, channels and label separated by colons, below ``@data``."""
    header, rows = _divided(path, lines, "#")
    tags: dict[str, str] = {}
    for _, line in header:
        tag, _, value = line.partition(" ")
        tags[tag.lower()] = value.strip()
    is_regression = tags.get("@targetlabel", "").lower().startswith("true")
    classes = tags.get("@classlabel", "false").split()
    if not is_regression and classes[0].lower() != "true":
        raise ValueError(f"{path} must hold labels or targets: @classLabel true, and the classes.")
    timed = tags.get("@timestamps", "false").lower() == "true"
    split: Callable[[_Row], tuple[list[Series], str]] = _timed_channels if timed else _channels
    series: list[Series] = []
    labels: list[Any] = []
    for row in rows:
        channels, label = split(row)
        series.append(row.series(channels))
        if len(series[-1]) != len(series[0]):
            raise row.error(f"{len(channels)} channels, but {len(series[0])} in the first series.")
        if is_regression:
            labels.append(row.number_of(label))
        elif len(classes) > 1 and label not in classes[1:]:
            raise row.error(f"the label {label!r} is none of {classes[1:]}.")
        else:
            labels.append(label)
    return series, labels


def _channels(row: _Row) -> tuple[list[Series], str]:
    *channels, label = row.text.split(":")
    if not channels:
        raise row.error("there is no label behind a colon.")
    return [row.channel(channel) for channel in channels], label.strip()


def _timed_channels(row: _Row) -> tuple[list[Series], str]:
    """Read ``(time, value), (time, value): (time, value), ...: label``."""
    text, bracket, label = row.text.rpartition(")")
    if not label.strip().startswith(":"):
        raise row.error("there is no label behind a colon.")
    channels = []
    for channel in re.split(r"(?<=\))\s*:\s*(?=\()", text + bracket):
        if _PAIR.sub("", channel).strip(" ,"):
            raise row.error(f"{channel[:40]!r} are not pairs (time stamp, value).")
        channels.append(_PAIR.findall(channel))
    stamps = _stamps(row, [stamp for pairs in channels for stamp, _ in pairs])
    times, time = np.unique(stamps, return_inverse=True)
    try:
        position = places(pd.Index(times), np.zeros(len(times), np.int64)).position[time]
    except ValueError as error:
        raise row.error(str(error)) from error
    series = np.full((len(channels), position.max(initial=-1) + 1), np.nan)
    channel = np.repeat(np.arange(len(channels)), [len(pairs) for pairs in channels])
    if len({*zip(channel.tolist(), position.tolist(), strict=True)}) < len(position):
        raise row.error("a channel has a time stamp twice.")
    series[channel, position] = [row.number_of(value) for pairs in channels for _, value in pairs]
    return [*series], label.strip()[1:].strip()


def _stamps(row: _Row, stamps: list[str]) -> NDArray[Any]:
    """Return time stamps as numbers or dates."""
    try:
        return np.array(stamps, np.float64)
    except ValueError:
        pass
    try:
        return pd.to_datetime(pd.Series(stamps).str.strip(), format="ISO8601").to_numpy()
    except ValueError as error:
        raise row.error(f"time stamps are neither numbers nor dates ({error}).") from error


# -- .arff ----------------------------------------------------------------------------------------


def _read_arff(path: Path, lines: Lines) -> Labelled:
    """Read one series per row, the label last; several channels stand in quotes, as lines."""
    header, rows = _divided(path, lines, "%")
    kind, n_attributes = "", 0
    is_relational = any(re.search(r"(?i)\srelational\s*$", line) for _, line in header)
    for number, line in header:
        if re.match(r"(?i)@attribute\s+\S+\s+(date|string)", line):
            raise ValueError(f"{path}, line {number}: dates and text are no values of series.")
        if re.match(r"(?i)@attribute\s", line):
            kind, n_attributes = line, n_attributes + 1
    classes = re.search(r"\{(.*)\}\s*$", kind)
    names = [] if classes is None else [_unquoted(name) for name in classes[1].split(",")]
    series: list[Series] = []
    labels: list[Any] = []
    for row in rows:
        if row.text.startswith("{"):
            raise row.error("sparse rows are not read.")
        values, comma, label = row.text.rpartition(",")
        if not comma:
            raise row.error("there is no label behind a comma.")
        channels = re.split(r"\\n|\n", _unquoted(values))
        series.append(row.series([row.channel(channel) for channel in channels]))
        label = _unquoted(label)
        if not is_relational and series[-1].shape != (1, n_attributes - 1):
            raise row.error(f"{values.count(',') + 2} values for {n_attributes} attributes.")
        if len(series[-1]) != len(series[0]):
            raise row.error(f"{len(channels)} channels, but {len(series[0])} in the first series.")
        if names and label not in names:
            raise row.error(f"the label {label!r} is none of {names}.")
        labels.append(label if names else row.number_of(label))
    return series, labels


def _unquoted(text: str) -> str:
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
