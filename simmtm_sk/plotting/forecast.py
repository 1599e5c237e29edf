"""`ForecastDisplay`: a forecast, its interval, and the members that it is the mean of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from .figures import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import Collection
    from matplotlib.lines import Line2D

_PERIODS_SHOWN = 2  # horizons of the past beside one of the future
_LEAST_SHOWN = 0.05  # mean weight of a member that gets a line
_STYLES = ("--", "-.", ":")  # of members, for eyes that see few colours


class ForecastDisplay:
    """The last values of a series, its forecast with an interval, and members of the combination.

    The more a member counts, on the mean over steps, the stronger is its line.

    Parameters
    ----------
    recent : array-like, shape (n_recent,)
        The last values; NaN = missing.
    forecast : array-like, shape (horizon,)
    members : dict of str to array-like, each (horizon,)
        Forecasts by name; empty where there are none.
    weights : dict of str to array-like, each (horizon,)
        What each of them counts.
    interval : array-like, shape (2, horizon), or None, default=None
        Lower and upper end at every step; None draws no interval.
    coverage : float in (0, 1) or None, default=None
        Probability of the interval, for the legend.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        "series", "forecast" and the members that count for five percent or more.
    band_ : matplotlib FillBetweenPolyCollection or None
        The interval.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import SimMTMForecaster
    >>> from simmtm_sk.plotting import ForecastDisplay
    >>> from sktime.datasets import load_airline
    >>> forecaster = SimMTMForecaster().fit(load_airline(), fh=range(1, 13))
    >>> display = ForecastDisplay.from_estimator(forecaster)
    >>> list(display.lines_)[:3]
    ['series', 'forecast', 'ridge 44']
    """

    def __init__(
        self,
        *,
        recent: ArrayLike,
        forecast: ArrayLike,
        members: Mapping[str, ArrayLike],
        weights: Mapping[str, ArrayLike],
        interval: ArrayLike | None = None,
        coverage: float | None = None,
    ) -> None:
        self.recent = recent
        self.forecast = forecast
        self.members = members
        self.weights = weights
        self.interval = interval
        self.coverage = coverage

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        series: int = 0,
        coverage: float | None = 0.9,
        ax: Axes | None = None,
    ) -> ForecastDisplay:
        """Draw what a fitted forecaster forecasts from the end of what it has seen.

        Effects of exogenous data are left out, in the series, too.

        Parameters
        ----------
        estimator : SimMTMForecaster
            Fitted.
        series : int, default=0
            Which one: the columns of the first instance are counted first, then those of the next.
        coverage : float in (0, 1) or None, default=0.9
            Probability of the interval, as in `predict_interval`; None draws none.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ForecastDisplay

        Raises
        ------
        TypeError, ValueError
            If there is another estimator, no such series, or no such coverage.
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "_members_ahead"):
            raise TypeError(
                f"ForecastDisplay draws a SimMTMForecaster, got {type(estimator).__name__}."
            )
        if coverage is not None and not 0 < coverage < 1:
            raise ValueError(f"coverage must lie between 0 and 1, or be None, got {coverage!r}.")
        return cls(**estimator._members_ahead(series, coverage)).plot(ax)

    def plot(self, ax: Axes | None = None) -> ForecastDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ForecastDisplay
            Itself.
        """
        ax = axes(ax)
        recent, forecast = np.asarray(self.recent), np.asarray(self.forecast)
        shown = recent[-_PERIODS_SHOWN * len(forecast) :]
        steps = np.arange(1, len(forecast) + 1)
        self.lines_: dict[str, Line2D] = {}
        past = np.arange(1 - len(shown), 1)
        (self.lines_["series"],) = ax.plot(past, shown, color="black", label="series")
        (self.lines_["forecast"],) = ax.plot(
            steps, forecast, ".-", color="C0", lw=2, label="forecast", zorder=3
        )
        self._plot_interval(ax, steps)
        count = {
            name: float(np.asarray(weight, np.float64).mean())
            for name, weight in self.weights.items()
        }
        largest = max(count.values(), default=1.0)
        for number, (name, values) in enumerate(self.members.items()):
            if count[name] >= _LEAST_SHOWN:
                (self.lines_[name],) = ax.plot(
                    steps,
                    np.asarray(values),
                    color=f"C{1 + number % 9}",  # C0 is the forecast
                    linestyle=_STYLES[number % len(_STYLES)],
                    linewidth=1,
                    alpha=min(1.0, 0.2 + 0.8 * count[name] / largest),
                    label=f"{name}: {count[name]:.0%}",
                )
        ax.axvline(0.5, color="gray", linestyle=":")
        ax.set(xlabel="step", ylabel="value")
        ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
        self.ax_: Axes = ax
        self.figure_ = ax.figure
        return self

    def _plot_interval(self, ax: Axes, steps: NDArray[np.intp]) -> None:
        self.band_: Collection | None = None
        if self.interval is not None:
            lower, upper = np.asarray(self.interval)
            share = "" if self.coverage is None else f"{self.coverage:.0%} "
            self.band_ = ax.fill_between(
                steps, lower, upper, color="C0", alpha=0.2, linewidth=0, label=f"{share}interval"
            )
