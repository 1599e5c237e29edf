"""How much the decoder counts where gaps are filled: learned where rows are masked once more."""

from __future__ import annotations

import torch
from torch import Tensor

from ..data import WindowDataset
from ..nn.gaps import N_CLASSES, distance_classes, ways_to_fill
from ..nn.masking import geometric_mask, masked_views
from ..nn.model import SimMTM
from ..nn.normalization import visible_statistics
from .pretraining import split_rows
from .weights import weights_by_class

PRIOR = (0.6, 0.2, 0.2)  # straight lines, decoded, bent
MOST_POINTS = 20_000  # of rows, each of them masked in all ways
FEWEST_ROWS = 32  # those that are few are masked again and again
_PER_ERROR = 10  # neighbouring points with about the same error


def gap_weights(
    network: SimMTM, rows: WindowDataset, validation_fraction: float, seed: int
) -> Tensor:
    """Return the weights of the ways to fill gaps, see `simmtm_sk.nn.gaps.filled`.

    Of rows that the training has held out, if it has: what it has seen, a network rebuilds better.

    Parameters
    ----------
    network : SimMTM
        Pre-trained on ``rows``.
    rows : WindowDataset
    validation_fraction, seed
        As in the training.

    Returns
    -------
    Tensor of float64, shape (3, 7)
    """
    trained_on, held_out = split_rows(len(rows), validation_fraction, seed)
    chosen = (held_out if len(held_out) else trained_on)[: max(1, MOST_POINTS // rows.length)]
    values, observed, within = rows.gather(chosen.to(rows.device))
    values, observed = values.cpu(), observed.cpu()
    within = None if within is None else within.cpu()
    generator = torch.Generator().manual_seed(seed)
    n_draws = -(-FEWEST_ROWS // len(values))
    views = [
        masked_views(observed, 1, geometric_mask, mask_ratio, mask_length, generator)
        for mask_ratio, mask_length in n_draws * _masks(rows.length)
    ]
    visible = torch.cat(views)
    values, observed = (x.repeat(len(views), 1, 1) for x in (values, observed))
    within = None if within is None else within.repeat(len(views), 1)
    mean, std = visible_statistics(values, visible)
    decoded = network.rebuild(values, visible, within) * std + mean
    unit = visible_statistics(values, observed)[1]
    at = observed & ~visible & (unit > 0)
    errors = ((ways_to_fill(decoded, values, visible) - values) / unit)[:, at]
    prior = torch.tensor(PRIOR, dtype=torch.float64)
    return weights_by_class(
        errors, distance_classes(visible)[at], N_CLASSES, prior, n_draws * _PER_ERROR
    )


def _masks(length: int) -> list[tuple[float, float]]:
    """Return shares of hidden points and mean lengths of their spans: short, and up to a sixth."""
    return [(0.5, 2.0), (0.5, 5.0), (0.3, max(3, length / 12)), (0.3, max(3, length / 6))]
