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


def objective(found, products, shrinkage):
    return found @ (products + shrinkage * np.diag(products.diagonal())) @ found


@pytest.mark.parametrize("n_independent", [1e9, 50.0, 5.0])
@pytest.mark.parametrize("seed", range(4))
def test_weights_are_the_best_on_the_simplex(n_independent, seed):
    shrinkage = 5 / n_independent
    given = errors(seed=seed)[..., :1]
    flat = given[..., 0].numpy()
    products = flat @ flat.T
    products /= products.diagonal().min()
    found = combination_weights(given, torch.zeros(60, dtype=torch.int64), n_independent)[
        :, 0
    ].numpy()
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
    found = combination_weights(errors(), torch.zeros(60, dtype=torch.int64), 60.0)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(0), torch.ones(4, dtype=torch.float64))


def test_few_forecasts_are_trusted_less():
    many, some, few = (
        combination_weights(errors(), torch.zeros(60, dtype=torch.int64), n)[0].mean()
        for n in (1e9, 10.0, 0.0)
    )
    assert many > some > few


def test_without_errors_weights_are_equal():
    none = torch.zeros(3, 0, 2)
    assert combination_weights(none, torch.zeros(0), 0.0).tolist() == [[1 / 3] * 2] * 3
    perfect = torch.zeros(3, 4, 2)
    assert combination_weights(perfect, torch.zeros(4), 4.0).tolist() == [[1 / 3] * 2] * 3


def test_folds_count_alike_whatever_their_errors():
    given = errors(n=60)
    fold = torch.arange(60) // 30
    wild = given.clone()
    wild[:, fold == 1] *= 100
    torch.testing.assert_close(
        combination_weights(wild, fold, 9.0), combination_weights(given, fold, 9.0)
    )


def test_blocks_cover_the_horizon_and_double():
    for horizon in (1, 2, 7, 96):
        blocks = list(horizon_blocks(horizon))
        steps = [step for block in blocks for step in range(block.start, block.stop)]
        assert steps == list(range(horizon))
        assert all(block.stop - block.start <= max(1, block.start) for block in blocks)
