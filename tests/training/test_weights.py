import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from simmtm_sk.training.weights import combination_weights, horizon_blocks


def errors(n_members=5, n=60, horizon=4, seed=0):
    draw = np.random.default_rng(seed)
    common = draw.normal(size=(1, n, horizon))
    own = draw.normal(size=(n_members, n, horizon)) * np.arange(1, n_members + 1)[:, None, None]
    return torch.as_tensor(common + own)


def equal(n_members=5):
    return torch.full((n_members,), 1 / n_members)


def objective(found, products, shrinkage):
    return found @ (products + np.diag(shrinkage * products.diagonal())) @ found


@pytest.mark.parametrize("prior", [[0.2] * 5, [0.4, 0.3, 0.2, 0.06, 0.04]])
@pytest.mark.parametrize("n_independent", [1e9, 50.0, 5.0])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_best_on_the_simplex(prior, n_independent, seed):
    shrinkage = 1 / (n_independent * np.array(prior))
    given = errors(seed=seed)[..., :1]
    flat = given[..., 0].numpy()
    products = flat @ flat.T
    products /= products.diagonal().min()
    fold = torch.zeros(60, dtype=torch.int64)
    found = combination_weights(given, fold, n_independent, torch.tensor(prior))[:, 0].numpy()
    best = minimize(
        objective,
        np.full(5, 0.2),
        (products, shrinkage),
        method="SLSQP",
        bounds=[(0, 1)] * 5,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert objective(found, products, shrinkage) <= best.fun * (1 + 1e-4)


def test_weights_are_shares():
    found = combination_weights(errors(), torch.zeros(60, dtype=torch.int64), 60.0, equal())
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(0), torch.ones(4, dtype=torch.float64))


def test_few_forecasts_are_trusted_less():
    many, some, few = (
        combination_weights(errors(), torch.zeros(60, dtype=torch.int64), n, equal())[0].mean()
        for n in (1e9, 10.0, 0.0)
    )
    assert many > some > few


def test_without_errors_weights_are_the_prior_ones():
    prior = torch.tensor([0.5, 0.25, 0.25])
    for n in (0, 4):  # no forecasts, and four perfect ones
        found = combination_weights(torch.zeros(3, n, 2), torch.zeros(n), float(n), prior)
        assert found.tolist() == [[0.5] * 2, [0.25] * 2, [0.25] * 2]


def test_equal_errors_that_few_forecasts_say_leave_the_prior_weights():
    given = torch.randn(3, 400, 1, generator=torch.Generator().manual_seed(0))
    prior = torch.tensor([0.5, 0.3, 0.2])
    found = combination_weights(given, torch.zeros(400, dtype=torch.int64), 0.0, prior)
    torch.testing.assert_close(found[:, 0].float(), prior, atol=0.1, rtol=0)


def test_folds_count_alike_whatever_their_errors():
    given = errors(n=60)
    fold = torch.arange(60) // 30
    wild = given.clone()
    wild[:, fold == 1] *= 100
    torch.testing.assert_close(
        combination_weights(wild, fold, 9.0, equal()),
        combination_weights(given, fold, 9.0, equal()),
    )


def test_blocks_cover_the_horizon_and_double():
    for horizon in (1, 2, 7, 96):
        blocks = list(horizon_blocks(horizon))
        steps = [step for block in blocks for step in range(block.start, block.stop)]
        assert steps == list(range(horizon))
        assert all(block.stop - block.start <= max(1, block.start) for block in blocks)
