"""Fitting a forecast: a closed form on window and tokens, or gradient steps on the encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.windows import Index, Windows, thinned
from ..nn.forecast import NORMALIZATIONS, Forecast, Normalized, normalized, seasonal_mean
from ..nn.model import SimMTM
from ..nn.normalization import interpolated
from ..nn.ridge import Moments, Prior, RidgeFit, choose, merged, solve
from .loop import History, Plan, train
from .pretraining import isolated_randomness

MOST_TRAINED, MOST_HELD_OUT = 60_000, 20_000  # windows behind a closed form
MOST_EVALUATED = 4_096  # windows behind the choice of an epoch
FEWEST_INDEPENDENT = 10  # held-out windows, below which the errors of all steps are put together
MOST_RESIDUALS = 2_000  # windows behind the quantiles
TOKEN_SCALES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # 0 is the ridge on the window alone
NETWORK_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of a trained network, the rest is the ridge's
SMALL_STEPS = 0.1  # share of the learning rate that a solved head is trained on with
CAUTIOUS_PENALTY = 1.0  # where nothing can be held out
FEWEST_TRAINED = 10  # windows, below which nothing is learned if nothing can be held out
CRITERION = "last"  # the weighting of all choices: errors in the unit of the series
MARGIN = 0.02  # share of the error that a choice beyond the simplest must save
N_BLOCKS = 4  # parts of the held-out time that have to agree on a normalisation
_BATCH = 2_048
_LEAST_SCALE = 0.1  # of a context, in units of its series' standard deviation

Choice = TypeVar("Choice")


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

    def blocks(self, index: Index) -> list[Index]:
        """Split windows by the time of their origin into `N_BLOCKS` parts; empty ones are left out.

        Each series is split by its own time.
        """
        first = np.full(len(self.spread), np.iinfo(np.intp).max)
        last = np.zeros(len(self.spread), np.intp)
        series, origin = self.windows.series[index], self.windows.origin[index]
        np.minimum.at(first, series, origin)
        np.maximum.at(last, series, origin)
        share = (origin - first[series]) / (last - first + 1)[series]
        block = np.floor(N_BLOCKS * share)
        return [index[block == i] for i in range(N_BLOCKS) if (block == i).any()]


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
        known = torch.cat([torch.ones_like(last, dtype=torch.bool), self.observed], 1)
        filled = interpolated(torch.cat([last, self.target], 1), known)
        return filled[:, 1:].masked_fill(self.relative == 0, 0)


@dataclass(frozen=True)
class Fitted:
    """A fitted forecast.

    Attributes
    ----------
    model : Forecast
        On the CPU.
    residuals : Tensor, shape (n, horizon)
        Errors on held-out windows, see `residuals`, times `widening`; NaN where the target is
        missing.
    residual_series : ndarray of int, shape (n,)
        The series each is of.
    choices : dict
        What the held-out windows decided: "normalization", "period" and "drift" as in `Baseline`,
        "penalty" and, by strategy, "token_scale" or "network_share".
    history : History
        Of fine-tuning.
    """

    model: Forecast
    residuals: Tensor
    residual_series: Index
    choices: dict[str, str | float]
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
    strategy : str
        As in the estimators.
    normalization : str
        One of `NORMALIZATIONS`, or "auto" to choose among them.
    refit : bool
        Solve closed forms again on all windows when everything is chosen.
    dropout : float
        Of the tokens, and inside the encoder, while training.
    plan : Plan
        Of fine-tuning.
    on_epoch : callable or None
        As in `train`.
    """
    windows = task.windows
    with isolated_randomness(plan.seed):
        names = NORMALIZATIONS if normalization == "auto" else (normalization,)
        baseline = best_baseline(task, names)
        network = network if strategy == "linear-probe" else copy.deepcopy(network)
        network = network.to(windows.device).eval()
        model = Forecast(
            network, windows.context_length, windows.horizon, baseline.normalization, dropout
        ).to(windows.device)
        model.eval()
        closed = ClosedForm(
            model, task, baseline, tokens=strategy in ("linear-probe", "probe-then-fine-tune")
        )
        choices: dict[str, str | float] = {**asdict(baseline), "penalty": closed.fit.penalty}
        history: History = []
        match strategy:
            case "linear-probe":
                choices |= {"token_scale": closed.token_scale}
                closed.set_heads(closed.fit)
            case "probe-then-fine-tune":
                choices |= {"token_scale": closed.token_scale}
                closed.set_heads(closed.fit)
                history = _improve(model, task, plan, on_epoch)
            case _:
                standardize_tokens(model, task)
                # the mean of the context, or of the phase in it, whatever the normalisation
                start = seasonal_mean(windows.context_length, windows.horizon, baseline.period or 1)
                _start_at(model, start)
                history, _ = finetune_forecast(model, task, plan, on_epoch)
                share = network_share(model, task, closed.fit)
                choices |= {"network_share": share}
                _average(model, closed.fit, share, start)
        errors, error_series = residuals(model, task)
        if refit and strategy != "probe-then-fine-tune":
            final = closed.on_all_windows()
            if strategy == "linear-probe":
                closed.set_heads(final)
            else:
                _set_window(model, final, share, start)
    model.cpu()
    errors = errors.cpu() * widening(task)
    if len(task.held_out) and independent_windows(task) < FEWEST_INDEPENDENT:
        errors = pooled_errors(errors)
        error_series = np.zeros(len(errors), np.intp)
    return Fitted(model, errors, error_series, choices, history)


