"""Steps of pre-training to be timed: their data, their network, their work."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import plain
import torch
import torch._dynamo  # the first optimiser would import it, and every case pay for it
from torch import Tensor, nn
from torch.utils.flop_counter import (
    FlopCounterMode,
    sdpa_backward_flop_count,
    sdpa_flop_count,
)
from turns import Case, Turns

from simmtm_sk import PatchEncoder, SimMTMTransformer
from simmtm_sk.data import WindowDataset
from simmtm_sk.datasets import load_dataset
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.training.monitor import Monitor
from simmtm_sk.training.pretraining import Pretraining, pretrain

ENDLESS = 100_000  # epochs: a case runs until it is told to stop


class EveryEpoch(Monitor):
    """Ends a turn with every evaluation."""

    def __init__(self, turns: Turns, per_turn: float) -> None:
        self.turns, self.per_turn = turns, per_turn

    def epochs_end(self, record: dict[str, float], n_epochs: int, n_run: int) -> bool:
        return bool(self.turns(record["seconds"] / self.per_turn))


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
        pretraining = self.transformer._pretraining(1, torch.device("cpu"))
        plan = dataclasses.replace(
            pretraining.plan, n_epochs=epochs, evaluate_every=1, patience=None
        )
        fields = {f.name: getattr(pretraining, f.name) for f in dataclasses.fields(Pretraining)}
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
            monitor=EveryEpoch(turns, self.per_turn),
        )

    def losses(self) -> Tensor:
        rows, settings = self.data(), self.settings()
        network = self.network().train()
        values, observed, within = rows.gather(torch.arange(int(self.transformer.batch_size)))
        views = settings.views(network, values, observed, torch.Generator().manual_seed(0))
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


def gunpoint() -> np.ndarray:
    return load_dataset("GunPoint", split="train")[0].astype(np.float32)


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
