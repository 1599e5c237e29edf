"""`EmbeddingDisplay`: a map of the embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted

from .figures import axes, pyplot
from .in_hand import fitted_transformer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection

Values = NDArray[np.floating[Any]]

_MARKERS = "os^DvP*X<>"  # beside colours, which not everybody tells apart


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
        """Embed ``X``, project and draw.

        Parameters
        ----------
        estimator : SimMTMTransformer, or an estimator, pipeline or search with one
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
        if not hasattr(estimator, "transform"):
            estimator, X = fitted_transformer(estimator, X)
        check_is_fitted(estimator)
        embedding = np.asarray(estimator.transform(X))
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
        ax = axes(ax)
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
            self._plot_classes(ax, y)
        shares = np.asarray(self.explained_variance_ratio)
        ax.set(xlabel=f"component 1 ({shares[0]:.0%})", ylabel=f"component 2 ({shares[1]:.0%})")
        self.ax_: Axes = ax
        self.figure_ = ax.figure
        return self

    def _plot_classes(self, ax: Axes, y: NDArray[Any]) -> None:
        classes = np.unique(y)
        palette = "tab10" if len(classes) <= 10 else "tab20" if len(classes) <= 20 else "turbo"
        # neighbours in a palette of distinct colours, evenly spaced ones in a continuous map
        colors = pyplot().get_cmap(palette, None if len(classes) <= 20 else len(classes))
        for i, name in enumerate(classes):
            first, second = self.scores[y == name].T
            self.scatters_[name] = ax.scatter(
                first,
                second,
                s=16,
                color=colors(i),
                marker=_MARKERS[i % len(_MARKERS)],
                label=str(name),
            )
        n_columns = 1 + (len(classes) - 1) // 16
        ax.legend(fontsize="small", ncols=n_columns, loc="upper left", bbox_to_anchor=(1, 1))
