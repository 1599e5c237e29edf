"""Steps against the plain way (plain.py), and against what the machine can do at most."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import plain
import torch
from speed_steps import Steps, convolutions, operations, parameters, random_walks
from torch.nn import functional as F
from turns import Case, Turns

from simmtm_sk import PointEncoder, SimMTMTransformer
from simmtm_sk.forecaster_learning import default_transformer

PLAIN = "plain"


def plain_steps(windows: int, turns: Turns) -> None:
    data = torch.from_numpy(random_walks(4 * windows, plain.CHANNELS, plain.LENGTH))
    turns.ready()
    turns.repeat(plain.PlainTraining(data, windows).step)


def plain_work(windows: int) -> float:
    """Of one window, times their number: but for the small D × D part, all grows with rows."""
    data = torch.from_numpy(random_walks(1, plain.CHANNELS, plain.LENGTH))
    return windows * operations(plain.PlainTraining(data, 1).step)


def same_architecture(windows: int, n_heads: int) -> Steps:
    """The sizes, masks and terms of plain.py in this package."""
    encoder = PointEncoder(
        d_model=plain.D_MODEL,
        n_layers=plain.N_LAYERS,
        n_heads=n_heads,
        d_feedforward=plain.D_FEEDFORWARD,
        dropout=plain.DROPOUT,
    )
    transformer = SimMTMTransformer(
        encoder=encoder,
        n_masks=plain.N_MASKS,
        mask_ratio=plain.MASK_RATIO,
        mask_length=plain.MASK_LENGTH,
        temperature=plain.TEMPERATURE,
        constraint_weight=plain.CONSTRAINT_WEIGHT,
        own_view_weight=0.0,
        projection_dim=plain.PROJECTION_DIM,
        batch_size=windows * plain.CHANNELS,
        random_state=0,
    )
    return Steps(transformer, plain.CHANNELS, plain.LENGTH, flat=True, per_turn=1)


def plain_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    windows = 1 if quick else 12  # the published 16 would need 25 GB
    rows = windows * plain.CHANNELS
    the_plain = Case(
        PLAIN,
        partial(plain_steps, windows),
        {
            "length": plain.LENGTH,
            "channels": plain.CHANNELS,
            "masks": plain.N_MASKS,
            "windows": windows,
            "window_channels": rows,
            "rows": rows * (plain.N_MASKS + 1),
            "parameters": parameters(plain.PlainSimMTM),
        },
        work=partial(plain_work, windows),
        turns=2,  # each about a minute
        warm_up=0,
        limit=300,
    )
    size = (plain.CHANNELS, plain.LENGTH)
    forecaster = default_transformer(plain.LENGTH).set_params(random_state=0)
    yield [
        the_plain,
        same_architecture(windows, plain.N_HEADS).case("same architecture", work=True),
        same_architecture(windows, 4).case("same, 4 heads of 8", work=True),
        Steps(convolutions(), *size).case("default encoder", work=True),
        Steps(forecaster, *size).case("forecaster's encoder", work=True),
    ]


def products(n: int, turns: Turns) -> None:
    a, b = torch.rand(2, n, n).unbind()
    out = torch.empty(n, n)
    turns.ready()
    turns.repeat(lambda: torch.mm(a, b, out=out))


def convolution(shape: tuple[int, ...], kernel: tuple[int, int], turns: Turns) -> None:
    n, width, *sides = shape
    padding = tuple(k // 2 for k in kernel)
    x = torch.rand(n, width, *sides).to(memory_format=torch.channels_last)
    weight = torch.rand(width, width, *kernel).to(memory_format=torch.channels_last)
    turns.ready()
    with torch.no_grad():
        turns.repeat(lambda: F.conv2d(x, weight, padding=padding))


def convolution_work(shape: tuple[int, ...], kernel: tuple[int, int]) -> float:
    n, width, *sides = shape
    return 2.0 * n * float(np.prod(sides)) * width**2 * float(np.prod(kernel))


MATRIX_PRODUCT, CONVOLUTION = "matrix product", "convolution"


def peak_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    sizes = (64,) if quick else (512, 1024, 2048, 3072)
    layers = {
        "1 × 1, 512 wide": ((8, 512, 32, 32), (1, 1)),
        "3 × 3, 256 wide": ((8, 256, 32, 32), (3, 3)),
        "1 × 5, 64 wide": ((96, 64, 1, 336), (1, 5)),  # that of the default encoder
    }
    for n in sizes:
        work = partial(float, 2 * n**3)
        yield [Case(f"{MATRIX_PRODUCT}, {n}", partial(products, n), work=work, turns=7)]
    for name, layer in layers.items():
        work = partial(convolution_work, *layer)
        case = f"{CONVOLUTION}, {name}"
        yield [Case(case, partial(convolution, *layer), work=work, turns=7)]
