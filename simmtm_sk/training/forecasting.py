"""Fitting a forecast by any strategy: the closed form, gradient steps on the encoder, or both."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.forecast_windows import Index, subsample
from ..nn.combination import Combination
from ..nn.forecast import NORMALIZATIONS, Forecast, seasonal_mean
from ..nn.micro_batches import dropout_probability
from ..nn.model import SimMTM
from ..nn.ridge import RidgeFit
from .checkpoint import remove_when_finished
from .closed_form import CRITERION, FEWEST_TRAINED, ClosedForm, best_baseline
from .isolation import isolated_torch
from .loop import History, train
from .monitor import Monitor
from .plan import Plan
from .residuals import calibrated_errors
from .runs import checkpoint_of, run_name
from .strategies import Strategy
from .task import Batch, Task

MOST_EVALUATED = 4_096  # windows behind the choice of an epoch
MOST_STANDARDIZED = 2_048  # windows behind centre and std of tokens
NETWORK_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a trained network, the rest is the ridge's
SMALL_STEPS = 0.1  # share of the learning rate that a solved head is trained on with


Model = TypeVar("Model", Forecast, Combination)


@dataclass(frozen=True)
class Fitted(Generic[Model]):
    """A fitted forecast.

    Attributes
    ----------
    model : Forecast or Combination
        On the CPU.
    series_std : ndarray, shape (n_series,)
        Standard deviation of the training part of each series.
    residuals : Tensor, shape (n, horizon)
        Errors on held-out windows, see `calibrated_errors`; NaN where the target is missing.
    residual_series : ndarray of int, shape (n,)
        The series each is of.
    choices : dict
        What the held-out windows decided: "normalization", "period" and "drift" as in `Baseline`,
        "penalty" and, by strategy, "token_scale" or "network_share"; of a combination, "weights".
    history : History
        Of fine-tuning.
    """

    model: Model
    series_std: NDArray[np.float64]
    residuals: Tensor
    residual_series: Index
    choices: dict[str, Any]
    history: History


def fit_forecast(
    task: Task,
    network: SimMTM,
    strategy: Strategy,
    normalization: str,
    refit: bool,
    dropout: float,
    plan: Plan,
    monitor: Monitor | None = None,
    checkpoint_dir: Path | None = None,
) -> Fitted[Forecast]:
    """Fit heads, and for all strategies but "linear-probe" the ``network`` with them.

    * "linear-probe" solves a ridge on the window and the tokens together.
    * "probe-then-fine-tune" goes on from there with small steps, and keeps the start if no epoch
      is better on the held-out windows.
    * "fine-tune" and "from-scratch" train the network and a head of its own. The forecast is a
      weighted mean of theirs and of the ridge on the window alone, weights by the held-out windows.

    Parameters
    ----------
    task : Task
    network : SimMTM
        Copied if it is going to be trained.
    strategy : Strategy
    normalization : str
        One of `NORMALIZATIONS`, or "auto" to choose among them.
    refit : bool
        Solve closed forms again on all windows when everything is chosen.
    dropout : float
        Of the tokens, and inside the encoder, while training.
    plan : Plan
        Of fine-tuning.
    monitor : Monitor or None
        Of fine-tuning.
    checkpoint_dir : Path or None
        Where fine-tuning leaves its checkpoints.
    """
    windows = task.windows
    with isolated_torch(plan.seed):
        names = NORMALIZATIONS if normalization == "auto" else (normalization,)
        baseline = best_baseline(task, names)
        network = copy.deepcopy(network) if strategy.trains else network
        network = network.to(windows.device).eval()
        model = Forecast(
            network, windows.context_length, windows.horizon, baseline.normalization, dropout
        ).to(windows.device)
        model.eval()
        closed = ClosedForm(model, task, baseline, tokens=strategy.solves)
        penalty = closed.fit.penalty
        choices: dict[str, Any] = {
            **asdict(baseline),
            "penalty": penalty if isfinite(penalty) else None,
        }
        history: History = []
        refitted: Callable[[RidgeFit], None] | None
        if strategy.solves:
            choices |= {"token_scale": closed.token_scale}
            closed.set_heads(closed.fit)
            refitted = closed.set_heads
            if strategy.trains:
                history = _improve(model, task, plan, monitor, checkpoint_dir)
                refitted = None  # the heads have gone on from there
        else:
            standardize_tokens(model, task)
            # the mean of the context, or of the phase in it, whatever the normalisation
            start = seasonal_mean(windows.context_length, windows.horizon, baseline.period or 1)
            start_at(model, start)
            history, _ = finetune_forecast(model, task, plan, monitor, checkpoint_dir)
            share = network_share(model, task, closed.fit)
            choices |= {"network_share": share}
            average(model, closed.fit, share, start)
            refitted = partial(_set_window, model, share=share, start=start)
        errors, error_series = calibrated_errors(model, task)
        if refit and refitted is not None:
            refitted(closed.on_all_windows())
    model.cpu()
    return Fitted(model, task.series_std, errors, error_series, choices, history)


# -- gradient steps -------------------------------------------------------------------------------


def finetune_forecast(
    model: Forecast,
    task: Task,
    plan: Plan,
    monitor: Monitor | None = None,
    checkpoint_dir: Path | None = None,
) -> tuple[History, bool]:
    """Train encoder and token head in place, the best epoch chosen on held-out windows.

    The window head stays as it is. Errors count in the unit of the series, as in all choices; what
    a few wild windows could do is bounded by the norm that gradients are clipped to.
    """
    name = model.normalization
    evaluated = subsample(task.held_out, MOST_EVALUATED)
    model.window_head.requires_grad_(False)

    def losses(index: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        batch = task.batch(task.train[index.cpu().numpy()], name)
        return {"total": _squared_error(model(batch.context), batch) / len(index)}

    checkpoint = None
    if checkpoint_dir is not None:
        data = task.windows.content, task.train, task.held_out, task.series_std
        checkpoint = checkpoint_of(checkpoint_dir, run_name(model.state_dict(), name, data, plan))
    with dropout_probability(model.network, model.dropout.p):
        result = train(
            model,
            plan,
            len(task.train),
            losses,
            (lambda: {"criterion": held_out_error(model, task, evaluated)})
            if len(evaluated)
            else None,
            device=task.windows.device,
            checkpoint=checkpoint,
            monitor=monitor,
        )
    if checkpoint is not None:
        remove_when_finished(checkpoint, result[1])
    return result


def held_out_error(model: Forecast, task: Task, index: Index) -> float:
    """Return the mean squared error of some windows, in the unit of their series."""
    total = 0.0
    with torch.no_grad():
        for batch in task.batches(index, model.normalization):
            total += float(_squared_error(model(batch.context), batch))
    return total / len(index)


def _squared_error(forecast: Tensor, batch: Batch) -> Tensor:
    """Return the sum over windows of the mean squared error over steps, weighted by `CRITERION`."""
    # hidden before it is squared: the gradient of a missing square is missing, too
    error = (forecast - batch.target.to(forecast)).masked_fill(~batch.observed, 0)
    return (error.square().mean(1) * batch.weight(CRITERION).to(forecast)).sum()


def _improve(
    model: Forecast,
    task: Task,
    plan: Plan,
    monitor: Monitor | None,
    checkpoint_dir: Path | None,
) -> History:
    """Fine-tune with small steps, and go back to the start if no epoch was better than it."""
    evaluated = subsample(task.held_out, MOST_EVALUATED)
    if not len(evaluated):
        return []  # nothing could tell whether a step was an improvement
    start = copy.deepcopy(model.state_dict())
    error = held_out_error(model, task, evaluated)
    small = replace(plan, lr=SMALL_STEPS * plan.lr)
    history, _ = finetune_forecast(model, task, small, monitor, checkpoint_dir)
    if held_out_error(model, task, evaluated) >= error:
        model.load_state_dict(start)
    return history


def network_share(model: Forecast, task: Task, ridge: RidgeFit) -> float:
    """Choose the weight of the network in a weighted mean with the ridge on the window.

    Where nothing is held out, they count equally, but a network that has seen next to nothing does
    not count.
    """
    if not len(task.held_out):
        return 0.5 if len(task.train) >= FEWEST_TRAINED else 0.0
    errors = dict.fromkeys(NETWORK_SHARES, 0.0)
    with torch.inference_mode():
        for batch in task.batches(subsample(task.held_out, MOST_EVALUATED), model.normalization):
            network = model(batch.context).double()
            linear = batch.context.window @ ridge.coef.T + ridge.intercept
            for share in errors:
                mixed = share * network + (1 - share) * linear
                errors[share] += float(_squared_error(mixed, batch))
    return min(errors, key=lambda share: errors[share])


def average(model: Forecast, ridge: RidgeFit, share: float, start: Tensor) -> None:
    """Make the forecast the weighted mean of the network's and the ridge's."""
    with torch.no_grad():
        model.token_head.weight.mul_(share)
        model.token_head.bias.mul_(share)
    _set_window(model, ridge, share, start)


def _set_window(model: Forecast, ridge: RidgeFit, share: float, start: Tensor) -> None:
    """Mix what the network's forecast goes out from, and the ridge."""
    with torch.no_grad():
        model.window_head.weight.copy_((1 - share) * ridge.coef + share * start.to(ridge.coef))
        model.window_head.bias.copy_((1 - share) * ridge.intercept)


def start_at(model: Forecast, start: Tensor) -> None:
    """Let the window head be a given map."""
    with torch.no_grad():
        model.window_head.weight.copy_(start)
        model.window_head.bias.zero_()


def standardize_tokens(model: Forecast, task: Task) -> None:
    """Learn centre and std of the tokens for a head that starts at zero."""
    with torch.inference_mode():
        batch = task.batch(subsample(task.train, MOST_STANDARDIZED), model.normalization)
        tokens = model.tokens(batch.context.standard.float(), batch.context.observed)
    std = tokens.std(0, correction=0)
    model.center = tokens.mean(0).clone()
    model.std = std.masked_fill(std <= 1e-6 * tokens.abs().amax(0), 1).clone()
