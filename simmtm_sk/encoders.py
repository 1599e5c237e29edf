"""The encoder families, as small parameter objects that build their network."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from sklearn.base import BaseEstimator, clone
from torch import nn

from .nn.encoders import DilatedConvNet, PatchTransformer
from .parameters import AtLeastOne, ShareBelowOne, constraints


class _Layers(BaseEstimator):
    """What the families share: a number of layers."""

    n_layers: int

    def at_most(self, n_layers: int) -> Self:
        """Return an encoder like this one, of at most so many layers."""
        bounded: Self = clone(self).set_params(n_layers=min(self.n_layers, n_layers))
        return bounded


class ConvEncoder(_Layers):
    """Dilated residual one-dimensional convolutions, over all channels or over each one.

    Works for any length; its cost grows linearly with it. Over all channels, their number is fixed
    when it is built.

    Parameters
    ----------
    d_model : int, default=64
        Width of every layer.
    n_layers : int, default=8
        Residual blocks of one convolution each. Block i looks ``(kernel_size // 2) * 2**i`` points
        to either side; blocks that would only look beyond the series are left out.
    kernel_size : int, default=5
        Odd number of taps.
    dropout : float, default=0.0
        Share of zeroed outputs of a block's convolutions while training.
    channel_independent : bool, default=False
        Make every channel a series of its own: any number of channels then fits, as an encoder
        needs that is to be used on other data than it was pre-trained on.

    Examples
    --------
    >>> from simmtm_sk import ConvEncoder
    >>> ConvEncoder(d_model=32).build(n_channels=3, length=100).d_model
    32
    """

    def __init__(
        self,
        *,
        d_model: AtLeastOne = 64,
        n_layers: AtLeastOne = 8,
        kernel_size: AtLeastOne = 5,
        dropout: ShareBelowOne = 0.0,
        channel_independent: bool = False,
    ) -> None:
        self.d_model = d_model
        self.n_layers = n_layers
        self.kernel_size = kernel_size
        self.dropout = dropout
        self.channel_independent = channel_independent

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    def build(self, n_channels: int, length: int) -> nn.Module:
        """Return a network for series of ``n_channels`` channels and about ``length`` points.

        Raises
        ------
        ValueError
            If a parameter is not what it has to be, or ``kernel_size`` is even.
        """
        self._validate_params()
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}.")
        n_layers = min(self.n_layers, max(1, (length - 1).bit_length()))
        return DilatedConvNet(n_channels, self.d_model, n_layers, self.kernel_size, self.dropout)


class PatchEncoder(_Layers):
    """A transformer over patches; every channel is a series of its own.

    Works for any length and any number of channels. Its cost grows with the square of the number
    of patches.

    Parameters
    ----------
    patch_length : int, default=8
        Points of a patch; the last one is filled up with hidden points. Not more than the length
        of the series.
    d_model : int, default=64
        Width of the tokens, a multiple of ``n_heads``.
    n_layers : int, default=3
        Transformer layers.
    n_heads : int, default=4
        Attention heads.
    d_feedforward : int, default=128
        Width of the hidden layer of a block's perceptron.
    dropout : float, default=0.0
        Dropout on embeddings and residual branches, not inside the attention.

    References
    ----------
    Nie et al., "A time series is worth 64 words", ICLR 2023, arXiv:2211.14730.

    Examples
    --------
    >>> from simmtm_sk import PatchEncoder
    >>> PatchEncoder(patch_length=16).build(n_channels=1, length=100).patch_length
    16
    """

    channel_independent = True

    def __init__(
        self,
        *,
        patch_length: AtLeastOne = 8,
        d_model: AtLeastOne = 64,
        n_layers: AtLeastOne = 3,
        n_heads: AtLeastOne = 4,
        d_feedforward: AtLeastOne = 128,
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        self.patch_length = patch_length
        self.d_model = d_model
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.d_feedforward = d_feedforward
        self.dropout = dropout

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    def build(self, n_channels: int, length: int) -> nn.Module:
        """Return a network for single channels of about ``length`` points.

        Raises
        ------
        ValueError
            If a parameter is not what it has to be, or a patch would be longer than the series.
        """
        self._validate_params()
        _check_heads(self.d_model, self.n_heads)
        if self.patch_length > length:
            raise ValueError(
                f"patch_length={self.patch_length} is longer than the series ({length} points); "
                "choose a shorter patch, or ConvEncoder or PointEncoder."
            )
        return PatchTransformer(
            self.patch_length,
            self.d_model,
            self.n_layers,
            self.n_heads,
            self.d_feedforward,
            self.dropout,
        )


class PointEncoder(_Layers):
    """A transformer in which every time point is a token, as in the paper's forecasting encoder.

    Every channel is a series of its own; any length, any number of channels. Its cost grows with
    the square of the length: prefer `PatchEncoder` for more than a few hundred points.

    Parameters
    ----------
    d_model, n_layers, n_heads, d_feedforward, dropout
        As in `PatchEncoder`.

    References
    ----------
    Dong et al., "SimMTM", NeurIPS 2023, arXiv:2302.00861, section 4.1.

    Examples
    --------
    >>> from simmtm_sk import PointEncoder
    >>> PointEncoder(d_model=16).build(n_channels=1, length=100).patch_length
    1
    """

    channel_independent = True

    def __init__(
        self,
        *,
        d_model: AtLeastOne = 32,
        n_layers: AtLeastOne = 2,
        n_heads: AtLeastOne = 4,
        d_feedforward: AtLeastOne = 64,
        dropout: ShareBelowOne = 0.0,
    ) -> None:
        self.d_model = d_model
        self.n_layers = n_layers
        self.n_heads = n_heads
        self.d_feedforward = d_feedforward
        self.dropout = dropout

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = constraints(__init__)

    def build(self, n_channels: int, length: int) -> nn.Module:
        """Return a network for single channels of about ``length`` points."""
        self._validate_params()
        _check_heads(self.d_model, self.n_heads)
        return PatchTransformer(
            1, self.d_model, self.n_layers, self.n_heads, self.d_feedforward, self.dropout
        )


def _check_heads(d_model: int, n_heads: int) -> None:
    if d_model % n_heads:
        raise ValueError(f"d_model={d_model} must be a multiple of n_heads={n_heads}.")
