"""Fixed random filters of many dilations: what an embedding says beside the learned encoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .traceable import compared

N_FILTERS, N_TAPS = 64, 9  # of each dilation
N_THRESHOLDS = 8  # of each filter
MOST_POINTS = 20_000  # behind the thresholds
_ROWS = 32  # at a time, for the memory
_NUDGE = 1e-4  # series are in units of their usual standard deviation
_GOLDEN = (5**0.5 - 1) / 2


class FilterBank(nn.Module):
    """Shares of a series in which random filters respond more than a threshold.

    Nothing is trained here. Every filter has random normal weights over all channels, whose mean
    over the taps is zero, so that it sees shapes and no levels. Its thresholds are quantiles of
    its responses over the training series, evenly spread from filter to filter; such shares at
    thresholds of many sizes are what makes MiniRocket strong (Dempster et al., arXiv:2012.08791).

    Parameters
    ----------
    n_channels : int
    length : int
        Points of the longest series; filters whose taps reach far beyond it are left out.

    Attributes
    ----------
    n_features : int
    """

    weight: Tensor
    threshold: Tensor

    def __init__(self, n_channels: int, length: int) -> None:
        super().__init__()
        n_dilations = max(1, (-(-length // 4) - 1).bit_length())
        weight = torch.randn(n_dilations, N_FILTERS, n_channels, N_TAPS)
        weight = weight - weight.mean(-1, keepdim=True)
        self.register_buffer("weight", F.normalize(weight.flatten(2), dim=-1).view_as(weight))
        self.register_buffer("threshold", torch.zeros(n_dilations, N_FILTERS, N_THRESHOLDS))
        self.n_features = self.threshold.numel()

    def responses(self, values: Tensor, i: int) -> Tensor:
        """Filter with dilation 2^i: (n_rows, n_channels, length) -> (n_rows, N_FILTERS, length)."""
        dilation = 2**i
        padding = dilation * (N_TAPS // 2)
        return F.conv1d(values, self.weight[i].to(values), padding=padding, dilation=dilation)

    def fit(self, values: Tensor, within: Tensor | None) -> None:
        """Take thresholds from the responses to training rows, as in `forward`."""
        if within is None:
            within = torch.ones_like(values[:, 0], dtype=torch.bool)
        points = within.flatten().nonzero()[:, 0]
        points = points[:: -(-len(points) // MOST_POINTS)]
        row, place = points // values.shape[-1], points % values.shape[-1]
        shift = torch.arange(N_FILTERS, device=values.device)[:, None] * _GOLDEN % 1
        quantile = (torch.arange(N_THRESHOLDS, device=values.device) + shift) / N_THRESHOLDS
        rank = (quantile * len(points)).long()
        sampled = values.new_empty(N_FILTERS, len(points))
        for i in range(len(self.weight)):
            for start in range(0, len(values), _ROWS):
                chosen = (row >= start) & (row < start + _ROWS)
                responses = self.responses(values[start : start + _ROWS], i)
                sampled[:, chosen] = responses[row[chosen] - start, :, place[chosen]].T
            # a little above a value that was seen, which may be one that is seen all the time:
            # then rounding must not decide
            self.threshold[i] = sampled.sort().values.gather(1, rank) + _NUDGE

    def forward(self, values: Tensor, within: Tensor | None) -> Tensor:
        """Return the shares: (n_rows, n_features).

        Parameters
        ----------
        values : Tensor, shape (n_rows, n_channels, length)
            Centred, in units of the channel's usual standard deviation, without gaps.
        within : Tensor of bool, shape (n_rows, length), or None
            False behind a series' end.
        """
        inside = None if within is None else within[:, None].to(values)
        count = values.shape[-1] if inside is None else inside.sum(-1).clamp(min=1)
        # results kept one by one between large temporaries would fragment the memory
        shares = values.new_empty(len(values), len(self.weight), N_THRESHOLDS, N_FILTERS)
        for i, thresholds in enumerate(self.threshold.to(values)):
            responses = self.responses(values, i)
            above = torch.empty_like(responses)
            for j in range(N_THRESHOLDS):
                above = compared(torch.gt, responses, thresholds[:, j, None], above)
                if inside is not None:
                    above *= inside
                shares[:, i, j] = above.sum(-1) / count
        return shares.flatten(1)

    def names(self) -> list[str]:
        """Return what the features are: filter of a dilation, and threshold from low to high."""
        return [
            f"filters_dilation{2**i}_filter{k}_threshold{j}"
            for i in range(len(self.weight))
            for j in range(N_THRESHOLDS)
            for k in range(N_FILTERS)
        ]
