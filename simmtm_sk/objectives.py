"""What pre-training minimises, as small parameter objects that build their loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sklearn.base import BaseEstimator
from torch import Tensor, nn

from .nn.contracts import EncodedViews
from .nn.objective import (
    LearnedLossWeights,
    aggregate_neighbors,
    constraint_loss,
    reconstruction_loss,
)
from .parameters import NotNegative, Positive, constraints


@dataclass(repr=False, eq=False)
class SimMTMObjective(BaseEstimator):
    """The objective of SimMTM, with a term of its own for every masked view.

    Parameters
    ----------
    temperature : float > 0, default=0.1
        τ of the softmax over cosine similarities.
    constraint_weight : float >= 0 or "learned", default=0.1
        Weight λ of keeping the views of a series together; "learned" weighs it against the
        reconstruction by learned uncertainty, as the published code does.
    own_view_weight : float >= 0, default=1.0
        Weight of rebuilding each series from each of its masked views alone, beyond the paper; 0
        leaves the term out.

    See Also
    --------
    SimMTMLoss : The loss that it builds, for a batch of `EncodedViews`.

    References
    ----------
    Dong et al., NeurIPS 2023, arXiv:2302.00861, section 3.

    Examples
    --------
    >>> from simmtm_sk import SimMTMObjective, SimMTMTransformer
    >>> SimMTMTransformer(objective=SimMTMObjective(own_view_weight=0.0))
    SimMTMTransformer(objective=SimMTMObjective(own_view_weight=0.0))
    """

    temperature: Positive = 0.1
    constraint_weight: NotNegative | Literal["learned"] = 0.1
    own_view_weight: NotNegative = 1.0

    @property
    def _parameter_constraints(self) -> dict[str, list[Any]]:
        return constraints(type(self))

    def build(self) -> SimMTMLoss:
        """Return the loss.

        Raises
        ------
        ValueError
            If a parameter is outside its limits.
        """
        self._validate_params()
        return SimMTMLoss(self)


class SimMTMLoss(nn.Module):
    """Losses of a batch by the objective of SimMTM.

    Parameters
    ----------
    settings : SimMTMObjective
    """

    def __init__(self, settings: SimMTMObjective) -> None:
        super().__init__()
        self.settings = settings
        learned = settings.constraint_weight == "learned"
        self.loss_weights = LearnedLossWeights(2) if learned else None

    def forward(self, views: EncodedViews) -> dict[str, Tensor]:
        """Return "reconstruction", "constraint", "own_view" (where it has a weight), "total"."""
        tau = float(self.settings.temperature)
        n_series, target = views.n_series, views.target
        rebuilt = views.decode(aggregate_neighbors(views.rows, views.series, n_series, tau))
        losses = {
            "reconstruction": reconstruction_loss(rebuilt, target, views.observed),
            "constraint": constraint_loss(views.series, n_series, tau),
        }
        rebuild = losses["reconstruction"]
        if self.settings.own_view_weight > 0:
            own = views.decode(views.rows[n_series:]).reshape(-1, *target.shape)
            losses["own_view"] = reconstruction_loss(own, target, views.observed)
            rebuild = rebuild + float(self.settings.own_view_weight) * losses["own_view"]
        if self.loss_weights is None:
            weight = float(self.settings.constraint_weight)
            losses["total"] = rebuild + weight * losses["constraint"]
        else:
            losses["total"] = self.loss_weights(rebuild, losses["constraint"])
        return losses

    def criterion(self, means: dict[str, float]) -> float:
        """Return the error of rebuilding: unlike the total, it means the same in every epoch."""
        own_view = float(self.settings.own_view_weight) * means.get("own_view", 0.0)
        return means["reconstruction"] + own_view
