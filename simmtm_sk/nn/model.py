"""The whole network of pre-training: encoder, projector, decoder, and the losses of one step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .encoders import token_mask
from .filters import FilterBank
from .heads import Decoder, Projector, pooled
from .micro_batches import in_micro_batches
from .normalization import InstanceStatsScaler, interpolated, normalize, normalized_with_stats
from .objective import (
    LearnedLossWeights,
    aggregate_neighbors,
    constraint_loss,
    reconstruction_loss,
)


@dataclass(frozen=True)
class Objective:
    """The weights of one pre-training objective; symbols as in the paper.

    Attributes
    ----------
    temperature : float
        τ of the softmax over similarities.
    constraint_weight : float or "learned"
        λ; "learned" weighs reconstruction and constraint by learned uncertainty.
    own_view_weight : float
        Weight of rebuilding each original from each masked view alone; 0 leaves the term out.
    """

    temperature: float
    constraint_weight: float | str
    own_view_weight: float


class SimMTM(nn.Module):
    """Encoder, projector and decoder, and how they make the losses of a batch.

    Parameters
    ----------
    backbone : nn.Module
        An encoder network as `simmtm_sk.nn.encoders` describes.
    n_channels : int
        Channels of a row (1 for channel-independent encoders).
    length : int
        Points of the longest row.
    projection_dim : int
        Width of the series-wise representation.
    objective : Objective
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_channels: int,
        length: int,
        projection_dim: int,
        objective: Objective,
    ) -> None:
        super().__init__()
        self.objective = objective
        self.backbone = backbone
        d_model, patch_length = int(backbone.d_model), int(backbone.patch_length)  # type: ignore[arg-type]
        self.d_model, self.patch_length = d_model, patch_length
        self.projector = Projector(d_model, projection_dim)
        self.decoder = Decoder(d_model, n_channels, patch_length)
        # an average of decoded rows is the decoded average, the decoder being linear and weights
        # summing to one; where points are narrower than tokens it is the cheaper one
        self.decodes_first = n_channels * patch_length < d_model
        self.stats_scaler = InstanceStatsScaler(n_channels)
        learned = objective.constraint_weight == "learned"
        self.loss_weights = LearnedLossWeights(2) if learned else None
        self.filters = FilterBank(n_channels, length)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.decoder.linear.weight.dtype

    def layer_size(self, rows: Tensor) -> int:
        """Numbers in a layer for ``rows`` of shape (n_rows, C, L)."""
        return len(rows) * -(-rows.shape[-1] // self.patch_length) * self.d_model

    def layers(self, values: Tensor, visible: Tensor, within: Tensor | None) -> list[Tensor]:
        """Run the encoder on ``values``, normalised by what is visible.

        Statistics are taken in the precision of the data, so that large offsets cost no digits.
        """
        normalized, found = normalized_with_stats(values, visible)
        layers: list[Tensor] = self.backbone(
            normalized.to(self.dtype), visible, within, self.stats_scaler(found).to(self.dtype)
        )
        return layers

    def losses(
        self, values: Tensor, observed: Tensor, within: Tensor | None, views: Tensor
    ) -> dict[str, Tensor]:
        """Return the terms of the objective on one batch.

        Parameters
        ----------
        values : Tensor, shape (N, C, L)
            The originals; what is not observed may hold anything.
        observed : Tensor of bool, shape (N, C, L)
            Points that exist: only these are targets.
        within : Tensor of bool, shape (N, L), or None
            Points before the end of each series.
        views : Tensor of bool, shape (M N, C, L)
            Visible points of all first views, all second views, and so on.

        Returns
        -------
        dict of scalar tensors
            "reconstruction", "constraint", "own_view" (where it has a weight), and "total".
        """
        n_series, length = len(values), values.shape[-1]
        visible = torch.cat([observed, views])
        original = torch.arange(len(visible), device=values.device) % n_series

        def encode(rows: slice) -> tuple[Tensor, Tensor]:
            of = original[rows]
            row_within = None if within is None else within[of]
            points = self.layers(values[of], visible[rows], row_within)[-1]
            tokens = token_mask(row_within, self.patch_length)
            if tokens is not None:  # nothing behind a series' end is a neighbour's point
                points = points.masked_fill(~tokens[..., None], 0)
            series = self.projector(points, tokens)
            return self.decoder(points, length) if self.decodes_first else points, series

        rebuilt, series = in_micro_batches(encode, len(visible), self.layer_size(visible), self)
        # similarities and softmax need all digits, also where the encoder ran in bfloat16
        with torch.autocast(values.device.type, enabled=False):
            target = normalize(values, observed).to(self.dtype)
            return self._terms(rebuilt.to(self.dtype), series.to(self.dtype), target, observed)

    def _terms(
        self, rows: Tensor, series: Tensor, target: Tensor, observed: Tensor
    ) -> dict[str, Tensor]:
        """Compare what is rebuilt from ``rows``, decoded already if ``decodes_first``."""
        n_series = len(target)
        n_views = len(rows) // n_series - 1
        tau = self.objective.temperature
        aggregated = aggregate_neighbors(rows, series, n_series, tau)
        losses = {
            "reconstruction": reconstruction_loss(
                self._decoded(aggregated, target), target, observed
            ),
            "constraint": constraint_loss(series, n_series, tau),
        }
        if self.objective.own_view_weight > 0:
            own = self._decoded(rows[n_series:], target)
            losses["own_view"] = reconstruction_loss(
                own.reshape(n_views, *target.shape), target, observed
            )
        losses["total"] = self._total(losses)
        return losses

    def _decoded(self, rows: Tensor, target: Tensor) -> Tensor:
        decoded: Tensor = rows if self.decodes_first else self.decoder(rows, target.shape[-1])
        return decoded

    def _total(self, losses: dict[str, Tensor]) -> Tensor:
        rebuild = losses["reconstruction"]
        if "own_view" in losses:
            rebuild = rebuild + self.objective.own_view_weight * losses["own_view"]
        if self.loss_weights is not None:
            total: Tensor = self.loss_weights(rebuild, losses["constraint"])
            return total
        return rebuild + float(self.objective.constraint_weight) * losses["constraint"]

    def embed(
        self,
        values: Tensor,
        observed: Tensor,
        within: Tensor | None,
        statistics: tuple[str, ...],
        all_layers: bool,
    ) -> Tensor:
        """Pooled layers, layer by layer: (n_rows, n_layers * n_statistics * d_model)."""

        def embed(values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
            layers = self.layers(values, visible, within)
            tokens = token_mask(within, self.patch_length)
            chosen = layers if all_layers else layers[-1:]
            return torch.cat([pooled(x, tokens, s) for x in chosen for s in statistics], 1)

        return self.by_micro_batches(embed, *_without_gaps(values, observed, within), within)

    def filter_shares(self, values: Tensor, observed: Tensor, within: Tensor | None) -> Tensor:
        """Shares of the random filters, which training does not change: (n_rows, n_features)."""

        def shares(values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
            found: Tensor = self.filters(self._of_usual_scale(values, visible), within)
            return found

        return self.by_micro_batches(shares, *_without_gaps(values, observed, within), within)

    def fit_filters(self, values: Tensor, observed: Tensor, within: Tensor | None) -> None:
        """Take the filters' thresholds from training rows."""
        self.filters.fit(self._of_usual_scale(*_without_gaps(values, observed, within)), within)

    def _of_usual_scale(self, values: Tensor, visible: Tensor) -> Tensor:
        """Centre rows and divide by what is usual: filters see amplitudes, layers do not."""
        normalized, found = normalized_with_stats(values, visible)
        amplitude = self.stats_scaler.amplitudes(found)[..., None].to(normalized)
        return (normalized * amplitude).to(self.dtype)

    def project(self, values: Tensor, observed: Tensor, within: Tensor | None) -> Tensor:
        """Series-wise representations: (n_rows, projection_dim)."""

        def project(values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
            points = self.layers(values, visible, within)[-1]
            series: Tensor = self.projector(points, token_mask(within, self.patch_length))
            return series

        return self.by_micro_batches(project, *_without_gaps(values, observed, within), within)

    def rebuild(self, values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
        """Every row decoded from its own visible points, normalised: (n_rows, C, L)."""

        def rebuild(values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
            rebuilt: Tensor = self.decoder(
                self.layers(values, visible, within)[-1], values.shape[-1]
            )
            return rebuilt

        return self.by_micro_batches(rebuild, values, visible, within)

    def by_micro_batches(
        self,
        function: Callable[[Tensor, Tensor, Tensor | None], Tensor],
        values: Tensor,
        visible: Tensor,
        within: Tensor | None,
    ) -> Tensor:
        """Apply a function of rows that needs this network alone, as `in_micro_batches` does."""

        def run(rows: slice) -> tuple[Tensor]:
            return (
                function(values[rows], visible[rows], None if within is None else within[rows]),
            )

        return in_micro_batches(run, len(values), self.layer_size(values), self)[0]


def _without_gaps(values: Tensor, observed: Tensor, within: Tensor | None) -> tuple[Tensor, Tensor]:
    """Interpolate missing values; what is left to hide is padding, and channels without any value.

    Statistics over time tell a gap from a jump no better than the filters that they summarise.
    """
    visible = observed.any(-1, keepdim=True).expand_as(observed)
    if within is not None:
        visible = visible & within[:, None]
    return interpolated(values, observed), visible
