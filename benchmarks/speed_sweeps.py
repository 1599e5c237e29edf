"""Steps by the number of series, their length, channels, masks, batch and threads."""

import os
from collections.abc import Callable, Iterator

from speed_steps import FAMILIES, Steps, convolutions, gunpoint, patches
from turns import Case

from simmtm_sk import SimMTMTransformer


def sweep(
    quick: bool,
    values: tuple[int, ...],
    steps: Callable[[Callable[..., SimMTMTransformer], int], Steps],
) -> Iterator[list[Case]]:
    """A case for every value and family; of the first two values if it must be quick."""
    for value in values[:2] if quick else values:
        for name, family in FAMILIES.items():
            yield [steps(family, value).case(name, turns=3, limit=60)]


def series_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    def steps(family: Callable[..., SimMTMTransformer], n: int) -> Steps:
        return Steps(family(), 1, 96, n_series=n)

    yield from sweep(quick, (1_000, 10_000, 100_000), steps)


def length_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    """Windows of the whole length; and the default, windows of at most 512 points."""
    for length in (24, 48) if quick else (96, 336, 1000, 2000, 5000):
        for name, family in FAMILIES.items():
            long = length >= 2000
            whole = Steps(family(max_length=None), 1, length, per_turn=1 if long else 3)
            yield [whole.case(name, turns=2 if long else 3, limit=60)]
            if length > 512:
                cut = Steps(family(), 1, length)
                yield [cut.case(f"{name}, cut", turns=3, limit=60)]


def channels_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    """Steps of four windows, or of 32 single channels with patches, as the defaults have them."""
    length = 48 if quick else 336
    for n in (1, 7) if quick else (1, 7, 21, 321, 862):
        for name, transformer in {
            "convolutions": convolutions(windows=4),
            "patches": patches(),
        }.items():
            steps = Steps(transformer, n, length, per_turn=3 if n < 100 else 1)
            yield [steps.case(name, turns=3, limit=120)]


def masks_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    def steps(family: Callable[..., SimMTMTransformer], n: int) -> Steps:
        return Steps(family(n_masks=n), 1, 48 if quick else 336)

    yield from sweep(quick, (1, 2, 4, 6), steps)


def batch_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    for n in (8, 32) if quick else (8, 32, 128, 512):
        for name, family in FAMILIES.items():
            steps = Steps(family(windows=n), 1, 48 if quick else 336, per_turn=3 if n < 100 else 1)
            yield [steps.case(name, turns=3 if n < 100 else 2, limit=60)]


def threads_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    cores = max(2, os.cpu_count() or 2)
    length, channels = (48, 2) if quick else (512, 7)
    values = gunpoint()
    compared = {
        "convolutions": Steps(convolutions(), 1, length),
        "patches": Steps(patches(), 1, length),
        "convolutions, seven channels": Steps(convolutions(), channels, length),
        "patches, seven channels": Steps(patches(channels), channels, length),
        "convolutions, GunPoint": Steps(
            convolutions(windows=25), 1, values.shape[2], values=values, per_turn=2
        ),
    }
    for name, steps in compared.items():
        yield [
            steps.case(f"{name}, {n}", settings={"threads": n}, turns=5) for n in sorted({1, cores})
        ]
