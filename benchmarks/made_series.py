"""Series to pre-train on that nobody has recorded, and an encoder that has seen nothing else."""

from functools import cache

import numpy as np

from simmtm_sk import SimMTMTransformer
from simmtm_sk.forecaster_learning import default_transformer

N_MADE = 10_000  # windows


@cache
def made_encoder(length: int, seed: int, num_epochs: int | str = "auto") -> SimMTMTransformer:
    """Pre-trained as a forecaster pre-trains its own, on made windows of that length."""
    encoder = default_transformer(length)
    encoder.set_params(pooling=("mean",), metric_strength=0, num_epochs=num_epochs)
    encoder.set_params(precision="float32", random_state=seed)
    return encoder.fit(made_windows(N_MADE, length, seed)[:, None])


def made_windows(n: int, length: int, seed: int) -> np.ndarray:
    """Windows of made series: seasons of any period, smooth paths, steps and noise, standardised.

    The parts are drawn independently, and each is left out half of the time, but for one at least.
    """
    draw = np.random.default_rng(seed)
    time_points = np.arange(length)
    windows = np.empty((n, length))
    for window in windows:
        parts = []
        period = np.exp(draw.uniform(np.log(4), np.log(length)))
        shape = draw.normal(size=4) / np.arange(1, 5) ** draw.uniform(0, 2)
        phase = draw.uniform(0, 2 * np.pi, 4)
        turns = 2 * np.pi * np.outer(np.arange(1, 5), time_points) / period
        growth = 1 + draw.normal(0, 0.5) * time_points / length  # the season's amplitude
        parts.append(growth * (shape @ np.sin(turns + phase[:, None])))
        parts.append(draw.normal() * time_points / length)
        # a Gaussian process: noise smoothed over some range, and its running sum
        width = np.exp(draw.uniform(0, np.log(length / 4)))
        kernel = np.exp(-0.5 * (np.arange(-3 * int(width) - 1, 3 * int(width) + 2) / width) ** 2)
        rough = draw.normal(size=length + len(kernel) - 1)
        parts.append(np.convolve(rough, kernel / np.linalg.norm(kernel), "valid"))
        parts.append(draw.normal(size=length).cumsum() / np.sqrt(length))
        level = np.zeros(length)  # another regime
        level[draw.integers(length) :] = draw.normal()
        parts.append(level)
        kept = draw.random(len(parts)) < 0.5
        kept[draw.integers(len(parts))] = True
        scale = np.exp(draw.normal(0, 0.7, len(parts))) * kept
        window[:] = sum(part * size for part, size in zip(parts, scale, strict=True))
        window += np.exp(draw.uniform(np.log(0.01), np.log(0.7))) * draw.normal(size=length)
        window -= window.mean()
        window /= window.std()
    return windows.astype(np.float32)
