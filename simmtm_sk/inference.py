"""Running a fitted network over a panel, batch by batch, and putting its windows together."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from .data import Panel, WindowDataset, chunks
from .nn.gaps import filled
from .nn.heads import owner_means
from .nn.masking import geometric_mask, masked_views
from .nn.model import SimMTM
from .nn.normalization import instance_stats, visible_statistics

RowFunction = Callable[[SimMTM, Tensor, Tensor, Tensor | None], tuple[Tensor, ...]]

_POINTS_PER_BATCH = 1 << 15  # bounds the memory of the activations, whatever the length
_PAIRS_OF = 1 << 10  # series whose similarities to all others are held together


def over_rows(
    network: SimMTM, rows: WindowDataset, dtype: torch.dtype, function: RowFunction
) -> tuple[Tensor, ...]:
    """Stack the results of ``function(network, values, observed, within)`` over all rows.

    The network is copied to the rows' device and to ``dtype``; results come back to the CPU.
    """
    copied = copy.deepcopy(network).to(rows.device).eval()
    if dtype == torch.float64:  # float32 is what it was trained in
        copied = copied.double()
    batch_size = max(1, _POINTS_PER_BATCH // rows.length)
    batches = torch.arange(len(rows), device=rows.device).tensor_split(-(-len(rows) // batch_size))
    with torch.inference_mode():
        results = [
            [result.cpu() for result in function(copied, *rows.gather(index))] for index in batches
        ]
        return tuple(torch.cat(parts) for parts in zip(*results, strict=True))


def over_series(
    network: SimMTM, rows: WindowDataset, dtype: torch.dtype, function: RowFunction
) -> tuple[Tensor, ...]:
    """Average what `over_rows` returns for the windows of each series: (n_series, k) each."""
    return tuple(mean_over_windows(x, rows) for x in over_rows(network, rows, dtype, function))


def mean_over_windows(results: Tensor, rows: WindowDataset) -> Tensor:
    """Average what the windows of each series gave: (n_rows, k) -> (n_series, k).

    A series (or channel) without a single observed point has no windows and gets zeros.
    """
    n_series = len(rows.ends)
    if len(rows) == n_series and (rows.series == np.arange(n_series)).all():
        return results
    return owner_means(results, torch.as_tensor(rows.series), n_series)


def panel_instance_stats(values: Panel) -> Tensor:
    """Return `instance_stats` of whole series: (n_series, 2 * n_channels)."""
    n_series, n_channels, length = values.shape
    # results that are kept one by one between large temporaries would fragment the memory
    stats = np.empty((n_series, 2 * n_channels), values.dtype)
    for part in chunks(n_series, n_channels * length):
        chunk = torch.from_numpy(values[part].copy())
        stats[part] = instance_stats(chunk, ~chunk.isnan()).numpy()
    return torch.from_numpy(stats)


def missing_shares(values: Panel) -> Tensor:
    """Mean share of a series that is missing before its end, in every channel: (n_channels,).

    Of the series that have anything in the channel.
    """
    n_series, n_channels, length = values.shape
    total, count = np.zeros(n_channels), np.zeros(n_channels, np.intp)
    for part in chunks(n_series, n_channels * length):
        observed = ~np.isnan(values[part])
        ends = (observed.any(1) * np.arange(1, length + 1)).max(1)
        shares = 1 - observed.sum(2) / np.maximum(1, ends)[:, None]
        known = observed.any(2)
        total += (shares * known).sum(0)
        count += known.sum(0)
    return torch.as_tensor(total / np.maximum(1, count))


def precision_of(values: Panel) -> torch.dtype:
    """Return what to compute in, so that results come in the dtype of the series."""
    return torch.float32 if values.dtype == np.float32 else torch.float64


def directions(network: SimMTM, rows: WindowDataset, n_series: int, dtype: torch.dtype) -> Tensor:
    """Return vectors whose products are similarities of series: (n_series, n_rows * dim).

    A product is the cosine between projections, the mean over rows of several channels.
    """

    def projected(
        model: SimMTM, x: Tensor, observed: Tensor, within: Tensor | None
    ) -> tuple[Tensor]:
        return (model.project(x, observed, within),)

    (of_rows,) = over_series(network, rows, dtype, projected)
    by_series = of_rows.reshape(n_series, -1, of_rows.shape[1])
    by_series = torch.nn.functional.normalize(by_series, dim=-1)
    unit: Tensor = by_series / by_series.shape[1] ** 0.5
    return unit.flatten(1)


def most_similar(a: Tensor, b: Tensor, top: int, same: bool) -> tuple[Tensor, Tensor]:
    """Return the largest similarities of every row of ``a``, and which rows of ``b`` have them.

    In blocks, so that never all pairs are in memory; if ``same``, no row is compared to itself.
    """
    parts = []
    for start in range(0, len(a), _PAIRS_OF):
        block = a[start : start + _PAIRS_OF] @ b.T
        if same:
            own = torch.arange(len(block))
            block[own, start + own] = -torch.inf
        parts.append(block.topk(top))
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])


def hidden_error(network: SimMTM, rows: WindowDataset, dtype: torch.dtype) -> float:
    """Mean squared error of hidden points, in units of each channel's standard deviation.

    Half of the points are hidden, the same ones for every network; NaN if none could be.
    """
    generator = torch.Generator(rows.device).manual_seed(0)

    def errors(model: SimMTM, x: Tensor, observed: Tensor, within: Tensor | None) -> tuple[Tensor]:
        visible = masked_views(observed, 1, geometric_mask, 0.5, 5.0, generator)
        mean, std = visible_statistics(x, visible)
        _, unit = visible_statistics(x, observed)
        error = model.rebuild(x, visible, within) * std + mean - x
        hidden = observed & ~visible & (unit > 0)
        total = (error / unit).masked_fill(~hidden, 0).square().sum((1, 2))
        return (torch.stack([total, hidden.sum((1, 2)).to(dtype)], 1),)

    total, count = over_rows(network, rows, dtype, errors)[0].sum(0).tolist()
    return float(total / count) if count else float("nan")


def rebuilt_values(
    network: SimMTM,
    values: Panel,
    rows: WindowDataset,
    dtype: torch.dtype,
    weights: Tensor | None = None,
) -> Tensor:
    """Every series decoded from its own visible points, in its own units: the shape of ``values``.

    With weights, only gaps are filled, see `simmtm_sk.nn.gaps.filled`. Points that several windows
    cover get the mean; points behind the end of a series are NaN.
    """

    def rebuild(model: SimMTM, x: Tensor, observed: Tensor, within: Tensor | None) -> tuple[Tensor]:
        mean, std = visible_statistics(x, observed)
        rebuilt = model.rebuild(x, observed, within) * std + mean
        if weights is not None:
            rebuilt = filled(rebuilt, x, observed, weights)
        return (rebuilt if within is None else rebuilt.masked_fill(~within[:, None], torch.nan),)

    (windows,) = over_rows(network, rows, dtype, rebuild)
    inside = ~windows.isnan()
    total = torch.zeros(values.shape, dtype=dtype)
    count = torch.zeros(values.shape, dtype=dtype)
    series = torch.as_tensor(rows.series)[:, None]
    time = torch.as_tensor(rows.start)[:, None] + torch.arange(rows.length)
    for sums, pieces in ((total, windows.masked_fill(~inside, 0)), (count, inside.to(dtype))):
        sums.transpose(1, 2).index_put_((series, time), pieces.transpose(1, 2), accumulate=True)
    rebuilt = total / count
    # a gap longer than a window has nothing to be rebuilt from: the mean
    ends = torch.as_tensor(rows.ends)[:, None, None]
    lost = (count == 0) & (torch.arange(values.shape[2]) < ends)
    if lost.any():
        everything = torch.from_numpy(np.array(values))
        mean, _ = visible_statistics(everything, ~everything.isnan())
        rebuilt = torch.where(lost, mean.to(dtype), rebuilt)
    return rebuilt
