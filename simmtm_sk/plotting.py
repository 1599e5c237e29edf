"""Pictures of a fitted transformer, as displays in the manner of scikit-learn.

``SomeDisplay.from_estimator(...)`` computes and draws; the display keeps the numbers, so that
``plot`` can draw them again elsewhere. matplotlib comes with the extra ``simmtm_sk[plot]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .interop import read_series
from .nn.masking import mask_function, masked_views

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Values = NDArray[np.floating[Any]]

_SOURCES = {"train": ("training", "-"), "valid": ("held out", "--")}


class LossDisplay:
    """The terms of the objective over the epochs of pre-training.

    Every term has a colour, solid for the training series and dashed for the held-out ones. The
    criterion is what early stopping looks at; a dotted line marks the epoch whose weights were
    kept.

    Parameters
    ----------
    history : list of dict
        ``history_`` of an estimator: a record per evaluation with "epoch", "train_<term>" and,
        where series were held out, "valid_<term>".

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    lines_ : dict of str to matplotlib Line2D
        By their names in the history.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
    >>> from simmtm_sk.datasets import load_dataset
    >>> from simmtm_sk.plotting import LossDisplay
    >>> X, _ = load_dataset("ItalyPowerDemand", split="train")
    >>> encoder = ConvEncoder(d_model=8, n_layers=2)
    >>> embed = SimMTMTransformer(encoder=encoder, num_epochs=2, random_state=0).fit(X)
    >>> display = LossDisplay.from_estimator(embed)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, *, history: Sequence[dict[str, float]]) -> None:
        self.history = history

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Axes | None = None) -> LossDisplay:
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : SimMTMTransformer
            Fitted.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LossDisplay
        """
        check_is_fitted(estimator)
        return cls(history=estimator.history_).plot(ax)

    def plot(self, ax: Axes | None = None) -> LossDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LossDisplay
            Itself.
        """
        pyplot = _pyplot()
        if not self.history:
            raise ValueError("the history is empty: nothing was trained, so there are no losses.")
        if ax is None:
            ax = pyplot.subplots(layout="constrained")[1]
        epochs = [record["epoch"] for record in self.history]
        terms = [name.split("_", 1) for name in self.history[0]]
        terms = [[source, term] for source, term in filter(_is_term, terms)]
        colors = {term: f"C{i}" for i, term in enumerate(dict.fromkeys(t for _, t in terms))}
        self.lines_: dict[str, Line2D] = {}
        for source, term in terms:
            part, style = _SOURCES[source]
            name = f"{source}_{term}"
            (self.lines_[name],) = ax.plot(
                epochs,
                [record[name] for record in self.history],
                linestyle=style,
                marker=".",
                color=colors[term],
                label=f"{term.replace('_', ' ')}, {part}",
            )
        if "valid_criterion" in self.lines_:
            best = min(self.history, key=lambda record: record["valid_criterion"])
            ax.axvline(best["epoch"], color="gray", linestyle=":", label="weights kept")
        if all(record[name] > 0 for record in self.history for name in self.lines_):
            ax.set_yscale("log")
        ax.set(xlabel="epoch", ylabel="loss")
        ax.legend(fontsize="small")
        self.ax_: Axes = ax
        self.figure_ = ax.figure
        return self


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
        estimator : SimMTMTransformer
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
        check_is_fitted(estimator)
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
        rebuilt = estimator.reconstruct(np.where(visible, original, np.nan))
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
        pyplot = _pyplot()
        n_series = len(self.original)
        if ax is None:
            ax = pyplot.subplots(
                n_series, squeeze=False, figsize=(6.4, 1.2 + 1.6 * n_series), layout="constrained"
            )[1]
        axes = np.ravel(np.asarray(ax, dtype=object))
        if len(axes) != n_series:
            raise ValueError(f"{n_series} series need as many axes, got {len(axes)}.")
        self.original_lines_: list[Line2D] = []
        self.visible_lines_: list[Line2D] = []
        self.rebuilt_lines_: list[Line2D] = []
        for i, one in enumerate(axes):
            original = self.original[i, channel]
            view = np.where(self.visible[i, channel], original, np.nan)
            self.original_lines_ += one.plot(original, color="0.8", label="original")
            self.visible_lines_ += one.plot(view, "k.-", markersize=3, label="visible points")
            self.rebuilt_lines_ += one.plot(self.rebuilt[i, channel], "C1", label="rebuilt")
        axes[0].legend(fontsize="small")
        axes[-1].set_xlabel("time")
        self.axes_ = axes
        self.figure_: Figure = axes[0].figure
        return self


