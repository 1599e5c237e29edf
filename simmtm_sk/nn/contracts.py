"""What an encoder of your own has to be: the object that builds a network, and the network.

The encoders of this package are nothing else; see ``examples/plot_own_encoder.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable

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
