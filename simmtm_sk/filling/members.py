"""`Members`: everything that fills gaps alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..training.seasons import find_periods
from .mixture import WindowMixture
from .neighbors import FEWEST_SERIES, MOST_NUMBERS, by_neighbors, chosen_examples
from .simple import seasonal, straight_lines
from .units import Units
from .windows import LARGEST, by_windows, fit_windows, related_groups, window_lengths

Floats = NDArray[np.float64]
Lengths = NDArray[np.int64]
Rebuild = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Choices:
    """What is settled before anything is fitted.

    Attributes
    ----------
    units : Units
    period : int
        The season, in points; 0 is none.
    groups : list of ndarray of int
        Channels whose windows are looked at together.
    window_lengths : list of int
    whole : int
        How long series are that have a Gaussian of their own; 0 is none.
    examples : int
        How long series are that are kept to find neighbours among; 0 is none.
    """

    units: Units
    period: int
    groups: list[NDArray[np.intp]]
    window_lengths: list[int]
    whole: int
    examples: int

    @classmethod
    def of(cls, values: Floats, lengths: Lengths, longest: int) -> Choices:
        """Choose for series, of which parts of ``longest`` points at most will be learned from."""
        units = Units.of(values)
        straight = straight_lines(units.standard(values), lengths)
        groups = related_groups(straight)
        periods = find_periods(torch.from_numpy(straight[:, 0]), torch.from_numpy(lengths))
        n_series, n_channels, length = values.shape
        many = n_series >= FEWEST_SERIES and bool((lengths == length).all()) and length > 1
        size = n_channels * length
        return cls(
            units,
            periods[0] if periods else 0,
            groups,
            window_lengths(longest, max(map(len, groups))),
            length if many and size <= LARGEST else 0,
            length if many and size * FEWEST_SERIES <= MOST_NUMBERS else 0,
        )


class Members:
    """Members by name: "windows", "linear", and "season", "series", "neighbors", "encoder" if any.

    Parameters
    ----------
    choices : Choices
    windows : list of dict of int to WindowMixture
        By length, for every group of channels.
    whole : WindowMixture or None
        Over whole series.
    examples : ndarray, shape (n_examples, n_channels, length), or None
        Standardised training series.
    rebuild : callable or None
        What an encoder makes of series.
    """

    def __init__(
        self,
        choices: Choices,
        windows: list[dict[int, WindowMixture]],
        whole: WindowMixture | None,
        examples: Floats | None,
        rebuild: Rebuild | None,
    ) -> None:
        self.choices, self.windows, self.whole = choices, windows, whole
        self.examples, self.rebuild = examples, rebuild

    @property
    def names(self) -> list[str]:
        """What the members are called, in their order."""
        optional = {
            "season": self.choices.period > 0,
            "series": self.whole is not None,
            "neighbors": self.examples is not None,
            "encoder": self.rebuild is not None,
        }
        return ["windows", "linear", *(name for name, there in optional.items() if there)]

    @classmethod
    def fit(
        cls,
        values: Floats,
        lengths: Lengths,
        choices: Choices,
        rebuild: Rebuild | None,
        most_windows: int,
    ) -> Members:
        """Learn from series, or from so many of their windows."""
        standard = choices.units.standard(values)
        straight = straight_lines(standard, lengths)
        windows = [
            {
                n: fit_windows(standard[:, group], straight[:, group], lengths, n, most_windows)
                for n in choices.window_lengths
            }
            for group in choices.groups
        ]
        whole = None
        if choices.whole:
            whole = fit_windows(standard, straight, lengths, choices.whole, most_windows)
        examples = chosen_examples(standard) if choices.examples else None
        return cls(choices, windows, whole, examples, rebuild)

    def estimates(self, values: Floats, lengths: Lengths) -> tuple[list[Floats], Floats]:
        """Return what every member says, standardised, and the variance that windows expect."""
        standard = self.choices.units.standard(values)
        straight = straight_lines(standard, lengths)
        mean, variance = np.zeros_like(standard), np.zeros_like(standard)
        for group, mixtures in zip(self.choices.groups, self.windows, strict=True):
            mean[:, group], variance[:, group] = by_windows(standard[:, group], lengths, mixtures)
        estimates = [mean, straight]
        if self.choices.period:
            estimates.append(seasonal(standard, straight, self.choices.period))
        if self.whole is not None:
            estimates.append(self._by_whole(standard, mean))
        if self.examples is not None:
            same = standard.shape[2] == self.choices.examples
            estimates.append(by_neighbors(standard, self.examples) if same else mean)
        if self.rebuild is not None:
            estimates.append(self.choices.units.standard(self.rebuild(values)))
        # who has nothing to say agrees with the windows
        return [np.where(np.isnan(x), mean, x) for x in estimates], variance

    def _by_whole(self, standard: Floats, otherwise: Floats) -> Floats:
        """Return what is expected of whole series, where they are as long as those of fit."""
        if self.whole is None or standard.shape[2] != self.choices.whole:
            return otherwise
        flat = standard.reshape(len(standard), -1)
        return self.whole.expected(flat, np.isnan(flat)).mean.reshape(standard.shape)
