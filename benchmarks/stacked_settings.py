"""Many settings in one pass: is one stack of 16 encoders faster than 16 encoders one by one?

python benchmarks/stacked_settings.py [--results DIR]

The shapes of a grid over r, τ and λ are equal, so that its trainings could share every operation:
`torch.func.vmap` over stacked weights turns 16 convolutions into one with 16 groups. Measured is
what takes nearly all the time of a step, the encoder forward and backward, on batches of 16 series
of 128 points with two views each, other rows for every setting. Writes results/stacked_settings.csv
anew: processor seconds of a step of all 16, the best of three turns, one form after the other.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from probe import RESULTS, Row, provenance, write_rows
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from simmtm_sk import ConvEncoder, PatchEncoder

SETTINGS, ROWS, LENGTH, TURNS = 16, 48, 128, 3
ENCODERS = {
    "convolutions, d_model=16": ConvEncoder(d_model=16),
    "convolutions, d_model=64 (default)": ConvEncoder(),
    "patches, d_model=64": PatchEncoder(),
}


def last_layer(backbone: nn.Module, values: Tensor) -> Tensor:
    visible, stats = torch.ones_like(values, dtype=torch.bool), torch.zeros(len(values), 2)
    layer: Tensor = backbone(values, visible, None, stats)[-1]
    return layer


def one_by_one(backbones: list[nn.Module], values: Tensor) -> list[Tensor]:
    for backbone, rows in zip(backbones, values, strict=True):
        backbone.zero_grad()
        last_layer(backbone, rows).square().mean().backward()
    return [next(backbone.parameters()).grad for backbone in backbones]


def stacked(backbones: list[nn.Module]) -> Callable[[Tensor], list[Tensor]]:
    parameters, buffers = stack_module_state(backbones)
    empty = backbones[0]

    class Called(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = empty

        def forward(self, values: Tensor) -> Tensor:
            return last_layer(self.backbone, values).square().mean()

    called = Called()
    named = [
        {f"backbone.{name}": x for name, x in group.items()} for group in (parameters, buffers)
    ]

    def loss(weights: dict[str, Tensor], constants: dict[str, Tensor], values: Tensor) -> Tensor:
        result: Tensor = functional_call(called, (weights, constants), (values,))
        return result

    def step(values: Tensor) -> list[Tensor]:
        for weight in parameters.values():
            weight.grad = None
        vmap(loss, randomness="different")(*named, values).sum().backward()
        return list(next(iter(parameters.values())).grad)

    return step


def measured(encoder: ConvEncoder | PatchEncoder) -> tuple[float, float]:
    """Seconds of a step of all settings, one by one and stacked; the gradients are the same."""
    backbones = [encoder.build(1, LENGTH).train() for _ in range(SETTINGS)]
    values = torch.randn(SETTINGS, ROWS, 1, LENGTH)
    together = stacked(backbones)
    for a, b in zip(one_by_one(backbones, values), together(values), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)
    seconds: list[list[float]] = [[], []]
    for _ in range(TURNS):
        for form, step in enumerate((partial(one_by_one, backbones), together)):
            start = time.process_time()
            step(values)
            seconds[form].append(time.process_time() - start)
    return min(seconds[0]), min(seconds[1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the CSV file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows: list[Row] = []
    for name, encoder in ENCODERS.items():
        apart, stack = measured(encoder)
        row = {"encoder": name, "settings": SETTINGS, "one_by_one": round(apart, 3)}
        rows.append({**row, "stacked": round(stack, 3), "gain": round(apart / stack, 2)})
        rows[-1] |= provenance()
        print(*rows[-1].values(), flush=True)
    write_rows(arguments.results / "stacked_settings.csv", rows)


if __name__ == "__main__":
    main()
