"""`ReconstructionDisplay`: what the encoder rebuilds of a masked view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from ..interop import read_series
from ..nn.masking import mask_function, masked_views
from .figures import pyplot
from .in_hand import fitted_transformer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Values = NDArray[np.floating[Any]]


class ReconstructionDisplay:
    """Series, a masked view of each, and what the encoder rebuilds from that view alone.

    Parameters
    ----------
    original : ndarray of shape (n_series, n_channels, length)
        NaN where nothing was observed.
    visible : ndarray of bool, shape (n_series, n_channels, length)
        The points of the masked view.
    rebuilt : ndarray of shape (n_series, n_channels, length)
        Decoded from the visible points.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes, shape (n_series,)
    figure_ : matplotlib Figure
    original_lines_, visible_lines_, rebuilt_lines_ : list of matplotlib Line2D
        One per series; the visible ones are NaN at hidden points.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
    >>> from simmtm_sk.datasets import load_dataset
    >>> from simmtm_sk.plotting import ReconstructionDisplay
    >>> X, _ = load_dataset("ItalyPowerDemand", split="train")
    >>> encoder = ConvEncoder(d_model=8, n_layers=2)
    >>> embed = SimMTMTransformer(encoder=encoder, num_epochs=2, random_state=0).fit(X)
    >>> display = ReconstructionDisplay.from_estimator(embed, X, n_series=2)
    >>> display.rebuilt.shape, len(display.axes_)
    ((2, 1, 24), 2)
    """

    def __init__(self, *, original: Values, visible: NDArray[np.bool_], rebuilt: Values) -> None:
        self.original = original
        self.visible = visible
        self.rebuilt = rebuilt

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        n_series: int = 3,
        mask_ratio: float | None = None,
        random_state: int | np.random.RandomState | None = 0,
        channel: int = 0,
        ax: Axes | Sequence[Axes] | NDArray[Any] | None = None,
    ) -> ReconstructionDisplay:
        """Mask the first series of ``X`` as in pre-training, rebuild and draw them.

        Parameters
        ----------
        estimator : SimMTMTransformer, or an estimator, pipeline or search with one
            Fitted.
        X : as in `SimMTMTransformer.transform`
        n_series : int, default=3
            Number of series, the first ones of ``X``.
        mask_ratio : float or None, default=None
            Share of hidden points; None takes the estimator's own.
        random_state : int, RandomState or None, default=0
            Decides on the masks.
        channel : int, default=0
            The channel to draw.
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each series; None makes a new figure.

        Returns
        -------
        ReconstructionDisplay

        Notes
        -----
        The last observed point of a channel is never hidden: missing values at the end of a series
        count as its end, and nothing is rebuilt behind that.
        """
        estimator, X = fitted_transformer(estimator, X)
        original = np.asarray(read_series(estimator, X, reset=False)[:n_series])
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        visible = masked_views(
            torch.tensor(~np.isnan(original)),
            1,
            mask_function(estimator.masking, estimator.network_.patch_length),
            estimator.mask_ratio if mask_ratio is None else mask_ratio,
            estimator.mask_length,
            torch.Generator().manual_seed(seed),
            torch.tensor(np.nan_to_num(original)),
        ).numpy()
        visible |= _last_observed(original)
        masked = np.where(visible, original, np.nan)
        rebuilt = estimator.reconstruct(masked, decoded=True)
        return cls(original=original, visible=visible, rebuilt=rebuilt).plot(ax, channel=channel)

    def plot(
        self, ax: Axes | Sequence[Axes] | NDArray[Any] | None = None, *, channel: int = 0
    ) -> ReconstructionDisplay:
        """Draw.

        Parameters
        ----------
        ax : array-like of matplotlib Axes or None, default=None
            Where to draw, one for each series; None makes a new figure.
        channel : int, default=0
            The channel to draw.

        Returns
        -------
        ReconstructionDisplay
            Itself.
        """
        drawing = pyplot()
        n_series = len(self.original)
        if ax is None:
            ax = drawing.subplots(
                n_series, squeeze=False, figsize=(6.4, 1.2 + 1.6 * n_series), layout="constrained"
            )[1]
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != n_series:
            raise ValueError(f"{n_series} series need as many axes, got {len(axes)}.")
        self.original_lines_: list[Line2D] = []
        self.visible_lines_: list[Line2D] = []
        self.rebuilt_lines_: list[Line2D] = []
        for i, panel in enumerate(axes):
            original = self.original[i, channel]
            view = np.where(self.visible[i, channel], original, np.nan)
            self.original_lines_ += panel.plot(original, color="0.8", label="original")
            self.visible_lines_ += panel.plot(view, "k.-", markersize=3, label="visible points")
            self.rebuilt_lines_ += panel.plot(self.rebuilt[i, channel], "C1", label="rebuilt")
        axes[0].legend(fontsize="small")
        axes[-1].set_xlabel("time")
        self.axes_ = axes
        self.figure_: Figure = axes[0].figure
        return self


def _last_observed(values: Values) -> NDArray[np.bool_]:
    """Mark the last point of every channel that is not NaN."""
    observed = ~np.isnan(values)
    from_here_on: NDArray[np.intp] = observed[..., ::-1].cumsum(-1)[..., ::-1]
    last: NDArray[np.bool_] = observed & (from_here_on == 1)
    return last
