"""What a step costs, in operations and not in seconds: a slip is noticed on any machine.

Seconds are measured in benchmarks/speed.py. Here the work of matrix products and convolutions and
the numbers that all operations write are counted, which is what the time of a step follows from.
"""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from simmtm_sk import ConvEncoder, PatchEncoder
from simmtm_sk.nn.masking import geometric_mask, masked_views
from simmtm_sk.nn.model import SimMTM
from simmtm_sk.objectives import SimMTMObjective
from simmtm_sk.training.loop import Plan, train

N_SERIES, N_MASKS, LENGTH = 16, 2, 96
N_ROWS = N_SERIES * (1 + N_MASKS)


class Written(TorchDispatchMode):
    """Counts the numbers that operations write; views write none."""

    def __init__(self):
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.numbers += sum(x.numel() for x in tree_leaves(results) if torch.is_tensor(x))
        return results


def step(encoder, n_channels):
    """Return a whole step of training: views, losses, gradients, optimiser."""
    torch.manual_seed(0)
    network = SimMTM(
        encoder.build(n_channels, LENGTH), n_channels, 64, SimMTMObjective(0.1, 0.1, 1.0)
    )
    shape = (N_SERIES, n_channels, LENGTH)
    values, observed = torch.randn(shape), torch.ones(shape, dtype=torch.bool)
    plan = Plan(n_epochs=1, batch_size=N_SERIES, lr=1e-3, weight_decay=0.01, seed=0)

    def losses(index, generator):
        views = masked_views(observed, N_MASKS, geometric_mask, 0.5, 5.0, generator)
        return network.losses(values, observed, None, views)

    return lambda: train(network, plan, N_SERIES, losses, device=torch.device("cpu"))


# Counted in layers of rows x tokens x d_model numbers, when this was last made better; a tenth is
# left for other versions of torch.
@pytest.mark.parametrize(
    ("encoder", "n_channels", "layer", "passes"),
    [
        (ConvEncoder(), 1, N_ROWS * LENGTH * 64, 65.2),
        (ConvEncoder(), 21, N_ROWS * LENGTH * 64, 83.8),
        (PatchEncoder(), 1, N_ROWS * LENGTH // 8 * 64, 140.5),
    ],
    ids=["conv", "conv, 21 channels", "patch"],
)
def test_no_pass_over_the_activations_too_many(encoder, n_channels, layer, passes):
    one_step = step(encoder, n_channels)
    with Written() as written:
        one_step()
    assert written.numbers / layer < 1.1 * passes


def test_the_work_of_the_default_step_is_that_of_its_convolutions():
    """Forward, and twice that for the gradients of inputs and weights: nothing is done twice."""
    n_layers, taps, width = 7, 5, 64
    forward = 2 * N_ROWS * LENGTH * taps * width * (2 + n_layers * width)
    one_step = step(ConvEncoder(), 1)
    with FlopCounterMode(display=False) as counter:
        one_step()
    assert counter.get_total_flops() < 1.03 * 3 * forward
