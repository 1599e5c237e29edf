"""Encoder and linear head as one network, for training with labels."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .heads import owner_means
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
    rows_per_series : int
        Rows that a series of one window has: its channels if the encoder takes them one by one,
        else 1.
    center, std : Tensor, shape (n_features,)
        Of the embedding over the training series, before training.
    n_outputs : int
    dropout : float
        Share of the features that a training step leaves out.
    """

    center: Tensor
    std: Tensor

    def __init__(
        self,
        network: SimMTM,
        statistics: tuple[str, ...],
        all_layers: bool,
        rows_per_series: int,
        center: Tensor,
        std: Tensor,
        n_outputs: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.network = network
        self.statistics = statistics
        self.all_layers = all_layers
        self.rows_per_series = rows_per_series
        self.register_buffer("center", center)
        self.register_buffer("std", std)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(len(center), n_outputs)

    def embed(
        self,
        values: Tensor,
        observed: Tensor,
        within: Tensor | None,
        owner: Tensor,
        extra: Tensor,
    ) -> Tensor:
        """Return the embedding of every series: (n_series, n_features).

        Parameters
        ----------
        values, observed, within
            Rows, as `simmtm_sk.data.WindowDataset.gather` returns them.
        owner : Tensor of int, shape (n_rows,)
            The series, or channel of a series, that each row is a window of.
        extra : Tensor, shape (n_series, k)
            Features that do not come from the network.
        """
        if not self.statistics:
            return extra
        pooled = self.network.embed(values, observed, within, self.statistics, self.all_layers)
        means = owner_means(pooled, owner, len(extra) * self.rows_per_series)
        return torch.cat([means.reshape(len(extra), -1).to(extra), extra], 1)

    def forward(
        self,
        values: Tensor,
        observed: Tensor,
        within: Tensor | None,
        owner: Tensor,
        extra: Tensor,
    ) -> Tensor:
        """Return the head's scores: (n_series, n_outputs)."""
        embedding = self.embed(values, observed, within, owner, extra)
        scores: Tensor = self.head(self.dropout((embedding - self.center) / self.std))
        return scores