# -- the closed form ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Baseline:
    """The forecast before anything is learned, in which a ridge learns what to change.

    Attributes
    ----------
    normalization : str
        One of `NORMALIZATIONS`.
    period : int
        The forecast is the mean of the same phase of a period in the context; 0 is the last value
        or the mean, whatever is subtracted from the context.
    drift : bool
        Whether forecasts may drift away from that in the same way for all contexts.
    """

    normalization: str
    period: int = 0
    drift: bool = True

    def prior(self, task: Task, n_tokens: int = 0, center: Tensor | None = None) -> Prior:
        """Return it for the ridge on windows, and on tokens around ``center``."""
        n_window, horizon = task.windows.context_length, task.windows.horizon
        coef = torch.zeros(horizon, n_window, dtype=torch.float64)
        if self.period:
            coef = seasonal_mean(n_window, horizon, self.period)
        coef = torch.cat([coef, coef.new_zeros(horizon, n_tokens)], 1)
        origin = None
        if not self.drift:
            origin = coef.new_zeros(n_window)
            if center is not None:
                origin = torch.cat([origin, center.cpu().double()])
        return Prior(coef.to(task.windows.device), origin)


def best_baseline(task: Task, normalizations: Sequence[str] = NORMALIZATIONS) -> Baseline:
    """Choose the baseline whose ridge on the window does best on held-out windows.

    The plain one with the first normalisation, unless another one is clearly better.
    """
    plain = Baseline(normalizations[0])
    if not len(task.held_out):
        return plain
    errors = {}
    for name in normalizations:
        moments, blocks = _window_moments(task, name)
        for period in (0, best_period(moments)):
            for drift in (True, False):
                baseline = Baseline(name, period, drift)
                errors[baseline] = _window_ridge(task, moments, blocks, baseline)[1]
    return clearly_best(errors)


