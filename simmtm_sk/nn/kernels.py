"""Random kernels that compete: which of a group responds most, and which least."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .traceable import compared

GROUP = 8  # kernels that compete with each other
N_GROUPS, N_TAPS = 16, 9  # groups of each dilation, for the series and as many for its differences
_NUMBERS = 1 << 18  # responses that are held at once, which stay near a core
_NUDGE = 1e-4  # responses of rounding errors are smaller, in series of unit standard deviation


class KernelBank(nn.Module):
    """How often, and how strongly, each kernel responds more than the others of its group.

    Nothing is trained here. At every time step of every dilation, the kernel of a group that
    responds most collects its response, and the one that responds least (most strongly in the
    other direction) a count, on the series and on its first differences: the idea of HYDRA
    (Dempster et al., arXiv:2203.13652). Kernels have random normal weights over all channels, whose
    mean over the taps is zero, so that they see shapes and no levels.

    Parameters
    ----------
    n_channels : int
    length : int
        Points of the longest series; kernels whose taps reach beyond it are left out, but those of
        the smallest dilation.

    Attributes
    ----------
    n_features : int
    """

    weight: Tensor

    def __init__(self, n_channels: int, length: int) -> None:
        super().__init__()
        n_dilations = max(1, ((length - 1) // (N_TAPS - 1)).bit_length())
        weight = torch.randn(2, n_dilations, N_GROUPS * GROUP, n_channels, N_TAPS)
        weight = weight - weight.mean(-1, keepdim=True)
        norm = weight.abs().sum((-1, -2), keepdim=True)
        self.register_buffer("weight", weight / norm)
        self.n_features = 2 * 2 * n_dilations * N_GROUPS * GROUP

    def fit(self, values: Tensor, within: Tensor | None) -> None:
        """Learn nothing: there are no thresholds."""

    def names(self) -> Iterator[str]:
        """Names of the features of `forward`, in their order."""
        for source in ("values", "steps"):
            for i in range(self.weight.shape[1]):
                for result in ("most", "least"):
                    for kernel in range(GROUP):
                        for group in range(N_GROUPS):
                            yield f"kernels_{source}_dilation{2**i}_group{group}_{result}{kernel}"

    def forward(self, values: Tensor, within: Tensor | None) -> Tensor:
        """Return logs of mean winning responses, and shares of steps lost: (n_rows, n_features).

        Parameters
        ----------
        values : Tensor, shape (n_rows, n_channels, length)
            Centred, in units of the channel's usual standard deviation, without gaps; zeros behind
            a series' end.
        within : Tensor of bool, shape (n_rows, length), or None
            False behind a series' end.
        """
        if torch.compiler.is_compiling():  # any number of rows at once
            return self._features(values, within)
        n_rows = max(1, _NUMBERS // (N_GROUPS * GROUP * values.shape[-1]))
        features = values.new_empty(len(values), self.n_features)
        for start in range(0, len(values), n_rows):
            rows = slice(start, start + n_rows)
            features[rows] = self._features(values[rows], None if within is None else within[rows])
        return features

    def _features(self, values: Tensor, within: Tensor | None) -> Tensor:
        inside = torch.ones_like(values[:, 0]) if within is None else within.to(values)
        count = inside.sum(-1).clamp(min=1)[:, None, None]
        # the step from a series' last point to what lies behind is none of its own
        steps = values.diff(dim=-1) * (inside[:, None, 1:] if within is not None else 1)
        features = []
        for weights, series, counts in zip(
            self.weight.to(values), (values, steps), (inside, inside[:, 1:]), strict=True
        ):
            for i, weight in enumerate(weights):
                most, least = won(series, weight, 2**i, counts)
                # logs, so that a series far louder than the others does not outshine them
                features += [(most / count).log1p().flatten(1), (least / count).flatten(1)]
        return torch.cat(features, 1)


def won(values: Tensor, weight: Tensor, dilation: int, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the largest responses of each group, and count the smallest, kernel by kernel.

    Parameters
    ----------
    values : Tensor, shape (n_rows, n_channels, length)
    weight : Tensor, shape (GROUP * n_groups, n_channels, N_TAPS)
        First kernels of all groups first.
    dilation : int
    inside : Tensor, shape (n_rows, length)
        1 at the time steps that count, 0 elsewhere.

    Returns
    -------
    most, least : Tensor, each (n_rows, GROUP, n_groups)
        Time steps at which no kernel of a group responds above (below) zero count for none.
    """
    most = values.new_zeros(len(values), GROUP, len(weight) // GROUP)
    least = torch.zeros_like(most)
    if values.shape[-1] > 0:
        padding = dilation * (N_TAPS // 2)
        response = F.conv1d(values, weight, dilation=dilation, padding=padding)
        response = response.reshape(*most.shape, -1)
        largest = response.amax(1).clamp_(min=_NUDGE)
        smallest = response.amin(1).clamp_(max=-_NUDGE)
        outside = inside[:, None] == 0  # where no response reaches the limit
        limit = largest.masked_fill(outside, torch.inf)
        smallest = smallest.masked_fill_(outside, -torch.inf)
        wins = compared(torch.ge, response, limit[:, None], torch.empty_like(response))
        most = wins.mul_(largest[:, None]).sum(-1)
        least = compared(torch.le, response, smallest[:, None], wins).sum(-1)
    return most, least
