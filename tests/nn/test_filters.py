"""The filter bank, against a slow obvious one."""

import numpy as np
import pytest
import torch

from simmtm_sk.nn import filters
from simmtm_sk.nn.filters import FilterBank
from tests.reference.dilated import dilated_responses

DRAW = torch.Generator().manual_seed(0)
VALUES = torch.randn(12, 2, 40, generator=DRAW, dtype=torch.float64)
WITHIN = torch.ones(12, 40, dtype=torch.bool)
WITHIN[::3, 25:] = False


@pytest.fixture
def bank():
    torch.manual_seed(0)
    return FilterBank(2, 40).double()


@pytest.mark.parametrize("within", [None, WITHIN], ids=["whole", "padded"])
def test_shares_by_hand(bank, within):
    values = VALUES if within is None else VALUES.masked_fill(~within[:, None], 0)
    bank.fit(values, within)
    shares = bank(values, within)
    assert shares.shape == (12, bank.n_features)
    shares = shares.reshape(12, 4, filters.N_THRESHOLDS, filters.N_FILTERS)
    for k in (0, 1):
        length = 40 if within is None else int(within[k].sum())
        for i in range(4):
            responses = dilated_responses(bank.weight[i].numpy(), values[k].numpy(), 2**i)
            for j in range(filters.N_THRESHOLDS):
                above = responses[:, :length] > bank.threshold[i, :, j, None].numpy()
                np.testing.assert_allclose(shares[k, i, j], above.mean(1), atol=1e-12)


def test_thresholds_are_evenly_spread_quantiles(bank):
    bank.fit(VALUES, None)
    shares = bank(VALUES, None).mean(0).reshape(4, filters.N_THRESHOLDS, filters.N_FILTERS)
    expected = 1 - (torch.arange(filters.N_THRESHOLDS) + 0.5) / filters.N_THRESHOLDS
    torch.testing.assert_close(shares.mean((0, 2)), expected.double(), atol=0.01, rtol=0)
    assert bool((shares.diff(dim=1) < 0).all())  # a higher threshold is passed less often
    assert len(shares[:, 0].unique()) > filters.N_FILTERS  # and not at the same ones by all


def test_filters_see_no_level(bank):
    bank.fit(VALUES, None)
    inner = slice(16, 24)  # away from the zeros beyond the ends
    plain, raised = (bank.responses(x, 1)[..., inner] for x in (VALUES, VALUES + 7))
    torch.testing.assert_close(plain, raised, atol=1e-5, rtol=0)  # weights are float32


def test_a_series_that_does_not_vary_passes_no_threshold_by_rounding():
    """Most points respond with zero, which is then a threshold, too."""
    torch.manual_seed(0)
    bank = FilterBank(1, 64)
    flat = torch.full((6, 1, 64), 3.0)
    flat[:, :, 30:33] = 4.0
    bank.fit(flat, None)
    shares = bank(flat, None)
    assert torch.equal(shares, bank(flat + 1e-6, None))


@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_any_length(length):
    bank = FilterBank(1, length)
    values = torch.randn(3, 1, length)
    bank.fit(values, None)
    assert bool(bank(values, None).isfinite().all())
    assert bank(torch.randn(2, 1, 100), None).shape == (2, bank.n_features)


def test_filters_reach_as_far_as_the_series():
    """The last ones span at least its half, none more than twice its length."""
    for length in (20, 150, 500, 3000):
        span = (filters.N_TAPS - 1) * 2 ** (len(FilterBank(1, length).weight) - 1)
        assert length / 2 <= span < 2 * length


def test_nothing_is_trained(bank):
    assert not list(bank.parameters())
