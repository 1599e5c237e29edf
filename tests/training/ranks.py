"""One rank of two, for test_distributed.py: ``python -m tests.training.ranks CASE RANK FOLDER``."""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from simmtm_sk import ConvEncoder, PatchEncoder, SimMTMObjective
from simmtm_sk.nn.masking import geometric_mask, masked_views
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.training.distributed import Ranks
from tests.small import StopAtOnce, small

X = np.random.default_rng(0).normal(size=(27, 2, 20)).cumsum(2)
PATCHES = {"patch_length": 4, "d_model": 4, "n_layers": 1, "n_heads": 1, "d_feedforward": 4}
STEPS = {  # decoded before the neighbours are averaged, and after
    "decodes first": (ConvEncoder(d_model=8, n_layers=2), SimMTMObjective()),
    "decodes last": (PatchEncoder(**PATCHES), SimMTMObjective(constraint_weight="learned")),
}


class DyingMask:
    """The third step never ends on rank 1."""

    def __init__(self, how):
        self.how, self.calls = how, 0

    def __call__(self, *args):
        self.calls += 1
        if self.calls == 3 and dist.is_initialized() and dist.get_rank() == 1:
            if self.how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt
        return geometric_mask(*args)


def fitted(callback=None, **params):
    """Twenty rows to train on and six to validate on, in steps of up to eight."""
    given = {"batch_size": 8, "validation_fraction": 0.25, "num_epochs": 4, "lr": 0.01}
    estimator = small(**{**given, **params})
    if callback is not None:
        estimator.set_callbacks(callback)
    return estimator.fit(X)


def compare_steps(name):
    """Largest difference of losses and of gradients between one rank and two; their size."""
    encoder, objective = STEPS[name]
    torch.manual_seed(0)
    network = SimMTM(encoder.build(1, 20), 1, 4, objective)
    values = torch.tensor(X[:7, :1], dtype=torch.float32)
    observed = torch.rand(values.shape) > 0.1
    draw = torch.Generator().manual_seed(0)
    views = masked_views(observed, 3, geometric_mask, 0.5, 5.0, draw, values)
    ranks = Ranks.joined(torch.device("cpu"))

    def results(encoded):
        network.zero_grad()
        losses = network.losses(values, observed, None, views, *encoded)
        losses["total"].backward()
        if encoded:
            ranks.average_gradients(network)
        return [losses["total"].detach(), *(p.grad.clone() for p in network.parameters())]

    alone, together = results(()), results((ranks.in_micro_batches,))
    pairs = zip(alone, together, strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs), float(max(a.max() for a in alone))


def equal(rank, folder):
    """Steps, a fit, a fit that was stopped and goes on, and one that cannot be."""
    found = {name: compare_steps(name) for name in STEPS}
    embed = fitted()
    np.save(folder / f"embedding{rank}.npy", embed.transform(X))
    found["history"] = embed.history_
    checkpoints = folder / f"checkpoints{rank}"
    fitted(checkpoint_dir=checkpoints, callback=StopAtOnce())
    found["checkpoints"] = len(list(checkpoints.glob("*.pt")))
    continued = fitted(checkpoint_dir=checkpoints)
    found["continued"] = bool(np.array_equal(continued.transform(X), embed.transform(X)))
    try:
        fitted(random_state=rank)
    except ValueError as error:
        found["refused"] = str(error)
    (folder / f"found{rank}.json").write_text(json.dumps(found))


def main(case, rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/group",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=100),
    )
    if case == "equal":
        equal(rank, folder)
    else:
        fitted(masking=DyingMask(case))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
