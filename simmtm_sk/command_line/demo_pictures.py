"""Pictures of the demonstration, in colours that everybody can tell apart, with markers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..plotting import ImputationDisplay

Values = NDArray[np.float64]

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#777777"
_STYLES = {
    "raw values": {"color": _GREY, "marker": "^", "linestyle": ":"},
    "MiniRocket": {"color": _ORANGE, "marker": "s", "linestyle": "--"},
    "SimMTM": {"color": _BLUE, "marker": "o", "linestyle": "-"},
}
_SHOWN = 3  # gaps


def draw_few_labels(accuracies: dict[str, Values], n_labels: Sequence[int], path: Path) -> None:
    """Draw the accuracy by the number of labels; a mark for each draw.

    Parameters
    ----------
    accuracies : dict of str to ndarray, each (n_numbers_of_labels, n_draws)
    n_labels : sequence of int
        Labels of each class.
    path : Path
        Where the picture goes.
    """
    figure = Figure((6, 3.6), layout="constrained")
    ax = figure.subplots()
    at = np.arange(len(n_labels))
    for shift, (name, scores) in enumerate(accuracies.items()):
        style: Any = _STYLES[name]
        ax.plot(at, scores.mean(1), label=name, markersize=8, **style)
        spots = np.repeat(at + 0.05 * (shift - 1), scores.shape[1])
        ax.plot(spots, scores.ravel(), style["marker"], color=style["color"], alpha=0.35, ms=4)
    ax.set_xticks(at, [str(n) for n in n_labels])
    ax.set(xlabel="labelled series of each class", ylabel="accuracy", ylim=(0, 1))
    ax.set_title("OSULeaf: 200 series, few of them labelled")
    ax.legend(loc="lower right")
    ax.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def draw_forecast(y: Any, forecaster: Any, last_year: Values, path: Path) -> None:
    """Draw the last years, the forecast with its interval, and last year again.

    Parameters
    ----------
    y : Series
        All of the series, by months.
    forecaster : SimMTMForecaster
        Fitted to all but what is to be forecast.
    last_year : ndarray, shape (horizon,)
    path : Path
        Where the picture goes.
    """
    predicted = forecaster.predict()
    interval = forecaster.predict_interval(coverage=0.9).to_numpy()
    months = predicted.index.to_timestamp()
    figure = Figure((7.5, 3.6), layout="constrained")
    ax = figure.subplots()
    shown = y[-60:]
    ax.plot(shown.index.to_timestamp(), shown, color="black", label="passengers", lw=1.2)
    ax.fill_between(months, *interval.T, color=_BLUE, alpha=0.2, lw=0, label="90 % interval")
    ax.plot(months, predicted, "o-", color=_BLUE, ms=5, label="SimMTM")
    ax.plot(months, last_year, "s--", color=_ORANGE, ms=4, label="last year again")
    ax.set(ylabel="thousands", title="Airline passengers, the last year forecast")
    ax.legend(loc="upper left", ncols=2)
    figure.savefig(path, dpi=120)


def draw_gaps(imputer: Any, gappy: Values, truth: Values, neighbours: Values, path: Path) -> None:
    """Draw three gaps, filled, with what was hidden.

    Parameters
    ----------
    imputer : SimMTMImputer
        Fitted.
    gappy, truth, neighbours : ndarray, shape (n_series, 1, length)
        With gaps, without, and filled by KNNImputer.
    path : Path
        Where the picture goes.
    """
    figure = Figure((7.5, 6), layout="constrained")
    axes = figure.subplots(_SHOWN, sharex=True)
    for series, ax in enumerate(axes):
        ImputationDisplay.from_estimator(imputer, gappy, series=series, truth=truth, ax=ax)
        hidden = np.isnan(gappy[series, 0])
        other = np.where(hidden, neighbours[series, 0], np.nan)
        ax.plot(other, "-.", color=_BLUE, lw=1.2, label="KNNImputer")
        ax.set(ylabel="position", xlabel="")
        ax.get_legend().remove()
    axes[0].legend(fontsize="small", ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    axes[-1].set_xlabel("time point")
    figure.savefig(path, dpi=120)
