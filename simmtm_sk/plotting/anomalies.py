"""`AnomalyDisplay`: a series, what is strange in it, and how strange every point is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from .figures import pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Values = NDArray[np.floating[Any]]


class AnomalyDisplay:
    """A series with its anomalies, above the scores of its points and the threshold.

    Parameters
    ----------
    values : ndarray, shape (length, n_channels)
    scores : ndarray, shape (length,)
    threshold : float
        Points whose score is higher are anomalies.

    Attributes
    ----------
    axes_ : tuple of two matplotlib Axes
        Of the series, and of the scores.
    figure_ : matplotlib Figure

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import SimMTMDetector
    >>> from simmtm_sk.plotting import AnomalyDisplay
    >>> X = np.sin(np.arange(400) / 4)
    >>> X[300] += 4
    >>> display = AnomalyDisplay.from_estimator(SimMTMDetector().fit(X), X)
    >>> bool(display.scores[300] > display.threshold)
    True
    """

    def __init__(self, *, values: Values, scores: Values, threshold: float) -> None:
        self.values, self.scores, self.threshold = values, scores, threshold

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, axes: tuple[Axes, Axes] | None = None
    ) -> AnomalyDisplay:
        """Score the points of a series and draw.

        Parameters
        ----------
        estimator : SimMTMDetector
            Fitted.
        X : as in `SimMTMDetector.predict`
        axes : tuple of two matplotlib Axes, or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        AnomalyDisplay
        """
        check_is_fitted(estimator)
        scores = estimator.transform_scores(X)["scores"].to_numpy()
        values = pd.DataFrame(X).to_numpy(np.float64)
        return cls(values=values, scores=scores, threshold=estimator.threshold_).plot(axes)

    def plot(self, axes: tuple[Axes, Axes] | None = None) -> AnomalyDisplay:
        """Draw.

        Parameters
        ----------
        axes : tuple of two matplotlib Axes, or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        AnomalyDisplay
            Itself.
        """
        if axes is None:
            axes = tuple(pyplot().subplots(2, sharex=True, layout="constrained")[1])
        above, below = self.axes_ = axes
        anomalies = np.flatnonzero(self.scores > self.threshold)
        above.plot(self.values, lw=1)
        for run in np.split(anomalies, np.flatnonzero(np.diff(anomalies) > 1) + 1):
            if len(run):
                above.axvspan(run[0] - 0.5, run[-1] + 0.5, color="C3", alpha=0.3, lw=0)
        below.plot(self.scores, color="k", lw=1, label="score")
        below.axhline(self.threshold, color="C3", ls="--", lw=1, label="threshold")
        below.set_xlabel("time")
        below.set_ylabel("nats")
        below.legend(fontsize="small")
        self.figure_: Figure = above.figure  # type: ignore[assignment]
        return self
