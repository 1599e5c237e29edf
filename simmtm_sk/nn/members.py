"""Simple forecasts that a combination is made of: ridges on windows, profiles of a season."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from .normalization import interpolated


@dataclass(frozen=True)
class Context:
    """What lies before the origins of forecasts, in units of each series.

    Attributes
    ----------
    values : Tensor of float64, shape (n, length)
        Gaps are interpolated; before the first observed value it is repeated, after the last one
        that.
    first : Tensor of int, shape (n, 1)
        Where the first observed value lies; ``length`` where there is none.
    series : Tensor of int, shape (n,)
        Which series each context is of.
    """

    values: Tensor
    first: Tensor
    series: Tensor
    _features: dict[tuple[int, int, int], Tensor] = field(default_factory=dict, init=False)

    @property
    def last(self) -> Tensor:
        """The value that forecasts are anchored at: (n, 1)."""
        return self.values[:, -1:]

    def features(self, ridge: WindowRidge) -> Tensor:
        """Return what a ridge makes of the window, once for all that make the same of it."""
        spec = ridge.spec
        kind = spec.length, spec.n_recent, spec.fineness
        if kind not in self._features:
            window = self.values[:, -spec.length :]
            every_point = ridge.coef.shape[1] == spec.length
            self._features[kind] = window if every_point else window @ ridge.summary
        return self._features[kind]


def context_of(values: Tensor, series: Tensor) -> Context:
    """Fill the gaps (NaN) of contexts, (n, length)."""
    observed = ~values.isnan()
    length = values.shape[1]
    at = torch.arange(length, device=values.device).expand(values.shape)
    first = at.masked_fill(~observed, length).amin(1, keepdim=True)
    filled = values if bool(observed.all()) else interpolated(values, observed)
    return Context(filled, first, series)


def resolution(length: int, n_recent: int, fineness: int) -> Tensor:
    """Return the linear map that sums up a long window: recent points as they are, older by means.

    Parameters
    ----------
    length : int
        Points of the window.
    n_recent : int
        Points at its end that are kept.
    fineness : int
        Older ones are averaged over a ``fineness``-th of their age.

    Returns
    -------
    Tensor of float64, shape (length, n_features)
        In time.

    Examples
    --------
    >>> torch.tensor([1.0, 3.0, 4.0, 5.0], dtype=torch.float64) @ resolution(4, 1, 1)
    tensor([2., 4., 5.], dtype=torch.float64)
    """
    edges = _edges(length, n_recent, fineness)
    summed = torch.zeros(length, len(edges) - 1, dtype=torch.float64)
    for column, (start, end) in enumerate(itertools.pairwise(edges)):
        summed[start:end, column] = 1 / (end - start)
    return summed


def _edges(length: int, n_recent: int, fineness: int) -> list[int]:
    """Return where the means of `resolution` begin, and the end of the last one."""
    edges = [length]
    while edges[-1] > 0:
        age = length - edges[-1]
        size = 1 if age < n_recent else max(1, age // fineness)
        edges.append(max(0, edges[-1] - size))
    return edges[::-1]


class WindowRidge(nn.Module):
    """A linear map of the window, for all series or one for each.

    Parameters
    ----------
    spec : Member
        Of kind "ridge". With ``anchored`` it learns differences to the last value, so that it
        follows every level; otherwise forecasts tend towards the mean of the series.
    horizon : int
    """

    coef: Tensor

    def __init__(self, spec: Member, horizon: int) -> None:
        super().__init__()
        self.spec = spec
        shape = (spec.n_maps, spec.n_features, horizon)
        self.register_buffer("coef", torch.zeros(shape, dtype=torch.float64))

    @property
    def anchored(self) -> bool:
        """Whether it learns differences to the last value."""
        return self.spec.anchored

    @property
    def summary(self) -> Tensor:
        """What is made of the window first, see `resolution`: (length, n_features)."""
        return self._summary.to(self.coef.device)

    @functools.cached_property
    def _summary(self) -> Tensor:
        # made when it is needed: it may be far larger than the artifact that it comes from
        return self.spec.summary()

    def forward(self, context: Context) -> Tensor:
        """Return forecasts, (n, horizon)."""
        anchor = context.last if self.anchored else torch.zeros_like(context.last)
        features = context.features(self) - anchor  # means of points, so the anchor is theirs too
        if len(self.coef) == 1:
            return anchor + features @ self.coef[0]
        forecast = anchor.repeat(1, self.coef.shape[2])
        for series in range(len(self.coef)):
            rows = context.series == series
            forecast[rows] += features[rows] @ self.coef[series]
        return forecast


class SeasonalProfile(nn.Module):
    """The mean of the same phase over the last periods; of the last points with a period of 1.

    Parameters
    ----------
    period, n_periods, horizon : int
    memory, level_memory : float
        Weight of a period, in the mean, in units of that of the next one: in its course around its
        level, and in its level. As in exponential smoothing; 1 are plain means.
    """

    def __init__(
        self,
        period: int,
        n_periods: int,
        horizon: int,
        memory: float = 1.0,
        level_memory: float = 1.0,
    ) -> None:
        super().__init__()
        self.period, self.n_periods, self.horizon = period, n_periods, horizon
        self.memory, self.level_memory = memory, level_memory

    def forward(self, context: Context) -> Tensor:
        """Return forecasts, (n, horizon); the last value where no whole period was observed."""
        n_points = self.period * self.n_periods
        length = context.values.shape[1]
        values = context.values[:, -n_points:].reshape(-1, self.n_periods, self.period)
        start = torch.arange(length - n_points, length, self.period, device=values.device)
        whole = (start >= context.first).to(values.dtype)
        age = torch.arange(self.n_periods, device=values.device).flip(0)
        weight, level_weight = (
            whole * memory ** age.to(values.dtype) for memory in (self.memory, self.level_memory)
        )
        level = values.mean(2)
        course = weighted_mean(values - level[:, :, None], weight)
        profile = course + weighted_mean(level[:, :, None], level_weight)
        profile = torch.where(whole.any(1, keepdim=True), profile, context.last)
        step = torch.arange(self.horizon, device=values.device) % self.period
        return profile[:, step]


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Return means over periods, (n, n_periods, period) and (n, n_periods) -> (n, period)."""
    total = weight.sum(1, keepdim=True)
    return torch.einsum("npt,np->nt", values, weight / total.masked_fill(total == 0, 1))


