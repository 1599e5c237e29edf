"""Gaps that are made, to see who fills them best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from ..nn import gaps

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Lengths = NDArray[np.int64]

STRETCH = 96  # points with one kind of gaps


def made_gaps(shape: tuple[int, ...]) -> Mask:
    """Return which points to hide: single points, short and long blocks, in every other stretch."""
    rng = np.random.default_rng(0)
    hidden = np.zeros(shape, bool)
    for number, (row, part) in enumerate(_stretches(shape)):
        stretch = hidden[row, :, part]
        size = stretch.shape[1]
        share = (0.1, 0.3, 0.5, 0.7)[number // 2 % 4]
        if number % 2 == 0:
            stretch |= rng.random(stretch.shape) < share
            continue
        longest = (4, 12, 24, 96)[number // 2 % 4]
        for channel in stretch:
            while channel.mean() < min(share, 0.5):
                length = int(rng.integers(longest // 2, longest + 1))
                start = int(rng.integers(1 - length, size))
                channel[max(0, start) : start + length] = True
    return hidden


def _stretches(shape: tuple[int, ...]) -> Iterator[tuple[int, slice]]:
    for row in range(shape[0]):
        first = row % 2 * STRETCH if shape[2] > STRETCH else 0
        for start in range(first, shape[2], 2 * STRETCH):  # between them, all stays visible
            yield row, slice(start, start + STRETCH)


def distance_classes(values: Floats) -> Lengths:
    """Return the class of every point by its distance to the next observed one of its channel."""
    classes: Lengths = gaps.distance_classes(torch.from_numpy(~np.isnan(values))).numpy()
    return classes
