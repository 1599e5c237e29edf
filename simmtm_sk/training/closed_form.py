"""A forecast in closed form: ridges on windows and tokens, and what they go out from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from ..data.forecast_windows import Index, subsample
from ..nn.forecast import NORMALIZATIONS, Forecast, seasonal_mean
from ..nn.ridge import Moments, Prior, RidgeFit, choose, merged, solve
from .task import N_BLOCKS, Task

MOST_TRAINED, MOST_HELD_OUT = 60_000, 20_000  # windows behind a closed form
TOKEN_SCALES = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # 0 is the ridge on the window alone
CAUTIOUS_PENALTY = 1.0  # where nothing can be held out
FEWEST_TRAINED = 10  # windows, below which nothing is learned if nothing can be held out
CRITERION = "last"  # the weighting of all choices: errors in the unit of the series
MARGIN = 0.02  # share of the error that a choice beyond the simplest must save

Choice = TypeVar("Choice")


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
        moments, blocks = training_moments(task, name)
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
    return _window_ridge(task, *training_moments(task, baseline.normalization), baseline)


def training_moments(task: Task, normalization: str) -> tuple[Moments, list[Moments]]:
    """Sum up the windows to train on, and the held-out ones."""
    index = subsample(task.train, MOST_TRAINED)
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


def clearly_best(errors: dict[Choice, Tensor], margin: float = MARGIN) -> Choice:
    """Return the first choice, unless the best one is clearly better.

    That is, by more than ``margin`` and by more than the standard error of the mean difference over
    blocks of time. Held-out windows overlap, so that even many of them say little; smaller
    differences between parts of a series often turn round in the next part.

    Parameters
    ----------
    errors : dict
        By choice, the sums of squared errors in all blocks, (n_blocks,).
    margin : float, default=0.02
        Share of the error.

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
    return best if float(gain.mean()) > max(margin, float(gain.std()) / len(gain) ** 0.5) else first


class ClosedForm:
    """The ridge on windows and, if asked for, on the model's tokens for them.

    The penalty has the smallest error on held-out windows. So has the price of tokens against that
    of window points, but tokens must be clearly better than none. Without held-out windows, there
    is a cautious penalty, and no tokens.

    Parameters
    ----------
    model : Forecast
        Its ``center`` and ``std`` are set to those of the tokens.
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
            featured, task, subsample(task.train, MOST_TRAINED), self.name, self.name
        )
        blocks = _held_out_moments(featured, task, self.name)
        # to be solved on both parts, windows must be weighted alike
        self.held_out = blocks
        if self.name == "standard":
            self.held_out = _held_out_moments(featured, task, self.name, self.name)
        n_window = model.context_length
        std = self.moments.std()[n_window:]
        constant = std == 0
        if tokens:
            model.center = self.moments.means()[0][n_window:].float()
            model.std = std.masked_fill(constant, 1).float()
        window = torch.ones(n_window, dtype=torch.float64, device=std.device)
        unit = (1 / std.masked_fill(constant, 1)).masked_fill(constant, 0)
        self.scales = {
            share: torch.cat([window, share * unit])
            for share in (TOKEN_SCALES if tokens else TOKEN_SCALES[:1])
        }
        self.prior = baseline.prior(task, len(std), self.moments.means()[0][n_window:])
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
            model.token_head.weight.copy_(tokens * model.std)
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
        _moments(model, task, subsample(block, most), normalization, weighting)
        for block in task.blocks(task.held_out)
    ]
