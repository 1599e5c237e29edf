"""`LossDisplay`: how pre-training went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sklearn.utils.validation import check_is_fitted

from .figures import axes
from .in_hand import fitted_transformer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

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
        estimator : SimMTMTransformer, or an estimator, pipeline or search with one
            Fitted. What was fine-tuned shows that, the rest its pre-training.
        ax : matplotlib Axes or None, default=None
            Where to draw; None makes a new figure.

        Returns
        -------
        LossDisplay
        """
        check_is_fitted(estimator)
        history = getattr(estimator, "history_", [])  # of fine-tuning, where there was any
        if not history:
            history = fitted_transformer(estimator)[0].history_
        return cls(history=history).plot(ax)

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
        if not self.history:
            raise ValueError(
                "the history is empty: nothing was trained, so there are no losses. num_epochs= "
                "says for how long to train."
            )
        ax = axes(ax)
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
        ax.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))
        self.ax_: Axes = ax
        self.figure_ = ax.figure
        return self


def _is_term(name: list[str]) -> bool:
    return len(name) == 2 and name[0] in _SOURCES