MEMBER_KINDS = ("ridge", "profile")
PENALTY = 0.1  # of ridges


@dataclass(frozen=True)
class Member:
    """What a member is, so that it can be built, named and saved.

    Attributes
    ----------
    kind : {"ridge", "profile"}
    length : int
        Points that it looks at.
    anchored, n_recent, fineness, n_maps
        Of a ridge, see `WindowRidge` and `resolution`.
    penalty : float
        Of a ridge, in units of the mean variance of a feature.
    modelled : bool
        Whether a ridge leans on a model of the covariance of points, for series with few windows.
    period, n_periods, memory, level_memory
        Of a profile, see `SeasonalProfile`.
    """

    kind: str
    length: int
    anchored: bool = True
    n_recent: int = 0
    fineness: int = 1
    n_maps: int = 1
    period: int = 0
    n_periods: int = 0
    memory: float = 1.0
    level_memory: float = 1.0
    penalty: float = PENALTY
    modelled: bool = False

    @property
    def name(self) -> str:
        """How it is called in ``choices_``."""
        if self.kind == "ridge":
            whose = "own ridge" if self.n_maps > 1 else "ridge"
            goal = "" if self.anchored else " to the mean"
            cautious = self.modelled or self.penalty > PENALTY
            return f"{whose} {self.length}{goal}{', cautious' * cautious}"
        if self.period > 1:
            if self.memory < 1:
                return f"profile of {self.period}, memory {self.memory:g}"
            return f"profile {self.n_periods} x {self.period}"
        return f"mean of {self.n_periods}" if self.n_periods > 1 else "last value"

    def summary(self) -> Tensor:
        """Return what a ridge makes of the window, (length, n_features)."""
        return resolution(self.length, self.n_recent, self.fineness)

    @property
    def n_features(self) -> int:
        """How many means a ridge makes of the window."""
        return len(_edges(self.length, self.n_recent, self.fineness)) - 1

    def build(self, horizon: int) -> WindowRidge | SeasonalProfile:
        """Return it as a module, a ridge with coefficients of zero."""
        if self.kind == "ridge":
            return WindowRidge(self, horizon)
        return SeasonalProfile(self.period, self.n_periods, horizon, self.memory, self.level_memory)


RIDGE = 2.0  # what a ridge is worth beside a profile,
LAST_PERIOD = 0.3  # and the last period alone, as a profile


def prior_weights(members: Sequence[Member], share_of_windows: float = 1.0) -> Tensor:
    """Return how much members count before errors are known, (n_members,), with the sum one.

    From rolling origins of the training parts of ETTh1, ETTm1, Weather and illness. Where each
    series has ridges of its own, these and those of all are alike, and share the weight of one.

    Parameters
    ----------
    members : sequence of Member
    share_of_windows : float, default=1.0
        What ridges are worth that lean on nothing but windows, where these are few.
    """
    alike = any(member.n_maps > 1 for member in members)

    def weight(member: Member) -> float:
        if member.kind == "profile":
            return LAST_PERIOD if member.period > 1 and member.n_periods == 1 else 1.0
        return RIDGE if member.modelled else RIDGE * share_of_windows / (2 if alike else 1)

    weights = torch.tensor([weight(member) for member in members], dtype=torch.float64)
    return weights / weights.sum()
