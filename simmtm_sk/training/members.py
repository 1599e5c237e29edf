"""The members of a combination: which ones there are data for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..data.forecast_windows import observed_length
from ..nn.combination import LARGE, Combination
from ..nn.members import Member, prior_weights
from ..nn.normalization import interpolated, visible_statistics
from .seasons import find_periods

FEWEST_WINDOWS = 8  # that a ridge is fitted to
FIRST_CUT = 0.4  # of the training part, that members must be able to do with
LONG_CONTEXT = 4  # times the window: what ridges with a coarse memory look at
RECENT_SHARE, FINENESS = 3, 48  # a third of the window as it is; see `resolution`
MOST_PERIODS = 28  # of a season, behind a profile
MEMORIES = (0.6, 0.85, 0.95)  # of a season's course, by period,
LEVEL_MEMORY = 0.5  # and of its level
PERIODS_OF_MULTIPLE = 4  # of a multiple of the season, such as a week beside a day
MEANS = (1, 3, 8, 28)  # points, where there is no season
LONGEST_MEMORY = 8_192  # points of a context
WINDOWS_OF_MEAN = 8  # beside each other, that ridges to the mean need
ROUGH = 0.7  # root mean square of steps, in standard deviations
MOST_COEFFICIENTS = 20_000_000  # of all own ridges


@dataclass(frozen=True)
class Panel:
    """Series to learn from.

    Attributes
    ----------
    values : Tensor of float64, shape (n_series, length)
        Standardised and without gaps; zero behind the end of a series.
    lengths, train : Tensor of int, shape (n_series,)
        Points of each series, and of its training part.
    center, scale : Tensor of float64, shape (n_series,)
    """

    values: Tensor
    lengths: Tensor
    train: Tensor
    center: Tensor
    scale: Tensor


def panel_of(
    series: Sequence[NDArray[np.floating[Any]]], train: NDArray[np.intp], device: torch.device
) -> Panel:
    """Standardise series by their training parts, and fill their gaps."""
    ends = np.array([observed_length(values) for values in series])
    padded = np.full((len(series), max(1, ends.max())), np.nan)
    for row, observed, end in zip(padded, series, ends, strict=True):
        row[:end] = observed[:end]
    values = torch.as_tensor(padded, device=device)
    lengths, train_end = (torch.as_tensor(n, device=device) for n in (ends, train))
    at = torch.arange(values.shape[1], device=device)
    known = (~values.isnan()) & (at < train_end[:, None])
    center, scale = (statistic[:, 0] for statistic in visible_statistics(values, known))
    scale = torch.where(scale > 0, scale, 1.0)
    standard = (values - center[:, None]) / scale[:, None]
    standard = interpolated(standard, ~standard.isnan()).masked_fill(at >= lengths[:, None], 0)
    return Panel(standard, lengths, train_end, center, scale)


def choose_members(panel: Panel, look_back: int, horizon: int) -> list[Member]:
    """Return what there are data for.

    Ridges on the window and on a longer one at coarser resolution, each once following the level
    and once not; a cautious one, which leans on a model; where there are several
    series, also one of its own for each; and what `_profiles` returns.
    """
    longest = int(panel.train.max())
    members = []
    shortest_fold = int(FIRST_CUT * longest)
    # what the mean of a series is, only many windows say
    ways = (True, False) if longest >= WINDOWS_OF_MEAN * (look_back + horizon) else (True,)
    ridges = [Member("ridge", look_back, anchored, look_back) for anchored in ways]
    cautious = Member("ridge", look_back, True, look_back, modelled=True)
    long = min(LONG_CONTEXT * look_back, shortest_fold - horizon - look_back)
    if long >= 2 * look_back:
        n_recent = look_back // RECENT_SHARE
        ridges += [Member("ridge", long, anchored, n_recent, FINENESS) for anchored in ways]
    if longest - look_back - horizon + 1 >= FEWEST_WINDOWS:
        members += [*ridges, cautious]
        n_series = len(panel.lengths)
        n_coefficients = sum(m.n_features * horizon for m in ridges) * n_series
        if n_series > 1 and n_coefficients <= MOST_COEFFICIENTS:
            members += [
                Member(m.kind, m.length, m.anchored, m.n_recent, m.fineness, n_series)
                for m in ridges
            ]
    longest_memory = min(longest, LONGEST_MEMORY)
    return members + _profiles(find_periods(panel.values, panel.train), longest_memory)


def _profiles(periods: list[int], longest: int) -> list[Member]:
    """Return profiles of a season, and of a multiple of it, or means where there is none.

    Of the last period alone, of many alike, and of many that fade: a course that changes slowly on
    a level that changes fast.
    """
    if not periods or periods[0] > longest:
        return [_profile(1, n_points) for n_points in MEANS if n_points <= longest]
    season, *multiples = periods
    profiles = [_profile(season, 1)]
    n_periods = min(MOST_PERIODS, longest // season)
    if n_periods > 1:
        profiles.append(_profile(season, n_periods))
        profiles += [_profile(season, n_periods, memory, LEVEL_MEMORY) for memory in MEMORIES]
    for multiple in multiples:
        n_periods = min(PERIODS_OF_MULTIPLE, longest // multiple)
        if n_periods:
            profiles.append(_profile(multiple, n_periods))
    return profiles


def _profile(period: int, n_periods: int, memory: float = 1.0, level_memory: float = 1.0) -> Member:
    length = period * n_periods
    return Member(
        "profile",
        length,
        period=period,
        n_periods=n_periods,
        memory=memory,
        level_memory=level_memory,
    )


def unproven_prior(combination: Combination, panel: Panel) -> Tensor:
    """Return prior weights where series are too short for errors at rolling origins.

    Ridges that lean on nothing but windows are worth as much as the share of the points of the
    training part that a window begins with.
    """
    shortest = min((s.length for s in combination.specs if s.kind == "ridge"), default=0)
    n_windows = (panel.train - shortest - combination.horizon + 1).clamp(min=0).sum()
    share = float(n_windows / panel.train.sum().clamp(min=1))
    return prior_weights(combination.specs, share).to(panel.train.device)


def usual_jump(panel: Panel) -> Tensor:
    """Return the largest step between two points of the training part of each series.

    Infinite where steps are usually not small: there, a large one is hardly a shift of the level.
    """
    steps = panel.values.diff(dim=1).abs()
    inside = torch.arange(1, panel.values.shape[1], device=steps.device) < panel.train[:, None]
    steps = F.pad(steps.masked_fill(~inside, 0), (0, 1))
    usual = (steps.square().sum(1) / (panel.train - 1).clamp(min=1)).sqrt()
    return steps.amax(1).masked_fill(usual > ROUGH, LARGE)
