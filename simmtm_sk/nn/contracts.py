"""What an encoder, a mask or an objective of your own has to be.

Those of this package are nothing else; see ``examples/plot_own_encoder.py`` and
``examples/plot_own_objective.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


class Backbone(Protocol):
    """The network: a torch module from values and their visibility to point-wise representations.

    In training it is called on micro-batches, by several threads at once, and perhaps again in
    backward: rows must not see each other but in batch normalisation, which forgoes all that, and
    nothing but dropout modules may be random. See `simmtm_sk.nn.micro_batches`.

    A token stands for ``patch_length`` points, so
    that ``n_tokens = ceil(length / patch_length)``.
    """

    @property
    def d_model(self) -> int:
        """Width of the representations."""

    @property
    def patch_length(self) -> int:
        """Points that a token stands for."""

    def __call__(
        self, values: Tensor, visible: Tensor, within: Tensor | None, instance_stats: Tensor, /
    ) -> list[Tensor]:
        """Return a tensor (n_rows, n_tokens, d_model) per layer, the representation last.

        Parameters
        ----------
        values : Tensor, shape (n_rows, n_channels, length)
            Normalised; zero where hidden.
        visible : Tensor of bool, shape (n_rows, n_channels, length)
            False where a mask, a gap or padding hides a point.
        within : Tensor of bool, shape (n_rows, length), or None
            False in the padding behind a series' end, which must not influence what comes before;
            None without padding.
        instance_stats : Tensor, shape (n_rows, 2 * n_channels)
            What the normalisation took away: mean and log standard deviation of the visible points
            of every channel, standardised over the training series.
        """

    def parameters(self) -> Iterator[nn.Parameter]:
        """As of every torch module."""

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """As of every torch module."""


class Encoder(Protocol):
    """What ``encoder=`` takes: family and sizes of a backbone.

    An attribute ``channel_independent = True`` makes every channel a series of its own (see
    `ChannelIndependent`). One that has a ``patch_length`` (see `Patched`) takes no shorter series.
    Best a scikit-learn ``BaseEstimator``, whose parameters searches can set.
    """

    def build(self, n_channels: int, length: int) -> Backbone:
        """Return a `Backbone` with new weights, drawn from torch's generator.

        Parameters
        ----------
        n_channels : int
            Of a row: 1 if the encoder is channel-independent.
        length : int
            Points of the longest row; later ones may have any length.

        Raises
        ------
        ValueError
            If there is no such network.
        """


@runtime_checkable
class ChannelIndependent(Protocol):
    """An encoder that says whether it takes the channels of a series one by one."""

    channel_independent: bool


@runtime_checkable
class Patched(Protocol):
    """An encoder whose tokens stand for ``patch_length`` points."""

    patch_length: int


@runtime_checkable
class Layered(Protocol):
    """An encoder whose network can be looked at before it is built.

    `simmtm_sk.load` builds it on torch's "meta" device first, which takes no memory, and compares
    its shapes with those of the stored weights. Its modules must draw their weights by torch's own
    functions alone: `load` does not wait for a fit in another thread.
    """

    def at_most(self, n_layers: int) -> Encoder:
        """Return one like this, of at most so many layers."""


def takes_channels_apart(encoder: Encoder) -> bool:
    """Whether every channel is a series of its own for an encoder.

    Examples
    --------
    >>> from simmtm_sk import ConvEncoder, PatchEncoder
    >>> takes_channels_apart(ConvEncoder()), takes_channels_apart(PatchEncoder())
    (False, True)
    """
    return isinstance(encoder, ChannelIndependent) and bool(encoder.channel_independent)


def shortest_series(encoder: Encoder) -> int:
    """Return how many points a series needs: those of a patch.

    Examples
    --------
    >>> from simmtm_sk import ConvEncoder, PatchEncoder
    >>> shortest_series(ConvEncoder()), shortest_series(PatchEncoder(patch_length=12))
    (1, 12)
    """
    return int(encoder.patch_length) if isinstance(encoder, Patched) else 1


@runtime_checkable
class Mask(Protocol):
    """A mask that sees the series, for instance to hide the same points of all channels."""

    def draw(self, values: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one view of every series.

        Parameters
        ----------
        values : Tensor, shape (n_series, n_channels, length)
            In the units of the data, zero where nothing was observed.
        observed : Tensor of bool, the same shape
        generator : torch.Generator
            Source of all randomness, on the device of ``values``.

        Returns
        -------
        Tensor of bool, shape (n_series, n_channels, length)
            True where the point is visible.
        """


@dataclass(frozen=True)
class EncodedViews:
    """A batch as an objective sees it: N originals and M views of each, D = N (M + 1) rows.

    The originals come first, then all first views, then all second views, and so on: row k is of
    series k mod N.

    Attributes
    ----------
    rows : Tensor, shape (D, n_tokens, d_model), or (D, n_channels, length)
        Point-wise representations; decoded already where that is narrower, unless the objective has
        ``needs_points = True``. The decoder is linear, so that an average of rows means the same
        either way; zero behind the end of a series.
    series : Tensor, shape (D, projection_dim)
        Series-wise representations, by the projector.
    target : Tensor, shape (N, n_channels, length)
        The originals, normalised.
    observed : Tensor of bool, the same shape
        Points that exist: nothing else is a target.
    visible : Tensor of bool, shape (D, n_channels, length)
        Points that each row shows.
    decode : callable
        Turns ``rows``, or averages of them, into values (..., n_channels, length).
    """

    rows: Tensor
    series: Tensor
    target: Tensor
    observed: Tensor
    visible: Tensor
    decode: Callable[[Tensor], Tensor]

    @property
    def n_series(self) -> int:
        """N, the number of originals."""
        return len(self.target)


class Objective(Protocol):
    """What builds the loss of pre-training; `simmtm_sk.SimMTMObjective` is the one of the paper."""

    def build(self) -> nn.Module:
        """Return a module that is called with `EncodedViews`.

        It returns scalar tensors by name: "total" is minimised, all are in the history. It may have
        parameters, which are learned with the network. A method ``criterion(means) -> float`` says
        what an epoch is judged by, from the means of these numbers over the held-out rows; without
        it, that is the total.
        """
