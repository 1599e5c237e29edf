"""What a forecaster has seen: the series of a container of y, their names and their time points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .calendar import Calendar, calendar_of
from .rows import COMPLEX, Rows

Values = NDArray[np.float64]

ARRAYS = ("np.ndarray", "numpy3D")  # sktime's names of containers without time points


@dataclass(frozen=True)
class Instance:
    """One instance of a panel, or the only one there is.

    Attributes
    ----------
    name : tuple
        Its levels of a MultiIndex; empty for a single series.
    values : ndarray, shape (n_columns, length)
        float64, NaN = missing.
    calendar : Calendar
    first, last : int
        Its first and last time point, see `Calendar.ordinals`.
    """

    name: tuple[Any, ...]
    values: Values
    calendar: Calendar
    first: int
    last: int

    def time(self, step: int = 0) -> Any:
        """Return the time point so many steps behind the last one."""
        return self.calendar.after(self.last, [step])[0]


@dataclass(frozen=True)
class History:
    """All instances, in the order of y.

    Attributes
    ----------
    instances : list of Instance
    columns : Index
    index_names : list
        Names of the levels of y's index.

    Examples
    --------
    >>> import pandas as pd
    >>> y = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, pd.period_range("2024-01", periods=3, freq="M"))
    >>> history = History.of(y)
    >>> history.series
    [array([1., 2., 3.])]
    >>> history.cutoff
    PeriodIndex(['2024-03'], dtype='period[M]')
    """

    instances: list[Instance]
    columns: pd.Index
    index_names: list[Any]

    @classmethod
    def of(cls, y: pd.DataFrame, freq: Any = None) -> History:
        """Split a container of y; a row is a time point.

        Parameters
        ----------
        y : DataFrame
            Of one series, or with a MultiIndex whose last level are time points.
        freq : pandas offset, default=None
            Of all instances, where their index does not say.

        Raises
        ------
        ValueError
            If there is no time point, or a series has no observed value, an infinite one, or time
            points that do not follow each other at one frequency.
        TypeError
            If it holds something that is no real number.
        """
        if not len(y):
            raise ValueError("y is empty: a series without a time point cannot be forecast.")
        rows = Rows.of(y.index)
        values = numbers(y, rows)
        observed = np.logical_or.reduceat(~np.isnan(values), rows.starts)
        if not observed.all():
            i, j = np.argwhere(~observed)[0]
            raise ValueError(f"column {y.columns[j]!r} of {rows.label(i)} has no observed value.")
        times = _time_points(rows, freq)
        instances = [
            Instance(name, piece.T, *time)
            for name, piece, time in zip(rows.names, rows.split(values), times, strict=True)
        ]
        return cls(instances, y.columns, list(y.index.names))

    @property
    def series(self) -> list[Values]:
        """Every column of every instance, instance by instance."""
        return [column for instance in self.instances for column in instance.values]

    @property
    def cutoff(self) -> pd.Index:
        """The latest time point alone, with a frequency where there is one."""
        latest: dict[int, Instance] = {}  # of every calendar
        for instance in self.instances:
            other = latest.setdefault(id(instance.calendar), instance)
            if instance.last > other.last:
                latest[id(instance.calendar)] = instance
        last = max(latest.values(), key=lambda instance: instance.time())
        return last.calendar.after(last.last, [0])

    @property
    def is_panel(self) -> bool:
        """Whether there are names of instances."""
        return len(self.index_names) > 1

    def extended(self, new: pd.DataFrame, container: str) -> History:
        """Add newly seen data, and forget what lies behind them.

        Known time points are replaced by what ``new`` has observed; those between the two become
        missing values. Arrays have no time points: they continue the series.

        Parameters
        ----------
        new : DataFrame
        container : str
            sktime's name of what it came in.

        Raises
        ------
        ValueError
            If ``new`` has other columns, other instances, or time points that do not fit.
        """
        new = self._named_alike(new, container)
        rows = Rows.of(new.index)
        values = numbers(new, rows)
        known = {instance.name: i for i, instance in enumerate(self.instances)}
        names = rows.names
        if container in ARRAYS and len(names) == len(known):
            names = list(known)
        if not set(names) <= set(known):
            raise ValueError(
                "update needs the instances that the forecaster was fitted on; to forecast others, "
                "fit again (what `pretrain` has learned is kept)."
            )
        instances = list(self.instances)
        for i, (name, piece) in enumerate(zip(names, rows.split(values), strict=True)):
            old = self.instances[known[name]]
            times = rows.times_of(i)
            if container in ARRAYS:
                times = old.calendar.after(old.last, np.arange(1, len(piece) + 1))
            instances[known[name]] = _continued(old, piece.T, times, rows.label(i))
        if container not in ARRAYS:
            latest = rows.times[-1:]
            calendars = {id(i.calendar): i.calendar for i in self.instances}
            ends = {key: int(c.ordinals(latest)[0]) for key, c in calendars.items()}
            instances = [_until(instance, ends[id(instance.calendar)]) for instance in instances]
        return replace(self, instances=instances)

    def _named_alike(self, new: pd.DataFrame, container: str) -> pd.DataFrame:
        """Return new data with our columns in our order."""
        if len(self.index_names) != new.index.nlevels:
            raise ValueError(
                f"y has {new.index.nlevels} index level(s), but the forecaster was fitted on "
                f"{len(self.index_names)}."
            )
        # sktime calls the column of a series without a name 0
        names: list[Any] = [new.columns[0], self.columns[0]]
        unnamed = container == "pd.Series" and 0 in names
        by_position = container in ARRAYS or (unnamed and len(self.columns) == 1)
        return new.iloc[:, matched_columns(self.columns, new.columns, by_position)]


def matched_columns(
    known: pd.Index, given: pd.Index, by_position: bool, owner: str = "y"
) -> NDArray[np.intp]:
    """Return where the known columns stand among the given ones.

    Raises
    ------
    ValueError
        If they are not the same.
    """
    if by_position and len(known) == len(given):
        return np.arange(len(known))
    places = given.get_indexer(known) if given.is_unique else np.array([-1])
    if len(known) != len(given) or bool((places < 0).any()):
        raise ValueError(
            f"{owner} has the columns {list(given)}, but the forecaster was fitted on "
            f"{list(known)}."
        )
    return np.asarray(places, np.intp)


def numbers(y: pd.DataFrame, rows: Rows) -> Values:
    """Return the values of a container in the order of rows, (n_rows, n_columns), NaN = missing."""
    if any(getattr(dtype, "kind", "") == "c" for dtype in y.dtypes):
        raise TypeError(COMPLEX)
    try:
        values: Values = y.to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{_culprit(y, rows)} must hold numbers ({error}).") from error
    values = values if rows.in_order else values[rows.order]
    infinite = np.isinf(values).any(1)
    if infinite.any():
        owner = int(np.searchsorted(rows.starts, infinite.argmax(), side="right")) - 1
        raise ValueError(f"{rows.label(owner)} contains infinity; values must be finite, or NaN.")
    return values


def _culprit(y: pd.DataFrame, rows: Rows) -> str:
    """Return what messages call the first instance that holds no numbers."""
    for i, piece in enumerate(rows.split(rows.order)):
        try:
            y.iloc[piece].to_numpy(np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            return rows.label(i)
    return rows.owner


def _time_points(rows: Rows, freq: Any) -> list[tuple[Calendar, int, int]]:
    """Return the calendar of every instance, and its first and last time point."""
    calendars = _calendars(rows, freq)
    shared = {id(calendar): calendar for calendar in calendars if calendar is not None}
    result = []
    for i, calendar in enumerate(calendars):
        if calendar is None and len(shared) == 1:  # too short to tell: as all others
            (calendar,) = shared.values()
        if calendar is None:
            raise ValueError(
                f"the frequency of {rows.label(i)} cannot be told from so few time points, and "
                "those of other instances differ; give y.index.levels[-1] a freq."
            )
        ends = rows.times[rows.position[[rows.starts[i], rows.ends[i] - 1]]]
        first, last = calendar.ordinals(ends).tolist()
        result.append((calendar, first, last))
    return result


def _calendars(rows: Rows, freq: Any) -> list[Calendar | None]:
    """Return the calendar of every instance; None where it is too short to tell."""
    step = np.diff(rows.position)
    step[rows.starts[1:] - 1] = 1
    if (step == 1).all():  # no instance leaves out what others have
        try:
            common = calendar_of(rows.times, rows.label(0), freq)
            return [common] * len(rows.names)
        except ValueError:
            if len(rows.names) == 1:
                raise
    known: dict[Calendar, Calendar] = {}  # equal ones become the same
    calendars = []
    for i in range(len(rows.names)):
        calendar = calendar_of(rows.times_of(i), rows.label(i), freq)
        calendars.append(None if calendar is None else known.setdefault(calendar, calendar))
    return calendars


def _continued(old: Instance, values: Values, times: pd.Index, label: str) -> Instance:
    """Add values, (n_columns, n), at their time points; what lies between is missing."""
    calendar = old.calendar
    try:
        times = calendar.own(times)
        first = min(old.first, int(calendar.ordinals(times)[0]))
        start = int(calendar.steps(first, calendar.after(old.first, [0]))[0])
        places = calendar.steps(first, times)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the time points of {label} do not continue those that the forecaster has seen: "
            f"{error}"
        ) from error
    n_old = old.values.shape[1]
    merged = np.full((len(values), max(start + n_old, int(places[-1]) + 1)), np.nan)
    merged[:, start : start + n_old] = old.values
    if calendar.kind == "Index" and start == places[0] == 0 and len(places) < n_old:
        before = merged[:, places]
        if not ((values == before) | np.isnan(values)).all():
            raise ValueError(
                f"{label} begins at {first} once more, with other values: as an array it would "
                f"continue what has been seen, or give it an index from {old.time(1)} on."
            )
    observed = ~np.isnan(values)
    merged[:, places] = np.where(observed, values, merged[:, places])
    last = max(old.last, int(calendar.ordinals(times)[-1]))
    return Instance(old.name, merged, calendar, first, last)


def _until(instance: Instance, latest: int) -> Instance:
    """Forget what lies behind a time point of its calendar."""
    if instance.last <= latest:
        return instance
    calendar = instance.calendar
    times = calendar.ordinals(calendar.after(instance.first, np.arange(instance.values.shape[1])))
    kept = int((times <= latest).sum())
    if not kept:
        raise ValueError(
            f"y ends before instance {instance.name!r} begins: update needs the instances that the "
            "forecaster was fitted on."
        )
    return replace(instance, values=instance.values[:, :kept], last=int(times[kept - 1]))
