"""Frames of pandas as panels: rows or columns are time points, or cells are whole series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .channel_names import are_names, channel_order, column_names
from .numbers import Floats, as_float, frame_values, objects
from .time_index import as_time, places

Frame = pd.DataFrame | pd.Series
_TIME = (pd.DatetimeIndex, pd.PeriodIndex, pd.TimedeltaIndex)


def is_nested(X: object) -> bool:
    """Recognise sktime's frames whose cells are series."""
    if isinstance(X, pd.Series):
        return X.dtype.kind == "O" and _is_series(X)
    if not isinstance(X, pd.DataFrame) or not X.size:
        return False
    if not any(dtype.kind == "O" for dtype in X.dtypes):
        return False
    return any(_is_series(column) for _, column in X.items() if column.dtype.kind == "O")


def _is_series(column: pd.Series) -> bool:
    """Whether cells hold series; the first that holds anything decides."""
    return any(isinstance(cell, pd.Series | np.ndarray | list | tuple) for cell in column)


def rows_are_time(X: Frame) -> bool:
    """Whether the rows of a frame are time points, of one series or of many."""
    if isinstance(X, pd.Series) or isinstance(X.index, (pd.MultiIndex, *_TIME)):
        return True
    if X.index.dtype.kind in "Mm":  # of arrow's types
        return True
    return X.index.dtype == object and pd.api.types.infer_dtype(X.index) in ("date", "datetime")


def is_wide(X: object) -> bool:
    """Recognise tables, a series a row, whose columns have a channel and a time point each."""
    return isinstance(X, pd.DataFrame) and X.columns.nlevels > 1 and not rows_are_time(X)


# -- rows are time points -------------------------------------------------------------------------


def from_rows(X: Frame) -> Floats:
    """Read a frame whose rows are the time points of one series or, by index levels, of many."""
    frame = X.to_frame() if isinstance(X, pd.Series) else X
    if isinstance(frame.index, pd.MultiIndex):
        return _placed(frame_values(frame), *_instances(frame.index))
    return _placed(frame_values(frame), frame.index, np.zeros(len(frame), np.int64))


def _instances(index: pd.MultiIndex) -> tuple[pd.Index, NDArray[np.int64], NDArray[np.intp]]:
    """Return the time points, the series of every row in order of appearance, and its time."""
    *levels, times = (np.asarray(codes, np.int64) for codes in index.codes)
    for level, name in zip(levels, index.names[:-1], strict=True):
        if (level < 0).any():
            raise ValueError(
                f"row {int((level < 0).argmax())} of X has no instance (NaN in the index level "
                f"{name!r}); name the instance of every row, or leave such rows out."
            )
    series = levels[0]
    for level in levels[1:]:
        series = pd.factorize(series)[0] * (level.max(initial=0) + 1) + level
    return index.levels[-1], pd.factorize(series)[0].astype(np.int64), times


def from_list(frames: Sequence[Frame]) -> Floats:
    """Read frames, each the time points of one series; channels in the order of the first."""
    columns = frames[0].columns.tolist() if isinstance(frames[0], pd.DataFrame) else []
    blocks = []
    for i, x in enumerate(frames):
        block = _block(x, f"series {i} of X")
        if isinstance(x, pd.DataFrame) and x.columns.tolist() != columns:
            own, wanted = column_names(x.columns), column_names(columns)
            if are_names(own) and are_names(wanted):
                block = block[:, channel_order(own, wanted, f"series {i} of X") or slice(None)]
        blocks.append(block)
    return _stacked(blocks, [x.index for x in frames])


def _block(x: Frame, name: str) -> Floats:
    """Return one series as (length, n_channels)."""
    return frame_values(x, name) if isinstance(x, pd.DataFrame) else as_float(x, name)[:, None]


def _joined(indexes: Sequence[pd.Index]) -> pd.Index:
    """Return the time points of several series, one behind the other."""
    if all(type(index) is pd.RangeIndex for index in indexes):
        numbers: pd.Index = pd.Index(np.concatenate([np.asarray(index) for index in indexes]))
        return numbers
    kinds = {_kind(index): i for i, index in reversed([*enumerate(indexes)])}
    if len(kinds) > 1:
        given = " and ".join(f"{kind} (series {i})" for kind, i in reversed(kinds.items()))
        raise TypeError(f"the series of X have different kinds of time index: {given}.")
    joined: pd.Index = indexes[0].append(list(indexes[1:]))
    return joined


def _kind(index: pd.Index) -> str:
    times = as_time(index)
    return type(times).__name__ if isinstance(times, _TIME) else "numbers"


