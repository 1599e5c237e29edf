"""Encoder and linear head as one network, for training with labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .model import SimMTM


class Supervised(nn.Module):
    """The pooled statistics of an encoder, standardised, and a linear head on them.

    The same numbers as embedding first and applying the head to the embedding, so that a head that
    was solved for in closed form can go on from there.

    Parameters
    ----------
    network : SimMTM
        Trained in place; its projector and decoder are not used.
    statistics : tuple of str
        As in `SimMTM.embed`; may be empty.
    all_layers : bool
    channel_independent : bool
        Whether every channel is a row of the network.
    center, spread : Tensor, shape (n_features,)
        Of the embedding over the training series, before training.
    n_outputs : int
    dropout : float
        Share of the features that a training step leaves out.
    """

    center: Tensor
    spread: Tensor

    def __init__(
        self,
        network: SimMTM,
        statistics: tuple[str, ...],
        all_layers: bool,
        channel_independent: bool,
        center: Tensor,
        spread: Tensor,
        n_outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.statistics = statistics
        self.all_layers = all_layers
        self.channel_independent = channel_independent
        self.register_buffer("center", center)
        self.register_buffer("spread", spread)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(len(center), n_outputs)

    def embed(
        self, values: Tensor, observed: Tensor, within: Tensor | None, extra: Tensor
    ) -> Tensor:
        """Return the embedding of every row: (n_rows, n_features).

        Parameters
        ----------
        values, observed : Tensor, shape (n_rows, n_channels, length)
        within : Tensor of bool, shape (n_rows, length), or None
        extra : Tensor, shape (n_rows, k)
            Features that do not come from the network.
        """
        if not self.statistics:
            return extra
        n_rows, n_channels, length = values.shape
        if self.channel_independent:
            values, observed = (x.reshape(-1, 1, length) for x in (values, observed))
            # a channel is a series of its own, which ends at its own last observed point
            within = observed[:, 0].flip(-1).cummax(-1).values.flip(-1)
        pooled = self.network.embed(values, observed, within, self.statistics, self.all_layers)
        if self.channel_independent:  # and gets zeros if it has none
            pooled = pooled.masked_fill(~observed.any(-1), 0)
        return torch.cat([pooled.reshape(n_rows, -1), extra], 1)

    def forward(
        self, values: Tensor, observed: Tensor, within: Tensor | None, extra: Tensor
    ) -> Tensor:
        """Return the head's scores: (n_rows, n_outputs)."""
        standardized = (self.embed(values, observed, within, extra) - self.center) / self.spread
        scores: Tensor = self.head(self.dropout(standardized))
        return scores
