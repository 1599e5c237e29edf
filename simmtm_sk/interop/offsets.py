"""Frequencies and time zones as data, for artifacts: nothing is evaluated when they are read."""

from __future__ import annotations

import functools
import re
import zoneinfo
from datetime import time as clock
from datetime import timedelta, tzinfo
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

# what pandas calls by its class and parameters; everything else by its alias, such as "h" or "QE"
_CLASSES = (
    "DateOffset",
    "BusinessHour",
    "CustomBusinessDay",
    "CustomBusinessHour",
    "CustomBusinessMonthBegin",
    "CustomBusinessMonthEnd",
    "FY5253",
    "FY5253Quarter",
    "LastWeekOfMonth",
    "WeekOfMonth",
    "BusinessDay",
    "Easter",
    "SemiMonthBegin",
    "SemiMonthEnd",
    "Week",
)
_MOST_HOLIDAYS = 20_000  # of which pandas reads some 100 000 in a second
_ALIAS = re.compile(r"-?\d{0,9}[A-Za-z]{1,8}(-[A-Z0-9]{1,6}){0,3}")
_FIXED_ZONE = re.compile(r"UTC[+-]\d\d:\d\d")


def encoded_offset(freq: Any) -> Any:
    """Return a frequency as JSON: its alias, or its class and parameters.

    Raises
    ------
    TypeError
        If it is of a class of the user's own, or has parameters that are no data.

    Examples
    --------
    >>> import pandas as pd
    >>> encoded_offset(pd.offsets.Hour(6))
    '6h'
    >>> encoded_offset(pd.DateOffset(months=1))
    {'class': 'DateOffset', 'n': 1, 'normalize': False, 'params': {'months': 1}}
    """
    if freq is None or _is_alias(freq):
        return None if freq is None else freq.freqstr
    state = _parameters(freq)
    try:
        same = _parameters(decoded_offset(state)) == state
    except (TypeError, ValueError):
        same = False
    if not same:
        raise TypeError(f"the frequency {freq!r} of y cannot be saved.")
    return state


def decoded_offset(state: Any) -> Any:
    """Undo `encoded_offset`.

    Raises
    ------
    ValueError
        If there is no such frequency.
    """
    if state is None:
        return None
    if isinstance(state, str):
        if not _ALIAS.fullmatch(state):
            raise ValueError(f"there is no frequency {state!r}.")
        return to_offset(state)
    if state["class"] not in _CLASSES:
        raise ValueError(f"there is no frequency of class {state['class']!r}.")
    params = {name: _restored(name, value) for name, value in state["params"].items()}
    return getattr(pd.offsets, state["class"])(
        n=int(state["n"]), normalize=bool(state["normalize"]), **params
    )


def encoded_zone(zone: tzinfo | None) -> str | None:
    """Return the name of a time zone.

    Raises
    ------
    TypeError
        If it has none that `decoded_zone` knows.
    """
    if zone is None:
        return None
    try:
        decoded_zone(str(zone))
    except ValueError as error:
        raise TypeError(f"the time zone {zone!r} of y cannot be saved: it has no name.") from error
    return str(zone)


def decoded_zone(name: Any) -> Any:
    """Return the time zone of a name such as "Europe/Berlin", "UTC" or "UTC+01:00".

    Raises
    ------
    ValueError
        If there is none.
    """
    if name is None:
        return None
    if not isinstance(name, str) or not (_FIXED_ZONE.fullmatch(name) or name in _time_zones()):
        raise ValueError(f"there is no time zone {name!r}.")
    return pd.Timestamp(0, tz=name).tz


@functools.cache
def _time_zones() -> set[str]:
    """Return the names that there are, which takes a walk through their files."""
    return zoneinfo.available_timezones()


def _is_alias(freq: Any) -> bool:
    try:
        alias: str = freq.freqstr
        return bool(_ALIAS.fullmatch(alias) and to_offset(alias) == freq)
    except (ValueError, AttributeError):
        return False


def _parameters(freq: Any) -> dict[str, Any]:
    params = {name: _plain(name, value) for name, value in freq.kwds.items() if name != "calendar"}
    if isinstance(getattr(freq, "calendar", None), np.busdaycalendar):
        given, days = params.get("weekmask"), freq.calendar.weekmask
        # a calendar given as a whole leaves its weekmask out of the parameters
        if not isinstance(given, str) or (np.busdaycalendar(given).weekmask != days).any():
            params["weekmask"] = "".join(str(int(day)) for day in days)
        params["holidays"] = sorted({str(day) for day in freq.holidays})
    return {
        "class": type(freq).__name__,
        "n": freq.n,
        "normalize": freq.normalize,
        "params": {name: value for name, value in params.items() if value is not None},
    }


def _plain(name: str, value: Any) -> Any:
    """Return a parameter of an offset as JSON."""
    if isinstance(value, timedelta):
        return value.total_seconds() or None
    if isinstance(value, list | tuple | np.ndarray):
        return [
            entry.strftime("%H:%M") if isinstance(entry, clock) else str(entry) for entry in value
        ]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"the parameter {name} of the frequency of y cannot be saved: {value!r}.")


def _restored(name: str, value: Any) -> Any:
    """Undo `_plain`."""
    if name == "offset":
        return timedelta(seconds=float(value))
    if not isinstance(value, list):
        return value
    if len(value) > _MOST_HOLIDAYS:
        raise ValueError(f"there are {len(value)} {name}; a frequency has up to {_MOST_HOLIDAYS}.")
    return [str(entry) for entry in value]
