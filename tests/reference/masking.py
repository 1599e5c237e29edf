"""Slow, obvious versions of the chain of masks, normalisation, and instance statistics."""

import math

import torch


def two_state_chain(draws, start_draws, mask_ratio, mask_length):
    """Walk every row of ``draws`` from left to right: nested lists, True = visible.

    A point leaves the state of the one before it if its draw is below that state's probability.
    """
    hidden_run = max(mask_length, mask_ratio / (1 - mask_ratio))
    visible_run = hidden_run * (1 - mask_ratio) / mask_ratio
    rows = []
    for row, start in zip(draws.tolist(), start_draws.flatten().tolist(), strict=True):
        visible = start >= mask_ratio
        states = [visible]
        for draw in row[1:]:
            if draw < 1 / (visible_run if visible else hidden_run):
                visible = not visible
            states.append(visible)
        rows.append(states)
    return rows


def normalized(values, visible):
    """Standardise each row of (..., length) by its visible points; hidden = 0; float64."""
    out = torch.zeros(values.shape, dtype=torch.float64)
    for row, seen, result in zip(
        values.flatten(0, -2).tolist(),
        visible.flatten(0, -2).tolist(),
        out.flatten(0, -2),
        strict=True,
    ):
        shown = [v for v, s in zip(row, seen, strict=True) if s]
        if not shown:
            continue
        mean = math.fsum(shown) / len(shown)
        std = math.sqrt(math.fsum((v - mean) ** 2 for v in shown) / len(shown))
        if max(shown) == min(shown):
            mean, std = shown[0], 1.0
        for t, s in enumerate(seen):
            if s:
                result[t] = (row[t] - mean) / std
    return out


def instance_stats(values, visible):
    """Means, then log standard deviations of the channels of each (C, L) row; unseen = NaN."""
    out = []
    for row, seen in zip(values.tolist(), visible.tolist(), strict=True):
        means, logs = [], []
        for channel, shows in zip(row, seen, strict=True):
            shown = [v for v, s in zip(channel, shows, strict=True) if s]
            if not shown:
                means.append(math.nan)
                logs.append(math.nan)
                continue
            mean = math.fsum(shown) / len(shown)
            std = math.sqrt(math.fsum((v - mean) ** 2 for v in shown) / len(shown))
            means.append(mean)
            logs.append(-math.inf if max(shown) == min(shown) else math.log(std))
        out.append(means + logs)
    return torch.tensor(out, dtype=torch.float64)


def random_case(shape, dtype=torch.float64, seed=0, share=0.6):
    """Values around 3, of which about that share is visible."""
    generator = torch.Generator().manual_seed(seed)
    values = 3 + 2 * torch.randn(shape, generator=generator, dtype=dtype)
    return values, torch.rand(shape, generator=generator) < share


def visible_all(values):
    """A mask that hides nothing."""
    return torch.ones_like(values, dtype=torch.bool)
