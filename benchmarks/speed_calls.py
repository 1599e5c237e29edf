"""Everyday calls: whole fits, fine-tuning, embedding."""

import os
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from forecasting import load_series
from speed_steps import FAMILIES, EveryEpoch, Steps, convolutions, gunpoint, random_walks
from turns import Case, Turns, answer_of

from simmtm_sk import SimMTMTransformer
from simmtm_sk.data import WindowDataset
from simmtm_sk.forecaster_learning import default_transformer
from simmtm_sk.nn.supervised import Supervised
from simmtm_sk.training.contexts import pretraining_windows
from simmtm_sk.training.finetuning import cross_entropy, finetune


def finetuning_steps(transformer: SimMTMTransformer, channels: int, length: int, turns: Turns):
    per_turn = 3
    steps = Steps(transformer, channels, length, per_turn=per_turn)
    n_series = per_turn * int(transformer.batch_size)
    rows = WindowDataset(random_walks(n_series, channels, length))
    turns.ready()
    network = steps.network()
    statistics = ("max", "min", "std", "ppv")
    with torch.no_grad():
        width = network.embed(*rows.gather(torch.arange(1)), statistics, True).shape[1]
    model = Supervised(
        network, statistics, True, 1, torch.zeros(width), torch.ones(width), 2, dropout=0.0
    )
    finetune(
        model,
        rows,
        torch.zeros(n_series, 0),
        torch.arange(n_series) % 2,
        torch.ones(n_series),
        cross_entropy(torch.eye(2)),
        torch.empty(0, dtype=torch.long),
        steps.settings().plan,
        monitor=EveryEpoch(turns, per_turn),
    )


def transforms(transformer: SimMTMTransformer, shape: tuple[int, int, int], turns: Turns) -> None:
    values = random_walks(*shape)
    fitted = transformer.set_params(num_epochs=0).fit(values[:2])
    turns.ready()
    turns.repeat(lambda: fitted.transform(values))


def fits(transformer: SimMTMTransformer, values: np.ndarray, turns: Turns) -> None:
    turns.ready()
    turns.repeat(lambda: transformer.fit(values))


def etth1_windows(home: str | None) -> np.ndarray:
    """What a forecaster pre-trains on."""
    series = load_series("ETTh1", home)
    return pretraining_windows(list(series.values[: series.train_end].T), series.context)


def calls_suite(quick: bool, home: str | None) -> Iterator[list[Case]]:
    length, channels, windows = (48, 2, 4) if quick else (336, 7, 32)
    size = {"length": length, "channels": channels}
    for name, family in FAMILIES.items():
        steps = Steps(family(channels, windows), channels, length)
        yield [steps.case(f"pre-training step, {name}", work=True)]
    one = convolutions(windows=windows)
    batch = {**size, "windows": windows, "window_channels": windows * channels}
    tuning = partial(finetuning_steps, one, channels, length)
    yield [Case("fine-tuning step, convolutions", tuning, {**batch, "rows": windows})]
    n = 10 if quick else 500
    many = {**size, "windows": n, "window_channels": n * channels, "n_series": n}
    for name, family in FAMILIES.items():
        run = partial(transforms, family(channels, windows), (n, channels, length))
        yield [Case(f"transform, {name}", run, many, turns=3)]

    cores = os.cpu_count() or 1
    few = {"num_epochs": 1} if quick else {}
    values = gunpoint()
    run = partial(fits, convolutions(**few), values)
    settings = {"n_series": len(values), "length": values.shape[2], "channels": 1}
    yield [Case("fit, GunPoint", run, {**settings, "threads": cores}, turns=3)]
    try:
        windows_of = answer_of(partial(etth1_windows, home), limit=60)[: 200 if quick else None]
    except EOFError:
        print("  fit, windows of ETTh1 left out", flush=True)
        return
    length = windows_of.shape[2]
    transformer = default_transformer(length).set_params(random_state=0, **few)
    run = partial(fits, transformer, windows_of)
    settings = {"n_series": len(windows_of), "length": length, "channels": 1, "threads": cores}
    yield [Case("fit, windows of ETTh1", run, settings, turns=1, warm_up=0, limit=300)]
