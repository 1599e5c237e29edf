"""The backbones of this package; what they take and return says `simmtm_sk.nn.contracts`."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .gelu import GELU, gelu


def token_mask(within: Tensor | None, patch_length: int) -> Tensor | None:
    """Mark the tokens that hold at least one point of their series: (n_rows, n_tokens)."""
    if within is None:
        return None
    padding = -within.shape[1] % patch_length
    return F.pad(within, (0, padding)).reshape(len(within), -1, patch_length).any(-1)


class DilatedConv(nn.Module):
    """A convolution along time over (n_rows, length, channels), with zeros beyond the ends.

    The tensor is handed to a two-dimensional convolution of height one in channels-last layout:
    the same numbers as ``conv1d``, at nearly the speed of a plain matrix product on a CPU.
    """

    def __init__(self, d_in: int, d_out: int, kernel_size: int, dilation: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            d_in,
            d_out,
            (1, kernel_size),
            padding=(0, dilation * (kernel_size // 2)),
            dilation=(1, dilation),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n_rows, length, d_in) -> (n_rows, length, d_out)."""
        out: Tensor = self.conv(x.transpose(1, 2).unsqueeze(2))
        return out.squeeze(2).transpose(1, 2)


class ConvBlock(nn.Module):
    """Residual block: layer norm, GELU, one dilated convolution."""

    def __init__(self, d_model: int, kernel_size: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.conv = DilatedConv(d_model, d_model, kernel_size, dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, within: Tensor | None) -> Tensor:
        """(n_rows, length, d_model) -> the same shape; what lies in the padding stays zero."""
        h = self.conv(_cut(gelu(self.norm(x)), within))
        return _cut(x + self.dropout(h), within)


def _cut(x: Tensor, within: Tensor | None) -> Tensor:
    return x if within is None else x.masked_fill(~within[..., None], 0)


class DilatedConvNet(nn.Module):
    """Residual dilated convolutions over all channels; block i looks 2^i points to either side.

    Built by `simmtm_sk.ConvEncoder`, which documents the parameters.
    """

    patch_length = 1

    def __init__(
        self, n_channels: int, d_model: int, n_layers: int, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.stem = DilatedConv(2 * n_channels, d_model, kernel_size, 1)
        self.stats_embedding = nn.Linear(2 * n_channels, d_model)
        self.blocks = nn.ModuleList(
            ConvBlock(d_model, kernel_size, 2**i, dropout) for i in range(n_layers)
        )

    def forward(
        self, values: Tensor, visible: Tensor, within: Tensor | None, instance_stats: Tensor
    ) -> list[Tensor]:
        """Return the stem's and every block's output, each (n_rows, length, d_model)."""
        # a hidden point and an average one both have the value 0: the second half of the
        # channels tells them apart, and its weights are the learned token of a hidden point
        hidden = (~visible).to(values.dtype)
        if within is not None:
            hidden = hidden.masked_fill(~within[:, None], 0)
        # points first in memory from here on: the stem hands its layout down, and every norm of
        # points behind one another would copy them together
        x = self.stem(torch.cat([values.transpose(1, 2), hidden.transpose(1, 2)], -1))
        x = _cut(x + self.stats_embedding(instance_stats)[:, None], within)
        layers = [x]
        for block in self.blocks:
            x = block(x, within)
            layers.append(x)
        return layers


class TransformerBlock(nn.Module):
    """Pre-norm transformer layer; no dropout inside the attention, which keeps it on the fast path.

    Vaswani et al., arXiv:1706.03762, with the normalisation first (Xiong et al., arXiv:2002.04745).
    """

    def __init__(self, d_model: int, n_heads: int, d_feedforward: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_attention = nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model)
        self.out = nn.Linear(d_model, d_model)
        self.norm_feedforward = nn.LayerNorm(d_model)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, d_feedforward), GELU(), nn.Linear(d_feedforward, d_model)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, attended: Tensor | None) -> Tensor:
        """(n_rows, n_tokens, d_model) -> the same shape."""
        qkv = self.qkv(self.norm_attention(x)).reshape(*x.shape[:2], 3, self.n_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # (3, rows, heads, tokens, d_head)
        heads = F.scaled_dot_product_attention(q, k, v, attn_mask=attended)
        x = x + self.dropout(self.out(heads.transpose(1, 2).flatten(2)))
        x = x + self.dropout(self.feedforward(self.norm_feedforward(x)))
        return x


class PatchTransformer(nn.Module):
    """A transformer over patches of one channel; with patches of one point, over points.

    Built by `simmtm_sk.PatchEncoder` and `simmtm_sk.PointEncoder`, which document the parameters.
    """

    def __init__(
        self,
        patch_length: int,
        d_model: int,
        n_layers: int,
        n_heads: int,
        d_feedforward: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.patch_length = patch_length
        self.d_model = d_model
        self.embed = nn.Linear(2 * patch_length, d_model)
        self.stats_embedding = nn.Linear(2, d_model)
        self.blocks = nn.ModuleList(
            TransformerBlock(d_model, n_heads, d_feedforward, dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, values: Tensor, visible: Tensor, within: Tensor | None, instance_stats: Tensor
    ) -> list[Tensor]:
        """Return the embedding's and every block's output, each (n_rows, n_tokens, d_model)."""
        # the second half of the inputs says which points are hidden: a wholly hidden patch has
        # values 0 and indicators 1, that is, one learned token whatever the series
        pieces = torch.cat(
            [self._patches(values), self._patches((~visible).to(values.dtype), 1)], -1
        )
        positions = sinusoidal_positions(pieces.shape[1], self.d_model, values)
        x = self.dropout(
            self.embed(pieces) + positions + self.stats_embedding(instance_stats)[:, None]
        )
        tokens = token_mask(within, self.patch_length)
        attended = None if tokens is None else tokens[:, None, None]
        layers = [x]
        for block in self.blocks:
            x = block(x, attended)
            layers.append(x)
        return [*layers[:-1], self.norm(x)]

    def _patches(self, x: Tensor, fill: float = 0.0) -> Tensor:
        length, n_patches = x.shape[-1], (x.shape[-1] + self.patch_length - 1) // self.patch_length
        padded = F.pad(x[:, 0], (0, n_patches * self.patch_length - length), value=fill)
        return padded.reshape(len(x), n_patches, self.patch_length)


def sinusoidal_positions(n_tokens: int, d_model: int, like: Tensor) -> Tensor:
    """Return fixed positions for any number of tokens, (n_tokens, d_model), dtype as ``like``.

    Vaswani et al., arXiv:1706.03762, section 3.5.
    """
    position = torch.arange(n_tokens, dtype=like.dtype, device=like.device)[:, None]
    frequency = torch.exp(
        torch.arange(0, d_model, 2, dtype=like.dtype, device=like.device)
        * (-math.log(10_000.0) / d_model)
    )
    angle = position * frequency
    return torch.cat([angle.sin(), angle.cos()], 1)[:, :d_model]
