"""Second moments of all windows of a series, without ever laying out a window."""

from __future__ import annotations

import torch
from torch import Tensor

_SERIES_AT_ONCE = 1_024  # that are transformed together


def window_moments(values: Tensor, lengths: Tensor, width: int, *, pooled: bool) -> Tensor:
    """Sum the products of the points of a window over all windows of a series.

    Entry (i, j) is the sum over windows of their point i times their point j. The first row is a
    correlation, and all others follow from it: one point further on in both, the same products are
    summed up but for those at the two ends. Costs O(length log length + width²) for each series,
    whatever the number of windows.

    Parameters
    ----------
    values : Tensor of float64, shape (n_series, length)
        Without missing values; what lies behind the end of a series is not looked at.
    lengths : Tensor of int, shape (n_series,)
        Points of each series. One that is shorter than ``width`` has no window.
    width : int
        Points of a window.
    pooled : bool
        Whether to sum over series, too.

    Returns
    -------
    Tensor of float64, shape (n_series or 1, width, width)

    Examples
    --------
    >>> import torch
    >>> series = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    >>> window_moments(series, torch.tensor([3]), 2, pooled=False).tolist()
    [[[5.0, 8.0], [8.0, 13.0]]]
    """
    n_series, length = values.shape
    n_windows = (lengths - width + 1).clamp(min=0)
    at = torch.arange(length, device=values.device)
    values = values.masked_fill(at >= lengths[:, None], 0)
    first = torch.zeros(1 if pooled else n_series, width, dtype=values.dtype, device=values.device)
    padded = 1 << (2 * length).bit_length()  # long enough that nothing wraps around
    for start in range(0, n_series, _SERIES_AT_ONCE):
        rows = slice(start, start + _SERIES_AT_ONCE)
        leading = values[rows].masked_fill(at >= n_windows[rows, None], 0)
        spectrum = torch.fft.rfft(values[rows], padded) * torch.fft.rfft(leading, padded).conj()
        if pooled:
            first += torch.fft.irfft(spectrum.sum(0, keepdim=True), padded)[:, :width]
        else:
            first[rows] = torch.fft.irfft(spectrum, padded)[:, :width]
    step = torch.arange(width - 1, device=values.device)
    has_windows = (n_windows > 0)[:, None]
    entering = values.gather(1, (n_windows[:, None] + step).clamp(max=length - 1))
    leaving = values.gather(1, step.expand(n_series, -1).clamp(max=length - 1))
    entering, leaving = entering * has_windows, leaving * has_windows
    if pooled:
        change = (entering.T @ entering - leaving.T @ leaving)[None]
    else:
        change = entering[:, :, None] * entering[:, None] - leaving[:, :, None] * leaving[:, None]
    moments = torch.empty(len(first), width, width, dtype=values.dtype, device=values.device)
    moments[:, 0], moments[:, :, 0] = first, first
    moments[:, 1:, 1:] = change
    for row in range(1, width):
        moments[:, row, 1:] += moments[:, row - 1, :-1]
    return moments
