"""Fitting a forecast: closed form on window and tokens, or gradient steps on everything."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data.windows import Windows, thinned
from ..nn.forecast import NORMALIZATIONS, Forecast, Normalized, carried_forward, normalized
from ..nn.model import SimMTM
from ..nn.ridge import Moments, RidgeFit, choose, solve
from .loop import History, Plan, train
from .pretraining import isolated_randomness

Index = NDArray[np.intp]

MOST_TRAINED, MOST_HELD_OUT = 60_000, 20_000  # windows behind a closed form
MOST_EVALUATED = 4_096  # windows behind the choice of an epoch
MOST_RESIDUALS = 1_000  # windows behind the quantiles
TOKEN_SCALES = (0.0, 0.1, 0.3, 1.0)  # 0 is the ridge on the window alone
CAUTIOUS_PENALTY = 1.0  # where nothing can be held out
CRITERION = "last"  # the weighting of all choices: errors in the unit of the series
_BATCH = 2_048
_LEAST_SCALE = 0.1  # of a context, in units of its series' standard deviation


@dataclass(frozen=True)
class Task:
    """Windows to learn from.

    Attributes
    ----------
    windows : Windows
    spread : ndarray, shape (n_series,)
        Unit in which errors of each series count.
    train, held_out : ndarray of int
        Numbers of windows. ``held_out`` is empty where there are too few.
    """

    windows: Windows
    spread: NDArray[np.float64]
    train: Index
    held_out: Index

    def batch(self, index: Index, normalization: str) -> Batch:
        """Gather windows and normalise them."""
        series, origin = self.windows.series[index], self.windows.origin[index]
        context = self.windows.contexts(series, origin)
        target = self.windows.targets(series, origin)
        parts = normalized(context, normalization)
        unit = parts.scale.masked_fill(parts.scale == 0, 1)
        observed = ~target.isnan() & (parts.scale > 0)
        relative = parts.scale / torch.as_tensor(self.spread[series], device=target.device)[:, None]
        return Batch(parts, (target - parts.center) / unit, observed, relative)

    def batches(self, index: Index, normalization: str) -> Iterator[Batch]:
        """Gather windows batch by batch."""
        for start in range(0, len(index), _BATCH):
            yield self.batch(index[start : start + _BATCH], normalization)


@dataclass(frozen=True)
class Batch:
    """Contexts and what follows them.

    Attributes
    ----------
    context : Normalized
    target : Tensor, shape (n, horizon)
        Normalised like the context.
    observed : Tensor of bool, the same shape
        False where a target is missing, or its context constant, hence without a unit.
    relative : Tensor, shape (n, 1)
        Scale of the context in units of its series.
    """

    context: Normalized
    target: Tensor
    observed: Tensor
    relative: Tensor

    def weight(self, normalization: str) -> Tensor:
        """How much the squared error of each window counts in training: (n,).

        "last" and "mean" minimise the error in the unit of the series, "standard" in that of the
        context, unless that is so small that noise would be all that counted.
        """
        if normalization == "standard":
            return (self.relative / _LEAST_SCALE).clamp(max=1).square()[:, 0]
        return self.relative.square()[:, 0]

    def filled_target(self) -> Tensor:
        """Targets with gaps interpolated; zero where the context is constant."""
        if bool(self.observed.all()):
            return self.target
        last = self.context.window[:, -1:]
        joined = torch.cat([last, self.target.masked_fill(~self.observed, torch.nan)], 1)
        return interpolated(joined)[:, 1:].masked_fill(self.relative == 0, 0)


def interpolated(values: Tensor) -> Tensor:
    """Fill gaps (NaN) linearly, those at either end with the nearest observed value.

    Examples
    --------
    >>> import torch
    >>> interpolated(torch.tensor([[1.0, torch.nan, 3.0, torch.nan]])).tolist()
    [[1.0, 2.0, 3.0, 3.0]]
    """
    missing = values.isnan()
    position = torch.arange(values.shape[1], device=values.device, dtype=values.dtype)
    places = position.expand_as(values).masked_fill(missing, torch.nan)
    before, behind = carried_forward(places), carried_forward(places.flip(1)).flip(1)
    low, high = carried_forward(values), carried_forward(values.flip(1)).flip(1)
    share = ((position - before) / (behind - before).clamp(min=1)).clamp(0, 1)
    return torch.where(missing, low + share * (high - low), values)


@dataclass(frozen=True)
class Fitted:
    """A fitted forecast.

    Attributes
    ----------
    model : Forecast
        On the CPU.
    residuals : Tensor, shape (n, horizon)
        Errors on held-out windows, see `residuals`; NaN where the target is missing.
    penalty, token_scale : float
        Of the closed form; NaN without one.
    history : History
        Of fine-tuning.
    """

    model: Forecast
    residuals: Tensor
    penalty: float
    token_scale: float
    history: History


def fit_forecast(
    task: Task,
    network: SimMTM,
    strategy: str,
    normalization: str,
    refit: bool,
    dropout: float,
    plan: Plan,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> Fitted:
    """Fit heads, and for all strategies but "linear-probe" the ``network`` with them.

    Parameters
    ----------
    task : Task
    network : SimMTM
        Copied if it is going to be trained.
    strategy : str
        As in the estimators.
    normalization : str
        One of `NORMALIZATIONS`, or "auto" for the best one on the held-out part.
    refit : bool
        Solve the closed form again on all windows when penalty and scale are chosen.
    dropout : float
    plan : Plan
        Of fine-tuning.
    on_epoch : callable or None
        As in `train`.
    """
    device = task.windows.device
    with isolated_randomness(plan.seed):
        if normalization == "auto":
            normalization = best_normalization(task)
        network = network if strategy == "linear-probe" else copy.deepcopy(network)
        model = (
            Forecast(
                network.to(device),
                task.windows.context_length,
                task.windows.horizon,
                normalization,
                dropout,
            )
            .to(device)
            .eval()
        )
        penalty, token_scale = float("nan"), float("nan")
        final: RidgeFit | None = None
        if strategy in ("linear-probe", "probe-then-fine-tune"):
            penalty, token_scale, final = _solve_heads(model, task)
        else:
            _standardize_tokens(model, task)
        history: History = []
        if strategy != "linear-probe":
            history, _ = finetune_forecast(model, task, plan, on_epoch)
        errors = residuals(model, task)
        if strategy == "linear-probe" and refit and final is not None:
            _set_heads(model, final)
    model.cpu()
    return Fitted(model, errors.cpu(), penalty, token_scale, history)


def best_normalization(task: Task) -> str:
    """Return the normalisation whose ridge on the window alone has the smallest held-out error."""
    if not len(task.held_out):
        return "last"
    scale = torch.ones(task.windows.context_length, dtype=torch.float64).to(task.windows.device)
    errors = {}
    for name in NORMALIZATIONS:
        train_part, held_out_part = _thinned_parts(task)
        trained = _moments(None, task, train_part, name, name)
        held_out = _moments(None, task, held_out_part, name, CRITERION)
        errors[name] = choose(trained, held_out, scale).error
    return min(errors, key=lambda name: errors[name])


def residuals(model: Forecast, task: Task) -> Tensor:
    """Return errors on held-out windows, in units of `error_unit`.

    Where nothing is held out, those of repeating the last value (or the mean) on all windows: what
    a head gets wrong on its own training windows would be too little.
    """
    index = task.held_out if len(task.held_out) else task.train
    index = thinned(index, MOST_RESIDUALS)
    errors = []
    with torch.inference_mode():
        for batch in task.batches(index, model.normalization):
            forecast = model(batch.context) if len(task.held_out) else 0.0
            error = (batch.target - forecast) * batch.relative / error_unit(batch.relative)
            errors.append(error.masked_fill(~batch.observed, torch.nan).float())
    return torch.cat(errors)


def error_unit(relative: Tensor) -> Tensor:
    """Return the unit of residuals, in units of the series: between context and series."""
    return ((relative.square() + 1) / 2).sqrt()


def finetune_forecast(
    model: Forecast,
    task: Task,
    plan: Plan,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> tuple[History, bool]:
    """Train encoder and heads in place, the best epoch chosen on held-out windows."""
    name = model.normalization
    evaluated = thinned(task.held_out, MOST_EVALUATED)

    def error(batch: Batch, weight: Tensor) -> Tensor:
        squared = (model(batch.context) - batch.target.float()).square()
        return (squared.masked_fill(~batch.observed, 0).mean(1) * weight.float()).sum()

    def losses(index: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        batch = task.batch(task.train[index.cpu().numpy()], name)
        weight = batch.weight(name)
        return {"total": error(batch, weight) / len(index)}

    def evaluate() -> dict[str, float]:
        parts = task.batches(evaluated, name)
        total = sum(float(error(batch, batch.weight(CRITERION))) for batch in parts)
        return {"criterion": total / len(evaluated)}

    return train(
        model,
        plan,
        len(task.train),
        losses,
        evaluate if len(evaluated) else None,
        device=task.windows.device,
        on_epoch=on_epoch,
    )


def _thinned_parts(task: Task) -> tuple[Index, Index]:
    return thinned(task.train, MOST_TRAINED), thinned(task.held_out, MOST_HELD_OUT)


def _moments(
    model: Forecast | None, task: Task, index: Index, normalization: str, weighting: str
) -> Moments:
    """Sum up windows and the model's tokens for them; without a model, windows alone."""
    windows = task.windows
    n_tokens = 0 if model is None else len(model.center)
    moments = Moments(windows.context_length + n_tokens, windows.horizon, windows.device)
    with torch.inference_mode():
        for batch in task.batches(index, normalization):
            features = batch.context.window
            if model is not None:
                tokens = model.tokens(batch.context.standard.float(), batch.context.observed)
                features = torch.cat([features, tokens.double()], 1)
            moments.add(features, batch.filled_target(), batch.weight(weighting))
    return moments


