"""Calendars: which time points follow each other, and how many steps lie between two of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}

Ordinals = NDArray[np.int64]  # time points as integers: counts of the unit since 1970, of periods

MEND = (
    "Insert missing time points as NaN, as in y.asfreq('D') or y.reindex(range(...)), or say which "
    "calendar they follow, as in y.index.freq = pd.offsets.CustomBusinessDay(holidays=...)."
)


@dataclass(frozen=True)
class Calendar:
    """The time points that a series can have, one after the other.

    Attributes
    ----------
    kind : str
        The class of index: "DatetimeIndex", "TimedeltaIndex", "PeriodIndex" or "Index" of integers.
    freq : pandas offset or None
        From one time point to the next; None for integers, which follow each other by one.
    unit : str or None
        What the integers of `ordinals` count: "s", "ms", "us" or "ns"; None for periods, integers.
    zone : tzinfo or None
        Time zone of a DatetimeIndex.

    Examples
    --------
    >>> import pandas as pd
    >>> index = pd.date_range("2024-01-01", periods=5, freq="B")
    >>> calendar = calendar_of(index, "y")
    >>> friday = int(calendar.ordinals(index)[-1])
    >>> calendar.after(friday, [1, 2])
    DatetimeIndex(['2024-01-08', '2024-01-09'], dtype='datetime64[us]', freq='B')
    >>> calendar.steps(friday, calendar.after(friday, [1, 2]))
    array([1, 2])
    """

    kind: str
    freq: Any = None
    unit: Any = None
    zone: tzinfo | None = None

    def ordinals(self, times: pd.Index) -> Ordinals:
        """Return time points of this calendar as integers."""
        if isinstance(times, pd.DatetimeIndex | pd.TimedeltaIndex):
            return times.as_unit(self.unit or "ns").asi8
        return times.asi8 if isinstance(times, pd.PeriodIndex) else times.to_numpy(np.int64)

    def index(self, ordinals: Ordinals, freq: Any = None) -> pd.Index:
        """Undo `ordinals`."""
        match self.kind:
            case "DatetimeIndex":
                times = pd.DatetimeIndex(ordinals.view(f"M8[{self.unit}]"))
                if self.zone is not None:
                    times = times.tz_localize("UTC").tz_convert(self.zone)
                return pd.DatetimeIndex(times, freq=freq)
            case "TimedeltaIndex":
                return pd.TimedeltaIndex(ordinals.view(f"m8[{self.unit}]"), freq=freq)
            case "PeriodIndex":
                periods: Any = pd.PeriodIndex  # the stubs lack from_ordinals
                index: pd.Index = periods.from_ordinals(ordinals, freq=self.freq)
                return index
        return pd.Index(ordinals)

    def after(self, last: int, steps: Any) -> pd.Index:
        """Return the time points so many steps behind one of them; 0 is itself."""
        steps = np.asarray(steps, np.int64)
        consecutive = bool((np.diff(steps) == 1).all())
        if self.step is not None:
            freq = self.freq if consecutive and self.kind != "PeriodIndex" else None
            return self.index(last + steps * self.step, freq)
        grid = pd.date_range(self._time(last), periods=int(steps.max()) + 1, freq=self.freq)
        grid = grid.as_unit(self.unit or "ns")
        # a slice keeps the frequency
        return grid[steps[0] : steps[-1] + 1] if consecutive and steps[0] >= 0 else grid[steps]

    def steps(self, last: int, times: pd.Index) -> NDArray[np.intp]:
        """Return how many steps time points lie behind one of them.

        Where steps differ in length, all time points before ``last`` are 0 steps behind it.

        Raises
        ------
        ValueError
            If one of them is no time point of this calendar.
        """
        times = self.own(times)
        if self.step is not None:
            exact = self.index(self.ordinals(times)) == times  # finer units than ours
            steps, rest = np.divmod(self.ordinals(times) - last, self.step)
            off = (rest != 0) | ~np.asarray(exact)
        else:
            origin = self._time(last)
            grid = pd.date_range(origin, max(times.max(), origin), freq=self.freq)
            steps = np.where(times <= origin, 0, grid.get_indexer(times))
            off = steps < 0
        if off.any():
            raise ValueError(
                f"{times[off][0]} is no time point of y, whose frequency is {self.name} and which "
                f"has {self.index(np.array([last]))[0]}."
            )
        return np.asarray(steps, np.intp)

    def check_known(self, last: int, n_steps: int) -> None:
        """Refuse to count behind the last holiday that is listed, from a time point before it.

        Whether there are holidays behind it is not known, and each one would move all later dates.

        Raises
        ------
        ValueError
            If the list ends within so many steps.
        """
        holidays = getattr(self.freq, "holidays", None)
        if not holidays:
            return
        final = pd.Timestamp(max(holidays))
        origin, end = (self.after(last, [n])[0].tz_localize(None) for n in (0, n_steps))
        if origin < final < end.normalize():
            raise ValueError(
                f"the holidays of the frequency of y are known up to {final.date()}, but the "
                f"forecast reaches {end.date()}: list the next ones, too, at least one on or "
                f"behind that day, as in y.index.freq = pd.offsets.{type(self.freq).__name__}"
                "(holidays=[...])."
            )

    def own(self, times: pd.Index) -> pd.Index:
        """Return time points in this calendar's time zone.

        Raises
        ------
        TypeError
            If they are of another kind, or have a time zone where ours have none.
        """
        kind = kind_of(times)
        if kind != self.kind:
            raise TypeError(f"the time points must be a {self.kind} like those of y, got a {kind}.")
        if isinstance(times, pd.PeriodIndex) and times.freq != self.freq:
            raise TypeError(
                f"the time points are periods of frequency {times.freqstr}, but those of y have "
                f"frequency {self.name}."
            )
        if isinstance(times, pd.DatetimeIndex):
            if (times.tz is None) != (self.zone is None):
                mend = "tz_localize the one without."
                ours, theirs = ("a" if tz is not None else "no" for tz in (self.zone, times.tz))
                raise TypeError(
                    f"the time points have {theirs} time zone, but those of y have {ours}: {mend}"
                )
            return times if self.zone is None else times.tz_convert(self.zone)
        return times

    @property
    def name(self) -> str:
        """The frequency in words."""
        return "1" if self.freq is None else str(self.freq.freqstr)

    @property
    def step(self) -> int | None:
        """How many units a step has, if all have the same number."""
        if self.kind == "Index":
            return 1
        if self.kind == "PeriodIndex":
            return int(self.freq.n)
        if isinstance(self.freq, pd.offsets.Tick):
            span = pd.Timedelta(self.freq)
        elif type(self.freq) is pd.offsets.Day and self.zone is None:
            span = pd.Timedelta(days=self.freq.n)
        else:
            return None
        step, rest = divmod(span.as_unit("ns").value, _NANOSECONDS[self.unit or "ns"])
        return None if rest else int(step)

    def _time(self, ordinal: int) -> Any:
        return self.index(np.array([ordinal]))[0]


def calendar_of(index: pd.Index, label: str, freq: Any = None) -> Calendar | None:
    """Return the calendar of time points that follow each other; None if they are too few to tell.

    Parameters
    ----------
    index : Index
        Sorted.
    label : str
        What messages call its owner.
    freq : pandas offset, default=None
        Taken where the index has none and is regular with it.

    Raises
    ------
    TypeError
        If the index holds no time points.
    ValueError
        If time points repeat or do not follow each other.
    """
    kind = kind_of(index)
    if index.has_duplicates:
        raise ValueError(
            f"{label} has the time point {index[index.duplicated()][0]} more than once; keep one "
            "row of each, as in y[~y.index.duplicated()] or y.groupby(level=...).mean()."
        )
    match index:
        case pd.DatetimeIndex() | pd.TimedeltaIndex():
            known = index.freq or _conforming(index, freq)
            if known is None and len(index) < 3:
                return None
            known = known or _inferred(index)
            regular = known is not None
            zone = getattr(index, "tz", None)
            calendar = Calendar(kind, known, index.unit, zone)
        case pd.PeriodIndex():
            periods: Any = index.freq
            regular = bool((np.diff(index.asi8) == periods.n).all())
            calendar = Calendar(kind, periods)
        case _:
            regular = bool((np.diff(index.to_numpy()) == 1).all())
            calendar = Calendar(kind)
    if not regular:
        raise ValueError(
            f"the time index of {label} is irregular: time points must follow each other at one "
            f"frequency, without gaps. {MEND}"
        )
    return calendar


def kind_of(index: pd.Index) -> str:
    """Return the class of a time index, "Index" for integers."""
    if isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex | pd.PeriodIndex):
        return type(index).__name__
    if pd.api.types.is_integer_dtype(index.dtype):
        return "Index"
    raise TypeError(
        f"a time index must hold dates, periods or integers, got {index.dtype}: convert it, as in "
        "y.index = pd.to_datetime(y.index)."
    )


def refuse_text(index: pd.Index, owner: str) -> None:
    """Raise an error if the time points of a container are text.

    Parameters
    ----------
    index : Index
        Time points are its last level.
    owner : str
        What the message calls the container.
    """
    level: Any = index.levels[-1] if isinstance(index, pd.MultiIndex) else index
    if not len(level) or pd.api.types.infer_dtype(level, skipna=True) != "string":
        return
    which = "the index" if index.nlevels == 1 else "the last level of the index"
    raise TypeError(
        f"{which} of {owner} holds text, such as {level[0]!r}; time points are dates, periods or "
        f"whole numbers. Convert it by pd.to_datetime where it says when; else count the rows, as "
        f"by {owner}.reset_index(drop=True)."
    )


def _conforming(index: Any, freq: Any) -> Any:
    """Return the frequency if the index is regular with it, else None."""
    try:
        return None if freq is None else type(index)(index, freq=freq).freq
    except ValueError:
        return None


def _inferred(index: Any) -> Any:
    """Return the frequency that an index has by its looks, or None."""
    looks = pd.infer_freq(index)
    if looks is not None or not isinstance(index, pd.DatetimeIndex):
        return None if looks is None else pd.tseries.frequencies.to_offset(looks)
    days = np.bincount(index.weekday, minlength=7) > 0
    weekmask = "".join(str(int(day)) for day in days)
    for freq in (pd.offsets.CustomBusinessDay(weekmask=weekmask), pd.DateOffset(months=1)):
        if _conforming(index, freq) is not None:
            return freq
    return None
