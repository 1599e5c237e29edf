"""How long the steps of training take and how much memory, against the plain way and by size.

python benchmarks/speed.py [--suite NAME ...] [--data-home DIR] [--results DIR] [--quick]

Series are random walks, except in whole fits. Every case is a process of its own, forked from one
that has imported everything and computed nothing, and runs on one thread unless it says otherwise.
Its first turn warms up and is not counted, except where one turn takes half a minute or more. The
cases of a comparison take turns, so that what else happens on the machine meets all of them.
``peak_mb`` is the highest resident memory so far beyond what the process held with its data loaded,
before there was a network; weights and optimiser are part of it.

Writes results/speed.csv, a row for every turn, in which ``seconds`` are of one step (or one call),
``gflop`` is the work of its matrix products and convolutions, and ``window_channels`` counts
channels of windows: a step of 32 windows of 7 channels has 224. The suite "profile" writes
results/speed_profile.csv. The rows of a suite replace those of its last run. Linux only.

Suites: plain (the published sizes: plain.py, the same in this package, and its defaults), peak (the
machine's matrix products), calls, profile, big, threads, and the sweeps series, length, channels,
masks and batch.
"""

import argparse
import csv
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plain
import torch
import torch._dynamo  # the first optimiser would import it, and every case pay for it
from forecasting import load_series
from probe import RESULTS, Row, provenance, write_rows
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)
from turns import Case, Turns, answer_of, measure

from simmtm_sk import PatchEncoder, PointEncoder, SimMTMTransformer
from simmtm_sk.data import WindowDataset
from simmtm_sk.datasets import load_dataset
from simmtm_sk.forecaster import default_transformer, pretraining_windows
from simmtm_sk.nn.model import Objective, SimMTM
from simmtm_sk.nn.supervised import Supervised
from simmtm_sk.training.finetuning import cross_entropy, finetune
from simmtm_sk.training.pretraining import Pretraining, pretrain

ENDLESS = 100_000  # epochs: a case runs until it is told to stop

# -- pre-training steps ---------------------------------------------------------------------------


class Sampled:
    """Some rows of many, as if there were no others: the rows of the steps of one epoch."""

    def __init__(self, rows: WindowDataset, n_rows: int) -> None:
        draw = np.random.default_rng(0)
        self._rows = rows
        self._chosen = torch.from_numpy(draw.choice(len(rows), n_rows, replace=n_rows > len(rows)))
        self.device = rows.device

    def __len__(self) -> int:
        return len(self._chosen)

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        return self._rows.gather(self._chosen[index])


@dataclass(frozen=True)
class LabelledPretraining(Pretraining):
    """Marks the drawing of masks, so that the profiler can tell it from the rest."""

    def views(self, network: SimMTM, observed: Tensor, generator: torch.Generator) -> Tensor:
        with torch.profiler.record_function("masks"):
            return super().views(network, observed, generator)