def _solve_heads(model: Forecast, task: Task) -> tuple[float, float, RidgeFit]:
    """Solve on the training part, and again on all windows; the model gets the first solution."""
    train_part, held_out_part = _thinned_parts(task)
    name, n_window = model.normalization, task.windows.context_length
    moments = _moments(model, task, train_part, name, name)
    center, spread = moments.means()[0][n_window:], moments.spread()[n_window:]
    constant = spread == 0
    model.center = center.float()
    model.spread = spread.masked_fill(constant, 1).float()
    window = torch.ones(n_window, dtype=torch.float64, device=spread.device)
    unit = (1 / spread.masked_fill(constant, 1)).masked_fill(constant, 0)
    if not len(held_out_part):
        scale = torch.cat([window, 0 * unit])
        fit = solve(moments, CAUTIOUS_PENALTY, scale)
        _set_heads(model, fit)
        return CAUTIOUS_PENALTY, 0.0, fit
    held_out = _moments(model, task, held_out_part, name, CRITERION)
    scales = {share: torch.cat([window, share * unit]) for share in TOKEN_SCALES}
    fits = {share: choose(moments, held_out, scale) for share, scale in scales.items()}
    best = min(fits, key=lambda share: fits[share].error)
    _set_heads(model, fits[best])
    if name == "standard":  # now with the weights of training
        held_out = _moments(model, task, held_out_part, name, name)
    everything = moments.merged(held_out)
    return fits[best].penalty, best, solve(everything, fits[best].penalty, scales[best])


def _set_heads(model: Forecast, fit: RidgeFit) -> None:
    window, tokens = fit.coef.split([model.context_length, len(model.center)], 1)
    with torch.no_grad():
        model.window_head.weight.copy_(window)
        model.token_head.weight.copy_(tokens * model.spread)
        model.window_head.bias.copy_(fit.intercept + tokens @ model.center.double())


def _standardize_tokens(model: Forecast, task: Task) -> None:
    """Learn centre and spread of the tokens for a head that starts at zero."""
    with torch.inference_mode():
        batch = task.batch(thinned(task.train, _BATCH), model.normalization)
        tokens = model.tokens(batch.context.standard.float(), batch.context.observed)
    spread = tokens.std(0, correction=0)
    model.center = tokens.mean(0).clone()
    model.spread = spread.masked_fill(spread <= 1e-6 * tokens.abs().amax(0), 1).clone()
