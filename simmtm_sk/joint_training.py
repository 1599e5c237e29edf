"""Encoder and head trained together: a fitted transformer becomes a fine-tuned one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data import Panel
from .embedding import Features
from .geometry import Geometry
from .nn.supervised import Supervised
from .probing import LinearHead
from .training.finetuning import Loss, finetune
from .training.isolation import isolated_torch
from .training.loop import History
from .training.monitor import Monitor
from .training.plan import Plan
from .training.runs import checkpoint_of, run_name
from .training.settings import autocast_dtype
from .transformer import SimMTMTransformer

FEWEST_HELD_OUT = 10  # a smaller part would choose by chance


@dataclass(frozen=True)
class Targets:
    """What the outputs for labelled series are to be.

    Attributes
    ----------
    values : Tensor, shape (n_series,)
        Class numbers, or numbers around zero.
    weights : ndarray, shape (n_series,)
        All positive.
    loss : callable
        As in `finetune`.
    n_outputs : int
    strata : ndarray of int, shape (n_series,)
        Groups that the held-out part takes its share of.
    """

    values: Tensor
    weights: NDArray[np.float64]
    loss: Loss
    n_outputs: int
    strata: NDArray[np.int64]


def train_jointly(
    transformer: SimMTMTransformer,
    series: Panel,
    features: Features,
    start: LinearHead | None,
    targets: Targets,
    held_out: NDArray[np.int64],
    plan: Plan,
    dropout: float,
    monitor: Monitor,
    checkpoint_dir: Path | None,
) -> tuple[LinearHead, History]:
    """Train the network of ``transformer`` in place, and a head; return the head and the history.

    Training changes the features under balance and metric: from here on, those of ``transformer``
    are standardised instead.

    Parameters
    ----------
    transformer : SimMTMTransformer
        Fitted.
    series : Panel
        The labelled series.
    features : Features
        Theirs, by ``transformer`` as it is before.
    start : LinearHead or None
        Where the head starts, on embeddings; None starts it at zero, with no opinion.
    targets : Targets
    held_out : ndarray of int
        The series to choose the best epoch on.
    plan : Plan
    dropout : float
        Of the features.
    monitor : Monitor
    checkpoint_dir : Path or None
        Where checkpoints are left.
    """
    joined = features.joined()
    geometry = transformer.geometry_.standardized(joined)
    center, std = geometry.unbalanced(joined)
    model = _supervised(transformer, series.shape[1], center, std, targets.n_outputs, dropout, plan)
    if start is not None:
        _start_at(model, start, transformer.geometry_, center, std)
    rows = transformer._rows(series)
    extra = features.fixed.clone()  # was computed in inference mode
    autocast = autocast_dtype(transformer.precision, rows.device)
    checkpoint = None
    if checkpoint_dir is not None:
        network = model.state_dict(), model.statistics, model.all_layers, dropout
        data = (
            series,
            transformer.max_length,
            extra,
            targets.values,
            targets.weights,
            held_out,
        )
        name = run_name(network, data, targets.loss, plan, autocast)
        checkpoint = checkpoint_of(checkpoint_dir, name)
    history, _ = finetune(
        model,
        rows,
        extra,
        targets.values,
        torch.as_tensor(targets.weights),
        targets.loss,
        torch.as_tensor(held_out),
        plan,
        autocast=autocast,
        checkpoint=checkpoint,
        monitor=monitor,
    )
    transformer.geometry_ = geometry
    weight, intercept = (p.detach().double().numpy() for p in model.head.parameters())
    return LinearHead(np.zeros(len(center)), np.ones(len(center)), weight, intercept), history


def _supervised(
    transformer: SimMTMTransformer,
    n_channels: int,
    center: Tensor,
    std: Tensor,
    n_outputs: int,
    dropout: float,
    plan: Plan,
) -> Supervised:
    """Return network and head, the head with no opinion."""
    pooling = transformer._pooling()
    with isolated_torch(plan.seed):
        model = Supervised(
            transformer.network_,
            pooling.statistics,
            pooling.all_layers,
            n_channels if transformer._any_channels() else 1,
            center.float(),
            std.float(),
            n_outputs,
            dropout,
        )
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    return model


def _start_at(
    model: Supervised, head: LinearHead, geometry: Geometry, center: Tensor, std: Tensor
) -> None:
    """Let the head say of standardised features what ``head`` says of embeddings."""
    coef, bias = geometry.of_features(torch.tensor(head.coef / head.std))
    bias = bias + torch.tensor(head.intercept - head.coef @ (head.center / head.std))
    with torch.no_grad():
        model.head.weight.copy_(coef * std)
        model.head.bias.copy_(bias + coef @ center)


def stratified_part(strata: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """Choose the same share of every group, rounded down; nobody if these were too few."""
    rng = np.random.default_rng(seed)
    members = (np.flatnonzero(strata == group) for group in np.unique(strata))
    chosen = [rng.permutation(rows)[: int(fraction * len(rows))] for rows in members]
    part = np.sort(np.concatenate(chosen))
    return part if len(part) >= FEWEST_HELD_OUT else part[:0]