def best_period(moments: Moments) -> int:
    """Return the period whose `seasonal_mean` is best on the windows behind ``moments``.

    Up to an error that is the same in all windows, as a trend makes it.
    """
    n_window, n_targets = len(moments.xx) - 1, moments.xy.shape[1]
    (center, mean), total = moments.means(), moments.total
    cross = moments.xx[:-1, :-1] / total - torch.outer(center, center)
    target = moments.xy[:-1] / total - torch.outer(center, mean)
    errors = {}
    for period in range(1, n_window // 2 + 1):
        k = n_window // period
        of_phase = cross[-k * period :, -k * period :].reshape(k, period, k, period)
        square = of_phase.diagonal(dim1=1, dim2=3).mean((0, 1))
        product = target[-k * period :].reshape(k, period, n_targets).mean(0)
        step = torch.arange(n_targets, device=cross.device)
        errors[period] = float((square[step % period] - 2 * product[step % period, step]).sum())
    return min(errors, key=lambda period: errors[period], default=0)


def window_ridge(task: Task, baseline: Baseline) -> tuple[RidgeFit, Tensor]:
    """Solve the ridge on the window alone, its penalty chosen on held-out windows.

    Returned with its sums of squared errors in the blocks of these.
    """
    return _window_ridge(task, *_window_moments(task, baseline.normalization), baseline)


def _window_moments(task: Task, normalization: str) -> tuple[Moments, list[Moments]]:
    """Sum up the windows to train on, and the held-out ones."""
    index = thinned(task.train, MOST_TRAINED)
    return _moments(None, task, index, normalization, normalization), _held_out_moments(
        None, task, normalization
    )


def _window_ridge(
    task: Task, moments: Moments, blocks: list[Moments], baseline: Baseline
) -> tuple[RidgeFit, Tensor]:
    scale = torch.ones(task.windows.context_length, dtype=torch.float64)
    fit = choose(moments, merged(blocks), scale, baseline.prior(task))
    return fit, _block_errors(fit, blocks)


def _block_errors(fit: RidgeFit, blocks: list[Moments]) -> Tensor:
    return torch.stack([block.sum_of_squares(fit.coef, fit.intercept) for block in blocks])


def clearly_best(errors: dict[Choice, Tensor]) -> Choice:
    """Return the first choice, unless the best one is clearly better.

    That is, by more than `MARGIN` and by more than the standard error of the mean difference over
    blocks of time. Held-out windows overlap, so that even many of them say little; smaller
    differences between parts of a series often turn round in the next part.

    Parameters
    ----------
    errors : dict
        By choice, the sums of squared errors in all blocks, (n_blocks,).

    Examples
    --------
    >>> import torch
    >>> clearly_best({"plain": torch.tensor([4.0, 2.0]), "rich": torch.tensor([1.0, 4.0])})
    'plain'
    >>> clearly_best({"plain": torch.tensor([4.0, 3.0]), "rich": torch.tensor([2.0, 1.5])})
    'rich'
    """
    first = next(iter(errors))
    best = min(errors, key=lambda choice: float(errors[choice].sum()))
    gain = (errors[first] - errors[best]) / errors[first].mean()
    if len(gain) < 2:
        return first
    return best if float(gain.mean()) > max(MARGIN, float(gain.std()) / len(gain) ** 0.5) else first


class ClosedForm:
    """The ridge on windows and, if asked for, on the model's tokens for them.

    The penalty has the smallest error on held-out windows. So has the price of tokens against that
    of window points, but tokens must be clearly better than none. Without held-out windows, there
    is a cautious penalty, and no tokens.

    Parameters
    ----------
    model : Forecast
        Its ``center`` and ``spread`` are set to those of the tokens.
    task : Task
    baseline : Baseline
    tokens : bool

    Attributes
    ----------
    fit : RidgeFit
        On the training windows.
    token_scale : float
    """

    def __init__(self, model: Forecast, task: Task, baseline: Baseline, tokens: bool) -> None:
        self.model, self.name = model, model.normalization
        featured = model if tokens else None
        self.moments = _moments(
            featured, task, thinned(task.train, MOST_TRAINED), self.name, self.name
        )
        blocks = _held_out_moments(featured, task, self.name)
        # to be solved on both parts, windows must be weighted alike
        self.held_out = blocks
        if self.name == "standard":
            self.held_out = _held_out_moments(featured, task, self.name, self.name)
        n_window = model.context_length
        spread = self.moments.spread()[n_window:]
        constant = spread == 0
        if tokens:
            model.center = self.moments.means()[0][n_window:].float()
            model.spread = spread.masked_fill(constant, 1).float()
        window = torch.ones(n_window, dtype=torch.float64, device=spread.device)
        unit = (1 / spread.masked_fill(constant, 1)).masked_fill(constant, 0)
        self.scales = {
            share: torch.cat([window, share * unit])
            for share in (TOKEN_SCALES if tokens else TOKEN_SCALES[:1])
        }
        self.prior = baseline.prior(task, len(spread), self.moments.means()[0][n_window:])
        self.token_scale = TOKEN_SCALES[0]
        if not blocks:
            self.fit = self._solve(self.moments, CAUTIOUS_PENALTY)
            if len(task.train) < FEWEST_TRAINED:
                self.fit = _nothing(self.fit)
            return
        held_out = merged(blocks)
        fits = {
            share: choose(self.moments, held_out, scale, self.prior)
            for share, scale in self.scales.items()
        }
        self.token_scale = clearly_best(
            {share: _block_errors(fit, blocks) for share, fit in fits.items()}
        )
        self.fit = fits[self.token_scale]

    def on_all_windows(self) -> RidgeFit:
        """Solve again with the same penalty, held-out windows included."""
        if not self.held_out:
            return self.fit
        return self._solve(merged([self.moments, *self.held_out]), self.fit.penalty)

    def _solve(self, moments: Moments, penalty: float) -> RidgeFit:
        return solve(moments, penalty, self.scales[self.token_scale], self.prior)

    def set_heads(self, fit: RidgeFit) -> None:
        """Make it the model's forecast."""
        model = self.model
        window = fit.coef[:, : model.context_length]
        tokens = fit.coef[:, model.context_length :]
        with torch.no_grad():
            model.window_head.weight.copy_(window)
            model.token_head.weight.copy_(tokens * model.spread)
            model.token_head.bias.zero_()
            model.window_head.bias.copy_(fit.intercept + tokens @ model.center.double())


def _nothing(fit: RidgeFit) -> RidgeFit:
    """Return the map of the same shape that goes on with what was taken off the context."""
    return RidgeFit(torch.zeros_like(fit.coef), torch.zeros_like(fit.intercept), float("inf"))


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


def _held_out_moments(
    model: Forecast | None, task: Task, normalization: str, weighting: str = CRITERION
) -> list[Moments]:
    """Sum up the held-out windows, block by block of time."""
    most = MOST_HELD_OUT // N_BLOCKS
    return [
        _moments(model, task, thinned(block, most), normalization, weighting)
        for block in task.blocks(task.held_out)
    ]


# -- gradient steps -------------------------------------------------------------------------------


def finetune_forecast(
    model: Forecast,
    task: Task,
    plan: Plan,
    on_epoch: Callable[[dict[str, float]], bool] | None = None,
) -> tuple[History, bool]:
    """Train encoder and token head in place, the best epoch chosen on held-out windows.

    The window head stays as it is. Errors count in the unit of the series, as in all choices; what
    a few wild windows could do is bounded by the norm that gradients are clipped to.
    """
    name = model.normalization
    evaluated = thinned(task.held_out, MOST_EVALUATED)
    model.window_head.requires_grad_(False)
    for module in model.network.modules():
        if isinstance(module, nn.Dropout):
            module.p = model.dropout.p

    def losses(index: Tensor, _: torch.Generator) -> dict[str, Tensor]:
        batch = task.batch(task.train[index.cpu().numpy()], name)
        return {"total": _squared_error(model(batch.context), batch) / len(index)}

    return train(
        model,
        plan,
        len(task.train),
        losses,
        (lambda: {"criterion": held_out_error(model, task, evaluated)}) if len(evaluated) else None,
        device=task.windows.device,
        on_epoch=on_epoch,
    )


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
    on_epoch: Callable[[dict[str, float]], bool] | None,
) -> History:
    """Fine-tune with small steps, and go back to the start if no epoch was better than it."""
    evaluated = thinned(task.held_out, MOST_EVALUATED)
    if not len(evaluated):
        return []  # nothing could tell whether a step was an improvement
    start = copy.deepcopy(model.state_dict())
    error = held_out_error(model, task, evaluated)
    small = replace(plan, lr=SMALL_STEPS * plan.lr)
    history, _ = finetune_forecast(model, task, small, on_epoch)
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
        for batch in task.batches(thinned(task.held_out, MOST_EVALUATED), model.normalization):
            network = model(batch.context).double()
            linear = batch.context.window @ ridge.coef.T + ridge.intercept
            for share in errors:
                mixed = share * network + (1 - share) * linear
                errors[share] += float(_squared_error(mixed, batch))
    return min(errors, key=lambda share: errors[share])


