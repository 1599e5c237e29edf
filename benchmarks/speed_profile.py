"""What a step spends its time on, by groups of torch's operators."""

import dataclasses
from functools import partial
from typing import Any

import torch
from probe import Row
from speed_steps import Steps, convolutions
from turns import answer_of

from simmtm_sk.forecaster_learning import default_transformer
from simmtm_sk.training.pretraining import pretrain

# The first group that fits counts: what an operator of torch is called, or one that calls it.
GROUPS = {
    "masks": ("masks",),
    "optimiser": ("Optimizer", "_foreach", "fused_adam", "linalg_vector_norm"),
    "convolution, backward": ("convolution_backward",),
    "convolution, forward": ("mkldnn_convolution", "convolution"),
    "attention": ("scaled_dot_product",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "mkldnn_linear", "aten::linear"),
    "layer norm": ("layer_norm",),
    "GELU": ("gelu",),
    "softmax": ("softmax", "logsumexp"),
    "copies": (
        *("copy_", "aten::clone", "aten::cat", "aten::repeat", "aten::index", "contiguous"),
        *("aten::fill_", "aten::zero", "aten::empty", "aten::stack"),
    ),
}
BY_CALLER = ("masks", "optimiser")


def group_of(event: Any) -> str:
    names = [event.name]
    caller = event.cpu_parent
    while caller is not None:
        names.append(caller.name)
        caller = caller.cpu_parent
    for group, names_of in GROUPS.items():
        within = names if group in BY_CALLER else names[:1]
        if any(part in name for name in within for part in names_of):
            return group
    return "rest"


def profile(steps: Steps, n_steps: int) -> dict[str, float]:
    """Milliseconds of a step by group: of torch's operators alone, without Python between them."""
    steps = dataclasses.replace(steps, per_turn=n_steps)
    rows = steps.data()
    network = steps.network()
    pretrain(network, rows, steps.settings(epochs=1))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        pretrain(network, rows, steps.settings(epochs=1))
    times = dict.fromkeys([*GROUPS, "rest"], 0.0)
    for event in profiler.events():
        times[group_of(event)] += event.self_cpu_time_total / 1000 / n_steps
    return times


def profile_rows(quick: bool) -> list[Row]:
    length, channels = (48, 2) if quick else (336, 7)
    profiled = {
        "default encoder": Steps(convolutions(), channels, length),
        "forecaster's encoder": Steps(default_transformer(length), channels, length),
    }
    rows = []
    for case, steps in profiled.items():
        times = answer_of(partial(profile, steps, 2 if quick else 10), limit=120)
        total = sum(times.values())
        for group, spent in times.items():
            row = {"case": case, "group": group}
            rows.append({**row, "milliseconds": round(spent, 2), "share": round(spent / total, 4)})
            print(*rows[-1].values(), flush=True)
    return rows
