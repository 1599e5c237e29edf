"""`ImputationDisplay`: a series, what was filled in, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ..interop import read_series
from .figures import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.floating[Any]]


class ImputationDisplay:
    """One channel of one series: what was observed, what was filled in, two standard deviations.

    Parameters
    ----------
    observed : ndarray, shape (length,)
        NaN in gaps.
    filled, std : ndarray, shape (length,)
        The series without gaps, and how uncertain each value is.
    truth : ndarray, shape (length,), or None, default=None
        What was hidden, where it is known.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import SimMTMImputer
    >>> from simmtm_sk.plotting import ImputationDisplay
    >>> X = np.sin(np.arange(200) / 3)[None]
    >>> X[0, 80:90] = np.nan
    >>> imputer = SimMTMImputer().fit(X)
    >>> display = ImputationDisplay.from_estimator(imputer, X)
    >>> int(np.isnan(display.observed).sum()), int(np.isnan(display.filled).sum())
    (10, 0)
    """

    def __init__(
        self, *, observed: Values, filled: Values, std: Values, truth: Values | None = None
    ) -> None:
        self.observed, self.filled, self.std, self.truth = observed, filled, std, truth

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        series: int = 0,
        channel: int = 0,
        truth: Any = None,
        ax: Axes | None = None,
    ) -> ImputationDisplay:
        """Fill the gaps of ``X`` and draw one channel of one series.

        Parameters
        ----------
        estimator : SimMTMImputer
            Fitted.
        X : as in `SimMTMImputer.transform`
        series, channel : int, default=0
            Which to draw.
        truth : as ``X``, or None, default=None
            The same series without gaps, where it is known.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ImputationDisplay
        """
        check_is_fitted(estimator)
        if not hasattr(estimator, "transform_std"):
            raise TypeError(
                f"ImputationDisplay draws a SimMTMImputer, got {type(estimator).__name__}."
            )

        def drawn(given: Any) -> Values:
            values: Values = np.asarray(read_series(estimator, given, reset=False))[series, channel]
            return values

        observed = drawn(X)
        filled, std = drawn(estimator.transform(X)), drawn(estimator.transform_std(X))
        return cls(
            observed=observed,
            filled=filled,
            std=np.where(np.isnan(observed), std, 0),
            truth=None if truth is None else drawn(truth),
        ).plot(ax)

    def plot(self, ax: Axes | None = None) -> ImputationDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        ImputationDisplay
            Itself.
        """
        self.ax_ = axes(ax)
        at = np.arange(len(self.filled))
        missing = np.isnan(self.observed)
        beside = (
            missing | np.roll(missing, 1) | np.roll(missing, -1)
        )  # lines meet what was observed
        filled = np.where(beside, self.filled, np.nan)
        low, high = filled - 2 * self.std, filled + 2 * self.std
        self.ax_.fill_between(at, low, high, color="C1", alpha=0.25, lw=0, label="± 2 std")
        if self.truth is not None:
            hidden = np.where(missing, self.truth, np.nan)
            self.ax_.plot(at, hidden, "x", color="0.5", markersize=4, label="hidden")
        self.ax_.plot(at, self.observed, color="k", lw=1.2, label="observed")
        self.ax_.plot(at, filled, "--", color="C1", lw=1.6, label="filled")
        self.ax_.set_xlabel("time")
        self.ax_.legend(fontsize="small")
        self.figure_: Figure = self.ax_.figure  # type: ignore[assignment]
        return self