def _average(model: Forecast, ridge: RidgeFit, share: float, start: Tensor) -> None:
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


def _start_at(model: Forecast, start: Tensor) -> None:
    """Let the window head be a given map."""
    with torch.no_grad():
        model.window_head.weight.copy_(start)
        model.window_head.bias.zero_()


def standardize_tokens(model: Forecast, task: Task) -> None:
    """Learn centre and spread of the tokens for a head that starts at zero."""
    with torch.inference_mode():
        batch = task.batch(thinned(task.train, _BATCH), model.normalization)
        tokens = model.tokens(batch.context.standard.float(), batch.context.observed)
    spread = tokens.std(0, correction=0)
    model.center = tokens.mean(0).clone()
    model.spread = spread.masked_fill(spread <= 1e-6 * tokens.abs().amax(0), 1).clone()


# -- how wrong forecasts are ----------------------------------------------------------------------


def residuals(model: Forecast, task: Task) -> tuple[Tensor, Index]:
    """Return errors on held-out windows, in units of `error_unit`, and the series each is of.

    Where nothing is held out, those of going on with the last value (or the mean) on all windows,
    in both directions: what a head gets wrong on its own training windows would be too little.
    """
    held_out = len(task.held_out) > 0
    index = thinned(task.held_out if held_out else task.train, MOST_RESIDUALS)
    found = []
    with torch.inference_mode():
        for batch in task.batches(index, model.normalization):
            forecast = model(batch.context) if held_out else 0.0
            error = (batch.target - forecast) * batch.relative / error_unit(batch.relative)
            found.append(error.masked_fill(~batch.observed, torch.nan).float())
    errors, series = torch.cat(found), task.windows.series[index]
    if not held_out:
        return torch.cat([errors, -errors]), np.tile(series, 2)
    return errors, series


