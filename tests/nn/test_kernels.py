"""The bank of competing kernels, against a slow obvious one."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn.kernels import GROUP, N_GROUPS, N_TAPS, KernelBank
from tests.reference.dilated import dilated_responses

DRAW = torch.Generator().manual_seed(0)
VALUES = torch.randn(6, 2, 30, generator=DRAW, dtype=torch.float64)
WITHIN = torch.ones(6, 30, dtype=torch.bool)
WITHIN[::3, 21:] = False


@pytest.fixture
def bank():
    torch.manual_seed(0)
    return KernelBank(2, 30).double()


def by_hand(bank, series):
    """The features of one series without padding: winners and losers of every group and step."""
    features = []
    for weights, values in ((bank.weight[0], series), (bank.weight[1], np.diff(series))):
        for i, weight in enumerate(weights.numpy()):
            most, least = np.zeros((2, GROUP, N_GROUPS))
            for at_step in dilated_responses(weight, values, 2**i).T:
                for g, group in enumerate(at_step.reshape(GROUP, N_GROUPS).T):
                    most[group.argmax(), g] += max(group.max(), 0)
                    least[group.argmin(), g] += group.min() < 0
            length = series.shape[1]
            features += [np.log1p(most / length).ravel(), least.ravel() / length]
    return np.concatenate(features)


@pytest.mark.parametrize("within", [None, WITHIN], ids=["whole", "padded"])
def test_features_by_hand(bank, within):
    values = VALUES if within is None else VALUES.masked_fill(~within[:, None], 0)
    features = bank(values, within)
    assert features.shape == (6, bank.n_features)
    for k in (0, 1):
        length = 30 if within is None else int(within[k].sum())
        expected = by_hand(bank, values[k, :, :length].numpy())
        np.testing.assert_allclose(features[k], expected, atol=1e-12)


def test_kernels_see_no_level(bank):
    """On the zeros that surround it, a level can only be seen from its ends."""
    level = torch.ones(1, 2, 100, dtype=torch.float64)
    within = torch.zeros(1, 100, dtype=torch.bool)
    within[:, 40:60] = True  # further from the ends than any tap reaches
    assert not bool(bank(level, within).any())


def test_rounding_does_not_decide():
    torch.manual_seed(0)
    bank = KernelBank(1, 64)
    steps = torch.zeros(4, 1, 64)
    steps[:, :, 30:33] = 3.0
    torch.testing.assert_close(bank(steps, None), bank(steps + 1e-7, None), atol=1e-3, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 9, 10])
def test_any_length(length):
    bank = KernelBank(1, length)
    values = torch.randn(3, 1, length, generator=DRAW)
    features = bank(values, None)
    assert features.shape == (3, bank.n_features)
    assert bool(features.isfinite().all())
    assert bank(torch.randn(2, 1, 100, generator=DRAW), None).shape == (2, bank.n_features)


def test_kernels_reach_as_far_as_the_series():
    """The last ones span more than half of it, and no more than all of it."""
    for length in (10, 17, 20, 150, 500, 3000):
        span = (N_TAPS - 1) * 2 ** (KernelBank(1, length).weight.shape[1] - 1) + 1
        assert length / 2 < span <= length


def test_rows_do_not_see_each_other(bank):
    torch.testing.assert_close(bank(VALUES, None)[2:3], bank(VALUES[2:3], None))


def test_names_say_where_features_are(bank):
    names = list(bank.names())
    assert len(set(names)) == len(names) == bank.n_features
    lost = names.index("kernels_steps_dilation2_group3_least5")
    weight = bank.weight[1, 1].reshape(GROUP, N_GROUPS, -1)
    weight[:, 3] = 0  # ties, which count for nobody
    assert float(bank(VALUES, None)[:, lost].abs().sum()) == 0
    assert float(bank(VALUES, None)[:, lost + 1].abs().sum()) > 0


def test_loud_series_do_not_outshine_others(bank):
    """A million times the size adds its logarithm at most."""
    loud = bank(1e6 * VALUES, None)
    assert (loud <= bank(VALUES, None) + np.log(1e6) + 1e-9).all()


def test_nothing_is_trained(bank):
    assert not list(bank.parameters())
