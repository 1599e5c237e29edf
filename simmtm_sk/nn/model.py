"""The whole network of pre-training: encoder, projector, decoder, and the losses of one step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from .contracts import Backbone, EncodedViews, Objective
from .encoders import token_mask
from .heads import Decoder, Projector, pooled
from .micro_batches import MicroBatched, in_micro_batches
from .normalization import NormalizedRows, normalized_rows, without_gaps
from .stats_scaler import InstanceStatsScaler


class SimMTM(nn.Module):
    """Encoder, projector and decoder, and how they make the losses of a batch.

    Parameters
    ----------
    backbone : Backbone
    n_channels : int
        Channels of a row (1 for channel-independent encoders).
    projection_dim : int
        Width of the series-wise representation.
    objective : Objective
    """

    def __init__(
        self,
        backbone: Backbone,
        n_channels: int,
        projection_dim: int,
        objective: Objective,
    ) -> None:
        super().__init__()
        self.objective = objective.build()
        self.backbone = backbone
        d_model, patch_length = int(backbone.d_model), int(backbone.patch_length)
        self.d_model, self.patch_length = d_model, patch_length
        self.projector = Projector(d_model, projection_dim)
        self.decoder = Decoder(d_model, n_channels, patch_length)
        # an average of decoded rows is the decoded average, the decoder being linear and weights
        # summing to one; where points are narrower than tokens it is the cheaper one
        needs_points = getattr(self.objective, "needs_points", False)
        self.decodes_first = n_channels * patch_length < d_model and not needs_points
        self.stats_scaler = InstanceStatsScaler(n_channels)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.decoder.linear.weight.dtype

    def n_layers(self) -> int:
        """Count the layers of the backbone, on a row of one token."""
        blank = torch.zeros(1, self.decoder.n_channels, self.patch_length, dtype=self.dtype)
        training = self.training
        with torch.no_grad():
            rows = normalized_rows(blank, torch.ones_like(blank, dtype=torch.bool), None)
            n_layers = len(self.eval().layers(rows))
        self.train(training)
        return n_layers

    def layer_size(self, rows: Tensor) -> int:
        """Numbers in a layer for ``rows`` of shape (n_rows, C, L)."""
        return len(rows) * -(-rows.shape[-1] // self.patch_length) * self.d_model

    def layers(self, rows: NormalizedRows) -> list[Tensor]:
        """Return the backbone's layers, each (n_rows, n_tokens, d_model).

        Rows are normalised in the precision of the data, so that large offsets cost no digits.
        """
        return self.backbone(
            rows.values.to(self.dtype),
            rows.visible,
            rows.within,
            self.stats_scaler(rows.stats).to(self.dtype),
        )

    def losses(
        self,
        values: Tensor,
        observed: Tensor,
        within: Tensor | None,
        views: Tensor,
        encoded: MicroBatched = in_micro_batches,
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
        encoded : callable, default=in_micro_batches
            Computes the rows, here or elsewhere.

        Returns
        -------
        dict of scalar tensors
            "total", and whatever else the objective names.
        """
        n_series, length = len(values), values.shape[-1]
        copies = len(views) // n_series + 1
        rows = normalized_rows(
            values.repeat(copies, 1, 1),
            torch.cat([observed, views]),
            None if within is None else within.repeat(copies, 1),
        )

        def encode(chosen: slice) -> tuple[Tensor, Tensor]:
            micro_batch = rows[chosen]
            points = self.layers(micro_batch)[-1]
            tokens = token_mask(micro_batch.within, self.patch_length)
            if tokens is not None:  # nothing behind a series' end is a neighbour's point
                points = points.masked_fill(~tokens[..., None], 0)
            series = self.projector(points, tokens)
            return self.decoder(points, length) if self.decodes_first else points, series

        rebuilt, series = encoded(encode, len(rows), self.layer_size(rows.values), self)
        # similarities and softmax need all digits, also where the encoder ran in bfloat16
        with torch.autocast(values.device.type, enabled=False):
            target = rows.values[:n_series].to(self.dtype)
            views_of_batch = EncodedViews(
                rebuilt.to(self.dtype),
                series.to(self.dtype),
                target,
                observed,
                rows.visible,
                decode=partial(self._decoded, length=length),
            )
            losses: dict[str, Tensor] = self.objective(views_of_batch)
            return losses

    def _decoded(self, rows: Tensor, length: int) -> Tensor:
        decoded: Tensor = rows if self.decodes_first else self.decoder(rows, length)
        return decoded

    def criterion(self, means: dict[str, float]) -> float:
        """Return what an epoch is judged by, from the means of `losses` over held-out rows."""
        if hasattr(self.objective, "criterion"):
            return float(self.objective.criterion(means))  # type: ignore[operator]
        return means["total"]

    def pooled_layers(
        self, rows: NormalizedRows, statistics: tuple[str, ...], all_layers: bool
    ) -> Tensor:
        """Statistics over time, layer by layer: (n_rows, n_layers * n_statistics * d_model)."""
        layers = self.layers(rows)
        tokens = token_mask(rows.within, self.patch_length)
        chosen = layers if all_layers else layers[-1:]
        return torch.cat([pooled(x, tokens, s) for x in chosen for s in statistics], 1)

    def embed(
        self,
        values: Tensor,
        observed: Tensor,
        within: Tensor | None,
        statistics: tuple[str, ...],
        all_layers: bool,
    ) -> Tensor:
        """Return `pooled_layers` of rows whose gaps are interpolated."""

        def embed(rows: NormalizedRows) -> tuple[Tensor]:
            return (self.pooled_layers(rows, statistics, all_layers),)

        return self.by_micro_batches(embed, *without_gaps(values, observed, within))[0]

    def project(self, values: Tensor, observed: Tensor, within: Tensor | None) -> Tensor:
        """Series-wise representations: (n_rows, projection_dim)."""

        def project(rows: NormalizedRows) -> tuple[Tensor]:
            return (
                self.projector(self.layers(rows)[-1], token_mask(rows.within, self.patch_length)),
            )

        return self.by_micro_batches(project, *without_gaps(values, observed, within))[0]

    def rebuild(self, values: Tensor, visible: Tensor, within: Tensor | None) -> Tensor:
        """Every row decoded from its own visible points, normalised: (n_rows, C, L)."""

        def rebuild(rows: NormalizedRows) -> tuple[Tensor]:
            return (self.decoder(self.layers(rows)[-1], values.shape[-1]),)

        return self.by_micro_batches(rebuild, values, visible, within)[0]

    def by_micro_batches(
        self,
        function: Callable[[NormalizedRows], tuple[Tensor, ...]],
        values: Tensor,
        visible: Tensor,
        within: Tensor | None,
    ) -> tuple[Tensor, ...]:
        """Apply a function of normalised rows, computed with this network alone."""

        def of_rows(rows: slice) -> tuple[Tensor, ...]:
            return function(
                normalized_rows(
                    values[rows], visible[rows], None if within is None else within[rows]
                )
            )

        return in_micro_batches(of_rows, len(values), self.layer_size(values), self)