class EmbeddingDisplay:
    """A map of the embeddings: their first two principal components.

    Parameters
    ----------
    scores : ndarray of shape (n_series, 2)
        Principal component scores of the standardised embeddings.
    explained_variance_ratio : array-like of shape (2,)
        Share of the variance behind each component.
    y : array-like of shape (n_series,) or None, default=None
        Classes, or numbers if continuous, that give the colours.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    scatters_ : dict of object to matplotlib PathCollection
        The points of each class; of all series under None if there are no classes.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("agg")  # draw into files, open no window
    >>> from simmtm_sk import ConvEncoder, SimMTMTransformer
    >>> from simmtm_sk.datasets import load_dataset
    >>> from simmtm_sk.plotting import EmbeddingDisplay
    >>> X, y = load_dataset("ItalyPowerDemand", split="train")
    >>> encoder = ConvEncoder(d_model=8, n_layers=2)
    >>> embed = SimMTMTransformer(encoder=encoder, num_epochs=2, random_state=0).fit(X)
    >>> display = EmbeddingDisplay.from_estimator(embed, X, y)
    >>> display.scores.shape
    (67, 2)
    >>> [str(name) for name in display.scatters_]
    ['1', '2']
    """

    def __init__(
        self,
        *,
        scores: Values,
        explained_variance_ratio: ArrayLike,
        y: ArrayLike | None = None,
    ) -> None:
        self.scores = scores
        self.explained_variance_ratio = explained_variance_ratio
        self.y = y

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, y: ArrayLike | None = None, *, ax: Axes | None = None
    ) -> EmbeddingDisplay:
        """Embed ``X``, standardise, project and draw.

        Parameters
        ----------
        estimator : SimMTMTransformer
            Fitted; anything whose ``transform`` returns a row of features per series will do.
        X : as in `SimMTMTransformer.transform`
            At least two series.
        y : array-like of shape (n_series,) or None, default=None
            Classes, or numbers if continuous, that give the colours.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        EmbeddingDisplay
        """
        check_is_fitted(estimator)
        embedding = StandardScaler().fit_transform(np.asarray(estimator.transform(X)))
        pca = PCA(n_components=2, random_state=0)
        scores = pca.fit_transform(embedding)
        return cls(scores=scores, explained_variance_ratio=pca.explained_variance_ratio_, y=y).plot(
            ax
        )

    def plot(self, ax: Axes | None = None) -> EmbeddingDisplay:
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        EmbeddingDisplay
            Itself.
        """
        pyplot = _pyplot()
        if ax is None:
            ax = pyplot.subplots(layout="constrained")[1]
        self.scatters_: dict[Any, PathCollection] = {}
        y = None if self.y is None else np.asarray(self.y)
        if y is not None and len(y) != len(self.scores):
            raise ValueError(f"{len(self.scores)} series, but y has {len(y)} values.")
        first, second = self.scores.T
        if y is None or type_of_target(y).startswith("continuous"):
            self.scatters_[None] = ax.scatter(first, second, s=16, c=y)
            if y is not None:
                ax.figure.colorbar(self.scatters_[None], ax=ax)
        else:
            classes = np.unique(y)
            palette = "tab10" if len(classes) <= 10 else "tab20" if len(classes) <= 20 else "turbo"
            # neighbours in a palette of distinct colours, evenly spaced ones in a continuous map
            colors = pyplot.get_cmap(palette, None if len(classes) <= 20 else len(classes))
            for i, name in enumerate(classes):
                self.scatters_[name] = ax.scatter(
                    first[y == name], second[y == name], s=16, color=colors(i), label=str(name)
                )
            ax.legend(fontsize="small", ncols=1 + (len(classes) - 1) // 10)
        shares = np.asarray(self.explained_variance_ratio)
        ax.set(xlabel=f"component 1 ({shares[0]:.0%})", ylabel=f"component 2 ({shares[1]:.0%})")
        self.ax_: Axes = ax
        self.figure_ = ax.figure
        return self


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib, which comes with the extra: pip install 'simmtm_sk[plot]'"
        ) from error
    return pyplot


def _is_term(name: list[str]) -> bool:
    return len(name) == 2 and name[0] in _SOURCES


def _last_observed(values: Values) -> NDArray[np.bool_]:
    """Mark the last point of every channel that is not NaN."""
    observed = ~np.isnan(values)
    from_here_on: NDArray[np.intp] = observed[..., ::-1].cumsum(-1)[..., ::-1]
    last: NDArray[np.bool_] = observed & (from_here_on == 1)
    return last