def _placed(
    values: Floats,
    times: pd.Index,
    series: NDArray[np.int64],
    codes: NDArray[np.intp] | None = None,
    n_series: int | None = None,
) -> Floats:
    """Put rows (n_rows, n_channels) where their time is: (n_series, n_channels, length)."""
    order, position = places(times, series, codes)
    if order is not None:
        values, series = values[order], series[order]
    n_series = int(series.max(initial=-1)) + 1 if n_series is None else n_series
    length = int(position.max(initial=-1)) + 1
    if n_series * length == len(values):  # nothing is missing
        return np.ascontiguousarray(values.reshape(n_series, length, -1).swapaxes(1, 2))
    panel = np.full((n_series, values.shape[1], length), np.nan, values.dtype)
    panel[series, :, position] = values
    return panel


def _stacked(blocks: Sequence[Floats], indexes: Sequence[pd.Index]) -> Floats:
    """Put series of (length, n_channels) each, and their time points, into one panel."""
    numbers = sorted({block.shape[1] for block in blocks})
    if len(numbers) > 1:
        raise ValueError(
            f"all series must have the same channels; got series with {numbers} channels."
        )
    lengths = [len(block) for block in blocks]
    if all(type(index) is pd.RangeIndex and index.step == 1 for index in indexes):
        dtype = np.result_type(*blocks)
        panel = np.full((len(blocks), numbers[0], max(lengths)), np.nan, dtype)
        for row, block in zip(panel, blocks, strict=True):  # nothing to sort, no gaps
            row[:, : len(block)] = block.T
        return panel
    series = np.repeat(np.arange(len(blocks)), lengths)
    return _placed(np.concatenate(blocks), _joined(indexes), series, n_series=len(blocks))


# -- cells are series -----------------------------------------------------------------------------


def from_cells(X: Frame) -> Floats:
    """Read a frame whose cells are series; the channels of a row may differ in time points."""
    frame = X.to_frame() if isinstance(X, pd.Series) else X
    blocks, indexes = [], []
    for label, *cells in frame.itertuples(name=None):
        where = [f"the cell of X in row {label!r}, column {name!r}" for name in frame.columns]
        block, index = _row([*map(_cell, cells, where)], where)
        blocks.append(block)
        indexes.append(index)
    return _stacked(blocks, indexes)


def _cell(cell: Any, where: str) -> tuple[Floats, pd.Index]:
    """Return the values and the time points of a channel of a series."""
    if isinstance(cell, pd.Series):
        return as_float(cell.to_numpy(), where), cell.index
    if isinstance(cell, list | tuple | np.ndarray):
        values = as_float(cell if isinstance(cell, np.ndarray) else objects(cell), where)
        if values.ndim == 1:
            return values, pd.RangeIndex(len(values))
    elif pd.isna(cell):  # the channel has nothing
        return np.empty(0), pd.RangeIndex(0)
    raise TypeError(
        f"{where} holds {cell!r}; cells must be series of one channel: a pandas Series, an array "
        "or a list of numbers."
    )


def _row(cells: Sequence[tuple[Floats, pd.Index]], where: Sequence[str]) -> tuple[Floats, pd.Index]:
    """Return one series as (length, n_channels), and its time points: those of any channel."""
    first = cells[0][1]
    if all(index is first or index.equals(first) for _, index in cells):
        return np.stack([values for values, _ in cells], axis=1), first
    for (_, index), name in zip(cells, where, strict=True):
        if not index.is_unique:
            raise ValueError(f"{name} has a time point twice.")
    held = {i: pd.Series(*cell) for i, cell in enumerate(cells) if len(cell[1])}
    joined = pd.concat(held, axis=1).reindex(columns=range(len(cells)))
    return joined.to_numpy(), joined.index


# -- columns are channels and time points ---------------------------------------------------------


def from_wide(X: pd.DataFrame) -> Floats:
    """Read a table whose columns have two levels, channel and time."""
    names, times = wide_levels(X.columns)
    if X.columns.has_duplicates:
        raise ValueError("X has the same channel and time point in two columns.")
    channel, _ = pd.factorize(np.array(column_names(names), object))
    time, points = pd.factorize(times)
    order, position = places(points, np.zeros(len(points), np.int64))
    place = np.empty(len(points), np.int64)
    place[slice(None) if order is None else order] = position
    values = frame_values(X)
    shape = (len(X), channel.max(initial=-1) + 1, position.max(initial=-1) + 1)
    panel = np.full(shape, np.nan, values.dtype)
    panel[:, channel, place[time]] = values
    return panel


def wide_levels(columns: pd.Index) -> tuple[pd.Index, pd.Index]:
    """Return the channel and the time point of every column of a wide table."""
    levels = [columns.get_level_values(i) for i in range(columns.nlevels)]
    timed = [i for i, level in enumerate(levels) if _holds_time(level)]
    if len(levels) != 2 or not timed:
        raise ValueError(
            f"X is a table whose columns have {len(levels)} levels, {list(columns.names)}. Such a "
            "table must have two, channel and time, the times being numbers or dates; one level, "
            "time, is a table of one channel. X.stack(...) makes rows of the time points."
        )
    time = timed[-1]
    return levels[1 - time], levels[time]


def _holds_time(level: pd.Index) -> bool:
    try:
        as_time(level)
    except TypeError:
        return False
    return True