@dataclass(frozen=True)
class Steps:
    """Pre-training steps of a transformer: ``per_turn`` of them are timed together."""

    transformer: SimMTMTransformer
    channels: int
    length: int
    n_series: int | None = None  # of the data; None: what one epoch needs
    values: np.ndarray | None = None  # None: random walks
    flat: bool = False  # heads of the published code
    per_turn: int = 3

    def data(self) -> Sampled:
        values = self.values
        n_rows = self.per_turn * int(self.transformer.batch_size)
        independent = self.transformer._any_channels()
        if values is None:
            needed = -(-n_rows // self.channels) if independent else n_rows
            values = random_walks(self.n_series or needed, self.channels, self.length)
        if independent:
            values = values.reshape(-1, 1, values.shape[2])
        return Sampled(WindowDataset(values, self.transformer.max_length), n_rows)

    def settings(self, epochs: int = ENDLESS) -> Pretraining:
        found = self.transformer._pretraining(1, torch.device("cpu"))
        plan = dataclasses.replace(found.plan, n_epochs=epochs, evaluate_every=1, patience=None)
        fields = {f.name: getattr(found, f.name) for f in dataclasses.fields(Pretraining)}
        return LabelledPretraining(**{**fields, "plan": plan, "validation_fraction": 0.0})

    def network(self) -> SimMTM:
        transformer = self.transformer
        channels = 1 if transformer._any_channels() else self.channels
        length = min(self.length, transformer.max_length or self.length)
        network = self.settings().network(channels, length)
        if self.flat:
            d_model = network.backbone.d_model
            width = int(transformer.projection_dim)
            network.projector = plain.FlatProjector(length, d_model, width)
            network.decoder = plain.FlatDecoder(length, d_model)
        return network

    def __call__(self, turns: Turns) -> None:
        rows = self.data()
        turns.ready()
        pretrain(
            self.network(),
            rows,
            self.settings(),
            on_epoch=lambda record: turns(record["seconds"] / self.per_turn),
        )

    def losses(self) -> Tensor:
        rows, settings = self.data(), self.settings()
        network = self.network().train()
        values, observed, within = rows.gather(torch.arange(int(self.transformer.batch_size)))
        views = settings.views(network, observed, torch.Generator().manual_seed(0))
        return network.losses(values, observed, within, views)["total"]

    def work(self) -> float:
        return operations(lambda: self.losses().backward())

    def case(self, name: str, *, work: bool = False, **others: Any) -> Case:
        """Return the case; ``others`` are fields of it, and columns beside the usual ones."""
        transformer = self.transformer
        batch = int(transformer.batch_size)
        window_channels = batch if transformer._any_channels() else batch * self.channels
        settings = {
            "n_series": self.n_series or "",
            "length": self.length,
            "channels": self.channels,
            "masks": transformer.n_masks,
            "windows": round(window_channels / self.channels, 2),
            "window_channels": window_channels,
            "rows": batch * (int(transformer.n_masks) + 1),
            "parameters": parameters(self.network),
            **others.pop("settings", {}),
        }
        return Case(name, self, settings, work=self.work if work else None, **others)


def random_walks(n_series: int, channels: int, length: int) -> np.ndarray:
    draw = np.random.default_rng(0)
    steps = draw.standard_normal((n_series, channels, length), np.float32)
    return steps.cumsum(2, out=steps)


def parameters(build: Callable[[], nn.Module]) -> int:
    """How many weights a network has; none of them is made."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in build().parameters())


def operations(call: Callable[[], object]) -> float:
    """Floating-point operations of the matrix products and convolutions of a call."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

    def forward_work(q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
        return sdpa_flop_count(q, k, v)

    def backward_work(out: Any, q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
        return sdpa_backward_flop_count(out, q, k, v)

    mapping = {attention: forward_work, backward: backward_work}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        call()
    return float(counter.get_total_flops())


def convolutions(channels: int = 1, windows: int = 32, **settings: Any) -> SimMTMTransformer:
    return SimMTMTransformer(batch_size=windows, random_state=0, **settings)


def patches(channels: int = 1, windows: int = 32, **settings: Any) -> SimMTMTransformer:
    batch = windows * channels
    return SimMTMTransformer(
        encoder=PatchEncoder(), batch_size=batch, random_state=0, masking="patch", **settings
    )


FAMILIES = {"convolutions": convolutions, "patches": patches}

# -- against the plain step -----------------------------------------------------------------------

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


# -- the machine ----------------------------------------------------------------------------------


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


# -- everyday calls -------------------------------------------------------------------------------


def finetuning_steps(transformer: SimMTMTransformer, channels: int, length: int, turns: Turns):
    per_turn = 3
    steps = Steps(transformer, channels, length, per_turn=per_turn)
    n_series = per_turn * int(transformer.batch_size)
    rows = WindowDataset(random_walks(n_series, channels, length))
    turns.ready()
    network = steps.network()
    statistics = transformer._statistics()
    with torch.no_grad():
        width = network.embed(*rows.gather(torch.arange(1)), statistics, True).shape[1]
    model = Supervised(
        network, statistics, True, 1, torch.zeros(width), torch.ones(width), 2, dropout=0.0
    )
    finetune(
        model,
        rows,
        torch.zeros(n_series, 0),
        torch.arange(n_series) % 2,
        cross_entropy(torch.eye(2), torch.ones(2)),
        torch.empty(0, dtype=torch.long),
        steps.settings().plan,
        on_epoch=lambda record: turns(record["seconds"] / per_turn),
    )


def transforms(transformer: SimMTMTransformer, shape: tuple[int, int, int], turns: Turns) -> None:
    values = random_walks(*shape)
    fitted = transformer.set_params(num_epochs=0).fit(values[:2])
    turns.ready()
    turns.repeat(lambda: fitted.transform(values))


def fits(transformer: SimMTMTransformer, values: np.ndarray, turns: Turns) -> None:
    turns.ready()
    turns.repeat(lambda: transformer.fit(values))


def gunpoint() -> np.ndarray:
    return load_dataset("GunPoint", split="train")[0].astype(np.float32)


def etth1_windows(home: str | None) -> np.ndarray:
    """What a forecaster pre-trains on."""
    series = load_series("ETTh1", home)
    return pretraining_windows(list(series.values[: series.train_end].T), series.context)


def calls_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    length, channels, windows = (48, 2, 4) if quick else (336, 7, 32)
    size = {"length": length, "channels": channels}
    for name, family in FAMILIES.items():
        steps = Steps(family(channels, windows), channels, length)
        yield [steps.case(f"pre-training step, {name}", work=True)]
    one = convolutions(windows=windows)
    batch = {**size, "windows": windows, "window_channels": windows * channels}
    tuning = partial(finetuning_steps, one, channels, length)
    yield [Case("fine-tuning step, convolutions", tuning, {**batch, "rows": windows})]
    n = 10 if quick else 500
    many = {**size, "windows": n, "window_channels": n * channels, "n_series": n}
    for name, family in FAMILIES.items():
        run = partial(transforms, family(channels, windows), (n, channels, length))
        yield [Case(f"transform, {name}", run, many, turns=3)]

    cores = os.cpu_count() or 1
    few = {"num_epochs": 1} if quick else {}
    values = gunpoint()
    run = partial(fits, convolutions(**few), values)
    settings = {"n_series": len(values), "length": values.shape[2], "channels": 1}
    yield [Case("fit, GunPoint", run, {**settings, "threads": cores}, turns=3)]
    try:
        windows_of = answer_of(partial(etth1_windows, home), limit=60)[: 200 if quick else None]
    except EOFError:
        print("  fit, windows of ETTh1 left out", flush=True)
        return
    length = windows_of.shape[2]
    transformer = default_transformer(length).set_params(random_state=0, **few)
    run = partial(fits, transformer, windows_of)
    settings = {"n_series": len(windows_of), "length": length, "channels": 1, "threads": cores}
    yield [Case("fit, windows of ETTh1", run, settings, turns=1, warm_up=0, limit=300)]


# -- sweeps ---------------------------------------------------------------------------------------


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


# -- big steps ------------------------------------------------------------------------------------


class ValuesEncoder(nn.Module):
    """Hands the values of a row on as its only token: what is left is the objective."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.d_model = self.patch_length = width
        self.scale = nn.Parameter(torch.ones(width))

    def forward(
        self, values: Tensor, visible: Tensor, within: Tensor | None, instance_stats: Tensor
    ) -> list[Tensor]:
        return [values * self.scale]


class SameDecoder(nn.Module):
    """A token is what it stands for."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)  # tells the precision

    def forward(self, points: Tensor, length: int) -> Tensor:
        return points[..., :length]


def full_matrix(network: SimMTM, values: Tensor, observed: Tensor, views: Tensor) -> Tensor:
    """The objective over the whole D × D matrix, as in plain.py."""
    n_series, n_views = len(values), len(views) // len(values)
    visible = torch.cat([observed, views])
    points = network.layers(values.repeat(n_views + 1, 1, 1), visible, None)[-1]
    similarity = plain.similarities(network.projector(points, None))
    tau = network.objective.temperature
    rebuilt = network.decoder(plain.aggregated(points, similarity, tau), values.shape[2])
    reconstruction = (rebuilt[:n_series] - points[:n_series].detach()).square().mean()
    return reconstruction + plain.constraint(similarity, n_series, tau)


def objectives(n_rows: int, full: bool, turns: Turns) -> None:
    """Forward and backward; M = 2, projections 64 wide, values 336 wide."""
    width, n_series = 336, n_rows // 3
    values = torch.from_numpy(random_walks(n_series, 1, width))
    observed = torch.ones_like(values, dtype=torch.bool)
    views = torch.rand(2 * n_series, 1, width) < 0.5
    turns.ready()
    network = SimMTM(ValuesEncoder(width), 1, width, 64, Objective(0.1, 1.0, own_view_weight=0.0))
    network.decoder = SameDecoder()

    def step() -> None:
        if full:
            total = full_matrix(network, values, observed, views)
        else:
            total = network.losses(values, observed, None, views)["total"]
        total.backward()

    turns.repeat(step)


def big_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    once = {"turns": 1, "warm_up": 0, "limit": 240}
    n_channels, windows, length = (8, 2, 48) if quick else (321, 32, 336)
    steps = Steps(patches(n_channels, windows), n_channels, length, per_turn=1)
    yield [steps.case("step of 321 channels", **once)]
    for n_rows in (48, 96) if quick else (12_288, 30_816):
        settings = {"rows": n_rows, "masks": 2, "window_channels": n_rows // 3}
        yield [Case("objective", partial(objectives, n_rows, False), settings, **once)]
    n_rows = 48 if quick else 12_288
    settings = {"rows": n_rows, "masks": 2, "window_channels": n_rows // 3}
    run = partial(objectives, n_rows, True)
    yield [Case("objective, full matrix", run, settings, **once)]


# -- threads --------------------------------------------------------------------------------------


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


# -- profile --------------------------------------------------------------------------------------

# The first group that fits counts: what an operator of torch is called, or one that calls it.
GROUPS = {
    "masks": ("masks",),
    "optimiser": ("Optimizer", "_foreach", "fused_adam", "linalg_vector_norm"),
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("mkldnn_convolution", "convolution"),
    "attention": ("scaled_dot_product",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn_linear", "aten::linear"),
    "layer norm": ("layer_norm",),
    "GELU": ("gelu",),
    "softmax": ("softmax", "logsumexp"),
    "copies": (
        *("copy_", "aten::clone", "aten::cat", "aten::repeat", "aten::index", "contiguous"),
        *("aten::fill_", "aten::zero", "aten::empty", "aten::stack"),
    ),
}
BY_CALLER = ("masks", "optimiser")


def group_of(event: Any) -> str:
    names = [event.name]
    caller = event.cpu_parent
    while caller is not None:
        names.append(caller.name)
        caller = caller.cpu_parent
    for group, names_of in GROUPS.items():
        within = names if group in BY_CALLER else names[:1]
        if any(part in name for name in within for part in names_of):
            return group
    return "rest"


def profile(steps: Steps, n_steps: int) -> dict[str, float]:
    """Milliseconds of a step by group: of torch's operators alone, without Python between them."""
    steps = dataclasses.replace(steps, per_turn=n_steps)
    rows = steps.data()
    network = steps.network()
    pretrain(network, rows, steps.settings(epochs=1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        pretrain(network, rows, steps.settings(epochs=1))
    times = dict.fromkeys([*GROUPS, "rest"], 0.0)
    for event in profiler.events():
        times[group_of(event)] += event.self_cpu_time_total / 1000 / n_steps
    return times


def profile_rows(quick: bool) -> list[Row]:
    length, channels = (48, 2) if quick else (336, 7)
    profiled = {
        "default encoder": Steps(convolutions(), channels, length),
        "forecaster's encoder": Steps(default_transformer(length), channels, length),
    }
    rows = []
    for case, steps in profiled.items():
        times = answer_of(partial(profile, steps, 2 if quick else 10), limit=120)
        total = sum(times.values())
        for group, spent in times.items():
            row = {"case": case, "group": group}
            rows.append({**row, "milliseconds": round(spent, 2), "share": round(spent / total, 4)})
            print(*rows[-1].values(), flush=True)
    return rows


# -- all ------------------------------------------------------------------------------------------

SUITES: dict[str, Callable[[bool, str | None], Iterator[list[Case]]]] = {
    "plain": plain_suite,
    "peak": peak_suite,
    "calls": calls_suite,
    "series": series_suite,
    "length": length_suite,
    "channels": channels_suite,
    "masks": masks_suite,
    "batch": batch_suite,
    "big": big_suite,
    "threads": threads_suite,
}


def replace_rows(path: Path, rows: list[Row], suite: str | None = None) -> None:
    """Write rows in the place of all others, or of those of a suite."""
    kept: list[Row] = []
    if suite is not None and path.exists():
        with path.open(newline="") as file:
            kept = [row for row in csv.DictReader(file) if row["suite"] != suite]
    write_rows(path, [*kept, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*SUITES, "profile"]
    parser.add_argument("--suite", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--data-home", default=None)
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV files")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does it run at all?")
    arguments = parser.parse_args()
    arguments.results.mkdir(parents=True, exist_ok=True)
    origin = provenance()
    for suite in arguments.suite:
        start = time.perf_counter()
        print(f"-- {suite}", flush=True)
        if suite == "profile":
            rows = [{**row, **origin} for row in profile_rows(arguments.quick)]
            replace_rows(arguments.results / "speed_profile.csv", rows)
        else:
            rows = []
            for cases in SUITES[suite](arguments.quick, arguments.data_home):
                for row in measure(cases):
                    print(*row.values(), flush=True)
                    rows.append({"suite": suite, **row, **origin})
            if rows:
                replace_rows(arguments.results / "speed.csv", rows, suite)
        print(f"   {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
