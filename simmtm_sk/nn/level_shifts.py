"""Level shifts just before an origin: found, taken away for the forecast, and put back."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_JUMP = 3.0  # in standard deviations of the series


def level_shift(values: Tensor, usual_jump: Tensor, n_recent: int, period: int) -> Tensor:
    """Return how far the last points of contexts have been shifted, and 0 where they were not.

    A shift begins with a step between two points that is larger than any in the training part, and
    than `LEAST_JUMP`, and it stays: the points since then differ from those one period earlier, or
    without a season from the last point before, by more than half of it in the mean.

    Parameters
    ----------
    values : Tensor, shape (n, length)
        In units of each series, without missing values.
    usual_jump : Tensor, shape (n,)
        The largest step in the training part of each series.
    n_recent : int
        Points at the end that a shift may have begun in.
    period : int
        0 where there is no season.

    Returns
    -------
    Tensor, shape (n, length)
        The shift, at the points that it has moved.

    Examples
    --------
    >>> import torch
    >>> values = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0, 9.0, 8.0]])
    >>> level_shift(values, torch.tensor([1.0]), n_recent=3, period=2).tolist()
    [[0.0, 0.0, 0.0, 0.0, 0.0, 8.0, 8.0]]
    """
    length = values.shape[1]
    if period:
        n_recent = min(n_recent, period)
    n_recent = min(n_recent, length - max(period, 1))
    if n_recent < 1:
        return torch.zeros_like(values)
    steps = values.diff(dim=1)[:, -n_recent:]
    size, start = steps.abs().max(1, keepdim=True)
    step = steps.gather(1, start)
    since = torch.arange(n_recent, device=values.device) >= start
    if period:
        change = values[:, -n_recent:] - values[:, -n_recent - period : length - period]
    else:
        before = values.gather(1, length - n_recent - 1 + start)
        change = values[:, -n_recent:] - before
    shift = (change * since).sum(1, keepdim=True) / since.sum(1, keepdim=True)
    extraordinary = size > usual_jump[:, None].clamp(min=LEAST_JUMP)
    stays = shift * step.sign() > size / 2
    moved = torch.zeros_like(values)
    moved[:, -n_recent:] = shift * (since & extraordinary & stays)
    return moved