def widening(task: Task) -> float:
    """Return the factor by which errors on few windows are taken to be larger.

    As in the prediction interval of a mean, for n windows that do not overlap: errors on what
    choices were made on are too small, and the next one is as uncertain as their mean.
    """
    if not len(task.held_out):
        return 1.0
    n = independent_windows(task)
    return float(np.sqrt((n + 1) / max(n - 1, 0.5)))


def independent_windows(task: Task) -> float:
    """Return how many of the held-out windows have no target in common."""
    counts = np.bincount(task.windows.series[task.held_out])
    return float(np.ceil(counts / task.windows.horizon).sum())


def pooled_errors(errors: Tensor) -> Tensor:
    """Return what errors every step may have, where few windows cannot tell for each of them.

    The errors of all steps in units of the root mean square up to their step, in both directions,
    times that of each step.

    Parameters
    ----------
    errors : Tensor, shape (n, horizon)
        NaN where unknown.

    Returns
    -------
    Tensor, shape (m, horizon)

    Examples
    --------
    >>> import torch
    >>> pooled_errors(torch.tensor([[1.0, 7.0]]))
    tensor([[ 1.0000,  5.0000],
            [ 1.4000,  7.0000],
            [-1.0000, -5.0000],
            [-1.4000, -7.0000]])
    """
    observed = ~errors.isnan()
    squares = errors.square().masked_fill(~observed, 0).sum(0).cumsum(0)
    scale = (squares / observed.sum(0).cumsum(0).clamp(min=1)).sqrt()
    relative = (errors / scale.masked_fill(scale == 0, 1))[observed]
    if not len(relative):
        return errors
    chosen = relative[torch.as_tensor(thinned(np.arange(len(relative)), MOST_RESIDUALS // 2))]
    return torch.cat([chosen, -chosen])[:, None] * scale


def error_unit(relative: Tensor) -> Tensor:
    """Return the unit of residuals, in units of the series: between context and series."""
    return ((relative.square() + 1) / 2).sqrt()
