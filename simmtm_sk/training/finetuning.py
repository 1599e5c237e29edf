"""Fine-tuning: encoder and head trained together on labelled series."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..data import WindowDataset
from ..nn.supervised import Supervised
from .checkpoint import Checkpoint, remove_when_finished
from .isolation import isolated_torch
from .loop import History, train
from .monitor import Monitor
from .plan import Plan

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def cross_entropy(probabilities: Tensor) -> Loss:
    """Return the loss of a classifier: weighted mean cross entropy.

    Parameters
    ----------
    probabilities : Tensor, shape (n_classes, n_classes)
        What the members of each class are to get.
    """

    def loss(scores: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        wanted = probabilities.to(scores)[target]
        return -(weight * (wanted * scores.log_softmax(-1)).sum(-1)).sum() / weight.sum()

    return loss


def squared_error(scores: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return the loss of a regressor: weighted mean squared error."""
    return (weight * (scores[:, 0] - target).square()).sum() / weight.sum()


def finetune(
    model: Supervised,
    rows: WindowDataset,
    extra: Tensor,
    target: Tensor,
    weight: Tensor,
    loss: Loss,
    held_out: Tensor,
    plan: Plan,
    *,
    autocast: torch.dtype | None = None,
    checkpoint: Checkpoint | None = None,
    monitor: Monitor | None = None,
) -> tuple[History, bool]:
    """Train ``model`` in place on labelled series and leave it on the CPU.

    Parameters
    ----------
    model : Supervised
    rows : WindowDataset
        Of the labelled series, or of their channels if the encoder takes them one by one.
    extra : Tensor, shape (n_series, k)
        Features of each series that do not come from the network.
    target : Tensor, shape (n_series,)
        Class numbers or values.
    weight : Tensor, shape (n_series,)
        All positive.
    loss : callable
        ``loss(scores, target, weight)`` returns a scalar, a mean.
    held_out : Tensor of int
        The series to choose the best epoch on; may be empty.
    plan, monitor
        As in `train`.
    checkpoint : Checkpoint or None
        Removed when the training has come to its end.
    autocast : torch.dtype or None
        Precision of the matrix products, None for float32.

    Returns
    -------
    history, complete
        As `train`.
    """
    device = rows.device
    model.to(device)
    extra, target, weight = extra.to(device), target.to(device), weight.to(extra).to(device)
    is_held_out = torch.isin(torch.arange(len(target)), held_out)
    train_series, valid_series = (
        torch.nonzero(chosen).flatten().to(device) for chosen in (~is_held_out, is_held_out)
    )
    owners = torch.as_tensor(rows.series, device=device)
    series_of_row = owners // model.rows_per_series

    def loss_of(series: Tensor) -> Tensor:
        place = torch.full_like(target, -1, dtype=torch.long)  # of every series in the batch
        place[series] = torch.arange(len(series), device=device)
        index = torch.nonzero(place[series_of_row] >= 0).flatten()
        owner = (
            place[series_of_row[index]] * model.rows_per_series
            + owners[index] % model.rows_per_series
        )
        with torch.autocast(device.type, autocast, enabled=autocast is not None):
            scores = model(*rows.gather(index), owner, extra[series])
        return loss(scores.to(extra), target[series], weight[series])

    def evaluate() -> dict[str, float]:
        batches = valid_series.tensor_split(-(-len(valid_series) // plan.batch_size))
        total = sum(float(loss_of(series)) * float(weight[series].sum()) for series in batches)
        return {"criterion": total / float(weight[valid_series].sum())}

    with isolated_torch(plan.seed):
        result = train(
            model,
            plan,
            len(train_series),
            lambda index, _: {"total": loss_of(train_series[index])},
            evaluate if len(valid_series) else None,
            device=device,
            checkpoint=checkpoint,
            monitor=monitor,
        )
    model.cpu()
    if checkpoint is not None:
        remove_when_finished(checkpoint, result[1])
    return result
