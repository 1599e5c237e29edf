"""Fine-tuning: encoder and head trained together on labelled rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data import Rows
from ..nn.supervised import Supervised
from .loop import History, Plan, train
from .pretraining import isolated_randomness

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(class_weight: Tensor) -> Loss:
    """Return the loss of a classifier: mean negative log likelihood, weighted by class."""
    return lambda scores, target: F.cross_entropy(scores, target, class_weight.to(scores))


def squared_error(scores: Tensor, target: Tensor) -> Tensor:
    """Return the loss of a regressor."""
    return F.mse_loss(scores[:, 0], target)


def finetune(
    model: Supervised,
    rows: Rows,
    extra: Tensor,
    target: Tensor,
    loss: Loss,
    held_out: Tensor,
    plan: Plan,
    *,
    autocast: torch.dtype | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> tuple[History, bool]:
    """Train ``model`` in place on labelled rows and leave it on the CPU.

    Parameters
    ----------
    model : Supervised
    rows : Rows
        Of the labelled series; every window has the label of its series.
    extra : Tensor, shape (n_series, k)
        Features of each series that do not come from the network.
    target : Tensor, shape (n_series,)
        Class numbers or values.
    loss : callable
        ``loss(scores, target)`` returns a scalar.
    held_out : Tensor of int
        The series to choose the best epoch on; may be empty.
    plan, checkpoint, on_epoch
        As in `train`.
    autocast : torch.dtype or None
        Precision of the matrix products, None for float32.

    Returns
    -------
    history, complete
        As `train`.
    """
    device = rows.device
    model.to(device)
    extra, target = extra.to(device), target.to(device)
    series = torch.as_tensor(rows.series, device=device)
    is_held_out = torch.isin(series, held_out.to(device))
    train_rows, valid_rows = (torch.nonzero(m).flatten() for m in (~is_held_out, is_held_out))

    def loss_of(index: Tensor) -> Tensor:
        values, observed, within = rows.gather(index)
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            scores = model(values, observed, within, extra[series[index]])
        return loss(scores.to(extra), target[series[index]])

    def evaluate() -> dict[str, float]:
        batches = valid_rows.tensor_split(-(-len(valid_rows) // plan.batch_size))
        total = sum(float(loss_of(index)) * len(index) for index in batches)
        return {"criterion": total / len(valid_rows)}

    with isolated_randomness(plan.seed):
        result = train(
            model,
            plan,
            len(train_rows),
            lambda index, _: {"total": loss_of(train_rows[index])},
            evaluate if len(valid_rows) else None,
            device=device,
            checkpoint=checkpoint,
            on_epoch=on_epoch,
        )
    model.cpu()
    return result
