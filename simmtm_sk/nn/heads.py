"""What sits on an encoder: projector, decoder, and the pooling of an embedding."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .gelu import gelu
from .traceable import compared

STATISTICS = ("mean", "max", "min", "std", "ppv")


class Projector(nn.Module):
    """Series-wise representation: the mean token through a small perceptron.

    Parameters
    ----------
    d_model : int
        Width of the tokens.
    projection_dim : int
        Width p of the series-wise representation. No weight depends on the length.
    """

    def __init__(self, d_model: int, projection_dim: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(d_model, projection_dim)
        self.out = nn.Linear(projection_dim, projection_dim)

    def forward(self, points: Tensor, tokens: Tensor | None) -> Tensor:
        """(n_rows, n_tokens, d_model) -> (n_rows, projection_dim), over the ``tokens`` within."""
        projected: Tensor = self.out(gelu(self.hidden(pooled(points, tokens, "mean"))))
        return projected


class Decoder(nn.Module):
    """One linear map from a token to the points it stands for, in every channel."""

    def __init__(self, d_model: int, n_channels: int, patch_length: int) -> None:
        super().__init__()
        self.n_channels = n_channels
        self.linear = nn.Linear(d_model, n_channels * patch_length)

    def forward(self, points: Tensor, length: int) -> Tensor:
        """(n_rows, n_tokens, d_model) -> (n_rows, n_channels, length)."""
        pieces = self.linear(points).reshape(*points.shape[:2], self.n_channels, -1)
        rebuilt: Tensor = pieces.transpose(1, 2).flatten(2)[..., :length]
        return rebuilt


def pooled(points: Tensor, tokens: Tensor | None, statistic: str) -> Tensor:
    """One statistic over the tokens of a series.

    Parameters
    ----------
    points : Tensor, shape (n_rows, n_tokens, d)
    tokens : Tensor of bool, shape (n_rows, n_tokens), or None
        The tokens that belong to the series; None means all of them.
    statistic : {"mean", "max", "min", "std", "ppv"}
        ppv is the share of tokens with a positive value (Dempster et al., arXiv:1910.13051).

    Returns
    -------
    Tensor, shape (n_rows, d)

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[[-1.0], [3.0]]])
    >>> [pooled(points, None, s).item() for s in ("mean", "max", "min", "std", "ppv")]
    [1.0, 3.0, -1.0, 2.0, 0.5]
    """
    if tokens is None:
        match statistic:
            case "mean":
                return points.mean(1)
            case "max":
                return points.amax(1)
            case "min":
                return points.amin(1)
            case "std":  # torch's own takes ten times as long
                return _root((points - points.mean(1, keepdim=True)).square().mean(1))
            case _:
                points = points.detach()
                return compared(torch.gt, points, 0, torch.empty_like(points)).mean(1)
    inside = tokens[..., None]
    count = inside.sum(1).clamp(min=1).to(points.dtype)
    mean = points.masked_fill(~inside, 0).sum(1) / count
    match statistic:
        case "mean":
            return mean
        case "max":
            return points.masked_fill(~inside, -torch.inf).amax(1)
        case "min":
            return points.masked_fill(~inside, torch.inf).amin(1)
        case "std":
            centred = (points - mean[:, None]).masked_fill(~inside, 0)
            return _root(centred.square().sum(1) / count)
        case _:
            return ((points > 0) & inside).sum(1).to(points.dtype) / count


def _root(variance: Tensor) -> Tensor:
    """Return standard deviations, with a gradient of zero where nothing varies."""
    return variance.clamp(min=torch.finfo(variance.dtype).tiny).sqrt()


def owner_means(x: Tensor, owner: Tensor, n_owners: int) -> Tensor:
    """Average the rows of every owner.

    Parameters
    ----------
    x : Tensor, shape (n_rows, k)
    owner : Tensor of int, shape (n_rows,)
    n_owners : int

    Returns
    -------
    Tensor, shape (n_owners, k)
        Zeros for an owner without rows.

    Examples
    --------
    >>> import torch
    >>> owner_means(torch.tensor([[1.0], [3.0], [5.0]]), torch.tensor([0, 0, 2]), 3).tolist()
    [[2.0], [0.0], [5.0]]
    """
    counts = torch.bincount(owner, minlength=n_owners).clamp(min=1).to(x.dtype)
    return x.new_zeros(n_owners, x.shape[1]).index_add(0, owner, x) / counts[:, None]
