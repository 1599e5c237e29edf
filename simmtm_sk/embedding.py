"""`Embedding`: what is said about a series, in blocks of features, fitted beside the network.

The *learned* block are statistics over time of the backbone's layers; nothing of it is kept here.
The *fixed* blocks are what training does not change: those of `BLOCKS`, which see the rows of a
panel, and the scale of every series. A block more is a class like `FilterBank` and a line in
`BLOCKS`: `pooling` then knows its name.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from .data import Panel, WindowDataset
from .data.forecast_windows import subsample
from .inference import over_series, panel_instance_stats
from .nn.filters import FilterBank
from .nn.heads import STATISTICS
from .nn.kernels import KernelBank
from .nn.model import SimMTM
from .nn.normalization import NormalizedRows, normalized_rows, without_gaps

MOST_ROWS = 512  # that fixed blocks are fitted on


class Block(Protocol):
    """A fixed block, also a torch module: its buffers are what is saved of it."""

    n_features: int

    def fit(self, values: Tensor, within: Tensor | None) -> None:
        """Learn what is usual from training rows, given as to `__call__`."""

    def __call__(self, values: Tensor, within: Tensor | None) -> Tensor:
        """Return the features of rows: (n_rows, n_features).

        Parameters
        ----------
        values : Tensor, shape (n_rows, n_channels, length)
            Centred, in units of the channel's usual standard deviation, without gaps.
        within : Tensor of bool, shape (n_rows, length), or None
            False behind a series' end.
        """

    def names(self) -> Iterable[str]:
        """Return the names of the features, in their order."""


BLOCKS: dict[str, Callable[[int, int], nn.Module]] = {
    "filters": FilterBank,
    "kernels": KernelBank,
}
POOLINGS = (*STATISTICS, *BLOCKS, "scale")


@dataclass(frozen=True)
class Pooling:
    """What an embedding is asked to consist of.

    Attributes
    ----------
    statistics : tuple of str
        Of the layers, some of `STATISTICS`; the learned block.
    all_layers : bool
        Of all layers, or of the last one.
    blocks : tuple of str
        Some of `BLOCKS`.
    scale : bool
    """

    statistics: tuple[str, ...]
    all_layers: bool
    blocks: tuple[str, ...]
    scale: bool

    @classmethod
    def of(cls, names: Iterable[str], layers: str) -> Pooling:
        """Read the parameters ``pooling`` and ``layers`` of the transformer.

        Raises
        ------
        ValueError
            If a name is none of `POOLINGS`, or there is none.
        """
        names = list(names)
        if not names or set(names) - set(POOLINGS):
            raise ValueError(f"pooling must name some of {list(POOLINGS)}, got {names}.")
        return cls(
            tuple(name for name in names if name in STATISTICS),
            layers == "all",
            tuple(name for name in BLOCKS if name in names),
            "scale" in names,
        )


@dataclass(frozen=True)
class Features:
    """The features of series.

    Attributes
    ----------
    learned : Tensor, shape (n_series, n_learned)
        What training changes; of all channels, if the encoder takes them one by one.
    fixed : Tensor, shape (n_series, n_fixed)
        What it does not: block by block of all channels, then the scale.
    """

    learned: Tensor
    fixed: Tensor

    def joined(self) -> Tensor:
        """Return the embedding: (n_series, n_learned + n_fixed)."""
        return torch.cat([self.learned, self.fixed], 1)


class Embedding(nn.Module):
    """The fixed blocks of an embedding, and how learned and fixed ones are computed.

    Parameters
    ----------
    blocks : iterable of str
        Some of `BLOCKS`.
    n_channels : int
        Channels of a row (1 for channel-independent encoders).
    length : int
        Points of the longest row.

    Examples
    --------
    >>> from simmtm_sk import SimMTMTransformer
    >>> X = np.random.default_rng(0).normal(size=(20, 1, 16))
    >>> fitted = SimMTMTransformer(num_epochs=0, pooling=("filters",), random_state=0).fit(X)
    >>> fitted.embedding_.fitted
    ('filters',)
    """

    def __init__(self, blocks: Iterable[str], n_channels: int, length: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleDict({name: BLOCKS[name](n_channels, length) for name in blocks})

    @property
    def fitted(self) -> tuple[str, ...]:
        """The blocks that there are."""
        return tuple(self.blocks)

    def adopt(self, other: Embedding | None) -> None:
        """Take over the weights of the blocks that both have, as a warm start does."""
        for name in self.fitted:
            if other is not None and name in other.blocks:
                self.blocks[name].load_state_dict(other.blocks[name].state_dict())

    def fit(self, network: SimMTM, rows: WindowDataset) -> Embedding:
        """Let every block learn from some of the rows what is usual."""
        if self.blocks:
            chosen = torch.as_tensor(subsample(np.arange(len(rows)), MOST_ROWS), device=rows.device)
            values, observed, within = rows.gather(chosen)
            within = None if within is None else within.cpu()
            usual = _usual(
                network, normalized_rows(*without_gaps(values.cpu(), observed.cpu(), within))
            )
            for block in self._named(self.fitted):
                block.fit(usual, within)
        return self

    def features(
        self,
        network: SimMTM,
        values: Panel,
        rows: WindowDataset,
        pooling: Pooling,
        dtype: torch.dtype,
    ) -> Features:
        """Return the features of all series of a panel.

        Parameters
        ----------
        network : SimMTM
        values : Panel
            The series.
        rows : WindowDataset
            Their windows, or those of their channels if the encoder takes them one by one.
        pooling : Pooling
        dtype : torch.dtype
            Precision to compute in.

        Raises
        ------
        ValueError
            If ``pooling`` names a block that was not fitted.
        """
        moved = copy.deepcopy(self).to(rows.device)

        def of_rows(
            network: SimMTM, x: Tensor, observed: Tensor, within: Tensor | None
        ) -> tuple[Tensor, ...]:
            def of_micro_batch(batch: NormalizedRows) -> tuple[Tensor, ...]:
                return moved.of_rows(network, batch, pooling)

            return network.by_micro_batches(of_micro_batch, *without_gaps(x, observed, within))

        pooled: tuple[Tensor, ...] = (torch.empty(len(values), 0, dtype=dtype),)
        if pooling.statistics or pooling.blocks:
            pooled = over_series(network, rows, dtype, of_rows)
        learned, *fixed = (x.reshape(len(values), -1) for x in pooled)
        if pooling.scale:
            fixed.append(_scale(network, values).to(dtype))
        return Features(learned, torch.cat(fixed, 1) if fixed else learned[:, :0])

    def of_rows(
        self, network: SimMTM, rows: NormalizedRows, pooling: Pooling
    ) -> tuple[Tensor, ...]:
        """Return the features of rows without gaps, block by block: (n_rows, size) each.

        The learned block comes first, empty if ``pooling`` has no statistics. The scale is none of
        them, being one of whole series.
        """
        learned = rows.values.new_empty(len(rows), 0, dtype=network.dtype)
        if pooling.statistics:
            learned = network.pooled_layers(rows, pooling.statistics, pooling.all_layers)
        if not pooling.blocks:
            return (learned,)
        usual = _usual(network, rows)
        return (learned, *(block(usual, rows.within) for block in self._named(pooling.blocks)))

    def sizes(self, network: SimMTM, pooling: Pooling, n_channels: int) -> dict[str, int]:
        """Return how many features a row of so many channels has in every block."""
        n_layers = network.n_layers() if pooling.all_layers else 1
        sizes = {"learned": n_layers * len(pooling.statistics) * network.d_model}
        for name, block in zip(pooling.blocks, self._named(pooling.blocks), strict=True):
            sizes[name] = block.n_features
        return {**sizes, "scale": 2 * n_channels * pooling.scale}

    def names(self, network: SimMTM, pooling: Pooling, n_channels: int, n_rows: int) -> list[str]:
        """Return what the features of a series are, in their order.

        Parameters
        ----------
        network, pooling
            As in `features`.
        n_channels : int
            Channels of a series.
        n_rows : int
            Rows that a series of one window has: its channels if the encoder takes them one by
            one, else 1.
        """
        layers = range(network.n_layers())
        learned = [
            f"layer{layer}_{statistic}_{i}"
            for layer in (layers if pooling.all_layers else layers[-1:])
            for statistic in pooling.statistics
            for i in range(network.d_model)
        ]
        groups = [learned, *(list(block.names()) for block in self._named(pooling.blocks))]
        prefix = [f"channel{c}_" if n_rows > 1 else "" for c in range(n_rows)]
        names = [f"{channel}{name}" for group in groups for channel in prefix for name in group]
        if pooling.scale:
            names += [f"channel{c}_{x}" for x in ("mean", "log_std") for c in range(n_channels)]
        return names

    def _named(self, names: tuple[str, ...]) -> list[Block]:
        missing = [name for name in names if name not in self.blocks]
        if missing:
            raise ValueError(
                f"pooling names {missing}, which were not part of pooling in fit, so that nothing "
                f"was fitted for them; what was fitted are {list(self.fitted)}. Fit again."
            )
        return [cast(Block, self.blocks[name]) for name in names]


def _usual(network: SimMTM, rows: NormalizedRows) -> Tensor:
    """Divide centred rows by what is usual: fixed blocks see amplitudes, layers do not."""
    amplitude = network.stats_scaler.amplitudes(rows.stats)[..., None].to(rows.values)
    return (rows.values * amplitude).to(network.dtype)


def _scale(network: SimMTM, values: Panel) -> Tensor:
    """Return where whole series are and how they vary, free of units: (n_series, 2 n_channels)."""
    return network.stats_scaler.relative(panel_instance_stats(values))
