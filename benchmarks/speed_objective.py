"""Big steps: many channels, and the objective alone over tens of thousands of rows."""

from collections.abc import Iterator
from functools import partial

import plain
import torch
from speed_steps import Steps, patches, random_walks
from torch import Tensor, nn
from turns import Case, Turns

from simmtm_sk.nn.model import SimMTM
from simmtm_sk.nn.normalization import normalized_rows
from simmtm_sk.objectives import SimMTMObjective


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
    rows = normalized_rows(values.repeat(n_views + 1, 1, 1), visible, None)
    points = network.layers(rows)[-1]
    similarity = plain.similarities(network.projector(points, None))
    tau = network.objective.settings.temperature
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
    network = SimMTM(ValuesEncoder(width), 1, 64, SimMTMObjective(0.1, 1.0, own_view_weight=0.0))
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
