"""Exogenous data: what is known of the time points of y, and of those behind its end."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .history import History, Instance, Values, matched_columns, numbers
from .horizon import Steps
from .rows import Rows

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Covariates:
    """Columns of X at the time points of y.

    Attributes
    ----------
    columns : Index
    values : list of ndarray, each (n_covariates, length)
        Of every instance; NaN where X says nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> y = pd.DataFrame({"v": [1.0, 2.0, 3.0]}, pd.period_range("2024-01", periods=3, freq="M"))
    >>> X = pd.DataFrame({"x": [5.0, 7.0]}, pd.period_range("2024-02", periods=2, freq="M"))
    >>> Covariates.of(X, History.of(y), False).values
    [array([[nan,  5.,  7.]])]
    """

    columns: pd.Index
    values: list[Values]

    @classmethod
    def of(cls, X: pd.DataFrame, history: History, is_array: bool) -> Covariates:
        """Look up the time points of y; an array begins with the first one.

        Raises
        ------
        ValueError, TypeError
            If X has other instances, other time points, infinite values, or no numbers.
        """
        values = []
        for instance, rows, table in _by_instance(X, history):
            length = instance.values.shape[1]
            places = np.arange(table.shape[1])
            if not is_array:
                places, table = _places(instance, instance.first, rows, table)
            aligned = np.full((len(X.columns), length), np.nan)
            kept = places < length
            aligned[:, places[kept]] = table[:, kept]
            values.append(aligned)
        return cls(X.columns, values)

    def announce_blank(self) -> None:
        """Warn of columns without a value at any time point of y, which have no effect."""
        known = np.logical_or.reduce([(~np.isnan(table)).any(1) for table in self.values])
        if not known.all():
            blank = list(self.columns[~known])
            warnings.warn(
                f"the columns {blank} of X have no value at any time point of y; they are ignored.",
                UserWarning,
                stacklevel=2,
            )

    def extended(
        self, X: pd.DataFrame, before: History, history: History, is_array: bool
    ) -> Covariates:
        """Add those of new time points; ``before`` is what had been seen without them."""
        X = self._named_alike(X, is_array)
        if is_array:
            added = [i.values.shape[1] for i in before.instances]
            blank = [np.full((len(self.columns), n), np.nan) for n in added]
            pieces = [table for _, _, table in _by_instance(X, history)]
            joined = [np.concatenate(pair, 1) for pair in zip(blank, pieces, strict=True)]
            new = [
                table[:, : i.values.shape[1]]
                for table, i in zip(joined, history.instances, strict=True)
            ]
        else:
            new = Covariates.of(X, history, False).values
        values = []
        for old, table, then, now in zip(
            self.values, new, before.instances, history.instances, strict=True
        ):
            start = int(now.calendar.steps(now.first, now.calendar.after(then.first, [0]))[0])
            length = min(old.shape[1], table.shape[1] - start)
            known = table[:, start : start + length]
            table[:, start : start + length] = np.where(np.isnan(known), old[:, :length], known)
            values.append(table)
        return Covariates(self.columns, values)

    def ahead(
        self, X: pd.DataFrame, history: History, steps: Steps, is_array: bool
    ) -> NDArray[np.float64]:
        """Return those of steps behind the end, (n_instances, n_covariates, n_steps).

        Rows of an array are the first, second, ... step.

        Raises
        ------
        ValueError
            If X lacks one of them.
        """
        X = self._named_alike(X, is_array)
        result = np.full((len(steps), len(self.columns), steps.shape[1]), np.nan)
        for i, (instance, rows, table) in enumerate(_by_instance(X, history)):
            places = np.arange(1, table.shape[1] + 1)
            if not is_array:
                places, table = _places(instance, instance.last, rows, table)
            at = np.searchsorted(places, steps[i]).clip(max=max(len(places) - 1, 0))
            absent = steps[i][places[at] != steps[i]] if len(places) else steps[i]
            if len(absent):
                raise ValueError(
                    f"X has no row for {instance.time(int(absent[0]))}; predict needs one for "
                    "every time point of fh."
                )
            result[i] = table[:, at]
        return result

    def centered(self, instance: int, values: Values) -> Values:
        """Return values, (n_covariates, n), minus the mean of what is known; 0 where missing."""
        known = self.values[instance]
        observed = ~np.isnan(known)
        total = np.where(observed, known, 0).sum(1) / observed.sum(1).clip(min=1)
        centered: Values = np.nan_to_num(values - total[:, None])
        return centered

    def effects(self, coef: NDArray[np.float64]) -> list[Values]:
        """Return what they do to every column of every instance; coef (n_series, n_covariates)."""
        n_columns = len(coef) // len(self.values)
        return [
            coef[series] @ self.centered(i, values)
            for i, values in enumerate(self.values)
            for series in range(i * n_columns, (i + 1) * n_columns)
        ]

    def taken_off(self, series: Sequence[Values], coef: NDArray[np.float64]) -> Sequence[Values]:
        """Return every column of every instance without what they do to it."""
        effects = self.effects(coef)
        return [values - effect for values, effect in zip(series, effects, strict=True)]

    def effects_at(
        self, values: NDArray[np.float64], coef: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what given values do to every column, (n_instances, n, n_columns).

        Parameters
        ----------
        values : ndarray, shape (n_instances, n_covariates, n)
        coef : ndarray, shape (n_series, n_covariates)
        """
        by_instance = coef.reshape(len(values), -1, coef.shape[1])
        return np.stack(
            [
                (by_instance[i] @ self.centered(i, of_instance)).T
                for i, of_instance in enumerate(values)
            ]
        )

    def _named_alike(self, X: pd.DataFrame, is_array: bool) -> pd.DataFrame:
        return X.iloc[:, matched_columns(self.columns, X.columns, is_array, "X")]


def _by_instance(X: pd.DataFrame, history: History) -> Sequence[tuple[Instance, pd.Index, Values]]:
    """Return each instance with its time points in X, and the columns at them."""
    rows = Rows.of(X.index, "X")
    tables = rows.split(numbers(X, rows))
    numbered = {name: i for i, name in enumerate(rows.names)}
    names = [instance.name for instance in history.instances]
    if len(names) == len(numbered) and not set(names) <= set(numbered):
        arrays = [(i,) for i in range(len(names))]
        if list(numbered) == arrays or names == arrays:  # one of them came in an array
            numbered = {name: i for i, name in enumerate(names)}
    absent = [name for name in names if name not in numbered]
    if absent or history.is_panel != (X.index.nlevels > 1):
        raise ValueError(
            f"X must have the instances of y; there is none for {absent[:3] or names[:3]}."
        )
    return [
        (instance, rows.times_of(numbered[name]), tables[numbered[name]].T)
        for name, instance in zip(names, history.instances, strict=True)
    ]


def _places(
    instance: Instance, anchor: int, times: pd.Index, table: Values
) -> tuple[Places, Values]:
    """Return how many steps behind a time point the rows stand that are not before it."""
    calendar = instance.calendar
    times = calendar.own(times)
    kept = calendar.ordinals(times) >= anchor
    if not kept.any():
        return np.empty(0, np.intp), table[:, kept]
    return calendar.steps(anchor, times[kept]), table[:, kept]
