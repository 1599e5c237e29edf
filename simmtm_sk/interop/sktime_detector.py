"""What sktime asks of a detector, and panels, which its detectors do not know."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from sktime.datatypes import check_is_scitype, convert
from sktime.detection.base import BaseDetector

from .calendar import refuse_text

F = TypeVar("F", bound=Callable[..., pd.DataFrame])


def each_series(method: F) -> F:
    """Let a method that returns a frame for one series return those of all series of a panel.

    One below the other, with the name of each series in front of its index.

    Examples
    --------
    >>> import numpy as np
    >>> class Detector:
    ...     @each_series
    ...     def largest(self, X):
    ...         return pd.DataFrame({"largest": [X.to_numpy().max()]})
    >>> panel = np.arange(6.0).reshape(2, 1, 3)
    >>> Detector().largest(panel)["largest"].tolist()
    [2.0, 5.0]
    """

    @functools.wraps(method)
    def of_each(self: Any, X: Any) -> pd.DataFrame:
        is_panel, _, metadata = check_is_scitype(X, scitype="Panel", return_metadata=[])
        if not is_panel:
            return method(self, X)
        panel = convert(X, metadata["mtype"], "pd-multiindex")
        names = panel.index.get_level_values(0).unique()
        frames = {name: method(self, panel.loc[name]) for name in names}
        result: pd.DataFrame = pd.concat(frames, names=[panel.index.names[0]])
        return result

    return cast(F, of_each)


class SktimeDetector(BaseDetector):
    """Base of `SimMTMDetector`: its methods by their names in sktime, for one series or a panel."""

    @each_series
    def predict(self, X: Any) -> pd.DataFrame:
        """Return the anomalous points.

        Parameters
        ----------
        X : as in `fit`
            Any length; the channels seen in `fit`.

        Returns
        -------
        DataFrame
            Positions in the series in the column "ilocs". Of a panel, as from all methods here, a
            frame for each series, one below the other, with its name in front of the index.
        """
        result: pd.DataFrame = super().predict(X)
        return result

    def predict_points(self, X: Any) -> pd.DataFrame:
        """Return the anomalous points, as `predict`."""
        result: pd.DataFrame = self.predict(X)
        return result

    @each_series
    def predict_segments(self, X: Any) -> pd.DataFrame:
        """Return runs of anomalous points.

        Parameters
        ----------
        X : as in `predict`

        Returns
        -------
        DataFrame
            Left-closed intervals of positions in ``X`` in the column "ilocs"; in "labels" 1.
        """
        points = self.predict(X)["ilocs"].to_numpy()
        runs = np.split(points, np.flatnonzero(np.diff(points) > 1) + 1) if len(points) else []
        starts, ends = [run[0] for run in runs], [run[-1] + 1 for run in runs]
        intervals = pd.IntervalIndex.from_arrays(
            np.array(starts, np.int64), np.array(ends, np.int64), closed="left"
        )
        return pd.DataFrame({"ilocs": intervals, "labels": np.ones(len(runs), np.int64)})

    @each_series
    def predict_scores(self, X: Any) -> pd.DataFrame:
        """Return the scores of the anomalous points, in the order of `predict`."""
        result: pd.DataFrame = super().predict_scores(X)
        return result

    @each_series
    def transform(self, X: Any) -> pd.DataFrame:
        """Return 1 for anomalous points and 0 for all others, in the column "labels"."""
        result: pd.DataFrame = super().transform(X)
        return result

    @each_series
    def transform_scores(self, X: Any) -> pd.DataFrame:
        """Return how strange every point is, in nats, in the column "scores"."""
        result: pd.DataFrame = super().transform_scores(X)
        return result

    def _check_X(self, X: Any) -> Any:  # noqa: N802
        """Return a series as DataFrame, a panel as list of them; sktime's own knows series only."""
        if isinstance(X, pd.DataFrame | pd.Series):
            refuse_text(X.index, "X")
        is_panel, _, metadata = check_is_scitype(X, scitype="Panel", return_metadata=[])
        if is_panel:
            return convert(X, metadata["mtype"], "df-list")
        return super()._check_X(X)
